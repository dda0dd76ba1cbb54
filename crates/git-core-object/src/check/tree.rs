//! Checks of trees.

use super::{MessageId, Report};
use crate::path::{
    DotFile, GITATTRIBUTES, GITIGNORE, GITMODULES, MAILMAP, is_hfs_dot, is_ntfs_dot, is_ntfs_dotgit,
};
use crate::{EntryKind, ObjectFormat, TreeEntryRef, TreeRef};
use std::collections::BTreeSet;

/// Names longer than this are reported unless the options say otherwise.
const LONGEST_NAME: usize = 4096;

pub(super) fn check(format: ObjectFormat, content: &[u8], report: &mut Report<'_>) {
    use MessageId as Id;
    let longest = report.options.longest_name.unwrap_or(LONGEST_NAME);
    let strict = report.options.strict;
    let mut found = BTreeSet::new();
    let mut order = Order::default();
    for entry in TreeRef::new(format, content) {
        let entry = match entry {
            Ok(entry) if !entry.name.is_empty() => entry,
            _ => {
                report.note(Id::BadTree, "cannot be parsed as a tree");
                break;
            }
        };
        for (id, detail) in links_in_place_of_files(&entry) {
            report.note(id, detail);
        }
        let sound_mode = match entry.mode.raw() {
            0o100_644 | 0o100_755 | 0o040_000 | 0o120_000 | 0o160_000 => true,
            0o100_664 => !strict,
            _ => false,
        };
        let faults = [
            (Id::NullSha1, entry.id.is_null()),
            (Id::FullPathname, entry.name.contains(&b'/')),
            (Id::HasDot, entry.name == "."),
            (Id::HasDotdot, entry.name == ".."),
            (Id::HasDotgit, is_dotgit(entry.name)),
            (Id::ZeroPaddedFilemode, entry.mode_text.starts_with(b"0")),
            (Id::BadFilemode, !sound_mode),
            (Id::LargePathname, entry.name.len() > longest),
        ];
        found.extend(faults.into_iter().filter(|(_, is)| *is).map(|(id, _)| id));
        found.extend(order.fault(entry.name, entry.mode.kind()));
    }
    // In git's order.
    for (id, detail) in [
        (Id::NullSha1, "contains entries pointing to null sha1"),
        (Id::FullPathname, "contains full pathnames"),
        (Id::HasDot, "contains '.'"),
        (Id::HasDotdot, "contains '..'"),
        (Id::HasDotgit, "contains '.git'"),
        (Id::ZeroPaddedFilemode, "contains zero-padded file modes"),
        (Id::BadFilemode, "contains bad file modes"),
        (Id::DuplicateEntries, "contains duplicate file entries"),
        (Id::TreeNotSorted, "not properly sorted"),
        (Id::LargePathname, "contains excessively large pathname"),
    ] {
        if found.contains(&id) {
            report.note(id, detail);
        }
    }
}

fn is_dotgit(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b".git")
        || is_hfs_dot(name, b".git")
        || is_ntfs_dotgit(name)
        || behind_backslashes(name).any(is_ntfs_dotgit)
}

/// Where NTFS would see names begin within a name.
pub(super) fn behind_backslashes(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, b)| **b == b'\\').map(|(at, _)| &name[at + 1..])
}

/// Whether some system takes the name for that of the file.
pub(super) fn names(name: &[u8], file: &DotFile) -> bool {
    is_hfs_dot(name, file.name) || is_ntfs_dot(name, file)
}

fn links_in_place_of_files(entry: &TreeEntryRef<'_>) -> Vec<(MessageId, &'static str)> {
    if entry.mode.kind() != EntryKind::Link {
        return Vec::new();
    }
    let mut found = Vec::new();
    let modules = (MessageId::GitmodulesSymlink, ".gitmodules is a symbolic link");
    if names(entry.name, &GITMODULES) {
        found.push(modules);
    }
    for (file, id, detail) in [
        (&GITATTRIBUTES, MessageId::GitattributesSymlink, ".gitattributes is a symlink"),
        (&GITIGNORE, MessageId::GitignoreSymlink, ".gitignore is a symlink"),
        (&MAILMAP, MessageId::MailmapSymlink, ".mailmap is a symlink"),
    ] {
        if names(entry.name, file) {
            found.push((id, detail));
        }
    }
    let hidden = behind_backslashes(entry.name).filter(|name| is_ntfs_dot(name, &GITMODULES));
    found.extend(hidden.map(|_| modules));
    found
}

/// Whether each entry stands behind the one before it.
#[derive(Default)]
struct Order<'a> {
    before: Option<(&'a [u8], EntryKind)>,
    /// Files whose name a directory further down could repeat, since a directory counts as if a `/` stood behind
    /// its name: `a`, `a.b`, `a/`. Each begins with the one before it.
    open: Vec<&'a [u8]>,
}

impl<'a> Order<'a> {
    fn fault(&mut self, name: &'a bstr::BStr, kind: EntryKind) -> Option<MessageId> {
        let name: &'a [u8] = name;
        let (before, before_kind) = self.before.replace((name, kind))?;
        let common = before.len().min(name.len());
        match before[..common].cmp(&name[..common]) {
            std::cmp::Ordering::Less => return None,
            std::cmp::Ordering::Greater => return Some(MessageId::TreeNotSorted),
            std::cmp::Ordering::Equal if before.len() == name.len() => {
                return Some(MessageId::DuplicateEntries);
            }
            std::cmp::Ordering::Equal => {}
        }
        let end = |name: &[u8], kind| match name.get(common) {
            Some(byte) => *byte,
            None if kind == EntryKind::Tree => b'/',
            None => 0,
        };
        let below_slash = |byte: u8| byte != 0 && byte < b'/';
        let (left, right) = (end(before, before_kind), end(name, kind));
        if left == 0 && below_slash(right) {
            self.open.push(before);
        } else if right == b'/' && below_slash(left) {
            while let Some(file) = self.open.pop() {
                match name.strip_prefix(file) {
                    Some([]) => return Some(MessageId::DuplicateEntries),
                    Some([next, ..]) if below_slash(*next) => {
                        self.open.push(file);
                        break;
                    }
                    _ => {}
                }
            }
        }
        (left >= right).then_some(MessageId::TreeNotSorted)
    }
}
