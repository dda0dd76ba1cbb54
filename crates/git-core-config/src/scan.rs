//! Takes a configuration file apart into pieces that, put together again, are the file.
//!
//! Follows `git-config(1)`, "Syntax", and counts lines as git does when it complains.

use crate::document::{ParseError, Piece, PieceKind};
use bstr::{BString, ByteSlice};

/// Every byte of `text` is in exactly one piece.
pub(crate) fn pieces(text: &[u8]) -> Result<Vec<Piece>, ParseError> {
    let mut scan = Scan { text, at: 0, line: 1 };
    let mut out = Vec::new();
    if text.starts_with(b"\xef\xbb\xbf") {
        scan.at = 3;
        out.push(Piece { kind: PieceKind::Blank, raw: text[..3].into() });
    }
    while scan.at < text.len() {
        let start = scan.at;
        let kind = scan.piece()?;
        out.push(Piece { kind, raw: text[start..scan.at].into() });
    }
    Ok(out)
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

fn is_blank(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r')
}

fn is_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'-'
}

impl Scan<'_> {
    /// The next character: a newline for `\r\n`, and at the end as well.
    fn next(&mut self) -> u8 {
        let c = match self.text.get(self.at) {
            Some(b'\r') if self.text.get(self.at + 1) == Some(&b'\n') => {
                self.at += 1;
                b'\n'
            }
            Some(c) => *c,
            None => b'\n',
        };
        self.at = (self.at + 1).min(self.text.len());
        if c == b'\n' {
            self.line += 1;
        }
        c
    }

    fn skip_within_line(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn error(&self) -> ParseError {
        ParseError { line: self.line }
    }

    /// An error of the line whose end was just read.
    fn error_before(&self) -> ParseError {
        ParseError { line: self.line - 1 }
    }

    fn piece(&mut self) -> Result<PieceKind, ParseError> {
        self.skip_within_line();
        match self.text.get(self.at) {
            None => Ok(PieceKind::Blank),
            Some(b'#' | b';') => {
                let rest = &self.text[self.at..];
                self.at += rest.find_byte(b'\n').map_or(rest.len(), |end| end + 1);
                self.line += 1;
                Ok(PieceKind::Comment)
            }
            Some(b'[') => {
                self.at += 1;
                let prefix = self.section()?;
                match &self.text[self.at..] {
                    [b'\n', ..] | [b'\r', b'\n', ..] => drop(self.next()),
                    _ => {}
                }
                Ok(PieceKind::Section { prefix })
            }
            Some(c) if is_blank(*c) => {
                self.next();
                Ok(PieceKind::Blank)
            }
            Some(c) if c.is_ascii_alphabetic() => self.entry(),
            Some(_) => Err(self.error()),
        }
    }

    /// What stands between `[` and `]`, as the beginning of a key: lower case but for a quoted subsection.
    fn section(&mut self) -> Result<BString, ParseError> {
        let mut prefix = Vec::new();
        loop {
            let at_end = self.at == self.text.len();
            let c = self.next();
            if at_end {
                return Err(self.error());
            }
            match c {
                b']' if prefix.is_empty() => return Err(self.error()),
                b']' => return Ok(prefix.into()),
                c if is_blank(c) => break self.subsection(c, &mut prefix)?,
                c if is_name(c) || c == b'.' => prefix.push(c.to_ascii_lowercase()),
                _ => return Err(self.error()),
            }
        }
        Ok(prefix.into())
    }

    fn subsection(&mut self, mut c: u8, prefix: &mut Vec<u8>) -> Result<(), ParseError> {
        while is_blank(c) {
            if c == b'\n' {
                return Err(self.error_before());
            }
            c = self.next();
        }
        if c != b'"' || prefix.is_empty() {
            return Err(self.error());
        }
        prefix.push(b'.');
        loop {
            match self.next() {
                b'\n' => return Err(self.error_before()),
                b'"' => break,
                b'\\' => match self.next() {
                    b'\n' => return Err(self.error_before()),
                    c => prefix.push(c),
                },
                c => prefix.push(c),
            }
        }
        match self.next() {
            b']' => Ok(()),
            _ => Err(self.error()),
        }
    }

    fn entry(&mut self) -> Result<PieceKind, ParseError> {
        let rest = &self.text[self.at..];
        let len = rest.iter().position(|c| !is_name(*c)).unwrap_or(rest.len());
        let name = rest[..len].to_ascii_lowercase().into();
        self.at += len;
        self.skip_within_line();
        match self.next() {
            b'\n' => Ok(PieceKind::Entry { name, value: None }),
            b'=' => Ok(PieceKind::Entry { name, value: Some(self.value()?) }),
            _ => Err(self.error()),
        }
    }

    fn value(&mut self) -> Result<BString, ParseError> {
        let mut value = Vec::new();
        let (mut quoted, mut comment) = (false, false);
        // The length the value had before the blanks that may turn out to be its last ones.
        let mut trimmed: Option<usize> = None;
        loop {
            let c = self.next();
            match c {
                b'\n' if quoted => return Err(self.error_before()),
                b'\n' => break,
                _ if comment => {}
                _ if is_blank(c) && !quoted => {
                    if !value.is_empty() {
                        trimmed.get_or_insert(value.len());
                        value.push(c);
                    }
                }
                b'#' | b';' if !quoted => comment = true,
                _ => {
                    trimmed = None;
                    match c {
                        b'"' => quoted = !quoted,
                        b'\\' => match self.next() {
                            b'\n' => {}
                            b't' => value.push(b'\t'),
                            b'n' => value.push(b'\n'),
                            b'b' => value.push(8),
                            c @ (b'\\' | b'"') => value.push(c),
                            _ => return Err(self.error()),
                        },
                        c => value.push(c),
                    }
                }
            }
        }
        value.truncate(trimmed.unwrap_or(value.len()));
        // git holds values as C strings.
        value.truncate(value.find_byte(0).unwrap_or(value.len()));
        Ok(value.into())
    }
}
