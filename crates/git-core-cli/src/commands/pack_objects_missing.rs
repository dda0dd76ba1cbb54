//! `pack-objects --missing`: blobs that are not there are left out instead of being an error. Trees and commits always
//! have to be there, as with git.

use crate::fail::Failure;
use git_core::object::{Kind, ObjectId, ReadError, TagRef, TreeRef, commit};
use git_core::store::Snapshot;
use git_core::store::walk::ObjectSet;
use std::collections::HashSet;

/// Which blobs may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Missing {
    /// None.
    #[default]
    Refuse,
    /// Any.
    Allow,
    /// Those that a promisor remote has promised.
    AllowPromised,
}

impl Missing {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "error" => Some(Missing::Refuse),
            "allow-any" => Some(Missing::Allow),
            "allow-promisor" => Some(Missing::AllowPromised),
            _ => None,
        }
    }
}

/// Takes out what is not there, if that is allowed. `snapshot` is one that does not take everything to be there.
pub(super) fn leave_out(snapshot: &dyn Snapshot, how: Missing, set: &mut ObjectSet) -> Result<(), Failure> {
    if how == Missing::Refuse {
        return Ok(());
    }
    let (mut failed, mut missing) = (None, Vec::new());
    set.retain(|numbers, number| {
        if numbers.position(number).is_some() {
            return true;
        }
        let id = numbers.id(number);
        match snapshot.contains(&id) {
            Ok(true) => true,
            Ok(false) => {
                missing.push(id);
                false
            }
            Err(error) => {
                failed = Some(error);
                true
            }
        }
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    if how == Missing::AllowPromised && !missing.is_empty() {
        let promised = promised(snapshot)?;
        if let Some(id) = missing.iter().find(|id| !promised.contains(*id)) {
            return Err(Failure::fatal(format_args!("unable to read {id}")));
        }
    }
    Ok(())
}

/// What the packs of promisor remotes hold, and what that refers to.
fn promised(snapshot: &dyn Snapshot) -> Result<HashSet<ObjectId>, ReadError> {
    let (mut found, mut content, format) = (HashSet::new(), Vec::new(), snapshot.format());
    for stored in snapshot.packs().iter().filter(|stored| stored.promisor) {
        for id in stored.pack.idx().ids() {
            found.insert(id);
            if snapshot.header(&id)?.is_none_or(|header| header.kind == Kind::Blob) {
                continue;
            }
            match snapshot.require(&id, &mut content)? {
                Kind::Commit => {
                    if let Ok(links) = commit::links(format, &content) {
                        found.insert(links.tree);
                        found.extend(links.parents());
                    }
                }
                Kind::Tag => found.extend(TagRef::parse(format, &content).map(|tag| tag.target())),
                _ => found.extend(
                    TreeRef::new(format, &content).iter().map_while(Result::ok).map(|entry| entry.id),
                ),
            }
        }
    }
    Ok(found)
}
