//! Object checks on what is pushed as git configures and words them: `receive.fsckObjects`, `receive.fsck.<msg-id>`.

use crate::Repository;
use git_core_object::check::{
    CheckOptions, Finding, MessageId, Severity, SpecialFile, check, check_special, special_files,
};
use git_core_object::{BoxError, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_store::ObjectObserver;
use git_core_store::config::ConfigError;
use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Sees the objects of one push, and keeps what is to be said of them.
#[derive(Debug)]
pub(super) struct FsckChecks {
    format: ObjectFormat,
    options: CheckOptions,
    skipped: HashSet<ObjectId>,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Vec<u8>,
    special: BTreeSet<(ObjectId, bool)>,
    refused: bool,
}

/// What a repository's configuration wants checked: nothing, something, or it makes no sense.
pub(super) enum Wanted {
    Nothing,
    Checks(Box<FsckChecks>),
    /// In git's words.
    Senseless(String),
}

impl FsckChecks {
    /// The checks that the configuration asks for, if it asks for some.
    pub(super) fn configured(repository: &Repository) -> Result<Wanted, ConfigError> {
        let config = repository.config();
        let on = match config.bool("receive.fsckObjects")? {
            Some(on) => on,
            None => config.bool("transfer.fsckObjects")?.unwrap_or(false),
        };
        if !on {
            return Ok(Wanted::Nothing);
        }
        let (mut options, mut skipped) = (CheckOptions::strict(), HashSet::new());
        for entry in config.entries() {
            let key = String::from_utf8_lossy(entry.key()).into_owned();
            let Some(name) = key.strip_prefix("receive.fsck.") else { continue };
            if name.eq_ignore_ascii_case("skiplist") {
                let path = entry.to_path(None)?;
                match std::fs::read(&path) {
                    Ok(content) => skipped.extend(ids(repository.format(), &content)),
                    Err(_) => {
                        return Ok(Wanted::Senseless(format!(
                            "could not open object name list: {}",
                            path.display()
                        )));
                    }
                }
                continue;
            }
            let Some(id) = MessageId::ALL.iter().find(|id| id.name().eq_ignore_ascii_case(name)) else {
                tracing::warn!("Skipping unknown msg id '{name}'");
                continue;
            };
            let text = entry.to_text()?.to_string().to_ascii_lowercase();
            let Some(severity) = Severity::from_name(&text) else {
                return Ok(Wanted::Senseless(format!("Unknown fsck message type: '{text}'")));
            };
            if options.set(*id, severity).is_err() {
                let name = name.to_ascii_lowercase();
                return Ok(Wanted::Senseless(format!("Cannot demote {name} to {text}")));
            }
        }
        let format = repository.format();
        Ok(Wanted::Checks(Box::new(FsckChecks { format, options, skipped, seen: Mutex::default() })))
    }

    /// What there is to say, once.
    pub(super) fn take_lines(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().lines)
    }

    /// Whether an object was refused.
    pub(super) fn has_refused(&self) -> bool {
        self.lock().refused
    }

    /// Checks the files that git acts upon, now that all objects can be read; whether they may pass.
    pub(super) fn finish(&self, view: &dyn Objects) -> Result<bool, ReadError> {
        let special = std::mem::take(&mut self.lock().special);
        let (mut content, mut pass) = (Vec::new(), true);
        for (id, is_modules) in special {
            let file = if is_modules { SpecialFile::Modules } else { SpecialFile::Attributes };
            if self.skipped.contains(&id) {
                continue;
            }
            let findings = match view.read(&id, &mut content)? {
                Some(Kind::Blob) => check_special(file, &content, &self.options),
                Some(_) => self.finding(file.not_a_blob(), "non-blob found at special file"),
                None => self.finding(file.missing(), "unable to read special file"),
            };
            pass &= self.pass(&id, &findings);
        }
        Ok(pass)
    }

    fn finding(&self, id: MessageId, detail: &str) -> Vec<Finding> {
        let severity = self.options.severity(id);
        let finding = Finding { id, severity, detail: detail.into() };
        if severity == Severity::Ignore { Vec::new() } else { vec![finding] }
    }

    /// Notes what was found; whether the object may pass.
    fn pass(&self, id: &ObjectId, findings: &[Finding]) -> bool {
        let mut pass = true;
        for finding in findings {
            let is_error = finding.severity.is_error();
            pass &= !is_error;
            let word = if is_error { "error" } else { "warning" };
            let line = format!("{word}: object {id}: {finding}\n");
            self.lock().lines.extend_from_slice(line.as_bytes());
        }
        pass
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectObserver for FsckChecks {
    fn object(&self, id: &ObjectId, kind: Kind, content: Option<&[u8]>) -> Result<(), BoxError> {
        let Some(content) = content.filter(|_| kind != Kind::Blob && !self.skipped.contains(id)) else {
            return Ok(());
        };
        if !self.pass(id, &check(self.format, kind, content, &self.options)) {
            self.lock().refused = true;
            return Err("fsck error in packed object".into());
        }
        if kind == Kind::Tree {
            let special = special_files(self.format, content);
            if !special.is_empty() {
                let special = special.into_iter().map(|(file, id)| (id, file == SpecialFile::Modules));
                self.lock().special.extend(special);
            }
        }
        Ok(())
    }
}

/// The ids of a list with one on each line; comments begin with `#`.
fn ids(format: ObjectFormat, content: &[u8]) -> Vec<ObjectId> {
    let lines = content.split(|byte| *byte == b'\n');
    let text = lines.map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii());
    text.filter_map(|hex| ObjectId::from_hex_of(format, hex).ok()).collect()
}
