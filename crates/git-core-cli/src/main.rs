//! The `git-core` program: arguments, environment, progress bars and exit codes; everything else is in the
//! library.
#![forbid(unsafe_code)]

mod abbrev;
mod allocator;
mod args;
mod commands;
mod depths;
mod fail;
mod filters;
mod globals;
mod input;
mod names;
mod ondisk;
mod output;
mod pack_checks;
mod posix;
mod progress;
mod reach;
mod ref_fields;
mod ref_format;
mod repo;
mod revisions;
mod trace;
mod undeltified;
mod when;

use fail::Failure;
use globals::Globals;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    match run(arguments) {
        Ok(code) => code,
        Err(failure) => {
            let _ = std::io::stdout().flush();
            failure.report()
        }
    }
}

fn run(mut arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let program = arguments.first().cloned().unwrap_or_default();
    // sshd and inetd call `git-upload-pack`; a link of that name runs the command.
    let own_name = std::path::Path::new(&program).file_stem().and_then(|name| name.to_str()).unwrap_or("");
    if let Some(command) = own_name.strip_prefix("git-").filter(|command| *command != "core") {
        arguments.insert(1, command.into());
    }
    let (globals, command, rest) = Globals::parse(arguments.into_iter().skip(1))?;
    if matches!(command.as_str(), "serve" | "daemon") {
        allocator::keep_little();
    }
    globals.apply()?;
    match command.as_str() {
        "version" => {
            println!("git-core version {}", env!("CARGO_PKG_VERSION"));
            Ok(ExitCode::SUCCESS)
        }
        "help" => {
            print!("{}", commands::overview());
            Ok(ExitCode::SUCCESS)
        }
        name => match commands::find(name) {
            Some(command) => (command.run)(&globals, args::Args::new(command, rest)),
            None => Err(Failure::plain(
                1,
                format!("git-core: '{name}' is not a git-core command. See 'git-core --help'."),
            )),
        },
    }
}
