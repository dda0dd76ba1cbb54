//! Regular expressions as POSIX has them, basic and extended with the additions of GNU, put into the words of the
//! `regex` crate. Back references have no place there and are refused.

use regex::bytes::{Regex, RegexBuilder};

/// How a pattern is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// `\(`, `\{` and `\|` are special, `(`, `{` and `|` are not.
    #[default]
    Basic,
    /// The other way round (`-E`).
    Extended,
    /// Every byte stands for itself (`-F`).
    Fixed,
    /// As Perl has them, as far as the `regex` crate does (`-P`).
    Perl,
}

/// Whether letters of either case are taken for each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    #[default]
    Counts,
    Ignored,
}

/// Makes the expression that a pattern stands for; matches within one line.
///
/// # Errors
/// What is wrong with the pattern, in the words of the C library.
pub(crate) fn compile(pattern: &[u8], syntax: Syntax, case: Case) -> Result<Regex, String> {
    let text = match syntax {
        Syntax::Basic | Syntax::Extended => Translation::new(pattern, syntax).run()?,
        Syntax::Fixed => escaped(pattern),
        Syntax::Perl => {
            String::from_utf8(pattern.to_vec()).map_err(|_| "Invalid regular expression".to_owned())?
        }
    };
    RegexBuilder::new(&text)
        .unicode(syntax == Syntax::Perl)
        .case_insensitive(case == Case::Ignored)
        .build()
        .map_err(|_| "Invalid regular expression".to_owned())
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    bytes.iter().for_each(|byte| literal(*byte, &mut out));
    out
}

/// A byte that stands for itself.
fn literal(byte: u8, out: &mut String) {
    if byte.is_ascii_alphanumeric() || byte == b' ' {
        out.push(byte as char);
    } else {
        out.push_str(&format!("\\x{byte:02x}"));
    }
}

const GROUP: &str = "Unmatched ( or \\(";
const INTERVAL: &str = "Unmatched \\{";
const CONTENT: &str = "Invalid content of \\{\\}";
const PRECEDING: &str = "Invalid preceding regular expression";
const BRACKET: &str = "Unmatched [, [^, [:, [., or [=";

/// The way through a pattern.
struct Translation<'p> {
    pattern: &'p [u8],
    at: usize,
    extended: bool,
    out: String,
    /// Where in the output the groups begin that are open.
    open: Vec<usize>,
    /// Where what could be repeated begins in the output, if something stands before that can be.
    last: Option<usize>,
    /// Whether this is where a branch begins.
    begins: bool,
}

impl<'p> Translation<'p> {
    fn new(pattern: &'p [u8], syntax: Syntax) -> Self {
        let extended = syntax == Syntax::Extended;
        Translation {
            pattern,
            at: 0,
            extended,
            out: String::new(),
            open: Vec::new(),
            last: None,
            begins: true,
        }
    }

    fn run(mut self) -> Result<String, String> {
        while let Some(byte) = self.take() {
            self.step(byte)?;
        }
        if !self.open.is_empty() {
            return Err(GROUP.to_owned());
        }
        Ok(self.out)
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.pattern.get(self.at).copied()?;
        self.at += 1;
        Some(byte)
    }

