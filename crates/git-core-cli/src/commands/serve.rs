//! `serve`: serves the repositories of a folder over HTTP and git://. This command is git-core's own; its
//! defaults are stricter than those of git's servers.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use git_core::hooks::{HookNotice, HookUse};
use git_core::object::ObjectFormat;
use git_core::server::{Backing, CreateOnPush, Folder, PushAccess, Running, Server};
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "serve",
    summary: "Serve a folder of repositories over HTTP and git://",
    usage: "git-core serve [--http <addr>:<port>] [--git <addr>:<port>] [--no-http] [--no-git]
               [--create-on-push] [--object-format=<format>] [--allow-push] [--hooks] [--archives]
               [--user <name>:<password>]... <folder>

    <folder>            where the repositories are; made when it is not there
    --http, --git       where to listen; port 0 picks one
                        (127.0.0.1:8080 and 127.0.0.1:9418, or any free port when those are taken)
    --create-on-push    make a bare repository when a name is pushed to that is not there
    --allow-push        let everybody push, on every address; on loopback everybody may anyway
    --hooks             run the hooks of each repository when it is pushed to
    --archives          make archives (`git archive --remote`)
    --user              let these users push, over HTTP; may be given several times",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let (mut folder, mut create, mut allow_push) = (None, false, false);
    let (mut hooks, mut archives) = (HookUse::Ignored, false);
    let (mut http, mut git) = (Listen::default(), Listen::default());
    let mut users = BTreeMap::new();
    let mut format = ObjectFormat::default();
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("http") => http = Listen::At(address(&args.text()?)?),
            Arg::Long("git") => git = Listen::At(address(&args.text()?)?),
            Arg::Long("no-http") => http = Listen::Off,
            Arg::Long("no-git") => git = Listen::Off,
            Arg::Long("create-on-push") => create = true,
            Arg::Long("object-format") => {
                format = args.text()?.parse().map_err(|error| Failure::usage(error, usage))?;
            }
            Arg::Long("hooks") => hooks = HookUse::Run(HookNotice::default()),
            Arg::Long("archives") => archives = true,
            Arg::Long("allow-push") => allow_push = true,
            Arg::Long("user") => {
                let text = args.text()?;
                let (name, password) = text
                    .split_once(':')
                    .ok_or_else(|| Failure::usage("--user takes <name>:<password>", usage))?;
                users.insert(name.to_owned(), password.to_owned());
            }
            Arg::Value(value) if folder.is_none() => folder = Some(PathBuf::from(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let folder = folder.ok_or_else(|| Failure::usage("which folder?", usage))?;
    log_to_stderr(globals);
    std::fs::create_dir_all(&folder)
        .map_err(|error| Failure::fatal(format_args!("cannot make '{}': {error}", folder.display())))?;
    let create = if create { CreateOnPush::Bare(format) } else { CreateOnPush::Never };

    let server = |loopback: bool| {
        let access = match (users.is_empty(), allow_push || loopback) {
            (false, _) => PushAccess::Users(users.clone()),
            (true, true) => PushAccess::Everybody,
            (true, false) => PushAccess::Nobody,
        };
        let folder = Folder::new(&folder, create).with_hooks(hooks.clone());
        let backing = Backing::new(folder).with_access(access);
        Server::new(if archives { backing.with_archives() } else { backing })
    };
    let http = http.start(8080, |address| server(address.ip().is_loopback()).listen_http(address))?;
    let git = git.start(9418, |address| server(address.ip().is_loopback()).listen_git(address))?;
    let mut urls = Vec::new();
    if let Some(running) = &http {
        urls.push(format!("http://{}/", running.local_addr()));
    }
    if let Some(running) = &git {
        urls.push(format!("git://{}/", running.local_addr()));
    }
    let Some(first) = urls.first() else {
        return Err(Failure::usage("nothing to listen on", usage));
    };
    println!("Serving {}", folder.canonicalize().unwrap_or_else(|_| folder.clone()).display());
    for url in &urls {
        println!("  {url}");
    }
    let example = example(&folder);
    println!("Clone:  git clone {first}{example}");
    println!("Push:   git push {first}{example} HEAD:main");
    if matches!(create, CreateOnPush::Never) && example == "<name>" {
        println!("There is no repository in it yet; with --create-on-push the first push makes one.");
    }
    use std::io::Write as _;
    let _ = std::io::stdout().flush();
    // Until the process is ended; what is under way then is cut off, and nothing half done becomes visible.
    loop {
        std::thread::park();
    }
}

/// Where one kind of server listens.
#[derive(Clone, Copy, Default)]
enum Listen {
    /// On the usual port of loopback, or on a free one when that is taken.
    #[default]
    Usual,
    At(SocketAddr),
    Off,
}

impl Listen {
    fn start(
        self,
        usual: u16,
        listen: impl Fn(SocketAddr) -> std::io::Result<Running>,
    ) -> Result<Option<Running>, Failure> {
        let loopback = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let at = |address: SocketAddr| {
            listen(address)
                .map_err(|error| Failure::fatal(format_args!("cannot listen on {address}: {error}")))
        };
        match self {
            Listen::Off => Ok(None),
            Listen::At(address) => at(address).map(Some),
            Listen::Usual => match listen(loopback(usual)) {
                Ok(running) => Ok(Some(running)),
                Err(_) => at(loopback(0)).map(Some),
            },
        }
    }
}

fn address(text: &str) -> Result<SocketAddr, Failure> {
    let found = text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    found.ok_or_else(|| {
        Failure::fatal(format_args!("'{text}' is not an address and port such as 127.0.0.1:8080"))
    })
}

/// A repository to show in the example lines.
fn example(folder: &std::path::Path) -> String {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let path = entry.path();
            path.join("HEAD").exists() || path.join(".git").exists()
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names.into_iter().next().unwrap_or_else(|| "<name>".to_owned())
}

/// One line per request; `GIT_CORE_LOG` says how much else.
pub(super) fn log_to_stderr(globals: &Globals) {
    use std::io::IsTerminal as _;
    let filter = globals.text("GIT_CORE_LOG").unwrap_or("info").to_owned();
    let _ = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
