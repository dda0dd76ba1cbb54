//! Where a history is to end: what a client asks for, and what a server makes of it. Both sides share these.

use bstr::BString;
use git_core_object::ObjectId;

/// How deep a client wants history (`gitprotocol-pack(5)`, "depth-request").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Deepen {
    /// As it is: new commits join what the client has.
    #[default]
    No,
    /// So many commits from the tips, which count as the first: at least 1. [`Deepen::INFINITE`] is all there is.
    Depth(u32),
    /// So many commits more than there are now, from the commits at which the client's history ends.
    Further(u32),
    /// What is newer than a date and not reached by some refs of the server; one of the two at least.
    Limits {
        /// No commits made before this, in seconds since 1970.
        since: Option<i64>,
        /// Nothing that these refs reach.
        not: Vec<BString>,
    },
}

impl Deepen {
    /// The depth by which a client asks for all of a history.
    pub const INFINITE: u32 = 0x7fff_ffff;

    /// Whether anything is asked for.
    pub fn is_asked(&self) -> bool {
        *self != Deepen::No
    }
}

/// What changes about the commits at which a client's history ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShallowUpdate {
    /// These become such commits: their parents are not sent.
    pub shallow: Vec<ObjectId>,
    /// These are such commits no more: their parents are sent.
    pub unshallow: Vec<ObjectId>,
}

impl ShallowUpdate {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.shallow.is_empty() && self.unshallow.is_empty()
    }

    /// The commits at which a history ends that ended at `before`; sorted.
    pub fn apply(&self, before: &[ObjectId]) -> Vec<ObjectId> {
        let mut gone = self.unshallow.clone();
        gone.sort_unstable();
        let mut after: Vec<_> = before.iter().chain(&self.shallow).copied().collect();
        after.sort_unstable();
        after.dedup();
        after.retain(|id| gone.binary_search(id).is_err());
        after
    }
}
