//! Writing a pack beside those that are there: under a name nobody reads, then published, its index last.

use super::RepackReport;
use crate::fs::FsObjects;
use crate::fs::sys::{Access, Disk, DiskFile};
use crate::maintenance::MaintenanceError;
use git_core_hash::{Checksum, Digest};
use git_core_object::{Context, ObjectId, Objects};
use git_core_pack::{PackPlan, PackWriter, Reuse, SearchOptions, WriteOptions, Written};
use std::io::{self, SeekFrom};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
            file.sync().map_err(failed)?;
            drop(file);
            stems.push(self.publish(dir, scratches, &written, companions(&written)?, report, cx)?);
            if more == ControlFlow::Break(()) {
                return Ok(stems);
            }
        }
    }

    /// Gives the files of a pack their names.
    fn publish(
        &self,
        dir: &Path,
        mut scratches: Scratches<'_>,
        written: &Written,
        mut others: Vec<Companion>,
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
        others.push(("rev", written.rev()));
        // A pack is visible by its index.
        others.push(("idx", written.idx().map_err(git_core_pack::WriteError::from)?));
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
            match self.disk.publish(&from, &to) {
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
        // Nor does it keep a bitmap that is no longer asked for.
        let _ = self.disk.remove_file(&stem.with_added_extension("bitmap"));
        self.disk.sync_dir(dir).map_err(|error| MaintenanceError::unavailable(dir, error))?;
        report.objects += u64::from(written.objects);
        report.deltas += u64::from(written.deltas);
        report.reused += u64::from(written.reused);
        report.written.push(stem.with_added_extension("pack"));
        Ok(stem)
    }
}

/// Writes until the pack is complete.
fn pump(
    writer: &mut PackWriter,
    file: &mut dyn DiskFile,
    cx: &Context,
    failed: &dyn Fn(io::Error) -> MaintenanceError,
) -> Result<(), MaintenanceError> {
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let flow = writer.fill(&mut piece, cx)?;
        file.write_all(&piece).map_err(failed)?;
        if flow == ControlFlow::Break(()) {
            return Ok(());
        }
    }
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
