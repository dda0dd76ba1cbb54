//! Lines of attributes files: `gitattributes(5)`.
//!
//! Which files there are, how macros expand and which line wins is left to whoever asks for attributes.

use crate::wildmatch::{Pattern, WildOptions};
use bstr::{BString, ByteSlice};

/// The longest line that is read, in bytes; git ignores longer ones.
pub const MAX_LINE_LEN: usize = 2048;

/// One line of an attributes file.
#[derive(Clone, Debug)]
pub struct AttributeLine {
    /// What it is about.
    pub subject: Subject,
    /// The attributes it sets, in order.
    pub attributes: Vec<Assignment>,
}

/// What a line is about.
#[derive(Clone, Debug)]
pub enum Subject {
    /// Paths that match a pattern.
    Paths(AttributePattern),
    /// A macro of this name, as in `[attr]binary -diff -merge -text`.
    Macro(BString),
}

/// The pattern of a line.
#[derive(Clone, Debug)]
pub struct AttributePattern {
    /// It is matched against the path below the file's directory; otherwise against the last component.
    pub anchored: bool,
    /// It is about directories alone, as `docs/` is. Files in them are not meant.
    pub directories_only: bool,
    compiled: Pattern,
}

/// An attribute and what a line says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Its name.
    pub name: BString,
    /// What is said.
    pub state: State,
}

/// What is said of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// `name`
    Set,
    /// `-name`
    Unset,
    /// `!name`
    Unspecified,
    /// `name=value`
    Value(BString),
}

impl AttributeLine {
    /// Reads a line, without the newline that ends it. `None` when it is blank, a comment, too long, or one that
    /// git ignores with a warning: a negative pattern, or an invalid macro. Assignments that cannot be are left
    /// out.
    pub fn parse(line: &[u8], options: WildOptions) -> Option<Self> {
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
        let start = line.iter().position(|b| !blank(b))?;
        if line.len() > MAX_LINE_LEN || line[start] == b'#' {
            return None;
        }
        let line = &line[start..];
        let (word, rest) = match unquote(line) {
            Some(quoted) => quoted,
            None => {
                let end = line.iter().position(blank).unwrap_or(line.len());
                (line[..end].into(), &line[end..])
            }
        };
        let mut rest = rest;
        let subject = match line.strip_prefix(b"[attr]") {
            Some(behind) => {
                let behind = behind.trim_ascii_start();
                let end = behind.iter().position(blank).unwrap_or(behind.len());
                rest = &behind[end..];
                Subject::Macro(is_name(&behind[..end]).then(|| behind[..end].into())?)
            }
            None if word.starts_with(b"!") => return None,
            None => {
                let (text, directories_only) = match word.strip_suffix(b"/") {
                    Some(text) => (text, true),
                    None => (&word[..], false),
                };
                let anchored = text.contains(&b'/');
                let text = text.strip_prefix(b"/").unwrap_or(text);
                let options = WildOptions { pathname: anchored, ..options };
                let compiled = Pattern::new(text, options);
                Subject::Paths(AttributePattern { anchored, directories_only, compiled })
            }
        };
        let words = rest.split(blank).filter(|word| !word.is_empty());
        Some(AttributeLine { subject, attributes: words.filter_map(assignment).collect() })
    }
}

impl AttributePattern {
    /// Whether the pattern matches a file whose path is below the directory of the file that holds the pattern.
    pub fn matches(&self, path: &[u8]) -> bool {
        !self.directories_only && self.matches_directory(path)
    }

    /// As [`matches`](Self::matches), for a directory, whose path has no `/` at its end. Hardly anything looks at
    /// attributes of directories; `git archive` does.
    pub fn matches_directory(&self, path: &[u8]) -> bool {
        let subject = match self.anchored {
            true => path,
            false => &path[path.rfind_byte(b'/').map_or(0, |slash| slash + 1)..],
        };
        self.compiled.matches(subject)
    }
}

/// The lines of a file, in order.
pub fn parse(text: &[u8], options: WildOptions) -> Vec<AttributeLine> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    text.split(|b| *b == b'\n').filter_map(|line| AttributeLine::parse(line, options)).collect()
}

fn assignment(word: &[u8]) -> Option<Assignment> {
    let (name, state) = match word {
        [b'-', name @ ..] => (name, State::Unset),
        [b'!', name @ ..] => (name, State::Unspecified),
        word => match word.find_byte(b'=') {
            Some(at) => (&word[..at], State::Value(word[at + 1..].into())),
            None => (word, State::Set),
        },
    };
    is_name(name).then(|| Assignment { name: name.into(), state })
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name[0] != b'-'
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

/// A pattern in double quotes, with the escapes of C, and what stands behind it.
fn unquote(line: &[u8]) -> Option<(BString, &[u8])> {
    let mut word = Vec::new();
    let mut at = 1;
    if line.first() != Some(&b'"') {
        return None;
    }
    loop {
        match *line.get(at)? {
            b'"' => return Some((word.into(), &line[at + 1..])),
            b'\\' => {
                at += 1;
                word.push(match *line.get(at)? {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 0x0b,
                    b'f' => 0x0c,
                    b'r' => b'\r',
                    c @ (b'"' | b'\\') => c,
                    c @ b'0'..=b'3' => {
                        let digits = line.get(at + 1..at + 3)?;
                        if !digits.iter().all(|d| matches!(d, b'0'..=b'7')) {
                            return None;
                        }
                        at += 2;
                        (c - b'0') << 6 | (digits[0] - b'0') << 3 | (digits[1] - b'0')
                    }
                    _ => return None,
                });
            }
            c => word.push(c),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Option<AttributeLine> {
        AttributeLine::parse(text.as_bytes(), WildOptions::default())
    }

    #[test]
    fn lines_come_apart() {
        let read = line("  *.c\ttext -diff !eol  filter=a=b -=x \r").unwrap();
        let names: Vec<_> = read.attributes.iter().map(|a| a.name.to_string()).collect();
        assert_eq!(names, ["text", "diff", "eol", "filter"]);
        assert_eq!(read.attributes[3].state, State::Value("a=b".into()));
        assert_eq!(read.attributes[2].state, State::Unspecified);
        let Subject::Paths(pattern) = read.subject else { panic!("a pattern") };
        assert!(pattern.matches(b"x/y.c") && !pattern.anchored);
        for none in ["", "  ", "# x", "!a text", "[attr]-x y"] {
            assert!(line(none).is_none(), "{none}");
        }
        assert!(
            matches!(line("[attr] binary -diff").unwrap().subject, Subject::Macro(name) if name == "binary")
        );
    }

    #[test]
    fn some_patterns_are_about_directories() {
        let pattern = |text: &str| match line(text).unwrap().subject {
            Subject::Paths(pattern) => pattern,
            Subject::Macro(_) => panic!("a pattern"),
        };
        let docs = pattern("docs/ x");
        assert!(docs.matches_directory(b"a/docs") && !docs.matches(b"a/docs") && !docs.anchored);
        let deep = pattern("/a/docs/ x");
        assert!(deep.matches_directory(b"a/docs") && !deep.matches_directory(b"b/a/docs"));
        assert!(pattern("docs x").matches_directory(b"docs"));
    }

    #[test]
    fn patterns_may_be_quoted() {
        let read = line("\"a b\\t\\303\\251/x\" text").unwrap();
        let Subject::Paths(pattern) = read.subject else { panic!("a pattern") };
        assert!(pattern.matches("a b\té/x".as_bytes()) && pattern.anchored);
        assert_eq!(read.attributes.len(), 1);
    }
}
