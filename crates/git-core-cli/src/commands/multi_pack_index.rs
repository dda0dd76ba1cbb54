//! `multi-pack-index`: writes and verifies the multi-pack index.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::reach::context;
use crate::{progress, repo};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::idx::midx::MidxError;
use git_core::repository::GraphError;
use git_core::store::fs::midx::{
    MidxFileError, WriteMidx, open_midx, verify_multi_pack_index, write_multi_pack_index,
};
use git_core::store::fs::sys::{Disk, RealDisk};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "multi-pack-index",
    summary: "Write and verify multi-pack-indexes",
    usage: "git-core multi-pack-index [<options>] write [--preferred-pack=<pack>] [--stdin-packs]
   or: git-core multi-pack-index [<options>] verify

    --[no-]object-dir <directory>
                          object directory containing set of packfile and pack-index pairs
    --[no-]progress       force progress reporting
    --[no-]preferred-pack <preferred-pack>
                          pack whose copies of objects are taken before others
    --[no-]stdin-packs    write multi-pack index containing only given indexes",
    run,
};

/// What is common to the subcommands.
#[derive(Default)]
struct Common {
    directory: Option<PathBuf>,
    progress: Option<bool>,
}

impl Common {
    /// Takes an option that every subcommand has.
    fn takes(&mut self, name: &str, args: &mut Args) -> Result<bool, Failure> {
        match name {
            "object-dir" => self.directory = Some(value(args, name)?.into()),
            "no-object-dir" => self.directory = None,
            "progress" => self.progress = Some(true),
            "no-progress" => self.progress = Some(false),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The directory of the packs.
    fn pack_dir(&self, repository: &Repository) -> Result<PathBuf, Failure> {
        match repository.object_directory(self.directory.as_deref()) {
            Ok(objects) => Ok(objects.join("pack")),
            Err(GraphError::NoDirectory(named)) => {
                let named = std::path::absolute(&named).map_or(named, |path| path.display().to_string());
                Err(Failure::fatal(format_args!("could not find object directory matching {named}")))
            }
            Err(error) => Err(Failure::fatal(chain(&error))),
        }
    }
}

fn value(args: &mut Args, name: &str) -> Result<OsString, Failure> {
    args.value().map_err(|_| Failure::plain(129, format!("error: option `{name}' requires a value")))
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk::default())
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut common = Common::default();
    let verb = loop {
        match args.next()? {
            None => return Err(Failure::usage("need a subcommand", usage)),
            Some(Arg::Long("object-dir")) => common.directory = Some(value(&mut args, "object-dir")?.into()),
            Some(Arg::Long("no-object-dir")) => common.directory = None,
            Some(Arg::Value(verb)) => break verb,
            Some(other) => return Err(Args::unknown(usage, &other)),
        }
    };
    match verb.to_str() {
        Some("write") => write(globals, &mut args, common),
        Some("verify") => verify(globals, &mut args, common),
        _ => Err(Failure::usage(format_args!("unknown subcommand: `{}'", verb.to_string_lossy()), usage)),
    }
}

fn write(globals: &Globals, args: &mut Args, mut common: Common) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    let (mut preferred, mut from_stdin) = (None, false);
    while let Some(name) = option(args)? {
        match &name[..] {
            "preferred-pack" => {
                preferred = Some(value(args, &name)?.to_string_lossy().into_owned());
            }
            "no-preferred-pack" => preferred = None,
            "stdin-packs" => from_stdin = true,
            "no-stdin-packs" => from_stdin = false,
            // Of use to a bitmap only.
            "refs-snapshot" => drop(value(args, &name)?),
            "no-refs-snapshot" | "no-bitmap" | "no-incremental" => {}
            "bitmap" => return Err(Failure::fatal("cannot write a bitmap of a multi-pack index")),
            "incremental" => return Err(Failure::fatal("cannot write an incremental multi-pack index")),
            _ if common.takes(&name, args)? => {}
            _ => return Err(unknown(args, &name)),
        }
    }
    let pack_dir = common.pack_dir(&repository)?;
    let mut wanted = WriteMidx::default();
    wanted.preferred.clone_from(&preferred);
    if from_stdin {
        let mut only = Vec::new();
        for line in lines(stdin()) {
            let line =
                line.map_err(|error| Failure::fatal(format_args!("cannot read standard input: {error}")))?;
            only.push(line.to_str_lossy().into_owned());
        }
        wanted.only = Some(only);
    }
    let damaged = |path: &Path| {
        path.exists()
            && open_midx(&pack_dir, repository.format())
                .is_ok_and(|files| files.iter().any(|(_, midx)| !midx.checksum_matches()))
    };
    if damaged(&pack_dir.join(git_core::store::fs::midx::FILE_NAME)) {
        eprintln!("warning: ignoring existing multi-pack-index; checksum mismatch");
    }
    match write_multi_pack_index(&pack_dir, repository.format(), &disk(), &wanted) {
        Ok(written) => {
            if let Some(name) = preferred.filter(|_| written.unknown_preferred) {
                eprintln!("warning: unknown preferred pack: '{name}'");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ (MidxFileError::NoPacks | MidxFileError::EmptyPreferred { .. })) => {
            Err(Failure::error(1, error))
        }
        Err(error) => Err(Failure::fatal(chain(&error))),
    }
}

fn verify(globals: &Globals, args: &mut Args, mut common: Common) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    plain_options(args, &mut common)?;
    let pack_dir = common.pack_dir(&repository)?;
    let cx = context(progress::wanted(common.progress, false));
    let mut sound = true;
    let done = verify_multi_pack_index(&pack_dir, repository.format(), &cx, &mut |finding| {
        sound = false;
        eprintln!("{finding}");
    });
    match done {
        Ok(()) => Ok(ExitCode::from(u8::from(!sound))),
        Err(MidxFileError::Midx {
            source: error @ (MidxError::TooSmall { .. } | MidxError::Format { .. } | MidxError::Table { .. }),
            ..
        }) => Err(Failure::error(
            1,
            format_args!("{error}\nerror: multi-pack-index file exists, but failed to parse"),
        )),
        Err(MidxFileError::Midx { source, .. }) => Err(Failure::fatal(source)),
        Err(error) => Err(Failure::fatal(chain(&error))),
    }
}

/// Reads the options of a subcommand that has none of its own.
fn plain_options(args: &mut Args, common: &mut Common) -> Result<(), Failure> {
    while let Some(name) = option(args)? {
        if !common.takes(&name, args)? {
            return Err(unknown(args, &name));
        }
    }
    Ok(())
}

/// The name of the next option. There are no operands, and no short options.
fn option(args: &mut Args) -> Result<Option<String>, Failure> {
    let usage = args.usage();
    match args.next()? {
        None => Ok(None),
        Some(Arg::Long(name)) => Ok(Some(name.to_owned())),
        Some(Arg::Value(_)) => Err(Failure::usage("", usage)),
        Some(other) => Err(Args::unknown(usage, &other)),
    }
}

fn unknown(args: &Args, name: &str) -> Failure {
    Args::unknown(args.usage(), &Arg::Long(name))
}
