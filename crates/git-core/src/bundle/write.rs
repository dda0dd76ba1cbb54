//! Making a bundle: what its reader must have is found by walking, then the head and the pack are written.

use crate::send::{PackFeed, PackWish};
use bstr::{BString, ByteSlice as _};
use git_core_object::{BoxError, Context, ErrorKind, Kind, ObjectFormat, ObjectId, ReadError};
use git_core_pack::WriteError;
use git_core_protocol::bundle::{BundleHeader, BundleVersion, BundledRef, Prerequisite};
use git_core_ref::RefName;
use git_core_store::Snapshot;
use git_core_store::filter::{FilterError, FilterSpec, ObjectFilter};
use git_core_store::walk::{self, History, HistoryMark, HistoryQuery, HistoryTip, TipRole};
use std::collections::HashSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a bundle is to hold.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct BundleOptions {
    /// The refs that can be fetched from it, with what they reach.
    pub references: Vec<BundledRef>,
    /// More that it holds, with what that reaches.
    pub include: Vec<ObjectId>,
    /// What its reader has, with what that reaches.
    pub exclude: Vec<ObjectId>,
    /// Narrows the history further: `since`, `max_count`, paths and their like. The tips of it do not matter.
    pub history: HistoryQuery,
    /// What of the history's trees and blobs is left out.
    pub filter: Option<FilterSpec>,
    /// The version of the format; the oldest that will do if there is none.
    pub version: Option<BundleVersion>,
}

impl BundleOptions {
    /// A bundle of these refs as a snapshot has them, whole.
    ///
    /// # Errors
    /// [`ReadError`] when refs cannot be read.
    pub fn of_refs(snapshot: &dyn Snapshot, names: &[RefName]) -> Result<Self, ReadError> {
        let mut options = BundleOptions::default();
        for name in names {
            if let (_, Some(id)) = git_core_store::revision::follow(snapshot, name)? {
                options.references.push(BundledRef { id, name: name.clone() });
            }
        }
        Ok(options)
    }
}

/// A bundle that is about to be written.
#[derive(Clone, Debug)]
pub struct BundlePlan {
    header: BundleHeader,
    wish: PackWish,
    left_out: Vec<RefName>,
}

/// Why a bundle was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleWriteError {
    /// No ref is left to be fetched from it.
    #[error("Refusing to create empty bundle.")]
    Empty,
    /// The version cannot say what would have to be said.
    #[error("cannot write bundle version {} with algorithm {format}", number(.version))]
    Version {
        /// The version that was asked for.
        version: BundleVersion,
        /// The object format of the repository.
        format: ObjectFormat,
    },
    /// The repository cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The filter cannot be applied.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The pack cannot be made.
    #[error(transparent)]
    Pack(#[from] WriteError),
    /// The bundle cannot be written.
    #[error("cannot write the bundle")]
    Io(#[source] BoxError),
}

fn number(version: &BundleVersion) -> u8 {
    match version {
        BundleVersion::V2 => 2,
        BundleVersion::V3 => 3,
    }
}

impl BundleWriteError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            BundleWriteError::Empty | BundleWriteError::Version { .. } => ErrorKind::Invalid,
            BundleWriteError::Read(error) => error.kind(),
            BundleWriteError::Filter(error) => error.kind(),
            BundleWriteError::Pack(error) => error.kind(),
            BundleWriteError::Io(_) => ErrorKind::Unavailable,
        }
    }
}

