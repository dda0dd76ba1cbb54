//! The `git-core` program.
fn main() {}
