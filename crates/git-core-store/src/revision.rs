//! From what a person types to an object id (`gitrevisions(7)`): ids and their beginnings, refs by git's rules
//! for short names, reflog positions, and the suffixes `^`, `~`, `^{…}` and `:path`.

use crate::Snapshot;
use crate::walk;
use bstr::{BString, ByteSlice as _};
use git_core_idx::graph::GraphError;
use git_core_object::{ErrorKind, IdPrefix, Kind, ObjectId, ReadError, TreeRef, commit};
use git_core_ref::{RefName, Target};
use std::ops::ControlFlow;

/// How many symbolic refs may follow one another.
const MAX_SYMREFS: usize = 5;

/// Why a revision names no object.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevisionError {
    /// Nothing has this name.
    #[error("bad revision '{0}'")]
    Unknown(BString),
    /// Several objects begin with these digits.
    #[error("short object ID {prefix} is ambiguous")]
    Ambiguous {
        /// The digits.
        prefix: String,
        /// The first of the objects that begin with them.
        candidates: Vec<ObjectId>,
    },
    /// The text before a suffix is fine, and what the suffix asks for does not exist.
    #[error("'{spec}' does not name an object: {reason}")]
    NoSuch {
        /// The whole text.
        spec: BString,
        /// What is missing.
        reason: String,
    },
    /// The text is not of any form that is understood.
    #[error("cannot understand the revision '{0}'")]
    Syntax(BString),
    /// An object or ref could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl RevisionError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            RevisionError::Unknown(_) | RevisionError::NoSuch { .. } => ErrorKind::NotFound,
            RevisionError::Ambiguous { .. } | RevisionError::Syntax(_) => ErrorKind::Invalid,
            RevisionError::Read(read) => read.kind(),
        }
    }
}

/// The ref at the end of a chain of symbolic refs, and its id: `None` for an unborn branch.
///
/// # Errors
/// [`ReadError::Corrupt`] when more than five follow one another, others as they come.
pub fn follow(
    snapshot: &(impl Snapshot + ?Sized),
    name: &RefName,
) -> Result<(RefName, Option<ObjectId>), ReadError> {
    let mut name = name.clone();
    for _ in 0..=MAX_SYMREFS {
        match snapshot.find_ref(&name)?.map(|found| found.target) {
            None => return Ok((name, None)),
            Some(Target::Id(id)) => return Ok((name, Some(id))),
            Some(Target::Symbolic(next)) => name = next,
        }
    }
    Err(ReadError::corrupt(format_args!("ref {name}"), "too many symbolic refs follow one another"))
}

/// The ref that a short name means, by git's order: as it is, then below `refs/`, `refs/tags/`, `refs/heads/`,
/// `refs/remotes/`, and as a remote with a `HEAD`. Only refs that resolve to an object count.
///
/// # Errors
/// [`ReadError`] when a ref cannot be read.
pub fn find_short(
    snapshot: &(impl Snapshot + ?Sized),
    short: &[u8],
) -> Result<Option<(RefName, ObjectId)>, ReadError> {
    const RULES: [(&[u8], &[u8]); 6] = [
        (b"", b""),
        (b"refs/", b""),
        (b"refs/tags/", b""),
        (b"refs/heads/", b""),
        (b"refs/remotes/", b""),
        (b"refs/remotes/", b"/HEAD"),
    ];
    for (before, after) in RULES {
        let Ok(name) = RefName::new([before, short, after].concat()) else {
            continue;
        };
        if let (_, Some(id)) = follow(snapshot, &name)? {
            return Ok(Some((name, id)));
        }
    }
    Ok(None)
}

/// The object that a revision names.
///
/// # Errors
/// [`RevisionError`].
pub fn resolve(snapshot: &dyn Snapshot, spec: &[u8]) -> Result<ObjectId, RevisionError> {
    Resolver { snapshot, spec }.resolve()
}

struct Resolver<'a> {
    snapshot: &'a dyn Snapshot,
    spec: &'a [u8],
}

