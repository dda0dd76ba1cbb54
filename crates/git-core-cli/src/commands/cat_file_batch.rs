//! `cat-file --batch`, `--batch-check` and `--batch-command`: many objects, named on standard input or all there
//! are, each answered by a line of a chosen format.

use super::cat_file::copy;
use crate::fail::Failure;
use crate::input::{read_record, stdin};
use crate::ondisk;
use crate::output::{finish, stdout, written};
use bstr::{BStr, ByteSlice as _};
use git_core::Repository;
use git_core::object::{Header, Kind, ObjectId, ReadError};
use git_core::store::Snapshot;
use git_core::store::revision::{self, RevisionError};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Objects of more bytes than this are written piece by piece.
const STREAMED: u64 = 4 << 20;

/// What is done with each object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum BatchMode {
    /// A line, then the content.
    #[default]
    Contents,
    /// A line.
    Info,
    /// What each line of the input says.
    Commands,
}

/// When the output is flushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Flush {
    /// After each object, for whoever waits for the answer.
    #[default]
    EachObject,
    /// At the end, and when it is asked for.
    AtEnd,
}

/// The order of all objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// By their ids.
    #[default]
    ById,
    /// As they lie in their packs.
    AsStored,
}

/// How a batch is run.
pub(super) struct BatchOptions {
    pub(super) mode: BatchMode,
    pub(super) format: Option<Vec<u8>>,
    /// All objects of the repository, in place of those on standard input.
    pub(super) all: bool,
    pub(super) flush: Flush,
    pub(super) order: Order,
    pub(super) input_end: u8,
    pub(super) output_end: u8,
}

impl Default for BatchOptions {
    fn default() -> Self {
        BatchOptions {
            mode: BatchMode::default(),
            format: None,
            all: false,
            flush: Flush::default(),
            order: Order::default(),
            input_end: b'\n',
            output_end: b'\n',
        }
    }
}

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

struct Batch<'a, W> {
    repository: &'a Repository,
    snapshot: &'a dyn Snapshot,
    options: &'a BatchOptions,
    atoms: Vec<Atom>,
    splits: bool,
    asks_header: bool,
    out: W,
    line: Vec<u8>,
    content: Vec<u8>,
}

/// Runs a batch to the end of its input.
pub(super) fn run(repository: &Repository, options: &BatchOptions) -> Result<ExitCode, Failure> {
    let default: &[u8] = b"%(objectname) %(objecttype) %(objectsize)";
    let atoms = parse_format(options.format.as_deref().unwrap_or(default))?;
    let snapshot = repository.seen(git_core::repository::Seen::Content)?;
    let mut batch = Batch {
        repository,
        snapshot: &*snapshot,
        options,
        splits: atoms.iter().any(|atom| matches!(atom, Atom::Rest)),
        asks_header: atoms.iter().any(|atom| matches!(atom, Atom::Kind | Atom::Size)),
        atoms,
        out: stdout(),
        line: Vec::new(),
        content: Vec::new(),
    };
    match (options.all, options.mode) {
        (true, BatchMode::Commands) => {
            return Err(Failure::fatal("'--batch-all-objects' cannot be used with '--batch-command'"));
        }
        (true, _) => batch.all()?,
        (false, BatchMode::Commands) => batch.commands()?,
        (false, _) => batch.lines()?,
    }
    finish(batch.out)?;
    Ok(ExitCode::SUCCESS)
}

