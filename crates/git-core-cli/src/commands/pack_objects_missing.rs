//! `pack-objects --missing`: blobs that are not there are left out instead of being an error. Trees and commits always
//! have to be there, as with git.

use crate::fail::Failure;
use git_core::object::{Context, ReadError};
use git_core::store::Snapshot;
use git_core::store::walk::{ObjectSet, check_promised};

/// Which blobs may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Missing {
    /// None.
    #[default]
    Refuse,
    /// Any.
    Allow,
    /// Those that a promisor remote has promised.
    AllowPromised,
}

impl Missing {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "error" => Some(Missing::Refuse),
            "allow-any" => Some(Missing::Allow),
            "allow-promisor" => Some(Missing::AllowPromised),
            _ => None,
        }
    }
}

/// Takes out what is not there, if that is allowed. `snapshot` is one that does not take everything to be there.
pub(super) fn leave_out(
    snapshot: &dyn Snapshot,
    how: Missing,
    set: &mut ObjectSet,
    cx: &Context,
) -> Result<(), Failure> {
    if how == Missing::Refuse {
        return Ok(());
    }
    let (mut failed, mut missing) = (None, Vec::new());
    set.retain(|numbers, number| {
        if numbers.position(number).is_some() {
            return true;
        }
        let id = numbers.id(number);
        match snapshot.contains(&id) {
            Ok(true) => true,
            Ok(false) => {
                missing.push(id);
                false
            }
            Err(error) => {
                failed = Some(error);
                true
            }
        }
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    match how {
        Missing::AllowPromised => check_promised(snapshot, missing, cx).map_err(|error| match error {
            ReadError::Missing { id } => Failure::fatal(format_args!("unable to read {id}")),
            error => error.into(),
        }),
        _ => Ok(()),
    }
}
