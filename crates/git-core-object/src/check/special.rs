//! Checks of files whose content git acts upon: `.gitmodules` and `.gitattributes`.

use super::tree::{behind_backslashes, names};
use super::{CheckOptions, Finding, MessageId, Report};
use crate::path::{GITATTRIBUTES, GITMODULES, is_ntfs_dot};
use crate::{EntryKind, ObjectFormat, ObjectId, TreeRef};
use bstr::ByteSlice;
use git_core_config::Document;

/// The longest line of `.gitattributes`, in bytes, and the largest such file.
const ATTRIBUTES_LINE: usize = 2048;
const ATTRIBUTES_FILE: usize = 100 << 20;

/// A file whose content is to be checked once its blob is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpecialFile {
    /// `.gitmodules`
    Modules,
    /// `.gitattributes`
    Attributes,
}

impl SpecialFile {
    /// What to report when the blob is not there.
    pub const fn missing(self) -> MessageId {
        match self {
            SpecialFile::Modules => MessageId::GitmodulesMissing,
            SpecialFile::Attributes => MessageId::GitattributesMissing,
        }
    }

    /// What to report when the object is no blob.
    pub const fn not_a_blob(self) -> MessageId {
        match self {
            SpecialFile::Modules => MessageId::GitmodulesBlob,
            SpecialFile::Attributes => MessageId::GitattributesBlob,
        }
    }
}

/// The special files of a tree, with the ids of their blobs, as far as the tree can be read.
pub fn special_files(format: ObjectFormat, tree: &[u8]) -> Vec<(SpecialFile, ObjectId)> {
    let mut found = Vec::new();
    for entry in TreeRef::new(format, tree).iter().map_while(Result::ok) {
        if entry.mode.kind() == EntryKind::Link {
            continue;
        }
        let hidden = |name: &[u8]| behind_backslashes(name).any(|name| is_ntfs_dot(name, &GITMODULES));
        if names(entry.name, &GITMODULES) || hidden(entry.name) {
            found.push((SpecialFile::Modules, entry.id));
        }
        if names(entry.name, &GITATTRIBUTES) {
            found.push((SpecialFile::Attributes, entry.id));
        }
    }
    found
}

/// Checks the content of a special file.
pub fn check_special(file: SpecialFile, content: &[u8], options: &CheckOptions) -> Vec<Finding> {
    let mut report = Report { options, findings: Vec::new() };
    match file {
        SpecialFile::Modules => modules(content, &mut report),
        SpecialFile::Attributes => attributes(content, &mut report),
    }
    report.findings
}

fn attributes(content: &[u8], report: &mut Report<'_>) {
    if content.len() > ATTRIBUTES_FILE {
        report.note(MessageId::GitattributesLarge, ".gitattributes too large to parse");
    } else if content.split(|b| *b == b'\n').any(|line| line.len() >= ATTRIBUTES_LINE) {
        report.note(MessageId::GitattributesLineLength, ".gitattributes has too long lines to parse");
    }
}

fn modules(content: &[u8], report: &mut Report<'_>) {
    let Ok(document) = Document::parse(content) else {
        report.note(MessageId::GitmodulesParse, "could not parse gitmodules blob");
        return;
    };
    for entry in document.entries().filter(|entry| entry.section() == "submodule") {
        let Some(name) = entry.subsection() else { continue };
        let text = |what: &str, value: &[u8]| [what.as_bytes(), value].concat();
        if !is_submodule_name(name) {
            report.note(MessageId::GitmodulesName, text("disallowed submodule name: ", name));
        }
        let Some(value) = entry.value().text() else { continue };
        match entry.name().as_bytes() {
            b"url" if !is_submodule_url(value) => {
                report.note(MessageId::GitmodulesUrl, text("disallowed submodule url: ", value));
            }
            b"path" if value.starts_with(b"-") => {
                report.note(MessageId::GitmodulesPath, text("disallowed submodule path: ", value));
            }
            b"update" if value.starts_with(b"!") => {
                report
                    .note(MessageId::GitmodulesUpdate, text("disallowed submodule update setting: ", value));
            }
            _ => {}
        }
    }
}

/// A name is part of a path below the repository, so no component of it may lead up.
fn is_submodule_name(name: &[u8]) -> bool {
    !name.is_empty() && !name.split(|b| matches!(b, b'/' | b'\\')).any(|part| part == b"..")
}

/// No option, and no newline or missing host once it is decoded: both would mislead credential helpers.
fn is_submodule_url(url: &[u8]) -> bool {
    if url.starts_with(b"-") {
        return false;
    }
    let relative = |url: &[u8]| {
        let rest = url.strip_prefix(b".").map(|rest| rest.strip_prefix(b".").unwrap_or(rest));
        matches!(rest, Some([b'/' | b'\\', ..]))
    };
    // Either may be put behind an HTTP URL and decoded there.
    if relative(url) || url.starts_with(b"git://") {
        let decoded = percent_decoded(url);
        return !decoded.contains(&b'\n') && !climbs_into_scheme(&decoded);
    }
    let url = ["http::", "https::", "ftp::", "ftps::"]
        .iter()
        .find_map(|helper| url.strip_prefix(helper.as_bytes()))
        .unwrap_or(url);
    let schemes: [&[u8]; 4] = [b"http://", b"https://", b"ftp://", b"ftps://"];
    let Some(scheme) =
        schemes.iter().find(|s| url.len() >= s.len() && url[..s.len()].eq_ignore_ascii_case(s))
    else {
        return true;
    };
    let rest = &url[scheme.len()..];
    let authority = &rest[..rest.find_byteset(b"/?#").unwrap_or(rest.len())];
    let host = authority.rfind_byte(b'@').map_or(authority, |at| &authority[at + 1..]);
    let host =
        if host.starts_with(b"[") { host } else { &host[..host.find_byte(b':').unwrap_or(host.len())] };
    !host.is_empty() && !percent_decoded(rest).contains(&b'\n')
}

/// Whether a relative URL leads above the path of what it is relative to, so that what follows could become the
/// host or the scheme.
fn climbs_into_scheme(url: &[u8]) -> bool {
    let mut rest = url;
    let mut climbed = false;
    loop {
        rest = match rest {
            [b'.', b'.', b'/' | b'\\', rest @ ..] => {
                climbed = true;
                rest
            }
            [b'.', b'/' | b'\\', rest @ ..] => rest,
            _ => break,
        };
    }
    climbed && matches!(rest, [b':' | b'/', ..])
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    let digit = |at: usize| text.get(at).and_then(|b| char::from(*b).to_digit(16));
    while at < text.len() {
        match (text[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    out
}
