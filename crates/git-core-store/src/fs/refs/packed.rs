//! `packed-refs` as it lies on the disk: read once, kept until another file takes its place, and rewritten.

use crate::Reference;
use bstr::{BStr, ByteSlice as _};
use git_core_object::{Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_ref::{
    PackedIter, PackedRef, PackedRefs, PackedRefsError, PackedRefsWriter, Peeled, RefName, Target,
};
use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// Remembers the file that was read last.
#[derive(Debug)]
pub(super) struct PackedCache {
    path: PathBuf,
    format: ObjectFormat,
    last: Mutex<Option<Arc<PackedFile>>>,
}

/// The content of `packed-refs` at one moment, sorted.
#[derive(Debug)]
pub(super) struct PackedFile {
    path: PathBuf,
    format: ObjectFormat,
    bytes: Vec<u8>,
    stamp: Option<Stamp>,
    /// While it is open its inode number is not used again, so that the stamp of a new file must differ.
    _open: Option<File>,
}

/// What tells one file from its successor.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stamp {
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    device_and_inode: (u64, u64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        use std::os::unix::fs::MetadataExt as _;
        Stamp {
            length: metadata.len(),
            modified: metadata.modified().ok(),
            #[cfg(unix)]
            device_and_inode: (metadata.dev(), metadata.ino()),
        }
    }
}

impl PackedCache {
    pub(super) fn new(path: PathBuf, format: ObjectFormat) -> Self {
        PackedCache { path, format, last: Mutex::new(None) }
    }

    /// The content as it is now; read again only if the file was replaced.
    pub(super) fn current(&self) -> Result<Arc<PackedFile>, ReadError> {
        let unavailable = |error| ReadError::unavailable(self.path.display(), error);
        let now = match std::fs::metadata(&self.path) {
            Ok(metadata) => Some(Stamp::of(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(unavailable(error)),
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &*last
            && file.stamp == now
        {
            return Ok(file.clone());
        }
        let file = Arc::new(PackedFile::read(&self.path, self.format)?);
        *last = Some(file.clone());
        Ok(file)
    }
}

impl PackedFile {
    fn read(path: &Path, format: ObjectFormat) -> Result<Self, ReadError> {
        let mut file =
            PackedFile { path: path.to_path_buf(), format, bytes: Vec::new(), stamp: None, _open: None };
        let unavailable = |error| ReadError::unavailable(path.display(), error);
        let mut open = match File::open(path) {
            Ok(open) => open,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(file),
            Err(error) => return Err(unavailable(error)),
        };
        file.stamp = Some(Stamp::of(&open.metadata().map_err(unavailable)?));
        open.read_to_end(&mut file.bytes).map_err(unavailable)?;
        // Windows does not let others replace a file that is open.
        file._open = cfg!(unix).then_some(open);
        let parsed = PackedRefs::parse(format, &file.bytes).map_err(|error| file.damaged(error))?;
        if !parsed.is_sorted() {
            file.bytes = sorted(&parsed, &file.bytes).map_err(|error| file.damaged(error))?;
        }
        Ok(file)
    }

    pub(super) fn damaged(&self, error: PackedRefsError) -> ReadError {
        ReadError::corrupt(self.path.display(), error)
    }

    /// How long the file is, in bytes.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn parsed(&self) -> Result<PackedRefs<'_>, ReadError> {
        PackedRefs::parse(self.format, &self.bytes).map_err(|error| self.damaged(error))
    }

    pub(super) fn find(&self, name: &RefName) -> Result<Option<Reference>, ReadError> {
        let found = self.parsed()?.find(name.as_bytes()).map_err(|error| self.damaged(error))?;
        Ok(found.map(|entry| Reference {
            name: name.clone(),
            target: Target::Id(entry.id),
            peeled: peeled(entry.peeled),
        }))
    }

    pub(super) fn contains(&self, name: &[u8]) -> Result<bool, ReadError> {
        Ok(self.parsed()?.find(name).map_err(|error| self.damaged(error))?.is_some())
    }

    /// The refs whose names begin with `prefix`, sorted.
    pub(super) fn with_prefix(&self, prefix: &[u8]) -> Result<PackedIter<'_>, ReadError> {
        self.with_prefix_after(prefix, None)
    }

    /// Those of them that sort behind `after`.
    pub(super) fn with_prefix_after(
        &self,
        prefix: &[u8],
        after: Option<&RefName>,
    ) -> Result<PackedIter<'_>, ReadError> {
        let after = after.map(|name| name.as_bytes());
        self.parsed()?.with_prefix_after(prefix, after).map_err(|error| self.damaged(error))
    }

