//! Refspecs applied to the refs that a remote advertises.

use super::{MappingError, Refspec, SHORT_NAME_RULES, Side, excluded, expand, resolve};
use crate::RefName;
use bstr::{BString, ByteSlice as _};
use git_core_object::ObjectId;
use std::collections::{BTreeMap, BTreeSet};

/// One thing to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchMapping {
    /// What of the remote.
    pub src: FetchSource,
    /// Where it is stored here; nowhere but in `FETCH_HEAD` if none.
    pub dst: Option<RefName>,
    /// Whether an update that is no fast-forward is wanted.
    pub force: bool,
}

/// What a fetch asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FetchSource {
    /// A ref that the remote has.
    Ref(RefName),
    /// An object by its id, whether the remote shows it or not.
    Id(ObjectId),
}

impl FetchSource {
    /// The name of the ref, if it is one.
    pub const fn name(&self) -> Option<&RefName> {
        match self {
            FetchSource::Ref(name) => Some(name),
            FetchSource::Id(_) => None,
        }
    }
}

impl std::fmt::Display for FetchSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FetchSource::Ref(name) => name.fmt(f),
            FetchSource::Id(id) => std::fmt::Display::fmt(id, f),
        }
    }
}

/// Applies `specs` to the remote's refs: what is fetched, and where to. Each pair comes once, in the order of
/// the specs and then of `remote`.
///
/// # Errors
/// [`MappingError`] when a named ref is not there, or two sources have one destination.
pub fn fetch<'r>(
    specs: &[Refspec],
    remote: impl IntoIterator<Item = &'r RefName>,
) -> Result<Vec<FetchMapping>, MappingError> {
    let remote = remote.into_iter().collect::<Vec<_>>();
    let names = remote.iter().map(|name| name.as_bytes()).collect::<BTreeSet<_>>();
    let mut out = Collector::default();
    for spec in specs {
        match &spec.side {
            Side::Id { src, dst } => {
                out.add(FetchSource::Id(*src), local_name(dst.as_ref())?, spec.force)?;
            }
            Side::Name { src, dst } => {
                let found = resolve(src, |name| names.contains(name.as_bytes()))
                    .ok_or_else(|| MappingError::NoRemoteRef { name: src.clone() })?;
                if !excluded(specs, found.as_bytes()) {
                    out.add(FetchSource::Ref(found), local_name(dst.as_ref())?, spec.force)?;
                }
            }
            Side::Pattern { src, dst } => {
                for &name in &remote {
                    let Some(star) = src.matched(name.as_bytes()) else { continue };
                    if excluded(specs, name.as_bytes()) {
                        continue;
                    }
                    let dst = match dst {
                        // A name that cannot be here is passed over, as git does with "funny" refs.
                        Some(dst) => match RefName::new(dst.fill(star)) {
                            Ok(dst) => Some(dst),
                            Err(_) => continue,
                        },
                        None => None,
                    };
                    out.add(FetchSource::Ref(name.clone()), dst, spec.force)?;
                }
            }
            Side::Negative { .. } | Side::Matching | Side::Delete { .. } => {}
        }
    }
    Ok(out.mappings)
}

/// The ref here that follows the remote's `name`, by the first of `specs` that stores it.
pub fn tracking(specs: &[Refspec], name: &RefName) -> Option<RefName> {
    if excluded(specs, name.as_bytes()) {
        return None;
    }
    specs.iter().find_map(|spec| match &spec.side {
        Side::Name { src, dst } => dst
            .as_ref()
            .filter(|_| expand(src).any(|full| full == *name))
            .and_then(|dst| local_name(Some(dst)).ok()?),
        Side::Pattern { src, dst: Some(dst) } => RefName::new(dst.fill(src.matched(name.as_bytes())?)).ok(),
        _ => None,
    })
}

/// The refs that `name` here may have come from by these specs, short names spelled out by git's first rule that gives a
/// full name; none if no spec stores there, or a negative one takes the only source away.
pub fn sources(specs: &[Refspec], name: &RefName) -> Vec<RefName> {
    let stored = |spec: &Refspec| match &spec.side {
        Side::Name { src, dst } => {
            let dst = local_name(dst.as_ref()).ok()??;
            (dst == *name).then(|| expand(src).collect::<Vec<_>>())
        }
        Side::Pattern { src, dst: Some(dst) } => {
            Some(vec![RefName::new(src.fill(dst.matched(name.as_bytes())?)).ok()?])
        }
        _ => None,
    };
    let all = specs.iter().filter_map(stored).flatten();
    all.filter(|source| !excluded(specs, source.as_bytes())).collect()
}

/// Whether a negative one of these specs takes the remote's `name` away.
pub fn excludes(specs: &[Refspec], name: &RefName) -> bool {
    excluded(specs, name.as_bytes())
}

/// The `ref-prefix` arguments of `ls-refs` that show every ref these specs may select, in their order; empty when all
/// refs have to be shown.
pub fn ref_prefixes(specs: &[Refspec]) -> Vec<BString> {
    let mut prefixes = Vec::new();
    for spec in specs {
        match &spec.side {
            Side::Name { src, .. } => {
                prefixes.extend(SHORT_NAME_RULES.map(|(before, after)| {
                    BString::from([before.as_bytes(), src, after.as_bytes()].concat())
                }));
            }
            Side::Pattern { src, .. } if src.star == 0 => return Vec::new(),
            Side::Pattern { src, .. } => prefixes.push(src.text[..src.star].into()),
            Side::Delete { .. } | Side::Matching | Side::Negative { .. } | Side::Id { .. } => {}
        }
    }
    prefixes
}

