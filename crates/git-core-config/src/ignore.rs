//! Lines of ignore and sparse-checkout files: `gitignore(5)`.
//!
//! Which files there are, and in what order they are asked, is left to whoever walks a working tree.

use crate::wildmatch::{Pattern, WildOptions};
use bstr::{BStr, BString, ByteSlice};

/// One line that is a pattern.
#[derive(Clone, Debug)]
pub struct IgnorePattern {
    /// The pattern without its marks: no `!` before it, no `/` at either end.
    text: BString,
    /// A `!` stands before it: what it matches is not ignored after all.
    pub negated: bool,
    /// A `/` stands behind it: only directories match.
    pub directory: bool,
    /// It is matched against the path below the file's directory; otherwise against the last component.
    pub anchored: bool,
    compiled: Pattern,
}

/// How patterns are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IgnoreOptions {
    /// Letters match without regard to ASCII case; git's `core.ignoreCase`.
    pub ignore_case: bool,
}

impl IgnorePattern {
    /// Reads a line, without the newline that ends it. `None` when it is blank or a comment.
    pub fn parse(line: &[u8], options: IgnoreOptions) -> Option<Self> {
        let line = trim_end(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() || line[0] == b'#' {
            return None;
        }
        let (negated, line) = match line.strip_prefix(b"!") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (directory, line) = match line.strip_suffix(b"/") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let anchored = line.contains(&b'/');
        let text = line.strip_prefix(b"/").unwrap_or(line);
        if text.is_empty() {
            return None;
        }
        let wild = WildOptions { pathname: anchored, ignore_case: options.ignore_case };
        let compiled = Pattern::new(text, wild);
        Some(IgnorePattern { text: text.into(), negated, directory, anchored, compiled })
    }

    /// The pattern without its marks.
    pub fn text(&self) -> &BStr {
        self.text.as_bstr()
    }

    /// Whether the pattern matches a file or directory, whose path is below the directory of the file that holds
    /// the pattern and has no `/` at either end.
    pub fn matches(&self, path: &[u8], kind: PathKind) -> bool {
        if self.directory && kind != PathKind::Directory {
            return false;
        }
        let subject = match self.anchored {
            true => path,
            false => &path[path.rfind_byte(b'/').map_or(0, |slash| slash + 1)..],
        };
        self.compiled.matches(subject)
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A directory.
    Directory,
    /// Anything else.
    File,
}

/// The patterns of a file, in order.
pub fn parse(text: &[u8], options: IgnoreOptions) -> Vec<IgnorePattern> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|b| *b == b'\n').filter_map(|line| IgnorePattern::parse(line, options)).collect()
}

/// Blanks at the end do not count unless a `\` stands before them.
fn trim_end(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b'\\' => {
                at += 1;
                end = (at + 1).min(line.len());
            }
            b' ' => {}
            _ => end = at + 1,
        }
        at += 1;
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, path: &str, kind: PathKind) -> bool {
        let pattern = IgnorePattern::parse(pattern.as_bytes(), IgnoreOptions::default());
        pattern.is_some_and(|p| p.matches(path.as_bytes(), kind))
    }

    #[test]
    fn marks_are_understood() {
        use PathKind::{Directory, File};
        for (pattern, path, kind, expected) in [
            ("*.o", "a/b.o", File, true),
            ("/*.o", "a/b.o", File, false),
            ("a/*.o", "a/b.o", File, true),
            ("a/b", "x/a/b", File, false),
            ("foo/", "foo", File, false),
            ("foo/", "x/foo", Directory, true),
            ("\\#x", "#x", File, true),
            ("\\!x", "!x", File, true),
            ("x   ", "x", File, true),
            ("x\\ ", "x ", File, true),
            ("**/y", "a/b/y", File, true),
            ("#x", "#x", File, false),
            ("/", "a", Directory, false),
            ("x\r", "x", File, true),
        ] {
            assert_eq!(matches(pattern, path, kind), expected, "{pattern:?} {path}");
        }
        assert_eq!(parse(b"\xef\xbb\xbf# c\n\n!a\nb/\n", IgnoreOptions::default()).len(), 2);
    }
}
