//! What `cat-file` says of one object in its modes for many: a line of a chosen format, and the content.
//!
//! Answers are put together in memory, so that several can be at once; objects that are too large for that are
//! left to whoever writes the answers out.

use super::cat_file_batch::{BatchMode, BatchOptions, Symlinks};
use super::cat_file_change::properly;
use super::cat_file_follow::{Followed, follow};
use crate::fail::Failure;
use crate::ondisk;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{Header, Kind, ObjectId, ReadError};
use git_core::store::Snapshot;
use git_core::store::revision::{self, RevisionError};
use std::io::Write as _;
use std::ops::ControlFlow;

/// Objects of more bytes than this are left to be written piece by piece.
const LARGE: u64 = 1 << 20;

/// A piece of the format.
enum Atom {
    Text(Vec<u8>),
    Name,
    Kind,
    Size,
    DiskSize,
    DeltaBase,
    Rest,
}

/// Takes a format apart.
fn parse_format(format: &[u8]) -> Result<Vec<Atom>, Failure> {
    let (mut atoms, mut text, mut rest) = (Vec::new(), Vec::new(), format);
    while let Some(at) = rest.find_byte(b'%') {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix(b"%%") {
            text.push(b'%');
            rest = after;
            continue;
        }
        let Some(inside) = rest.strip_prefix(b"%(") else {
            text.push(b'%');
            rest = &rest[1..];
            continue;
        };
        let end =
            inside.find_byte(b')').ok_or_else(|| Failure::fatal("format element does not end in ')'"))?;
        if !text.is_empty() {
            atoms.push(Atom::Text(std::mem::take(&mut text)));
        }
        atoms.push(match &inside[..end] {
            b"objectname" => Atom::Name,
            b"objecttype" => Atom::Kind,
            b"objectsize" => Atom::Size,
            b"objectsize:disk" => Atom::DiskSize,
            b"deltabase" => Atom::DeltaBase,
            b"rest" => Atom::Rest,
            other => {
                return Err(Failure::fatal(format_args!("bad cat-file format: %({})", other.as_bstr())));
            }
        });
        rest = &inside[end + 1..];
    }
    text.extend_from_slice(rest);
    if !text.is_empty() {
        atoms.push(Atom::Text(text));
    }
    Ok(atoms)
}

/// An answer, or several.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    /// Objects whose content belongs in front of the byte at this place.
    pub(super) large: Vec<(usize, ObjectId)>,
}

impl Answer {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.large.clear();
    }
}

/// Answers for objects; shared by threads.
pub(super) struct Answers<'a> {
    repository: &'a Repository,
    pub(super) snapshot: &'a dyn Snapshot,
    options: &'a BatchOptions,
    atoms: Vec<Atom>,
    splits: bool,
    asks_header: bool,
}

