//! The `packed-refs` file: many refs in one sorted file, read in place and written as git writes it.
//!
//! `gitrepository-layout(5)` and `git-pack-refs(1)` name it; its lines are `<id> <name>`, and after a ref whose
//! object is an annotated tag `^<id>` with the object the tag leads to. Locking and replacing the file is left
//! to the storage.

use crate::{InvalidRefName, RefName};
use bstr::{BStr, ByteSlice as _};
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};

const HEADER: &[u8] = b"# pack-refs with:";

/// A `packed-refs` file whose bytes are somewhere else (mapped, usually).
#[derive(Clone, Copy, Debug)]
pub struct PackedRefs<'a> {
    format: ObjectFormat,
    traits: Traits,
    /// The lines after the header.
    body: &'a [u8],
    /// Where `body` begins in the file.
    offset: usize,
}

/// What the first line promises of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Traits {
    peeled: bool,
    fully_peeled: bool,
    sorted: bool,
}

/// One ref of a `packed-refs` file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackedRef<'a> {
    /// The name as it stands in the file; [`ref_name`](Self::ref_name) checks it.
    pub name: &'a BStr,
    /// What it points at.
    pub id: ObjectId,
    /// What an annotated tag leads to.
    pub peeled: Peeled,
}

/// What is known of the object behind a ref.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Peeled {
    /// Nothing: the object has to be looked at.
    #[default]
    Unknown,
    /// It is not an annotated tag.
    NotATag,
    /// It is an annotated tag that leads to this object in the end.
    To(ObjectId),
}

impl PackedRef<'_> {
    /// The name, checked.
    ///
    /// # Errors
    /// [`InvalidRefName`] when no ref can be called so.
    pub fn ref_name(&self) -> Result<RefName, InvalidRefName> {
        RefName::new(self.name)
    }
}

/// A `packed-refs` file that contradicts its format, or a list of refs that cannot be written as one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackedRefsError {
    /// A line that is not a ref.
    #[error("packed-refs: unexpected line at offset {offset}: '{}'", .line.escape_ascii())]
    Line {
        /// Where the line begins in the file.
        offset: usize,
        /// Its first bytes.
        line: Vec<u8>,
    },
    /// The last line has no end: the file was cut.
    #[error("packed-refs: unterminated line at offset {offset}")]
    Unterminated {
        /// Where the line begins in the file.
        offset: usize,
    },
    /// A ref to be written does not sort after the one before it.
    #[error("packed-refs: '{name}' does not sort after the ref before it")]
    Order {
        /// The ref.
        name: RefName,
    },
    /// A ref to be written lives outside of `refs/`, or its id is of another object format.
    #[error("packed-refs: '{name}' cannot be packed")]
    Unpackable {
        /// The ref.
        name: RefName,
    },
}

impl PackedRefsError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            PackedRefsError::Line { .. } | PackedRefsError::Unterminated { .. } => ErrorKind::Corrupt,
            PackedRefsError::Order { .. } | PackedRefsError::Unpackable { .. } => ErrorKind::Invalid,
        }
    }
}

impl<'a> PackedRefs<'a> {
    /// Reads the first line of a file and looks that the last one is whole. An empty file has no refs.
    ///
    /// # Errors
    /// [`PackedRefsError`]; what is wrong with single lines is found when they are read.
    pub fn parse(format: ObjectFormat, file: &'a [u8]) -> Result<Self, PackedRefsError> {
        if !file.is_empty() && !file.ends_with(b"\n") {
            let offset = file.rfind_byte(b'\n').map_or(0, |at| at + 1);
            return Err(PackedRefsError::Unterminated { offset });
        }
        let mut refs = PackedRefs { format, traits: Traits::default(), body: file, offset: 0 };
        if file.starts_with(b"#") {
            let end = line_end(file, 0);
            let Some(list) = file[..end].strip_prefix(HEADER) else { return Err(refs.bad_line(0)) };
            for word in list.split(|b| b.is_ascii_whitespace()) {
                match word {
                    b"peeled" => refs.traits.peeled = true,
                    b"fully-peeled" => refs.traits.fully_peeled = true,
                    b"sorted" => refs.traits.sorted = true,
                    _ => {}
                }
            }
            refs.body = &file[end..];
            refs.offset = end;
        }
        Ok(refs)
    }

    /// Whether the file says that it is sorted, so that [`find`](Self::find) need not read all of it.
    pub const fn is_sorted(&self) -> bool {
        self.traits.sorted
    }

