//! What a fetch is about: which refs of the remote, where they are stored, and which of them `FETCH_HEAD` marks to be
//! merged (`git-fetch(1)`, "Configured remote-tracking branches").

use super::run::{Run, Wanted};
use super::{FetchOptions, FetchWarning, PruneTags};
use crate::remote::{Remote, RemoteError, Tags};
use bstr::{BString, ByteSlice as _};
use git_core_object::ObjectId;
use git_core_ref::refspec::{self, Direction, FetchMapping, FetchSource, MappingError};
use git_core_ref::{RefName, Refspec};
use git_core_store::revision;
use git_core_transport::client::AdvertisedRef;
use std::collections::{BTreeMap, HashMap};

const ALL_TAGS: &str = "refs/tags/*:refs/tags/*";

/// Which refspecs a fetch follows, and what is merged afterwards.
pub(super) struct Asked {
    pub(super) specs: Vec<Refspec>,
    pub(super) kind: AskedKind,
    /// `branch.<current>.merge`, where the branch follows this remote.
    pub(super) merges: Vec<BString>,
}

/// Where the refspecs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AskedKind {
    /// Whoever asked named them.
    Given,
    /// The configuration of the remote has them, or there is nothing but what is to be merged.
    Configured {
        /// Whether some branch is to be merged, of this remote or another.
        merging: bool,
    },
    /// Nobody: `HEAD` is fetched.
    Nobody,
}

/// How `FETCH_HEAD` takes a ref, in the order in which refs are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mark {
    /// To be merged.
    Merge,
    /// Not to be merged.
    Keep,
    /// Not at all: it is stored again elsewhere since the configuration says so.
    Omit,
}

/// What is fetched.
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    /// Whether tags of what is fetched come along.
    pub(super) follows_tags: bool,
    pub(super) warnings: Vec<FetchWarning>,
}

impl Asked {
    /// What `options` ask of `remote`.
    pub(super) fn of(remote: &Remote, options: &FetchOptions) -> Result<Self, RemoteError> {
        let tags = Refspec::parse(Direction::Fetch, ALL_TAGS)?;
        let prunes_tags = options.prune_tags == PruneTags::Yes && options.refspecs.is_empty();
        if !options.refspecs.is_empty() {
            let specs = options.refspecs.clone();
            return Ok(Asked { specs, kind: AskedKind::Given, merges: Vec::new() });
        }
        if prunes_tags && remote.name.is_none() {
            return Ok(Asked { specs: vec![tags], kind: AskedKind::Given, merges: Vec::new() });
        }
        let (of, all) = configured_merges(remote)?;
        let merging = !all.is_empty();
        let merges = if of.as_ref() == Some(&remote.label) { all } else { Vec::new() };
        let mut specs = remote.fetch.clone();
        if prunes_tags {
            specs.push(tags);
        }
        let kind = match specs.is_empty() && merges.is_empty() {
            true => AskedKind::Nobody,
            false => AskedKind::Configured { merging },
        };
        Ok(Asked { specs, kind, merges })
    }
}

/// `branch.<current>.remote` and `branch.<current>.merge`.
fn configured_merges(remote: &Remote) -> Result<(Option<BString>, Vec<BString>), RemoteError> {
    let none = (None, Vec::new());
    let snapshot = remote.repository.snapshot()?;
    let head = snapshot.find_ref(&RefName::head())?;
    let Some(head) = head.and_then(|head| head.target.symbolic().cloned()) else { return Ok(none) };
    let Some(branch) = head.as_bytes().strip_prefix(b"refs/heads/") else { return Ok(none) };
    let config = remote.repository.config();
    let key = |variable: &str| [b"branch.", branch, b".", variable.as_bytes()].concat();
    let Some(of) = config.text(key("remote"))? else { return Ok(none) };
    let merges = config.get_all(key("merge")).map(|entry| Ok(entry.to_text()?.to_owned()));
    Ok((Some(of.to_owned()), merges.collect::<Result<_, RemoteError>>()?))
}

