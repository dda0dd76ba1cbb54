//! Walks over history: commits in order, everything they reach, what a peer lacks, what is missing.
//!
//! [`CommitWalk`] goes through commits as `git rev-list` does. [`reachable`] gives the set of all objects that
//! some tips reach and others do not, on several threads; [`list_objects`] gives the same in git's order, with
//! paths. [`Haves`] is the client's part of a negotiation and [`Ready`] the server's. [`is_ancestor`] answers
//! whether an update is a fast-forward, [`MergeBases`] where histories meet. All of them run on any [`Snapshot`](crate::Snapshot).

mod ahead;
mod ancestry;
mod bitmap_write;
pub(crate) mod changed;
mod commits;
mod connectivity;
mod counted;
mod covered;
mod fresh;
mod graph;
mod history;
mod introduced;
mod lacking;
mod listing;
mod marks;
mod merge_base;
mod negotiate;
mod numbers;
mod object_set;
mod promised;
mod reachable;
mod settle;
mod shallow;
mod sieve;
mod trees;

pub use ancestry::is_ancestor;
pub use bitmap_write::{BitmapOptions, BitmapWriteError, write_bitmap};
pub use commits::{CommitWalk, Exclusion, MissingExcludes, Query, WalkedCommit};
pub use connectivity::{check_connected, check_received};
pub use counted::{Counted, Groups, PackOrder, Story, count_for_pack};
pub use history::{
    CommitTest, History, HistoryCommit, HistoryMark, HistoryOrder, HistoryQuery, HistoryTip, NoWalk,
    PathSpec, Side, Simplification, TipRole,
};
pub use lacking::reachable_named_with;
pub use listing::{
    ListQuery, ListSink, Listed, MissingObjects, NamedObject, Omitted, list_below, list_objects,
};
pub use merge_base::MergeBases;
pub use negotiate::{Haves, Negotiator, Ready};
pub use numbers::Numbers;
pub use object_set::ObjectSet;
pub use promised::{Promised, PromisedObjects, check_promised, has_promises};
pub use reachable::{CountOptions, UseBitmap, list_with_bitmap, reachable, reachable_named, reachable_with};
pub use shallow::{Bounds, bounds_at_depth, bounds_of_list, ends_met, reached_of};

use git_core_object::{Kind, ObjectFormat, ObjectId, Objects, ReadError, TagRef};

/// Follows annotated tags from `id` until something else is reached; appends each tag passed to `tags`.
///
/// # Errors
/// [`ReadError::Missing`] when an object on the way is not there.
pub fn peel(
    objects: &dyn Objects,
    id: ObjectId,
    buf: &mut Vec<u8>,
    tags: &mut Vec<ObjectId>,
) -> Result<(ObjectId, Kind), ReadError> {
    let mut at = id;
    loop {
        let header = objects.header(&at)?.ok_or(ReadError::Missing { id: at })?;
        if header.kind != Kind::Tag {
            return Ok((at, header.kind));
        }
        objects.require(&at, buf)?;
        tags.push(at);
        at = tag_target(objects.format(), at, buf)?;
    }
}

/// The object that a tag points to. A chain of tags cannot loop: each id is a hash of the next.
fn tag_target(format: ObjectFormat, id: ObjectId, content: &[u8]) -> Result<ObjectId, ReadError> {
    TagRef::parse(format, content)
        .map(|tag| tag.target())
        .map_err(|e| ReadError::corrupt(format_args!("tag {id}"), e))
}
