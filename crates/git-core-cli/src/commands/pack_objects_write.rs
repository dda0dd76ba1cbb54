//! `pack-objects`, second half: writing the objects that were chosen, to standard output or to files.

use super::index_pack_file::{replace, set_read_only};
use super::pack_objects::{Request, cannot_write};
use crate::fail::Failure;
use crate::output::{finish, stdout, written};
use git_core::object::{Context, ObjectId, Objects};
use git_core::pack::{DeltaForm, PackWriter, WriteOptions, Written};
use git_core::store::Snapshot;
use git_core::store::walk::{ObjectSet, Query};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Writes the pack.
pub(super) fn write(
    snapshot: Arc<dyn Snapshot>,
    set: ObjectSet,
    query: &Query,
    request: &Request,
    cx: &Context,
) -> Result<ExitCode, Failure> {
    if request.non_empty && set.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let mut plan = set.plan(snapshot.format())?;
    plan.set_reuse(request.reuse);
    let mut search = request.search.clone();
    let mut options = WriteOptions::default();
    options.delta_form = if request.ofs_delta { DeltaForm::Ofs } else { DeltaForm::Ref };
    options.compression = request.compression.unwrap_or(options.compression);
    options.record = request.base.is_some();
    search.compression = options.compression;
    if request.thin && !query.exclude.is_empty() {
        set.add_outer_bases(&mut plan);
        options.thin = Some(Arc::new(move |id| set.is_excluded(id)));
        search.thin.clone_from(&options.thin);
    } else {
        drop(set);
    }
    plan.find_deltas(&*snapshot, &search, cx).map_err(|error| cannot_write(&error))?;
    let objects: Arc<dyn Objects> = snapshot;
    let writer = PackWriter::new(plan, objects, options).map_err(|error| cannot_write(&error))?;
    let done = match &request.base {
        None => {
            let mut out = stdout();
            let done = pump(writer, &mut out, cx)?;
            finish(out)?;
            done
        }
        Some(base) => to_files(base, writer, cx)?,
    };
    if request.report {
        eprintln!(
            "Total {} (delta {}), reused {} (delta {})",
            done.objects, done.deltas, done.reused, done.reused_deltas
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes until the pack is complete.
fn pump(mut writer: PackWriter, out: &mut impl Write, cx: &Context) -> Result<Written, Failure> {
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let flow = writer.fill(&mut piece, cx).map_err(|error| cannot_write(&error))?;
        written(out.write_all(&piece))?;
        if flow == ControlFlow::Break(()) {
            break;
        }
    }
    writer.finish().ok_or_else(|| Failure::fatal("the pack was not completed"))
}

/// Writes `<base>-<checksum>.pack`, `.rev` and `.idx`, the index last, and prints the checksum.
fn to_files(base: &Path, writer: PackWriter, cx: &Context) -> Result<Written, Failure> {
    let mut scratch = base.as_os_str().to_os_string();
    scratch.push(format!("-tmp{}.pack", std::process::id()));
    let scratch = PathBuf::from(scratch);
    let write = || -> Result<Written, Failure> {
        let cannot = |error: io::Error| {
            Failure::fatal(format_args!("unable to create '{}': {error}", scratch.display()))
        };
        let mut file = OpenOptions::new().write(true).create_new(true).open(&scratch).map_err(cannot)?;
        let done = pump(writer, &mut file, cx)?;
        file.sync_all()?;
        set_read_only(&scratch)?;
        Ok(done)
    };
    let done = write().inspect_err(|_| drop(std::fs::remove_file(&scratch)))?;
    let checksum = ObjectId::from(done.checksum);
    let named = |extension: &str| {
        let mut name = base.as_os_str().to_os_string();
        name.push(format!("-{checksum}.{extension}"));
        PathBuf::from(name)
    };
    std::fs::rename(&scratch, named("pack")).inspect_err(|_| drop(std::fs::remove_file(&scratch)))?;
    replace(&named("rev"), &done.rev())?;
    replace(&named("idx"), &done.idx()?)?;
    println!("{checksum}");
    Ok(done)
}