impl BundlePlan {
    /// Finds out what a reader must have, and which refs can be fetched from it.
    ///
    /// # Errors
    /// [`BundleWriteError`] when nothing is left, or something is missing.
    pub fn new(
        snapshot: &dyn Snapshot,
        options: &BundleOptions,
        cx: &Context,
    ) -> Result<Self, BundleWriteError> {
        let filter = options.filter.as_ref().map(|spec| spec.to_bytes().into());
        let mut header = BundleHeader::new(snapshot.format(), filter);
        if let Some(version) = options.version {
            header.version = version;
            if !header.is_expressible() {
                return Err(BundleWriteError::Version { version, format: header.format });
            }
        }
        let wants: Vec<ObjectId> =
            options.references.iter().map(|one| one.id).chain(options.include.iter().copied()).collect();
        let mut query = options.history.clone();
        query.tips = commits(snapshot, &wants, TipRole::Shown)?;
        let hidden = commits(snapshot, &options.exclude, TipRole::Hidden)?;
        query.tips.extend(&hidden);
        query.boundary = true;

        let (mut shown, mut content) = (HashSet::new(), Vec::new());
        let mut history = History::new(snapshot, query, cx)?;
        while let Some(commit) = history.next_commit()? {
            if commit.mark == HistoryMark::Boundary {
                snapshot.require(&commit.id, &mut content)?;
                header.prerequisites.push(Prerequisite { id: commit.id, comment: subject(&content) });
            } else {
                shown.insert(commit.id);
            }
        }
        let excluded: HashSet<ObjectId> = options.exclude.iter().copied().collect();
        let (mut names, mut left_out) = (HashSet::new(), Vec::new());
        for one in &options.references {
            if excluded.contains(&one.id) || !names.insert(&one.name) {
                continue;
            }
            let is_commit = snapshot.header(&one.id)?.is_some_and(|header| header.kind == Kind::Commit);
            if is_commit && !shown.contains(&one.id) {
                if !is_below(snapshot, &one.id, &hidden, cx)? {
                    left_out.push(one.name.clone());
                }
                continue;
            }
            header.references.push(one.clone());
        }
        let haves =
            options.exclude.iter().copied().chain(header.prerequisites.iter().map(|one| one.id)).collect();
        let filter = match &options.filter {
            Some(spec) => Some(Arc::new(ObjectFilter::new(snapshot, spec)?)),
            None => None,
        };
        let wish = PackWish { wants, haves, thin: true, ofs_delta: true, filter, ..PackWish::default() };
        Ok(BundlePlan { header, wish, left_out })
    }

    /// What the bundle will say of itself.
    pub const fn header(&self) -> &BundleHeader {
        &self.header
    }

    /// Refs that were asked for and are not in it, since the narrowed history does not reach them.
    pub fn left_out(&self) -> &[RefName] {
        &self.left_out
    }

    /// Writes the bundle.
    ///
    /// # Errors
    /// [`BundleWriteError`]; what was written by then is of no use.
    pub fn write(
        &self,
        snapshot: Arc<dyn Snapshot>,
        out: &mut dyn Write,
        cx: &Context,
    ) -> Result<(), BundleWriteError> {
        if self.header.references.is_empty() {
            return Err(BundleWriteError::Empty);
        }
        let failed = |error: std::io::Error| BundleWriteError::Io(error.into());
        let mut piece = Vec::new();
        self.header.encode(&mut piece);
        let mut feed = PackFeed::prepare(snapshot, &self.wish, cx)?;
        loop {
            let flow = feed.fill(&mut piece, cx)?;
            out.write_all(&piece).map_err(failed)?;
            piece.clear();
            if flow == ControlFlow::Break(()) {
                return out.flush().map_err(failed);
            }
        }
    }
}

/// The commits among what these ids peel to.
fn commits(snapshot: &dyn Snapshot, ids: &[ObjectId], role: TipRole) -> Result<Vec<HistoryTip>, ReadError> {
    let (mut tips, mut buf, mut tags) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        if let (id, Kind::Commit) = walk::peel(snapshot, *id, &mut buf, &mut tags)? {
            tips.push(HistoryTip { id, role });
        }
    }
    Ok(tips)
}

/// Whether one of the tips reaches the commit.
fn is_below(
    snapshot: &dyn Snapshot,
    id: &ObjectId,
    tips: &[HistoryTip],
    cx: &Context,
) -> Result<bool, ReadError> {
    for tip in tips {
        if walk::is_ancestor(snapshot, snapshot.shallow(), id, &tip.id, cx)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first paragraph of a commit's message as one line.
fn subject(commit: &[u8]) -> BString {
    let message = commit.find(b"\n\n").map_or(&b""[..], |at| &commit[at + 2..]);
    let lines = message.lines().map(|line| line.trim_ascii_end());
    let lines: Vec<_> =
        lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect();
    lines.join(&b' ').into()
}
