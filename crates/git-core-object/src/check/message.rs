//! The ids of what can be wrong with an object, and how bad each is unless configured otherwise.

use std::fmt;
use std::str::FromStr;

/// How bad something is; greater is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Not reported at all.
    Ignore,
    /// Reported; never becomes an error by being strict.
    Info,
    /// Reported; an error for strict checks.
    Warn,
    /// The object is refused.
    Error,
    /// The object is refused, whatever is configured.
    Fatal,
}

impl Severity {
    /// The word that configuration uses. Fatal ones are errors there.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Ignore => "ignore",
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Error | Severity::Fatal => "error",
        }
    }

    /// Reads the words that `fsck.<id>` takes: `error`, `warn`, `ignore`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "error" => Some(Severity::Error),
            "warn" => Some(Severity::Warn),
            "ignore" => Some(Severity::Ignore),
            _ => None,
        }
    }

    /// Whether the object is to be refused.
    pub const fn is_error(self) -> bool {
        matches!(self, Severity::Error | Severity::Fatal)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is none of git's message ids.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Unhandled message id: {0}")]
pub struct UnknownMessage(pub String);

macro_rules! messages {
    ($($variant:ident $name:literal $severity:ident $doc:literal,)*) => {
        /// What can be wrong with an object, under git's own ids.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum MessageId {
            $(#[doc = $doc] $variant,)*
        }

        impl MessageId {
            /// Every id.
            pub const ALL: &'static [MessageId] = &[$(MessageId::$variant,)*];

            /// The id as git writes it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(MessageId::$variant => $name,)*
                }
            }

            /// How bad it is unless configured otherwise.
            pub const fn default_severity(self) -> Severity {
                match self {
                    $(MessageId::$variant => Severity::$severity,)*
                }
            }
        }
    };
}

messages! {
    NulInHeader "nulInHeader" Fatal "A NUL stands in the headers.",
    UnterminatedHeader "unterminatedHeader" Fatal "The last header has no newline.",
    BadDate "badDate" Error "The date of an identity is no number.",
    BadDateOverflow "badDateOverflow" Error "The date of an identity is too large.",
    BadEmail "badEmail" Error "The email of an identity is not closed.",
    BadGpgsig "badGpgsig" Error "The signature header of a tag is cut short.",
    BadHeaderContinuation "badHeaderContinuation" Error "A continuation line is cut short.",
    BadName "badName" Error "The name of an identity has a `>`.",
    BadObjectSha1 "badObjectSha1" Error "The `object` of a tag is no id.",
    BadParentSha1 "badParentSha1" Error "A `parent` of a commit is no id.",
    BadTimezone "badTimezone" Error "The zone of an identity is not a sign and four digits.",
    BadTree "badTree" Error "A tree cannot be read.",
    BadTreeSha1 "badTreeSha1" Error "The `tree` of a commit is no id.",
    BadType "badType" Error "The `type` of a tag is unknown.",
    DuplicateEntries "duplicateEntries" Error "A tree has a name twice.",
    GitattributesBlob "gitattributesBlob" Error "What `.gitattributes` names is no blob.",
    GitattributesLarge "gitattributesLarge" Error "`.gitattributes` is too large.",
    GitattributesLineLength "gitattributesLineLength" Error "`.gitattributes` has a line that is too long.",
    GitattributesMissing "gitattributesMissing" Error "The blob of `.gitattributes` is not there.",
    GitmodulesBlob "gitmodulesBlob" Error "What `.gitmodules` names is no blob.",
    GitmodulesLarge "gitmodulesLarge" Error "`.gitmodules` is too large.",
    GitmodulesMissing "gitmodulesMissing" Error "The blob of `.gitmodules` is not there.",
    GitmodulesName "gitmodulesName" Error "The name of a submodule leads elsewhere.",
    GitmodulesPath "gitmodulesPath" Error "The path of a submodule looks like an option.",
    GitmodulesSymlink "gitmodulesSymlink" Error "`.gitmodules` is a symbolic link.",
    GitmodulesUpdate "gitmodulesUpdate" Error "The update setting of a submodule is a command.",
    GitmodulesUrl "gitmodulesUrl" Error "The URL of a submodule could be abused.",
    MissingAuthor "missingAuthor" Error "A commit has no `author`.",
    MissingCommitter "missingCommitter" Error "A commit has no `committer`.",
    MissingEmail "missingEmail" Error "An identity has no email.",
    MissingNameBeforeEmail "missingNameBeforeEmail" Error "An identity begins with its email.",
    MissingObject "missingObject" Error "A tag has no `object`.",
    MissingSpaceBeforeDate "missingSpaceBeforeDate" Error "No space stands before the date of an identity.",
    MissingSpaceBeforeEmail "missingSpaceBeforeEmail" Error "No space stands before the email of an identity.",
    MissingTag "missingTag" Error "A tag ends within its `tag` line.",
    MissingTagEntry "missingTagEntry" Error "A tag has no `tag` line.",
    MissingTree "missingTree" Error "A commit has no `tree`.",
    MissingType "missingType" Error "A tag ends within its `type` line.",
    MissingTypeEntry "missingTypeEntry" Error "A tag has no `type` line.",
    MultipleAuthors "multipleAuthors" Error "A commit has several `author` lines.",
    TreeNotSorted "treeNotSorted" Error "The entries of a tree are not in order.",
    UnknownType "unknownType" Error "An object is of no known kind.",
    ZeroPaddedDate "zeroPaddedDate" Error "The date of an identity begins with a zero.",
    EmptyName "emptyName" Warn "A tree has an entry without a name.",
    FullPathname "fullPathname" Warn "A name in a tree has a `/`.",
    HasDot "hasDot" Warn "A tree has an entry `.`.",
    HasDotdot "hasDotdot" Warn "A tree has an entry `..`.",
    HasDotgit "hasDotgit" Warn "A tree has an entry that some system takes for `.git`.",
    LargePathname "largePathname" Warn "A name in a tree is very long.",
    NulInCommit "nulInCommit" Warn "A NUL stands in the message of a commit.",
    NullSha1 "nullSha1" Warn "An entry of a tree has the null id.",
    ZeroPaddedFilemode "zeroPaddedFilemode" Warn "A mode in a tree begins with a zero.",
    BadFilemode "badFilemode" Info "A mode in a tree is none that git writes.",
    BadTagName "badTagName" Info "The name of a tag could not be that of a ref.",
    GitattributesSymlink "gitattributesSymlink" Info "`.gitattributes` is a symbolic link.",
    GitignoreSymlink "gitignoreSymlink" Info "`.gitignore` is a symbolic link.",
    GitmodulesParse "gitmodulesParse" Info "`.gitmodules` is no configuration file.",
    MailmapSymlink "mailmapSymlink" Info "`.mailmap` is a symbolic link.",
    MissingTaggerEntry "missingTaggerEntry" Info "A tag has no `tagger`, as historic ones.",
    ExtraHeaderEntry "extraHeaderEntry" Ignore "A tag has headers behind its `tagger`.",
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads an id in any case, as configuration spells them.
impl FromStr for MessageId {
    type Err = UnknownMessage;

    fn from_str(name: &str) -> Result<Self, UnknownMessage> {
        let found = MessageId::ALL.iter().find(|id| id.name().eq_ignore_ascii_case(name));
        found.copied().ok_or_else(|| UnknownMessage(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_in_any_case() {
        for id in MessageId::ALL {
            assert_eq!(id.name().to_uppercase().parse(), Ok(*id));
        }
        assert!("nope".parse::<MessageId>().is_err());
    }
}
