//! What a list of commits is asked for, and what it gives.

use super::PathSpec;
use crate::walk::{MissingExcludes, MissingObjects, PromisedObjects};
use git_core_object::ObjectId;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// Which commits are listed, and how.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct HistoryQuery {
    /// Where the walk begins, and what it leaves out.
    pub tips: Vec<HistoryTip>,
    /// In which order.
    pub order: HistoryOrder,
    /// Only the tips themselves.
    pub no_walk: Option<NoWalk>,
    /// Follows first parents only.
    pub first_parent: bool,
    /// Hides what is reached along first parents only.
    pub exclude_first_parent_only: bool,
    /// No commits made before this, in seconds since 1970.
    pub since: Option<i64>,
    /// No commits made after this.
    pub until: Option<i64>,
    /// No commits with fewer parents.
    pub min_parents: usize,
    /// No commits with more parents.
    pub max_parents: Option<usize>,
    /// Passes over so many commits first.
    pub skip: u64,
    /// Ends after so many.
    pub max_count: Option<u64>,
    /// The oldest first.
    pub reverse: bool,
    /// Also lists where the walk ended.
    pub boundary: bool,
    /// Only commits on a way from these, or to these; from all hidden tips if it is empty.
    pub ancestry_path: Option<Vec<ObjectId>>,
    /// Only commits of one side of `a...b`.
    pub side: Option<Side>,
    /// Parents as the list shows them: the nearest that is listed. Keeps merges that paths would not.
    pub rewrite_parents: bool,
    /// The children of each commit among those listed.
    pub children: bool,
    /// Only commits that change one of these.
    pub paths: Vec<PathSpec>,
    /// Only these commits, and merges that tie them together (`--simplify-by-decoration`).
    pub decorated: Option<Arc<HashSet<ObjectId>>>,
    /// Which parents are followed where paths or decorations choose the commits.
    pub simplification: Simplification,
    /// Whether commits of the history so found that change nothing are listed too.
    pub sparse: bool,
    /// Also lists merges whose first parent differs and whose other parent brought it all.
    pub show_pulls: bool,
    /// Ends where the paths are not there yet.
    pub remove_empty: bool,
    /// Only commits whose content passes this test.
    pub test: Option<CommitTest>,
    /// Commits that are walked through but not listed.
    pub passed_over: Option<Arc<HashSet<ObjectId>>>,
    /// What happens when a commit to hide is not there.
    pub missing: MissingExcludes,
    /// What happens when a commit that is reached is not there: [`History::missing`](super::History::missing) tells of it.
    pub missing_reached: MissingObjects,
    /// With [`PromisedObjects::LeftOut`], commits that lie in a promisor's pack are
    /// hidden and not followed.
    pub promised: PromisedObjects,
}

/// Which parents of a merge are followed, where the walk is for some paths (`git-rev-list(1)`, "History
/// Simplification").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Simplification {
    /// One that brought all of it, if there is such a parent.
    #[default]
    One,
    /// All of them.
    All,
    /// All of them, and merges that turn out to tie nothing together are left out afterwards.
    Merges,
}

/// A test that commits have to pass: it is given the content of each.
#[derive(Clone)]
#[expect(clippy::type_complexity, reason = "a test is a function, whoever makes it")]
pub struct CommitTest(pub(super) Arc<dyn Fn(&[u8]) -> bool + Send + Sync>);

impl CommitTest {
    /// The test that a function makes.
    pub fn new(passes: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        CommitTest(Arc::new(passes))
    }
}

impl fmt::Debug for CommitTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommitTest").finish_non_exhaustive()
    }
}

/// A commit that a walk begins at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryTip {
    /// Which.
    pub id: ObjectId,
    /// What it is to the walk.
    pub role: TipRole,
}

/// What a commit is to a walk that begins there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TipRole {
    /// It is listed, with what it reaches.
    Shown,
    /// As [`Shown`](Self::Shown), as the left side of `a...b`.
    Left,
    /// It is left out, with what it reaches.
    Hidden,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistoryOrder {
    /// The newest first, as far as the walk has come.
    #[default]
    Met,
    /// No commit before its children, otherwise the newest first.
    Date,
    /// As [`Date`](Self::Date), by when the change was written.
    AuthorDate,
    /// No commit before its children, and lines of history together.
    Topological,
}

/// In which order tips are listed that are not walked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoWalk {
    /// The newest first.
    Sorted,
    /// As they were given.
    Unsorted,
    /// As they were given, and as often.
    Repeated,
}

/// A side of `a...b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What `a` reaches.
    Left,
    /// What `b` reaches.
    Right,
}

/// What a commit is in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryMark {
    /// Reached from the left side of `a...b`.
    Left,
    /// Reached from elsewhere.
    Right,
    /// Not listed itself, but a parent of one that is.
    Boundary,
}

/// A commit of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryCommit {
    /// Its id.
    pub id: ObjectId,
    /// The id of its root tree.
    pub tree: ObjectId,
    /// When it was made, in seconds since 1970.
    pub time: i64,
    /// Its parents, as the list shows them.
    pub parents: Vec<ObjectId>,
    /// Its children in the list, if they were asked for.
    pub children: Vec<ObjectId>,
    /// What it is in the list.
    pub mark: HistoryMark,
}
