//! What a file of the tree is in the archive: as it is stored, or changed by its attributes.

use super::walk::{Found, attributes_of};
use super::{ArchiveError, ArchiveOptions};
use crate::attributes::{AttributeStack, Attributes};
use crate::text::Conversion;
use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::attributes::State;
use git_core_object::{BoxError, EntryKind, Kind, ObjectId, ReadError};
use git_core_store::{ObjectReader, Snapshot};

/// Larger files are read piece by piece, if nothing is changed about them.
const HELD: u64 = 1 << 20;
/// As much of a file as is looked at to tell text from other files, as git does.
const LOOK: usize = 8000;

/// The content of an entry.
pub(super) enum Content {
    /// There is none.
    Nothing,
    Held(Vec<u8>),
    Read(Box<dyn ObjectReader>),
}

/// What is known of a file's content before it is read.
pub(super) enum Looks {
    Text,
    Binary,
    /// Its first bytes decide.
    Unknown,
}

impl Looks {
    pub(super) fn is_binary(&self, beginning: &[u8]) -> bool {
        match self {
            Looks::Text => false,
            Looks::Binary => true,
            Looks::Unknown => beginning[..beginning.len().min(LOOK)].contains(&0),
        }
    }
}

/// Opens or reads what an entry holds; anything above `held` is opened if it is not changed.
pub(super) fn content(
    objects: &dyn Snapshot,
    found: &Found,
    stack: &AttributeStack,
    options: &ArchiveOptions,
) -> Result<(Content, Looks), ArchiveError> {
    let (kind, id) = (found.entry.kind, &found.entry.id);
    if matches!(kind, EntryKind::Tree | EntryKind::Commit) {
        return Ok((Content::Nothing, Looks::Binary));
    }
    let attributes = attributes_of(stack, &found.path, kind);
    let looks = looks(&attributes, options);
    let header = objects.header(id)?.ok_or(ReadError::Missing { id: *id })?;
    if header.kind != Kind::Blob {
        return Err(ReadError::WrongKind { id: *id, expected: Kind::Blob, actual: header.kind }.into());
    }
    let is_file = kind != EntryKind::Link;
    let expand = is_file && attributes.is_set("export-subst") && options.expand.is_some();
    let mut conversion = Conversion::default();
    if is_file && (header.size <= options.big_file || expand) {
        conversion = Conversion::of(&attributes, options.line_ends);
    }
    if is_file && header.size > HELD && conversion.is_none() && !expand {
        let reader = objects.open_object(id)?.ok_or(ReadError::Missing { id: *id })?;
        return Ok((Content::Read(reader), looks));
    }
    let mut content = Vec::new();
    objects.require(id, &mut content)?;
    let failed = |source: BoxError| ArchiveError::Convert { path: found.path.clone(), source };
    if !conversion.is_none() {
        content = convert(content, id, found.path.as_bstr(), &conversion, options).map_err(failed)?;
    }
    if expand {
        content = expanded(content, options).map_err(failed)?;
    }
    Ok((Content::Held(content), looks))
}

fn convert(
    content: Vec<u8>,
    id: &ObjectId,
    path: &BStr,
    conversion: &Conversion,
    options: &ArchiveOptions,
) -> Result<Vec<u8>, BoxError> {
    let content = match conversion.text(&content, id) {
        std::borrow::Cow::Owned(changed) => changed,
        std::borrow::Cow::Borrowed(_) => content,
    };
    if let (Some(name), Some(filters)) = (conversion.filter(), &options.filters)
        && let Some(filtered) = filters.smudge(name.as_bstr(), path, &content)?
    {
        return Ok(filtered);
    }
    Ok(content)
}

/// Every `$Format:…$` expanded.
fn expanded(content: Vec<u8>, options: &ArchiveOptions) -> Result<Vec<u8>, BoxError> {
    let Some(expand) = &options.expand else { return Ok(content) };
    const START: &[u8] = b"$Format:";
    let mut out = Vec::new();
    let mut rest = &content[..];
    while let Some(at) = rest.find(START)
        && let Some(length) = rest[at + START.len()..].find_byte(b'$')
    {
        out.extend_from_slice(&rest[..at]);
        let behind = &rest[at + START.len()..];
        expand.expand(behind[..length].as_bstr(), &mut out)?;
        rest = &behind[length + 1..];
    }
    if out.is_empty() && rest.len() == content.len() {
        return Ok(content);
    }
    out.extend_from_slice(rest);
    Ok(out)
}

/// Whether a zip file is to say that a file is text: by the attribute `diff`, else by its content.
fn looks(attributes: &Attributes<'_>, options: &ArchiveOptions) -> Looks {
    let driver = |name: &BString| options.binary_drivers.iter().rev().find(|(driver, _)| driver == name);
    match attributes.get("diff") {
        State::Set => Looks::Text,
        State::Unset => Looks::Binary,
        State::Unspecified => Looks::Unknown,
        State::Value(name) => match driver(name) {
            Some((_, true)) => Looks::Binary,
            Some((_, false)) => Looks::Text,
            None => Looks::Unknown,
        },
    }
}
