//! `index-pack` for packs that are files of their own: an existing one, or one that comes on standard input and
//! gets a name.

use super::index_pack::{Request, feed_all, feed_stdin};
use crate::fail::Failure;
use crate::pack_checks;
use git_core::Repository;
use git_core::idx::write_idx_wide_above;
use git_core::object::{BoxError, Context, ObjectFormat, ObjectId, Objects};
use git_core::pack::{FileSpool, IndexOptions, Indexed, Indexer, Spool, Thin};
use git_core::store::fs::open_pack;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Where the pack lies, or will.
pub(super) enum Target {
    /// In the directory of packs of a repository, under the name its checksum gives it.
    Repository(Repository),
    /// At a path of its own, where it is to be written.
    Named(PathBuf),
    /// At a path where it lies already.
    InPlace(PathBuf),
}

/// Where the `.keep` file of a pack lies.
pub(super) fn keep_path(repository: &Repository, checksum: &ObjectId) -> PathBuf {
    let objects = repository.layout().map(|layout| layout.objects_dir.clone()).unwrap_or_default();
    objects.join("pack").join(format!("pack-{checksum}.keep"))
}

/// Indexes a pack.
pub(super) fn index(
    request: &Request,
    target: Target,
    repository: Option<&Repository>,
    format: ObjectFormat,
    cx: &Context,
) -> Result<ExitCode, Failure> {
    let checks = request.checks.observer(format)?;
    let verdict = |failure| pack_checks::verdict(checks.as_ref(), failure);
    let snapshot = repository.map(|repository| repository.snapshot()).transpose()?;
    let bases = snapshot.clone().map(|snapshot| -> Arc<dyn Objects> { snapshot });
    let options = IndexOptions {
        thin: if request.thin { Thin::Complete } else { Thin::Refuse },
        observer: checks.clone().map(|checks| -> Arc<dyn git_core::pack::Observer> { checks }),
        // A pack that the repository has already is not compared with itself.
        existing: bases.clone().filter(|_| request.stdin),
        ..IndexOptions::default()
    };
    let (indexed, pack_path) = match target {
        Target::InPlace(path) => {
            let file = open_existing(&path)?;
            let mut indexer = Indexer::new(format, InPlace { file: file.try_clone()?, len: 0 }, options);
            let mut reader = file;
            feed_all(&mut reader, |bytes| indexer.feed(bytes, cx)).map_err(verdict)?;
            let (indexed, spool) =
                indexer.finish(bases.as_deref(), cx).map_err(|error| verdict(error.into()))?;
            if spool.file.metadata()?.len() != spool.len {
                return Err(Failure::fatal("pack has junk at the end"));
            }
            (indexed, path)
        }
        Target::Named(path) => {
            let indexed = receive(request, &path, format, options, bases.as_deref(), cx).map_err(verdict)?;
            set_read_only(&path)?;
            (indexed, path)
        }
        Target::Repository(repository) => {
            let objects = repository.layout().map(|layout| layout.objects_dir.clone()).unwrap_or_default();
            let directory = objects.join("pack");
            std::fs::create_dir_all(&directory)?;
            let scratch = directory.join(format!("tmp_pack_{}", std::process::id()));
            let scratch = Scratch { path: scratch };
            let indexed =
                receive(request, &scratch.path, format, options, bases.as_deref(), cx).map_err(verdict)?;
            set_read_only(&scratch.path)?;
            let path = directory.join(format!("pack-{}.pack", indexed.checksum()));
            std::fs::rename(&scratch.path, &path)?;
            (indexed, path)
        }
    };
    let checksum = ObjectId::from(indexed.checksum());
    let kept = match &request.keep {
        Some(text) => write_note(&pack_path.with_extension("keep"), text)?,
        None => false,
    };
    if let Some(text) = &request.promisor {
        write_note(&pack_path.with_extension("promisor"), text)?;
    }
    let index_path = match &request.index {
        Some(path) => path.clone(),
        None => beside(&pack_path, "idx")?,
    };
    if request.rev_index.unwrap_or(true) {
        let path = match &request.index {
            Some(path) => beside_index(path)?,
            None => beside(&pack_path, "rev")?,
        };
        replace(&path, &indexed.rev())?;
    }
    let idx =
        write_idx_wide_above(request.version, indexed.entries(), &indexed.checksum(), request.wide_above)?;
    replace(&index_path, &idx)?;
    let mut missing = Vec::new();
    if let Some(checks) = checks {
        let pack = open_pack(&pack_path, format)?;
        missing = match &snapshot {
            Some(snapshot) => checks.finish(&pack, &**snapshot)?,
            None => checks.finish(&pack, &pack)?,
        };
    }
    if request.stdin {
        println!("{}\t{checksum}", if kept { "keep" } else { "pack" });
    } else {
        println!("{checksum}");
    }
    missing.iter().for_each(|id| println!("{id}"));
    Ok(ExitCode::SUCCESS)
}

