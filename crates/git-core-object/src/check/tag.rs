//! Checks of annotated tags.

use super::commit::{behind_line, headers_end, id_line, ident};
use super::{Checked, MessageId, Report};
use crate::{Kind, ObjectFormat};
use bstr::ByteSlice;

pub(super) fn check(format: ObjectFormat, content: &[u8], report: &mut Report<'_>) -> Checked {
    headers_end(content, report)?;
    let Some(rest) = content.strip_prefix(b"object ") else {
        return report.found(MessageId::MissingObject, "invalid format - expected 'object' line");
    };
    let (sound, rest) = id_line(format, rest);
    if !sound {
        report.found(MessageId::BadObjectSha1, "invalid 'object' line format - bad sha1")?;
    }
    let Some(rest) = rest.strip_prefix(b"type ") else {
        return report.found(MessageId::MissingTypeEntry, "invalid format - expected 'type' line");
    };
    let Some(end) = rest.find_byte(b'\n') else {
        return report.found(MessageId::MissingType, "invalid format - unexpected end after 'type' line");
    };
    if Kind::from_name(&rest[..end]).is_err() {
        report.found(MessageId::BadType, "invalid 'type' value")?;
    }
    let Some(rest) = rest[end + 1..].strip_prefix(b"tag ") else {
        return report.found(MessageId::MissingTagEntry, "invalid format - expected 'tag' line");
    };
    let Some(end) = rest.find_byte(b'\n') else {
        return report.found(MessageId::MissingTag, "invalid format - unexpected end after 'type' line");
    };
    let name = &rest[..end];
    if !is_ref_name(name) {
        report.found(MessageId::BadTagName, [b"invalid 'tag' name: ", name].concat())?;
    }
    let mut rest = &rest[end + 1..];
    match rest.strip_prefix(b"tagger ") {
        Some(tagger) => rest = ident(tagger, report)?,
        None => report.found(MessageId::MissingTaggerEntry, "invalid format - expected 'tagger' line")?,
    }
    extra_headers(rest, report)
}

/// A signature may stand behind the tagger; any other header is extra.
fn extra_headers(mut rest: &[u8], report: &mut Report<'_>) -> Checked {
    if rest.starts_with(b"gpgsig ") || rest.starts_with(b"gpgsig-sha256 ") {
        if !rest.contains(&b'\n') {
            return report.found(MessageId::BadGpgsig, "invalid format - unexpected end after 'gpgsig' line");
        }
        rest = behind_line(rest);
        while rest.starts_with(b" ") {
            if !rest.contains(&b'\n') {
                let detail = "invalid format - unexpected end in 'gpgsig' continuation line";
                return report.found(MessageId::BadHeaderContinuation, detail);
            }
            rest = behind_line(rest);
        }
    }
    if !rest.is_empty() && !rest.starts_with(b"\n") {
        let detail = "invalid format - extra header(s) after 'tagger'";
        return report.found(MessageId::ExtraHeaderEntry, detail);
    }
    Ok(())
}

/// Whether a ref below `refs/tags/` can have this name: `git-check-ref-format(1)`. Names of refs as such are the
/// business of `git-core-ref`, which builds on this crate.
fn is_ref_name(name: &[u8]) -> bool {
    let bad = |b: &u8| *b <= b' ' || b"\x7f~^:?*[\\".contains(b);
    !name.ends_with(b".")
        && !name.iter().any(bad)
        && name.find(b"..").is_none()
        && name.find(b"@{").is_none()
        && name
            .split(|b| *b == b'/')
            .all(|part| !part.is_empty() && !part.starts_with(b".") && !part.ends_with(b".lock"))
}