    /// The first ref whose name has `name/` before it.
    pub(super) fn first_below(&self, name: &RefName) -> Result<Option<RefName>, ReadError> {
        let mut prefix = name.as_bytes().to_vec();
        prefix.push(b'/');
        for entry in self.with_prefix(&prefix)? {
            if let Ok(name) = entry.map_err(|error| self.damaged(error))?.ref_name() {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// The first line, if it tells what the others hold.
    fn header(&self) -> &[u8] {
        if self.bytes.starts_with(b"#") { self.bytes.lines().next().unwrap_or_default() } else { b"" }
    }
}

/// The reference of an entry; none for a name that no ref can have.
pub(super) fn reference(entry: &PackedRef<'_>) -> Option<Reference> {
    let Ok(name) = entry.ref_name() else {
        tracing::warn!(name = %entry.name, "ignoring ref with broken name");
        return None;
    };
    if entry.id.is_null() {
        tracing::warn!(%name, "ignoring broken ref");
        return None;
    }
    Some(Reference { name, target: Target::Id(entry.id), peeled: peeled(entry.peeled) })
}

fn peeled(peeled: Peeled) -> Option<Option<ObjectId>> {
    match peeled {
        Peeled::Unknown => None,
        Peeled::NotATag => Some(None),
        Peeled::To(id) => Some(Some(id)),
    }
}

/// The same file in order, and saying so: old versions of git did not sort.
fn sorted(parsed: &PackedRefs<'_>, bytes: &[u8]) -> Result<Vec<u8>, PackedRefsError> {
    let mut entries = parsed.iter().collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(|entry| entry.name);
    let first = if bytes.starts_with(b"#") { bytes.lines().next().unwrap_or_default() } else { b"" };
    let mut out = header_with_sorted(first);
    for entry in entries {
        write_entry(&mut out, entry.name, &entry.id, peeled(entry.peeled).flatten().as_ref());
    }
    Ok(out)
}

fn header_with_sorted(header: &[u8]) -> Vec<u8> {
    let mut out =
        if header.is_empty() { b"# pack-refs with:".to_vec() } else { header.trim_ascii_end().to_vec() };
    if !out.ends_with(b" sorted") {
        out.extend_from_slice(b" sorted");
    }
    out.extend_from_slice(b" \n");
    out
}

fn write_entry(out: &mut Vec<u8>, name: &BStr, id: &ObjectId, peeled: Option<&ObjectId>) {
    id.write_hex(out);
    out.push(b' ');
    out.extend_from_slice(name);
    out.push(b'\n');
    if let Some(peeled) = peeled {
        out.push(b'^');
        peeled.write_hex(out);
        out.push(b'\n');
    }
}

/// What becomes of packed refs: a value, or nothing.
pub(super) type Changes = BTreeMap<RefName, Option<ObjectId>>;

/// Writes `old` with the changes made. Values are peeled, those of `old` too where the file did not say; without
/// `objects` nothing is known of what is behind an id, so that only deletions may be asked for then.
pub(super) fn rewrite(
    old: &PackedFile,
    changes: &Changes,
    objects: Option<&dyn Objects>,
    out: &mut dyn Write,
) -> Result<(), RewriteError> {
    const FLUSH_AT: usize = 64 << 10;
    let fully_peeled = old.bytes.is_empty()
        || old.header().split(u8::is_ascii_whitespace).any(|word| word == b"fully-peeled");
    let mut text = if fully_peeled || objects.is_some() {
        PackedRefsWriter::new(old.format).finish()
    } else {
        header_with_sorted(old.header())
    };
    let mut peel = Peel { objects, content: Vec::new(), last: None };
    let mut changes = changes.iter().peekable();
    let mut add = |text: &mut Vec<u8>, name: &RefName, id: &ObjectId| -> Result<(), RewriteError> {
        let to = peel.peel(id)?;
        write_entry(text, name.as_bstr(), id, to.as_ref());
        Ok(())
    };
    for entry in old.parsed()?.iter() {
        let entry = entry.map_err(|error| old.damaged(error))?;
        let mut replaced = false;
        while let Some((name, value)) = changes.next_if(|(name, _)| name.as_bytes() <= entry.name.as_bytes())
        {
            replaced = name.as_bytes() == entry.name.as_bytes();
            if let Some(id) = value {
                add(&mut text, name, id)?;
            }
        }
        if !replaced {
            let to = match entry.peeled {
                Peeled::To(id) => Some(id),
                Peeled::NotATag => None,
                Peeled::Unknown => Peel { objects, content: Vec::new(), last: None }.peel(&entry.id)?,
            };
            write_entry(&mut text, entry.name, &entry.id, to.as_ref());
        }
        if text.len() >= FLUSH_AT {
            out.write_all(&text)?;
            text.clear();
        }
    }
    for (name, value) in changes {
        if let Some(id) = value {
            add(&mut text, name, id)?;
        }
        if text.len() >= FLUSH_AT {
            out.write_all(&text)?;
            text.clear();
        }
    }
    Ok(out.write_all(&text)?)
}

/// Why the file could not be rewritten.
#[derive(Debug, thiserror::Error)]
pub(super) enum RewriteError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// Follows annotated tags to what they are about.
struct Peel<'a> {
    objects: Option<&'a dyn Objects>,
    content: Vec<u8>,
    /// Many refs may hold one id.
    last: Option<(ObjectId, Option<ObjectId>)>,
}

impl Peel<'_> {
    /// What the tag leads to in the end; `None` for anything but a tag, and for what is not there.
    fn peel(&mut self, id: &ObjectId) -> Result<Option<ObjectId>, ReadError> {
        /// Tags of tags of tags: more than this are not followed.
        const DEPTH: usize = 1 << 10;
        let Some(objects) = self.objects else { return Ok(None) };
        if let Some((last, to)) = self.last
            && last == *id
        {
            return Ok(to);
        }
        let mut at = *id;
        let mut to = None;
        for _ in 0..DEPTH {
            if objects.header(&at)?.is_none_or(|header| header.kind != Kind::Tag) {
                break;
            }
            objects.require(&at, &mut self.content)?;
            let target = self.content.lines().next().and_then(|line| line.strip_prefix(b"object "));
            match target.and_then(|hex| ObjectId::from_hex_of(objects.format(), hex).ok()) {
                Some(next) => (at, to) = (next, Some(next)),
                None => return Err(ReadError::corrupt(format_args!("object {at}"), "a tag of nothing")),
            }
        }
        self.last = Some((*id, to));
        Ok(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> ObjectId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    #[test]
    fn unsorted_files_are_put_in_order_and_rewritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("packed-refs");
        let cache = PackedCache::new(path.clone(), ObjectFormat::Sha1);
        assert_eq!(cache.current().unwrap().len(), 0);
        std::fs::write(&path, format!("{} refs/tags/b\n^{}\n{} refs/heads/a\n", id('1'), id('2'), id('3')))
            .unwrap();
        let file = cache.current().unwrap();
        let names =
            file.with_prefix(b"").unwrap().map(|entry| entry.unwrap().name.to_string()).collect::<Vec<_>>();
        assert_eq!(names, ["refs/heads/a", "refs/tags/b"]);
        let tag = file.find(&RefName::tag("b").unwrap()).unwrap().unwrap();
        assert_eq!(tag.peeled, Some(Some(id('2'))));
        assert_eq!(file.find(&RefName::branch("a").unwrap()).unwrap().unwrap().peeled, None);

        let mut out = Vec::new();
        let changes = Changes::from([(RefName::branch("a").unwrap(), None)]);
        rewrite(&file, &changes, None, &mut out).unwrap();
        let expected = format!("# pack-refs with: sorted \n{} refs/tags/b\n^{}\n", id('1'), id('2'));
        assert_eq!(out.as_bstr(), expected);
    }

    #[test]
    fn a_replaced_file_of_the_same_size_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("packed-refs");
        let cache = PackedCache::new(path.clone(), ObjectFormat::Sha1);
        let name = RefName::branch("a").unwrap();
        for digit in "123456789abcdef".chars() {
            let next = dir.path().join("packed-refs.lock");
            std::fs::write(
                &next,
                format!("# pack-refs with: peeled fully-peeled sorted \n{} {name}\n", id(digit)),
            )
            .unwrap();
            std::fs::rename(&next, &path).unwrap();
            let found = cache.current().unwrap().find(&name).unwrap().unwrap();
            assert_eq!(found.target, Target::Id(id(digit)));
            assert_eq!(found.peeled, Some(None));
        }
    }
}
