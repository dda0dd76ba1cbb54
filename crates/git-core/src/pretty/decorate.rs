//! The refs that point to a commit, as `%d` and `%(decorate)` show them.

use super::peel;
use bstr::{BString, ByteSlice as _};
use git_core_object::{ObjectId, ReadError};
use git_core_ref::{RefName, Target};
use git_core_store::{Snapshot, revision};
use std::ops::ControlFlow;

/// What stands around names.
pub(super) struct Style {
    before: BString,
    after: BString,
    between: BString,
    pointer: BString,
    tag: BString,
}

impl Default for Style {
    fn default() -> Self {
        Style {
            before: " (".into(),
            after: ")".into(),
            between: ", ".into(),
            pointer: " -> ".into(),
            tag: "tag: ".into(),
        }
    }
}

impl Style {
    /// Names alone.
    pub(super) fn bare() -> Self {
        Style { before: "".into(), after: "".into(), ..Style::default() }
    }

    /// Reads `prefix=…,suffix=…`; `None` when there is something else.
    pub(super) fn parse(options: &[u8]) -> Option<Self> {
        let mut style = Style::default();
        for option in options.split(|b| *b == b',').filter(|option| !option.is_empty()) {
            let at = option.find_byte(b'=')?;
            let value = literal(&option[at + 1..]);
            match &option[..at] {
                b"prefix" => style.before = value,
                b"suffix" => style.after = value,
                b"separator" => style.between = value,
                b"pointer" => style.pointer = value,
                b"tag" => style.tag = value,
                _ => return None,
            }
        }
        Some(style)
    }
}

/// A value with `%n`, `%%` and `%x00` expanded.
fn literal(value: &[u8]) -> BString {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some((&byte, behind)) = rest.split_first() {
        let (byte, taken) = match (byte, behind) {
            (b'%', [b'n', ..]) => (b'\n', 1),
            (b'%', [b'%', ..]) => (b'%', 1),
            (b'%', [b'x', a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                let digit = |d: &u8| char::from(*d).to_digit(16).unwrap_or(0) as u8;
                (digit(a) << 4 | digit(b), 3)
            }
            _ => (byte, 0),
        };
        out.push(byte);
        rest = &behind[taken..];
    }
    out.into()
}

pub(super) fn decorate(
    snapshot: &dyn Snapshot,
    id: &ObjectId,
    style: &Style,
    out: &mut Vec<u8>,
) -> Result<(), ReadError> {
    let mut names = names(snapshot, id)?;
    let head = RefName::head();
    let (branch, at) = revision::follow(snapshot, &head)?;
    let mut shown: Vec<BString> = Vec::new();
    if at == Some(*id) {
        let mut text = BString::from("HEAD");
        // The branch is only named where `HEAD` points to one.
        if branch != head
            && let Some(short) = branch.as_bytes().strip_prefix(b"refs/heads/")
        {
            text.extend_from_slice(&style.pointer);
            text.extend_from_slice(short);
            names.retain(|name| *name != branch);
        }
        shown.push(text);
    }
    for name in names.iter().rev() {
        let name = name.as_bytes();
        let mut text = BString::default();
        if let Some(short) = name.strip_prefix(b"refs/tags/") {
            text.extend_from_slice(&style.tag);
            text.extend_from_slice(short);
        } else {
            let short = name.strip_prefix(b"refs/heads/").or_else(|| name.strip_prefix(b"refs/remotes/"));
            text.extend_from_slice(short.unwrap_or(name));
        }
        shown.push(text);
    }
    if !shown.is_empty() {
        out.extend_from_slice(&style.before);
        out.extend_from_slice(&bstr::join(&style.between, &shown));
        out.extend_from_slice(&style.after);
    }
    Ok(())
}

/// The refs that lead to a commit, by name.
fn names(snapshot: &dyn Snapshot, id: &ObjectId) -> Result<Vec<RefName>, ReadError> {
    let (mut found, mut failed) = (Vec::new(), None);
    snapshot.for_each_ref(b"", &mut |one| {
        if one.name.as_bytes().starts_with(b"refs/replace/") {
            return ControlFlow::Continue(());
        }
        let target = match &one.target {
            Target::Id(id) => Ok(Some(*id)),
            Target::Symbolic(_) => revision::follow(snapshot, &one.name).map(|(_, id)| id),
        };
        let leads = target.and_then(|target| match target {
            Some(target) if target == *id => Ok(true),
            Some(target) => Ok(peel(snapshot, target)?.is_some_and(|(peeled, _)| peeled == *id)),
            None => Ok(false),
        });
        match leads {
            Ok(true) => found.push(one.name),
            Ok(false) => {}
            Err(error) => failed = Some(error),
        }
        if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    failed.map_or(Ok(found), Err)
}
