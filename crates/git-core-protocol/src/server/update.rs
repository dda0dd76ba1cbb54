//! What a push asks for and what becomes of it: commands and their report.

use super::Mode;
use crate::certificate::SignedCertificate;
use bstr::BString;
use git_core_object::ObjectId;
use git_core_ref::RefName;

/// One line of a push: `old new name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The ref.
    pub name: RefName,
    /// What the client believes it to be; none when it is to be created.
    pub old: Option<ObjectId>,
    /// What it is to become; none when it is to be deleted.
    pub new: Option<ObjectId>,
}

/// What receive-pack wants done with the refs, once the pack is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpdateRequest {
    /// The commands, in the client's order. The same ref may occur twice; that is for the backend to refuse.
    pub commands: Vec<Command>,
    /// All of them or none.
    pub atomic: bool,
    /// The client's push options, in its order; none when it did not offer any.
    pub push_options: Option<Vec<BString>>,
    /// The client asks the server and its hooks to be quiet.
    pub quiet: bool,
    /// The commits at which the client's history ends: their parents will not come.
    pub shallow: Vec<ObjectId>,
    /// The certificate that the client has signed, from which the commands were taken.
    pub certificate: Option<SignedCertificate>,
    /// Which part of a conversation this is: where the server remembers what it said first, a certificate has to
    /// contain just that.
    pub mode: Mode,
}

/// What became of an [`UpdateRequest`]: one status for each of its commands, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdateReport {
    /// The statuses.
    pub statuses: Vec<CommandStatus>,
}

impl UpdateReport {
    /// The same refusal for every command.
    pub fn rejected(commands: usize, reason: impl Into<BString>) -> Self {
        UpdateReport { statuses: vec![CommandStatus::Rejected(reason.into()); commands] }
    }

    /// All carried out as asked.
    pub fn ok(commands: usize) -> Self {
        UpdateReport { statuses: vec![CommandStatus::Ok(Updated::default()); commands] }
    }
}

/// What became of one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandStatus {
    /// It was carried out.
    Ok(Updated),
    /// It was not, for this reason: one short line, such as `non-fast-forward`.
    Rejected(BString),
}

/// In which way the server did otherwise than the command says (`report-status-v2`); all empty for a plain `ok`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Another ref was updated.
    pub name: Option<RefName>,
    /// It was at another id before.
    pub old: Option<ObjectId>,
    /// It was set to another id.
    pub new: Option<ObjectId>,
    /// The update was not a fast-forward, and that is worth saying.
    pub forced: bool,
    /// What else was done for the same command, each reported by itself.
    pub further: Vec<Updated>,
}
