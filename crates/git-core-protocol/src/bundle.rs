//! The head of a bundle: what a file says of itself before its pack begins (`gitformat-bundle(5)`).
//!
//! A reader is fed bytes and takes no more than the head; the pack behind it is the caller's.

use crate::error::Excerpt;
use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};
use git_core_ref::RefName;
use nom::bytes::complete::{tag, take_while1};
use nom::combinator::{all_consuming, opt, rest};
use nom::sequence::preceded;
use nom::{IResult, Parser as _};

const V2: &[u8] = b"# v2 git bundle";
const V3: &[u8] = b"# v3 git bundle";

/// What comes before the pack of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleHeader {
    /// The version of the format.
    pub version: BundleVersion,
    /// The format of the ids.
    pub format: ObjectFormat,
    /// The filter that the pack was made with, as `git-rev-list(1)` has it: objects may be missing.
    pub filter: Option<BString>,
    /// The commits that a reader must have, with all that they reach.
    pub prerequisites: Vec<Prerequisite>,
    /// What can be fetched.
    pub references: Vec<BundledRef>,
}

/// The version of a bundle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BundleVersion {
    /// SHA-1, and all objects.
    #[default]
    V2,
    /// With capabilities: `object-format` and `filter`.
    V3,
}

/// A commit that is not in a bundle, and which its reader must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prerequisite {
    /// Which.
    pub id: ObjectId,
    /// Free text; git writes the subject of the commit.
    pub comment: BString,
}

/// A ref that a bundle brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundledRef {
    /// What it points to.
    pub id: ObjectId,
    /// Its name: `HEAD`, or one below `refs/`.
    pub name: RefName,
}

/// Bytes that are no head of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// The first line is not that of a bundle of version 2 or 3.
    #[error("does not look like a v2 or v3 bundle file")]
    Signature,
    /// A capability that is not known, so that the bundle may not be understood.
    #[error("unknown capability '{0}'")]
    Capability(Excerpt),
    /// `object-format` names a hash that is not known.
    #[error("unrecognized bundle hash algorithm: {0}")]
    ObjectFormat(Excerpt),
    /// A line that is neither a prerequisite nor a ref.
    #[error("unrecognized header: {0}")]
    Line(Excerpt),
    /// The head is longer than allowed.
    #[error("the head of the bundle exceeds {limit} bytes")]
    TooLong {
        /// What is allowed.
        limit: usize,
    },
}

impl BundleError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            BundleError::Signature | BundleError::Line(_) => ErrorKind::Corrupt,
            BundleError::Capability(_) | BundleError::ObjectFormat(_) => ErrorKind::Invalid,
            BundleError::TooLong { .. } => ErrorKind::Limit,
        }
    }
}

impl BundleHeader {
    /// A head of the oldest version that can say so: version 2 for SHA-1 without a filter.
    pub fn new(format: ObjectFormat, filter: Option<BString>) -> Self {
        let plain = format == ObjectFormat::Sha1 && filter.is_none();
        BundleHeader {
            version: if plain { BundleVersion::V2 } else { BundleVersion::V3 },
            format,
            filter,
            prerequisites: Vec::new(),
            references: Vec::new(),
        }
    }

    /// Whether [`version`](Self::version) can express the format and the filter.
    pub fn is_expressible(&self) -> bool {
        self.version == BundleVersion::V3 || self.format == ObjectFormat::Sha1 && self.filter.is_none()
    }

    /// Appends the head, up to and with the empty line behind which the pack begins.
    ///
    /// What is not [expressible](Self::is_expressible) in version 2 is left out; line breaks in comments become spaces.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self.version {
            BundleVersion::V2 => out.extend_from_slice(V2),
            BundleVersion::V3 => {
                out.extend_from_slice(V3);
                out.extend_from_slice(b"\n@object-format=");
                out.extend_from_slice(self.format.name().as_bytes());
                if let Some(filter) = &self.filter {
                    out.extend_from_slice(b"\n@filter=");
                    out.extend_from_slice(filter);
                }
            }
        }
        out.push(b'\n');
        for Prerequisite { id, comment } in &self.prerequisites {
            out.push(b'-');
            id.write_hex(out);
            out.push(b' ');
            out.extend(comment.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
            out.push(b'\n');
        }
        for BundledRef { id, name } in &self.references {
            id.write_hex(out);
            out.push(b' ');
            out.extend_from_slice(name.as_bytes());
            out.push(b'\n');
        }
        out.push(b'\n');
    }
}

