//! `upload-pack`, `receive-pack` and `upload-archive`: the server's side of one conversation, over standard input and output.

use super::Command;
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::reach;
use git_core::Repository;
use git_core::object::Context;
use git_core::protocol::server::Mode;
use git_core::protocol::{ProtocolVersion, Service};
use git_core::server::{StorageSession, session_options};
use git_core::store::fs::layout::Strictness;
use git_core::transport::server::{ServeError, StdioOptions, TracedRead, TracedWrite, serve_stdio};
use std::path::PathBuf;
use std::process::ExitCode;

pub(crate) const UPLOAD_PACK: Command = Command {
    name: "upload-pack",
    summary: "Send objects to git-fetch-pack",
    usage: "git-core upload-pack [--[no-]strict] [--timeout=<n>] [--stateless-rpc]
                 [--advertise-refs] <directory>",
    run: |globals, args| run(globals, args, Service::UploadPack),
};

pub(crate) const RECEIVE_PACK: Command = Command {
    name: "receive-pack",
    summary: "Receive what is pushed into the repository",
    usage: "git-core receive-pack <git-dir>",
    run: |globals, args| run(globals, args, Service::ReceivePack),
};

pub(crate) const UPLOAD_ARCHIVE: Command = Command {
    name: "upload-archive",
    summary: "Send an archive back to git-archive",
    usage: "git-core upload-archive <repository>",
    run: |globals, args| run(globals, args, Service::UploadArchive),
};

fn run(globals: &Globals, mut args: Args, service: Service) -> Result<ExitCode, Failure> {
    let (mut strictness, mut mode, mut path) = (Strictness::Lenient, Mode::Stateful, None);
    let usage = args.usage();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("strict") => strictness = Strictness::Strict,
            Arg::Long("no-strict") => strictness = Strictness::Lenient,
            Arg::Long("stateless-rpc") => mode = Mode::StatelessRpc,
            Arg::Long("advertise-refs" | "http-backend-info-refs") => mode = Mode::Advertise,
            Arg::Long("timeout") => drop(args.number()?),
            Arg::Long("skip-connectivity-check") if service == Service::ReceivePack => {}
            Arg::Short('q') | Arg::Long("quiet") if service == Service::ReceivePack => {}
            Arg::Value(value) if path.is_none() => path = Some(PathBuf::from(value)),
            Arg::Value(_) => return Err(Failure::usage("too many arguments", usage)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let path = path.ok_or_else(|| Failure::usage("", usage))?;
    let opened = Repository::enter(&path, strictness, &reach::server_environment(globals)?);
    let repository = match opened {
        Ok(repository) => repository,
        Err(error) if service == Service::UploadArchive => return super::upload_archive::refuse(&error),
        Err(error) => return Err(error.into()),
    };
    let mut options = session_options(&repository)?;
    if let Some(signed) = &mut options.signed {
        signed.place = bytes(path.as_os_str()).into();
    }
    let keep_alive = match service {
        Service::UploadPack => options.upload_keep_alive,
        Service::ReceivePack => options.receive_keep_alive,
        Service::UploadArchive => std::time::Duration::from_secs(5),
    };
    let mut session = StorageSession::new(repository.storage().clone(), options)?;
    let mut stdio = StdioOptions::default();
    stdio.mode = mode;
    stdio.keep_alive = keep_alive;
    stdio.version = ProtocolVersion::from_request(globals.text("GIT_PROTOCOL").unwrap_or("").as_bytes());
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    let cx = Context::new();
    let served = match crate::trace::packets(globals, service.name().trim_start_matches("git-")) {
        None => serve_stdio(&mut session, service, &stdio, input, output, &cx),
        Some(observer) => {
            let input = TracedRead::new(input, observer.clone());
            serve_stdio(&mut session, service, &stdio, input, TracedWrite::new(output, observer), &cx)
        }
    };
    match served {
        Ok(served) => {
            if service == Service::ReceivePack && served.received > 4 && mode != Mode::Advertise {
                super::gc::after_receiving(&repository)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        // The report has said it.
        Err(ServeError::Refused(_)) if service == Service::ReceivePack && mode != Mode::Advertise => {
            Ok(ExitCode::SUCCESS)
        }
        // So has the side band.
        Err(ServeError::Refused(_)) if service == Service::UploadArchive => {
            Err(Failure::fatal("sent error to the client: git upload-archive: archiver died with error"))
        }
        Err(ServeError::Refused(refusal)) => Err(Failure::fatal(refusal.message())),
        Err(error) => Err(error.into()),
    }
}
