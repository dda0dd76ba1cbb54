//! A Git engine: repositories, remotes and an embeddable server.
//!
//! [`Repository`] is a repository on a disk, in memory, or wherever a storage keeps it; [`server`] serves
//! repositories to anybody who speaks Git's protocols. The crates below are here under short names, for
//! whoever needs more than the facade offers.
#![forbid(unsafe_code)]

/// The README's examples, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

pub mod abbrev;
pub mod archive;
pub mod attributes;
pub mod bundle;
pub mod convert;
pub mod counts;
pub mod hooks;
pub mod mailmap;
pub mod pretty;
pub mod remote;
pub mod repository;
pub mod send;
pub mod server;
mod session_id;
pub mod signing;

pub use repository::{Environment, InitOptions, Repository};

pub use session_id::session_id;

pub use git_core_config as config;
pub use git_core_diff as diff;
pub use git_core_idx as idx;
pub use git_core_object as object;
pub use git_core_pack as pack;
pub use git_core_protocol as protocol;
pub use git_core_ref as refs;
pub use git_core_store as store;
pub use git_core_transport as transport;
pub use git_core_worktree as worktree;
