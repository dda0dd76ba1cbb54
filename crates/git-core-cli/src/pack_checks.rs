//! Checks of what a pack holds: each object's form, the files that git acts upon, and that what objects link to
//! is there.
//!
//! Everything is gathered while the objects come in, from all threads; no object is read a second time but for
//! the few blobs that are such files.

use crate::fail::Failure;
use git_core::object::check::{self, CheckOptions, Finding, MessageId, Severity, SpecialFile};
use git_core::object::{
    BoxError, CommitRef, DecodeError, EntryKind, Kind, ObjectFormat, ObjectId, Objects, TagRef, TreeRef,
};
use git_core::pack::Observer;
use git_core::store::ObjectObserver;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Checks {
    /// The form of every object, and the content of special files.
    pub(crate) form: bool,
    /// That no link leads nowhere.
    pub(crate) links: bool,
    severities: Vec<(MessageId, Severity)>,
}

impl Checks {
    /// Takes the value of `--strict` or `--fsck-objects`: `<msg-id>=<severity>`, several with commas between.
    pub(crate) fn set_severities(&mut self, text: &str) -> Result<(), Failure> {
        for one in text.split([' ', ',', '|']).filter(|one| !one.is_empty()) {
            let Some((name, severity)) = one.split_once(['=', ':']) else {
                return Err(Failure::fatal(format_args!("Missing '=': '{}'", one.to_ascii_lowercase())));
            };
            let known = MessageId::ALL.iter().find(|id| id.name().eq_ignore_ascii_case(name));
            let id = *known.ok_or_else(|| Failure::fatal(format_args!("Unhandled message id: {name}")))?;
            let severity = Severity::from_name(&severity.to_ascii_lowercase()).ok_or_else(|| {
                Failure::fatal(format_args!("Unknown fsck message type: '{}'", severity.to_ascii_lowercase()))
            })?;
            if CheckOptions::strict().set(id, severity).is_err() {
                let name = name.to_ascii_lowercase();
                return Err(Failure::fatal(format_args!("Cannot demote {name} to {severity}")));
            }
            self.severities.push((id, severity));
        }
        Ok(())
    }

    /// Who looks at the objects while they come in.
    pub(crate) fn observer(&self, format: ObjectFormat) -> Result<Option<Arc<PackCheck>>, Failure> {
        if !self.form && !self.links {
            return Ok(None);
        }
        let mut options = CheckOptions::strict();
        for (id, severity) in &self.severities {
            options.set(*id, *severity)?;
        }
        let links = self.links.then(|| (0..SHARDS).map(|_| Mutex::default()).collect());
        let special = Mutex::default();
        let refused = AtomicBool::new(false);
        Ok(Some(Arc::new(PackCheck { format, form: self.form, options, links, special, refused })))
    }
}

/// In git's words why a pack was refused, if it was for what an object says; the details have been told.
pub(crate) fn verdict(checks: Option<&Arc<PackCheck>>, failure: Failure) -> Failure {
    match checks.is_some_and(|checks| checks.refused.load(Ordering::Relaxed)) {
        true => Failure::fatal("fsck error in packed object"),
        false => failure,
    }
}

/// Links are kept in so many sets, so that threads seldom wait for one another.
const SHARDS: usize = 64;
/// Of each set so many links are kept at hand: a tree has nearly all links of the version before it.
const RECENT: usize = 512;

#[derive(Default)]
struct Links {
    all: HashSet<ObjectId>,
    recent: Vec<Option<ObjectId>>,
}

impl Links {
    fn insert(&mut self, id: ObjectId) {
        self.recent.resize(RECENT, None);
        let [_, low, high, ..] = *id.as_bytes() else { return };
        let slot = &mut self.recent[usize::from(u16::from_le_bytes([low, high])) % RECENT];
        if *slot != Some(id) {
            *slot = Some(id);
            self.all.insert(id);
        }
    }
}

/// Checks each object that it is shown, and gathers what only all of them together can tell.
pub(crate) struct PackCheck {
    format: ObjectFormat,
    form: bool,
    options: CheckOptions,
    links: Option<Vec<Mutex<Links>>>,
    special: Mutex<HashSet<(SpecialFile, ObjectId)>>,
    refused: AtomicBool,
}

