//! What upload-pack asks the repository behind it, and what it is told: plain data.
//!
//! A question that a later protocol feature needs becomes one more variant.

use super::WantPolicy;
use crate::{Deepen, ShallowUpdate};
use bstr::BString;
use git_core_object::ObjectId;
use git_core_ref::RefName;
use std::sync::Arc;

/// A question to the repository.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Question {
    /// Which refs are shown to this peer?
    Refs(RefsQuery),
    /// What are these refs, of those that are shown to this peer?
    WantRefs(WantRefsQuery),
    /// May this peer have these objects?
    Wants(WantsQuery),
    /// Which of these objects are here, and is that enough?
    Haves(HavesQuery),
    /// Where does the history end that this peer is sent?
    Shallow(ShallowQuery),
    /// How large are these objects?
    ObjectInfo(ObjectInfoQuery),
}

/// The answer to the [`Question`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Question::Refs`].
    Refs(Refs),
    /// To [`Question::WantRefs`]: the object at the end of each, in the order of the question; none for one that is not
    /// shown to this peer.
    WantRefs(Vec<Option<ObjectId>>),
    /// To [`Question::Wants`].
    Wants(Wants),
    /// To [`Question::Haves`].
    Haves(Haves),
    /// To [`Question::Shallow`].
    Shallow(ShallowUpdate),
    /// To [`Question::ObjectInfo`]: the size of each in bytes, in the order of the question; none for one that is not
    /// here.
    ObjectInfo(Vec<Option<u64>>),
}

/// What the refs are listed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefsPurpose {
    /// For a client that fetches.
    Fetch,
    /// For a client that pushes: `HEAD` is not listed, nothing is peeled.
    Push,
}

/// [`Question::Refs`]: asked again for what comes behind a page of refs, until there is no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefsQuery {
    /// What for.
    pub purpose: RefsPurpose,
    /// Only refs that sort behind this one, which is not `HEAD`; `HEAD` is not among them. None at first.
    pub after: Option<RefName>,
    /// About how many refs make a page.
    pub limit: usize,
    /// Only refs whose full names begin with one of these are of use; all are when there are none. A hint: the
    /// machine leaves out what does not match.
    pub prefixes: Vec<BString>,
    /// Whether the targets of symbolic refs are of use.
    pub symrefs: bool,
    /// Whether the peeled ids of tags are of use.
    pub peel: bool,
    /// Whether a `HEAD` that points at no existing branch is of use.
    pub unborn: bool,
    /// What the client said to the server with `--server-option`, in its order.
    pub server_options: Vec<BString>,
}

impl RefsQuery {
    /// How many refs the machines ask for at a time: some tens of KiB of lines.
    pub(super) const PAGE: usize = 1 << 10;

    /// For all that `purpose` has a use for.
    pub(super) fn all(purpose: RefsPurpose) -> Self {
        let fetch = purpose == RefsPurpose::Fetch;
        RefsQuery {
            purpose,
            after: None,
            limit: Self::PAGE,
            prefixes: Vec::new(),
            symrefs: fetch,
            peel: fetch,
            unborn: false,
            server_options: Vec::new(),
        }
    }
}

/// One ref that is shown to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvertisedRef {
    /// Its full name, or `HEAD`.
    pub name: RefName,
    /// The object at its end; none for a `HEAD` that is yet to be born.
    pub id: Option<ObjectId>,
    /// What the tag at `id` points to in the end, when `id` is an annotated tag.
    pub peeled: Option<ObjectId>,
    /// The ref it points to, when it is symbolic.
    pub symref: Option<RefName>,
}

/// The answer to [`Question::Refs`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refs {
    /// In the order of their names, `HEAD` first. Shared, so that the same list can serve many connections at
    /// once; it may hold more than the query asked for, but not what is not behind [`RefsQuery::after`].
    pub refs: Arc<Vec<AdvertisedRef>>,
    /// Where the next page begins: behind this ref. None when this was the last.
    pub more: Option<RefName>,
    /// With the last page, for [`RefsPurpose::Push`]: tips of other repositories whose objects are here too, so
    /// that the client need not send them (`.have` lines).
    pub haves: Vec<ObjectId>,
}

/// [`Question::WantRefs`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WantRefsQuery {
    /// Their full names, or `HEAD`, in the order they were asked for, each once.
    pub names: Vec<RefName>,
}

/// [`Question::Wants`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WantsQuery {
    /// The ids in the order they were asked for, each once.
    pub wants: Vec<ObjectId>,
    /// How far they may lie from what was advertised.
    pub policy: WantPolicy,
    /// Which objects are left out, as the client has put it: a filter that is not to be applied is refused here.
    pub filter: Option<BString>,
}

/// The answer to [`Question::Wants`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// All of them.
    Accepted,
    /// This one not. The client is told the same whether it is missing or hidden.
    NotOurRef(ObjectId),
}

/// [`Question::Haves`]: asked again with further ids as the negotiation goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HavesQuery {
    /// What the client wants: the same in each question of one request.
    pub wants: Arc<Vec<ObjectId>>,
    /// What is known to be common from the earlier questions of this request.
    pub common: Arc<Vec<ObjectId>>,
    /// What the client claims to have, new with this question.
    pub haves: Vec<ObjectId>,
    /// Whether `ready` is of use; it costs a walk, so it need not be found out otherwise.
    pub readiness: bool,
}

/// The answer to [`Question::Haves`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Haves {
    /// For each id asked about, in that order, whether it is in the repository.
    pub common: Vec<bool>,
    /// Whether every want has an ancestor among all common ids, those of earlier questions included, so that
    /// further haves would not make the pack much smaller.
    pub ready: bool,
}

/// [`Question::Shallow`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShallowQuery {
    /// What the client wants.
    pub wants: Arc<Vec<ObjectId>>,
    /// The commits at which the client's history ends, as it says: they need not be here.
    pub client: Vec<ObjectId>,
    /// How deep it is to be. [`Deepen::No`] asks only for what is shallow here and will be there.
    pub deepen: Deepen,
}

/// [`Question::ObjectInfo`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectInfoQuery {
    /// The objects, in the order in which they were asked for.
    pub ids: Vec<ObjectId>,
}

/// The pack that a client is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackRequest {
    /// Send what these reach …
    pub wants: Vec<ObjectId>,
    /// … and these do not, which the client has.
    pub haves: Vec<ObjectId>,
    /// Deltas may be against objects that are not in the pack: `thin-pack`.
    pub thin: bool,
    /// Deltas may name their base by offset: `ofs-delta`.
    pub ofs_delta: bool,
    /// A tag is to be sent when what it points to is: `include-tag`.
    pub include_tag: bool,
    /// The client shows progress.
    pub progress: bool,
    /// The commits at which the client's history ended before.
    pub client_shallow: Vec<ObjectId>,
    /// What changes about them. The parents of commits that are no longer such an end are to be sent, too.
    pub shallow: ShallowUpdate,
    /// Which objects are left out, as the client has put it (`filter`).
    pub filter: Option<BString>,
}