    fn step(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'\\' => {
                let next = self.take().ok_or("Trailing backslash")?;
                self.escape(next)
            }
            b'[' => self.bracket(),
            b'.' => self.atom("[^\\n]"),
            b'*' if self.last.is_some() => self.repeat("*"),
            b'*' if self.extended || !self.begins => Err(PRECEDING.to_owned()),
            b'^' if self.extended || self.begins => {
                let begins = !self.extended;
                self.place("^").map(|()| self.begins = begins)
            }
            b'$' if self.extended || self.ends() => self.place("$"),
            b'(' | b')' | b'{' | b'|' | b'+' | b'?' if self.extended => self.special(byte),
            other => self.byte(other),
        }
    }

    /// Whether a branch of a basic expression ends here.
    fn ends(&self) -> bool {
        let rest = &self.pattern[self.at..];
        rest.is_empty() || rest.starts_with(b"\\)") || rest.starts_with(b"\\|")
    }

    fn escape(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'(' | b')' | b'{' | b'|' | b'+' | b'?' if !self.extended => self.special(byte),
            b'1'..=b'9' => Err("Invalid back reference".to_owned()),
            b'w' | b'W' | b's' | b'S' => self.atom(&format!("\\{}", byte as char)),
            b'b' | b'B' => self.place(&format!("\\{}", byte as char)),
            b'<' => self.place("\\b{start}"),
            b'>' => self.place("\\b{end}"),
            b'`' => self.place("\\A"),
            b'\'' => self.place("\\z"),
            other => self.byte(other),
        }
    }

    fn special(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'(' => {
                self.open.push(self.out.len());
                self.place("(?:").map(|()| self.begins = true)
            }
            b')' => match self.open.pop() {
                Some(start) => {
                    self.out.push(')');
                    (self.last, self.begins) = (Some(start), false);
                    Ok(())
                }
                None if self.extended => self.byte(b')'),
                None => Err(GROUP.to_owned()),
            },
            b'|' => self.place("|").map(|()| self.begins = true),
            b'{' => self.interval(),
            _ if self.last.is_some() => self.repeat(if byte == b'+' { "+" } else { "?" }),
            _ if self.extended => Err(PRECEDING.to_owned()),
            _ => self.byte(byte),
        }
    }

    fn interval(&mut self) -> Result<(), String> {
        let close: &[u8] = if self.extended { b"}" } else { b"\\}" };
        let rest = &self.pattern[self.at..];
        if self.last.is_none() {
            return if self.extended || !self.begins { Err(PRECEDING.to_owned()) } else { self.byte(b'{') };
        }
        let len = rest.windows(close.len()).position(|part| part == close).ok_or(INTERVAL)?;
        let text = std::str::from_utf8(&rest[..len]).map_err(|_| CONTENT)?;
        let number = |text: &str| text.parse::<u32>().ok().filter(|number| *number <= 0x7fff);
        let (least, most) = match text.split_once(',') {
            None => (number(text).ok_or(CONTENT)?, number(text)),
            Some(("", most)) => (0, Some(number(most).ok_or(CONTENT)?)),
            Some((least, "")) => (number(least).ok_or(CONTENT)?, None),
            Some((least, most)) => (number(least).ok_or(CONTENT)?, Some(number(most).ok_or(CONTENT)?)),
        };
        if most.is_some_and(|most| most < least) {
            return Err(CONTENT.to_owned());
        }
        self.at += len + close.len();
        let most = most.map(|most| most.to_string()).unwrap_or_default();
        self.repeat(&format!("{{{least},{most}}}"))
    }

    fn repeat(&mut self, how: &str) -> Result<(), String> {
        let start = self.last.ok_or(PRECEDING)?;
        self.out.insert_str(start, "(?:");
        self.out.push(')');
        self.out.push_str(how);
        self.begins = false;
        // Only an extended expression can repeat what is repeated.
        self.last = self.last.filter(|_| self.extended);
        Ok(())
    }

    fn atom(&mut self, text: &str) -> Result<(), String> {
        (self.last, self.begins) = (Some(self.out.len()), false);
        self.out.push_str(text);
        Ok(())
    }

    fn place(&mut self, text: &str) -> Result<(), String> {
        self.out.push_str(text);
        (self.last, self.begins) = (None, false);
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), String> {
        let mut text = String::new();
        literal(byte, &mut text);
        self.atom(&text)
    }

    /// A list of bytes, in which no backslash is special.
    fn bracket(&mut self) -> Result<(), String> {
        let mut text = String::from("[");
        if self.pattern.get(self.at) == Some(&b'^') {
            self.at += 1;
            text.push_str("^\\n");
        }
        let mut first = true;
        loop {
            let byte = self.take().ok_or(if first { "Invalid regular expression" } else { BRACKET })?;
            match byte {
                b']' if !first => break,
                b'[' if matches!(self.pattern.get(self.at), Some(b':' | b'.' | b'=')) => {
                    let kind = self.pattern[self.at];
                    let rest = &self.pattern[self.at + 1..];
                    let len = rest.windows(2).position(|pair| pair == [kind, b']']).ok_or(BRACKET)?;
                    let name = std::str::from_utf8(&rest[..len]).unwrap_or_default();
                    match kind {
                        b':' => text.push_str(class(name)?),
                        _ => match name.as_bytes() {
                            [byte] => literal(*byte, &mut text),
                            _ => return Err("Invalid collation character".to_owned()),
                        },
                    }
                    self.at += 1 + len + 2;
                }
                from => {
                    let range = self.pattern.get(self.at) == Some(&b'-')
                        && self.pattern.get(self.at + 1).is_some_and(|byte| *byte != b']');
                    literal(from, &mut text);
                    if range {
                        let to = self.pattern[self.at + 1];
                        if to < from {
                            return Err("Invalid range end".to_owned());
                        }
                        self.at += 2;
                        text.push('-');
                        literal(to, &mut text);
                    }
                }
            }
            first = false;
        }
        text.push(']');
        self.atom(&text)
    }
}

