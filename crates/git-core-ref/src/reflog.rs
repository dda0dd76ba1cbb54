//! Lines of a reflog: `<old> <new> <committer>` and, after a tab, a message.
//!
//! Which refs have a reflog, where it is and when its lines expire is left to the storage.

use crate::LogMessage;
use bstr::{BStr, ByteSlice as _};
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};

/// One entry of a reflog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReflogLine<'a> {
    /// The value before; all zeros when the ref was created.
    pub old: ObjectId,
    /// The value after; all zeros when the ref was deleted.
    pub new: ObjectId,
    /// Who did it, and when, as commits spell it: `A U Thor <author@example.com> 1112911993 -0700`.
    pub committer: &'a BStr,
    /// Why; possibly empty.
    pub message: &'a BStr,
}

/// A line that is not an entry of a reflog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a malformed reflog line: '{}'", .line.escape_ascii())]
pub struct InvalidReflogLine {
    /// Its first bytes.
    pub line: Vec<u8>,
}

impl InvalidReflogLine {
    /// The class of the error: always [`ErrorKind::Corrupt`].
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Corrupt
    }
}

impl<'a> ReflogLine<'a> {
    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// [`InvalidReflogLine`].
    pub fn parse(format: ObjectFormat, line: &'a [u8]) -> Result<Self, InvalidReflogLine> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        Self::split(format, text)
            .ok_or_else(|| InvalidReflogLine { line: text[..text.len().min(200)].to_vec() })
    }

    fn split(format: ObjectFormat, line: &'a [u8]) -> Option<Self> {
        let digits = format.hex_len();
        let (old, rest) = line.split_at_checked(digits)?;
        let (new, rest) = rest.strip_prefix(b" ")?.split_at_checked(digits)?;
        let rest = rest.strip_prefix(b" ")?;
        let (committer, message) = rest.split_once_str("\t").unwrap_or((rest, b""));
        committer.contains(&b'>').then_some(())?;
        Some(ReflogLine {
            old: ObjectId::from_hex_of(format, old).ok()?,
            new: ObjectId::from_hex_of(format, new).ok()?,
            committer: committer.as_bstr(),
            message: message.as_bstr(),
        })
    }

    /// The line that a change of a ref is recorded by.
    pub fn of_change(old: ObjectId, new: ObjectId, log: &'a LogMessage) -> Self {
        ReflogLine { old, new, committer: log.committer().as_bstr(), message: log.message().as_bstr() }
    }

    /// Appends the line with its end, exactly as git writes it.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.old.write_hex(out);
        out.push(b' ');
        self.new.write_hex(out);
        out.push(b' ');
        out.extend_from_slice(self.committer);
        if !self.message.is_empty() {
            out.push(b'\t');
            out.extend_from_slice(self.message);
        }
        out.push(b'\n');
    }
}

/// The entries of a reflog, oldest first; `rev()` gives them newest first.
pub fn lines(
    format: ObjectFormat,
    file: &[u8],
) -> impl DoubleEndedIterator<Item = Result<ReflogLine<'_>, InvalidReflogLine>> {
    let body = file.strip_suffix(b"\n").unwrap_or(file);
    body.split(|b| *b == b'\n')
        .filter(move |_| !file.is_empty())
        .map(move |line| ReflogLine::parse(format, line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trip(name in "[a-z ]{1,9}", message in "[a-zA-Z:() ]{0,20}", sha256: bool) {
            let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
            let log = LogMessage::new(format!("{name} <a@b> 1112911993 -0700"), &message);
            let line = ReflogLine::of_change(ObjectId::null(format), ObjectId::empty_tree(format), &log);
            let mut file = Vec::new();
            line.write(&mut file);
            prop_assert_eq!(ReflogLine::parse(format, &file).unwrap(), line);
            line.write(&mut file);
            prop_assert_eq!(lines(format, &file).map(Result::unwrap).collect::<Vec<_>>(), vec![line, line]);
        }
    }

    #[test]
    fn malformed_lines() {
        let zero = ObjectId::null(ObjectFormat::Sha1);
        for bad in [
            "",
            "x",
            &format!("{zero} {zero}"),
            &format!("{zero} {zero} nobody"),
            &format!("{zero}  a <b> 1 +0000"),
        ] {
            assert!(ReflogLine::parse(ObjectFormat::Sha1, bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(lines(ObjectFormat::Sha1, b"").count(), 0);
        assert_eq!(lines(ObjectFormat::Sha1, b"\n").count(), 1);
    }
}
