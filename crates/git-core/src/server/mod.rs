//! Serving repositories to anybody who speaks Git's protocols.
//!
//! A [`Server`] asks a [`Resolver`] which repository a request means and an [`Access`] whether the request may
//! have it, and listens for git:// and smart HTTP. [`StorageSession`] is one repository open for one peer, for
//! who carries conversations in a way of their own.

mod access;
mod archives;
mod backend;
mod certificate;
mod checks;
mod config;
mod filters;
mod fsck;
mod haves;
mod hidden;
mod listing;
mod namespace;
mod pack_hook;
mod policy;
mod proc_refs;
mod receive;
mod resolve;
mod rules;
mod running;
mod session;
mod shallow;
mod sink;
mod trees;

pub use access::{Access, PushAccess};
pub use archives::ArchivePolicy;
pub use backend::{Backing, Terms};
pub use certificate::{NonceStatus, PushedCertificate, SignedPushes};
pub use checks::ObjectChecks;
pub use config::session_options;
pub use filters::{FilterPolicy, FilterUse};
pub use git_core_transport::server::{Carrier, Credentials, Refusal, RefusalKind, Request, ServerOptions};
pub use hidden::HiddenRefs;
pub use namespace::Namespace;
pub use pack_hook::PackHook;
pub use policy::{CurrentBranch, DeleteCurrent, Permission, ReceivePolicy, ShallowPush, UnbornHead, Words};
pub use proc_refs::ProcRefs;
pub use resolve::{CreateOnPush, Folder, Resolver};
pub use running::{Running, Server};
pub use session::{SessionOptions, StorageSession};
pub use trees::WorkTree;
pub(crate) use trees::work_trees;

/// Sees every object of a push; shared between sessions.
pub type SharedObserver = std::sync::Arc<dyn git_core_store::ObjectObserver>;
