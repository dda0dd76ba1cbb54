//! The grammar of refspecs; what git refuses is refused.

use super::{Direction, Pattern, Refspec, Side};
use crate::{RefNameProblem, check_pattern};
use bstr::ByteSlice as _;
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};

/// Text that is not a refspec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid refspec '{}': {problem}", .spec.escape_ascii())]
pub struct InvalidRefspec {
    /// Its first bytes.
    pub spec: Vec<u8>,
    /// What is wrong with it.
    pub problem: RefspecProblem,
}

/// A rule that a refspec breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefspecProblem {
    /// A name in it cannot be.
    #[error(transparent)]
    Name(#[from] RefNameProblem),
    /// A `*` on one side only, or a fetched pattern without a destination.
    #[error("a pattern has a '*' on both sides")]
    OneSided,
    /// A negative refspec with a destination, a `+`, an object id or nothing to exclude.
    #[error("a negative refspec is '^' and a ref name or pattern")]
    Negative,
    /// A push with `src:` and nothing after it.
    #[error("the destination is empty")]
    EmptyDestination,
    /// The source of a push could be anything, so its destination has to be named.
    #[error("the source is not a ref name and there is no destination")]
    NoDestination,
}

impl InvalidRefspec {
    /// The class of the error: always [`ErrorKind::Invalid`].
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl Refspec {
    /// Reads a refspec as a command line or `remote.<name>.fetch` and `.push` spell it.
    ///
    /// # Errors
    /// [`InvalidRefspec`].
    ///
    /// ```
    /// use git_core_ref::refspec::{Direction, Refspec};
    /// let spec = Refspec::parse(Direction::Fetch, "+refs/heads/*:refs/remotes/origin/*")?;
    /// assert!(spec.is_force() && spec.is_pattern());
    /// # Ok::<(), git_core_ref::refspec::InvalidRefspec>(())
    /// ```
    pub fn parse(direction: Direction, spec: impl AsRef<[u8]>) -> Result<Self, InvalidRefspec> {
        let spec = spec.as_ref();
        parse(direction, spec)
            .map_err(|problem| InvalidRefspec { spec: spec[..spec.len().min(256)].to_vec(), problem })
    }
}

fn parse(direction: Direction, spec: &[u8]) -> Result<Refspec, RefspecProblem> {
    if let Some(src) = spec.strip_prefix(b"^") {
        if src.is_empty() || src.contains(&b':') || exact_id(src).is_some() {
            return Err(RefspecProblem::Negative);
        }
        check_pattern(src).map_err(|e| e.problem)?;
        return Ok(Refspec { direction, force: false, side: Side::Negative { src: src.into() } });
    }
    let (force, body) = match spec.strip_prefix(b"+") {
        Some(body) => (true, body),
        None => (false, spec),
    };
    let (src, dst) = match body.rfind_byte(b':') {
        Some(colon) => (&body[..colon], Some(&body[colon + 1..])),
        None => (body, None),
    };
    let src = if src == b"@" { b"HEAD" } else { src };
    let side = match direction {
        Direction::Fetch => fetch_side(src, dst)?,
        Direction::Push => push_side(src, dst)?,
    };
    Ok(Refspec { direction, force, side })
}

fn fetch_side(src: &[u8], dst: Option<&[u8]>) -> Result<Side, RefspecProblem> {
    // `src:` says that nothing is to be stored, as `src` does.
    let stored = dst.filter(|dst| !dst.is_empty());
    if let Some(dst) = stored {
        check_pattern(dst).map_err(|e| e.problem)?;
    }
    if let Some(pattern) = Pattern::new(src) {
        let dst = dst.and_then(Pattern::new).ok_or(RefspecProblem::OneSided)?;
        check_pattern(src).map_err(|e| e.problem)?;
        return Ok(Side::Pattern { src: pattern, dst: Some(dst) });
    }
    if stored.is_some_and(|dst| dst.contains(&b'*')) {
        return Err(RefspecProblem::OneSided);
    }
    let dst = stored.map(Into::into);
    if let Some(id) = exact_id(src) {
        return Ok(Side::Id { src: id, dst });
    }
    let src = if src.is_empty() { b"HEAD" } else { src };
    check_pattern(src).map_err(|e| e.problem)?;
    Ok(Side::Name { src: src.into(), dst })
}

fn push_side(src: &[u8], dst: Option<&[u8]>) -> Result<Side, RefspecProblem> {
    match (src, dst) {
        (b"", Some(b"")) => return Ok(Side::Matching),
        (b"", None) => return Err(RefNameProblem::Empty.into()),
        (_, Some(b"")) => return Err(RefspecProblem::EmptyDestination),
        (_, Some(dst)) => check_pattern(dst).map_err(|e| e.problem)?,
        (_, None) => {}
    }
    let starred = dst.map(|dst| dst.contains(&b'*'));
    if let Some(pattern) = Pattern::new(src) {
        if starred == Some(false) {
            return Err(RefspecProblem::OneSided);
        }
        check_pattern(src).map_err(|e| e.problem)?;
        return Ok(Side::Pattern { src: pattern, dst: dst.and_then(Pattern::new) });
    }
    if starred == Some(true) {
        return Err(RefspecProblem::OneSided);
    }
    match dst {
        Some(dst) if src.is_empty() => Ok(Side::Delete { dst: dst.into() }),
        Some(dst) => Ok(Side::Name { src: src.into(), dst: Some(dst.into()) }),
        None if check_pattern(src).is_err() => Err(RefspecProblem::NoDestination),
        None => Ok(Side::Name { src: src.into(), dst: None }),
    }
}

fn exact_id(src: &[u8]) -> Option<ObjectId> {
    ObjectFormat::from_hex_len(src.len())?;
    ObjectId::from_hex(src).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fetch_grammar() {
        let parse = |spec: &str| Refspec::parse(Direction::Fetch, spec);
        for good in [
            "",
            ":",
            "main",
            "main:",
            "main:x",
            "+main:x",
            "refs/heads/*:refs/x/*",
            "a*b:c*d",
            "^refs/heads/x",
            "^refs/heads/*",
            "HEAD",
            "@",
            &"a".repeat(40),
            &format!("{}:refs/heads/x", "a".repeat(64)),
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in [
            "refs/heads/*",
            "a*:b",
            "a:b*",
            "a**:b**",
            "a..b",
            "HEAD~1",
            "^",
            "^a:b",
            "a:b:c*",
            &format!("^{}", "a".repeat(40)),
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse("").unwrap().src().unwrap(), "HEAD");
        assert_eq!(parse("+a:b").unwrap().to_string(), "+a:b");
    }

    #[test]
    fn push_grammar() {
        let parse = |spec: &str| Refspec::parse(Direction::Push, spec);
        for good in [
            ":",
            "+:",
            "main",
            ":main",
            "HEAD~2:refs/heads/x",
            "refs/heads/*",
            "refs/heads/*:refs/x/*",
            "^a",
            "+a:b",
        ] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "main:", "HEAD~2", "a*:b", "a:b*", "a:b..c", ":b*"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(":x").unwrap().is_deletion());
        assert!(parse("+:").unwrap().is_matching());
        assert_eq!(parse(":x").unwrap().to_string(), ":x");
    }
}
