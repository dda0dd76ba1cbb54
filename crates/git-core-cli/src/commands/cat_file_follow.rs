//! `cat-file --follow-symlinks`: what `<tree>:<path>` leads to when symbolic links on the way are followed inside of
//! the tree.

use git_core::object::{EntryKind, ObjectId, ReadError, TreeRef};
use git_core::store::Snapshot;
use git_core::store::revision::{self, RevisionError};

/// Links that are followed one after the other at most, as with git.
const MAX_LINKS: usize = 40;

/// Where a path leads.
pub(super) enum Followed {
    Object(ObjectId),
    /// Out of the tree, to this path.
    Outside(Vec<u8>),
    /// Nowhere.
    Missing,
    /// By way of a link, nowhere.
    Dangling,
    /// Round in a circle, or too far.
    Loop,
    /// Through something that is no directory.
    NotDirectory,
}

/// Follows `<tree>:<path>`; `None` for other names.
///
/// # Errors
/// [`ReadError`] when something on the way is damaged.
pub(super) fn follow(snapshot: &dyn Snapshot, name: &[u8]) -> Result<Option<Followed>, ReadError> {
    let Some(at) = name.iter().position(|byte| *byte == b':').filter(|at| *at > 0) else { return Ok(None) };
    let (head, path) = (&name[..at], &name[at + 1..]);
    // Paths that begin with a dot are relative to the current directory, which others work out.
    if path.starts_with(b"./") || path.starts_with(b"../") {
        return Ok(None);
    }
    match revision::resolve(snapshot, &[head, b"^{tree}"].concat()) {
        Ok(root) => walk(snapshot, root, path.to_vec()).map(Some),
        Err(RevisionError::Read(error)) if !matches!(error, ReadError::Missing { .. }) => Err(error),
        Err(_) => Ok(Some(Followed::Missing)),
    }
}

fn walk(snapshot: &dyn Snapshot, root: ObjectId, mut path: Vec<u8>) -> Result<Followed, ReadError> {
    // The directories on the way, the root first.
    let (mut stack, mut links, mut content) = (vec![root], 0, Vec::new());
    while let Some(here) = stack.last().copied() {
        let start = path.iter().take_while(|byte| **byte == b'/').count();
        path.drain(..start);
        if path.is_empty() {
            return Ok(Followed::Object(here));
        }
        let (len, rest) = match path.iter().position(|byte| *byte == b'/') {
            Some(at) => (at, Some(path[at + 1..].to_vec())),
            None => (path.len(), None),
        };
        if path[..len] == *b".." {
            if stack.len() == 1 {
                return Ok(Followed::Outside(path));
            }
            stack.pop();
            path = rest.unwrap_or_default();
            continue;
        }
        snapshot.require(&here, &mut content)?;
        let mut entry = None;
        for found in TreeRef::new(here.format(), &content).iter() {
            let found = found.map_err(|error| ReadError::corrupt(format_args!("tree {here}"), error))?;
            if *found.name == path[..len] {
                entry = Some((found.mode.kind(), found.id));
                break;
            }
        }
        let Some((kind, id)) = entry else {
            return Ok(if links > 0 { Followed::Dangling } else { Followed::Missing });
        };
        match (kind, rest) {
            (EntryKind::Tree, rest) => {
                stack.push(id);
                path = rest.unwrap_or_default();
            }
            (EntryKind::Link, rest) => {
                links += 1;
                if links > MAX_LINKS {
                    return Ok(Followed::Loop);
                }
                snapshot.require(&id, &mut content)?;
                if content.starts_with(b"/") {
                    return Ok(Followed::Outside(content));
                }
                path.clone_from(&content);
                if let Some(rest) = rest {
                    path.push(b'/');
                    path.extend(rest);
                }
            }
            (_, None) => return Ok(Followed::Object(id)),
            (_, Some(_)) => return Ok(Followed::NotDirectory),
        }
    }
    Ok(Followed::Missing)
}