impl<W: Write> Batch<'_, W> {
    fn all(&mut self) -> Result<(), Failure> {
        let contents = self.options.mode == BatchMode::Contents;
        for id in all_ids(self.snapshot, self.options.order)? {
            self.found(&id, id.to_hex().as_bytes(), b"", contents)?;
        }
        Ok(())
    }

    fn lines(&mut self) -> Result<(), Failure> {
        let (mut input, mut record) = (stdin(), Vec::new());
        let contents = self.options.mode == BatchMode::Contents;
        while read_record(&mut input, self.options.input_end, &mut record)? {
            self.named(&record, contents)?;
            if self.options.flush == Flush::EachObject {
                written(self.out.flush())?;
            }
        }
        Ok(())
    }

    fn commands(&mut self) -> Result<(), Failure> {
        let (mut input, mut record) = (stdin(), Vec::new());
        let buffered = self.options.flush == Flush::AtEnd;
        while read_record(&mut input, self.options.input_end, &mut record)? {
            if record.is_empty() {
                return Err(Failure::fatal("empty command in input"));
            }
            if record[0].is_ascii_whitespace() {
                return Err(Failure::fatal(format_args!(
                    "whitespace before command: '{}'",
                    record.as_bstr()
                )));
            }
            let (name, argument) = match record.find_byte(b' ') {
                Some(at) => (&record[..at], Some(&record[at + 1..])),
                None => (&record[..], None),
            };
            match (name, argument) {
                (b"contents", Some(argument)) => self.named(argument, true)?,
                (b"info", Some(argument)) => self.named(argument, false)?,
                (b"contents" | b"info", None) => {
                    return Err(Failure::fatal(format_args!("{} requires arguments", name.as_bstr())));
                }
                (b"flush", None) if buffered => written(self.out.flush())?,
                (b"flush", None) => {
                    return Err(Failure::fatal("flush is only for --buffer mode"));
                }
                (b"flush", Some(_)) => return Err(Failure::fatal("flush takes no arguments")),
                _ => return Err(Failure::fatal(format_args!("unknown command: '{}'", record.as_bstr()))),
            }
            if !buffered {
                written(self.out.flush())?;
            }
        }
        Ok(())
    }

    /// Answers for the object that a line names.
    fn named(&mut self, line: &[u8], contents: bool) -> Result<(), Failure> {
        let (name, rest) = match line.iter().position(|byte| matches!(byte, b' ' | b'\t')) {
            Some(at) if self.splits => {
                let after = &line[at..];
                let skip = after.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
                (&line[..at], &after[skip..])
            }
            _ => (line, &b""[..]),
        };
        let id =
            if name.len() == self.snapshot.format().hex_len() { ObjectId::from_hex(name).ok() } else { None };
        let id = match id {
            Some(id) => Ok(id),
            None => revision::resolve(self.snapshot, name),
        };
        match id {
            Ok(id) => self.found(&id, name, rest, contents),
            Err(RevisionError::Ambiguous { .. }) => self.report(name, "ambiguous"),
            Err(RevisionError::Read(error)) if !matches!(error, ReadError::Missing { .. }) => {
                Err(error.into())
            }
            Err(_) => self.report(name, "missing"),
        }
    }

    fn found(&mut self, id: &ObjectId, name: &[u8], rest: &[u8], contents: bool) -> Result<(), Failure> {
        let header = if contents || self.asks_header {
            match self.snapshot.header(id)? {
                Some(header) => header,
                None => return self.report(name, "missing"),
            }
        } else if self.options.all || self.snapshot.contains(id)? {
            // Nobody looks at it.
            Header { kind: Kind::Blob, size: 0 }
        } else {
            return self.report(name, "missing");
        };
        self.format(id, header, rest)?;
        written(self.out.write_all(&self.line))?;
        if contents {
            if header.kind == Kind::Blob && header.size > STREAMED {
                copy(self.snapshot, id, &mut self.out)?;
            } else {
                self.snapshot.require(id, &mut self.content)?;
                written(self.out.write_all(&self.content))?;
            }
            written(self.out.write_all(&[self.options.output_end]))?;
        }
        Ok(())
    }

    /// Puts the line for an object together.
    fn format(&mut self, id: &ObjectId, header: Header, rest: &[u8]) -> Result<(), Failure> {
        self.line.clear();
        let mut stored = None;
        for atom in &self.atoms {
            if matches!(atom, Atom::DiskSize | Atom::DeltaBase) && stored.is_none() {
                stored = Some(ondisk::stored(self.repository, self.snapshot, id)?);
            }
            let line = &mut self.line;
            match (atom, &stored) {
                (Atom::Text(text), _) => line.extend_from_slice(text),
                (Atom::Name, _) => id.write_hex(line),
                (Atom::Kind, _) => line.extend_from_slice(header.kind.name().as_bytes()),
                (Atom::Size, _) => written(write!(line, "{}", header.size))?,
                (Atom::DiskSize, stored) => {
                    written(write!(line, "{}", stored.as_ref().map_or(0, |stored| stored.size)))?;
                }
                (Atom::DeltaBase, stored) => stored
                    .as_ref()
                    .and_then(|stored| stored.base)
                    .unwrap_or_else(|| ObjectId::null(id.format()))
                    .write_hex(line),
                (Atom::Rest, _) => line.extend_from_slice(rest),
            }
        }
        self.line.push(self.options.output_end);
        Ok(())
    }

    fn report(&mut self, name: &[u8], what: &str) -> Result<(), Failure> {
        let end = char::from(self.options.output_end);
        written(write!(self.out, "{} {what}{end}", BStr::new(name)))
    }
}

/// Every object of a repository, once.
fn all_ids(snapshot: &dyn Snapshot, order: Order) -> Result<Vec<ObjectId>, Failure> {
    let mut ids = Vec::new();
    if order == Order::AsStored {
        for (number, stored) in snapshot.packs().iter().enumerate() {
            let order = stored.pack.reverse()?;
            for rank in 0..order.count() {
                let position =
                    order.position(rank).map_err(|error| ReadError::corrupt(&stored.name, error))?;
                let id = stored.pack.idx().id_at(position);
                // What several packs have is shown where it is read from.
                if snapshot.locate(&id)?.is_some_and(|found| found.pack as usize == number) {
                    ids.push(id);
                }
            }
        }
    }
    let (packed, mut failed) = (ids.len(), None);
    snapshot.for_each_id(&mut |id| {
        if order == Order::AsStored {
            match snapshot.locate(&id) {
                Ok(Some(_)) => return ControlFlow::Continue(()),
                Ok(None) => {}
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ids.push(id);
        ControlFlow::Continue(())
    })?;
    if let Some(error) = failed {
        return Err(error.into());
    }
    ids[packed..].sort_unstable();
    ids.dedup();
    Ok(ids)
}
