//! What a push meets on the other side, with git as the client: git's receive-pack and ours print and do the same.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
#[path = "receive/hooks.rs"]
mod hooks;
#[path = "receive/rules.rs"]
mod rules;
#[path = "receive/served.rs"]
mod served;
#[path = "receive/sides.rs"]
mod sides;
#[path = "common/web.rs"]
mod web;
