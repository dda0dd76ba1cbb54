//! Leases: refs of the remote that only change if they are what is expected (`--force-with-lease`).

use crate::remote::{Remote, RemoteError};
use bstr::BString;
use git_core_object::ObjectId;
use git_core_ref::RefName;
use git_core_ref::refspec::{self, resolve};
use git_core_store::{Snapshot, revision};
use std::sync::Arc;

/// Which refs of the remote must be what is expected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leases {
    /// Single refs; the first that fits counts.
    pub each: Vec<Lease>,
    /// Whether all others must be what their remote-tracking refs say.
    pub all: LeaseAll,
}

/// Whether refs without a lease of their own have one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaseAll {
    /// They have none.
    #[default]
    No,
    /// They must be what their remote-tracking refs say.
    Tracking,
}

/// What one ref of the remote must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its name, in full or short.
    pub name: BString,
    /// Its value.
    pub value: LeaseValue,
}

/// What a ref of the remote must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseValue {
    /// What its remote-tracking ref says.
    Tracking,
    /// This.
    Id(ObjectId),
    /// Not there.
    Absent,
}

/// Whether what a lease takes from a remote-tracking ref must have been looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IfIncludes {
    /// It need not.
    #[default]
    No,
    /// The branch here must at some time have been built upon it (`--force-if-includes`).
    Yes,
}

/// The lease of one ref.
pub(super) struct Expectation {
    pub(super) expected: Option<ObjectId>,
    pub(super) by_tracking: bool,
}

/// What a ref of the remote is expected to be, if anything is.
pub(super) fn expected(
    remote: &Remote,
    snapshot: &Arc<dyn Snapshot>,
    leases: &Leases,
    name: &RefName,
) -> Result<Option<Expectation>, RemoteError> {
    let fits = |lease: &&Lease| resolve(&lease.name, |full| full == name).is_some();
    let value = match (leases.each.iter().find(fits), leases.all) {
        (Some(lease), _) => lease.value,
        (None, LeaseAll::Tracking) => LeaseValue::Tracking,
        (None, LeaseAll::No) => return Ok(None),
    };
    Ok(Some(match value {
        LeaseValue::Id(id) => Expectation { expected: Some(id), by_tracking: false },
        LeaseValue::Absent => Expectation { expected: None, by_tracking: false },
        LeaseValue::Tracking => {
            let tracking = refspec::tracking(&remote.fetch, name);
            let expected = match &tracking {
                Some(tracking) => revision::follow(&**snapshot, tracking)?.1,
                None => None,
            };
            Expectation { expected, by_tracking: tracking.is_some() }
        }
    }))
}