fn open_existing(path: &Path) -> Result<File, Failure> {
    File::open(path).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or(&reason);
        Failure::fatal(format_args!("cannot open packfile '{}': {reason}", path.display()))
    })
}

/// Takes a pack from standard input into a new file.
fn receive(
    request: &Request,
    path: &Path,
    format: ObjectFormat,
    options: IndexOptions,
    bases: Option<&dyn Objects>,
    cx: &Context,
) -> Result<Indexed, Failure> {
    let file = OpenOptions::new().read(true).write(true).create_new(true).open(path).map_err(|error| {
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or(&reason);
        Failure::fatal(format_args!("unable to create '{}': {reason}", path.display()))
    })?;
    let mut indexer = Indexer::new(format, FileSpool::new(file), options);
    let mut take = || -> Result<(), Failure> { feed_stdin(request.header, |bytes| indexer.feed(bytes, cx)) };
    let taken = take();
    request.end_of_input();
    let result = taken.and_then(|()| Ok(indexer.finish(bases, cx)?));
    match result {
        Ok((indexed, spool)) => {
            spool.file().sync_all()?;
            Ok(indexed)
        }
        Err(failure) => {
            let _ = std::fs::remove_file(path);
            Err(failure)
        }
    }
}

/// Goes away unless it has been renamed.
struct Scratch {
    path: PathBuf,
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The name of a file beside `x.pack`.
fn beside(pack: &Path, extension: &str) -> Result<PathBuf, Failure> {
    if pack.extension().is_none_or(|found| found != "pack") {
        return Err(Failure::fatal(format_args!(
            "packfile name '{}' does not end with '.pack'",
            pack.display()
        )));
    }
    Ok(pack.with_extension(extension))
}

fn beside_index(index: &Path) -> Result<PathBuf, Failure> {
    if index.extension().is_none_or(|found| found != "idx") {
        return Err(Failure::fatal(format_args!(
            "packfile name '{}' does not end with '.idx'",
            index.display()
        )));
    }
    Ok(index.with_extension("rev"))
}

/// Writes a `.keep` or `.promisor` file; `false` when there is one.
fn write_note(path: &Path, text: &str) -> Result<bool, Failure> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            if !text.is_empty() {
                writeln!(file, "{text}")?;
            }
            file.sync_all()?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => {
            Err(Failure::fatal(format_args!("cannot write keep file '{}': {error}", path.display())))
        }
    }
}

/// Writes a read-only file under a scratch name, flushes it, and puts it in place.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let scratch = Scratch { path: path.with_added_extension(format!("tmp{}", std::process::id())) };
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(&scratch.path)?;
        file.write_all(content)?;
        file.sync_all()?;
        let mut permissions = file.metadata()?.permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&scratch.path, permissions)?;
        std::fs::rename(&scratch.path, path)
    };
    write().map_err(|error| {
        Failure::fatal(format_args!("cannot store index file '{}': {error}", path.display()))
    })
}

pub(super) fn set_read_only(path: &Path) -> Result<(), Failure> {
    let mut permissions = path.metadata()?.permissions();
    permissions.set_readonly(true);
    Ok(std::fs::set_permissions(path, permissions)?)
}

/// A pack that lies where it will stay: its bytes are passed over as they are read, and read again from there.
struct InPlace {
    file: File,
    len: u64,
}

impl Spool for InPlace {
    fn append(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), BoxError> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileExt as _;
            self.file.read_exact_at(out, offset)?;
        }
        #[cfg(windows)]
        {
            use std::os::windows::fs::FileExt as _;
            let mut done = 0;
            while done < out.len() {
                match self.file.seek_read(&mut out[done..], offset + done as u64)? {
                    0 => return Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
                    count => done += count,
                }
            }
        }
        Ok(())
    }

    fn overwrite(&mut self, _: u64, _: &[u8]) -> Result<(), BoxError> {
        Err("a pack that is indexed in place is not changed".into())
    }

    fn truncate(&mut self, _: u64) -> Result<(), BoxError> {
        Err("a pack that is indexed in place is not changed".into())
    }

    fn len(&self) -> u64 {
        self.len
    }
}
