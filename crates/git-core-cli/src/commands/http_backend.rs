//! `http-backend`: one request of smart HTTP, by the rules of CGI.

use super::Command;
use crate::args::Args;
use crate::fail::Failure;
use crate::globals::{Globals, os_string};
use crate::reach;
use git_core::object::Context;
use git_core::protocol::Service;
use git_core::server::{Backing, PushAccess, Refusal, RefusalKind, Request, Resolver, Terms};
use git_core::store::fs::layout::Strictness;
use git_core::transport::server::{BoxFuture, CgiOptions, CgiRequest, serve_cgi};
use git_core::{Environment, Repository};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "http-backend",
    summary: "Server side implementation of Git over HTTP",
    usage: "git-core http-backend",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    if let Some(arg) = args.next()? {
        return Err(Args::unknown(usage, &arg));
    }
    let text = |name: &str| globals.text(name).map(str::to_owned);
    let bytes = |name: &str| globals.var(name).map(|value| value.as_encoded_bytes().to_vec());
    let root = globals.var("GIT_PROJECT_ROOT").filter(|root| !root.is_empty()).map(PathBuf::from);
    let mut request = CgiRequest::default();
    request.method = text("REQUEST_METHOD").unwrap_or_default();
    request.path_info = match &root {
        Some(_) => bytes("PATH_INFO").unwrap_or_default(),
        None => bytes("PATH_TRANSLATED").unwrap_or_default(),
    };
    request.query_string = text("QUERY_STRING").unwrap_or_default();
    request.content_type = text("CONTENT_TYPE");
    request.content_length = text("CONTENT_LENGTH").and_then(|length| length.parse().ok());
    request.content_encoding = text("HTTP_CONTENT_ENCODING");
    request.git_protocol = text("GIT_PROTOCOL").or_else(|| text("HTTP_GIT_PROTOCOL"));
    request.host = text("HTTP_HOST");
    request.remote_user = text("REMOTE_USER");
    let exported = Exported {
        root,
        all: globals.var("GIT_HTTP_EXPORT_ALL").is_some(),
        environment: reach::server_environment(globals)?,
    };
    let backing = Backing::new(exported).with_access(PushAccess::Everybody).with_terms(Terms::OfRepository);
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    match serve_cgi(&backing, &request, &CgiOptions::default(), input, output, &Context::new()) {
        Ok(_) => Ok(ExitCode::SUCCESS),
        // The response has told the client; the web server's log gets the rest.
        Err(error) => {
            eprintln!("{}", crate::fail::chain(&error));
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The repositories below `GIT_PROJECT_ROOT` that may be seen.
struct Exported {
    root: Option<PathBuf>,
    all: bool,
    environment: Environment,
}

impl Exported {
    fn find(&self, request: &Request) -> Result<Repository, Refusal> {
        let asked = PathBuf::from(os_string(request.path.clone()));
        if asked.components().any(|part| matches!(part, std::path::Component::ParentDir)) {
            return Err(Refusal::not_found());
        }
        let path = match &self.root {
            Some(root) => root.join(asked.strip_prefix("/").unwrap_or(&asked)),
            None => asked,
        };
        let repository = Repository::enter(&path, Strictness::Strict, &self.environment)
            .or_else(|_| Repository::enter(path.join(".git"), Strictness::Strict, &self.environment))
            .map_err(|error| {
                eprintln!("{}", crate::fail::chain(&error));
                Refusal::not_found()
            })?;
        let git_dir = repository.git_dir().unwrap_or(&path);
        if !self.all && !git_dir.join("git-daemon-export-ok").exists() {
            eprintln!("Repository not exported: '{}'", git_dir.display());
            return Err(Refusal::not_found());
        }
        let enabled = match request.service {
            Service::UploadPack => repository.config().bool("http.uploadpack").ok().flatten().unwrap_or(true),
            Service::ReceivePack => {
                repository.config().bool("http.receivepack").ok().flatten().unwrap_or(request.user.is_some())
            }
            Service::UploadArchive => {
                repository.config().bool("http.uploadarchive").ok().flatten().unwrap_or(false)
            }
        };
        if !enabled {
            let name = request.service.short_name();
            return Err(Refusal::new(RefusalKind::Forbidden, format!("Service not enabled: '{name}'")));
        }
        Ok(repository)
    }
}

impl Resolver for Exported {
    fn resolve<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Repository, Refusal>> {
        let found = self.find(request);
        Box::pin(async move { found })
    }
}
