//! Everything that some objects reach and others do not, in the order of `git rev-list --objects`.

use super::ahead;
use super::commits::{CommitWalk, Query, WalkedCommit};
use super::history::PathSpec;
use super::marks::Marks;
use super::numbers::Numbers;
use super::promised::{PromisedObjects, PromisorPacks};
use super::reachable::Tips;
use super::sieve::{Rule, Sieve};
use super::trees::{Origin, Trees, Visit};
use crate::Snapshot;
use crate::filter::ObjectFilter;
use git_core_object::{Context, Kind, ObjectId, ReadError, TagRef};
use std::ops::ControlFlow;
use std::sync::Arc;

/// An object of a listing.
#[derive(Debug)]
#[non_exhaustive]
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
    /// The filter leaves this one out. Only told when [`ListQuery::omitted`] says so, at the end.
    Omitted {
        /// Its id.
        id: ObjectId,
    },
    /// This one is not there. The listing ends, unless [`ListQuery::missing`] says otherwise.
    Missing {
        /// Its id.
        id: ObjectId,
        /// What it has to be.
        kind: Kind,
    },
}

/// What trees, blobs and tags a listing is about.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// Trees that are left out with all that is in them; ones that are not there leave nothing out.
    pub hidden_trees: Vec<ObjectId>,
    /// Blobs and tags that are left out.
    pub hidden: Vec<ObjectId>,
    /// What is listed before the trees of commits.
    pub named: Vec<NamedObject>,
    /// What else is left out.
    pub filter: Option<Arc<ObjectFilter>>,
    /// Whether what the filter leaves out is told of.
    pub omitted: Omitted,
    /// What happens when a tree or blob is not there.
    pub missing: MissingObjects,
    /// With [`PromisedObjects::LeftOut`], what a promisor's packs hold is passed over. Whether what is missing was
    /// promised is the matter of who is told.
    pub promised: PromisedObjects,
    /// Only what lies in these paths, if there are any, and the root trees.
    pub paths: Vec<PathSpec>,
}

/// What a walk does about what it comes to and the repository does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingObjects {
    /// It is an error.
    #[default]
    Refuse,
    /// The walk goes on without it, and tells of it.
    Tell,
}

/// Whether a listing tells of what a filter leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Omitted {
    /// It does not, and does not look into what is left out.
    #[default]
    Untold,
    /// It does. What is left out for its kind alone (`object:type`) is not told of, as in git.
    Told,
}

/// A tag, tree or blob that was named.
#[derive(Clone, Debug)]
pub struct NamedObject {
    /// Its id.
    pub id: ObjectId,
    /// What it is.
    pub kind: Kind,
    /// The path that is shown with it, and before those of what it holds; of a tag, its name.
    pub path: Vec<u8>,
}

/// Whoever asks for a listing.
pub trait ListSink {
    /// The root tree of the next commit. It is asked when all that the tree before brought has been shown.
    fn next_tree(&mut self) -> Option<ObjectId>;

    /// The root trees that are left, if all of them are known and nothing depends on when they are asked for: they
    /// can be read ahead then.
    fn known_trees(&mut self) -> Option<Vec<ObjectId>> {
        None
    }

    /// Takes an object; says whether there is to be more.
    fn show(&mut self, listed: Listed<'_>) -> ControlFlow<()>;
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
    let excluded = Tips::sort(snapshot, &query.exclude, query.ignore_missing)?;
    let included = Tips::sort(snapshot, &query.include, super::MissingExcludes::Refuse)?;
    let commits = Query {
        include: included.commits,
        exclude: excluded.commits,
        ignore_missing: query.ignore_missing,
        exclusion: query.exclusion,
        filter: None,
        promised: query.promised,
    };
    let filter = query.filter.as_deref();
    let mut walk = CommitWalk::new(snapshot, snapshot.shallow(), &commits, cx)?;
    let mut roots = Vec::new();
    while let Some(commit) = walk.next_commit()? {
        let shown = filter.is_none_or(|filter| {
            filter.admits(Kind::Commit) || filter.keeps_named() && commits.include.contains(&commit.id)
        });
        if shown && show(Listed::Commit(&commit)).is_break() {
            return Ok(());
        }
        roots.push(commit.tree);
    }

    let (mut buf, mut list) =
        (Vec::new(), ListQuery { filter: query.filter.clone(), ..ListQuery::default() });
    (list.hidden_trees, list.promised) = (excluded.trees, query.promised);
    for edge in walk.edges() {
        snapshot.require(&edge, &mut buf)?;
        let links = git_core_object::commit::links(edge.format(), &buf)
            .map_err(|e| ReadError::corrupt(format_args!("commit {edge}"), e))?;
        list.hidden_trees.push(links.tree);
    }
    list.hidden.extend(excluded.tags.into_iter().chain(excluded.blobs));
    for id in included.tags {
        snapshot.require(&id, &mut buf)?;
        let tag =
            TagRef::parse(id.format(), &buf).map_err(|e| ReadError::corrupt(format_args!("tag {id}"), e))?;
        list.named.push(NamedObject { id, kind: Kind::Tag, path: tag.name().to_vec() });
    }
    let unnamed = |kind| move |id| NamedObject { id, kind, path: Vec::new() };
    list.named.extend(included.blobs.into_iter().map(unnamed(Kind::Blob)));
    list.named.extend(included.trees.into_iter().map(unnamed(Kind::Tree)));
    list_below(snapshot, &list, cx, &mut Known { roots: roots.into_iter(), show })
}

/// The trees of commits that are known before the listing begins.
struct Known<'a> {
    roots: std::vec::IntoIter<ObjectId>,
    show: &'a mut dyn FnMut(Listed<'_>) -> ControlFlow<()>,
}

