//! How other repositories are reached, and how a command is watched, by the environment and the configuration.

use crate::fail::Failure;
use crate::globals::Globals;
use git_core::object::{Context, ObjectFormat};
use git_core::protocol::ProtocolVersion;
use git_core::remote::Link;
use git_core::store::config::Config;
use git_core::transport::client::SshProgram;
use git_core::{Environment, Repository};
use std::sync::Arc;

/// The environment for a server, which serves what its arguments name and not what `GIT_DIR` does.
pub(crate) fn server_environment(globals: &Globals) -> Result<Environment, Failure> {
    let mut environment = crate::repo::environment(globals)?;
    environment.open.overrides.git_dir = None;
    environment.open.overrides.work_tree = None;
    Ok(environment)
}

/// The repository that the command works on, or one in memory that only has the user's configuration.
pub(crate) fn open_if_any(globals: &Globals) -> Result<Repository, Failure> {
    if let Some(repository) = crate::repo::open_optional(globals)? {
        return Ok(repository);
    }
    let config = outer_config(globals)?;
    Ok(Repository::in_memory(ObjectFormat::default()).with_config(config))
}

/// The configuration outside of any repository.
pub(crate) fn outer_config(globals: &Globals) -> Result<Config, Failure> {
    Ok(Config::load(&crate::repo::environment(globals)?.config, None)?)
}

/// How remotes are reached.
pub(crate) fn link(globals: &Globals) -> Result<Link, Failure> {
    let mut link = Link::default();
    link.environment = crate::repo::environment(globals)?;
    let here = open_if_any(globals)?;
    let config = here.config();
    link.options.version = match config.int("protocol.version")? {
        Some(0) => ProtocolVersion::V0,
        Some(1) => ProtocolVersion::V1,
        Some(2) | None => ProtocolVersion::V2,
        Some(other) => {
            return Err(Failure::fatal(format_args!("unknown value for config 'protocol.version': {other}")));
        }
    };
    let shell = match globals.var("GIT_SSH_COMMAND") {
        Some(command) => Some(command.to_owned()),
        None => config.text("core.sshCommand")?.map(|text| text.to_string().into()),
    };
    match (shell, globals.var("GIT_SSH")) {
        (Some(command), _) => link.options.ssh = SshProgram::Shell(command),
        (None, Some(program)) => link.options.ssh = SshProgram::Program(program.to_owned()),
        (None, None) => {}
    }
    for entry in config.get_all("http.extraHeader") {
        let line = entry.to_text()?.to_string();
        if let Some((name, value)) = line.split_once(':') {
            link.options.extra_headers.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    if let Some(bytes) = config.int("http.postBuffer")? {
        link.options.post_buffer = usize::try_from(bytes).unwrap_or(0);
    }
    if let Some(agent) = globals.text("GIT_HTTP_USER_AGENT") {
        link.options.user_agent = agent.to_owned();
    }
    Ok(link)
}

/// A context that shows what the other side says, and progress if it is wanted.
pub(crate) fn context_with_messages(show_progress: bool) -> Context {
    match show_progress {
        true => context(true),
        false => Context::new().with_progress(Arc::new(crate::progress::Terminal::of_messages())),
    }
}

/// A context that shows progress on standard error, or a silent one.
pub(crate) fn context(show_progress: bool) -> Context {
    match show_progress {
        true => Context::new().with_progress(Arc::new(crate::progress::Terminal::new())),
        false => Context::new(),
    }
}
