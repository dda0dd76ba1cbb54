//! `daemon`: git's simple server for git://, with its options and refusals.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::{Globals, os_string};
use crate::reach;
use git_core::protocol::Service;
use git_core::server::{
    Backing, PushAccess, Refusal, RefusalKind, Request, Resolver, Server, ServerOptions, Terms,
};
use git_core::store::fs::layout::Strictness;
use git_core::transport::server::BoxFuture;
use git_core::{Environment, Repository};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub(crate) const COMMAND: Command = Command {
    name: "daemon",
    summary: "A really simple server for Git repositories",
    usage: "git-core daemon [--verbose] [--export-all] [--timeout=<n>] [--init-timeout=<n>]
                [--max-connections=<n>] [--strict-paths] [--base-path=<path>] [--base-path-relaxed]
                [--reuseaddr] [--listen=<host_or_ipaddr>] [--port=<n>]
                [--enable=<service>] [--disable=<service>] [--informative-errors]
                [--pid-file=<file>] [<directory>...]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let mut export = Export {
        base: None,
        relaxed: false,
        all: false,
        strictness: Strictness::Lenient,
        directories: Vec::new(),
        upload: Offer { enabled: true, may_override: true },
        receive: Offer { enabled: false, may_override: false },
        archive: Offer { enabled: false, may_override: true },
        informative: false,
        environment: reach::server_environment(globals)?,
    };
    let mut options = ServerOptions::default();
    // git's daemon waits forever unless told otherwise.
    options.init_timeout = Duration::from_secs(u64::from(u32::MAX));
    options.idle_timeout = options.init_timeout;
    options.max_connections = 32;
    options.max_connections_per_address = usize::MAX;
    let (mut listen, mut port, mut verbose, mut pid_file) = (None, 9418u16, false, None);
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("verbose") => verbose = true,
            Arg::Long("export-all") => export.all = true,
            Arg::Long("strict-paths") => export.strictness = Strictness::Strict,
            Arg::Long("base-path") => export.base = Some(PathBuf::from(args.value()?)),
            Arg::Long("base-path-relaxed") => export.relaxed = true,
            Arg::Long("informative-errors") => export.informative = true,
            Arg::Long("no-informative-errors") => export.informative = false,
            Arg::Long("listen") => listen = Some(args.text()?),
            Arg::Long("port") => {
                port = u16::try_from(args.number()?).map_err(|_| Failure::usage("invalid port", usage))?;
            }
            Arg::Long("timeout") => options.idle_timeout = seconds(args.number()?, options.idle_timeout),
            Arg::Long("init-timeout") => options.init_timeout = seconds(args.number()?, options.init_timeout),
            Arg::Long("max-connections") => {
                let most = usize::try_from(args.number()?).unwrap_or(usize::MAX);
                options.max_connections = if most == 0 { usize::MAX } else { most };
            }
            Arg::Long(option @ ("enable" | "disable" | "allow-override" | "forbid-override")) => {
                let option = option.to_owned();
                let service = export.service(&args.text()?)?;
                match option.as_str() {
                    "enable" => service.enabled = true,
                    "disable" => service.enabled = false,
                    "allow-override" => service.may_override = true,
                    _ => service.may_override = false,
                }
            }
            Arg::Long("pid-file") => pid_file = Some(PathBuf::from(args.value()?)),
            Arg::Long("reuseaddr" | "syslog" | "log-destination") => drop(args.optional_value()),
            Arg::Value(value) => export.directories.push(PathBuf::from(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if export.strictness == Strictness::Strict && export.directories.is_empty() {
        return Err(Failure::fatal("option --strict-paths requires a whitelist"));
    }
    if let Some(base) = &export.base
        && !base.is_dir()
    {
        return Err(Failure::fatal(format_args!(
            "base-path '{}' does not exist or is not a directory",
            base.display()
        )));
    }
    if verbose {
        super::serve::log_to_stderr(globals);
    }
    let address = address(listen.as_deref(), port)?;
    let backing = Backing::new(export).with_access(PushAccess::Everybody).with_terms(Terms::OfRepository);
    let running = Server::new(backing).with_options(options).listen_git(address).map_err(|error| {
        Failure::fatal(format_args!("unable to allocate any listen sockets on port {port}: {error}"))
    })?;
    if let Some(path) = pid_file {
        std::fs::write(&path, format!("{}\n", std::process::id()))
            .map_err(|error| Failure::fatal(format_args!("failed to write {}: {error}", path.display())))?;
    }
    if verbose {
        eprintln!("[{}] Ready to rumble", std::process::id());
    }
    tracing::debug!(address = %running.local_addr(), "listening");
    loop {
        std::thread::park();
    }
}

fn seconds(given: u64, otherwise: Duration) -> Duration {
    if given == 0 { otherwise } else { Duration::from_secs(given) }
}

fn address(listen: Option<&str>, port: u16) -> Result<SocketAddr, Failure> {
    let Some(host) = listen else { return Ok(SocketAddr::from(([0, 0, 0, 0], port))) };
    let found = (host, port).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| Failure::fatal(format_args!("unable to look up {host} (port {port})")))
}

/// Whether a service is offered.
#[derive(Clone, Copy)]
struct Offer {
    enabled: bool,
    /// Whether the configuration of a repository decides for itself.
    may_override: bool,
}

/// Which repositories are served, by git's rules.
struct Export {
    base: Option<PathBuf>,
    relaxed: bool,
    all: bool,
    strictness: Strictness,
    directories: Vec<PathBuf>,
    upload: Offer,
    receive: Offer,
    archive: Offer,
    informative: bool,
    environment: Environment,
}

impl Export {
    /// The service of this name.
    fn service(&mut self, name: &str) -> Result<&mut Offer, Failure> {
        match name {
            "upload-pack" => Ok(&mut self.upload),
            "receive-pack" => Ok(&mut self.receive),
            "upload-archive" => Ok(&mut self.archive),
            other => Err(Failure::fatal(format_args!("No such service {other}"))),
        }
    }

    fn find(&self, request: &Request) -> Result<Repository, Refusal> {
        let shown = String::from_utf8_lossy(&request.path).into_owned();
        let refuse = |kind, why: &str| {
            let text = if self.informative { why } else { "access denied or repository not exported" };
            Refusal::new(kind, format!("{text}: {shown}"))
        };
        let not_found = || refuse(RefusalKind::NotFound, "no such repository");
        let (service, key) = match request.service {
            Service::UploadPack => (&self.upload, "daemon.uploadpack"),
            Service::ReceivePack => (&self.receive, "daemon.receivepack"),
            Service::UploadArchive => (&self.archive, "daemon.uploadarch"),
        };
        let path = PathBuf::from(os_string(request.path.clone()));
        let inner_parts = path.components().any(|part| matches!(part, std::path::Component::ParentDir));
        if !path.is_absolute() || inner_parts || request.path.contains(&0) {
            return Err(not_found());
        }
        let relative = path.strip_prefix("/").unwrap_or(&path);
        let mut candidates =
            vec![self.base.as_ref().map_or_else(|| path.clone(), |base| base.join(relative))];
        if self.relaxed && self.base.is_some() {
            candidates.push(path.clone());
        }
        for candidate in candidates {
            let Ok(repository) = Repository::enter(&candidate, self.strictness, &self.environment) else {
                continue;
            };
            let git_dir = repository.git_dir().unwrap_or(&candidate);
            if !self.is_listed(&candidate, git_dir) {
                return Err(not_found());
            }
            if !self.all && !git_dir.join("git-daemon-export-ok").exists() {
                return Err(refuse(RefusalKind::Forbidden, "repository not exported"));
            }
            let own = repository.config().bool(key).ok().flatten().filter(|_| service.may_override);
            if !own.unwrap_or(service.enabled) {
                return Err(refuse(RefusalKind::Forbidden, "service not enabled"));
            }
            return Ok(repository);
        }
        Err(not_found())
    }

    /// Whether a path lies below one of the directories on the command line, if there are any.
    fn is_listed(&self, asked: &Path, git_dir: &Path) -> bool {
        self.directories.is_empty()
            || self.directories.iter().any(|directory| match self.strictness {
                Strictness::Strict => asked == directory,
                Strictness::Lenient => git_dir.starts_with(directory) || asked.starts_with(directory),
            })
    }
}

impl Resolver for Export {
    fn resolve<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Repository, Refusal>> {
        let found = self.find(request);
        Box::pin(async move { found })
    }
}
