//! Checks of commits, and of the headers and identities they share with tags.

use super::{Checked, MessageId, Report};
use crate::{ObjectFormat, ObjectId};
use bstr::ByteSlice;

pub(super) fn check(format: ObjectFormat, content: &[u8], report: &mut Report<'_>) -> Checked {
    headers_end(content, report)?;
    let Some(rest) = content.strip_prefix(b"tree ") else {
        return report.found(MessageId::MissingTree, "invalid format - expected 'tree' line");
    };
    let (sound, mut rest) = id_line(format, rest);
    if !sound {
        report.found(MessageId::BadTreeSha1, "invalid 'tree' line format - bad sha1")?;
    }
    while let Some(parent) = rest.strip_prefix(b"parent ") {
        let (sound, behind) = id_line(format, parent);
        if !sound {
            report.found(MessageId::BadParentSha1, "invalid 'parent' line format - bad sha1")?;
        }
        rest = behind;
    }
    let mut authors = 0;
    while let Some(author) = rest.strip_prefix(b"author ") {
        authors += 1;
        rest = ident(author, report)?;
    }
    match authors {
        0 => report.found(MessageId::MissingAuthor, "invalid format - expected 'author' line")?,
        1 => {}
        _ => report.found(MessageId::MultipleAuthors, "invalid format - multiple 'author' lines")?,
    }
    let Some(committer) = rest.strip_prefix(b"committer ") else {
        return report.found(MessageId::MissingCommitter, "invalid format - expected 'committer' line");
    };
    ident(committer, report)?;
    if content.contains(&0) {
        report.found(MessageId::NulInCommit, "NUL byte in the commit object body")?;
    }
    Ok(())
}

/// The headers must end in an empty line, or be all there is, and have no NUL.
pub(super) fn headers_end(content: &[u8], report: &mut Report<'_>) -> Checked {
    let headers = content.find(b"\n\n").map_or(content, |end| &content[..end]);
    if let Some(offset) = headers.find_byte(0) {
        let detail = format!("unterminated header: NUL at offset {offset}");
        return report.found(MessageId::NulInHeader, detail);
    }
    if headers.len() == content.len() && !content.ends_with(b"\n") {
        return report.found(MessageId::UnterminatedHeader, "unterminated header");
    }
    Ok(())
}

/// Whether an id and a newline stand here, and what stands behind the line.
pub(super) fn id_line(format: ObjectFormat, text: &[u8]) -> (bool, &[u8]) {
    let digits = text.get(..format.hex_len()).unwrap_or_default();
    let sound = ObjectId::from_hex_of(format, digits).is_ok() && text.get(format.hex_len()) == Some(&b'\n');
    (sound, behind_line(text))
}

pub(super) fn behind_line(text: &[u8]) -> &[u8] {
    text.find_byte(b'\n').map_or(&[], |end| &text[end + 1..])
}

/// Checks the identity that stands here, and gives what stands behind its line. The first thing that is wrong
/// with it is the only one reported.
pub(super) fn ident<'a>(text: &'a [u8], report: &mut Report<'_>) -> Result<&'a [u8], super::Ended> {
    let line = &text[..text.find_byte(b'\n').unwrap_or(text.len())];
    if let Some((id, detail)) = ident_fault(line) {
        report.found(id, format!("invalid author/committer line - {detail}"))?;
    }
    Ok(behind_line(text))
}

fn ident_fault(line: &[u8]) -> Option<(MessageId, &'static str)> {
    let stop = |text: &[u8]| text.find_byteset(b"<>").unwrap_or(text.len());
    if line.starts_with(b"<") {
        return Some((MessageId::MissingNameBeforeEmail, "missing space before email"));
    }
    let (name, rest) = line.split_at(stop(line));
    let rest = match rest {
        [b'>', ..] => return Some((MessageId::BadName, "bad name")),
        [b'<', rest @ ..] => rest,
        _ => return Some((MessageId::MissingEmail, "missing email")),
    };
    if !name.ends_with(b" ") {
        return Some((MessageId::MissingSpaceBeforeEmail, "missing space before email"));
    }
    let [b'>', rest @ ..] = &rest[stop(rest)..] else { return Some((MessageId::BadEmail, "bad email")) };
    let [b' ', rest @ ..] = rest else {
        return Some((MessageId::MissingSpaceBeforeDate, "missing space before date"));
    };
    let date = rest.trim_start_with(|c| c == ' ' || c == '\t');
    let digits = date.iter().position(|b| !b.is_ascii_digit()).unwrap_or(date.len());
    let (number, zone) = date.split_at(digits);
    if number.is_empty() {
        return Some((MessageId::BadDate, "bad date"));
    }
    if number[0] == b'0' && date.get(1) != Some(&b' ') {
        return Some((MessageId::ZeroPaddedDate, "zero-padded date"));
    }
    if std::str::from_utf8(number).ok().and_then(|n| n.parse::<i64>().ok()).is_none() {
        return Some((MessageId::BadDateOverflow, "date causes integer overflow"));
    }
    let [b' ', zone @ ..] = zone else { return Some((MessageId::BadDate, "bad date")) };
    match zone {
        [b'+' | b'-', digits @ ..] if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) => None,
        _ => Some((MessageId::BadTimezone, "bad time zone")),
    }
}
