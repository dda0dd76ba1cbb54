//! Writing a pack beside those that are there: under a name nobody reads, then published, its index last.

use super::{RepackReport, ReverseFiles};
use crate::fs::FsObjects;
use crate::fs::sys::{Access, Disk, DiskFile};
use crate::maintenance::MaintenanceError;
use git_core_hash::{Checksum, Digest};
use git_core_idx::{Version, write_idx};
use git_core_object::{Context, ObjectId, Objects};
use git_core_pack::{Islands, PackPlan, PackWriter, Reuse, SearchOptions, WriteOptions, Written};
use std::io::{self, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

/// Bytes of a file that belongs to a pack, and its extension.
pub(super) type Companion = (&'static str, Vec<u8>);

/// Where packs are written, and how.
#[derive(Clone)]
pub(super) struct Target<'a> {
    pub(super) disk: &'a dyn Disk,
    /// The path without `-<checksum>.pack`.
    pub(super) base: PathBuf,
    pub(super) options: WriteOptions,
    pub(super) reuse: Reuse,
    pub(super) search: Option<SearchOptions>,
    pub(super) islands: Option<Arc<dyn Islands>>,
    pub(super) idx_version: Version,
    pub(super) reverse: ReverseFiles,
}

impl<'a> Target<'a> {
    /// `objects/pack/pack`.
    pub(super) fn in_repository(objects: &'a FsObjects, options: WriteOptions) -> Self {
        Target {
            disk: &**objects.disk(),
            base: objects.dir().join("pack/pack"),
            options,
            reuse: Reuse::All,
            search: None,
            islands: None,
            idx_version: Version::default(),
            reverse: ReverseFiles::default(),
        }
    }

    /// Writes the pack and makes it visible; several if it may not be so large, and none for a plan of no objects.
    /// `companions` gives the files that belong to a pack beside its two indexes.
    pub(super) fn write(
        &self,
        mut plan: PackPlan,
        objects: Arc<dyn Objects>,
        companions: &mut dyn FnMut(&Written) -> Result<Vec<Companion>, MaintenanceError>,
        report: &mut RepackReport,
        cx: &Context,
    ) -> Result<Vec<PathBuf>, MaintenanceError> {
        let mut stems = Vec::new();
        if plan.is_empty() {
            return Ok(stems);
        }
        let parent = self.base.parent().filter(|parent| !parent.as_os_str().is_empty());
        let dir = parent.unwrap_or(Path::new("."));
        self.disk.create_dir_all(dir).map_err(|error| MaintenanceError::unavailable(dir, error))?;
        plan.set_reuse(self.reuse);
        if let Some(islands) = &self.islands {
            plan.set_islands(islands.clone());
        }
        if let Some(search) = &self.search {
            plan.find_deltas(&*objects, search, cx)?;
        }
        let options = WriteOptions { record: true, ..self.options.clone() };
        let mut writer = PackWriter::new(plan, objects, options)?;
        loop {
            let (scratch, mut file) =
                crate::fs::create_scratch(self.disk, dir, "tmp_pack_", Access::ReadOnly)?;
            let scratches = Scratches { disk: self.disk, paths: vec![scratch.clone()] };
            let failed = |error: io::Error| MaintenanceError::unavailable(&scratch, error);
            pump(&mut writer, &mut *file, cx, &failed)?;
            let Some((mut written, more)) = writer.next_pack() else {
                return Err(failed(io::ErrorKind::UnexpectedEof.into()));
            };
            if written.declared != written.objects {
                written.checksum = declare(&mut *file, &written).map_err(failed)?;
            }
            // What comes beside it is made while the disk is busy.
            let beside = std::thread::scope(|scope| {
                let flushed = scope.spawn(|| file.sync());
                let beside = self.beside(&written, companions);
                flushed.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(failed)?;
                beside
            })?;
            drop(file);
            stems.push(self.publish(dir, scratches, &written, beside, report, cx)?);
            if more == ControlFlow::Break(()) {
                return Ok(stems);
            }
        }
    }

    /// The files beside a pack, in the order in which they are published: the pack is visible by its index.
    fn beside(
        &self,
        written: &Written,
        companions: &mut dyn FnMut(&Written) -> Result<Vec<Companion>, MaintenanceError>,
    ) -> Result<Vec<Companion>, MaintenanceError> {
        let mut all = companions(written)?;
        if self.reverse == ReverseFiles::Write {
            all.push(("rev", written.rev()));
        }
        let idx = write_idx(self.idx_version, written.entries.iter().copied(), &written.checksum);
        all.push(("idx", idx.map_err(git_core_pack::WriteError::from)?));
        Ok(all)
    }

    /// Gives the files of a pack their names.
    fn publish(
        &self,
        dir: &Path,
        mut scratches: Scratches<'_>,
        written: &Written,
        others: Vec<Companion>,
        report: &mut RepackReport,
        cx: &Context,
    ) -> Result<PathBuf, MaintenanceError> {
        let stem = {
            let mut name = self.base.as_os_str().to_os_string();
            name.push(format!("-{}", ObjectId::from(written.checksum)));
            PathBuf::from(name)
        };
        let is_cruft = others.iter().any(|(extension, _)| *extension == "mtimes");
        let mut files: Vec<_> = scratches.paths.iter().map(|path| ("pack", path.clone())).collect();
        let has_bitmap = others.iter().any(|(extension, _)| *extension == "bitmap");
        for (extension, bytes) in others {
            let (path, mut file) =
                crate::fs::create_scratch(self.disk, dir, &format!("tmp_{extension}_"), Access::ReadOnly)?;
            scratches.paths.push(path.clone());
            file.write_all(&bytes)
                .and_then(|()| file.sync())
                .map_err(|error| MaintenanceError::unavailable(&path, error))?;
            files.push((extension, path));
        }
        cx.check()?;
        for (extension, from) in files {
            let to = stem.with_added_extension(extension);
            // A bitmap of the same pack may be of another make.
            let published = match extension {
                "bitmap" => self.disk.rename(&from, &to),
                _ => self.disk.publish(&from, &to),
            };
            match published {
                Ok(()) => {}
                // A pack of this name has this content; it is needed again.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let _ = self.disk.touch(&to);
                }
                Err(error) => return Err(MaintenanceError::unavailable(&to, error)),
            }
        }
        if !is_cruft {
            // The same objects may have been a cruft pack, which they are no longer.
            let _ = self.disk.remove_file(&stem.with_added_extension("mtimes"));
        }
        if !has_bitmap {
            // Nor does it keep a bitmap that is no longer asked for.
            let _ = self.disk.remove_file(&stem.with_added_extension("bitmap"));
        }
        self.disk.sync_dir(dir).map_err(|error| MaintenanceError::unavailable(dir, error))?;
        report.objects += u64::from(written.objects);
        report.deltas += u64::from(written.deltas);
        report.reused += u64::from(written.reused);
        report.written.push(stem.with_added_extension("pack"));
        Ok(stem)
    }
}

