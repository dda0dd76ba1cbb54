//! `FETCH_HEAD`: what was fetched, for the commands that merge it.

use super::fetch::{RefUpdate, UpdateStatus};
use super::{FetchOptions, Remote, RemoteError};
use crate::Repository;
use bstr::{BString, ByteSlice as _};
use git_core_object::ObjectId;
use git_core_ref::refspec::FetchSource;
use git_core_ref::{RefName, Refspec};
use git_core_store::revision;
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

/// The lines for what a fetch brought: those to be merged first.
pub(super) fn entries(
    remote: &Remote,
    options: &FetchOptions,
    specs: &[Refspec],
    updates: &[RefUpdate],
) -> Vec<FetchHeadEntry> {
    let to_merge = configured_merges(remote);
    let mut entries = Vec::new();
    for (at, update) in updates.iter().enumerate() {
        let (Some(source), Some(id)) = (&update.source, update.new) else { continue };
        if update.status.is_rejected() && !matches!(update.status, UpdateStatus::NonFastForward) {
            continue;
        }
        let followed =
            matches!(source, FetchSource::Ref(name) if name.is_tag() && update.local.as_ref() == Some(name));
        let for_merge = if options.refspecs.is_empty() {
            match (&to_merge, source) {
                (Some(merges), FetchSource::Ref(name)) => merges.contains(name),
                (Some(_), FetchSource::Id(_)) => false,
                // Without a word of configuration the first ref is merged, unless a pattern brought it.
                (None, _) => at == 0 && specs.first().is_some_and(|spec| !spec.is_pattern()),
            }
        } else {
            // What the command line names is merged; what its patterns and tags bring is not.
            !followed && specs.iter().any(|spec| names(spec, source))
        };
        entries.push(FetchHeadEntry { id, for_merge, note: note(source, remote) });
    }
    entries.sort_by_key(|entry| !entry.for_merge);
    entries
}

/// Whether a refspec that is no pattern names the source.
fn names(spec: &Refspec, source: &FetchSource) -> bool {
    if spec.is_pattern() || spec.is_negative() {
        return false;
    }
    match source {
        FetchSource::Id(id) => spec.exact_id() == Some(*id),
        FetchSource::Ref(name) => spec.src().is_some_and(|src| {
            src == name.as_bytes() || name.as_bytes().ends_with(&[b"/", src.as_bytes()].concat())
        }),
    }
}

/// `branch.<current>.merge` where `branch.<current>.remote` is this remote.
fn configured_merges(remote: &Remote) -> Option<Vec<RefName>> {
    let snapshot = remote.repository.snapshot().ok()?;
    let (head, _) = revision::follow(&*snapshot, &RefName::head()).ok()?;
    let branch = head.as_bytes().strip_prefix(b"refs/heads/")?;
    let config = remote.repository.config();
    let key = |variable: &str| [b"branch.", branch, b".", variable.as_bytes()].concat();
    let of = config.text(key("remote")).ok().flatten()?;
    if remote.name().is_none_or(|name| name != of) {
        return None;
    }
    let merges: Vec<_> =
        config.get_all(key("merge")).filter_map(|entry| RefName::new(entry.to_text().ok()?).ok()).collect();
    (!merges.is_empty()).then_some(merges)
}

fn note(source: &FetchSource, remote: &Remote) -> BString {
    let mut url = remote.shown_url();
    while url.ends_with(b"/") {
        url.pop();
    }
    if let Some(stem) = url.strip_suffix(b".git") {
        url = stem.into();
    }
    let what: Vec<u8> = match source {
        FetchSource::Ref(name) => {
            let (kind, short): (&[u8], &[u8]) = match name.as_bytes() {
                b"HEAD" => return url,
                full if full.starts_with(b"refs/heads/") => (b"branch ", &full[11..]),
                full if full.starts_with(b"refs/tags/") => (b"tag ", &full[10..]),
                full if full.starts_with(b"refs/remotes/") => (b"remote-tracking branch ", &full[13..]),
                full => (b"", full),
            };
            [kind, b"'", short, b"' of "].concat()
        }
        FetchSource::Id(id) => format!("'{id}' of ").into_bytes(),
    };
    [what.as_slice(), url.as_slice()].concat().into()
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
