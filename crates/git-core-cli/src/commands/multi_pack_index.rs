//! `multi-pack-index`: writes and verifies the multi-pack index, packs small packs together and removes useless ones.

use super::Command;
use super::pack_objects_islands as islands;
use super::pack_objects_options::delta_search;
use crate::args::{Arg, Args, parse_number};
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::reach::context;
use crate::{progress, repo};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::idx::midx::MidxError;
use git_core::object::{ObjectFormat, ObjectId};
use git_core::pack::DeltaForm;
use git_core::repository::GraphError;
use git_core::store::Snapshot;
use git_core::store::fs::midx::{
    FILE_NAME, MidxBitmap, MidxFileError, WriteMidx, open_midx, verify_multi_pack_index,
    write_multi_pack_bitmap, write_multi_pack_index, write_multi_pack_layer,
};
use git_core::store::fs::sys::{Disk, RealDisk};
use git_core::store::fs::{bitmap_options, bitmap_tips};
use git_core::store::maintenance::{BatchOptions, KeptObjects, MaintenanceError, expire_packs, repack_batch};
use git_core::store::walk::{BitmapOptions, BitmapWriteError};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "multi-pack-index",
    summary: "Write and verify multi-pack-indexes",
    usage: "git-core multi-pack-index [<options>] write [--preferred-pack=<pack>] [--[no-]bitmap | --[no-]incremental]
                                    [--stdin-packs] [--refs-snapshot=<path>]
   or: git-core multi-pack-index [<options>] verify
   or: git-core multi-pack-index [<options>] expire
   or: git-core multi-pack-index [<options>] repack [--batch-size=<size>]

    --[no-]object-dir <directory>
                          object directory containing set of packfile and pack-index pairs
    --[no-]progress       force progress reporting
    --[no-]preferred-pack <preferred-pack>
                          pack whose copies of objects are taken before others
    --[no-]bitmap         write multi-pack bitmap
    --[no-]incremental    write a new incremental MIDX
    --[no-]refs-snapshot <file>
                          refs snapshot for selecting bitmap commits
    --[no-]stdin-packs    write multi-pack index containing only given indexes
    --batch-size <n>      during repack, collect pack-files of smaller size into a batch that is larger than this size",
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
        Ok(self.objects_dir(repository)?.join("pack"))
    }

    fn objects_dir(&self, repository: &Repository) -> Result<PathBuf, Failure> {
        match repository.object_directory(self.directory.as_deref()) {
            Ok(objects) => Ok(objects),
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
        Some("expire") => expire(globals, &mut args, common),
        Some("repack") => repack(globals, &mut args, common),
        _ => Err(Failure::usage(format_args!("unknown subcommand: `{}'", verb.to_string_lossy()), usage)),
    }
}