    /// Looks for one ref.
    ///
    /// # Errors
    /// [`PackedRefsError::Line`] for a malformed line met on the way.
    pub fn find(&self, name: &[u8]) -> Result<Option<PackedRef<'a>>, PackedRefsError> {
        if !self.traits.sorted {
            for entry in self.iter() {
                let entry = entry?;
                if entry.name == name {
                    return Ok(Some(entry));
                }
            }
            return Ok(None);
        }
        let at = self.lower_bound(name)?;
        let found = self.entry(at)?.map(|(entry, _)| entry);
        Ok(found.filter(|entry| entry.name == name))
    }

    /// All refs, in the order of the file.
    pub fn iter(&self) -> PackedIter<'a> {
        PackedIter { refs: *self, at: 0, prefix: Vec::new(), after: None }
    }

    /// The refs whose names begin with `prefix`; in a sorted file the others are not looked at.
    ///
    /// # Errors
    /// [`PackedRefsError::Line`] for a malformed line met on the way.
    pub fn with_prefix(&self, prefix: &[u8]) -> Result<PackedIter<'a>, PackedRefsError> {
        self.with_prefix_after(prefix, None)
    }

    /// Those of the refs whose names begin with `prefix` that come behind where `after` has its place: in a sorted
    /// file that is found at once, in another one names are compared.
    ///
    /// # Errors
    /// [`PackedRefsError::Line`] for a malformed line met on the way.
    pub fn with_prefix_after(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
    ) -> Result<PackedIter<'a>, PackedRefsError> {
        let mut iter = PackedIter { refs: *self, at: 0, prefix: prefix.to_vec(), after: None };
        match after {
            _ if !self.traits.sorted => iter.after = after.map(<[u8]>::to_vec),
            // No name lies between another and the same with a zero byte behind it.
            Some(after) if after >= prefix => iter.at = self.lower_bound(&[after, b"\0"].concat())?,
            _ => iter.at = self.lower_bound(prefix)?,
        }
        Ok(iter)
    }

    /// Where the first ref begins whose name is not less than `name`.
    fn lower_bound(&self, name: &[u8]) -> Result<usize, PackedRefsError> {
        let (mut low, mut high) = (0, self.body.len());
        while low < high {
            let middle = self.entry_start(low, low + (high - low) / 2);
            let Some((entry, next)) = self.entry(middle)? else { break };
            if entry.name.as_bytes() < name {
                low = next;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The start of the entry that the byte at `at` belongs to, not before `low`.
    fn entry_start(&self, low: usize, at: usize) -> usize {
        let mut start = self.body[low..at].rfind_byte(b'\n').map_or(low, |end| low + end + 1);
        if self.body.get(start) == Some(&b'^') && start > low {
            start = self.body[low..start - 1].rfind_byte(b'\n').map_or(low, |end| low + end + 1);
        }
        start
    }

    /// The entry at `at`, and where the next one begins.
    fn entry(&self, at: usize) -> Result<Option<(PackedRef<'a>, usize)>, PackedRefsError> {
        if at >= self.body.len() {
            return Ok(None);
        }
        let digits = self.format.hex_len();
        let mut end = line_end(self.body, at);
        let line = &self.body[at..end - 1];
        let id = line.get(..digits).and_then(|hex| ObjectId::from_hex_of(self.format, hex).ok());
        let (Some(id), Some(b' '), true) = (id, line.get(digits), line.len() > digits + 1) else {
            return Err(self.bad_line(at));
        };
        let name = line[digits + 1..].as_bstr();
        let known = self.traits.fully_peeled || (self.traits.peeled && name.starts_with(b"refs/tags/"));
        let mut peeled = if known { Peeled::NotATag } else { Peeled::Unknown };
        if self.body.get(end) == Some(&b'^') {
            let start = end;
            end = line_end(self.body, start);
            let id = ObjectId::from_hex_of(self.format, &self.body[start + 1..end - 1]);
            peeled = Peeled::To(id.map_err(|_| self.bad_line(start))?);
        }
        Ok(Some((PackedRef { name, id, peeled }, end)))
    }

    fn bad_line(&self, at: usize) -> PackedRefsError {
        let line = &self.body[at..line_end(self.body, at)];
        let line = line[..line.len().min(120)].trim_ascii_end().to_vec();
        PackedRefsError::Line { offset: self.offset + at, line }
    }
}

/// Where the line after the one at `at` begins. Every line has an end; `parse` looked.
fn line_end(body: &[u8], at: usize) -> usize {
    body[at..].find_byte(b'\n').map_or(body.len(), |end| at + end + 1)
}

/// The refs of a file, one after the other; ends at the first malformed line.
#[derive(Clone, Debug)]
pub struct PackedIter<'a> {
    refs: PackedRefs<'a>,
    at: usize,
    prefix: Vec<u8>,
    /// In a file that is not sorted: only names behind this one.
    after: Option<Vec<u8>>,
}

impl<'a> Iterator for PackedIter<'a> {
    type Item = Result<PackedRef<'a>, PackedRefsError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.refs.entry(self.at) {
                Ok(None) => return None,
                Ok(Some((entry, next))) => {
                    self.at = next;
                    if self.prefix.is_empty() || entry.name.starts_with(&self.prefix) {
                        if self.after.as_ref().is_some_and(|after| entry.name.as_bytes() <= after.as_slice())
                        {
                            continue;
                        }
                        return Some(Ok(entry));
                    }
                    if self.refs.traits.sorted && entry.name.as_bytes() > self.prefix.as_slice() {
                        self.at = self.refs.body.len();
                        return None;
                    }
                }
                Err(error) => {
                    self.at = self.refs.body.len();
                    return Some(Err(error));
                }
            }
        }
    }
}

