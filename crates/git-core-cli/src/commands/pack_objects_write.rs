//! `pack-objects`, second half: writing the objects that were chosen, to standard output or to files.

use super::index_pack_file::{replace, set_read_only};
use super::pack_objects::cannot_write;
use super::pack_objects_bitmap::Bitmap;
use super::pack_objects_cruft::Times;
use super::pack_objects_options::Request;
use crate::fail::Failure;
use crate::output::{finish, stdout, written};
use git_core::idx::{Checksum, Digest, Version, write_idx, write_mtimes};
use git_core::object::{Context, ObjectId, Objects};
use git_core::pack::{DeltaForm, PackWriter, WriteOptions, Written};
use git_core::store::Snapshot;
use git_core::store::walk::{ObjectSet, Query};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// What is written beside the pack and its indexes.
pub(super) struct Beside {
    pub(super) times: Option<Times>,
    /// Taken out when there turns out to be more than one pack.
    pub(super) bitmap: Option<Bitmap>,
}

/// Writes the pack, or packs.
pub(super) fn write(
    snapshot: Arc<dyn Snapshot>,
    set: ObjectSet,
    query: &Query,
    request: &Request,
    mut beside: Beside,
    cx: &Context,
) -> Result<ExitCode, Failure> {
    if request.non_empty && set.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut plan = set.plan(snapshot.format())?;
    plan.set_reuse(request.reuse);
    if let Some(marks) = &request.marks {
        plan.set_islands(marks.clone());
    }
    let mut search = request.search.clone();
    let mut options = WriteOptions {
        delta_form: if request.ofs_delta { DeltaForm::Ofs } else { DeltaForm::Ref },
        compression: search.compression,
        record: request.base.is_some(),
        max_size: request.max_size,
        big_object: search.big_object,
        ..WriteOptions::default()
    };
    let big = snapshot.clone();
    options.stream = Some(Arc::new(move |id, sink| big.stream(id, sink)));
    if request.thin && !query.exclude.is_empty() {
        set.add_outer_bases(&mut plan);
        options.thin = Some(Arc::new(move |id| set.is_excluded(id)));
        search.thin.clone_from(&options.thin);
    } else {
        drop(set);
    }
    plan.find_deltas(&*snapshot, &search, cx).map_err(|error| cannot_write(&error))?;
    let writing = if request.report_writing { cx.clone() } else { cx.clone().quiet() };
    let objects: Arc<dyn Objects> = snapshot;
    let mut writer = PackWriter::new(plan, objects, options).map_err(|error| cannot_write(&error))?;
    let mut sums = [0u32; 4];
    loop {
        let (done, more) = match &request.base {
            None => {
                let mut out = stdout();
                let done = pump(&mut writer, &mut out, &writing)?;
                finish(out)?;
                done
            }
            Some(base) => to_files(base, &mut writer, request, &mut beside, &writing)?,
        };
        for (sum, more) in sums.iter_mut().zip([done.objects, done.deltas, done.reused, done.reused_deltas]) {
            *sum += more;
        }
        if more == ControlFlow::Break(()) {
            break;
        }
    }
    if request.report {
        let [objects, deltas, reused, reused_deltas] = sums;
        eprintln!(
            "Total {objects} (delta {deltas}), reused {reused} (delta {reused_deltas}), pack-reused 0 (from 0)"
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes until a pack is complete; says whether another one follows.
fn pump(
    writer: &mut PackWriter,
    out: &mut impl Write,
    cx: &Context,
) -> Result<(Written, ControlFlow<()>), Failure> {
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let flow = writer.fill(&mut piece, cx).map_err(|error| cannot_write(&error))?;
        written(out.write_all(&piece))?;
        if flow == ControlFlow::Break(()) {
            break;
        }
    }
    writer.next_pack().ok_or_else(|| Failure::fatal("the pack was not completed"))
}

/// Writes `<base>-<checksum>.pack`, `.rev`, `.mtimes`, `.bitmap` and `.idx`, the index last, and prints the checksum.
fn to_files(
    base: &Path,
    writer: &mut PackWriter,
    request: &Request,
    beside: &mut Beside,
    cx: &Context,
) -> Result<(Written, ControlFlow<()>), Failure> {
    let mut scratch = base.as_os_str().to_os_string();
    scratch.push(format!("-tmp{}.pack", std::process::id()));
    let scratch = PathBuf::from(scratch);
    let mut write = || {
        let cannot = |error: io::Error| {
            Failure::fatal(format_args!("unable to create '{}': {error}", scratch.display()))
        };
        let mut file =
            OpenOptions::new().read(true).write(true).create_new(true).open(&scratch).map_err(cannot)?;
        let (mut done, more) = pump(writer, &mut file, cx)?;
        if done.declared != done.objects {
            done.checksum = count_anew(&mut file, &done)?;
        }
        file.sync_all()?;
        set_read_only(&scratch)?;
        if more == ControlFlow::Continue(())
            && let Some(bitmap) = beside.bitmap.take()
        {
            bitmap.give_up("packs are split due to pack.packSizeLimit");
        }
        let bitmap = beside.bitmap.as_ref().map(|bitmap| bitmap.of(&done, cx)).transpose()?.flatten();
        Ok::<_, Failure>((done, more, bitmap))
    };
    let (done, more, bitmap) = write().inspect_err(|_| drop(std::fs::remove_file(&scratch)))?;
    let checksum = ObjectId::from(done.checksum);
    let named = |extension: &str| {
        let mut name = base.as_os_str().to_os_string();
        name.push(format!("-{checksum}.{extension}"));
        PathBuf::from(name)
    };
    std::fs::rename(&scratch, named("pack")).inspect_err(|_| drop(std::fs::remove_file(&scratch)))?;
    if request.reverse_index {
        replace(&named("rev"), &done.rev())?;
    }
    if let Some(times) = &beside.times {
        let rows = done.entries.iter().map(|entry| times.get(&entry.id).copied().unwrap_or(0));
        replace(&named("mtimes"), &write_mtimes(rows, &done.checksum))?;
    }
    if let Some(bytes) = bitmap {
        replace(&named("bitmap"), &bytes)?;
    }
    let version = request.index_version.unwrap_or(Version::V2);
    replace(&named("idx"), &write_idx(version, done.entries.iter().copied(), &done.checksum)?)?;
    println!("{checksum}");
    Ok((done, more))
}

/// Puts the number of objects into the header of a pack that has become full, and gives its checksum anew.
fn count_anew(file: &mut File, done: &Written) -> Result<Digest, Failure> {
    file.seek(SeekFrom::Start(8))?;
    file.write_all(&done.objects.to_be_bytes())?;
    file.seek(SeekFrom::Start(0))?;
    let format = done.checksum.format();
    let mut checksum = Checksum::new(format);
    let mut left = done.size - format.raw_len() as u64;
    let mut piece = vec![0; 1 << 20];
    while left > 0 {
        let len = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.read_exact(&mut piece[..len])?;
        checksum.update(&piece[..len]);
        left -= len as u64;
    }
    let checksum = checksum.finish();
    file.write_all(checksum.as_bytes())?;
    Ok(checksum)
}
