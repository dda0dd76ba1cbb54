//! A change as one line: the raw format, `--name-only`, `--name-status` (`git-diff-tree(1)`, "Raw output
//! format").

use crate::quote::{PathStyle, write_path};
use crate::{Change, Entry};
use git_core_object::{EntryMode, ObjectId};

/// Appends `:100644 100644 <old id> <new id> M<TAB>path<LF>`, ids in full; with
/// [`PathStyle::NulTerminated`], NUL stands for TAB and LF.
pub fn write_raw(change: &Change<'_>, style: PathStyle, out: &mut Vec<u8>) {
    let mode = |entry: &Option<Entry>| entry.map_or(EntryMode::from_raw(0), |entry| entry.kind.mode());
    out.extend_from_slice(format!(":{:o} {:o} ", mode(&change.old), mode(&change.new)).as_bytes());
    let Some(format) = change.old.or(change.new).map(|entry| entry.id.format()) else { return };
    for side in [&change.old, &change.new] {
        side.map_or(ObjectId::null(format), |entry| entry.id).write_hex(out);
        out.push(b' ');
    }
    write_name_status(change, style, out);
}

/// Appends `path<LF>`, or `path<NUL>`: `--name-only`.
pub fn write_name(change: &Change<'_>, style: PathStyle, out: &mut Vec<u8>) {
    write_path(change.path, style, out);
    out.push(style.terminator());
}

/// Appends `M<TAB>path<LF>`, or `M<NUL>path<NUL>`: `--name-status`.
pub fn write_name_status(change: &Change<'_>, style: PathStyle, out: &mut Vec<u8>) {
    out.push(change.status().letter() as u8);
    out.push(style.separator());
    write_name(change, style, out);
}
