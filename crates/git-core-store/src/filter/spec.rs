//! The text of an object filter, read and written.

use bstr::BStr;
use git_core_object::{ErrorKind, Kind};
use std::fmt;

/// Specs may be nested in `combine:` this deep; what lies deeper is refused.
const MAX_NESTING: usize = 64;

/// What bytes, besides blanks and control characters, must be escaped in the parts of `combine:`.
const RESERVED: &[u8] = b"~`!@#$^&*()[]{}\\;'\",<>?";

/// A filter as it is written: `blob:none`, `blob:limit=<n>[kmg]`, `tree:<depth>`, `object:type=<kind>`,
/// `sparse:oid=<blob>`, or several with `combine:` (`git-rev-list(1)`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterSpec {
    /// No blobs.
    BlobNone,
    /// Only blobs smaller than so many bytes.
    BlobLimit(u64),
    /// Only trees and blobs that lie less than so many levels below the root tree of a commit.
    TreeDepth(u64),
    /// Only objects of one kind.
    ObjectType(Kind),
    /// Only blobs whose paths the patterns of a sparse checkout select; they are in the blob of this name.
    SparseOid(Vec<u8>),
    /// Only what all of these let through. None of them is of this form.
    Combine(Vec<FilterSpec>),
}

impl FilterSpec {
    /// Reads a spec.
    ///
    /// # Errors
    /// [`FilterSpecError`] when it is not one.
    pub fn parse(text: &[u8]) -> Result<Self, FilterSpecError> {
        let mut parts = Vec::new();
        // Texts that are still to be read, the first one on top, and how deep they were nested.
        let mut texts = vec![(text.to_vec(), 0)];
        let mut combined = false;
        while let Some((text, depth)) = texts.pop() {
            let Some(list) = text.strip_prefix(b"combine:") else {
                parts.push(simple(&text)?);
                continue;
            };
            combined = true;
            if depth == MAX_NESTING {
                return Err(FilterSpecError::TooDeep);
            }
            if list.is_empty() {
                return Err(FilterSpecError::EmptyCombine);
            }
            let within = split(list).map(|part| Ok((decode(part)?, depth + 1)));
            let mut within = within.collect::<Result<Vec<_>, FilterSpecError>>()?;
            within.reverse();
            texts.append(&mut within);
        }
        Ok(match parts.pop() {
            Some(only) if parts.is_empty() && !combined => only,
            last => {
                parts.extend(last);
                FilterSpec::Combine(parts)
            }
        })
    }

    /// The filter that lets through what both do.
    #[must_use]
    pub fn and(self, other: FilterSpec) -> FilterSpec {
        let mut parts = self.into_parts();
        parts.extend(other.into_parts());
        FilterSpec::Combine(parts)
    }

    fn into_parts(self) -> Vec<FilterSpec> {
        match self {
            FilterSpec::Combine(parts) => parts,
            one => vec![one],
        }
    }

    /// The conditions one by one; itself, when it is but one.
    pub fn parts(&self) -> &[FilterSpec] {
        match self {
            FilterSpec::Combine(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }

    /// The text, as it is sent to a peer: sizes are plain numbers.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            FilterSpec::BlobNone => b"blob:none".to_vec(),
            FilterSpec::BlobLimit(limit) => format!("blob:limit={limit}").into_bytes(),
            FilterSpec::TreeDepth(depth) => format!("tree:{depth}").into_bytes(),
            FilterSpec::ObjectType(kind) => format!("object:type={kind}").into_bytes(),
            FilterSpec::SparseOid(name) => [b"sparse:oid=", &name[..]].concat(),
            FilterSpec::Combine(parts) => {
                let mut out = b"combine:".to_vec();
                for (at, part) in parts.iter().enumerate() {
                    if at > 0 {
                        out.push(b'+');
                    }
                    encode(&part.to_bytes(), &mut out);
                }
                out
            }
        }
    }
}

impl fmt::Display for FilterSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(BStr::new(&self.to_bytes()), f)
    }
}

/// A spec that is not combined.
fn simple(text: &[u8]) -> Result<FilterSpec, FilterSpecError> {
    let unknown = || FilterSpecError::Unknown { spec: text.to_vec() };
    if text == b"blob:none" {
        return Ok(FilterSpec::BlobNone);
    }
    if let Some(limit) = text.strip_prefix(b"blob:limit=") {
        return number(limit).map(FilterSpec::BlobLimit).ok_or_else(unknown);
    }
    if let Some(depth) = text.strip_prefix(b"tree:") {
        return number(depth).map(FilterSpec::TreeDepth).ok_or(FilterSpecError::Depth);
    }
    if let Some(name) = text.strip_prefix(b"sparse:oid=") {
        return Ok(FilterSpec::SparseOid(name.to_vec()));
    }
    if text.starts_with(b"sparse:path=") {
        return Err(FilterSpecError::SparsePath);
    }
    match text.strip_prefix(b"object:type=") {
        Some(b"commit") => Ok(FilterSpec::ObjectType(Kind::Commit)),
        Some(b"tree") => Ok(FilterSpec::ObjectType(Kind::Tree)),
        Some(b"blob") => Ok(FilterSpec::ObjectType(Kind::Blob)),
        Some(b"tag") => Ok(FilterSpec::ObjectType(Kind::Tag)),
        Some(name) => Err(FilterSpecError::Type { name: name.to_vec() }),
        None => Err(unknown()),
    }
}

