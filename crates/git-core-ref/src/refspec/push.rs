//! Refspecs applied to the refs of both sides of a push.

use super::{MappingError, Refspec, SHORT_NAME_RULES, Side, excluded, resolve};
use crate::{RefName, Target};
use bstr::{BString, ByteSlice as _};
use std::collections::BTreeMap;

/// One update that a push asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushMapping {
    /// What is sent.
    pub src: PushSource,
    /// The ref of the remote that is to be updated.
    pub dst: RefName,
    /// Whether an update that is no fast-forward is wanted.
    pub force: bool,
}

/// What a push sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushSource {
    /// The value of a local ref.
    Ref(RefName),
    /// Another expression for an object (`HEAD~2`, an id), which the caller has to resolve.
    Revision(BString),
    /// Nothing: the destination is deleted.
    Nothing,
}

/// Applies `specs` to the refs here, `local`, and there, `remote`.
///
/// # Errors
/// [`MappingError`] when a source is not there, a short name is ambiguous or says too little, or two sources
/// have one destination.
pub fn push<'r>(
    specs: &[Refspec],
    local: &BTreeMap<RefName, Target>,
    remote: impl IntoIterator<Item = &'r RefName>,
) -> Result<Vec<PushMapping>, MappingError> {
    let remote = remote.into_iter().collect::<Vec<_>>();
    let mut mappings = Vec::new();
    for spec in specs {
        let force = spec.force;
        match &spec.side {
            Side::Delete { dst } => {
                let dst = match find_remote(dst, &remote)? {
                    Some(dst) => dst,
                    None if dst.starts_with(b"refs/") => RefName::new(dst)?,
                    None => return Err(MappingError::NoRemoteRef { name: dst.clone() }),
                };
                mappings.push(PushMapping { src: PushSource::Nothing, dst, force });
            }
            Side::Matching => {
                for &name in &remote {
                    if name.is_branch() && local.contains_key(name) && !excluded(specs, name.as_bytes()) {
                        let src = PushSource::Ref(name.clone());
                        mappings.push(PushMapping { src, dst: name.clone(), force });
                    }
                }
            }
            Side::Name { src, dst } => {
                let (src, dst) = named(src, dst.as_ref(), local, &remote)?;
                mappings.push(PushMapping { src, dst, force });
            }
            Side::Pattern { src, dst } => {
                for name in local.keys() {
                    let Some(star) = src.matched(name.as_bytes()) else { continue };
                    if excluded(specs, name.as_bytes()) {
                        continue;
                    }
                    let dst = match dst {
                        Some(dst) => RefName::new(dst.fill(star))?,
                        None => name.clone(),
                    };
                    mappings.push(PushMapping { src: PushSource::Ref(name.clone()), dst, force });
                }
            }
            Side::Negative { .. } | Side::Id { .. } => {}
        }
    }
    without_collisions(mappings)
}

/// The ref here that a refspec of many would push to the ref `name` there, if it covers that.
pub fn source_of(spec: &Refspec, name: &RefName) -> Option<RefName> {
    match &spec.side {
        Side::Pattern { src, dst } => {
            let star = dst.as_ref().unwrap_or(src).matched(name.as_bytes())?;
            RefName::new(src.fill(star)).ok()
        }
        Side::Matching if name.is_branch() => Some(name.clone()),
        _ => None,
    }
}

fn named(
    src: &BString,
    dst: Option<&BString>,
    local: &BTreeMap<RefName, Target>,
    remote: &[&RefName],
) -> Result<(PushSource, RefName), MappingError> {
    let found = resolve(src, |name| local.contains_key(name));
    // A symbolic ref stands for the ref it points at, as `git push origin HEAD` has it.
    let full = found.as_ref().map(|name| match local.get(name) {
        Some(Target::Symbolic(target)) => target.clone(),
        _ => name.clone(),
    });
    let Some(dst) = dst else {
        let (Some(found), Some(full)) = (found, full) else {
            return Err(MappingError::NoLocalRef { src: src.clone() });
        };
        if full.is_root() {
            return Err(MappingError::Unqualified { dst: full.as_bytes().into() });
        }
        return Ok((PushSource::Ref(found), full));
    };
    let name = match (find_remote(dst, remote)?, &full) {
        (Some(name), _) => name,
        (None, _) if dst.starts_with(b"refs/") => RefName::new(dst)?,
        (None, Some(full)) if full.is_branch() => RefName::new([b"refs/heads/", dst.as_bytes()].concat())?,
        (None, Some(full)) if full.is_tag() => RefName::new([b"refs/tags/", dst.as_bytes()].concat())?,
        (None, _) => return Err(MappingError::Unqualified { dst: dst.clone() }),
    };
    let src = match found {
        Some(found) => PushSource::Ref(found),
        None => PushSource::Revision(src.clone()),
    };
    Ok((src, name))
}

