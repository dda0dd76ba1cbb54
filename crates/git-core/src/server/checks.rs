//! Object checks on what is pushed: on by default where strangers push.

use git_core_object::check::{CheckOptions, MessageId, Severity, check};
use git_core_object::{BoxError, Kind, ObjectId};
use git_core_store::ObjectObserver;

/// Refuses a push with an object that `git fsck --strict` would call an error.
///
/// `zeroPaddedFilemode`, `badTimezone` and `missingSpaceBeforeDate` pass, since honest old histories have them.
/// What only shows when other objects are read too, such as the content of `.gitmodules`, is not looked at.
#[derive(Clone, Debug)]
pub struct ObjectChecks {
    options: CheckOptions,
}

impl ObjectChecks {
    /// Checks under other options.
    pub const fn new(options: CheckOptions) -> Self {
        ObjectChecks { options }
    }
}

impl Default for ObjectChecks {
    fn default() -> Self {
        let mut options = CheckOptions::strict();
        for id in [MessageId::ZeroPaddedFilemode, MessageId::BadTimezone, MessageId::MissingSpaceBeforeDate] {
            // None of the three is fatal, so none may be kept from becoming a warning.
            let _ = options.set(id, Severity::Warn);
        }
        ObjectChecks { options }
    }
}

impl ObjectObserver for ObjectChecks {
    fn object(&self, id: &ObjectId, kind: Kind, content: Option<&[u8]>) -> Result<(), BoxError> {
        let Some(content) = content else { return Ok(()) };
        let findings = check(id.format(), kind, content, &self.options);
        match findings.iter().find(|finding| finding.severity >= Severity::Error) {
            Some(finding) => Err(finding.to_string().into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::ObjectFormat;

    #[test]
    fn what_could_harm_a_working_tree_is_refused_and_old_zones_are_not() {
        let checks = ObjectChecks::default();
        let format = ObjectFormat::Sha1;
        let id = ObjectId::empty_tree(format);
        let tree = [b"40000 .git\0".as_slice(), id.as_bytes()].concat();
        let error = checks.object(&id, Kind::Tree, Some(&tree)).unwrap_err().to_string();
        assert!(error.starts_with("hasDotgit"), "{error}");
        let old = format!("tree {id}\nauthor a <b> 1 +051800\ncommitter a <b> 1 +051800\n\nm\n");
        assert!(checks.object(&id, Kind::Commit, Some(old.as_bytes())).is_ok());
        let bad = format!("tree {id}\nauthor a <b> x +0000\ncommitter a <b> 1 +0000\n\nm\n");
        assert!(checks.object(&id, Kind::Commit, Some(bad.as_bytes())).is_err());
    }
}
