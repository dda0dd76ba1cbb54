//! One change as a patch: the header lines, then hunks or the remark that binary files differ.

use crate::hunks::{HunkOptions, write_hunks};
use crate::lines::MAX_TEXT_BYTES;
use crate::quote::{PathStyle, write_prefixed};
use crate::walk::{Change, Entry};
use crate::{DiffError, Status};
use git_core_object::{Context, EntryKind, Kind, ObjectId, Objects, ReadError};

/// How many digits of an id the `index` line shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Abbreviation {
    /// All of them: `--full-index`.
    Full,
    /// This many. Git shows at least seven, more in large repositories, and more still where an id would
    /// not be unique: see [`PatchWriter::abbreviate_with`] for that.
    Digits(usize),
}

/// How a patch is printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PatchOptions {
    /// How many digits of an id are shown.
    pub abbreviation: Abbreviation,
    /// How hunks are printed.
    pub hunks: HunkOptions,
    /// How unusual paths are printed; [`PathStyle::NulTerminated`] prints them as they are, for in a patch
    /// nothing is ended by NUL.
    pub paths: PathStyle,
    /// What stands before a path of the old side: `a/`.
    pub old_prefix: Vec<u8>,
    /// What stands before a path of the new side: `b/`.
    pub new_prefix: Vec<u8>,
    /// Files of at least this many bytes are taken for binary unread: `core.bigFileThreshold`, 512 MiB. So are
    /// files of [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES) in any case.
    pub big_file_bytes: u64,
}

impl Default for PatchOptions {
    fn default() -> Self {
        PatchOptions {
            abbreviation: Abbreviation::Digits(7),
            hunks: HunkOptions::default(),
            paths: PathStyle::default(),
            old_prefix: b"a/".to_vec(),
            new_prefix: b"b/".to_vec(),
            big_file_bytes: 512 << 20,
        }
    }
}

/// A function that answers how many digits of an id are enough.
type Digits<'a> = dyn Fn(&ObjectId) -> Result<usize, ReadError> + 'a;

/// Prints changes as patches; keeps its buffers from one to the next.
pub struct PatchWriter<'a> {
    objects: &'a dyn Objects,
    options: PatchOptions,
    digits: Option<Box<Digits<'a>>>,
    old: Vec<u8>,
    new: Vec<u8>,
}

impl<'a> PatchWriter<'a> {
    /// Prints changes whose blobs are in `objects`.
    pub fn new(objects: &'a dyn Objects, options: PatchOptions) -> Self {
        PatchWriter { objects, options, digits: None, old: Vec::new(), new: Vec::new() }
    }

    /// Asks how many digits of each id to show, in place of [`PatchOptions::abbreviation`]: ids of objects
    /// that are not there, the null id and ids of submodule commits among them.
    pub fn abbreviate_with(self, digits: impl Fn(&ObjectId) -> Result<usize, ReadError> + 'a) -> Self {
        PatchWriter { digits: Some(Box::new(digits)), ..self }
    }

    /// Appends the patch of one change. Directories have none. A change of type is printed as a deletion
    /// and a creation, as `git apply` wants it.
    ///
    /// # Errors
    /// [`DiffError::Read`] when a blob is missing or cannot be read, [`DiffError::Stopped`].
    pub fn write(
        &mut self,
        change: &Change<'_>,
        context: &Context,
        out: &mut Vec<u8>,
    ) -> Result<(), DiffError> {
        context.check()?;
        let is_tree = |entry: Option<Entry>| entry.is_some_and(|entry| entry.kind == EntryKind::Tree);
        if change.status() == Status::TypeChanged {
            self.write(&Change { new: None, ..*change }, context, out)?;
            self.write(&Change { old: None, ..*change }, context, out)
        } else if is_tree(change.old) || is_tree(change.new) {
            Ok(())
        } else {
            self.write_header(change, out)?;
            self.write_content(change, out)
        }
    }

