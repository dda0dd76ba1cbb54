//! Histories that are cut off for a client: where they end, and what is sent of them.

use super::session::refusal;
use git_core_object::{Context, Kind, ObjectId, Objects as _, ReadError};
use git_core_protocol::server::{PackRequest, ShallowQuery};
use git_core_protocol::{Deepen, ShallowUpdate};
use git_core_ref::RefName;
use git_core_store::walk::{self, Bounds};
use git_core_store::{Altered, Snapshot, revision};
use git_core_transport::server::{Refusal, RefusalKind};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Where the history of a client is to end, as a change of where it ends.
pub(super) fn bounds(
    snapshot: &dyn Snapshot,
    query: &ShallowQuery,
    cx: &Context,
) -> Result<ShallowUpdate, Refusal> {
    let cx = &cx.clone().quiet();
    let mut client = known_commits(snapshot, &query.client).map_err(refusal)?;
    client.sort_unstable();
    client.dedup();
    let at_depth = |tips: &[ObjectId], depth: u32| {
        walk::bounds_at_depth(snapshot, tips, depth, &client, cx).map_err(refusal)
    };
    let bounds = match &query.deepen {
        // Whoever does not ask for a depth is told of what is shallow here.
        Deepen::No if snapshot.shallow().is_empty() => return Ok(ShallowUpdate::default()),
        Deepen::No => at_depth(&query.wants, Deepen::INFINITE)?,
        // All of it, also of what is not wanted now.
        Deepen::Depth(Deepen::INFINITE..) if snapshot.shallow().is_empty() => {
            Bounds { ends: Vec::new(), inside: client.clone() }
        }
        Deepen::Depth(depth) => at_depth(&query.wants, *depth)?,
        Deepen::Further(more) => {
            let tips = tips(snapshot).map_err(refusal)?;
            let ends = walk::reached_of(snapshot, &client, &tips, cx).map_err(refusal)?;
            at_depth(&ends, more.saturating_add(1))?
        }
        Deepen::Limits { since, not } => {
            let mut hidden = Vec::new();
            for name in not {
                hidden.push(expand(snapshot, name)?);
            }
            walk::bounds_of_list(snapshot, &query.wants, *since, &hidden, &client, cx)
                .map_err(refusal)?
                .ok_or_else(|| {
                    Refusal::new(RefusalKind::Invalid, "no commits selected for shallow requests")
                })?
        }
    };
    let mut shallow = bounds.ends;
    shallow.retain(|id| client.binary_search(id).is_err());
    Ok(ShallowUpdate { shallow, unshallow: bounds.inside })
}

/// What is to be sent, of which history.
pub(super) struct Cut {
    pub(super) snapshot: Arc<dyn Snapshot>,
    pub(super) wants: Vec<ObjectId>,
    pub(super) haves: Vec<ObjectId>,
}

/// The history as the client will see it, and what of it is wanted and there.
pub(super) fn cut(snapshot: Arc<dyn Snapshot>, request: &PackRequest) -> Result<Cut, ReadError> {
    let (mut wants, mut haves) = (request.wants.clone(), request.haves.clone());
    let mut ends = known_commits(&*snapshot, &request.client_shallow)?;
    if ends.is_empty() && request.shallow.is_empty() {
        return Ok(Cut { snapshot, wants, haves });
    }
    ends.extend_from_slice(&request.shallow.shallow);
    ends.extend_from_slice(snapshot.shallow());
    let mut content = Vec::new();
    for id in &request.shallow.unshallow {
        // The client has this commit and nothing behind it: what is wanted begins at its parents.
        snapshot.require(id, &mut content)?;
        let links = git_core_object::commit::links(id.format(), &content)
            .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
        wants.extend(links.parents());
        haves.push(*id);
        ends.push(*id);
    }
    Ok(Cut { snapshot: Altered::ending_at(snapshot, ends), wants, haves })
}

/// Those of the ids that are commits here.
fn known_commits(snapshot: &dyn Snapshot, ids: &[ObjectId]) -> Result<Vec<ObjectId>, ReadError> {
    let mut known = Vec::new();
    for id in ids {
        if snapshot.header(id)?.is_some_and(|header| header.kind == Kind::Commit) {
            known.push(*id);
        }
    }
    Ok(known)
}

fn tips(snapshot: &dyn Snapshot) -> Result<Vec<ObjectId>, ReadError> {
    let mut tips = Vec::new();
    tips.extend(revision::follow(snapshot, &RefName::head())?.1);
    snapshot.for_each_ref(b"", &mut |found| {
        tips.extend(found.target.id());
        ControlFlow::Continue(())
    })?;
    Ok(tips)
}

/// The object of the one ref that a short name can mean.
fn expand(snapshot: &dyn Snapshot, name: &[u8]) -> Result<ObjectId, Refusal> {
    let mut found = Vec::new();
    for (before, after) in [
        ("", ""),
        ("refs/", ""),
        ("refs/tags/", ""),
        ("refs/heads/", ""),
        ("refs/remotes/", ""),
        ("refs/remotes/", "/HEAD"),
    ] {
        let Ok(full) = RefName::new([before.as_bytes(), name, after.as_bytes()].concat()) else { continue };
        if let Ok((_, Some(id))) = revision::follow(snapshot, &full) {
            found.push(id);
        }
    }
    match found[..] {
        [id] => Ok(id),
        _ => {
            let name = String::from_utf8_lossy(name);
            let message = format!("git upload-pack: ambiguous deepen-not: deepen-not {name}");
            Err(Refusal::new(RefusalKind::Invalid, message))
        }
    }
}
