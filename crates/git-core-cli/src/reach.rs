//! How other repositories are reached, and how a command is watched, by the environment and the configuration.

use crate::fail::Failure;
use crate::globals::Globals;
use bstr::{BString, ByteSlice as _};
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
    link.options.observer = crate::trace::packets(globals, &globals.command);
    link.server_observer = match globals.command.as_str() {
        "push" | "send-pack" => crate::trace::packets(globals, "receive-pack"),
        _ => crate::trace::packets(globals, "upload-pack"),
    };
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
    if config.bool("transfer.advertiseSID")? == Some(true) {
        link.options.session_id = Some(git_core::session_id().into());
    }
    if let Some(agent) = globals.text("GIT_HTTP_USER_AGENT") {
        link.options.user_agent = agent.to_owned();
    }
    Ok(link)
}

/// Heeds `transfer.credentialsInUrl` for a URL that is about to be used.
pub(crate) fn check_credentials(config: &Config, url: &[u8]) -> Result<(), Failure> {
    let Some(shown) = redacted(url) else { return Ok(()) };
    let Some(said) = config.text("transfer.credentialsInUrl")? else { return Ok(()) };
    let text = format!("URL '{shown}' uses plaintext credentials");
    match said.as_bytes() {
        b"allow" => Ok(()),
        b"warn" => {
            eprintln!("warning: {text}");
            Ok(())
        }
        b"die" => Err(Failure::fatal(text)),
        _ => Err(Failure::fatal(format_args!("unrecognized value transfer.credentialsInUrl: '{said}'"))),
    }
}

/// A URL with a password, without it; none if there is no password in it.
fn redacted(url: &[u8]) -> Option<BString> {
    let (scheme, rest) = url.split_once_str("://")?;
    let authority = rest.split(|byte| *byte == b'/').next()?;
    let (who, _) = authority.rsplit_once_str("@")?;
    let (user, _) = who.split_once_str(":")?;
    Some([scheme, b"://", user, b":<redacted>", &rest[who.len()..]].concat().into())
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

#[cfg(test)]
mod tests {
    use super::redacted;

    #[test]
    fn passwords_are_found_and_not_shown() {
        let shown = |url: &str| redacted(url.as_bytes()).map(|shown| shown.to_string());
        assert_eq!(shown("https://me:pw@host/p").as_deref(), Some("https://me:<redacted>@host/p"));
        assert_eq!(shown("https://me:p@w@host").as_deref(), Some("https://me:<redacted>@host"));
        for url in ["https://me@host/p", "https://host/a:b@c", "me:pw@host", "/a:b@c/d", "ssh://host:22/p"] {
            assert_eq!(shown(url), None, "{url}");
        }
    }
}
