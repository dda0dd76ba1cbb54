//! The part of `rev-list --objects` that is not about commits: what was named, and the trees with what they hold.

use super::rev_list_history::walked;
use super::rev_list_show::Lister;
use crate::fail::{Failure, chain};
use crate::output::written;
use crate::revisions::{Revisions, bad_object};
use bstr::ByteSlice as _;
use git_core::object::{Context, Kind, ObjectId, ReadError, TagRef};
use git_core::store::filter::{FilterSpec, Named, ObjectFilter};
use git_core::store::walk::{
    History, HistoryCommit, HistoryMark, ListQuery, ListSink, Listed, MissingObjects, NamedObject, Omitted,
    PromisedObjects, Query, list_below, list_with_bitmap, peel,
};
use std::collections::{HashSet, VecDeque};
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

impl<W: Write> Lister<'_, W> {
    /// Lists what was named, then what is below these trees.
    pub(super) fn objects(
        &mut self,
        revisions: &Revisions,
        roots: Vec<ObjectId>,
        edges: Vec<ObjectId>,
    ) -> Result<(), Failure> {
        let query = self.list_query(revisions, edges)?;
        let mut source = Source { lister: self, roots: roots.into_iter(), commits: None, failed: None };
        source.run(&query)
    }

    /// Lists each commit with what it is the first to bring.
    pub(super) fn in_commit_order(
        &mut self,
        revisions: &Revisions,
        mut history: History<'_>,
    ) -> Result<Vec<ObjectId>, Failure> {
        let (mut commits, mut edges) = (VecDeque::new(), Vec::new());
        if revisions.tips.iter().any(|tip| tip.hidden) {
            while let Some(commit) = walked(history.next_commit())? {
                commits.push_back(commit);
            }
            edges = history.edges();
        }
        let mut commits = Commits { known: commits, history };
        // What was named comes right behind the first commit.
        let first = self.next_tree(&mut commits)?;
        let query = self.list_query(revisions, edges)?;
        let roots = Vec::from_iter(first).into_iter();
        let mut source = Source { lister: self, roots, commits: Some(commits), failed: None };
        source.run(&query)?;
        Ok(source.commits.map_or_else(Vec::new, |commits| commits.history.missing().to_vec()))
    }

    /// Shows the next commit, and boundary commits before it; gives its tree.
    fn next_tree(&mut self, commits: &mut Commits<'_>) -> Result<Option<ObjectId>, Failure> {
        while let Some(commit) = commits.next()? {
            if self.is_stored_away(&commit.id)? {
                continue;
            }
            self.commit(&commit)?;
            if commit.mark != HistoryMark::Boundary {
                return Ok(Some(commit.tree));
            }
        }
        Ok(None)
    }

    /// Lists what the bitmap of the repository says; `false` if it cannot. Commits alone, unless objects are asked
    /// for. Nobody knows the names of objects then.
    pub(super) fn with_bitmap(&mut self, revisions: &Revisions) -> Result<bool, Failure> {
        let mut query = Query { filter: self.filter.clone(), ..revisions.query() };
        if !self.request.objects {
            let commits = FilterSpec::ObjectType(Kind::Commit);
            let filter =
                ObjectFilter::new(self.snapshot, &commits).map_err(|error| Failure::fatal(chain(&error)))?;
            query.filter = Some(Arc::new(filter.with_named(Named::Filtered)));
        }
        let (snapshot, mut failed) = (self.snapshot, None);
        let listed =
            list_with_bitmap(snapshot, &query, &Context::new(), &mut |id| match self.nameless_object(&id) {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => {
                    failed = Some(failure);
                    ControlFlow::Break(())
                }
            })
            .map_err(|error| bad_object(&error))?;
        failed.map_or(Ok(listed), Err)
    }

    fn nameless_object(&mut self, id: &ObjectId) -> Result<(), Failure> {
        self.count += 1;
        if self.is_silent(id)? {
            return Ok(());
        }
        self.line.clear();
        id.write_hex(&mut self.line);
        self.line.push(b'\n');
        written(self.out.write_all(&self.line))
    }

    fn list_query(&self, revisions: &Revisions, edges: Vec<ObjectId>) -> Result<ListQuery, Failure> {
        let (mut buf, mut tags, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        let mut query = ListQuery { filter: self.filter.clone(), ..ListQuery::default() };
        query.paths.clone_from(&self.request.history.query.paths);
        if self.request.print_omitted {
            query.omitted = Omitted::Told;
        }
        if self.request.may_lack() {
            query.missing = MissingObjects::Tell;
        }
        if self.request.without_promised {
            query.promised = PromisedObjects::LeftOut;
        }
        for edge in edges {
            // A tree is hidden, not the history of the commit.
            self.snapshot.require(&edge, &mut buf)?;
            let links = git_core::object::commit::links(edge.format(), &buf)
                .map_err(|error| ReadError::corrupt(format_args!("commit {edge}"), error))?;
            query.hidden_trees.push(links.tree);
        }
        for tip in revisions.tips.iter().filter(|tip| tip.hidden) {
            tags.clear();
            let (id, kind) = peel(self.snapshot, tip.id, &mut buf, &mut tags)?;
            query.hidden.extend(tags.iter().copied());
            match kind {
                Kind::Tree => query.hidden_trees.push(id),
                Kind::Commit => {}
                _ => query.hidden.push(id),
            }
        }
        seen.extend(query.hidden.iter().copied());
        for tip in revisions.tips.iter().filter(|tip| !tip.hidden) {
            tags.clear();
            let (id, kind) = peel(self.snapshot, tip.id, &mut buf, &mut tags)?;
            for tag in &tags {
                if seen.insert(*tag) {
                    self.snapshot.require(tag, &mut buf)?;
                    let parsed = TagRef::parse(tag.format(), &buf)
                        .map_err(|error| ReadError::corrupt(format_args!("tag {tag}"), error))?;
                    query.named.push(NamedObject { id: *tag, kind: Kind::Tag, path: parsed.name().to_vec() });
                }
            }
            if kind != Kind::Commit {
                let path = tip.name.find_byte(b':').map_or(&b""[..], |at| &tip.name[at + 1..]);
                let path = path.trim_end_with(|c| c == '/').to_vec();
                query.named.push(NamedObject { id, kind, path });
            }
        }
        Ok(query)
    }

    fn object(&mut self, id: &ObjectId, path: &[u8]) -> Result<(), Failure> {
        if self.is_stored_away(id)? {
            return Ok(());
        }
        if self.request.nameless {
            return self.nameless_object(id);
        }
        self.count += 1;
        if self.is_silent(id)? {
            return Ok(());
        }
        self.line.clear();
        id.write_hex(&mut self.line);
        self.line.push(b' ');
        // A path that has a line break in it ends there, as in git.
        let end = path.find_byte(b'\n').unwrap_or(path.len());
        self.line.extend_from_slice(&path[..end]);
        self.line.push(b'\n');
        written(self.out.write_all(&self.line))
    }

    /// A line that is printed even where others are only counted.
    pub(super) fn marked(&mut self, mark: u8, id: &ObjectId) -> Result<(), Failure> {
        self.line.clear();
        self.line.push(mark);
        id.write_hex(&mut self.line);
        self.line.push(b'\n');
        written(self.out.write_all(&self.line))
    }
}