/// Writes a `packed-refs` file, byte for byte as git does: header, sorted, fully peeled.
#[derive(Clone, Debug)]
pub struct PackedRefsWriter {
    format: ObjectFormat,
    out: Vec<u8>,
    last: Option<RefName>,
}

impl PackedRefsWriter {
    /// A file without refs.
    pub fn new(format: ObjectFormat) -> Self {
        let out = [HEADER, b" peeled fully-peeled sorted \n"].concat();
        PackedRefsWriter { format, out, last: None }
    }

    /// Adds the next ref; `peeled` is what its object leads to if that is an annotated tag.
    ///
    /// # Errors
    /// [`PackedRefsError`] when it does not sort after the ref before, or cannot be packed.
    pub fn add(
        &mut self,
        name: &RefName,
        id: &ObjectId,
        peeled: Option<&ObjectId>,
    ) -> Result<(), PackedRefsError> {
        if name.is_root() || id.format() != self.format || peeled.is_some_and(|p| p.format() != self.format) {
            return Err(PackedRefsError::Unpackable { name: name.clone() });
        }
        if self.last.as_ref().is_some_and(|last| last >= name) {
            return Err(PackedRefsError::Order { name: name.clone() });
        }
        id.write_hex(&mut self.out);
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'\n');
        if let Some(peeled) = peeled {
            self.out.push(b'^');
            peeled.write_hex(&mut self.out);
            self.out.push(b'\n');
        }
        self.last = Some(name.clone());
        Ok(())
    }

    /// Takes what was written so far, to be passed on; the rest follows with later calls.
    pub fn drain(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// What was written and not yet drained.
    pub fn finish(self) -> Vec<u8> {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn id(format: ObjectFormat, byte: u8) -> ObjectId {
        ObjectId::from_bytes(format, &[byte; 32][..format.raw_len()]).unwrap()
    }

    #[test]
    fn old_files_without_traits() {
        let one = id(ObjectFormat::Sha1, 1);
        let file = format!("{one} refs/heads/b\n{one} refs/heads/a\n^{one}\n");
        let refs = PackedRefs::parse(ObjectFormat::Sha1, file.as_bytes()).unwrap();
        assert!(!refs.is_sorted());
        assert_eq!(refs.find(b"refs/heads/a").unwrap().unwrap().peeled, Peeled::To(one));
        assert_eq!(refs.find(b"refs/heads/b").unwrap().unwrap().peeled, Peeled::Unknown);
        assert_eq!(refs.find(b"refs/heads/").unwrap(), None);
        assert_eq!(refs.with_prefix(b"refs/heads/a").unwrap().count(), 1);
        let file = format!("# pack-refs with: peeled\n{one} refs/tags/a\n{one} refs/x\n");
        let refs = PackedRefs::parse(ObjectFormat::Sha1, file.as_bytes()).unwrap();
        assert_eq!(refs.find(b"refs/tags/a").unwrap().unwrap().peeled, Peeled::NotATag);
        assert_eq!(refs.find(b"refs/x").unwrap().unwrap().peeled, Peeled::Unknown);
    }

    #[test]
    fn damage_is_found() {
        let one = id(ObjectFormat::Sha1, 1);
        let parse = |file: &str| PackedRefs::parse(ObjectFormat::Sha1, file.as_bytes()).map(|_| ());
        assert_eq!(parse(""), Ok(()));
        assert_eq!(parse("abc"), Err(PackedRefsError::Unterminated { offset: 0 }));
        assert!(parse("# something\n").is_err());
        for bad in
            ["abc\n", &format!("{one}\n"), &format!("{one} \n"), &format!("{one} refs/a\n^12\n"), "^\n", "\n"]
        {
            let refs = PackedRefs::parse(ObjectFormat::Sha1, bad.as_bytes()).unwrap();
            assert!(refs.iter().any(|entry| entry.is_err()), "{bad:?}");
            let sorted = format!("# pack-refs with: sorted\n{bad}");
            let refs = PackedRefs::parse(ObjectFormat::Sha1, sorted.as_bytes()).unwrap();
            assert!(refs.find(b"refs/zzz").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn order_is_kept() {
        let (one, name) = (id(ObjectFormat::Sha1, 1), |n| RefName::new(n).unwrap());
        let mut writer = PackedRefsWriter::new(ObjectFormat::Sha1);
        writer.add(&name("refs/b"), &one, None).unwrap();
        assert!(writer.add(&name("refs/b"), &one, None).is_err());
        assert!(writer.add(&name("refs/a"), &one, None).is_err());
        assert!(writer.add(&name("refs/c"), &id(ObjectFormat::Sha256, 1), None).is_err());
        assert!(PackedRefsWriter::new(ObjectFormat::Sha1).add(&RefName::head(), &one, None).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(
            refs in proptest::collection::btree_map("refs/(heads|tags)/[a-e]{1,3}(/[a-e])?", (any::<u8>(), proptest::option::of(any::<u8>())), 0..50),
            probe in "refs/(heads|tags)/[a-e]{0,3}",
            after in "refs/(heads|tags)/[a-e]{0,3}(/[a-e])?",
            sha256: bool,
        ) {
            let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
            let mut writer = PackedRefsWriter::new(format);
            for (name, (byte, peeled)) in &refs {
                writer.add(&RefName::new(name).unwrap(), &id(format, *byte), peeled.map(|p| id(format, p)).as_ref()).unwrap();
            }
            let file = writer.finish();
            let packed = PackedRefs::parse(format, &file).unwrap();
            prop_assert!(packed.is_sorted());
            let read: BTreeMap<_, _> = packed.iter().map(|e| e.unwrap()).map(|e| (e.name.to_string(), e)).collect();
            prop_assert_eq!(read.keys().collect::<Vec<_>>(), refs.keys().collect::<Vec<_>>());
            for (name, (byte, peeled)) in &refs {
                let entry = packed.find(name.as_bytes()).unwrap().unwrap();
                prop_assert_eq!(entry.id, id(format, *byte));
                prop_assert_eq!(entry.peeled, peeled.map_or(Peeled::NotATag, |p| Peeled::To(id(format, p))));
            }
            prop_assert_eq!(packed.find(probe.as_bytes()).unwrap().is_some(), refs.contains_key(&probe));
            let expected = refs.keys().filter(|name| name.starts_with(&probe)).count();
            prop_assert_eq!(packed.with_prefix(probe.as_bytes()).unwrap().count(), expected);
            let expected: Vec<_> = refs.keys().filter(|name| name.starts_with(&probe) && **name > after).collect();
            let said = &file[file.find_byte(b'\n').unwrap() + 1..];
            for file in [&file[..], said] {
                let packed = PackedRefs::parse(format, file).unwrap();
                let found = packed.with_prefix_after(probe.as_bytes(), Some(after.as_bytes())).unwrap();
                let found: Vec<_> = found.map(|e| e.unwrap().name.to_string()).collect();
                prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected.clone());
            }
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200), sorted: bool) {
            let mut file = if sorted { b"# pack-refs with: sorted\n".to_vec() } else { Vec::new() };
            file.extend_from_slice(&bytes);
            file.push(b'\n');
            if let Ok(refs) = PackedRefs::parse(ObjectFormat::Sha1, &file) {
                let _ = (refs.iter().count(), refs.find(b"refs/heads/main"));
            }
        }
    }
}