/// Reads the head of a bundle from bytes as they come.
#[derive(Clone, Debug)]
pub struct BundleReader {
    limit: usize,
    taken: usize,
    /// A line that has not come to its end yet.
    line: Vec<u8>,
    header: Option<BundleHeader>,
    complete: bool,
}

impl Default for BundleReader {
    fn default() -> Self {
        BundleReader::with_limit(64 << 20)
    }
}

impl BundleReader {
    /// A reader for heads of at most `limit` bytes; by default 64 MiB, more than half a million refs.
    pub const fn with_limit(limit: usize) -> Self {
        BundleReader { limit, taken: 0, line: Vec::new(), header: None, complete: false }
    }

    /// Takes what belongs to the head; gives how many bytes that were. Fewer than all: the pack begins.
    ///
    /// # Errors
    /// [`BundleError`]; then there is nothing more to be read.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, BundleError> {
        let mut left = bytes;
        while !self.complete && !left.is_empty() {
            let end = left.find_byte(b'\n');
            let piece = &left[..end.map_or(left.len(), |end| end + 1)];
            self.taken += piece.len();
            if self.taken > self.limit {
                return Err(BundleError::TooLong { limit: self.limit });
            }
            self.line.extend_from_slice(piece);
            left = &left[piece.len()..];
            let signature = V2.len().min(self.line.len());
            if self.header.is_none()
                && ![V2, V3].iter().any(|known| known[..signature] == self.line[..signature])
            {
                return Err(BundleError::Signature);
            }
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                self.take_line(&line[..line.len() - 1])?;
            }
        }
        Ok(bytes.len() - left.len())
    }

    /// Whether all of the head has come.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The head, when all of it has come.
    pub fn finish(self) -> Option<BundleHeader> {
        self.header.filter(|_| self.complete)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), BundleError> {
        let Some(header) = &mut self.header else {
            let version = match line {
                V2 => BundleVersion::V2,
                V3 => BundleVersion::V3,
                _ => return Err(BundleError::Signature),
            };
            let mut header = BundleHeader::new(ObjectFormat::Sha1, None);
            header.version = version;
            self.header = Some(header);
            return Ok(());
        };
        if line.is_empty() {
            self.complete = true;
            return Ok(());
        }
        let no_ids_yet = header.prerequisites.is_empty() && header.references.is_empty();
        if let Some(text) = line.strip_prefix(b"@")
            && header.version == BundleVersion::V3
            && no_ids_yet
        {
            return capability(header, text);
        }
        let bad = || BundleError::Line(Excerpt::new(line));
        let (_, IdLine { is_prerequisite, hex, text }) = id_line(line).map_err(|_| bad())?;
        let id = ObjectId::from_hex_of(header.format, hex).map_err(|_| bad())?;
        if is_prerequisite {
            header.prerequisites.push(Prerequisite { id, comment: text.unwrap_or_default().into() });
        } else {
            let name = RefName::new(text.ok_or_else(bad)?).map_err(|_| bad())?;
            header.references.push(BundledRef { id, name });
        }
        Ok(())
    }
}

/// A line that begins with an id.
struct IdLine<'a> {
    is_prerequisite: bool,
    hex: &'a [u8],
    text: Option<&'a [u8]>,
}

/// `-<id> <comment>` or `<id> <name>`; the comment may be missing together with its space.
fn id_line(line: &[u8]) -> IResult<&[u8], IdLine<'_>> {
    let hex = take_while1(|byte: u8| byte.is_ascii_hexdigit());
    let parts = (opt(tag(&b"-"[..])), hex, opt(preceded(tag(&b" "[..]), rest)));
    all_consuming(parts)
        .map(|(minus, hex, text)| IdLine { is_prerequisite: minus.is_some(), hex, text })
        .parse(line)
}

