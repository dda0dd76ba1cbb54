//! Whether objects are sound: the verdicts of git's fsck on the content of one object.
//!
//! The ids and severities are those of `fsck-msgids` in `git-fsck(1)`. Whether what an object names is there, and
//! of the right kind, is left to whoever can read other objects; so is asking for the content of
//! [special files](special_files).

mod commit;
mod message;
mod special;
mod tag;
mod tree;

pub use message::{MessageId, Severity, UnknownMessage};
pub use special::{SpecialFile, check_special, special_files};

use crate::{Kind, ObjectFormat};
use bstr::BString;
use std::collections::HashMap;

/// Something that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub id: MessageId,
    /// How bad it is, under the options it was found with.
    pub severity: Severity,
    /// The words git has for it.
    pub detail: BString,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.id, self.detail)
    }
}

/// How strict a check is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Warnings become errors, and modes such as `100664` are bad: `git fsck --strict`, and every check of what
    /// is received.
    pub strict: bool,
    overrides: HashMap<MessageId, Severity>,
    longest_name: Option<usize>,
}

/// A severity that an id must not be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot demote {id} to {severity}")]
pub struct CannotDemote {
    /// The id, which is fatal.
    pub id: MessageId,
    /// The severity it was to have.
    pub severity: Severity,
}

impl CheckOptions {
    /// What `git fsck --strict` and the receiving side use.
    pub fn strict() -> Self {
        CheckOptions { strict: true, ..Self::default() }
    }

    /// Gives an id another severity, as `fsck.<id>` and `receive.fsck.<id>` do.
    ///
    /// # Errors
    /// [`CannotDemote`] for a fatal id that would become anything but an error.
    pub fn set(&mut self, id: MessageId, severity: Severity) -> Result<(), CannotDemote> {
        if id.default_severity() == Severity::Fatal && severity < Severity::Error {
            return Err(CannotDemote { id, severity });
        }
        self.overrides.insert(id, severity);
        Ok(())
    }

    /// The longest name, in bytes, before [`MessageId::LargePathname`] is found; 4096 unless set.
    pub fn set_longest_name(&mut self, bytes: usize) {
        self.longest_name = Some(bytes);
    }

    /// How bad an id is under these options.
    pub fn severity(&self, id: MessageId) -> Severity {
        match self.overrides.get(&id) {
            Some(severity) => *severity,
            None if self.strict && id.default_severity() == Severity::Warn => Severity::Error,
            None => id.default_severity(),
        }
    }
}

/// Checks the content of an object. What is ignored under the options is left out; as in git, an error in the
/// headers of a commit or tag ends its check, so the list need not be complete.
pub fn check(format: ObjectFormat, kind: Kind, content: &[u8], options: &CheckOptions) -> Vec<Finding> {
    let mut report = Report { options, findings: Vec::new() };
    // An early end was recorded as a finding.
    let _ended: Checked = match kind {
        Kind::Commit => commit::check(format, content, &mut report),
        Kind::Tag => tag::check(format, content, &mut report),
        Kind::Tree => {
            tree::check(format, content, &mut report);
            Ok(())
        }
        Kind::Blob => Ok(()),
    };
    report.findings
}

/// Nothing more can be said of an object after this.
struct Ended;

type Checked = Result<(), Ended>;

struct Report<'o> {
    options: &'o CheckOptions,
    findings: Vec<Finding>,
}

impl Report<'_> {
    /// Records what was found. An error ends the check where the caller passes it on.
    fn found(&mut self, id: MessageId, detail: impl Into<BString>) -> Checked {
        let severity = self.options.severity(id);
        if severity == Severity::Ignore {
            return Ok(());
        }
        self.findings.push(Finding { id, severity, detail: detail.into() });
        if severity >= Severity::Error { Err(Ended) } else { Ok(()) }
    }

    /// Records what was found, and goes on whatever it was.
    fn note(&mut self, id: MessageId, detail: impl Into<BString>) {
        let _goes_on = self.found(id, detail);
    }
}
