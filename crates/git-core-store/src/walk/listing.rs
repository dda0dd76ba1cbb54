//! Everything that some objects reach and others do not, in the order of `git rev-list --objects`.

use super::commits::{CommitWalk, Query, WalkedCommit};
use super::marks::Marks;
use super::numbers::Numbers;
use super::reachable::Tips;
use super::trees::{Trees, Visit};
use crate::Snapshot;
use git_core_object::{Context, Kind, ObjectId, ReadError, TagRef};
use std::ops::ControlFlow;

/// An object of a listing.
#[derive(Debug)]
pub enum Listed<'a> {
    /// A commit.
    Commit(&'a WalkedCommit),
    /// Anything else.
    Object {
        /// Its id.
        id: ObjectId,
        /// What it is.
        kind: Kind,
        /// Where it was met: the path of a tree or blob (empty for a root tree), the name of a tag.
        path: &'a [u8],
    },
}

/// Shows commits, the newest first, then the tags, trees and blobs that were named, then the trees of the
/// commits with all that is in them; each object once. Stops early when `show` says so.
///
/// # Errors
/// [`ReadError`] when something on the way is missing or damaged, or the walk was cancelled.
pub fn list_objects(
    snapshot: &dyn Snapshot,
    query: &Query,
    cx: &Context,
    show: &mut dyn FnMut(Listed<'_>) -> ControlFlow<()>,
) -> Result<(), ReadError> {
    let numbers = Numbers::new(snapshot);
    let marks = Marks::new(numbers.packed());
    let excluded = Tips::sort(snapshot, &query.exclude, query.ignore_missing)?;
    let included = Tips::sort(snapshot, &query.include, super::MissingExcludes::Refuse)?;
    let commits = Query {
        include: included.commits,
        exclude: excluded.commits,
        ignore_missing: query.ignore_missing,
        exclusion: query.exclusion,
    };
    let mut walk = CommitWalk::new(snapshot, snapshot.shallow(), &commits, cx)?;
    let mut roots = Vec::new();
    while let Some(commit) = walk.next_commit()? {
        if show(Listed::Commit(&commit)).is_break() {
            return Ok(());
        }
        roots.push(commit.tree);
    }

    let mut trees = Trees::new(snapshot, &numbers, &marks);
    let (mut buf, mut hidden) = (Vec::new(), excluded.trees);
    for edge in walk.edges() {
        snapshot.require(&edge, &mut buf)?;
        let links = git_core_object::commit::links(edge.format(), &buf)
            .map_err(|e| ReadError::corrupt(format_args!("commit {edge}"), e))?;
        hidden.push(links.tree);
    }
    for root in hidden {
        match trees.walk(&root, b"", &mut Quiet) {
            Err(ReadError::Missing { .. }) => {}
            result => result?,
        }
    }
    for id in excluded.tags.iter().chain(&excluded.blobs) {
        marks.insert(numbers.number(id));
    }

    let mut out = Show { show, stopped: false, met: 0, cx };
    for id in &included.tags {
        let number = numbers.number(id);
        if marks.insert(number) {
            snapshot.require(id, &mut buf)?;
            let tag = TagRef::parse(id.format(), &buf)
                .map_err(|e| ReadError::corrupt(format_args!("tag {id}"), e))?;
            out.object(id, number, Kind::Tag, tag.name())?;
        }
    }
    for id in &included.blobs {
        let number = numbers.number(id);
        if marks.insert(number) {
            out.object(id, number, Kind::Blob, b"")?;
        }
    }
    for root in included.trees.iter().chain(&roots) {
        if out.stopped {
            break;
        }
        trees.walk(root, b"", &mut out)?;
    }
    Ok(())
}

struct Quiet;

impl Visit for Quiet {
    fn object(&mut self, _: &ObjectId, _: u32, _: Kind, _: &[u8]) -> Result<(), ReadError> {
        Ok(())
    }
}

struct Show<'a> {
    show: &'a mut dyn FnMut(Listed<'_>) -> ControlFlow<()>,
    stopped: bool,
    met: u64,
    cx: &'a Context,
}

impl Visit for Show<'_> {
    fn object(&mut self, id: &ObjectId, _: u32, kind: Kind, path: &[u8]) -> Result<(), ReadError> {
        self.met += 1;
        if self.met.is_multiple_of(1024) {
            self.cx.check()?;
        }
        if !self.stopped {
            self.stopped = (self.show)(Listed::Object { id: *id, kind, path }).is_break();
        }
        Ok(())
    }
}