/// Commits that are listed one by one.
struct Commits<'h> {
    known: VecDeque<HistoryCommit>,
    history: History<'h>,
}

impl Commits<'_> {
    fn next(&mut self) -> Result<Option<HistoryCommit>, Failure> {
        match self.known.pop_front() {
            None => walked(self.history.next_commit()),
            known => Ok(known),
        }
    }
}

/// Where a listing takes its trees from, and what it shows.
struct Source<'s, 'a, 'h, W> {
    lister: &'s mut Lister<'a, W>,
    roots: std::vec::IntoIter<ObjectId>,
    /// Where trees come from when those in `roots` have been used up.
    commits: Option<Commits<'h>>,
    /// Why it was broken off.
    failed: Option<Failure>,
}

impl<W: Write> Source<'_, '_, '_, W> {
    fn run(&mut self, query: &ListQuery) -> Result<(), Failure> {
        let snapshot = self.lister.snapshot;
        let listed = list_below(snapshot, query, &Context::new(), self);
        match (self.failed.take(), listed) {
            (Some(failure), _) => Err(failure),
            (None, listed) => listed.map_err(|error| bad_object(&error)),
        }
    }
}

impl<W: Write> ListSink for Source<'_, '_, '_, W> {
    fn next_tree(&mut self) -> Option<ObjectId> {
        let left = self.roots.next();
        let (None, Some(commits)) = (left, &mut self.commits) else { return left };
        match self.lister.next_tree(commits) {
            Ok(tree) => tree,
            Err(failure) => {
                self.failed = Some(failure);
                None
            }
        }
    }

    fn known_trees(&mut self) -> Option<Vec<ObjectId>> {
        self.commits.is_none().then(|| self.roots.by_ref().collect())
    }

    fn show(&mut self, listed: Listed<'_>) -> ControlFlow<()> {
        let result = match listed {
            Listed::Object { id, path, .. } => self.lister.object(&id, path),
            Listed::Omitted { id } => self.lister.marked(b'~', &id),
            Listed::Missing { id, kind } => self.lister.lacks(&id, kind),
            _ => Ok(()),
        };
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(failure) => {
                self.failed = Some(failure);
                ControlFlow::Break(())
            }
        }
    }
}