fn capability(header: &mut BundleHeader, text: &[u8]) -> Result<(), BundleError> {
    let (key, value) = text.split_once_str("=").unwrap_or((text, b""));
    let value: &BStr = value.as_bstr();
    match key {
        b"object-format" => {
            let format = value.to_str().ok().and_then(|name| name.parse().ok());
            header.format = format.ok_or_else(|| BundleError::ObjectFormat(Excerpt::new(value)))?;
        }
        b"filter" => header.filter = Some(value.to_owned()),
        _ => return Err(BundleError::Capability(Excerpt::new(text))),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(format: ObjectFormat, byte: u8) -> ObjectId {
        ObjectId::from_bytes(format, &vec![byte; format.raw_len()]).unwrap()
    }

    fn read(bytes: &[u8], step: usize) -> Result<(Option<BundleHeader>, usize), BundleError> {
        let (mut reader, mut at) = (BundleReader::default(), 0);
        while at < bytes.len() && !reader.is_complete() {
            let end = bytes.len().min(at + step);
            at += reader.feed(&bytes[at..end])?;
        }
        Ok((reader.finish(), at))
    }

    fn heads() -> impl Strategy<Value = BundleHeader> {
        let comment =
            proptest::collection::vec(any::<u8>().prop_filter("a line", |byte| *byte != b'\n'), 0..20);
        let filter = proptest::option::of("[ -~]{1,20}");
        let ids = (
            proptest::collection::vec((any::<u8>(), comment), 0..5),
            proptest::collection::vec(any::<u8>(), 0..5),
        );
        (any::<bool>(), filter, ids).prop_map(|(sha256, filter, (before, refs))| {
            let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
            let mut head = BundleHeader::new(format, filter.map(Into::into));
            head.prerequisites = before
                .into_iter()
                .map(|(byte, comment)| Prerequisite { id: id(format, byte), comment: comment.into() })
                .collect();
            head.references = refs
                .into_iter()
                .map(|byte| BundledRef {
                    id: id(format, byte),
                    name: RefName::new(format!("refs/heads/b{byte}")).unwrap(),
                })
                .collect();
            head
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(head in heads(), step in 1usize..40, pack in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert!(head.is_expressible());
            let mut bytes = Vec::new();
            head.encode(&mut bytes);
            let len = bytes.len();
            bytes.extend_from_slice(&pack);
            let (read, taken) = read(&bytes, step).unwrap();
            prop_assert_eq!(read.unwrap(), head);
            prop_assert_eq!(taken, len);
        }
    }

    #[test]
    fn only_bundles_are_taken_for_bundles() {
        for (bytes, error) in [
            (&b"# v4 git bundle\n"[..], BundleError::Signature),
            (b"PACK", BundleError::Signature),
            (b"# v2 git bundle \n", BundleError::Signature),
            (
                b"# v2 git bundle\n@object-format=sha1\n",
                BundleError::Line(Excerpt::new(b"@object-format=sha1")),
            ),
            (b"# v3 git bundle\n@object-format=md5\n", BundleError::ObjectFormat(Excerpt::new(b"md5"))),
            (b"# v3 git bundle\n@colour=red\n", BundleError::Capability(Excerpt::new(b"colour=red"))),
            (b"# v2 git bundle\n-12 x\n", BundleError::Line(Excerpt::new(b"-12 x"))),
        ] {
            for step in [1, 7, 1000] {
                assert_eq!(read(bytes, step), Err(error.clone()), "{}", bytes.as_bstr());
            }
        }
        let hex = "11".repeat(20);
        for line in [format!("{hex}\n"), format!("{hex} refs/heads/..\n"), format!("{hex}refs/heads/a\n")] {
            let bytes = format!("# v2 git bundle\n{line}");
            assert!(matches!(read(bytes.as_bytes(), 5), Err(BundleError::Line(_))), "{line}");
        }
    }

    #[test]
    fn a_prerequisite_may_do_without_a_comment() {
        let hex = "11".repeat(20);
        let (head, _) = read(format!("# v2 git bundle\n-{hex}\n\nPACK").as_bytes(), 3).unwrap();
        assert_eq!(head.unwrap().prerequisites[0].comment, "");
    }

    #[test]
    fn a_head_without_an_end_is_not_read_for_ever() {
        let mut reader = BundleReader::with_limit(100);
        let mut result = reader.feed(b"# v2 git bundle\n-");
        for _ in 0..10 {
            result = result.and_then(|_| reader.feed(&[b'1'; 20]));
        }
        assert_eq!(result, Err(BundleError::TooLong { limit: 100 }));
    }

    #[test]
    fn a_head_that_is_cut_is_not_complete() {
        let hex = "11".repeat(20);
        let bytes = format!("# v2 git bundle\n{hex} HEAD\n");
        assert_eq!(read(bytes.as_bytes(), 4), Ok((None, bytes.len())));
    }
}