impl Run<'_> {
    /// Which refs are fetched, and where they are stored.
    pub(super) fn plan(&self, asked: &Asked, advertised: &[AdvertisedRef]) -> Result<Plan, RemoteError> {
        let names: Vec<&RefName> =
            advertised.iter().filter(|one| one.id.is_some()).map(|one| &one.name).collect();
        let ids: BTreeMap<&RefName, ObjectId> =
            advertised.iter().filter_map(|one| Some((&one.name, one.id?))).collect();
        let source = Source { names: &names, ids: &ids };
        let mut wanted = Vec::new();
        let mut stored_too = Vec::new();
        match asked.kind {
            AskedKind::Given => {
                for spec in &asked.specs {
                    wanted.extend(source.map(spec, Mark::Merge)?);
                }
                stored_too = self.stored_too(&wanted)?;
            }
            AskedKind::Configured { merging } => {
                for (at, spec) in asked.specs.iter().enumerate() {
                    let mut mapped = source.map(spec, Mark::Keep)?;
                    if at == 0
                        && !merging
                        && !spec.is_pattern()
                        && let Some(first) = mapped.first_mut()
                    {
                        first.mark = Mark::Merge;
                    }
                    wanted.extend(mapped);
                }
                self.mark_merges(&asked.merges, &source, &mut wanted)?;
            }
            AskedKind::Nobody => {
                wanted = source.map(&Refspec::parse(Direction::Fetch, "HEAD")?, Mark::Merge)?;
            }
        }
        let follows_tags = self.tags == Tags::Follow && asked.specs.iter().any(|spec| spec.dst().is_some());
        if self.tags == Tags::All {
            wanted.extend(source.map(&Refspec::parse(Direction::Fetch, ALL_TAGS)?, Mark::Keep)?);
        } else if follows_tags {
            wanted.extend(self.following_tags(advertised, &wanted, &*self.snapshot)?);
        }
        wanted.extend(stored_too);
        wanted.retain(|one| match &one.source {
            FetchSource::Ref(name) => !refspec::excludes(&asked.specs, name),
            FetchSource::Id(_) => true,
        });
        let (mut wanted, warnings) = without_repetitions(wanted)?;
        wanted.sort_by_key(|one| one.mark);
        Ok(Plan { wanted, follows_tags, warnings })
    }

    /// What was named is stored as the configuration, or `--refmap`, stores it, too.
    fn stored_too(&self, wanted: &[Wanted]) -> Result<Vec<Wanted>, RemoteError> {
        if self.reflogs == super::run::Reflogs::Omitted {
            return Ok(Vec::new());
        }
        let specs = self.options.refmap.as_ref().unwrap_or(&self.remote.fetch);
        let mut names: Vec<&RefName> = Vec::new();
        let mut ids = BTreeMap::new();
        for one in wanted {
            if let FetchSource::Ref(name) = &one.source
                && ids.insert(name, one.id).is_none()
            {
                names.push(name);
            }
        }
        let source = Source { names: &names, ids: &ids };
        let mut found = Vec::new();
        for spec in specs {
            match source.map(spec, Mark::Omit) {
                Ok(mapped) => found.extend(mapped.into_iter().filter(|one| one.local.is_some())),
                Err(RemoteError::Mapping(MappingError::NoRemoteRef { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        found.retain(|one| match &one.source {
            FetchSource::Ref(name) => !refspec::excludes(specs, name),
            FetchSource::Id(_) => true,
        });
        Ok(found)
    }

    /// Marks what the current branch is to be merged with, and fetches it if nothing else does.
    fn mark_merges(
        &self,
        merges: &[BString],
        source: &Source<'_>,
        wanted: &mut Vec<Wanted>,
    ) -> Result<(), RemoteError> {
        for merge in merges {
            let is_meant = |one: &Wanted| match &one.source {
                FetchSource::Ref(name) => refspec::expand(merge).any(|full| full == *name),
                FetchSource::Id(_) => false,
            };
            if let Some(one) = wanted.iter_mut().find(|one| is_meant(one)) {
                one.mark = Mark::Merge;
                continue;
            }
            let Ok(spec) = Refspec::parse(Direction::Fetch, merge) else { continue };
            match source.map(&spec, Mark::Merge) {
                Ok(mapped) => wanted.extend(mapped),
                // A branch that is gone is no reason to fetch nothing.
                Err(RemoteError::Mapping(MappingError::NoRemoteRef { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Refuses to store in a branch that a working tree is on, born or not.
    pub(super) fn spare_work_trees(&self, wanted: &[Wanted]) -> Result<(), RemoteError> {
        let trees = crate::server::work_trees(self.repository);
        for name in wanted.iter().filter_map(|one| one.local.as_ref()) {
            if let Some(tree) = trees.iter().find(|tree| tree.branch == *name) {
                return Err(RemoteError::CheckedOut { branch: name.clone(), path: tree.top.clone() });
            }
        }
        Ok(())
    }

    /// Whether what is there is a commit, or a tag of one: only that can be merged.
    pub(super) fn is_mergeable(&self, view: &dyn git_core_store::Snapshot, id: ObjectId) -> bool {
        let peeled = git_core_store::walk::peel(view, id, &mut Vec::new(), &mut Vec::new());
        matches!(peeled, Ok((_, git_core_object::Kind::Commit)))
    }

    /// The refs that `HEAD` and its like lead to: what a fetch must not take for new.
    pub(super) fn value_here(&self, name: &RefName) -> Result<Option<ObjectId>, RemoteError> {
        Ok(revision::follow(&*self.snapshot, name)?.1)
    }
}

/// Refs that a refspec selects from.
struct Source<'a> {
    names: &'a [&'a RefName],
    ids: &'a BTreeMap<&'a RefName, ObjectId>,
}

impl Source<'_> {
    fn map(&self, spec: &Refspec, mark: Mark) -> Result<Vec<Wanted>, RemoteError> {
        let mappings = refspec::fetch(std::slice::from_ref(spec), self.names.iter().copied())?;
        let wanted = |FetchMapping { src, dst, force, .. }: FetchMapping| {
            let id = match &src {
                FetchSource::Id(id) => *id,
                FetchSource::Ref(name) => *self.ids.get(name)?,
            };
            Some(Wanted { source: src, local: dst, force, id, mark })
        };
        Ok(mappings.into_iter().filter_map(wanted).collect())
    }
}

/// Stores into each ref once: what was asked for counts more than what the configuration adds to it.
fn without_repetitions(wanted: Vec<Wanted>) -> Result<(Vec<Wanted>, Vec<FetchWarning>), RemoteError> {
    let mut first: HashMap<RefName, (FetchSource, Mark)> = HashMap::new();
    let (mut kept, mut warnings) = (Vec::with_capacity(wanted.len()), Vec::new());
    for one in wanted {
        let Some(name) = &one.local else {
            kept.push(one);
            continue;
        };
        let Some((source, mark)) = first.get(name) else {
            first.insert(name.clone(), (one.source.clone(), one.mark));
            kept.push(one);
            continue;
        };
        if *source == one.source {
            continue;
        }
        let (known, other) = (source.to_string(), one.source.to_string());
        if one.mark == Mark::Omit && *mark != Mark::Omit {
            warnings.push(FetchWarning::UsuallyTracks {
                tracking: name.clone(),
                usual: other,
                source_name: known,
            });
            continue;
        }
        return Err(MappingError::Collision { dst: name.clone(), first: known, second: other }.into());
    }
    Ok((kept, warnings))
}

/// What is said of a source where it is stored in `FETCH_HEAD`: its kind, and its name below that.
pub(in crate::remote) fn kind_of(source: &FetchSource) -> (&'static str, BString) {
    match source {
        FetchSource::Id(id) => ("", id.to_string().into()),
        FetchSource::Ref(name) => {
            for (prefix, kind) in [
                ("refs/heads/", "branch"),
                ("refs/tags/", "tag"),
                ("refs/remotes/", "remote-tracking branch"),
            ] {
                if let Some(short) = name.as_bytes().strip_prefix(prefix.as_bytes()) {
                    return (kind, short.as_bstr().to_owned());
                }
            }
            match name.is_head() {
                true => ("", BString::default()),
                false => ("", name.as_bytes().as_bstr().to_owned()),
            }
        }
    }
}
