//! The message of a commit, taken apart as git shows it.

use bstr::{BStr, ByteSlice as _};
use git_core_object::CommitRef;
use std::borrow::Cow;

/// A message, in UTF-8 where its encoding is known.
pub(super) struct Message<'a> {
    text: Cow<'a, [u8]>,
    latin1: bool,
}

impl<'a> Message<'a> {
    pub(super) fn of(commit: &CommitRef<'a>) -> Self {
        let latin1 = commit.encoding().is_some_and(|name| {
            ["ISO-8859-1", "ISO8859-1", "latin1", "latin-1"]
                .iter()
                .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        });
        let mut message = Message { text: Cow::Borrowed(b""), latin1 };
        let raw: &'a BStr = commit.message();
        message.text = message.utf8(raw);
        message
    }

    /// Text of the commit in UTF-8.
    pub(super) fn utf8<'t>(&self, text: &'t [u8]) -> Cow<'t, [u8]> {
        match self.latin1 {
            false => Cow::Borrowed(text),
            true => Cow::Owned(text.iter().map(|b| char::from(*b)).collect::<String>().into_bytes()),
        }
    }

    /// `%B`
    pub(super) fn raw(&self) -> &[u8] {
        &self.text
    }

    /// `%s`: the lines of the first paragraph, in one line.
    pub(super) fn subject(&self, out: &mut Vec<u8>) {
        let (subject, _) = self.divide();
        for (at, line) in subject.lines().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(line.trim_ascii_end());
        }
    }

    /// `%b`: what follows the first paragraph.
    pub(super) fn body(&self) -> &[u8] {
        self.divide().1
    }

    /// `%f`: the subject as it could be the name of a file.
    pub(super) fn file_name(&self, out: &mut Vec<u8>) {
        let (subject, _) = self.divide();
        let first = subject.lines().next().unwrap_or_default();
        let start = out.len();
        let mut gap = false;
        for &byte in first {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') {
                if gap && out.len() > start {
                    out.push(b'-');
                }
                gap = false;
                if byte != b'.' || out.len() == start || out.last() != Some(&b'.') {
                    out.push(byte);
                }
            } else {
                gap = true;
            }
        }
        while out.len() > start && matches!(out.last(), Some(b'.' | b'-')) {
            out.pop();
        }
    }

    /// The first paragraph, and what follows it.
    fn divide(&self) -> (&[u8], &[u8]) {
        let text = without_blank_lines(&self.text);
        let mut end = 0;
        while end < text.len() {
            let length = line_len(&text[end..]);
            if text[end..end + length].trim_ascii().is_empty() {
                break;
            }
            end += length;
        }
        (&text[..end], without_blank_lines(&text[end..]))
    }
}

fn without_blank_lines(mut text: &[u8]) -> &[u8] {
    while !text.is_empty() {
        let length = line_len(text);
        if !text[..length].trim_ascii().is_empty() {
            break;
        }
        text = &text[length..];
    }
    text
}

/// The length of the first line, with its end.
fn line_len(text: &[u8]) -> usize {
    text.find_byte(b'\n').map_or(text.len(), |at| at + 1)
}
