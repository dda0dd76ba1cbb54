//! How files of text change on their way out of the repository: line ends, `$Id$`, encodings (`gitattributes(5)`).
//!
//! Which attributes a path has, and running filters, is left to others.

use crate::attributes::Attributes;
use bstr::{BString, ByteSlice as _};
use git_core_config::attributes::State;
use git_core_object::ObjectId;
use std::borrow::Cow;

/// What the configuration says of line ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LineEnds {
    /// `core.autocrlf`.
    pub automatic: AutoCrlf,
    /// Whether files of text have CRLF where nothing else is said: `core.eol`.
    pub crlf: Crlf,
}

/// `core.autocrlf`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoCrlf {
    /// `false`
    #[default]
    No,
    /// `true`
    Yes,
    /// `input`
    Input,
}

/// `core.eol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Crlf {
    /// As the system has it (`native`).
    #[default]
    Native,
    /// `lf`
    No,
    /// `crlf`
    Yes,
}

/// What is done to one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversion {
    ends: Ends,
    ident: bool,
    encoding: Option<BString>,
    filter: Option<BString>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ends {
    #[default]
    Kept,
    /// Every LF becomes CRLF.
    Crlf,
    /// So it does where the file looks like text that has only LF.
    CrlfIfText,
}

impl Conversion {
    /// What attributes and configuration ask for.
    pub fn of(attributes: &Attributes<'_>, config: LineEnds) -> Self {
        let encoding = match attributes.get("working-tree-encoding") {
            State::Value(name) if !is_utf8(name) => Some(name.clone()),
            _ => None,
        };
        Conversion {
            ends: ends(attributes, config),
            ident: attributes.is_set("ident"),
            encoding,
            filter: attributes.value("filter").map(Into::into),
        }
    }

    /// Whether every content stays as it is.
    pub fn is_none(&self) -> bool {
        *self == Conversion::default()
    }

    /// The filter that is to be run on what [`text`](Self::text) gives.
    pub fn filter(&self) -> Option<&BString> {
        self.filter.as_ref()
    }

    /// The content with its identifier, line ends and encoding as the working tree has them; `id` is that of the
    /// blob. An encoding that is not known, or cannot hold the text, is passed over.
    pub fn text<'a>(&self, content: &'a [u8], id: &ObjectId) -> Cow<'a, [u8]> {
        let mut content = Cow::Borrowed(content);
        if self.ident && content.contains_str("$Id") {
            content = Cow::Owned(expand_ident(&content, id));
        }
        let crlf = match self.ends {
            Ends::Kept => false,
            Ends::Crlf => has_bare_lf(&content),
            Ends::CrlfIfText => has_bare_lf(&content) && is_plain_text(&content),
        };
        if crlf {
            content = Cow::Owned(with_crlf(&content));
        }
        if let Some(encoding) = &self.encoding
            && let Some(encoded) = encode(&content, encoding)
        {
            content = Cow::Owned(encoded);
        }
        content
    }
}

fn is_utf8(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"utf-8") || name.eq_ignore_ascii_case(b"utf8")
}

/// What becomes of line ends: `text`, else the older `crlf`, then `eol`, then the configuration.
fn ends(attributes: &Attributes<'_>, config: LineEnds) -> Ends {
    let native = match (config.automatic, config.crlf) {
        (AutoCrlf::Yes, _) => true,
        (AutoCrlf::Input, _) => false,
        (AutoCrlf::No, Crlf::Yes) => true,
        (AutoCrlf::No, Crlf::No) => false,
        (AutoCrlf::No, Crlf::Native) => cfg!(windows),
    };
    let said = match attributes.get("text") {
        State::Unspecified => attributes.get("crlf"),
        said => said,
    };
    let eol = attributes.value("eol").map(|eol| eol == "crlf");
    let eol = match attributes.value("eol") {
        Some(text) if text == "lf" || text == "crlf" => eol,
        _ => None,
    };
    let automatic = match said {
        State::Unset => return Ends::Kept,
        State::Set => false,
        State::Value(value) if value == "auto" => true,
        State::Value(value) if value == "input" => return Ends::Kept,
        // Nothing is said: a line end makes it text, else the configuration decides.
        _ => match (eol, config.automatic) {
            (Some(_), _) => false,
            (None, AutoCrlf::No) => return Ends::Kept,
            (None, AutoCrlf::Yes) => return Ends::CrlfIfText,
            (None, AutoCrlf::Input) => return Ends::Kept,
        },
    };
    match (eol.unwrap_or(native), automatic) {
        (false, _) => Ends::Kept,
        (true, false) => Ends::Crlf,
        (true, true) => Ends::CrlfIfText,
    }
}

fn has_bare_lf(content: &[u8]) -> bool {
    content.find_iter("\n").any(|at| at == 0 || content[at - 1] != b'\r')
}

