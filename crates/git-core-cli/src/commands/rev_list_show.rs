//! The part of `rev-list` that lists: commits as they are walked, counted or printed; what is below them is the matter of
//! `rev_list_objects`.

use super::rev_list::{Edges, Missing, Request};
use super::rev_list_cherry::Cherry;
use super::rev_list_history::walked;
use crate::abbrev;
use crate::fail::Failure;
use crate::ondisk;
use crate::output::written;
use crate::revisions::{Revisions, bad_object, parents};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{Context, Kind, ObjectId};
use git_core::store::Snapshot;
use git_core::store::filter::ObjectFilter;
use git_core::store::walk::{
    self, History, HistoryCommit, HistoryMark, HistoryQuery, Promised, Query, TipRole, UseBitmap,
};
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::sync::Arc;

pub(super) struct Lister<'a, W> {
    pub(super) repository: &'a Repository,
    pub(super) snapshot: &'a dyn Snapshot,
    pub(super) request: &'a Request,
    pub(super) filter: Option<Arc<ObjectFilter>>,
    /// The commits that no filter leaves out.
    pub(super) kept: HashSet<ObjectId>,
    /// The commits whose change is made on the other side too.
    pub(super) equivalent: HashSet<ObjectId>,
    /// How many of these were met.
    pub(super) same: u64,
    /// What is not there.
    pub(super) missing: BTreeSet<ObjectId>,
    /// What is missing and was promised, once somebody has asked.
    pub(super) promised: Option<Promised>,
    pub(super) out: W,
    pub(super) line: Vec<u8>,
    pub(super) content: Vec<u8>,
    /// Without those of the left side.
    pub(super) count: u64,
    pub(super) left: u64,
    pub(super) bytes: u64,
}

