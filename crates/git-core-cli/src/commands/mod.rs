//! The table of commands; each one is a file here.

mod clone;
mod fetch;
mod push;
mod daemon;
mod http_backend;
mod init;
mod ls_remote;
mod serve;
mod upload_pack;

use crate::args::Args;
use crate::fail::Failure;
use crate::globals::Globals;
use std::fmt::Write as _;
use std::process::ExitCode;

/// A command: what it is called, what it says of itself, what it does.
pub(crate) struct Command {
    /// Its name, without `git-`.
    pub(crate) name: &'static str,
    /// What it does, in one line.
    pub(crate) summary: &'static str,
    /// Its arguments, as shown behind `usage: `.
    pub(crate) usage: &'static str,
    /// Runs it.
    pub(crate) run: fn(&Globals, Args) -> Result<ExitCode, Failure>,
}

/// All commands, in the order of [`overview`].
static COMMANDS: &[Command] = &[
    clone::COMMAND,
    fetch::COMMAND,
    push::COMMAND,
    daemon::COMMAND,
    http_backend::COMMAND,
    init::COMMAND,
    ls_remote::COMMAND,
    serve::COMMAND,
    upload_pack::UPLOAD_PACK,
    upload_pack::RECEIVE_PACK,
];

/// The command of this name.
pub(crate) fn find(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.name == name)
}

/// A list of all commands.
pub(crate) fn overview() -> String {
    let width = COMMANDS.iter().map(|command| command.name.len()).max().unwrap_or(0);
    let mut text = "usage: git-core [<options>] <command> [<args>]\n\nCommands:\n".to_owned();
    for command in COMMANDS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "   {:width$}   {}", command.name, command.summary);
    }
    text
}