impl ListSink for Known<'_> {
    fn next_tree(&mut self) -> Option<ObjectId> {
        self.roots.next()
    }

    fn known_trees(&mut self) -> Option<Vec<ObjectId>> {
        Some(self.roots.by_ref().collect())
    }

    fn show(&mut self, listed: Listed<'_>) -> ControlFlow<()> {
        (self.show)(listed)
    }
}

/// Shows what was named, then the trees that the sink gives, with all that is in them; each object once.
///
/// # Errors
/// As [`list_objects`].
pub fn list_below(
    snapshot: &dyn Snapshot,
    query: &ListQuery,
    cx: &Context,
    sink: &mut dyn ListSink,
) -> Result<(), ReadError> {
    let numbers = Numbers::new(snapshot);
    let marks = Marks::new(numbers.packed());
    if query.promised == PromisedObjects::LeftOut {
        PromisorPacks::of(snapshot).mark(&numbers, &marks);
    }
    let mut trees = Trees::new(snapshot, &numbers, &marks);
    for root in &query.hidden_trees {
        match trees.walk(root, b"", Origin::Commit, &mut Quiet) {
            Err(ReadError::Missing { .. }) => {}
            result => result?,
        }
    }
    for id in &query.hidden {
        marks.insert(numbers.number(id));
    }
    let filter = query.filter.as_deref();
    let rule = filter.map(Rule::new).unwrap_or_default();
    trees.keep_to(&query.paths);
    let mut in_one_go = query.missing == MissingObjects::Tell || !query.paths.is_empty();
    if let Some(filter) = filter {
        let sieve = match query.omitted {
            Omitted::Told => Some(Sieve::telling(filter, || marks.words(), true)),
            Omitted::Untold => Sieve::new(filter, || marks.words()),
        };
        in_one_go |= sieve.is_some();
        trees.set_filter(rule, sieve);
    }

    let mut out = Show { sink, stopped: false, met: 0, omitted: Vec::new(), missing: query.missing, cx };
    for named in &query.named {
        if out.stopped {
            return Ok(());
        }
        if named.kind == Kind::Tree {
            trees.walk(&named.id, &named.path, Origin::Named, &mut out)?;
            continue;
        }
        let number = numbers.number(&named.id);
        if marks.contains(number) {
            continue;
        }
        match filter {
            _ if !snapshot.contains(&named.id)? => out.missing(&named.id, named.kind)?,
            Some(filter) if !rule.takes_named(snapshot, filter, (&named.id, named.kind), &named.path)? => {
                if filter.omits(named.kind) {
                    out.omitted(&named.id, number)?;
                }
            }
            _ => {
                marks.insert(number);
                out.object(&named.id, number, named.kind, &named.path)?;
            }
        }
    }
    let threads = cx.limits().thread_count();
    match if in_one_go { None } else { out.sink.known_trees() } {
        Some(roots) if threads > 1 && roots.len() >= ahead::MANY => {
            drop(trees);
            ahead::walk((snapshot, &numbers, &marks), rule, &roots, threads, &mut out)?;
        }
        roots => {
            let mut known = roots.unwrap_or_default().into_iter();
            while !out.stopped
                && let Some(root) = known.next().or_else(|| out.sink.next_tree())
            {
                trees.walk(&root, b"", Origin::Commit, &mut out)?;
            }
        }
    }
    let mut omitted = std::mem::take(&mut out.omitted);
    omitted.sort_unstable();
    omitted.dedup();
    for number in omitted {
        if !out.stopped && query.omitted == Omitted::Told && !marks.contains(number) {
            out.stopped = out.sink.show(Listed::Omitted { id: numbers.id(number) }).is_break();
        }
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
    sink: &'a mut dyn ListSink,
    stopped: bool,
    met: u64,
    omitted: Vec<u32>,
    missing: MissingObjects,
    cx: &'a Context,
}

impl Visit for Show<'_> {
    fn object(&mut self, id: &ObjectId, _: u32, kind: Kind, path: &[u8]) -> Result<(), ReadError> {
        self.met += 1;
        if self.met.is_multiple_of(1024) {
            self.cx.check()?;
        }
        if !self.stopped {
            self.stopped = self.sink.show(Listed::Object { id: *id, kind, path }).is_break();
        }
        Ok(())
    }

    fn omitted(&mut self, _: &ObjectId, number: u32) -> Result<(), ReadError> {
        self.omitted.push(number);
        Ok(())
    }

    fn missing(&mut self, id: &ObjectId, kind: Kind) -> Result<(), ReadError> {
        if !self.stopped {
            self.stopped = self.sink.show(Listed::Missing { id: *id, kind }).is_break();
        }
        match self.missing {
            MissingObjects::Refuse => Err(ReadError::Missing { id: *id }),
            MissingObjects::Tell => Ok(()),
        }
    }

    fn is_over(&self) -> bool {
        self.stopped
    }
}
