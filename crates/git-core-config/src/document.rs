//! One configuration file: everything in it, in order, with nothing lost.

use crate::scan;
use crate::value::Value;
use bstr::{BStr, BString, ByteSlice};

/// A configuration file that can be read, edited, and written back byte for byte where it was not edited.
///
/// ```
/// use git_core_config::{Document, Key};
/// let mut config = Document::parse(b"[core]\n\tbare = true ; as made\n")?;
/// assert_eq!(config.get("core.bare").unwrap().to_bool()?, true);
/// config.set(&Key::parse("remote.origin.url")?, "https://example.com/x.git")?;
/// assert_eq!(config.to_string(), "[core]\n\tbare = true ; as made\n\
///     [remote \"origin\"]\n\turl = https://example.com/x.git\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub(crate) pieces: Vec<Piece>,
}

/// A file that does not follow the grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bad config line {line}")]
pub struct ParseError {
    /// The line that git would name, counted from 1.
    pub line: usize,
}

/// A part of the file; its bytes, and what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: PieceKind,
    pub(crate) raw: BString,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PieceKind {
    /// Blanks, newlines, a byte order mark.
    Blank,
    /// A comment with the newline behind it.
    Comment,
    /// A section header, with the newline that follows it at once.
    Section {
        /// What the keys in it begin with, up to the last dot.
        prefix: BString,
    },
    /// A variable: the blanks before it on its line, its value with all continuation lines, the newline.
    Entry {
        /// Its name in lower case.
        name: BString,
        /// Its value; `None` without a `=`.
        value: Option<BString>,
    },
}

/// A variable of a file, as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    prefix: &'a BStr,
    name: &'a BStr,
    value: Value<'a>,
    line: usize,
}

impl<'a> Entry<'a> {
    /// The section in lower case; empty for a variable before the first header.
    pub fn section(&self) -> &'a BStr {
        self.prefix[..self.prefix.find_byte(b'.').unwrap_or(self.prefix.len())].as_bstr()
    }

    /// The subsection, as it was written where it was quoted.
    pub fn subsection(&self) -> Option<&'a BStr> {
        self.prefix.find_byte(b'.').map(|dot| self.prefix[dot + 1..].as_bstr())
    }

    /// The name of the variable in lower case.
    pub const fn name(&self) -> &'a BStr {
        self.name
    }

    /// The whole key: section and name in lower case, the subsection as it is.
    pub fn key(&self) -> BString {
        match self.prefix.is_empty() {
            true => self.name.into(),
            false => [self.prefix.as_bytes(), b".", self.name].concat().into(),
        }
    }

    /// The value.
    pub const fn value(&self) -> Value<'a> {
        self.value
    }

    /// The line it begins on, counted from 1.
    pub const fn line(&self) -> usize {
        self.line
    }
}

