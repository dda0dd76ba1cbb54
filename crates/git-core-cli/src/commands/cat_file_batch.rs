//! `cat-file --batch`, `--batch-check` and `--batch-command`: many objects, named on standard input or all there
//! are, each answered by a line of a chosen format.

use super::cat_file::copy;
use super::cat_file_answer::{Answer, Answers};
use super::cat_file_change::Changer;
use super::cat_file_shares::{AnswerOne, LINES, SHARE, Shares, Stop};
use crate::fail::Failure;
use crate::input::read_record;
use crate::output::{finish, stdout, written};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::mailmap::Mailmap;
use git_core::object::{ObjectId, ReadError};
use git_core::store::Snapshot;
use std::io::{self, BufRead, BufReader, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;

/// Bytes of standard input that are read at once.
const INPUT: usize = 128 << 10;
/// The same where answers are lines: threads are worth it for many of them only.
const INPUT_FOR_LINES: usize = 2 << 20;
/// From so many shares on that are there to be answered, several threads answer them.
const MANY: usize = 4;
/// Shares that are answered ahead of what has been written, for each thread.
const AHEAD: usize = 4;

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

/// What a path stands for that leads through symbolic links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Symlinks {
    /// The link itself, or nothing.
    #[default]
    Shown,
    /// What it leads to.
    Followed,
}

/// How a batch is run.
pub(super) struct BatchOptions {
    pub(super) mode: BatchMode,
    pub(super) format: Option<Vec<u8>>,
    /// All objects of the repository, in place of those on standard input.
    pub(super) all: bool,
    /// How files are changed before they are shown.
    pub(super) changer: Option<Changer>,
    /// Whose names are shown in the place of others.
    pub(super) mailmap: Option<Mailmap>,
    pub(super) flush: Flush,
    pub(super) order: Order,
    pub(super) symlinks: Symlinks,
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
            symlinks: Symlinks::default(),
            changer: None,
            mailmap: None,
            input_end: b'\n',
            output_end: b'\n',
        }
    }
}

/// Runs a batch to the end of its input.
pub(super) fn run(repository: &Repository, options: &BatchOptions) -> Result<ExitCode, Failure> {
    // All objects are shown as they are, whatever replaces them.
    let snapshot = match options.all {
        true => repository.snapshot()?,
        false => repository.seen(git_core::repository::Seen::Content)?,
    };
    let answers = Answers::new(repository, &*snapshot, options)?;
    let mut batch = Batch { answers, options, out: stdout(), answer: Answer::default() };
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

struct Batch<'a, W> {
    answers: Answers<'a>,
    options: &'a BatchOptions,
    out: W,
    answer: Answer,
}

impl<W: Write> Batch<'_, W> {
    fn all(&mut self) -> Result<(), Failure> {
        let contents = self.options.mode == BatchMode::Contents;
        let ids = all_ids(self.answers.snapshot, self.options.order)?;
        let answer = |answers: &Answers<'_>, at: usize, out: &mut Answer| {
            answers.found(&ids[at], ids[at].to_hex().as_bytes(), b"", contents, out)
        };
        self.many(ids.len(), &answer)
    }

    /// Answers what is there to be read, then flushes: who waits for an answer before asking again gets it, and
    /// who asks for many at once gets them at once.
    fn lines(&mut self) -> Result<(), Failure> {
        let contents = self.options.mode == BatchMode::Contents;
        let capacity = if contents { INPUT } else { INPUT_FOR_LINES };
        let mut input = BufReader::with_capacity(capacity, io::stdin().lock());
        let mut lines = Lines::default();
        while lines.read(&mut input, self.options.input_end)? {
            let answer = |answers: &Answers<'_>, at: usize, out: &mut Answer| {
                answers.named(lines.get(at), contents, out)
            };
            self.many(lines.ends.len(), &answer)?;
            if self.options.flush == Flush::EachObject {
                written(self.out.flush())?;
            }
        }
        Ok(())
    }

    /// Gives `count` answers in their order, with as many threads as are worth it.
    fn many(&mut self, count: usize, answer: AnswerOne<'_>) -> Result<(), Failure> {
        let size = if self.options.mode == BatchMode::Contents { SHARE } else { LINES };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(count / size);
        if threads < 2 || count < MANY * size {
            return (0..count).try_for_each(|at| {
                self.answer.clear();
                let done = answer(&self.answers, at, &mut self.answer);
                put(self.answers.snapshot, &self.answer, &mut self.out).and(done)
            });
        }
        let shares = Shares::new(count, size, threads * AHEAD);
        let (answers, out) = (&self.answers, &mut self.out);
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| shares.work(answers, answer));
            }
            // Whoever still works stops, however this ends.
            let _stop = Stop(&shares);
            for number in 0..shares.count {
                let (share, done) = shares.take(number);
                put(answers.snapshot, &share, out)?;
                done?;
                shares.give_back(share);
            }
            Ok(())
        })
    }

    fn commands(&mut self) -> Result<(), Failure> {
        let mut input = BufReader::with_capacity(INPUT, io::stdin().lock());
        let mut record = Vec::new();
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
            if !buffered && input.buffer().find_byte(self.options.input_end).is_none() {
                written(self.out.flush())?;
            }
        }
        Ok(())
    }

    fn named(&mut self, name: &[u8], contents: bool) -> Result<(), Failure> {
        self.answer.clear();
        let done = self.answers.named(name, contents, &mut self.answer);
        put(self.answers.snapshot, &self.answer, &mut self.out).and(done)
    }
}

/// Writes an answer, with the objects that it leaves out.
fn put(snapshot: &dyn Snapshot, answer: &Answer, out: &mut impl Write) -> Result<(), Failure> {
    let mut from = 0;
    for (at, id) in &answer.large {
        written(out.write_all(&answer.bytes[from..*at]))?;
        copy(snapshot, id, out)?;
        from = *at;
    }
    written(out.write_all(&answer.bytes[from..]))
}

/// Records that were there to be read at once.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Lines {
    /// Waits for one record, and takes those that came with it; `false` at the end of the input.
    fn read(&mut self, input: &mut BufReader<impl io::Read>, end: u8) -> io::Result<bool> {
        self.bytes.clear();
        self.ends.clear();
        if input.read_until(end, &mut self.bytes)? == 0 {
            return Ok(false);
        }
        if self.bytes.last() == Some(&end) {
            self.bytes.pop();
        }
        self.ends.push(self.bytes.len());
        let mut used = 0;
        let there = input.buffer();
        while let Some(len) = there[used..].find_byte(end) {
            self.bytes.extend_from_slice(&there[used..used + len]);
            self.ends.push(self.bytes.len());
            used += len + 1;
        }
        input.consume(used);
        Ok(true)
    }

    fn get(&self, at: usize) -> &[u8] {
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        &self.bytes[start..self.ends[at]]
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
