//! `FETCH_HEAD`: what was fetched, for the commands that merge it.

use super::fetch::kind_of;
use super::{Remote, RemoteError};
use crate::Repository;
use bstr::BString;
use git_core_object::ObjectId;
use git_core_ref::refspec::FetchSource;
use std::io::Write as _;

/// One line of `FETCH_HEAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchHeadEntry {
    /// What was fetched.
    pub id: ObjectId,
    /// Whether `git pull` merges it.
    pub for_merge: bool,
    /// What it is, as a merge message says it: `branch 'main' of ../other`.
    pub note: BString,
}

impl FetchHeadEntry {
    /// Appends the line as git writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.id.write_hex(out);
        out.extend_from_slice(if self.for_merge { b"\t\t" } else { b"\tnot-for-merge\t" });
        out.extend_from_slice(&self.note);
        out.push(b'\n');
    }
}

/// The line for something that a fetch brought.
pub(super) fn entry(remote: &Remote, id: ObjectId, source: &FetchSource, for_merge: bool) -> FetchHeadEntry {
    FetchHeadEntry { id, for_merge, note: note(source, remote) }
}

fn note(source: &FetchSource, remote: &Remote) -> BString {
    let mut url = remote.shown_url();
    while url.ends_with(b"/") {
        url.pop();
    }
    if let Some(stem) = url.strip_suffix(b".git") {
        url = stem.into();
    }
    let (kind, name) = kind_of(source);
    if name.is_empty() {
        return url;
    }
    let space = if kind.is_empty() { "" } else { " " };
    [kind.as_bytes(), space.as_bytes(), b"'", &name, b"' of ", &url].concat().into()
}

impl Repository {
    /// Writes `FETCH_HEAD`, in place of what it said before.
    ///
    /// # Errors
    /// [`RemoteError::Unavailable`]. A repository that is not on a disk has none, which is no error.
    pub fn write_fetch_head(&self, entries: &[FetchHeadEntry]) -> Result<(), RemoteError> {
        self.add_to_fetch_head(entries, std::fs::OpenOptions::new().write(true).create(true).truncate(true))
    }

    /// Adds to `FETCH_HEAD`.
    ///
    /// # Errors
    /// As [`write_fetch_head`](Self::write_fetch_head).
    pub fn append_fetch_head(&self, entries: &[FetchHeadEntry]) -> Result<(), RemoteError> {
        self.add_to_fetch_head(entries, std::fs::OpenOptions::new().append(true).create(true))
    }

    fn add_to_fetch_head(
        &self,
        entries: &[FetchHeadEntry],
        mode: &std::fs::OpenOptions,
    ) -> Result<(), RemoteError> {
        let Some(path) = self.git_dir().map(|dir| dir.join("FETCH_HEAD")) else {
            return Ok(());
        };
        let mut content = Vec::new();
        entries.iter().for_each(|entry| entry.write(&mut content));
        let written = mode.open(&path).and_then(|mut file| file.write_all(&content));
        written.map_err(|error| RemoteError::unavailable(path.display(), error))
    }
}
