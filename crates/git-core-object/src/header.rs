//! Header lines of commits and tags: a name, a space, a value that may go on over several lines.
//!
//! Lines are kept as they stand, so that what was read can be written again byte by byte.

use crate::{DecodeError, ErrorKind, Kind, ObjectId};
use bstr::{BStr, BString, ByteSlice};
use nom::bytes::complete::{tag, take_till};
use nom::combinator::recognize;
use nom::multi::many0_count;
use nom::sequence::{pair, terminated};
use nom::{IResult, Parser};
use std::borrow::Cow;

/// A header as it stands in an object, continuation lines included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderLineRef<'a> {
    raw: &'a [u8],
}

/// A header to be written into an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HeaderLine {
    raw: BString,
}

/// A name or value that cannot stand in a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHeader {
    /// The name is empty, or has a space, newline or NUL inside.
    #[error("'{0}' cannot be the name of a header")]
    Name(BString),
    /// The value has a NUL inside.
    #[error("the value of header '{0}' has a NUL byte")]
    Value(BString),
}

impl InvalidHeader {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl<'a> HeaderLineRef<'a> {
    /// The name: everything before the first space.
    pub fn name(&self) -> &'a BStr {
        split(self.raw).0
    }

    /// The value as it stands: each continuation line begins with a space.
    pub fn raw_value(&self) -> &'a BStr {
        split(self.raw).1
    }

    /// The value, with the space that begins each continuation line taken away.
    pub fn value(&self) -> Cow<'a, BStr> {
        unfold(self.raw_value())
    }

    /// Name, space and value as they stand, without the newline that ends them.
    pub fn raw(&self) -> &'a BStr {
        self.raw.as_bstr()
    }

    /// The same, owned.
    pub fn to_owned(&self) -> HeaderLine {
        HeaderLine { raw: self.raw.into() }
    }
}

impl HeaderLine {
    /// A header of this name and value. A value of several lines is folded; one that ends in a newline, as
    /// signatures do, gets an empty last line, so that [`value`](Self::value) gives it back.
    ///
    /// # Errors
    /// [`InvalidHeader`] when the header could not be read back.
    pub fn new(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<Self, InvalidHeader> {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.is_empty() || name.iter().any(|b| matches!(b, b' ' | b'\n' | 0)) {
            return Err(InvalidHeader::Name(name.into()));
        }
        if value.contains(&0) {
            return Err(InvalidHeader::Value(name.into()));
        }
        let mut raw = Vec::with_capacity(name.len() + 1 + value.len());
        raw.extend_from_slice(name);
        raw.push(b' ');
        for (number, line) in value.split(|b| *b == b'\n').enumerate() {
            if number > 0 {
                raw.extend_from_slice(b"\n ");
            }
            raw.extend_from_slice(line);
        }
        Ok(HeaderLine { raw: raw.into() })
    }

    /// A header whose value is known to be one line without NUL.
    pub(crate) fn plain(name: &str, value: &[u8]) -> Self {
        HeaderLine { raw: [name.as_bytes(), b" ", value].concat().into() }
    }

    /// The same, borrowed.
    pub fn as_ref(&self) -> HeaderLineRef<'_> {
        HeaderLineRef { raw: &self.raw }
    }

    /// The name: everything before the first space.
    pub fn name(&self) -> &BStr {
        self.as_ref().name()
    }

    /// The value, unfolded.
    pub fn value(&self) -> Cow<'_, BStr> {
        self.as_ref().value()
    }
}

fn split(raw: &[u8]) -> (&BStr, &BStr) {
    let (name, value) = match raw.find_byteset(b" \n") {
        Some(at) if raw[at] == b' ' => (&raw[..at], &raw[at + 1..]),
        Some(at) => (&raw[..at], &raw[at..]),
        None => (raw, &b""[..]),
    };
    (name.as_bstr(), value.as_bstr())
}

fn unfold(raw: &BStr) -> Cow<'_, BStr> {
    if raw.find(b"\n ").is_none() {
        return Cow::Borrowed(raw);
    }
    Cow::Owned(raw.replace(b"\n ", b"\n").into())
}

