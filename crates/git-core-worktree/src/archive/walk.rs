//! The entries of an archive, in order: a tree is walked as they are asked for, without recursion.
//!
//! A directory has an entry when something is in it that the pathspec means, ignored or not, so its entry waits for
//! the first of those.

use super::{ArchiveError, ArchiveOptions, AttributeFiles, Entry};
use crate::attributes::{AttributeStack, Attributes, MAX_FILE_LEN};
use bstr::{BString, ByteSlice as _};
use git_core_config::pathspec::Pathspec;
use git_core_object::{EntryKind, EntryMode, Kind, ObjectId, ReadError, TreeRef};
use git_core_store::Snapshot;
use std::collections::VecDeque;
use std::path::Path;

/// A walk over the tree.
pub(super) struct Walk {
    frames: Vec<Frame>,
    /// The path of the directory that is being read, with a `/` at its end unless it is the top.
    path: Vec<u8>,
    /// Entries of directories that are to be given before the next file.
    ready: VecDeque<Found>,
    /// How many of the frames had their entry.
    given: usize,
}

/// Something of the tree that is archived.
pub(super) struct Found {
    pub(super) entry: Entry,
    /// Its path in the tree.
    pub(super) path: BString,
}

struct Frame {
    content: Vec<u8>,
    at: usize,
    id: ObjectId,
    /// The length of the path outside of this directory.
    outside: usize,
}

impl Walk {
    /// Begins at the top.
    pub(super) fn new(
        objects: &dyn Snapshot,
        tree: &ObjectId,
        attributes: Option<(&mut AttributeStack, &ArchiveOptions)>,
    ) -> Result<Self, ArchiveError> {
        let mut walk = Walk { frames: Vec::new(), path: Vec::new(), ready: VecDeque::new(), given: 0 };
        walk.enter(objects, *tree, 0, attributes)?;
        Ok(walk)
    }

    /// What comes next, with the attributes in force for it.
    pub(super) fn next(
        &mut self,
        objects: &dyn Snapshot,
        options: &ArchiveOptions,
        attributes: &mut AttributeStack,
    ) -> Result<Option<Found>, ArchiveError> {
        loop {
            if let Some(found) = self.ready.pop_front() {
                return Ok(Some(found));
            }
            let Some((kind, id)) = self.step()? else {
                if self.frames.is_empty() {
                    return Ok(None);
                }
                self.leave(Some(attributes));
                continue;
            };
            let name_at = self.frames.last().map_or(0, |_| self.directory_len());
            let Some(relative) = below(&self.path, &options.within) else {
                // Only what is on the way to the part that is archived is of use.
                let on_the_way = kind == EntryKind::Tree
                    && is_on_the_way(&self.path, &options.within)
                    && !attributes.of_directory(&self.path).is_set("export-ignore");
                match on_the_way {
                    true => self.enter(objects, id, name_at, Some((attributes, options)))?,
                    false => self.path.truncate(name_at),
                }
                continue;
            };
            let relative = relative.len();
            if kind == EntryKind::Tree {
                let ignored = attributes.of_directory(&self.path).is_set("export-ignore");
                if ignored || !options.pathspec.may_match_below(&self.path) {
                    self.path.truncate(name_at);
                } else {
                    self.enter(objects, id, name_at, Some((attributes, options)))?;
                }
                continue;
            }
            if !is_meant(&options.pathspec, &self.path, kind) {
                self.path.truncate(name_at);
                continue;
            }
            self.give_directories(options);
            if attributes_of(attributes, &self.path, kind).is_set("export-ignore") {
                self.path.truncate(name_at);
                continue;
            }
            let start = self.path.len() - relative;
            let mut path = [options.prefix.as_slice(), &self.path[start..]].concat();
            if kind == EntryKind::Commit {
                path.push(b'/');
            }
            let found =
                Found { entry: Entry { path: path.into(), kind, id }, path: self.path.clone().into() };
            self.path.truncate(name_at);
            self.ready.push_back(found);
        }
    }

    /// Whether something is meant by a pathspec.
    pub(super) fn any_match(
        objects: &dyn Snapshot,
        tree: &ObjectId,
        pathspec: &Pathspec,
        within: &[u8],
        max_depth: usize,
    ) -> Result<bool, ArchiveError> {
        let mut walk = Walk::new(objects, tree, None)?;
        loop {
            let Some((kind, id)) = walk.step()? else {
                if walk.frames.is_empty() {
                    return Ok(false);
                }
                walk.leave(None);
                continue;
            };
            let name_at = walk.directory_len();
            let near = below(&walk.path, within).is_some() || is_on_the_way(&walk.path, within);
            if kind == EntryKind::Tree && near && pathspec.may_match_below(&walk.path) {
                if walk.frames.len() >= max_depth {
                    return Err(ArchiveError::TooDeep { path: walk.path.into(), bound: max_depth });
                }
                walk.enter(objects, id, name_at, None)?;
                continue;
            }
            if kind != EntryKind::Tree && near && is_meant(pathspec, &walk.path, kind) {
                return Ok(true);
            }
            walk.path.truncate(name_at);
        }
    }

    fn directory_len(&self) -> usize {
        self.path[..].rfind_byte(b'/').map_or(0, |at| at + 1)
    }

