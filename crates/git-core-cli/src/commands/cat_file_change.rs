//! `cat-file --filters`, `--textconv` and `--use-mailmap`: contents that are changed before they are shown.

use crate::fail::Failure;
use crate::globals::Globals;
use crate::output::written;
use bstr::{BStr, BString, ByteSlice as _};
use git_core::Repository;
use git_core::convert::Conversions;
use git_core::mailmap::Mailmap;
use git_core::object::{EntryKind, Kind, ObjectId, TreeRef};
use git_core::store::{Snapshot, revision};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// How files are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// As for a working tree.
    Filters,
    /// By the command of their diff driver.
    Textconv,
}

impl Change {
    pub(super) fn option(self) -> &'static str {
        match self {
            Change::Filters => "--filters",
            Change::Textconv => "--textconv",
        }
    }
}

/// Changes files, one at a time.
pub(super) struct Changer {
    change: Change,
    conversions: Mutex<Conversions>,
}

impl Changer {
    pub(super) fn new(globals: &Globals, repository: &Repository, change: Change) -> Result<Self, Failure> {
        let shared = crate::undeltified::shared_attributes(globals);
        Ok(Changer { change, conversions: Mutex::new(Conversions::new(repository, &shared)?) })
    }

    /// The content of a file, changed.
    pub(super) fn file(&self, path: &BStr, id: &ObjectId, content: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut conversions = self.conversions.lock().unwrap_or_else(PoisonError::into_inner);
        let done = match self.change {
            Change::Filters => conversions.to_worktree(path, id, content),
            Change::Textconv => conversions.in_words(path, id, content),
        };
        done.map_err(|error| Failure::fatal(error.to_string().lines().next().unwrap_or_default()))
    }
}

/// Shows one object, changed as the file that it is named as or that `path` says.
pub(super) fn one(
    snapshot: &dyn Snapshot,
    name: &[u8],
    path: Option<&[u8]>,
    prefix: &[u8],
    changer: &Changer,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let id =
        revision::resolve(snapshot, name).map_err(|error| crate::revisions::not_an_object(name, &error))?;
    let (named, kind) = place(snapshot, name, prefix);
    let path = match path {
        Some(path) => Some((BString::from([prefix, path].concat()), EntryKind::Blob)),
        None => named.map(|path| (path, kind)),
    };
    let Some((path, entry)) = path else {
        return Err(Failure::fatal(format_args!(
            "<object>:<path> required, only <object> '{}' given",
            name.as_bstr()
        )));
    };
    let mut content = Vec::new();
    let kind = snapshot.require(&id, &mut content)?;
    if kind == Kind::Tree && changer.change == Change::Textconv {
        return super::cat_file::list_tree(&id, &content, out);
    }
    if kind == Kind::Blob && entry != EntryKind::Link {
        content = changer.file(path.as_bstr(), &id, content)?;
    }
    written(out.write_all(&content))
}

/// The path in `<tree>:<path>`, and what lies there, if that can be told.
fn place(snapshot: &dyn Snapshot, name: &[u8], prefix: &[u8]) -> (Option<BString>, EntryKind) {
    let Some(at) = name.find_byte(b':') else { return (None, EntryKind::Blob) };
    let (head, path) = (&name[..at], &name[at + 1..]);
    let path = match path.strip_prefix(b"./") {
        Some(path) => [prefix, path].concat(),
        None => path.to_vec(),
    };
    let (parent, last) = match path.rfind_byte(b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (&b""[..], &path[..]),
    };
    let mut content = Vec::new();
    let entry = revision::resolve(snapshot, &[head, b":", parent].concat()).ok().and_then(|tree| {
        snapshot.read(&tree, &mut content).ok().flatten().filter(|kind| *kind == Kind::Tree)?;
        let mut entries = TreeRef::new(tree.format(), &content).iter().map_while(Result::ok);
        entries.find(|entry| *entry.name == *last).map(|entry| entry.mode.kind())
    });
    (Some(path.into()), entry.unwrap_or(EntryKind::Blob))
}

/// The mailmap of a repository: its file, `mailmap.blob` and `mailmap.file`.
pub(super) fn mailmap(repository: &Repository, snapshot: &dyn Snapshot) -> Result<Mailmap, Failure> {
    let (config, mut map) = (repository.config(), Mailmap::default());
    let file = |map: &mut Mailmap, path: &Path| {
        if let Ok(text) = std::fs::read(path) {
            map.add(&text);
        }
    };
    let mut blob = config.text("mailmap.blob")?.map(|name| name.to_vec());
    match repository.work_tree() {
        Some(top) => file(&mut map, &top.join(".mailmap")),
        None => blob = blob.or_else(|| Some(b"HEAD:.mailmap".to_vec())),
    }
    if let Some(id) = blob.and_then(|name| revision::resolve(snapshot, &name).ok()) {
        let mut content = Vec::new();
        if snapshot.read(&id, &mut content)? == Some(Kind::Blob) {
            map.add(&content);
        }
    }
    if let Some(path) = config.path("mailmap.file")? {
        file(&mut map, &path);
    }
    Ok(map)
}

/// The content of an object in which people are named, with their proper names; `None` for others.
pub(super) fn properly(
    snapshot: &dyn Snapshot,
    map: &Mailmap,
    id: &ObjectId,
) -> Result<Option<(Kind, Vec<u8>)>, Failure> {
    match snapshot.header(id)?.map(|header| header.kind) {
        Some(kind @ (Kind::Commit | Kind::Tag)) => {
            let mut content = Vec::new();
            snapshot.require(id, &mut content)?;
            Ok(Some((kind, map.rewrite(&content))))
        }
        _ => Ok(None),
    }
}