impl Document {
    /// A file with nothing in it.
    pub const fn new() -> Self {
        Document { pieces: Vec::new() }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ParseError`] with the number of the first bad line.
    pub fn parse(text: &[u8]) -> Result<Self, ParseError> {
        Ok(Document { pieces: scan::pieces(text)? })
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.pieces.iter().map(|p| p.raw.len()).sum());
        for piece in &self.pieces {
            out.extend_from_slice(&piece.raw);
        }
        out
    }

    /// Every variable, in the order of the file.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut current = BStr::new(b"");
        let mut next_line = 1;
        self.pieces.iter().filter_map(move |piece| {
            let line = next_line;
            next_line += piece.raw.find_iter(b"\n").count();
            match &piece.kind {
                PieceKind::Section { prefix } => {
                    current = prefix.as_bstr();
                    None
                }
                PieceKind::Entry { name, value } => Some(Entry {
                    prefix: current,
                    name: name.as_bstr(),
                    value: value.as_ref().map_or(Value::implicit(), |text| Value::new(text.as_bytes())),
                    line,
                }),
                _ => None,
            }
        })
    }

    /// Every section header, in order, as the beginning of the keys below it (`remote.origin`); sections may come
    /// more than once.
    pub fn sections(&self) -> impl Iterator<Item = &BStr> {
        self.pieces.iter().filter_map(|piece| match &piece.kind {
            PieceKind::Section { prefix } => Some(prefix.as_bstr()),
            _ => None,
        })
    }

    /// The value of the variable; the last one where there are several. The key is written with dots, as in
    /// `remote.origin.url`; a key that could not be is not there.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Value<'_>> {
        self.get_all(key).last()
    }

    /// Every value of the variable, in order.
    pub fn get_all(&self, key: impl AsRef<[u8]>) -> impl Iterator<Item = Value<'_>> {
        let wanted = Wanted::new(key.as_ref());
        self.entries().filter(move |e| wanted.matches(e.prefix, e.name)).map(|e| e.value)
    }

    /// The names of the subsections of a section, each once, in order of appearance: remotes, branches, ….
    pub fn subsections(&self, section: impl AsRef<[u8]>) -> Vec<&BStr> {
        let section = section.as_ref().to_ascii_lowercase();
        let mut seen = std::collections::HashSet::new();
        self.sections()
            .filter_map(|prefix| {
                let dot = prefix.find_byte(b'.')?;
                (prefix[..dot] == section[..]).then(|| prefix[dot + 1..].as_bstr())
            })
            .filter(|subsection| seen.insert(*subsection))
            .collect()
    }
}

impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.pieces.iter().try_for_each(|piece| write!(f, "{}", piece.raw))
    }
}

/// A key in the form in which entries are compared.
pub(crate) struct Wanted {
    pub(crate) prefix: BString,
    name: BString,
}

impl Wanted {
    pub(crate) fn new(key: &[u8]) -> Self {
        let last = key.rfind_byte(b'.');
        let (prefix, name) = last.map_or((&b""[..], key), |dot| (&key[..dot], &key[dot + 1..]));
        let mut prefix = prefix.to_vec();
        let section = prefix.find_byte(b'.').unwrap_or(prefix.len());
        prefix[..section].make_ascii_lowercase();
        Wanted { prefix: prefix.into(), name: name.to_ascii_lowercase().into() }
    }

    pub(crate) fn matches(&self, prefix: &BStr, name: &BStr) -> bool {
        self.name == name && self.prefix == prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_by_any_spelling() {
        let text = b"\xef\xbb\xbf[Core] Bare\n[remote \"Or.igin\"]\r\n  URL = a \\\r\n b ; c\n[a.B]x=1\n[core]bare=no";
        let document = Document::parse(text).unwrap();
        assert_eq!(document.to_bytes(), text);
        assert_eq!(document.get("CORE.bARE").unwrap().to_bool(), Ok(false));
        assert_eq!(document.get_all("core.bare").count(), 2);
        assert_eq!(document.get("Remote.Or.igin.url").unwrap().text(), Some("a  b".into()));
        assert_eq!(document.get("remote.or.igin.url"), None);
        assert_eq!(document.get("a.b.x").unwrap().text(), Some("1".into()));
        assert_eq!(document.subsections("remote"), ["Or.igin"]);
        let entry = document.entries().nth(1).unwrap();
        assert_eq!((entry.section(), entry.subsection()), ("remote".into(), Some("Or.igin".into())));
        assert_eq!(document.entries().map(|entry| entry.line()).collect::<Vec<_>>(), [1, 3, 5, 6]);
        assert_eq!(entry.key(), "remote.Or.igin.url");
    }

    #[test]
    fn errors_name_the_line_that_git_names() {
        // Recorded from `git config -f`, git 2.47.3.
        for (text, line) in [
            ("[a]\n x = \"abc\n", 2),
            ("[a]\n x = a\\qb\n", 2),
            ("[a]\n x y\n", 2),
            ("[a]\n x # foo\n", 2),
            ("[a]\n 1x = 2\n", 2),
            ("[a]\n x_y = 2\n", 2),
            ("[a \"b\"c]\n x=1\n", 1),
            ("[a\"b\"]\n x=1\n", 1),
            ("[a \"b\" ]\n", 1),
            ("[ a]\n", 1),
            ("[a ]\n", 1),
            ("[]\n", 1),
            ("[a]\nx=\"1\\", 3),
            ("[a]\nx\0y=1\n", 2),
            ("[a \"b\n\"]\n", 1),
            ("[a]\n\x0cx=1\n", 2),
            ("[a]\n x\x0c=1\n", 2),
            ("[a]\n\n\n x\n=1\n", 5),
            ("[a]\n x = a\\\n\\\n b\n [[\n", 5),
            ("[a \"b\\", 1),
            ("[a", 2),
            ("[a]\n x=\"a\\\n[\n", 3),
        ] {
            assert_eq!(Document::parse(text.as_bytes()), Err(ParseError { line }), "{text:?}");
        }
    }

    #[test]
    fn values_are_read_as_git_reads_them() {
        for (text, value) in [
            ("x = a\\\n   b  c # d\n", "a   b  c"),
            ("x = a \"  b \" ; q\n", "a   b "),
            ("x= a\\tb\\n\\b\"x\\\"y\"\n", "a\tb\n\u{8}x\"y"),
            ("x = \"ab\\\ncd\"\n", "abcd"),
            ("x=1\\\r\n2\r\n", "12"),
            ("x=a\rb\n", "a\rb"),
            ("x=1\\", "1"),
            ("x=1 y=2\n", "1 y=2"),
            ("x=a\0b\n", "a"),
            ("x=a #b\\\ny=2\n", "a"),
            ("x=  \t\n", ""),
            ("x=\"\" \"\" \n", ""),
            ("x=a\x0b \x0c\n", "a\x0b \x0c"),
            ("x=a \"\"\n", "a "),
        ] {
            let document = Document::parse(text.as_bytes()).unwrap();
            assert_eq!(document.get("x").unwrap().text(), Some(value.into()), "{text:?}");
            assert_eq!(document.to_bytes(), text.as_bytes());
        }
    }
}