/// One line, without its newline.
fn line(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_till(|b| b == b'\n').parse(input)
}

/// One header with its continuation lines; the newline behind it is consumed.
fn header(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let folded = many0_count(pair(tag(&b"\n "[..]), line));
    terminated(recognize(pair(line, folded)), tag(&b"\n"[..])).parse(input)
}

/// The value of the header `name`, if it is the next one.
pub(crate) fn expected<'a>(name: &'static [u8], input: &'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
    let (rest, _) = (tag(name), tag(&b" "[..])).parse(input)?;
    terminated(line, tag(&b"\n"[..])).parse(rest)
}

/// The headers that stand at `offset` of `content`, up to the empty line or the end, and the message behind
/// them: `None` when there is no empty line.
pub(crate) fn rest(
    kind: Kind,
    content: &[u8],
    offset: usize,
) -> Result<(Vec<HeaderLineRef<'_>>, Option<&BStr>), DecodeError> {
    let mut headers = Vec::new();
    let mut input = &content[offset..];
    loop {
        let at = content.len() - input.len();
        match input.first() {
            None => return Ok((headers, None)),
            Some(b'\n') => return Ok((headers, Some(input[1..].as_bstr()))),
            Some(b' ') => return Err(DecodeError::Unterminated { kind, offset: at }),
            Some(_) => {
                let (next, raw) =
                    header(input).map_err(|_| DecodeError::Unterminated { kind, offset: at })?;
                headers.push(HeaderLineRef { raw });
                input = next;
            }
        }
    }
}

/// Writes headers, the empty line and the message; without a message, and if `bare`, no empty line either.
pub(crate) fn write_rest(headers: &[HeaderLine], message: &[u8], bare: bool, out: &mut Vec<u8>) {
    for header in headers {
        out.extend_from_slice(&header.raw);
        out.push(b'\n');
    }
    if !(bare && message.is_empty()) {
        out.push(b'\n');
        out.extend_from_slice(message);
    }
}

/// The lines that hold ids, as they were read, where they are not as we write them: git takes ids in upper case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OddIds {
    ids: Vec<ObjectId>,
    raw: BString,
}

impl OddIds {
    /// Keeps `raw`, unless writing the ids would give the same.
    pub(crate) fn keep(ids: Vec<ObjectId>, raw: &[u8]) -> Option<Box<Self>> {
        raw.iter().any(u8::is_ascii_uppercase).then(|| Box::new(OddIds { ids, raw: raw.into() }))
    }

    /// The lines as they were read, if they still hold these ids.
    pub(crate) fn raw_of<'a>(&self, ids: impl Iterator<Item = &'a ObjectId>) -> Option<&[u8]> {
        self.ids.iter().eq(ids).then_some(&self.raw)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fold_and_unfold() {
        for value in ["", "one", "one\ntwo", "one\n\n two\n", "\n"] {
            let line = HeaderLine::new("x", value).unwrap();
            assert_eq!(line.value().as_ref(), value.as_bytes().as_bstr());
            let mut out = Vec::new();
            write_rest(std::slice::from_ref(&line), b"m", false, &mut out);
            let (headers, message) = rest(Kind::Commit, &out, 0).unwrap();
            assert_eq!((headers, message), (vec![line.as_ref()], Some("m".into())));
        }
    }

    #[test]
    fn what_could_not_be_read_back_is_refused() {
        for name in ["", "a b", "a\nb", "a\0"] {
            assert!(matches!(HeaderLine::new(name, "v"), Err(InvalidHeader::Name(_))));
        }
        assert!(matches!(HeaderLine::new("a", "\0"), Err(InvalidHeader::Value(_))));
    }

    #[test]
    fn lines_without_an_end_or_a_beginning_are_errors() {
        assert!(rest(Kind::Tag, b"a b", 0).is_err());
        assert!(rest(Kind::Tag, b" b\n", 0).is_err());
        assert_eq!(rest(Kind::Tag, b"odd\n\n", 0).unwrap().0[0].name(), "odd");
    }
}
