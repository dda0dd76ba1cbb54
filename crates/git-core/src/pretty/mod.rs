//! What a format such as `%h %an, %s` says of a commit: the placeholders of `git-log(1)`, "PRETTY FORMATS".
//!
//! Colours, padding and wrapping, mailmaps, trailers, notes, reflogs and signatures are not told of. Of these, what
//! git would say of a commit that has none is said, or the placeholder stays.

mod dates;
mod decorate;
mod describe;
mod message;

pub use dates::DateFormat;

use crate::Repository;
use crate::abbrev;
use bstr::ByteSlice as _;
use git_core_object::{CommitRef, IdentRef, Kind, ObjectId, ReadError, TagRef};
use git_core_store::Snapshot;
use message::Message;
use std::cell::Cell;

/// One commit, of which formats are expanded.
pub struct PrettyCommit<'a> {
    repository: &'a Repository,
    snapshot: &'a dyn Snapshot,
    id: ObjectId,
    content: Vec<u8>,
    digits: usize,
    /// How often `%(describe)` may still be expanded: it walks through the history.
    describes: Cell<u32>,
}

/// What is done with the line end around an expansion: `%+x`, `%-x`, `% x`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    LineBefore,
    NoLinesBefore,
    BlankBefore,
}

impl<'a> PrettyCommit<'a> {
    /// Reads the commit. `describes` bounds how many times `%(describe)` is expanded; the others stay as they are.
    ///
    /// # Errors
    /// [`ReadError`] when it is not there, is no commit, or cannot be read.
    pub fn new(
        repository: &'a Repository,
        snapshot: &'a dyn Snapshot,
        id: &ObjectId,
        describes: u32,
    ) -> Result<Self, ReadError> {
        let mut content = Vec::new();
        let actual = snapshot.require(id, &mut content)?;
        if actual != Kind::Commit {
            return Err(ReadError::WrongKind { id: *id, expected: Kind::Commit, actual });
        }
        CommitRef::parse(id.format(), &content)
            .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
        let digits = abbrev::usual(repository, snapshot);
        Ok(PrettyCommit { repository, snapshot, id: *id, content, digits, describes: Cell::new(describes) })
    }

    /// How often `%(describe)` may still be expanded.
    pub fn describes_left(&self) -> u32 {
        self.describes.get()
    }

    /// Appends what a format says. What is no placeholder stays.
    ///
    /// # Errors
    /// [`ReadError`] when something that has to be looked up cannot be read.
    pub fn expand(&self, format: &[u8], out: &mut Vec<u8>) -> Result<(), ReadError> {
        let Ok(commit) = CommitRef::parse(self.id.format(), &self.content) else { return Ok(()) };
        let message = Message::of(&commit);
        let mut rest = format;
        while let Some(at) = rest.find_byte(b'%') {
            out.extend_from_slice(&rest[..at]);
            rest = &rest[at + 1..];
            let around = match rest.first() {
                Some(b'+') => Around::LineBefore,
                Some(b'-') => Around::NoLinesBefore,
                Some(b' ') => Around::BlankBefore,
                _ => Around::Nothing,
            };
            let skipped = usize::from(around != Around::Nothing);
            let mut text = Vec::new();
            let taken = self.placeholder(&rest[skipped..], &commit, &message, &mut text)?;
            let Some(taken) = taken else {
                out.push(b'%');
                continue;
            };
            rest = &rest[skipped + taken..];
            match around {
                Around::LineBefore if !text.is_empty() => out.push(b'\n'),
                Around::BlankBefore if !text.is_empty() => out.push(b' '),
                Around::NoLinesBefore if text.is_empty() => {
                    while out.last() == Some(&b'\n') {
                        out.pop();
                    }
                }
                _ => {}
            }
            out.append(&mut text);
        }
        out.extend_from_slice(rest);
        Ok(())
    }

