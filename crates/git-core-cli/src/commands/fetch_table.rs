//! What a fetch did, as git prints it: the table of refs, in three layouts.

use super::fetch::stem;
use super::fetch_options::{Layout, Talk};
use crate::abbrev;
use crate::fail::Failure;
use git_core::Repository;
use git_core::object::ObjectId;
use git_core::refs::refspec::FetchSource;
use git_core::remote::{Fetched, RefUpdate, Remote, UpdateStatus};
use git_core::store::Snapshot;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The least width of the column of names.
const LEAST_WIDTH: usize = 10;

/// Where a fetch says what it says: its own streams, or a text to be shown later, when others fetch at the same time.
pub(super) enum Screen {
    Live,
    Held(Mutex<String>),
}

impl Screen {
    /// A line for people.
    pub(super) fn say(&self, line: impl std::fmt::Display) {
        match self {
            Screen::Live => {
                let _ = writeln!(std::io::stderr(), "{line}");
            }
            Screen::Held(_) => self.hold(line),
        }
    }

    /// A line for programs.
    pub(super) fn print(&self, line: impl std::fmt::Display) {
        match self {
            Screen::Live => {
                let _ = writeln!(std::io::stdout(), "{line}");
            }
            Screen::Held(_) => self.hold(line),
        }
    }

    fn hold(&self, line: impl std::fmt::Display) {
        if let Screen::Held(text) = self {
            let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
            text.push_str(&line.to_string());
            text.push('\n');
        }
    }