    /// Reads one entry of the innermost directory and adds its name to the path.
    fn step(&mut self) -> Result<Option<(EntryKind, ObjectId)>, ArchiveError> {
        let Some(frame) = self.frames.last_mut() else { return Ok(None) };
        let mut entries = TreeRef::new(frame.id.format(), &frame.content[frame.at..]).iter();
        let Some(entry) = entries.next() else { return Ok(None) };
        let entry = entry.map_err(|source| ArchiveError::Tree { id: frame.id, source })?;
        frame.at += entries.offset();
        let bad = entry.name.is_empty()
            || entry.name.contains(&b'/')
            || matches!(entry.name.as_bytes(), b"." | b"..")
            || entry.name.eq_ignore_ascii_case(b".git");
        self.path.extend_from_slice(entry.name);
        if bad {
            return Err(ArchiveError::Path { path: std::mem::take(&mut self.path).into() });
        }
        Ok(Some((entry.mode.kind(), entry.id)))
    }

    fn enter(
        &mut self,
        objects: &dyn Snapshot,
        id: ObjectId,
        outside: usize,
        attributes: Option<(&mut AttributeStack, &ArchiveOptions)>,
    ) -> Result<(), ArchiveError> {
        let mut content = Vec::new();
        let kind = objects.require(&id, &mut content)?;
        if kind != Kind::Tree {
            return Err(ReadError::WrongKind { id, expected: Kind::Tree, actual: kind }.into());
        }
        if !self.frames.is_empty() {
            self.path.push(b'/');
        }
        if let Some((stack, options)) = attributes {
            if self.frames.len() >= options.max_depth {
                let path = std::mem::take(&mut self.path).into();
                return Err(ArchiveError::TooDeep { path, bound: options.max_depth });
            }
            let text = attributes_file(objects, &id, &content, &self.path, options)?;
            stack.enter(self.path.len(), text.as_deref());
        }
        self.frames.push(Frame { content, at: 0, id, outside });
        Ok(())
    }

    fn leave(&mut self, attributes: Option<&mut AttributeStack>) {
        if let Some(frame) = self.frames.pop() {
            self.path.truncate(frame.outside);
        }
        self.given = self.given.min(self.frames.len());
        if let Some(attributes) = attributes {
            attributes.leave();
        }
    }

    /// Gives the directories around the present file that were not given yet.
    fn give_directories(&mut self, options: &ArchiveOptions) {
        for frame in self.frames.iter().skip(self.given.max(1)) {
            let rest = &self.path[frame.outside..];
            let end = frame.outside + rest.find_byte(b'/').map_or(rest.len(), |slash| slash + 1);
            let Some(relative) = below(&self.path[..end], &options.within) else { continue };
            if relative.is_empty() {
                continue;
            }
            let path = [options.prefix.as_slice(), relative].concat();
            let entry = Entry { path: path.into(), kind: EntryKind::Tree, id: frame.id };
            self.ready.push_back(Found { entry, path: self.path[..end].into() });
        }
        self.given = self.frames.len();
    }
}

fn is_meant(pathspec: &Pathspec, path: &[u8], kind: EntryKind) -> bool {
    match kind {
        EntryKind::Commit => pathspec.matches_directory(path),
        _ => pathspec.matches(path),
    }
}

/// What is said of a file, link or submodule.
pub(super) fn attributes_of<'a>(stack: &'a AttributeStack, path: &[u8], kind: EntryKind) -> Attributes<'a> {
    match kind {
        EntryKind::Tree | EntryKind::Commit => stack.of_directory(path),
        _ => stack.of_file(path),
    }
}

/// A path without the directory that it must be in.
fn below<'a>(path: &'a [u8], within: &[u8]) -> Option<&'a [u8]> {
    path.strip_prefix(within)
}

/// Whether a directory leads to the one that is archived.
fn is_on_the_way(directory: &[u8], within: &[u8]) -> bool {
    within.strip_prefix(directory).is_some_and(|rest| rest.starts_with(b"/"))
}

/// The attributes file of a directory, where it is looked for.
fn attributes_file(
    objects: &dyn Snapshot,
    tree: &ObjectId,
    content: &[u8],
    path: &[u8],
    options: &ArchiveOptions,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    const NAME: &str = ".gitattributes";
    match &options.attribute_files {
        AttributeFiles::None => return Ok(None),
        AttributeFiles::WorkTree(root) => return from_work_tree(root, path, NAME),
        AttributeFiles::Tree => {}
    }
    let found = TreeRef::new(tree.format(), content).find(NAME);
    let Some(found) = found.map_err(|source| ArchiveError::Tree { id: *tree, source })? else {
        return Ok(None);
    };
    if !found.mode.is_file() || found.mode == EntryMode::LINK {
        return Ok(None);
    }
    match objects.header(&found.id)? {
        Some(header) if header.kind == Kind::Blob && header.size <= MAX_FILE_LEN => {}
        _ => return Ok(None),
    }
    let mut text = Vec::new();
    objects.require(&found.id, &mut text)?;
    Ok(Some(text))
}

fn from_work_tree(root: &Path, path: &[u8], name: &str) -> Result<Option<Vec<u8>>, ArchiveError> {
    let Ok(directory) = path.to_path() else { return Ok(None) };
    let file = root.join(directory).join(name);
    // A link could lead anywhere; git does not follow it either.
    match std::fs::symlink_metadata(&file) {
        Ok(found) if found.is_file() && found.len() <= MAX_FILE_LEN => {}
        _ => return Ok(None),
    }
    std::fs::read(&file)
        .map(Some)
        .map_err(|source| ArchiveError::Io { path: file.as_os_str().as_encoded_bytes().into(), source })
}
