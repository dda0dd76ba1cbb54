//! From arguments and configuration to an archive.

use super::arguments::{ArchiveArguments, ExtraSource};
use super::expand::OfCommit;
use super::filter::ShellFilters;
use super::format::{Form, Formats};
use super::source::{ArchiveSource, SourceError};
use crate::Repository;
use crate::attributes::{SharedAttributes, outer_attributes};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::pathspec::{Pathspec, PathspecDefaults};
use git_core_object::{CommitRef, Context, ErrorKind, Kind, ObjectId, ReadError, TagRef};
use git_core_store::config::{Config, ConfigError};
use git_core_store::{Snapshot, revision};
use git_core_worktree::archive::{
    Archive, ArchiveError, ArchiveFormat, ArchiveOptions, AttributeFiles, ExtraContent, ExtraFile,
};
use git_core_worktree::attributes::OuterAttributes;
use git_core_worktree::text::{AutoCrlf, Crlf, LineEnds};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{SystemTime, UNIX_EPOCH};

/// Who asks for an archive, and from where.
#[derive(Default)]
#[non_exhaustive]
pub struct Asker {
    /// Somebody else, over the wire: only what refs name is given (`uploadArchive.allowUnreachable`), only in formats
    /// that are meant for others, and no files beside those of the tree.
    pub remote: bool,
    /// The directory of the working tree that the caller is in, with a `/` at its end.
    pub prefix: BString,
    /// What is said of all pathspecs at once.
    pub pathspecs: PathspecDefaults,
    /// When everything was last changed, where `--mtime` was understood; else the commit says it.
    pub mtime: Option<i64>,
    /// The permissions that the caller's files do not have, for `tar.umask=user`.
    pub umask: u32,
    /// The system's attributes file.
    pub system_attributes: Option<PathBuf>,
    /// The user's attributes file, where `core.attributesFile` says nothing.
    pub user_attributes: Option<PathBuf>,
    /// Hears the path of each entry, if `--verbose` asks for it.
    pub on_entry: Option<EntryListener>,
}

/// Hears the paths of entries.
pub struct EntryListener(Box<dyn FnMut(&BStr) + Send>);

impl EntryListener {
    /// Calls this for each entry.
    pub fn new(hear: impl FnMut(&BStr) + Send + 'static) -> Self {
        EntryListener(Box::new(hear))
    }
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrepareError {
    /// What is asked for cannot be, in git's words.
    #[error("{0}")]
    Refused(String),
    /// Nothing is asked for: the usage is in place.
    #[error("no tree was named")]
    NoTree,
    /// The configuration makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It could not be begun.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A command could not be run.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl PrepareError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            PrepareError::Refused(_) | PrepareError::NoTree | PrepareError::Config(_) => ErrorKind::Invalid,
            PrepareError::Archive(error) => error.kind(),
            PrepareError::Source(error) => error.kind(),
            PrepareError::Read(error) => error.kind(),
        }
    }
}

fn refused(text: impl Into<String>) -> PrepareError {
    PrepareError::Refused(text.into())
}

/// What a name means.
struct Named {
    tree: ObjectId,
    commit: Option<ObjectId>,
    time: i64,
}

pub(super) fn prepare(
    repository: &Repository,
    arguments: &ArchiveArguments,
    asker: Asker,
    cx: &Context,
) -> Result<ArchiveSource, PrepareError> {
    let config = repository.config();
    let formats = Formats::of(config)?;
    if asker.remote && !arguments.extra.is_empty() {
        return Err(refused("options '--add-file' and '--remote' cannot be used together"));
    }
    let extra = arguments.extra.iter().map(extra_file).collect::<Result<_, _>>()?;
    let Some((tree_ish, paths)) = arguments.operands.split_first() else { return Err(PrepareError::NoTree) };
    let name = arguments.format.as_ref().map_or(&b"tar"[..], |name| name.as_slice());
    let format = formats
        .find(name)
        .filter(|format| !asker.remote || format.remote)
        .ok_or_else(|| refused(format!("Unknown archive format '{}'", name.as_bstr())))?;
    if let Some(level) = arguments.level
        && !format.takes_level(level)
    {
        return Err(refused(format!("Argument not supported for format '{}': -{level}", name.as_bstr())));
    }
    let snapshot = repository.snapshot()?;
    let named = named(repository, &snapshot, tree_ish, &asker)?;
    let mut options = options(repository, arguments, &asker)?;
    options.extra = extra;
    options.mtime = asker.mtime.unwrap_or(named.time);
    options.local_offset = local_offset(options.mtime);
    options.commit = named.commit;
    if let Some(id) = named.commit {
        let (repository, snapshot) = (repository.clone(), snapshot.clone());
        options.expand = Some(Arc::new(OfCommit { repository, snapshot, id, describes: AtomicU32::new(1) }));
    }
    let texts: Vec<&BString> = paths.iter().filter(|path| !path.is_empty()).collect();
    Archive::check_paths(&*snapshot, &named.tree, &texts, &asker.prefix, asker.pathspecs)?;
    options.pathspec = Pathspec::parse(&texts, &asker.prefix, asker.pathspecs).map_err(ArchiveError::from)?;
    options.within = asker.prefix.clone();
    let level = arguments.level.unwrap_or(6);
    options.format = match &format.form {
        Form::Tar | Form::Filter(_) => ArchiveFormat::Tar,
        Form::Gzip if level > 9 => {
            return Err(refused("deflateInit2: stream consistency error (no message)"));
        }
        Form::Gzip => ArchiveFormat::TarGz { level },
        Form::Zip => ArchiveFormat::Zip { level },
    };
    let mut archive = Archive::new(snapshot, named.tree, options)?;
    if let Some(EntryListener(mut hear)) = asker.on_entry.filter(|_| arguments.verbose) {
        archive = archive.telling(move |path| hear(path));
    }
    match &format.form {
        Form::Filter(command) => Ok(ArchiveSource::filtered(archive, command.clone(), arguments.level, cx)?),
        _ => Ok(ArchiveSource::own(archive)),
    }
}