    /// What was held back.
    pub(super) fn text(self) -> String {
        match self {
            Screen::Live => String::new(),
            Screen::Held(text) => text.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The table under way.
pub(super) struct Table<'a> {
    screen: &'a Screen,
    layout: Layout,
    talk: Talk,
    url: String,
    snapshot: Arc<dyn Snapshot>,
    digits: usize,
    summary: usize,
    width: usize,
    begun: bool,
    /// Whether what was only stored in `FETCH_HEAD` is shown.
    pub(super) fetch_head: bool,
}

impl<'a> Table<'a> {
    /// A table of `updates`, which is as wide as they need; `columns` is the width of the terminal.
    pub(super) fn new(
        screen: &'a Screen,
        (layout, talk): (Layout, Talk),
        remote: &Remote,
        fetched: &Fetched,
        columns: usize,
    ) -> Result<Self, Failure> {
        let snapshot = remote.repository().snapshot()?;
        let digits = abbrev::default_digits(remote.repository(), &*snapshot)?;
        let mut table = Table {
            screen,
            layout,
            talk,
            url: stem(&remote.shown_url()),
            snapshot,
            digits,
            summary: 0,
            width: LEAST_WIDTH,
            begun: false,
            fetch_head: true,
        };
        let mut longest = 7;
        for update in &fetched.updates {
            if let Some(new) = &update.new {
                longest = longest.max(table.short(new).len());
            }
            table.widen(update, columns);
        }
        table.summary = 2 * longest + 3;
        Ok(table)
    }

    /// Makes the column of names fit one more, unless its line would be too long anyway.
    fn widen(&mut self, update: &RefUpdate, columns: usize) {
        let Some(local) = &update.local else { return };
        let head = matches!(&update.source, Some(FetchSource::Ref(name)) if name.is_head());
        let unseen = update.status == UpdateStatus::UpToDate && self.talk < Talk::Verbose;
        if update.source.is_none() || head || unseen || update.status == UpdateStatus::Shallow {
            return;
        }
        let most = if self.layout == Layout::Compact { columns * 2 / 3 } else { columns };
        let there = source(update).chars().count();
        let here = match self.layout {
            Layout::Compact => 0,
            _ => pretty(local.as_bytes()).chars().count(),
        };
        if 21 + there + 4 + here < most {
            self.width = self.width.max(there);
        }
    }

    fn short(&self, id: &ObjectId) -> String {
        abbrev::abbreviate(&*self.snapshot, id, self.digits).unwrap_or_else(|_| id.to_hex())
    }

    /// Adds what became of a ref.
    pub(super) fn add(&mut self, update: &RefUpdate) {
        match &update.status {
            UpdateStatus::Shallow => return,
            UpdateStatus::UpToDate if self.talk < Talk::Verbose => return,
            UpdateStatus::Failed(failed) => self.screen.say(format_args!("error: {}", failed.reason)),
            _ => {}
        }
        if self.talk == Talk::Quiet || update.local.is_none() && !self.fetch_head {
            return;
        }
        if self.layout == Layout::Porcelain {
            return self.porcelain(update);
        }
        if !std::mem::replace(&mut self.begun, true) {
            self.screen.say(format_args!("From {}", self.url));
        }
        let (flag, what, note) = self.columns(update);
        let here =
            update.local.as_ref().map_or_else(|| "FETCH_HEAD".to_owned(), |name| pretty(name.as_bytes()));
        let (summary, width) = (self.summary, self.width);
        let names = match self.layout {
            Layout::Compact => compact(&source(update), &here, width),
            _ => format!("{:<width$} -> {here}", source(update)),
        };
        let note = note.map_or_else(String::new, |note| format!("  ({note})"));
        self.screen.say(format_args!(" {flag} {what:<summary$} {names}{note}"));
    }

    fn porcelain(&self, update: &RefUpdate) {
        let (flag, ..) = self.columns(update);
        let null = ObjectId::null(self.snapshot.format());
        let (old, new) = (update.old.unwrap_or(null), update.new.unwrap_or(null));
        match &update.local {
            Some(name) => self.screen.print(format_args!("{flag} {old} {new} {name}")),
            None => self.screen.print(format_args!("{flag} {null} {new} FETCH_HEAD")),
        }
    }

    fn columns(&self, update: &RefUpdate) -> (char, String, Option<&'static str>) {
        let range = |dots: &str| match (update.old, update.new) {
            (Some(old), Some(new)) => format!("{}{dots}{}", self.short(&old), self.short(&new)),
            _ => String::new(),
        };
        let of = |name: &str| match &update.source {
            Some(FetchSource::Ref(source)) => source.as_bytes().starts_with(name.as_bytes()),
            _ => false,
        };
        let rejected = |why| ('!', "[rejected]".to_owned(), Some(why));
        match &update.status {
            UpdateStatus::UpToDate => ('=', "[up to date]".to_owned(), None),
            UpdateStatus::Created if update.local.is_none() => {
                let kind = match () {
                    () if of("refs/tags/") => "tag",
                    () if of("refs/remotes/") => "remote-tracking branch",
                    () => "branch",
                };
                ('*', kind.to_owned(), None)
            }
            UpdateStatus::Created => {
                let kind = match () {
                    () if of("refs/tags/") => "[new tag]",
                    () if of("refs/heads/") => "[new branch]",
                    () => "[new ref]",
                };
                ('*', kind.to_owned(), None)
            }
            UpdateStatus::FastForward => (' ', range(".."), None),
            UpdateStatus::Forced if update.local.as_ref().is_some_and(|name| name.is_tag()) => {
                ('t', "[tag update]".to_owned(), None)
            }
            UpdateStatus::Forced => ('+', range("..."), Some("forced update")),
            UpdateStatus::Pruned => ('-', "[deleted]".to_owned(), None),
            UpdateStatus::NonFastForward => rejected("non-fast-forward"),
            UpdateStatus::TagClobbered => rejected("would clobber existing tag"),
            UpdateStatus::Failed(failed) => {
                let intended = RefUpdate { status: (*failed.intended).clone(), ..update.clone() };
                ('!', self.columns(&intended).1, Some("unable to update local ref"))
            }
            _ => ('?', String::new(), None),
        }
    }
}

fn source(update: &RefUpdate) -> String {
    match &update.source {
        Some(FetchSource::Ref(name)) => pretty(name.as_bytes()),
        Some(FetchSource::Id(id)) => id.to_string(),
        None => "(none)".to_owned(),
    }
}

/// Both names, the one that is part of the other as `*` there.
fn compact(there: &str, here: &str, width: usize) -> String {
    if there == here {
        return format!("{there:<width$} -> *");
    }
    match (starred(there, here), starred(here, there)) {
        (Some(there), _) => format!("{there:<width$} -> {here}"),
        (None, Some(here)) => format!("{there:<width$} -> {here}"),
        (None, None) => format!("{there:<width$} -> {here}"),
    }
}

/// `text` with `part` replaced, if that is made of whole components of it.
fn starred(text: &str, part: &str) -> Option<String> {
    let at = text.find(part)?;
    let (before, after) = (&text[..at], &text[at + part.len()..]);
    let whole = (before.is_empty() || before.ends_with('/')) && (after.is_empty() || after.starts_with('/'));
    whole.then(|| format!("{before}*{after}"))
}

/// A ref without the part that goes without saying.
pub(super) fn pretty(name: &[u8]) -> String {
    let short = [&b"refs/heads/"[..], b"refs/tags/", b"refs/remotes/"]
        .iter()
        .find_map(|prefix| name.strip_prefix(*prefix))
        .unwrap_or(name);
    String::from_utf8_lossy(short).into_owned()
}

/// Lines about symbolic refs that lead nowhere once a ref is gone.
pub(super) fn dangling(screen: &Screen, update: &RefUpdate, has: &str) {
    for name in &update.dangling {
        screen.say(format_args!("   ({name} {has} dangling)"));
    }
}

/// The width of the terminal, or what is assumed where there is none.
pub(super) fn columns(text: Option<&str>) -> usize {
    text.and_then(|text| text.parse().ok()).filter(|columns| *columns > 0).unwrap_or(80)
}

/// Whether a warning of this name is wanted.
pub(super) fn advised(repository: &Repository, name: &str) -> bool {
    repository.config().bool(format!("advice.{name}")).ok().flatten() != Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_repeat_are_stars() {
        for (there, here, expected) in [
            ("main", "origin/main", "main       -> origin/*"),
            ("main", "main", "main       -> *"),
            ("origin/x", "x", "origin/*   -> x"),
            ("main", "origin/maintenance", "main       -> origin/maintenance"),
            ("(none)", "origin/x", "(none)     -> origin/x"),
        ] {
            assert_eq!(compact(there, here, 10), expected);
        }
    }
}