/// Text that has no carriage returns: what `auto` may change.
fn is_plain_text(content: &[u8]) -> bool {
    if content.contains(&b'\r') || content.contains(&0) {
        return false;
    }
    // A final ^Z is what DOS ends files with.
    let counted = content.strip_suffix(b"\x1a").unwrap_or(content);
    let odd = |b: &&u8| matches!(**b, 0..=7 | 11 | 14..=26 | 28..=31 | 127);
    let odd = counted.iter().filter(odd).count();
    (counted.len() - odd) >> 7 >= odd
}

fn with_crlf(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 16);
    let mut before = 0;
    for &byte in content {
        if byte == b'\n' && before != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        before = byte;
    }
    out
}

/// `$Id$`, or what an earlier expansion left, becomes `$Id: <id> $`.
fn expand_ident(content: &[u8], id: &ObjectId) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 64);
    let mut rest = content;
    while let Some(at) = rest.find(b"$Id") {
        let behind = &rest[at + 3..];
        let taken = match behind.first() {
            Some(b'$') => Some(1),
            Some(b':') => expanded_length(behind),
            _ => None,
        };
        out.extend_from_slice(&rest[..at]);
        match taken {
            Some(taken) => {
                out.extend_from_slice(format!("$Id: {id} $").as_bytes());
                rest = &behind[taken..];
            }
            None => {
                out.extend_from_slice(b"$Id");
                rest = behind;
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// The length of `: word $`, unless it is what another system wrote: several words, or without end on the line.
fn expanded_length(behind: &[u8]) -> Option<usize> {
    let line = &behind[..behind.find_byte(b'\n').unwrap_or(behind.len())];
    let end = line.find_byte(b'$')?;
    let inner = &line[1..end];
    let inner = inner.strip_prefix(b" ").unwrap_or(inner);
    let several = inner.find_byte(b' ').is_some_and(|at| at + 1 < inner.len());
    (!several).then_some(end + 1)
}

/// UTF-8 in another encoding, if that is known and can hold it.
fn encode(content: &[u8], encoding: &[u8]) -> Option<Vec<u8>> {
    let text = content.to_str().ok()?;
    let name = encoding.to_ascii_uppercase();
    let wide = |mark: bool, bytes: fn(u16) -> [u8; 2]| {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let wider = |mark: bool, bytes: fn(u32) -> [u8; 4]| {
        let mark = mark.then_some(0xfeff);
        mark.into_iter().chain(text.chars().map(u32::from)).flat_map(bytes).collect()
    };
    Some(match &name[..] {
        b"UTF-16" | b"UTF16" | b"UTF-16LE-BOM" => wide(true, u16::to_le_bytes),
        b"UTF-16BE-BOM" => wide(true, u16::to_be_bytes),
        b"UTF-16LE" | b"UTF16LE" => wide(false, u16::to_le_bytes),
        b"UTF-16BE" | b"UTF16BE" => wide(false, u16::to_be_bytes),
        b"UTF-32" | b"UTF32" => wider(true, u32::to_le_bytes),
        b"UTF-32LE" | b"UTF32LE" => wider(false, u32::to_le_bytes),
        b"UTF-32BE" | b"UTF32BE" => wider(false, u32::to_be_bytes),
        b"ISO-8859-1" | b"ISO8859-1" | b"LATIN1" | b"LATIN-1" => {
            return text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        }
        b"US-ASCII" | b"ASCII" if text.is_ascii() => content.to_vec(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::{Kind, ObjectFormat};

    #[test]
    fn identifiers_are_expanded() {
        let id = ObjectId::hash(ObjectFormat::Sha1, Kind::Blob, b"").unwrap();
        let full = format!("$Id: {id} $");
        for (from, to) in [
            ("$Id$", full.as_str()),
            ("a $Id: old $ b", &format!("a {full} b")),
            ("$Id:$", &full),
            ("$Id: two words $", "$Id: two words $"),
            ("$Id: open\n$", "$Id: open\n$"),
            ("$Idea$", "$Idea$"),
        ] {
            assert_eq!(expand_ident(from.as_bytes(), &id).as_bstr(), to, "{from}");
        }
    }

    #[test]
    fn text_is_known_by_its_bytes() {
        assert!(is_plain_text(b"hello\n"));
        assert!(!is_plain_text(b"hello\r\n") && !is_plain_text(b"a\0b\n") && !is_plain_text(b"\x01\n"));
        assert_eq!(with_crlf(b"a\nb\r\n\n"), b"a\r\nb\r\n\r\n");
    }

    #[test]
    fn encodings() {
        assert_eq!(encode("é".as_bytes(), b"utf-16").unwrap(), b"\xff\xfe\xe9\x00");
        assert_eq!(encode("é".as_bytes(), b"latin1").unwrap(), b"\xe9");
        assert_eq!(encode("€".as_bytes(), b"latin1"), None);
        assert_eq!(encode(b"\xff", b"utf-16"), None);
    }
}