impl PackCheck {
    /// Checks what only shows when all objects are there: `received` are those of the pack, `others` those there
    /// were before. Gives the blobs of `.gitmodules` that are nowhere, which is the caller's to judge.
    pub(crate) fn finish(
        &self,
        received: &dyn Objects,
        others: &dyn Objects,
    ) -> Result<Vec<ObjectId>, Failure> {
        for shard in self.links.iter().flatten() {
            let links = std::mem::take(&mut *lock(shard)).all;
            for link in links {
                if !received.contains(&link)? && !others.contains(&link)? {
                    return Err(Failure::fatal(format_args!("did not receive expected object {link}")));
                }
            }
        }
        let mut special: Vec<_> = lock(&self.special).drain().collect();
        special.sort_by_key(|(_, id)| *id);
        let (mut content, mut missing, mut bad) = (Vec::new(), Vec::new(), None);
        for (file, id) in special {
            let here = received.read(&id, &mut content)?;
            let kind = match here {
                Some(kind) => Some(kind),
                None => others.read(&id, &mut content)?,
            };
            let findings = match kind {
                Some(Kind::Blob) => check::check_special(file, &content, &self.options),
                Some(_) => self.finding(file.not_a_blob(), "object of unexpected type"),
                None if file == SpecialFile::Modules => {
                    missing.push(id);
                    continue;
                }
                None => self.finding(file.missing(), "unable to read .gitattributes blob"),
            };
            if self.report(&id, &findings) {
                let place = if here.is_some() { "packed object" } else { "pack objects" };
                bad.get_or_insert(place);
            }
        }
        match bad {
            Some(place) => Err(Failure::fatal(format_args!("fsck error in {place}"))),
            None => Ok(missing),
        }
    }

    fn finding(&self, id: MessageId, detail: &str) -> Vec<Finding> {
        let severity = self.options.severity(id);
        let finding = Finding { id, severity, detail: detail.into() };
        if severity == Severity::Ignore { Vec::new() } else { vec![finding] }
    }

    /// Tells what was found; whether the object is to be refused.
    fn report(&self, id: &ObjectId, findings: &[Finding]) -> bool {
        for finding in findings {
            let word = if finding.severity.is_error() { "error" } else { "warning" };
            eprintln!("{word}: object {id}: {finding}");
        }
        findings.iter().any(|finding| finding.severity.is_error())
    }

    fn check(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), BoxError> {
        if kind == Kind::Blob {
            return Ok(());
        }
        if self.form {
            let findings = check::check(self.format, kind, content, &self.options);
            if self.report(id, &findings) {
                self.refused.store(true, Ordering::Relaxed);
                return Err("fsck error in packed object".into());
            }
            if kind == Kind::Tree {
                let special = check::special_files(self.format, content);
                if !special.is_empty() {
                    lock(&self.special).extend(special);
                }
            }
        }
        if let Some(shards) = &self.links {
            each_link(self.format, kind, content, &mut |link| {
                let shard = usize::from(link.as_bytes()[0]) % SHARDS;
                lock(&shards[shard]).insert(link);
            })?;
        }
        Ok(())
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for PackCheck {
    fn object(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), BoxError> {
        self.check(id, kind, content)
    }
}

impl ObjectObserver for PackCheck {
    fn object(&self, id: &ObjectId, kind: Kind, content: Option<&[u8]>) -> Result<(), BoxError> {
        content.map_or(Ok(()), |content| self.check(id, kind, content))
    }
}

fn each_link(
    format: ObjectFormat,
    kind: Kind,
    content: &[u8],
    each: &mut dyn FnMut(ObjectId),
) -> Result<(), DecodeError> {
    match kind {
        Kind::Blob => {}
        Kind::Tree => {
            for entry in TreeRef::new(format, content).iter() {
                let entry = entry?;
                if entry.mode.kind() != EntryKind::Commit {
                    each(entry.id);
                }
            }
        }
        Kind::Commit => {
            let commit = CommitRef::parse(format, content)?;
            each(commit.tree());
            commit.parents().iter().copied().for_each(each);
        }
        Kind::Tag => each(TagRef::parse(format, content)?.target()),
    }
    Ok(())
}