fn write(globals: &Globals, args: &mut Args, mut common: Common) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    let (mut preferred, mut from_stdin) = (None, false);
    let (mut bitmap, mut incremental, mut refs_snapshot) = (false, false, None);
    while let Some(name) = option(args)? {
        match &name[..] {
            "preferred-pack" => {
                preferred = Some(value(args, &name)?.to_string_lossy().into_owned());
            }
            "no-preferred-pack" => preferred = None,
            "stdin-packs" => from_stdin = true,
            "no-stdin-packs" => from_stdin = false,
            "refs-snapshot" => refs_snapshot = Some(PathBuf::from(value(args, &name)?)),
            "no-refs-snapshot" => refs_snapshot = None,
            "bitmap" => bitmap = true,
            "no-bitmap" => bitmap = false,
            "incremental" => incremental = true,
            "no-incremental" => incremental = false,
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
    if is_damaged(&pack_dir, repository.format()) {
        eprintln!("{DAMAGED}");
    }
    let cx = context(progress::wanted(common.progress, false));
    let format = repository.format();
    if incremental {
        if bitmap {
            return Err(Failure::fatal("cannot write incremental MIDX with bitmap"));
        }
        return match write_multi_pack_layer(&pack_dir, format, &disk(), &wanted) {
            Ok(_) => Ok(ExitCode::SUCCESS),
            Err(error @ MidxFileError::EmptyPreferred { .. }) => Err(Failure::error(1, error)),
            Err(error) => Err(Failure::fatal(chain(&error))),
        };
    }
    let written = match bitmap {
        true => {
            let snapshot = repository.snapshot()?;
            let chosen = Chosen::read(&repository, &*snapshot, refs_snapshot.as_deref())?;
            let bitmap = MidxBitmap { snapshot: &*snapshot, tips: &chosen.tips, options: &chosen.options };
            write_multi_pack_bitmap(&pack_dir, format, &disk(), &wanted, bitmap, &cx)
        }
        false => write_multi_pack_index(&pack_dir, format, &disk(), &wanted),
    };
    match written {
        Ok(written) => {
            if let Some(name) = preferred.filter(|_| written.unknown_preferred) {
                eprintln!("warning: unknown preferred pack: '{name}'");
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ (MidxFileError::NoPacks | MidxFileError::EmptyPreferred { .. })) => {
            Err(Failure::error(1, error))
        }
        Err(MidxFileError::Bitmap(BitmapWriteError::NotClosed { id })) => {
            eprintln!(
                "warning: Failed to write bitmap index. Packfile doesn't have full closure (object {id} is missing)"
            );
            Err(Failure::error(1, "could not write multi-pack bitmap"))
        }
        Err(error) => Err(Failure::fatal(chain(&error))),
    }
}

/// Which commits get a bitmap, and how it is written.
struct Chosen {
    tips: Vec<ObjectId>,
    options: BitmapOptions,
}

impl Chosen {
    /// By the refs, or what a file says they were: an id on each line, with a `+` before it if it is preferred.
    fn read(
        repository: &Repository,
        snapshot: &dyn Snapshot,
        refs_snapshot: Option<&Path>,
    ) -> Result<Self, Failure> {
        let mut options = bitmap_options(repository.config(), snapshot)?;
        let Some(path) = refs_snapshot else {
            return Ok(Chosen { tips: bitmap_tips(snapshot)?, options });
        };
        let text = std::fs::read(path).map_err(|error| {
            Failure::fatal(format_args!("could not open '{}' for reading: {error}", path.display()))
        })?;
        options.preferred.clear();
        let mut tips = Vec::new();
        for line in text.lines() {
            let (hex, is_preferred) = match line.strip_prefix(b"+") {
                Some(hex) => (hex, true),
                None => (line, false),
            };
            let id = ObjectId::from_hex_of(snapshot.format(), hex)
                .map_err(|_| Failure::fatal(format_args!("could not parse line: {}", line.to_str_lossy())))?;
            tips.push(id);
            if is_preferred {
                options.preferred.push(id);
            }
        }
        Ok(Chosen { tips, options })
    }
}

const DAMAGED: &str = "warning: ignoring existing multi-pack-index; checksum mismatch";

/// Whether a multi-pack index is there that is not what was written.
fn is_damaged(pack_dir: &Path, format: ObjectFormat) -> bool {
    pack_dir.join(FILE_NAME).exists()
        && open_midx(pack_dir, format)
            .is_ok_and(|files| files.iter().any(|(_, midx)| !midx.checksum_matches()))
}

fn expire(globals: &Globals, args: &mut Args, mut common: Common) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    plain_options(args, &mut common)?;
    let objects = common.objects_dir(&repository)?;
    let damaged = is_damaged(&objects.join("pack"), repository.format());
    let cx = context(progress::wanted(common.progress, false));
    match expire_packs(repo::on_disk(&repository)?, &objects, &cx) {
        Ok(gone) => Ok(done(damaged && !gone.is_empty())),
        Err(error) => told(&error),
    }
}

fn repack(globals: &Globals, args: &mut Args, mut common: Common) -> Result<ExitCode, Failure> {
    let repository = repo::open(globals)?;
    let mut options = BatchOptions::default();
    while let Some(name) = option(args)? {
        match &name[..] {
            "batch-size" => {
                let text = value(args, &name)?;
                options.size = text.to_str().and_then(parse_number).ok_or_else(|| {
                    let expected = "a non-negative integer value with an optional k/m/g suffix";
                    Failure::plain(129, format!("error: option `batch-size' expects {expected}"))
                })?;
            }
            _ if common.takes(&name, args)? => {}
            _ => return Err(unknown(args, &name)),
        }
    }
    let objects = common.objects_dir(&repository)?;
    let config = repository.config();
    if config.bool("repack.packKeptObjects")? == Some(true) {
        options.kept = KeptObjects::Pack;
    }
    if config.bool("repack.useDeltaBaseOffset")? == Some(false) {
        options.delta_form = DeltaForm::Ref;
    } else {
        options.delta_form = DeltaForm::Ofs;
    }
    options.search = Some(delta_search(repository.config())?);
    let max_size = config.int("pack.packSizeLimit")?.and_then(|size| u64::try_from(size).ok());
    options.max_size = max_size.filter(|size| *size > 0);
    let cx = context(progress::wanted(common.progress, false));
    if config.bool("repack.useDeltaIslands")? == Some(true) {
        options.islands = islands::find(&repository, &*repository.snapshot()?, &cx)?;
    }
    let damaged = is_damaged(&objects.join("pack"), repository.format());
    match repack_batch(repo::on_disk(&repository)?, &objects, &options, &cx) {
        Ok(report) => Ok(done(damaged && !report.written.is_empty())),
        Err(error) => told(&error),
    }
}

/// The end of a command that has replaced the multi-pack index, a damaged one perhaps.
fn done(damaged: bool) -> ExitCode {
    if damaged {
        eprintln!("{DAMAGED}");
    }
    ExitCode::SUCCESS
}

/// A multi-pack index that cannot be read is as good as none.
fn told(error: &MaintenanceError) -> Result<ExitCode, Failure> {
    match error {
        MaintenanceError::Midx(error @ MidxFileError::Midx { .. }) => {
            eprintln!("error: {}", chain(error));
            Ok(ExitCode::SUCCESS)
        }
        error => Err(Failure::fatal(chain(error))),
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
