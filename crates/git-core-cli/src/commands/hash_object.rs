//! `hash-object`: the id of content, and storing it.
//!
//! Content is taken as it stands: end-of-line conversion and filters are not applied.

use super::Command;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::output::{finish, stdout, written};
use crate::repo;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::check::{self, CheckOptions, Severity};
use git_core::object::{Context, Header, Kind, ObjectFormat, ObjectId};
use git_core::refs::RefTransaction;
use git_core::store::fs::FsObjects;
use git_core::store::fs::sys::{Disk, RealDisk};
use std::fs::File;
use std::io::{Read, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "hash-object",
    summary: "Compute object ID and optionally create an object from a file",
    usage: "git-core hash-object [-t <type>] [-w] [--path=<file> | --no-filters]
                   [--stdin [--literally]] [--] <file>...
   or: git-core hash-object [-t <type>] [-w] --stdin-paths [--no-filters]",
    run,
};

/// Files of more bytes than this are never held in memory.
const STREAMED: u64 = 16 << 20;

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut kind, mut store, mut from_stdin, mut stdin_paths, mut literally) =
        (Kind::Blob, false, 0, false, false);
    let (mut path, mut no_filters, mut files) = (false, false, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('t') => {
                let name = repo::operand(args.value()?);
                kind = Kind::from_name(&name).map_err(|_| {
                    Failure::fatal(format_args!("invalid object type \"{}\"", name.as_bstr()))
                })?;
            }
            Arg::Short('w') => store = true,
            Arg::Long("stdin") => from_stdin += 1,
            Arg::Long("stdin-paths") => stdin_paths = true,
            Arg::Long("no-filters") => no_filters = true,
            Arg::Long("literally") => literally = true,
            Arg::Long("path") => {
                args.value()?;
                path = true;
            }
            Arg::Value(file) => files.push(file),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let complaint = match (stdin_paths, from_stdin) {
        (true, 1..) => Some("Can't use --stdin-paths with --stdin"),
        (true, _) if !files.is_empty() => Some("Can't specify files with --stdin-paths"),
        (true, _) if path => Some("Can't use --stdin-paths with --path"),
        (false, 2..) => Some("Multiple --stdin arguments are not supported"),
        (false, _) if path && no_filters => Some("Can't use --path with --no-filters"),
        _ => None,
    };
    if let Some(complaint) = complaint {
        return Err(Failure::usage(complaint, usage));
    }
    let repository = if store { Some(repo::open(globals)?) } else { repo::open_optional(globals)? };
    let format = match (&repository, globals.text("GIT_DEFAULT_HASH")) {
        (Some(repository), _) => repository.format(),
        (None, Some(name)) => name.parse().unwrap_or_default(),
        (None, None) => ObjectFormat::default(),
    };
    let hasher = Hashing { repository: repository.filter(|_| store), format, kind, literally };
    let mut out = stdout();
    if from_stdin > 0 {
        let mut content = Vec::new();
        stdin().read_to_end(&mut content)?;
        written(writeln!(out, "{}", hasher.content(&content)?))?;
    }
    for file in &files {
        written(writeln!(out, "{}", hasher.file(Path::new(file))?))?;
    }
    if stdin_paths {
        for line in lines(stdin()) {
            let file = crate::globals::os_string(line?);
            written(writeln!(out, "{}", hasher.file(Path::new(&file))?))?;
            // Whoever names files one by one waits for each answer.
            written(out.flush())?;
        }
    }
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}

struct Hashing {
    /// Where objects are stored, if they are.
    repository: Option<Repository>,
    format: ObjectFormat,
    kind: Kind,
    literally: bool,
}

impl Hashing {
    fn file(&self, path: &Path) -> Result<ObjectId, Failure> {
        let cannot = |error: std::io::Error| {
            let reason = error.to_string();
            let reason = reason.split(" (os error").next().unwrap_or(&reason);
            Failure::fatal(format_args!("could not open '{}' for reading: {reason}", path.display()))
        };
        let mut file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(Failure::fatal(format_args!("Unable to hash {}", path.display())));
        }
        if self.kind == Kind::Blob && metadata.is_file() && metadata.len() > STREAMED {
            return self.large(&mut file, metadata.len(), path);
        }
        let mut content = Vec::new();
        file.read_to_end(&mut content).map_err(cannot)?;
        self.content(&content)
    }

    fn content(&self, content: &[u8]) -> Result<ObjectId, Failure> {
        if !self.literally {
            let options = CheckOptions::strict();
            let findings = check::check(self.format, self.kind, content, &options);
            let mut bad = findings.iter().filter(|finding| finding.severity >= Severity::Error).peekable();
            if bad.peek().is_some() {
                bad.for_each(|finding| eprintln!("error: object fails fsck: {finding}"));
                return Err(Failure::fatal("refusing to create malformed object"));
            }
        }
        let Some(repository) = &self.repository else {
            return Ok(ObjectId::hash(self.format, self.kind, content)?);
        };
        let storage = repository.storage();
        let mut quarantine = storage.receive(&repository.snapshot()?)?;
        let id = quarantine.write(self.kind, content)?;
        storage.commit(vec![quarantine], &RefTransaction::new(), &Context::new())?;
        Ok(id)
    }

    /// A blob that is hashed, or stored, while it is read.
    fn large(&self, file: &mut File, size: u64, path: &Path) -> Result<ObjectId, Failure> {
        if let Some(layout) = self.repository.as_ref().and_then(Repository::layout) {
            let disk: Arc<dyn Disk> = Arc::new(RealDisk::default());
            let objects = FsObjects::open(&layout.objects_dir, self.format, disk, Default::default())?;
            return Ok(objects.write_loose_stream(Header { kind: self.kind, size }, file)?);
        }
        let mut hasher = ObjectId::hasher(self.format, self.kind, size);
        let (mut buf, mut left) = (vec![0; 1 << 20], size);
        while left > 0 {
            let most = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = file.read(&mut buf[..most])?;
            if count == 0 {
                return Err(Failure::fatal(format_args!("{} changed while it was read", path.display())));
            }
            hasher.update(&buf[..count]);
            left -= count as u64;
        }
        Ok(ObjectId::from(hasher.finish()?))
    }
}
