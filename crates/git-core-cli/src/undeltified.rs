//! Which objects are to be stored whole, since the attribute `delta` is unset for where they lie.

use crate::fail::Failure;
use crate::globals::Globals;
use git_core::Repository;
use git_core::attributes::{PathAttributes, SharedAttributes, attributes_file, outer_attributes};
use git_core::config::attributes::State;
use git_core::object::{Context, Kind, ObjectId};
use git_core::pack::HasObject;
use git_core::store::Snapshot;
use git_core::store::walk::{Listed, PromisedObjects, Query, list_objects};
use git_core::worktree::Index;
use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The attributes files of the system and the user.
pub(crate) fn shared_attributes(globals: &Globals) -> SharedAttributes {
    let mut shared = SharedAttributes::default();
    if globals.text("GIT_ATTR_NOSYSTEM").is_none_or(|text| matches!(text, "0" | "false" | "no" | "off")) {
        shared.system = Some("/etc/gitattributes".into());
    }
    let home = globals.var("HOME").map(|home| Path::new(home).join(".config"));
    let base = globals.var("XDG_CONFIG_HOME").filter(|path| !path.is_empty()).map(PathBuf::from).or(home);
    shared.user = base.map(|base| base.join("git/attributes"));
    shared
}

/// Asks for one path after the other; `None` when no attributes file speaks of deltas.
pub(crate) fn asker(globals: &Globals, repository: &Repository) -> Result<Option<PathAttributes>, Failure> {
    let outer = outer_attributes(repository, &shared_attributes(globals))?;
    let speaks = |text: &[u8]| text.windows(b"delta".len()).any(|word| word == b"delta");
    if [&outer.system, &outer.user, &outer.info].into_iter().any(|text| speaks(text))
        || in_working_tree(repository, &speaks)?
    {
        return Ok(Some(PathAttributes::new(repository, &outer)));
    }
    Ok(None)
}

/// Whether a file in a directory that holds files of the index speaks of it.
fn in_working_tree(repository: &Repository, speaks: &dyn Fn(&[u8]) -> bool) -> Result<bool, Failure> {
    let (Some(layout), Some(top)) = (repository.layout(), repository.work_tree()) else { return Ok(false) };
    let says = |directory: &[u8]| attributes_file(top, directory).is_some_and(|text| speaks(&text));
    if says(b"") {
        return Ok(true);
    }
    let file = layout.git_dir.join("index");
    if !file.exists() {
        return Ok(false);
    }
    let index = Index::open(repository.format(), &file)?;
    let mut directories = BTreeSet::new();
    for entry in index.entries() {
        let mut path = entry.path.as_slice();
        while let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
            path = &path[..slash];
            if !directories.insert(path) {
                break;
            }
        }
    }
    Ok(directories.into_iter().any(says))
}

/// Whether a path is one of those whose objects are stored whole.
pub(crate) fn is_whole(paths: &mut PathAttributes, path: &[u8]) -> bool {
    *paths.of_file(path).get("delta") == State::Unset
}

/// The blobs that a query finds first at paths where deltas are ruled out; `None` where there is no such path.
pub(crate) fn find(
    globals: &Globals,
    repository: &Repository,
    snapshot: &dyn Snapshot,
    query: &Query,
    cx: &Context,
) -> Result<Option<HasObject>, Failure> {
    let Some(mut paths) = asker(globals, repository)? else { return Ok(None) };
    let mut whole: HashSet<ObjectId> = HashSet::new();
    let query = Query { promised: PromisedObjects::MayLack, ..query.clone() };
    // What cannot be read is found out, and told, by whoever packs it.
    let _ = list_objects(snapshot, &query, &cx.clone().quiet(), &mut |listed| {
        if let Listed::Object { id, kind: Kind::Blob, path } = listed
            && !path.is_empty()
            && is_whole(&mut paths, path)
        {
            whole.insert(id);
        }
        ControlFlow::Continue(())
    });
    Ok(of_ids(whole))
}

/// The same, of everything that refs and reflogs reach.
pub(crate) fn find_in_all(
    globals: &Globals,
    repository: &Repository,
    cx: &Context,
) -> Result<Option<HasObject>, Failure> {
    let snapshot = repository.snapshot()?;
    let roots = git_core::store::maintenance::roots(crate::repo::on_disk(repository)?, &*snapshot, cx)?;
    let include = roots.refs.into_iter().chain(roots.reflogs).collect();
    let query = Query { include, ..Query::default() };
    find(globals, repository, &*snapshot, &query, cx)
}

/// Names these objects, if there are any.
pub(crate) fn of_ids(whole: HashSet<ObjectId>) -> Option<HasObject> {
    (!whole.is_empty()).then(|| -> HasObject { Arc::new(move |id: &ObjectId| whole.contains(id)) })
}