/// The bytes that `[:<name>:]` stands for, in the C locale.
fn class(name: &str) -> Result<&'static str, String> {
    Ok(match name {
        "alpha" => "A-Za-z",
        "digit" => "0-9",
        "alnum" => "0-9A-Za-z",
        "upper" => "A-Z",
        "lower" => "a-z",
        "space" => "\\t-\\r ",
        "blank" => "\\t ",
        "punct" => "!-/:-@\\x5b-`{-~",
        "print" => " -~",
        "graph" => "!-~",
        "cntrl" => "\\x00-\\x1f\\x7f",
        "xdigit" => "0-9A-Fa-f",
        _ => return Err("Invalid character class name".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, syntax: Syntax, text: &str) -> bool {
        compile(pattern.as_bytes(), syntax, Case::Counts).unwrap().is_match(text.as_bytes())
    }

    #[test]
    fn basic_and_extended_expressions_mean_what_posix_says() {
        use Syntax::{Basic, Extended, Fixed};
        for (pattern, syntax, yes, no) in [
            ("a+b", Basic, "a+b", "aab"),
            ("a\\+b", Basic, "aab", "a+b"),
            ("a+b", Extended, "aab", "a+b"),
            ("a\\+b", Extended, "a+b", "aab"),
            ("\\(x\\|y\\)z", Basic, "yz", "(x|y)z"),
            ("(x|y)z", Basic, "(x|y)z", "yz"),
            ("(x|y)z", Extended, "yz", "z"),
            ("*a", Basic, "*a", "a"),
            ("\\(*a\\)", Basic, "*a", "a"),
            ("a\\{2,3\\}b", Basic, "aab", "ab"),
            ("a{2}b", Extended, "aab", "ab"),
            ("(ab){2}c", Extended, "ababc", "abbc"),
            ("ab{2}c", Extended, "abbc", "ababc"),
            ("[]b]x", Extended, "]x", "ax"),
            ("[^]b]x", Extended, "ax", "]x"),
            ("[a\\]x", Basic, "\\x", "]x"),
            ("[a-c[:digit:]]+$", Extended, "b7", "d"),
            ("[a-c]*d$", Basic, "abcd", "x"),
            ("a^b$c", Basic, "a^b$c", "abc"),
            ("^a", Basic, "ab", "ba"),
            ("x$", Extended, "ax", "xa"),
            ("\\<in\\>", Basic, "go in", "going inn"),
            ("a.c*", Fixed, "a.c*", "abc"),
            ("(a*)+b", Extended, "aab", "c"),
            ("a**b", Extended, "aab", "c"),
            ("a+?b", Extended, "b", "c"),
        ] {
            assert!(found(pattern, syntax, yes), "{pattern} {yes}");
            assert!(!found(pattern, syntax, no), "{pattern} {no}");
        }
        for (pattern, syntax) in [
            ("\\(", Basic),
            ("\\)", Basic),
            ("(", Extended),
            ("a\\{2", Basic),
            ("a{2", Extended),
            ("a{3,2}", Extended),
            ("*a", Extended),
            ("a\\", Basic),
            ("[a", Basic),
            ("[[:foo:]]", Basic),
            ("\\(a\\)\\1", Basic),
            ("+", Extended),
        ] {
            assert!(compile(pattern.as_bytes(), syntax, Case::Counts).is_err(), "{pattern}");
        }
        assert!(compile(b"ABC", Fixed, Case::Ignored).unwrap().is_match(b"xabcx"));
    }
}