/// What the name of a tree or commit means to whoever asks.
fn named(
    repository: &Repository,
    snapshot: &Arc<dyn Snapshot>,
    name: &BString,
    asker: &Asker,
) -> Result<Named, PrepareError> {
    if asker.remote && repository.config().bool("uploadArchive.allowUnreachable")? != Some(true) {
        let before = name.split(|b| *b == b':').next().unwrap_or_default();
        let short: &[u8] = if before == b"@" { b"HEAD" } else { before };
        if revision::find_short(&**snapshot, short)?.is_none() {
            return Err(refused(format!("no such ref: {}", before.as_bstr())));
        }
    }
    let id = revision::resolve(&**snapshot, name)
        .map_err(|_| refused(format!("not a valid object name: {name}")))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let not_a_tree = || refused(format!("not a tree object: {id}"));
    let (mut at, mut content) = (id, Vec::new());
    for _ in 0..64 {
        match snapshot.require(&at, &mut content)? {
            Kind::Tree => return Ok(Named { tree: at, commit: None, time: now }),
            Kind::Blob => return Err(not_a_tree()),
            Kind::Commit => {
                let commit = CommitRef::parse(at.format(), &content)
                    .map_err(|error| ReadError::corrupt(format_args!("commit {at}"), error))?;
                let time = commit.committer().time().map_or(0, |time| time.seconds);
                return Ok(Named { tree: commit.tree(), commit: Some(at), time });
            }
            Kind::Tag => {
                let tag = TagRef::parse(at.format(), &content)
                    .map_err(|error| ReadError::corrupt(format_args!("tag {at}"), error))?;
                at = tag.target();
            }
        }
    }
    Err(not_a_tree())
}

/// What the configuration says of archives.
fn options(
    repository: &Repository,
    arguments: &ArchiveArguments,
    asker: &Asker,
) -> Result<ArchiveOptions, PrepareError> {
    let config = repository.config();
    let mut options = ArchiveOptions::default();
    options.prefix = arguments.prefix.clone();
    options.umask = match config.text("tar.umask")? {
        Some(text) if text == "user" => asker.umask,
        Some(_) => config.int("tar.umask")?.and_then(|mask| u32::try_from(mask).ok()).unwrap_or(0),
        None => 0o002,
    };
    options.attributes = attributes(repository, asker)?;
    if arguments.worktree_attributes {
        options.attribute_files = match repository.work_tree() {
            Some(tree) if !asker.remote => AttributeFiles::WorkTree(tree.to_path_buf()),
            _ => AttributeFiles::None,
        };
    }
    options.line_ends = line_ends(config)?;
    let directory = repository.work_tree().or(repository.git_dir()).map(Path::to_path_buf);
    options.filters = Some(Arc::new(ShellFilters::of(config, directory)?));
    if let Some(bytes) = config.int("core.bigFileThreshold")? {
        options.big_file = u64::try_from(bytes).unwrap_or(0);
    }
    if let Some(depth) = config.int("core.maxTreeDepth")? {
        options.max_depth = usize::try_from(depth).unwrap_or(0);
    }
    for name in config.subsections("diff") {
        let key = [b"diff.", name.as_bytes(), b".binary"].concat();
        if let Some(binary) = config.bool(key)? {
            options.binary_drivers.push((name.into(), binary));
        }
    }
    Ok(options)
}

fn attributes(repository: &Repository, asker: &Asker) -> Result<OuterAttributes, PrepareError> {
    let shared =
        SharedAttributes { system: asker.system_attributes.clone(), user: asker.user_attributes.clone() };
    Ok(outer_attributes(repository, &shared)?)
}

pub(crate) fn line_ends(config: &Config) -> Result<LineEnds, ConfigError> {
    let mut ends = LineEnds::default();
    if let Some(entry) = config.get("core.autocrlf") {
        ends.automatic = match entry.to_text() {
            Ok(text) if text.eq_ignore_ascii_case(b"input") => AutoCrlf::Input,
            _ if entry.to_bool()? => AutoCrlf::Yes,
            _ => AutoCrlf::No,
        };
    }
    if let Some(text) = config.text("core.eol")? {
        ends.crlf = match text.to_ascii_lowercase().as_slice() {
            b"lf" => Crlf::No,
            b"crlf" => Crlf::Yes,
            _ => Crlf::Native,
        };
    }
    Ok(ends)
}

/// How far local time is ahead of UTC at a moment.
fn local_offset(seconds: i64) -> i64 {
    jiff::Timestamp::from_second(seconds)
        .map(|moment| i64::from(jiff::tz::TimeZone::system().to_offset(moment).seconds()))
        .unwrap_or(0)
}

fn extra_file(extra: &super::Extra) -> Result<ExtraFile, PrepareError> {
    let (path, content) = match &extra.source {
        ExtraSource::Virtual(path, content) => (path.clone(), ExtraContent::Bytes(content.to_vec())),
        ExtraSource::File(name) => {
            let file = name.to_path().map_err(|_| refused(format!("File not found: {name}")))?;
            let found = std::fs::metadata(file).map_err(|_| refused(format!("File not found: {name}")))?;
            if !found.is_file() {
                return Err(refused(format!("Not a regular file: {name}")));
            }
            let last = name.rsplit(|b| *b == b'/').next().unwrap_or_default();
            let path = [extra.prefix.as_slice(), last].concat();
            (path.into(), ExtraContent::File(file.to_path_buf()))
        }
    };
    Ok(ExtraFile { path, content })
}
