//! `unpack-objects -r`: stores what is whole of a pack, one entry after the other, and says what is not.

use crate::fail::{Failure, chain};
use crate::pack_checks::{Checks, verdict};
use git_core::Repository;
use git_core::object::{Context, Kind, ObjectId, Phase};
use git_core::pack::delta::{DeltaError, apply};
use git_core::pack::{EntryKind, HeaderError, InflateError, Salvage, SalvageError, SalvagedEntry};
use git_core::refs::RefTransaction;
use git_core::store::{ObjectObserver as _, Quarantine};
use std::collections::HashMap;
use std::io::{BufReader, Write as _};
use std::process::ExitCode;

/// What becomes of the objects.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stored {
    /// They are only looked at.
    Nothing,
    /// Those that are whole are stored.
    Whole,
}

/// Unpacks standard input. `header` is the number of objects of a header that was read already.
pub(super) fn salvage(
    repository: &Repository,
    stored: Stored,
    header: Option<u32>,
    checks: &Checks,
    cx: &Context,
) -> Result<ExitCode, Failure> {
    let input = BufReader::with_capacity(64 << 10, std::io::stdin().lock());
    let (format, bound) = (repository.format(), cx.limits().pack_bytes);
    let pack = match header {
        Some(objects) => Salvage::behind_header(input, format, bound, objects),
        None => Salvage::new(input, format, bound).map_err(why)?,
    };
    let storage = repository.storage();
    let snapshot = repository.snapshot()?;
    let checks = checks.observer(format)?;
    let unchecked = if checks.is_some() { Some(storage.receive(&snapshot)?) } else { None };
    let mut unpacker = Unpacker {
        stored,
        objects: storage.receive(&snapshot)?,
        unchecked,
        held: Vec::new(),
        entries: Vec::new(),
        by_offset: HashMap::new(),
        by_id: HashMap::new(),
        bound: cx.limits().object_bytes,
        damaged: false,
    };
    let done = unpacker.all(pack, cx);
    let Unpacker { objects, unchecked, held, damaged, .. } = unpacker;
    let mut keep = vec![objects];
    let done = match (done, checks, unchecked) {
        (Ok(()), Some(checks), Some(unchecked)) => {
            // All of them, or none: what they link to is among them.
            let (snapshot, blobs) = (unchecked.snapshot()?, keep[0].snapshot()?);
            let mut content = Vec::new();
            let passed = held.iter().try_for_each(|id| {
                let kind = snapshot.require(id, &mut content)?;
                checks.object(id, kind, Some(&content)).map_err(|error| Failure::fatal(error.to_string()))
            });
            let passed = passed.map_err(|failure| verdict(Some(&checks), failure));
            let passed = passed.and_then(|()| match checks.finish(&*snapshot, &*blobs)?.first() {
                Some(_) => Err(Failure::fatal("object of unexpected type")),
                None => Ok(()),
            });
            if passed.is_ok() {
                keep.push(unchecked);
            }
            passed
        }
        (done, ..) => done,
    };
    if stored == Stored::Whole {
        storage.commit(keep, &RefTransaction::new(), cx)?;
    }
    done?;
    Ok(if damaged { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// In git's words, why nothing more can be read.
fn why(error: SalvageError) -> Failure {
    Failure::fatal(match &error {
        SalvageError::Header(HeaderError::Signature) => "bad pack file".to_owned(),
        SalvageError::Header(HeaderError::Version(version)) => format!("unknown pack file version {version}"),
        SalvageError::Checksum => "final sha1 did not match".to_owned(),
        error => chain(error),
    })
}

/// A delta whose base has not come yet.
struct Waiting {
    /// Where its entry begins.
    offset: u64,
    delta: Vec<u8>,
}

struct Unpacker {
    stored: Stored,
    objects: Box<dyn Quarantine>,
    /// Where all but blobs wait until all have been checked, if they are.
    unchecked: Option<Box<dyn Quarantine>>,
    /// What waits there.
    held: Vec<ObjectId>,
    /// Where entries begin, in order, and what they turned out to be.
    entries: Vec<(u64, Option<ObjectId>)>,
    by_offset: HashMap<u64, Vec<Waiting>>,
    by_id: HashMap<ObjectId, Vec<Waiting>>,
    /// No object may be larger, in bytes.
    bound: u64,
    damaged: bool,
}

impl Unpacker {
    fn all<R: std::io::BufRead>(&mut self, mut pack: Salvage<R>, cx: &Context) -> Result<(), Failure> {
        let mut task = cx.task(Phase::Unpacking, Some(pack.declared().into()));
        for _ in 0..pack.declared() {
            cx.check()?;
            let entry = pack.entry().map_err(why)?;
            self.entries.push((entry.offset.0, None));
            self.entry(entry)?;
            task.add(1);
        }
        drop(task);
        if !self.by_offset.is_empty() || !self.by_id.is_empty() {
            return Err(Failure::fatal("unresolved deltas left after unpacking"));
        }
        let mut rest = pack.finish().map_err(why)?;
        // What came with the last bytes of the pack is somebody else's.
        let behind = match rest.fill_buf() {
            Ok(behind) => behind,
            Err(_) => return Ok(()),
        };
        let mut out = std::io::stdout();
        crate::output::written(out.write_all(behind).and_then(|()| out.flush()))
    }

    fn complain(&mut self, text: impl std::fmt::Display) {
        eprintln!("error: {text}");
        self.damaged = true;
    }

    fn entry(&mut self, entry: SalvagedEntry) -> Result<(), Failure> {
        let offset = entry.offset.0;
        let header = match entry.header {
            Ok(header) => header,
            Err(HeaderError::Type(kind)) => {
                self.complain(format_args!("bad object type {kind}"));
                return Ok(());
            }
            Err(error) => return Err(Failure::fatal(error)),
        };
        if header.kind.is_delta()
            && !matches!(header.kind, EntryKind::RefDelta { .. })
            && header.kind.base_offset(entry.offset).is_none()
        {
            return Err(Failure::fatal("offset value out of bound for delta base object"));
        }
        let content = match entry.content {
            Ok(content) => content,
            Err(error) => {
                match error {
                    InflateError::Damaged { detail } => {
                        self.complain(format_args!("inflate: data stream error ({})", in_words(&detail)));
                        self.complain("inflate returned -3");
                    }
                    InflateError::Short { .. } => self.complain("inflate returned 1"),
                    InflateError::Long { .. } => self.complain("inflate returned -5"),
                    error => self.complain(error),
                }
                return Ok(());
            }
        };
        let waiting = Waiting { offset, delta: content };
        match header.kind {
            EntryKind::Whole(kind) => return self.object(kind, waiting),
            // What objects are made of is not known as long as none is stored.
            _ if self.stored == Stored::Nothing => {}
            EntryKind::RefDelta { base } => match self.has(&base)? {
                true => return self.delta(base, waiting),
                false => self.by_id.entry(base).or_default().push(waiting),
            },
            EntryKind::OfsDelta { .. } => {
                let base = header.kind.base_offset(entry.offset).map_or(0, |base| base.0);
                let known = self.entries.binary_search_by_key(&base, |(offset, _)| *offset).ok();
                match known.and_then(|at| self.entries[at].1) {
                    Some(id) => return self.delta(id, waiting),
                    None => self.by_offset.entry(base).or_default().push(waiting),
                }
            }
        }
        Ok(())
    }

    fn has(&self, id: &ObjectId) -> Result<bool, Failure> {
        let unchecked = self.unchecked.as_ref().map(|unchecked| unchecked.snapshot()).transpose()?;
        Ok(self.objects.snapshot()?.contains(id)?
            || unchecked.is_some_and(|unchecked| unchecked.contains(id).unwrap_or(false)))
    }

    fn delta(&mut self, base: ObjectId, waiting: Waiting) -> Result<(), Failure> {
        let mut content = Vec::new();
        let mut found = self.objects.snapshot()?.read(&base, &mut content);
        if let (Ok(None), Some(unchecked)) = (&found, &self.unchecked) {
            found = unchecked.snapshot()?.read(&base, &mut content);
        }
        let Ok(Some(kind)) = found else {
            self.complain(format_args!("failed to read delta-pack base object {base}"));
            return Ok(());
        };
        let object = applied(&content, &waiting.delta, self.bound)?;
        self.object(kind, Waiting { offset: waiting.offset, delta: object })
    }

    /// Stores an object, and those that were waiting for it.
    fn object(&mut self, kind: Kind, object: Waiting) -> Result<(), Failure> {
        if self.stored == Stored::Nothing {
            return Ok(());
        }
        // Deltas with their bases' content, so that a long chain takes no stack.
        let mut ready = vec![object];
        while let Some(object) = ready.pop() {
            let id = match &mut self.unchecked {
                Some(unchecked) if kind != Kind::Blob => {
                    let id = unchecked.write(kind, &object.delta)?;
                    self.held.push(id);
                    id
                }
                _ => self.objects.write(kind, &object.delta)?,
            };
            if let Ok(at) = self.entries.binary_search_by_key(&object.offset, |(offset, _)| *offset) {
                self.entries[at].1 = Some(id);
            }
            let waiting = self.by_offset.remove(&object.offset).into_iter();
            for waiting in waiting.chain(self.by_id.remove(&id)).flatten() {
                let delta = applied(&object.delta, &waiting.delta, self.bound)?;
                ready.push(Waiting { offset: waiting.offset, delta });
            }
        }
        Ok(())
    }
}

fn applied(base: &[u8], delta: &[u8], bound: u64) -> Result<Vec<u8>, Failure> {
    let mut object = Vec::new();
    apply(base, delta, bound, &mut object).map_err(|error| {
        match error {
            DeltaError::Reserved => eprintln!("error: unexpected delta opcode 0"),
            DeltaError::TooLarge { .. } => eprintln!("error: {error}"),
            DeltaError::BaseSize { .. } | DeltaError::Size => {}
            _ => eprintln!("error: delta replay has gone wild"),
        }
        Failure::fatal("failed to apply delta")
    })?;
    Ok(object)
}

/// What git's library says where ours speaks of a checksum.
fn in_words(detail: &str) -> &str {
    if detail.contains("checksum") { "incorrect data check" } else { detail }
}