    /// Expands the placeholder that begins here; how long it is, if it is one.
    fn placeholder(
        &self,
        text: &[u8],
        commit: &CommitRef<'_>,
        message: &Message<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, ReadError> {
        let Some((&first, behind)) = text.split_first() else { return Ok(None) };
        match first {
            b'%' => out.push(b'%'),
            b'n' => out.push(b'\n'),
            b'x' => {
                let digits = behind.get(..2).and_then(|digits| digits.to_str().ok());
                let byte = digits.filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
                let Some(byte) = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else {
                    return Ok(None);
                };
                out.push(byte);
                return Ok(Some(3));
            }
            b'H' => out.extend_from_slice(self.id.to_hex().as_bytes()),
            b'h' => self.short(&self.id, out)?,
            b'T' => out.extend_from_slice(commit.tree().to_hex().as_bytes()),
            b't' => self.short(&commit.tree(), out)?,
            b'P' | b'p' => {
                for (at, parent) in commit.parents().iter().enumerate() {
                    if at > 0 {
                        out.push(b' ');
                    }
                    match first {
                        b'P' => out.extend_from_slice(parent.to_hex().as_bytes()),
                        _ => self.short(parent, out)?,
                    }
                }
            }
            b'm' => out.push(b'>'),
            b'e' => out.extend_from_slice(commit.encoding().unwrap_or_default()),
            b's' => message.subject(out),
            b'f' => message.file_name(out),
            b'b' => out.extend_from_slice(message.body()),
            b'B' => out.extend_from_slice(message.raw()),
            b'd' => self.decorate(&decorate::Style::default(), out)?,
            b'D' => self.decorate(&decorate::Style::bare(), out)?,
            b'a' | b'c' => {
                let ident = if first == b'a' { commit.author() } else { commit.committer() };
                let Some(&part) = behind.first() else { return Ok(None) };
                return Ok(person(&message.utf8(ident.line), part, out).then_some(2));
            }
            b'g' => match behind.first() {
                Some(b'd' | b'D' | b'n' | b'N' | b'e' | b'E' | b's') => return Ok(Some(2)),
                _ => return Ok(None),
            },
            b'G' => match behind.first() {
                Some(b'?') => {
                    // Signatures are not checked here.
                    out.push(if commit.header("gpgsig").is_some() { b'E' } else { b'N' });
                    return Ok(Some(2));
                }
                Some(b'G' | b'S' | b'K' | b'F' | b'P' | b'T') => return Ok(Some(2)),
                _ => return Ok(None),
            },
            b'C' => return Ok(colour(behind).map(|length| 1 + length)),
            b'(' => return self.word(text, out),
            _ => return Ok(None),
        }
        Ok(Some(1))
    }

    /// `%(name:options)`, of which `text` begins with the parenthesis.
    fn word(&self, text: &[u8], out: &mut Vec<u8>) -> Result<Option<usize>, ReadError> {
        let Some(end) = text.find_byte(b')') else { return Ok(None) };
        let inner = &text[1..end];
        let (name, options) = match inner.find_byte(b':') {
            Some(at) => (&inner[..at], &inner[at + 1..]),
            None => (inner, &b""[..]),
        };
        match name {
            b"decorate" => match decorate::Style::parse(options) {
                Some(style) => self.decorate(&style, out)?,
                None => return Ok(None),
            },
            b"describe" => {
                let Some(options) = describe::Options::parse(options) else { return Ok(None) };
                let left = self.describes.get();
                if left == 0 {
                    return Ok(None);
                }
                self.describes.set(left - 1);
                describe::describe(self.snapshot, &self.id, &options, self.digits, out)?;
            }
            _ => return Ok(None),
        }
        Ok(Some(end + 1))
    }

    fn decorate(&self, style: &decorate::Style, out: &mut Vec<u8>) -> Result<(), ReadError> {
        decorate::decorate(self.snapshot, &self.id, style, out)
    }

    fn short(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<(), ReadError> {
        out.extend_from_slice(abbrev::abbreviate(self.snapshot, id, self.digits)?.as_bytes());
        Ok(())
    }

    /// The repository that the commit is in.
    pub fn repository(&self) -> &'a Repository {
        self.repository
    }
}

/// A part of who did something; whether there is such a part.
fn person(line: &[u8], part: u8, out: &mut Vec<u8>) -> bool {
    let ident = IdentRef::parse(line);
    let local = || &ident.email[..ident.email.find_byte(b'@').unwrap_or(ident.email.len())];
    match part {
        b'n' | b'N' => out.extend_from_slice(ident.name),
        b'e' | b'E' => out.extend_from_slice(ident.email),
        b'l' | b'L' => out.extend_from_slice(local()),
        b'd' | b'D' | b'r' | b't' | b'i' | b'I' | b's' => {
            // A date that cannot be read is left out.
            let Some(time) = ident.time() else { return true };
            let format = match part {
                b'd' => DateFormat::Default,
                b'D' => DateFormat::Rfc,
                b'r' => DateFormat::Relative,
                b't' => DateFormat::Unix,
                b'i' => DateFormat::Iso,
                b'I' => DateFormat::IsoStrict,
                _ => DateFormat::Short,
            };
            out.extend_from_slice(format.show(&time).as_bytes());
        }
        _ => return false,
    }
    true
}

/// The length of a colour behind `%C`, which shows nothing where there is no terminal.
fn colour(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"(") {
        return text.find_byte(b')').map(|end| end + 1);
    }
    ["red", "green", "blue", "reset"]
        .iter()
        .find(|name| text.starts_with(name.as_bytes()))
        .map(|name| name.len())
}

/// What a tag leads to in the end, and when it was made.
pub(crate) fn peel(
    snapshot: &dyn Snapshot,
    id: ObjectId,
) -> Result<Option<(ObjectId, Option<i64>)>, ReadError> {
    let (mut id, mut made) = (id, None);
    let mut content = Vec::new();
    for _ in 0..64 {
        match snapshot.header(&id)? {
            Some(header) if header.kind == Kind::Tag => {}
            Some(_) => return Ok(Some((id, made))),
            None => return Ok(None),
        }
        snapshot.require(&id, &mut content)?;
        let Ok(tag) = TagRef::parse(id.format(), &content) else { return Ok(None) };
        if made.is_none() {
            made = Some(tag.tagger().and_then(|tagger| tagger.time()).map_or(0, |time| time.seconds));
        }
        id = tag.target();
    }
    Ok(None)
}