/// A destination here: full, or short for a branch, as `git fetch` has it.
fn local_name(dst: Option<&BString>) -> Result<Option<RefName>, MappingError> {
    let Some(dst) = dst else { return Ok(None) };
    let qualified = ["heads/", "tags/", "remotes/"].iter().any(|part| dst.starts_with(part.as_bytes()));
    let prefix: &[u8] = match () {
        () if dst.starts_with(b"refs/") => b"",
        () if qualified => b"refs/",
        () => b"refs/heads/",
    };
    Ok(Some(RefName::new([prefix, dst.as_bytes()].concat())?))
}

#[derive(Default)]
struct Collector {
    mappings: Vec<FetchMapping>,
    seen: BTreeSet<(FetchSource, Option<RefName>)>,
    taken: BTreeMap<RefName, FetchSource>,
}

impl Collector {
    fn add(&mut self, src: FetchSource, dst: Option<RefName>, force: bool) -> Result<(), MappingError> {
        if !self.seen.insert((src.clone(), dst.clone())) {
            return Ok(());
        }
        if let Some(dst) = &dst
            && let Some(first) = self.taken.insert(dst.clone(), src.clone())
        {
            let (first, second) = (first.to_string(), src.to_string());
            return Err(MappingError::Collision { dst: dst.clone(), first, second });
        }
        self.mappings.push(FetchMapping { src, dst, force });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Direction;
    use super::*;

    fn names(list: &[&str]) -> Vec<RefName> {
        list.iter().map(|name| RefName::new(name).unwrap()).collect()
    }

    fn map(specs: &[&str], remote: &[&str]) -> Result<Vec<String>, MappingError> {
        let specs = specs.iter().map(|s| Refspec::parse(Direction::Fetch, s).unwrap()).collect::<Vec<_>>();
        let mappings = fetch(&specs, &names(remote))?;
        Ok(mappings
            .iter()
            .map(|m| {
                let dst = m.dst.as_ref().map_or(String::new(), RefName::to_string);
                format!("{}{}:{dst}", if m.force { "+" } else { "" }, m.src)
            })
            .collect())
    }

    #[test]
    fn patterns_and_exclusions() {
        let remote = ["HEAD", "refs/heads/a", "refs/heads/b/c", "refs/tags/a"];
        assert_eq!(
            map(&["+refs/heads/*:refs/remotes/o/*"], &remote).unwrap(),
            ["+refs/heads/a:refs/remotes/o/a", "+refs/heads/b/c:refs/remotes/o/b/c"]
        );
        assert_eq!(map(&["refs/*:refs/*", "^refs/heads/*"], &remote).unwrap(), ["refs/tags/a:refs/tags/a"]);
        assert_eq!(map(&["refs/heads/b*c:refs/x/*y"], &remote).unwrap(), ["refs/heads/b/c:refs/x//y"][..0]);
        assert_eq!(map(&["refs/heads/b/*:refs/x/*-y"], &remote).unwrap(), ["refs/heads/b/c:refs/x/c-y"]);
    }

    #[test]
    fn short_names() {
        let remote = ["HEAD", "refs/heads/a", "refs/tags/a", "refs/heads/b", "refs/remotes/r/HEAD"];
        assert_eq!(
            map(&["a", "b:x", "", "r", "heads/a:tags/y"], &remote).unwrap(),
            [
                "refs/tags/a:",
                "refs/heads/b:refs/heads/x",
                "HEAD:",
                "refs/remotes/r/HEAD:",
                "refs/heads/a:refs/tags/y"
            ]
        );
        assert_eq!(map(&["c"], &remote), Err(MappingError::NoRemoteRef { name: "c".into() }));
    }

    #[test]
    fn collisions_and_repetitions() {
        let remote = ["refs/heads/a", "refs/heads/b"];
        assert!(matches!(map(&["a:x", "b:x"], &remote), Err(MappingError::Collision { .. })));
        assert_eq!(map(&["a:x", "+a:x"], &remote).unwrap().len(), 1);
    }

    #[test]
    fn prefixes_and_tracking() {
        let parse = |s: &str| Refspec::parse(Direction::Fetch, s).unwrap();
        assert_eq!(ref_prefixes(&[parse("+refs/heads/*:refs/remotes/o/*")]), ["refs/heads/"]);
        assert_eq!(ref_prefixes(&[parse("main")]).len(), 6);
        assert_eq!(ref_prefixes(&[parse("refs/heads/a"), parse("*:refs/x/*")]), Vec::<BString>::new());
        let specs = [parse("+refs/heads/*:refs/remotes/o/*"), parse("^refs/heads/x")];
        let name = |n: &str| RefName::new(n).unwrap();
        assert_eq!(tracking(&specs, &name("refs/heads/a")), Some(name("refs/remotes/o/a")));
        assert_eq!(tracking(&specs, &name("refs/heads/x")), None);
        assert_eq!(tracking(&specs, &name("refs/tags/a")), None);
    }
}
