//! Git's globs: `*`, `?`, `[…]` and `**`, as `gitignore(5)` describes them.
//!
//! A pattern is run as an automaton over the text, so that the work is at most the product of their lengths,
//! whatever the pattern.

/// How a pattern is matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WildOptions {
    /// `*`, `?` and `[…]` do not match a `/`, and `**` between slashes matches any number of directories.
    /// Otherwise any run of stars matches anything.
    pub pathname: bool,
    /// Letters match without regard to ASCII case.
    pub ignore_case: bool,
}

/// A pattern made ready for many texts.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// `None` when the pattern is broken, and matches nothing.
    steps: Option<Vec<Step>>,
    options: WildOptions,
}

#[derive(Clone, Debug)]
enum Step {
    Byte(u8),
    /// Any byte; not `/` in a path.
    Any,
    /// Any byte of the set.
    Set(Box<[bool; 256]>),
    /// Any number of bytes, none of them `/`.
    Star,
    /// Any number of bytes.
    AllStar,
    /// Any number of directories, each with the `/` behind it: skips itself and the next step, or goes there.
    Directories,
    /// Within those directories; leaves behind any `/`.
    Inside,
}

/// Whether the whole `text` matches `pattern`. A pattern with an open `[` or a `\` at its end matches nothing.
///
/// ```
/// use git_core_config::{WildOptions, wildmatch};
/// let path = WildOptions { pathname: true, ..WildOptions::default() };
/// assert!(wildmatch(b"src/**/*.rs", b"src/a/b/lib.rs", path));
/// assert!(!wildmatch(b"src/*.rs", b"src/a/lib.rs", path));
/// assert!(wildmatch(b"src/*.rs", b"src/a/lib.rs", WildOptions::default()));
/// ```
pub fn wildmatch(pattern: &[u8], text: &[u8], options: WildOptions) -> bool {
    Pattern::new(pattern, options).matches(text)
}

impl Pattern {
    /// Makes a pattern ready.
    pub fn new(pattern: &[u8], options: WildOptions) -> Self {
        Pattern { steps: compile(pattern, options), options }
    }

    /// Whether the whole `text` matches.
    pub fn matches(&self, text: &[u8]) -> bool {
        let Some(steps) = &self.steps else { return false };
        let mut now = vec![false; steps.len() + 1];
        let mut then = vec![false; steps.len() + 1];
        now[0] = true;
        settle(steps, &mut now);
        for byte in text {
            let folded = if self.options.ignore_case { byte.to_ascii_lowercase() } else { *byte };
            let slash = *byte == b'/' && self.options.pathname;
            then.fill(false);
            let mut alive = false;
            for (at, step) in steps.iter().enumerate() {
                if !now[at] {
                    continue;
                }
                let (stay, go) = match step {
                    Step::Byte(wanted) => (false, *wanted == folded),
                    Step::Any => (false, !slash),
                    Step::Set(set) => (false, !slash && set[usize::from(folded)]),
                    Step::Star => (*byte != b'/', false),
                    Step::AllStar => (true, false),
                    Step::Directories => (false, false),
                    Step::Inside => (true, *byte == b'/'),
                };
                then[at] |= stay;
                then[at + 1] |= go;
                alive |= stay | go;
            }
            if !alive {
                return false;
            }
            std::mem::swap(&mut now, &mut then);
            settle(steps, &mut now);
        }
        now[steps.len()]
    }
}

/// Adds every place that can be reached without a byte.
fn settle(steps: &[Step], now: &mut [bool]) {
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Star | Step::AllStar if now[at] => now[at + 1] = true,
            Step::Directories if now[at] => {
                now[at + 1] = true;
                now[at + 2] = true;
            }
            _ => {}
        }
    }
}

fn compile(pattern: &[u8], options: WildOptions) -> Option<Vec<Step>> {
    let mut steps = Vec::with_capacity(pattern.len());
    let mut at = 0;
    while let Some(byte) = pattern.get(at) {
        at += 1;
        match byte {
            b'\\' => {
                steps.push(literal(*pattern.get(at)?, options));
                at += 1;
            }
            b'?' => steps.push(Step::Any),
            b'[' => steps.push(Step::Set(set(pattern, &mut at, options)?)),
            b'*' => {
                let start = at - 1;
                while pattern.get(at) == Some(&b'*') {
                    at += 1;
                }
                let opens = start == 0 || pattern[start - 1] == b'/';
                let double = at - start > 1 && opens;
                let step = match &pattern[at..] {
                    _ if !options.pathname => Step::AllStar,
                    [] if double => Step::AllStar,
                    [b'/', ..] if double => {
                        at += 1;
                        Step::Inside
                    }
                    [b'\\', b'/', ..] if double => {
                        at += 2;
                        Step::Inside
                    }
                    _ => Step::Star,
                };
                if matches!(step, Step::Inside) {
                    steps.push(Step::Directories);
                }
                steps.push(step);
            }
            byte => steps.push(literal(*byte, options)),
        }
    }
    Some(steps)
}

fn literal(byte: u8, options: WildOptions) -> Step {
    Step::Byte(if options.ignore_case { byte.to_ascii_lowercase() } else { byte })
}