/// Pieces that wait to be written.
const AHEAD: usize = 4;

/// Writes until the pack is complete: while one thread makes the next piece, another one writes those before it.
fn pump(
    writer: &mut PackWriter,
    file: &mut dyn DiskFile,
    cx: &Context,
    failed: &dyn Fn(io::Error) -> MaintenanceError,
) -> Result<(), MaintenanceError> {
    let (pieces, filled) = mpsc::sync_channel::<Vec<u8>>(AHEAD);
    let (back, emptied) = mpsc::channel();
    std::thread::scope(|scope| {
        let writing = scope.spawn(move || -> io::Result<()> {
            for mut piece in filled {
                file.write_all(&piece)?;
                piece.clear();
                // Nobody wants it back at the end.
                let _ = back.send(piece);
            }
            Ok(())
        });
        let made = loop {
            let mut piece = emptied.try_recv().unwrap_or_default();
            match writer.fill(&mut piece, cx) {
                Err(error) => break Err(error),
                Ok(flow) => {
                    // Who does not take it any more has failed, and says how.
                    if pieces.send(piece).is_err() || flow == ControlFlow::Break(()) {
                        break Ok(());
                    }
                }
            }
        };
        drop(pieces);
        writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(failed)?;
        Ok(made?)
    })
}

/// Corrects the number of objects in the header of a pack that was cut short, and its checksum, which is given.
fn declare(file: &mut dyn DiskFile, written: &Written) -> io::Result<Digest> {
    const COUNT_AT: u64 = 8;
    const PIECE: u64 = 256 << 10;
    file.seek(SeekFrom::Start(COUNT_AT))?;
    file.write_all(&written.objects.to_be_bytes())?;
    let mut checksum = Checksum::new(written.checksum.format());
    let end = written.size - written.checksum.as_bytes().len() as u64;
    let (mut at, mut piece) = (0, Vec::new());
    while at < end {
        let len = PIECE.min(end - at);
        piece.resize(len as usize, 0);
        file.read_exact_at(at, &mut piece)?;
        checksum.update(&piece);
        at += len;
    }
    let checksum = checksum.finish();
    file.seek(SeekFrom::Start(end))?;
    file.write_all(checksum.as_bytes())?;
    Ok(checksum)
}

/// Files that go when they were not published.
struct Scratches<'a> {
    disk: &'a dyn Disk,
    paths: Vec<PathBuf>,
}

impl Drop for Scratches<'_> {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = self.disk.remove_file(path);
        }
    }
}