impl Resolver<'_> {
    fn resolve(&self) -> Result<ObjectId, RevisionError> {
        // A colon outside of braces divides a tree from a path in it.
        let colon = self.spec.iter().scan(0i32, |depth, byte| {
            *depth += i32::from(*byte == b'{') - i32::from(*byte == b'}');
            Some((*depth, *byte))
        });
        match colon.enumerate().find(|(_, (depth, byte))| *depth == 0 && *byte == b':') {
            Some((0, _)) => Err(RevisionError::Syntax(self.spec.into())),
            Some((at, _)) => {
                self.path(self.suffixed(&self.spec[..at], Some(Kind::Tree))?, &self.spec[at + 1..])
            }
            None => self.suffixed(self.spec, None),
        }
    }

    fn suffixed(&self, text: &[u8], hint: Option<Kind>) -> Result<ObjectId, RevisionError> {
        // Neither `^` nor `~` can be part of a ref's name, so the base ends at the first of them.
        let base_len = text.iter().position(|b| matches!(b, b'^' | b'~')).unwrap_or(text.len());
        let (base, mut suffix) = text.split_at(base_len);
        let hint = match suffix {
            [] => hint,
            [b'^', b'{', kind @ ..] if !kind.starts_with(b"commit") => hint,
            _ => Some(Kind::Commit),
        };
        let mut at = self.base(base, hint)?;
        while let Some((first, rest)) = suffix.split_first() {
            if *first == b'^' && rest.first() == Some(&b'{') {
                let end = rest.find_byte(b'}').ok_or_else(|| RevisionError::Syntax(self.spec.into()))?;
                at = self.peel_to(at, &rest[1..end])?;
                suffix = &rest[end + 1..];
                continue;
            }
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let number = match digits {
                0 => 1,
                _ => std::str::from_utf8(&rest[..digits])
                    .ok()
                    .and_then(|text| text.parse::<u32>().ok())
                    .ok_or_else(|| RevisionError::Syntax(self.spec.into()))?,
            };
            suffix = &rest[digits..];
            at = match first {
                b'^' => self.parent(at, number)?,
                b'~' => (0..number).try_fold(self.commit(at)?, |at, _| self.parent(at, 1))?,
                _ => return Err(RevisionError::Syntax(self.spec.into())),
            };
        }
        Ok(at)
    }

    fn base(&self, text: &[u8], hint: Option<Kind>) -> Result<ObjectId, RevisionError> {
        let format = self.snapshot.format();
        if text.len() == format.hex_len()
            && let Ok(id) = ObjectId::from_hex(text)
        {
            return Ok(id);
        }
        if text == b"@" {
            return self.base(b"HEAD", hint);
        }
        if let Some(open) = text.find(b"@{")
            && let Some(position) = text.strip_suffix(b"}").map(|t| &t[open + 2..])
        {
            return self.reflog(&text[..open], position);
        }
        if let Some((_, id)) = find_short(self.snapshot, text)? {
            return Ok(id);
        }
        // What `git describe` prints: the digits behind `-g` count.
        let described = text.rfind(b"-g").map(|at| &text[at + 2..]).filter(|hex| hex.len() >= 4);
        match described.or((text.len() >= 4).then_some(text)) {
            Some(hex) => self.abbreviated(hex, hint),
            None => Err(RevisionError::Unknown(self.spec.into())),
        }
    }

    fn abbreviated(&self, hex: &[u8], hint: Option<Kind>) -> Result<ObjectId, RevisionError> {
        let Ok(prefix) = IdPrefix::from_hex(self.snapshot.format(), hex) else {
            return Err(RevisionError::Unknown(self.spec.into()));
        };
        let mut found = Vec::new();
        self.snapshot.find_prefix(&prefix, 1024, &mut found)?;
        if found.len() > 1
            && let Some(hint) = hint
        {
            let (mut buf, mut kept) = (Vec::new(), Vec::new());
            for id in &found {
                let (_, kind) = walk::peel(self.snapshot, *id, &mut buf, &mut Vec::new())?;
                if kind == hint || hint == Kind::Tree && kind == Kind::Commit {
                    kept.push(*id);
                }
            }
            if kept.len() == 1 {
                found = kept;
            }
        }
        match found[..] {
            [] => Err(RevisionError::Unknown(self.spec.into())),
            [id] => Ok(id),
            _ => {
                found.truncate(32);
                Err(RevisionError::Ambiguous { prefix: prefix.to_string(), candidates: found })
            }
        }
    }

    fn reflog(&self, name: &[u8], position: &[u8]) -> Result<ObjectId, RevisionError> {
        let name = if name.is_empty() { b"HEAD" } else { name };
        let position = std::str::from_utf8(position).ok().and_then(|text| text.parse::<u64>().ok());
        let Some(position) = position else {
            return Err(RevisionError::Syntax(self.spec.into()));
        };
        let Some((name, now)) = find_short(self.snapshot, name)? else {
            return Err(RevisionError::Unknown(self.spec.into()));
        };
        let (mut seen, mut found) = (0, None);
        self.snapshot.for_each_reflog_entry(&name, &mut |entry| {
            if seen == position {
                found = Some(entry.new);
                return ControlFlow::Break(());
            }
            seen += 1;
            // The value before the oldest entry can be named as well.
            found = Some(entry.old).filter(|old| seen == position && !old.is_null());
            ControlFlow::Continue(())
        })?;
        found.or((position == 0).then_some(now)).ok_or_else(|| RevisionError::NoSuch {
            spec: self.spec.into(),
            reason: format!("the log for '{name}' only has {seen} entries"),
        })
    }

    fn peel_to(&self, id: ObjectId, wanted: &[u8]) -> Result<ObjectId, RevisionError> {
        let snapshot = self.snapshot;
        let header = snapshot.header(&id)?.ok_or(ReadError::Missing { id })?;
        let kind = match wanted {
            b"object" => return Ok(id),
            b"" => return Ok(walk::peel(snapshot, id, &mut Vec::new(), &mut Vec::new())?.0),
            name => Kind::from_name(name).map_err(|_| RevisionError::Syntax(self.spec.into()))?,
        };
        if header.kind == kind {
            return Ok(id);
        }
        let (peeled, actual) = walk::peel(snapshot, id, &mut Vec::new(), &mut Vec::new())?;
        match (actual, kind) {
            (actual, kind) if actual == kind => Ok(peeled),
            (Kind::Commit, Kind::Tree) => Ok(self.links(peeled)?.0),
            _ => Err(self.no_such(format!("{id} is a {}, not a {kind}", header.kind))),
        }
    }

    fn commit(&self, id: ObjectId) -> Result<ObjectId, RevisionError> {
        // What the commit-graph has is a commit.
        if self.snapshot.commit_graph().is_some_and(|graph| graph.lookup(&id).is_some()) {
            return Ok(id);
        }
        self.peel_to(id, b"commit")
    }

    fn parent(&self, id: ObjectId, number: u32) -> Result<ObjectId, RevisionError> {
        let commit = self.commit(id)?;
        if number == 0 {
            return Ok(commit);
        }
        let parents = self.links(commit)?.1;
        parents
            .get(number as usize - 1)
            .copied()
            .ok_or_else(|| self.no_such(format!("commit {commit} has {} parents", parents.len())))
    }

    fn links(&self, id: ObjectId) -> Result<(ObjectId, Vec<ObjectId>), RevisionError> {
        if let Some(graph) = self.snapshot.commit_graph()
            && let Some(at) = graph.lookup(&id)
        {
            let parents = graph.parents(at).map(|parent| Ok(graph.id(parent?)));
            let parents = parents.collect::<Result<_, GraphError>>();
            let damaged = |error| ReadError::corrupt("the commit-graph", error);
            return Ok((graph.tree(at), parents.map_err(damaged)?));
        }
        let mut buf = Vec::new();
        self.snapshot.require(&id, &mut buf)?;
        let links = commit::links(id.format(), &buf)
            .map_err(|e| ReadError::corrupt(format_args!("commit {id}"), e))?;
        let shallow = self.snapshot.shallow().binary_search(&id).is_ok();
        Ok((links.tree, if shallow { Vec::new() } else { links.parents().collect() }))
    }

    fn path(&self, id: ObjectId, path: &[u8]) -> Result<ObjectId, RevisionError> {
        let mut at = self.peel_to(id, b"tree")?;
        let mut buf = Vec::new();
        for component in path.split(|b| *b == b'/').filter(|c| !c.is_empty()) {
            let kind = self.snapshot.require(&at, &mut buf)?;
            let found = match kind {
                Kind::Tree => TreeRef::new(at.format(), &buf)
                    .find(component)
                    .map_err(|e| ReadError::corrupt(format_args!("tree {at}"), e))?,
                _ => None,
            };
            at = found
                .map(|entry| entry.id)
                .ok_or_else(|| self.no_such(format!("path '{}' does not exist in it", path.as_bstr())))?;
        }
        Ok(at)
    }

    fn no_such(&self, reason: String) -> RevisionError {
        RevisionError::NoSuch { spec: self.spec.into(), reason }
    }
}