/// Reads a set behind its `[`, and moves behind its `]`.
fn set(pattern: &[u8], at: &mut usize, options: WildOptions) -> Option<Box<[bool; 256]>> {
    let mut set = Box::new([false; 256]);
    let negated = matches!(pattern.get(*at), Some(b'!' | b'^'));
    *at += usize::from(negated);
    let mut before: Option<u8> = None;
    let mut first = true;
    loop {
        let byte = *pattern.get(*at)?;
        *at += 1;
        match byte {
            b']' if !first => break,
            b'-' if before.is_some() && !matches!(pattern.get(*at), None | Some(b']')) => {
                let mut last = pattern[*at];
                *at += 1;
                if last == b'\\' {
                    last = *pattern.get(*at)?;
                    *at += 1;
                }
                for byte in before.take()?..=last {
                    add(&mut set, byte, options);
                }
            }
            b'[' if pattern.get(*at) == Some(&b':') => {
                let rest = &pattern[*at + 1..];
                let end = rest.iter().position(|b| *b == b']')?;
                match rest[..end].strip_suffix(b":") {
                    Some(name) => {
                        let class = class(name, options)?;
                        for byte in 0..=255u8 {
                            set[usize::from(byte)] |= class(&byte);
                        }
                        *at += end + 2;
                        before = None;
                    }
                    None => {
                        set[usize::from(b'[')] = true;
                        before = Some(b'[');
                    }
                }
            }
            byte => {
                let byte = if byte == b'\\' {
                    *at += 1;
                    *pattern.get(*at - 1)?
                } else {
                    byte
                };
                add(&mut set, byte, options);
                before = Some(byte);
            }
        }
        first = false;
    }
    if negated {
        set.iter_mut().for_each(|member| *member = !*member);
    }
    Some(set)
}

/// Texts are looked at in lower case when case is ignored, so that is what goes into the set as well.
fn add(set: &mut [bool; 256], byte: u8, options: WildOptions) {
    set[usize::from(byte)] = true;
    if options.ignore_case {
        set[usize::from(byte.to_ascii_lowercase())] = true;
    }
}

fn class(name: &[u8], options: WildOptions) -> Option<fn(&u8) -> bool> {
    Some(match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |b| matches!(b, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |b| matches!(b, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |b| b.is_ascii_whitespace() || *b == 0x0b,
        b"upper" if options.ignore_case => u8::is_ascii_alphabetic,
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: WildOptions = WildOptions { pathname: true, ignore_case: false };
    const FREE: WildOptions = WildOptions { pathname: false, ignore_case: false };

    #[test]
    fn stars_and_slashes() {
        for (pattern, text, path, free) in [
            ("foo", "foo", true, true),
            ("*", "", true, true),
            ("*", "a/b", false, true),
            ("?", "/", false, true),
            ("**", "a/b", true, true),
            ("**/b", "b", true, false),
            ("**/b", "x/y/b", true, true),
            ("**/b", "xb", false, false),
            ("a/**", "a/x/y", true, true),
            ("a/**", "a/", true, true),
            ("a/**", "a", false, false),
            ("a/**/b", "a/b", true, false),
            ("a/**/b", "a/x/y/b", true, true),
            ("a/**/b", "a/xb", false, false),
            ("a**b", "a/b", false, true),
            ("a**b", "axb", true, true),
            ("a/***/b", "a/b", true, false),
            ("**/a/**", "x/a/y/z", true, true),
            ("*/b", "a/x/b", false, true),
            ("[/]", "/", false, true),
            ("a\\*b", "a*b", true, true),
            ("a\\", "a\\", false, false),
            ("a\\", "a", false, false),
            ("**/**/a", "a", true, false),
            ("a[!b]c", "a/c", false, true),
            ("*.c", ".c", true, true),
            ("**\\/b", "b", true, false),
        ] {
            assert_eq!(wildmatch(pattern.as_bytes(), text.as_bytes(), PATH), path, "{pattern} {text} path");
            assert_eq!(wildmatch(pattern.as_bytes(), text.as_bytes(), FREE), free, "{pattern} {text}");
        }
    }

    #[test]
    fn sets() {
        for (pattern, text, expected) in [
            ("[a-c]", "b", true),
            ("[^a-c]", "b", false),
            ("[!a-c]", "d", true),
            ("[]a]", "]", true),
            ("[]-]", "-", true),
            ("[a-]", "-", true),
            ("[-a]", "-", true),
            ("[a", "a", false),
            ("[", "[", false),
            ("[[:digit:]x]", "x", true),
            ("[[:digit:]x]", "7", true),
            ("[[:nope:]]", "n", false),
            ("[[:alpha]", ":", true),
            ("[\\]]", "]", true),
            ("[a-\\c]", "b", true),
            ("[c-a]", "b", false),
            ("[a-c-e]", "d", false),
            ("[a-c-e]", "-", true),
            ("[!]a]", "b", true),
            ("[\\", "\\", false),
        ] {
            assert_eq!(wildmatch(pattern.as_bytes(), text.as_bytes(), FREE), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn case_can_be_ignored() {
        let fold = WildOptions { ignore_case: true, ..PATH };
        for (pattern, text) in
            [("FoO*", "fOobar"), ("[a-c]", "B"), ("[A-C]", "b"), ("[[:upper:]]", "x"), ("é", "é")]
        {
            assert!(wildmatch(pattern.as_bytes(), text.as_bytes(), fold), "{pattern} {text}");
        }
        assert!(!wildmatch("É".as_bytes(), "é".as_bytes(), fold));
    }

    #[test]
    fn hostile_patterns_take_no_longer_than_they_are() {
        let pattern = "*a".repeat(500) + "b";
        let text = "a".repeat(5000);
        assert!(!wildmatch(pattern.as_bytes(), text.as_bytes(), FREE));
        assert!(!wildmatch(("**/*".repeat(300) + "b").as_bytes(), "/".repeat(200).as_bytes(), PATH));
    }
}