impl<'a> Answers<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        snapshot: &'a dyn Snapshot,
        options: &'a BatchOptions,
    ) -> Result<Self, Failure> {
        let default: &[u8] = b"%(objectname) %(objecttype) %(objectsize)";
        let atoms = parse_format(options.format.as_deref().unwrap_or(default))?;
        Ok(Answers {
            repository,
            snapshot,
            options,
            splits: atoms.iter().any(|atom| matches!(atom, Atom::Rest))
                || options.changer.is_some() && options.mode != BatchMode::Commands,
            asks_header: atoms.iter().any(|atom| matches!(atom, Atom::Kind | Atom::Size)),
            atoms,
        })
    }

    /// Answers for the object that a line names.
    pub(super) fn named(&self, line: &[u8], contents: bool, out: &mut Answer) -> Result<(), Failure> {
        let (name, rest) = match line.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
            Some(at) if self.splits => {
                let after = &line[at..];
                let skip = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                (&line[..at], &after[skip..])
            }
            _ => (line, &b""[..]),
        };
        if self.options.symlinks == Symlinks::Followed
            && let Some(followed) = follow(self.snapshot, name)?
        {
            let (what, text) = match followed {
                Followed::Object(id) => return self.found(&id, name, rest, contents, out),
                Followed::Outside(path) => ("symlink", path),
                Followed::Dangling => ("dangling", name.to_vec()),
                Followed::Loop => ("loop", name.to_vec()),
                Followed::NotDirectory => ("notdir", name.to_vec()),
                Followed::Missing => {
                    self.report(name, "missing", out);
                    return Ok(());
                }
            };
            write!(out.bytes, "{what} {}", text.len())?;
            out.bytes.push(self.options.output_end);
            out.bytes.extend_from_slice(&text);
            out.bytes.push(self.options.output_end);
            return Ok(());
        }
        let id =
            if name.len() == self.snapshot.format().hex_len() { ObjectId::from_hex(name).ok() } else { None };
        let id = match id {
            Some(id) => Ok(id),
            None => revision::resolve(self.snapshot, name),
        };
        match id {
            Ok(id) => self.found(&id, name, rest, contents, out),
            Err(RevisionError::Ambiguous { .. }) => {
                self.report(name, "ambiguous", out);
                Ok(())
            }
            Err(RevisionError::Read(error)) if !matches!(error, ReadError::Missing { .. }) => {
                Err(error.into())
            }
            Err(_) => {
                self.report(name, "missing", out);
                Ok(())
            }
        }
    }

    /// Answers for an object; `name` is what it was called.
    pub(super) fn found(
        &self,
        id: &ObjectId,
        name: &[u8],
        rest: &[u8],
        contents: bool,
        out: &mut Answer,
    ) -> Result<(), Failure> {
        if contents {
            return self.content(id, name, rest, out);
        }
        let header = if self.asks_header {
            self.snapshot.header(id)?
        } else {
            // Nobody looks at it.
            let there = self.options.all || self.snapshot.contains(id)?;
            there.then_some(Header { kind: Kind::Blob, size: 0 })
        };
        match header {
            Some(mut header) => {
                if self.asks_header
                    && let Some(map) = &self.options.mailmap
                    && let Some((_, content)) = properly(self.snapshot, map, id)?
                {
                    header.size = content.len() as u64;
                }
                self.format(id, header, rest, &mut out.bytes)?;
            }
            None => self.report(name, "missing", out),
        }
        Ok(())
    }

    /// Answers with content that is not as it is stored; `false` if it is.
    fn changed(&self, id: &ObjectId, rest: &[u8], out: &mut Answer) -> Result<bool, Failure> {
        if let Some(map) = &self.options.mailmap
            && let Some((kind, content)) = properly(self.snapshot, map, id)?
        {
            self.format(id, Header { kind, size: content.len() as u64 }, rest, &mut out.bytes)?;
            out.bytes.extend_from_slice(&content);
            out.bytes.push(self.options.output_end);
            return Ok(true);
        }
        let Some(changer) = &self.options.changer else { return Ok(false) };
        let Some(header) = self.snapshot.header(id)?.filter(|header| header.kind == Kind::Blob) else {
            return Ok(false);
        };
        self.format(id, header, rest, &mut out.bytes)?;
        if rest.is_empty() {
            return Err(Failure::fatal(format_args!("missing path for '{id}'")));
        }
        let mut content = Vec::new();
        self.snapshot.require(id, &mut content)?;
        out.bytes.extend_from_slice(&changer.file(rest.as_bstr(), id, content)?);
        out.bytes.push(self.options.output_end);
        Ok(true)
    }

    fn content(&self, id: &ObjectId, name: &[u8], rest: &[u8], out: &mut Answer) -> Result<(), Failure> {
        if (self.options.mailmap.is_some() || self.options.changer.is_some())
            && self.changed(id, rest, out)?
        {
            return Ok(());
        }
        let mut formatted = None;
        let mut is_large = false;
        let bytes = &mut out.bytes;
        let found = self.snapshot.stream(id, &mut |header, piece| {
            if formatted.is_none() {
                formatted = Some(self.format(id, header, rest, bytes));
                is_large = header.size > LARGE;
            }
            if is_large || matches!(formatted, Some(Err(_))) {
                return ControlFlow::Break(());
            }
            bytes.extend_from_slice(piece);
            ControlFlow::Continue(())
        })?;
        match (found, formatted) {
            (None, _) => {
                self.report(name, "missing", out);
                return Ok(());
            }
            (Some(header), None) => self.format(id, header, rest, &mut out.bytes)?,
            (Some(_), Some(formatted)) => formatted?,
        }
        if is_large {
            out.large.push((out.bytes.len(), *id));
        }
        out.bytes.push(self.options.output_end);
        Ok(())
    }

    /// Puts the line for an object together.
    fn format(&self, id: &ObjectId, header: Header, rest: &[u8], line: &mut Vec<u8>) -> Result<(), Failure> {
        let mut stored = None;
        for atom in &self.atoms {
            if matches!(atom, Atom::DiskSize | Atom::DeltaBase) && stored.is_none() {
                stored = Some(ondisk::stored(self.repository, self.snapshot, id)?);
            }
            match (atom, &stored) {
                (Atom::Text(text), _) => line.extend_from_slice(text),
                (Atom::Name, _) => id.write_hex(line),
                (Atom::Kind, _) => line.extend_from_slice(header.kind.name().as_bytes()),
                (Atom::Size, _) => write!(line, "{}", header.size)?,
                (Atom::DiskSize, stored) => {
                    write!(line, "{}", stored.as_ref().map_or(0, |stored| stored.size))?;
                }
                (Atom::DeltaBase, stored) => stored
                    .as_ref()
                    .and_then(|stored| stored.base)
                    .unwrap_or_else(|| ObjectId::null(id.format()))
                    .write_hex(line),
                (Atom::Rest, _) => line.extend_from_slice(rest),
            }
        }
        line.push(self.options.output_end);
        Ok(())
    }

    fn report(&self, name: &[u8], what: &str, out: &mut Answer) {
        out.bytes.extend_from_slice(name);
        out.bytes.push(b' ');
        out.bytes.extend_from_slice(what.as_bytes());
        out.bytes.push(self.options.output_end);
    }
}
