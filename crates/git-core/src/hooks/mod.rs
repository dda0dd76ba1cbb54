//! Hooks: what a repository wants to be asked and told about, as traits and as its executables.
//!
//! [`PushHooks`] is what a push asks; [`RefsHook`](git_core_store::fs::refs::RefsHook) sees every transaction of
//! refs. [`HookPrograms`] is both, by way of the executables in the repository's directory of hooks
//! (`githooks(5)`).

mod proc_receive;
mod program;
mod programs;
mod push;

pub use proc_receive::Processed;
pub use program::{HookNotice, HookUse};
pub use programs::HookPrograms;
pub(crate) use programs::os_string;
pub use push::{Declined, HookedPush, PushHook, PushHooks, Timing};