/// The one ref of the remote that a short name stands for. Branches, tags and names without `refs/` count
/// more than what only the other rules reach.
fn find_remote(short: &[u8], remote: &[&RefName]) -> Result<Option<RefName>, MappingError> {
    let (mut strong, mut weak) = (Vec::new(), Vec::new());
    for &name in remote {
        let bytes = name.as_bytes();
        let matches = SHORT_NAME_RULES.iter().any(|(before, after)| {
            let inner = bytes.strip_prefix(before.as_bytes()).and_then(|b| b.strip_suffix(after.as_bytes()));
            inner == Some(short)
        });
        if matches {
            let whole = bytes == short || bytes.strip_prefix(b"refs/") == Some(short);
            if whole || name.is_branch() || name.is_tag() { strong.push(name) } else { weak.push(name) }
        }
    }
    match (strong.as_slice(), weak.as_slice()) {
        ([], []) => Ok(None),
        ([one], _) | ([], [one]) => Ok(Some(RefName::clone(one))),
        _ => Err(MappingError::Ambiguous { name: short.into() }),
    }
}

fn without_collisions(mappings: Vec<PushMapping>) -> Result<Vec<PushMapping>, MappingError> {
    let mut taken = BTreeMap::<RefName, PushSource>::new();
    let mut out = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        match taken.get(&mapping.dst) {
            Some(src) if *src == mapping.src => continue,
            Some(src) => {
                let (first, second) = (describe(src), describe(&mapping.src));
                return Err(MappingError::Collision { dst: mapping.dst, first, second });
            }
            None => {
                taken.insert(mapping.dst.clone(), mapping.src.clone());
                out.push(mapping);
            }
        }
    }
    Ok(out)
}

fn describe(src: &PushSource) -> String {
    match src {
        PushSource::Ref(name) => name.to_string(),
        PushSource::Revision(text) => text.to_string(),
        PushSource::Nothing => "a deletion".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Direction;
    use super::*;
    use git_core_object::{ObjectFormat, ObjectId};

    fn map(specs: &[&str], local: &[&str], remote: &[&str]) -> Result<Vec<String>, MappingError> {
        let specs = specs.iter().map(|s| Refspec::parse(Direction::Push, s).unwrap()).collect::<Vec<_>>();
        let id = Target::Id(ObjectId::empty_tree(ObjectFormat::Sha1));
        let mut refs: BTreeMap<_, _> = local.iter().map(|n| (RefName::new(n).unwrap(), id.clone())).collect();
        refs.insert(RefName::head(), Target::Symbolic(RefName::branch("main").unwrap()));
        let remote = remote.iter().map(|n| RefName::new(n).unwrap()).collect::<Vec<_>>();
        let mappings = push(&specs, &refs, &remote)?;
        Ok(mappings
            .iter()
            .map(|m| {
                let src = if m.src == PushSource::Nothing { String::new() } else { describe(&m.src) };
                format!("{}{src}:{}", if m.force { "+" } else { "" }, m.dst)
            })
            .collect())
    }

    #[test]
    fn names() {
        let local = ["refs/heads/main", "refs/tags/v1", "refs/heads/v2", "refs/x/y"];
        let push = |spec: &str, remote: &[&str]| map(&[spec], &local, remote);
        assert_eq!(push("main", &[]).unwrap(), ["refs/heads/main:refs/heads/main"]);
        assert_eq!(push("HEAD", &[]).unwrap(), ["HEAD:refs/heads/main"]);
        assert_eq!(push("+main:new", &[]).unwrap(), ["+refs/heads/main:refs/heads/new"]);
        assert_eq!(push("v1:v9", &[]).unwrap(), ["refs/tags/v1:refs/tags/v9"]);
        assert_eq!(push("main:old", &["refs/tags/old"]).unwrap(), ["refs/heads/main:refs/tags/old"]);
        assert_eq!(push("HEAD~1:refs/heads/z", &[]).unwrap(), ["HEAD~1:refs/heads/z"]);
        assert_eq!(push(":old", &["refs/heads/old"]).unwrap(), [":refs/heads/old"]);
        assert_eq!(push(":refs/heads/gone", &[]).unwrap(), [":refs/heads/gone"]);
        assert!(matches!(push(":old", &[]), Err(MappingError::NoRemoteRef { .. })));
        assert!(matches!(push("HEAD~1:z", &[]), Err(MappingError::Unqualified { .. })));
        assert!(matches!(push("refs/x/y:z", &[]), Err(MappingError::Unqualified { .. })));
        assert!(matches!(push("nope", &[]), Err(MappingError::NoLocalRef { .. })));
        assert!(matches!(
            push("main:o", &["refs/heads/o", "refs/tags/o"]),
            Err(MappingError::Ambiguous { .. })
        ));
        assert_eq!(
            push("main:o", &["refs/heads/o", "refs/remotes/o"]).unwrap(),
            ["refs/heads/main:refs/heads/o"]
        );
    }

    #[test]
    fn patterns_matching_and_collisions() {
        let local = ["refs/heads/a", "refs/heads/b", "refs/tags/t"];
        assert_eq!(
            map(&["refs/heads/*:refs/qa/*", "^refs/heads/b"], &local, &[]).unwrap(),
            ["refs/heads/a:refs/qa/a"]
        );
        assert_eq!(map(&["refs/tags/*"], &local, &[]).unwrap(), ["refs/tags/t:refs/tags/t"]);
        assert_eq!(
            map(&["+:"], &local, &["refs/heads/b", "refs/heads/c", "refs/tags/t"]).unwrap(),
            ["+refs/heads/b:refs/heads/b"]
        );
        assert!(matches!(map(&["a:x", "b:x"], &local, &[]), Err(MappingError::Collision { .. })));
    }
}