    fn write_header(&self, change: &Change<'_>, out: &mut Vec<u8>) -> Result<(), DiffError> {
        out.extend_from_slice(b"diff --git ");
        self.write_name(Side::Old, change, out);
        out.push(b' ');
        self.write_name(Side::New, change, out);
        out.push(b'\n');
        let line = |text: &str, kind: EntryKind, out: &mut Vec<u8>| {
            out.extend_from_slice(format!("{text} mode {:o}\n", kind.mode()).as_bytes());
        };
        match (change.old, change.new) {
            (Some(old), None) => line("deleted file", old.kind, out),
            (None, Some(new)) => line("new file", new.kind, out),
            (Some(old), Some(new)) if old.kind != new.kind => {
                line("old", old.kind, out);
                line("new", new.kind, out);
            }
            _ => {}
        }
        let id = |entry: Option<Entry>| entry.map(|entry| entry.id);
        let Some(format) = id(change.old.or(change.new)).map(|id| id.format()) else { return Ok(()) };
        if id(change.old) != id(change.new) {
            out.extend_from_slice(b"index ");
            self.write_id(&id(change.old).unwrap_or_else(|| ObjectId::null(format)), out)?;
            out.extend_from_slice(b"..");
            self.write_id(&id(change.new).unwrap_or_else(|| ObjectId::null(format)), out)?;
            if let (Some(old), Some(new)) = (change.old, change.new)
                && old.kind == new.kind
            {
                out.extend_from_slice(format!(" {:o}", old.kind.mode()).as_bytes());
            }
            out.push(b'\n');
        }
        Ok(())
    }

    fn write_content(&mut self, change: &Change<'_>, out: &mut Vec<u8>) -> Result<(), DiffError> {
        if change.old.map(|entry| entry.id) == change.new.map(|entry| entry.id) {
            return Ok(());
        }
        let old_is_text = load(self.objects, change.old, self.options.big_file_bytes, &mut self.old)?;
        let new_is_text = load(self.objects, change.new, self.options.big_file_bytes, &mut self.new)?;
        if !old_is_text || !new_is_text {
            out.extend_from_slice(b"Binary files ");
            self.write_label(Side::Old, change, out);
            out.extend_from_slice(b" and ");
            self.write_label(Side::New, change, out);
            out.extend_from_slice(b" differ\n");
            return Ok(());
        }
        let start = out.len();
        for (marker, side) in [(b"--- ", Side::Old), (b"+++ ", Side::New)] {
            out.extend_from_slice(marker);
            if self.write_label(side, change, out) && change.path.contains(&b' ') {
                out.push(b'\t');
            }
            out.push(b'\n');
        }
        if write_hunks(&self.old, &self.new, &self.options.hunks, out).unwrap_or(0) == 0 {
            out.truncate(start);
        }
        Ok(())
    }

    /// Appends prefix and path, or `/dev/null` for a side that is not there; answers whether it is.
    fn write_label(&self, side: Side, change: &Change<'_>, out: &mut Vec<u8>) -> bool {
        let entry = match side {
            Side::Old => change.old,
            Side::New => change.new,
        };
        match entry {
            Some(_) => self.write_name(side, change, out),
            None => out.extend_from_slice(b"/dev/null"),
        }
        entry.is_some()
    }

    fn write_name(&self, side: Side, change: &Change<'_>, out: &mut Vec<u8>) {
        let prefix = match side {
            Side::Old => &self.options.old_prefix,
            Side::New => &self.options.new_prefix,
        };
        write_prefixed(prefix, change.path, self.options.paths, out);
    }

    fn write_id(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<(), ReadError> {
        let digits = match (&self.digits, self.options.abbreviation) {
            (Some(digits), _) => digits(id)?,
            (None, Abbreviation::Full) => usize::MAX,
            (None, Abbreviation::Digits(digits)) => digits,
        };
        let start = out.len();
        id.write_hex(out);
        out.truncate(start + digits.min(id.format().hex_len()));
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

/// Bytes of a file that decide whether it is binary.
const SNIFFED_BYTES: usize = 8000;

/// Replaces `content` with what a patch compares, and answers whether it is text.
fn load(
    objects: &dyn Objects,
    entry: Option<Entry>,
    big_file_bytes: u64,
    content: &mut Vec<u8>,
) -> Result<bool, ReadError> {
    content.clear();
    let Some(Entry { kind, id }) = entry else { return Ok(true) };
    if kind == EntryKind::Commit {
        content.extend_from_slice(b"Subproject commit ");
        id.write_hex(content);
        content.push(b'\n');
        return Ok(true);
    }
    let header = objects.header(&id)?.ok_or(ReadError::Missing { id })?;
    if header.kind != Kind::Blob {
        return Err(ReadError::WrongKind { id, expected: Kind::Blob, actual: header.kind });
    }
    if header.size >= big_file_bytes.min(MAX_TEXT_BYTES as u64) {
        return Ok(false);
    }
    objects.require(&id, content)?;
    Ok(!content[..content.len().min(SNIFFED_BYTES)].contains(&0))
}
