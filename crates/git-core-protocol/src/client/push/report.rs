//! The report of a push: `report-status` and `report-status-v2`.

use super::super::ClientError;
use super::Command;
use crate::error::Excerpt;
use crate::server::Updated;
use bstr::{BStr, ByteSlice as _};
use git_core_object::{ObjectFormat, ObjectId};
use git_core_ref::RefName;
use std::collections::HashMap;

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PushReport {
    /// Why the server could not take the pack, if so; nothing is updated then.
    pub unpack_error: Option<Excerpt>,
    /// What became of each command, in their order.
    pub statuses: Vec<RefStatus>,
}

impl PushReport {
    /// Whether every ref was updated.
    pub fn is_ok(&self) -> bool {
        self.unpack_error.is_none() && self.statuses.iter().all(|s| matches!(s, RefStatus::Ok { .. }))
    }
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefStatus {
    /// The ref was updated. The fields say where the server did otherwise than it was told (`report-status-v2`).
    Ok {
        /// Another ref was updated.
        name: Option<RefName>,
        /// What it was before.
        old: Option<ObjectId>,
        /// What it is now.
        new: Option<ObjectId>,
        /// The update was no fast-forward.
        forced: bool,
        /// What else was done for the same command.
        further: Vec<Updated>,
    },
    /// The server refused.
    Rejected(Excerpt),
    /// The server did not say.
    Unreported,
}

#[derive(Clone, Debug)]
pub(super) struct ReportReader {
    format: ObjectFormat,
    commands: HashMap<RefName, usize>,
    unpack: Option<Option<Excerpt>>,
    statuses: Vec<RefStatus>,
    /// The command that option lines belong to.
    current: Option<usize>,
}

impl ReportReader {
    pub(super) fn new(format: ObjectFormat, commands: &[Command]) -> Self {
        ReportReader {
            format,
            commands: commands.iter().enumerate().map(|(at, c)| (c.name.clone(), at)).collect(),
            unpack: None,
            statuses: vec![RefStatus::Unreported; commands.len()],
            current: None,
        }
    }

    pub(super) fn line(&mut self, line: &BStr) -> Result<(), ClientError> {
        let unexpected =
            || ClientError::Unexpected { expected: "a line of the push report", got: Excerpt::new(line) };
        let (word, rest) = line.split_once_str(" ").ok_or_else(unexpected)?;
        match word {
            b"unpack" if self.unpack.is_none() => {
                self.unpack = Some((rest != b"ok").then(|| Excerpt::new(rest)));
            }
            b"ok" | b"ng" if self.unpack.is_some() => {
                let (name, reason) = match word {
                    b"ok" => (rest, None),
                    _ => {
                        let (name, reason) = rest.split_once_str(" ").unwrap_or((rest, b"failed"));
                        (name, Some(reason))
                    }
                };
                self.current = self.commands.get(name).copied();
                // A ref that was not pushed: passed over, as git does.
                let Some(at) = self.current else { return Ok(()) };
                match (reason, &mut self.statuses[at]) {
                    (Some(reason), status) => *status = RefStatus::Rejected(Excerpt::new(reason)),
                    // A command may have done several things.
                    (None, RefStatus::Ok { further, .. }) => further.push(Updated::default()),
                    (None, status) => {
                        let further = Vec::new();
                        *status = RefStatus::Ok { name: None, old: None, new: None, forced: false, further };
                    }
                }
            }
            b"option" => self.option(rest).ok_or_else(unexpected)?,
            _ => return Err(unexpected()),
        }
        Ok(())
    }

    fn option(&mut self, option: &[u8]) -> Option<()> {
        let status = self.current.map(|at| &mut self.statuses[at]);
        let Some(RefStatus::Ok { name, old, new, forced, further }) = status else {
            return Some(());
        };
        let (name, old, new, forced) = match further.last_mut() {
            Some(last) => (&mut last.name, &mut last.old, &mut last.new, &mut last.forced),
            None => (name, old, new, forced),
        };
        let (key, value) = option.split_once_str(" ").unwrap_or((option, b""));
        match key {
            b"refname" => *name = Some(RefName::new(value).ok()?),
            b"old-oid" => *old = Some(ObjectId::from_hex_of(self.format, value).ok()?),
            b"new-oid" => *new = Some(ObjectId::from_hex_of(self.format, value).ok()?),
            b"forced-update" => *forced = true,
            _ => {}
        }
        Some(())
    }

    pub(super) fn is_begun(&self) -> bool {
        self.unpack.is_some()
    }

    pub(super) fn finish(self) -> PushReport {
        PushReport { unpack_error: self.unpack.flatten(), statuses: self.statuses }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_report() {
        let format = ObjectFormat::Sha1;
        let command = |name: &str| Command {
            name: RefName::new(name).unwrap(),
            old: None,
            new: Some(ObjectId::empty_tree(format)),
        };
        let mut reader =
            ReportReader::new(format, &[command("refs/heads/a"), command("refs/for/b"), command("refs/x")]);
        assert!(reader.line(b"ok refs/heads/a".as_bstr()).is_err());
        for line in [
            "unpack ok",
            "ng refs/heads/a non-fast-forward",
            "option forced-update",
            "ok refs/for/b",
            "option refname refs/pull/1",
            &format!("option new-oid {}", "b".repeat(40)),
            "option future x",
            "ok refs/for/b",
            "option refname refs/pull/2",
            "option forced-update",
            "ok refs/unknown",
        ] {
            reader.line(line.as_bytes().as_bstr()).unwrap();
        }
        assert!(reader.line(b"unpack ok".as_bstr()).is_err());
        assert!(reader.line(b"hello".as_bstr()).is_err());
        let report = reader.finish();
        assert!(!report.is_ok());
        assert_eq!(report.statuses[0], RefStatus::Rejected(Excerpt::new(b"non-fast-forward")));
        assert!(
            matches!(&report.statuses[1], RefStatus::Ok { name: Some(name), new: Some(_), forced: false, .. }
            if name.as_bytes() == b"refs/pull/1")
        );
        let second = Updated { name: RefName::new("refs/pull/2").ok(), forced: true, ..Updated::default() };
        assert!(matches!(&report.statuses[1], RefStatus::Ok { further, .. } if *further == [second]));
        assert_eq!(report.statuses[2], RefStatus::Unreported);
    }
}