impl<W: Write> Lister<'_, W> {
    pub(super) fn run(&mut self, revisions: &Revisions) -> Result<(), Failure> {
        let request = self.request;
        let silent = request.quiet || request.count;
        let tells = request.print_omitted && request.filter.is_some();
        let simple = !(request.history.selects() || tells || request.unpacked || request.disk_usage)
            && request.edges == Edges::None
            && !request.may_lack();
        if request.objects && silent && simple {
            let cx = Context::new();
            let query = Query { filter: self.filter.clone(), ..revisions.query() };
            let set = walk::reachable_with(self.snapshot, &query, &request.count_options, &cx)
                .map_err(|e| bad_object(&e))?;
            self.count = set.len();
            return Ok(());
        }
        if request.count_options.bitmap == UseBitmap::IfThere
            && (simple || request.disk_usage && !request.history.selects())
            && !(request.history.left_right && request.count)
            && self.with_bitmap(revisions)?
        {
            return Ok(());
        }
        if request.objects && request.in_commit_order {
            let query = request.history.query(self.snapshot, revisions)?;
            self.keep(&query);
            let cx = Context::new();
            let history = walked(History::new(self.snapshot, query, &cx))?;
            let missing = self.in_commit_order(revisions, history)?;
            return self.note_missing(&missing);
        }
        let (roots, edges) = self.commits(revisions)?;
        if request.objects { self.objects(revisions, roots, edges) } else { Ok(()) }
    }

    /// Lists commits; gives their trees, and the commits where the walk ended.
    fn commits(&mut self, revisions: &Revisions) -> Result<(Vec<ObjectId>, Vec<ObjectId>), Failure> {
        let request = self.request;
        let query = request.history.query(self.snapshot, revisions)?;
        self.keep(&query);
        let cx = Context::new();
        let mut roots = Vec::new();
        let mut history = walked(History::new(self.snapshot, query, &cx))?;
        let plain =
            !(request.objects || request.disk_usage || request.unpacked || !self.equivalent.is_empty());
        if (request.count || request.quiet) && plain {
            (self.left, self.count) = walked(history.count())?;
            self.note_missing(history.missing())?;
            return Ok((roots, Vec::new()));
        }
        if request.edges != Edges::None {
            let mut commits = Vec::new();
            while let Some(commit) = walked(history.next_commit())? {
                commits.push(commit);
            }
            let shown = self.edges(revisions, &commits, &mut history)?;
            for commit in commits {
                if !shown.contains(&commit.id) && !self.is_stored_away(&commit.id)? {
                    if commit.mark != HistoryMark::Boundary {
                        roots.push(commit.tree);
                    }
                    self.commit(&commit)?;
                }
            }
        }
        while let Some(commit) = walked(history.next_commit())? {
            if self.is_stored_away(&commit.id)? {
                continue;
            }
            if request.objects && commit.mark != HistoryMark::Boundary {
                roots.push(commit.tree);
            }
            self.commit(&commit)?;
        }
        self.note_missing(history.missing())?;
        let mut edges = history.edges();
        if request.edges == Edges::Aggressive {
            let tips = revisions.history_tips(self.snapshot)?;
            edges.extend(tips.into_iter().filter(|tip| tip.role == TipRole::Hidden).map(|tip| tip.id));
        }
        Ok((roots, edges))
    }

    /// Shows where what is listed ends: the hidden parents, and with the aggressive kind all that was named to be
    /// hidden. Gives what was shown.
    fn edges(
        &mut self,
        revisions: &Revisions,
        commits: &[HistoryCommit],
        history: &mut History<'_>,
    ) -> Result<HashSet<ObjectId>, Failure> {
        let mut seen = HashSet::new();
        for commit in commits.iter().filter(|commit| commit.mark != HistoryMark::Boundary) {
            for parent in parents(self.snapshot, &commit.id)? {
                if history.hides(&parent) && seen.insert(parent) {
                    self.marked(b'-', &parent)?;
                }
            }
        }
        if self.request.edges == Edges::Aggressive {
            for tip in revisions.history_tips(self.snapshot)? {
                if tip.role == TipRole::Hidden && seen.insert(tip.id) {
                    self.marked(b'-', &tip.id)?;
                }
            }
        }
        Ok(seen)
    }

    /// Takes down commits that are not there.
    fn note_missing(&mut self, commits: &[ObjectId]) -> Result<(), Failure> {
        commits.iter().try_for_each(|id| self.lacks(id, Kind::Commit))
    }

    /// Takes down what is not there, unless that is an error.
    pub(super) fn lacks(&mut self, id: &ObjectId, kind: Kind) -> Result<(), Failure> {
        let without = self.request.without_promised;
        if !without && self.request.missing == Missing::Refused {
            return Err(not_there(id, kind));
        }
        if (without || self.request.missing == Missing::Promised) && !self.is_promised(id)? {
            return Err(match without {
                false => Failure::fatal(format_args!("unexpected missing {kind} object '{id}'")),
                true => not_there(id, kind),
            });
        }
        self.missing.insert(*id);
        Ok(())
    }

    /// Whether a remote has promised to have this object, which is not there.
    pub(super) fn is_promised(&mut self, id: &ObjectId) -> Result<bool, Failure> {
        let promised = match self.promised.take() {
            Some(promised) => promised,
            None => Promised::find(self.snapshot, &Context::new())?,
        };
        Ok(self.promised.insert(promised).contains(id))
    }

    /// Notes the commits that are listed whatever the filter says.
    fn keep(&mut self, query: &HistoryQuery) {
        if self.filter.is_some() && !self.request.filter_named {
            self.kept = query.tips.iter().map(|tip| tip.id).collect();
        }
    }

    /// Whether an object is in a pack and only others are to be listed.
    pub(super) fn is_stored_away(&self, id: &ObjectId) -> Result<bool, Failure> {
        Ok(self.request.unpacked && self.snapshot.locate(id)?.is_some())
    }

    /// Prints what is not there, if that was asked for.
    pub(super) fn tell_missing(&mut self) -> Result<(), Failure> {
        if self.request.missing == Missing::Printed {
            for id in std::mem::take(&mut self.missing) {
                self.marked(b'?', &id)?;
            }
        }
        Ok(())
    }

    fn is_let_through(&self, id: &ObjectId) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.admits(Kind::Commit)) || self.kept.contains(id)
    }

    /// Adds up what the object takes, when asked to; whether it is not to be printed.
    pub(super) fn is_silent(&mut self, id: &ObjectId) -> Result<bool, Failure> {
        if self.request.disk_usage {
            self.bytes += ondisk::stored(self.repository, self.snapshot, id)?.size;
        }
        Ok(self.request.count || self.request.disk_usage || self.request.quiet)
    }

    pub(super) fn commit(&mut self, commit: &HistoryCommit) -> Result<(), Failure> {
        if commit.mark != HistoryMark::Boundary && !self.is_let_through(&commit.id) {
            return Ok(());
        }
        let equivalent = self.equivalent.contains(&commit.id);
        match commit.mark {
            _ if equivalent => self.same += 1,
            HistoryMark::Left => self.left += 1,
            _ => self.count += 1,
        }
        if self.is_silent(&commit.id)? {
            return Ok(());
        }
        self.line.clear();
        if self.request.timestamp {
            self.line.extend_from_slice(format!("{} ", commit.time).as_bytes());
        }
        match commit.mark {
            HistoryMark::Boundary => self.line.push(b'-'),
            _ if equivalent => self.line.push(b'='),
            HistoryMark::Left if self.request.history.left_right => self.line.push(b'<'),
            HistoryMark::Right if self.request.history.left_right => self.line.push(b'>'),
            _ if self.request.history.cherry == Some(Cherry::Mark) => self.line.push(b'+'),
            _ => {}
        }
        self.id(&commit.id)?;
        let parents = if self.request.history.shows_parents { &commit.parents[..] } else { &[] };
        for id in parents.iter().chain(&commit.children) {
            self.line.push(b' ');
            id.write_hex(&mut self.line);
        }
        self.line.push(b'\n');
        if self.request.header {
            self.snapshot.require(&commit.id, &mut self.content)?;
            let (head, message) = match self.content.find(b"\n\n") {
                Some(at) => (&self.content[..=at], Some(&self.content[at + 2..])),
                None => (&self.content[..], None),
            };
            self.line.extend_from_slice(head);
            if let Some(message) = message {
                // The raw format indents the message.
                for line in message.trim_end_with(|c| c == '\n').lines() {
                    self.line.extend_from_slice(b"\n    ");
                    self.line.extend_from_slice(line);
                }
                self.line.push(b'\n');
            }
            self.line.push(0);
        }
        written(self.out.write_all(&self.line))
    }

    fn id(&mut self, id: &ObjectId) -> Result<(), Failure> {
        match self.request.abbreviate {
            None => id.write_hex(&mut self.line),
            Some(least) => {
                self.line.extend_from_slice(abbrev::abbreviate(self.snapshot, id, least)?.as_bytes());
            }
        }
        Ok(())
    }
}

/// In git's words, that something is not there.
fn not_there(id: &ObjectId, kind: Kind) -> Failure {
    match kind {
        Kind::Blob => Failure::fatal(format_args!("missing blob object '{id}'")),
        Kind::Tree => Failure::fatal(format_args!("bad tree object {id}")),
        _ => Failure::fatal(format_args!("bad object {id}")),
    }
}