/// A number as C's `strtoumax` reads it in any base, with a unit behind it.
fn number(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let text = text.strip_prefix('+').unwrap_or(text);
    let (radix, text) = match text.as_bytes() {
        [b'0', b'x' | b'X', digit, ..] if digit.is_ascii_hexdigit() => (16, &text[2..]),
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let end = text.find(|c: char| !c.is_digit(radix)).unwrap_or(text.len());
    let factor = match &text[end..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "m" | "M" => 1 << 20,
        "g" | "G" => 1 << 30,
        _ => return None,
    };
    // A sign of its own would be read too.
    if !text.starts_with(|c: char| c.is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(&text[..end], radix).ok()?.checked_mul(factor)
}

/// The parts between `+`. As in git, a `+` at the very end divides nothing.
fn split(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(list);
    std::iter::from_fn(move || {
        let text = left.take()?;
        match text.iter().position(|byte| *byte == b'+') {
            Some(at) if at + 1 < text.len() => {
                left = Some(&text[at + 1..]);
                Some(&text[..at])
            }
            _ => Some(text),
        }
    })
}

fn decode(part: &[u8]) -> Result<Vec<u8>, FilterSpecError> {
    if let Some(byte) = part.iter().find(|byte| **byte <= b' ' || RESERVED.contains(byte)) {
        return Err(FilterSpecError::Reserved { byte: *byte });
    }
    let (mut out, mut left) = (Vec::with_capacity(part.len()), part);
    while let Some((first, rest)) = left.split_first() {
        let digit = |at: usize| rest.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        match (first, digit(0), digit(1)) {
            // A byte of zero cannot be meant.
            (b'%', Some(high), Some(low)) if high + low > 0 => {
                out.push((high * 16 + low) as u8);
                left = &rest[2..];
            }
            _ => {
                out.push(*first);
                left = rest;
            }
        }
    }
    Ok(out)
}

fn encode(part: &[u8], out: &mut Vec<u8>) {
    for byte in part {
        if *byte <= b' ' || matches!(byte, b'+' | b'%') || RESERVED.contains(byte) {
            out.extend_from_slice(format!("%{byte:02x}").as_bytes());
        } else {
            out.push(*byte);
        }
    }
}

/// Why a text is no filter. The messages are those of git.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FilterSpecError {
    /// It has none of the known forms.
    #[error("invalid filter-spec '{}'", BStr::new(spec))]
    Unknown {
        /// The text, or the part of it.
        spec: Vec<u8>,
    },
    /// The depth of `tree:` is no number.
    #[error("expected 'tree:<depth>'")]
    Depth,
    /// `sparse:path=`, which git no longer has.
    #[error("sparse:path filters support has been dropped")]
    SparsePath,
    /// There is no such kind of objects.
    #[error("'{}' for 'object:type=<type>' is not a valid object type", BStr::new(name))]
    Type {
        /// What was written.
        name: Vec<u8>,
    },
    /// `combine:` without a part.
    #[error("expected something after combine:")]
    EmptyCombine,
    /// A byte that must be escaped in a part of `combine:`.
    #[error("must escape char in sub-filter-spec: '{}'", char::from(*byte))]
    Reserved {
        /// The byte.
        byte: u8,
    },
    /// `combine:` within `combine:` again and again.
    #[error("filter-specs lie too deep in one another")]
    TooDeep,
}

impl FilterSpecError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_those_of_c() {
        for (text, value) in [
            ("0", Some(0)),
            ("010", Some(8)),
            ("0x1F", Some(31)),
            ("1k", Some(1024)),
            ("2M", Some(2 << 20)),
            (" +1g", Some(1 << 30)),
            ("", None),
            ("-1", None),
            ("+-1", None),
            ("1t", None),
            ("1kk", None),
            ("0x", None),
            ("08", None),
            ("k", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("18446744073709551615k", None),
        ] {
            assert_eq!(number(text.as_bytes()), value, "{text:?}");
        }
    }

    #[test]
    fn nesting_is_bounded_and_flat() {
        let deep = |levels: usize| format!("{}blob:none", "combine:".repeat(levels));
        assert_eq!(
            FilterSpec::parse(deep(64).as_bytes()),
            Ok(FilterSpec::Combine(vec![FilterSpec::BlobNone]))
        );
        assert_eq!(FilterSpec::parse(deep(65).as_bytes()), Err(FilterSpecError::TooDeep));
        let nested = FilterSpec::parse(b"combine:combine:tree:1%2bblob:none+blob:limit=3");
        let parts = vec![FilterSpec::TreeDepth(1), FilterSpec::BlobNone, FilterSpec::BlobLimit(3)];
        assert_eq!(nested, Ok(FilterSpec::Combine(parts)));
    }

    fn one() -> impl Strategy<Value = FilterSpec> {
        prop_oneof![
            Just(FilterSpec::BlobNone),
            any::<u64>().prop_map(FilterSpec::BlobLimit),
            any::<u64>().prop_map(FilterSpec::TreeDepth),
            prop_oneof![Just(Kind::Commit), Just(Kind::Tree), Just(Kind::Blob), Just(Kind::Tag)]
                .prop_map(FilterSpec::ObjectType),
            proptest::collection::vec(1u8..=255, 0..20).prop_map(FilterSpec::SparseOid),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(parts in proptest::collection::vec(one(), 1..5), combined: bool) {
            let mut parts = parts;
            let spec = if combined { FilterSpec::Combine(parts) } else { parts.swap_remove(0) };
            prop_assert_eq!(FilterSpec::parse(&spec.to_bytes()), Ok(spec));
        }

        #[test]
        fn anything_is_read_or_refused(text in "(combine:)?[a-z:=+%0-9 ]{0,40}") {
            if let Ok(spec) = FilterSpec::parse(text.as_bytes()) {
                prop_assert_eq!(FilterSpec::parse(&spec.to_bytes()), Ok(spec));
            }
        }
    }
}
