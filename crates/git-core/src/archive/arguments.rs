//! The arguments of `git archive`, which also travel to `git upload-archive`: they come from outside.

use bstr::{BString, ByteSlice as _};

/// The usage, as git prints it.
pub const USAGE: &str = "\
usage: git archive [<options>] <tree-ish> [<path>...]
   or: git archive --list
   or: git archive --remote <repo> [--exec <cmd>] [<options>] <tree-ish> [<path>...]
   or: git archive --remote <repo> [--exec <cmd>] --list

    --[no-]format <fmt>   archive format
    --[no-]prefix <prefix>
                          prepend prefix to each pathname in the archive
    --[no-]add-file <file>
                          add untracked file to archive
    --[no-]add-virtual-file <path:content>
                          add untracked file to archive
    -o, --[no-]output <file>
                          write the archive to this file
    --[no-]worktree-attributes
                          read .gitattributes in working directory
    -v, --[no-]verbose    report archived files on stderr
    --mtime <time>        set modification time of archive entries
    -NUM                  set compression level

    -l, --[no-]list       list supported archive formats

    --[no-]remote <repo>  retrieve the archive from remote repository <repo>
    --[no-]exec <command> path to the remote git-upload-archive command
";

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveArguments {
    /// `--format`
    pub format: Option<BString>,
    /// `--prefix`
    pub prefix: BString,
    /// `--add-file` and `--add-virtual-file`, in order.
    pub extra: Vec<Extra>,
    /// `--output`
    pub output: Option<BString>,
    /// `--remote`
    pub remote: Option<BString>,
    /// `--exec`
    pub exec: Option<BString>,
    /// `--worktree-attributes`
    pub worktree_attributes: bool,
    /// `--verbose`
    pub verbose: bool,
    /// `--mtime`, as it stands.
    pub mtime: Option<BString>,
    /// `-0` and beyond.
    pub level: Option<u32>,
    /// `--list`
    pub list: bool,
    /// The tree and the paths.
    pub operands: Vec<BString>,
}

/// A file beside those of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// What stands before its name: the prefix that was in force.
    pub prefix: BString,
    /// Where it comes from.
    pub source: ExtraSource,
}

/// Where a file beside those of the tree comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtraSource {
    /// A file of this name.
    File(BString),
    /// A path, and what is to be there.
    Virtual(BString, BString),
}

/// Why arguments make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// They are not used as they are meant: what is wrong (nothing when help was asked for), before the usage.
    #[error("{0}")]
    Usage(String),
    /// A value that an option cannot have.
    #[error("{0}")]
    Value(String),
}

/// The options with long names, and whether they take a value.
const OPTIONS: [(&str, bool); 11] = [
    ("format", true),
    ("prefix", true),
    ("add-file", true),
    ("add-virtual-file", true),
    ("output", true),
    ("worktree-attributes", false),
    ("verbose", false),
    ("mtime", true),
    ("list", false),
    ("remote", true),
    ("exec", true),
];

impl ArchiveArguments {
    /// Reads the arguments, in the order in which they stand.
    ///
    /// # Errors
    /// [`ArgumentError`].
    pub fn parse<T: AsRef<[u8]>>(arguments: impl IntoIterator<Item = T>) -> Result<Self, ArgumentError> {
        let mut read = ArchiveArguments::default();
        let mut rest = arguments.into_iter();
        while let Some(argument) = rest.next() {
            let argument = argument.as_ref();
            if argument == b"--" {
                read.operands.extend(rest.by_ref().map(|operand| BString::from(operand.as_ref())));
            } else if let Some(long) = argument.strip_prefix(b"--") {
                let (name, attached) = match long.find_byte(b'=') {
                    Some(at) => (&long[..at], Some(BString::from(&long[at + 1..]))),
                    None => (long, None),
                };
                let (name, negated, takes_value) = resolve(name)?;
                let value = match (takes_value && !negated, attached) {
                    (true, Some(value)) => Some(value),
                    (true, None) => match rest.next() {
                        Some(value) => Some(value.as_ref().into()),
                        None => return Err(usage(format!("option `{name}' requires a value"))),
                    },
                    (false, Some(_)) => {
                        let no = if negated { "no-" } else { "" };
                        return Err(usage(format!("option `{no}{name}' takes no value")));
                    }
                    (false, None) => None,
                };
                read.option(name, negated, value)?;
            } else if argument.len() > 1 && argument.starts_with(b"-") {
                read.short(&argument[1..], &mut rest)?;
            } else {
                read.operands.push(argument.into());
            }
        }
        Ok(read)
    }

    /// Short options in one argument; `-NUM` goes up to its last digit.
    fn short<T: AsRef<[u8]>>(
        &mut self,
        mut text: &[u8],
        rest: &mut impl Iterator<Item = T>,
    ) -> Result<(), ArgumentError> {
        while let Some((&letter, behind)) = text.split_first() {
            text = behind;
            match letter {
                b'v' => self.verbose = true,
                b'l' => self.list = true,
                b'h' => return Err(usage(String::new())),
                b'o' => {
                    let value = match behind.is_empty() {
                        false => behind.into(),
                        true => match rest.next() {
                            Some(value) => value.as_ref().into(),
                            None => return Err(usage("switch `o' requires a value".to_owned())),
                        },
                    };
                    self.output = Some(value);
                    return Ok(());
                }
                b'0'..=b'9' => {
                    let digits = behind.iter().take_while(|b| b.is_ascii_digit()).count();
                    let digits_text = [&[letter], &behind[..digits]].concat();
                    let number = digits_text.to_str().ok().and_then(|digits| digits.parse().ok());
                    self.level = Some(number.unwrap_or(u32::MAX));
                    text = &behind[digits..];
                }
                other => return Err(usage(format!("unknown switch `{}'", char::from(other)))),
            }
        }
        Ok(())
    }

    fn option(&mut self, name: &str, negated: bool, value: Option<BString>) -> Result<(), ArgumentError> {
        match name {
            "format" => self.format = value,
            "prefix" => self.prefix = value.unwrap_or_default(),
            "output" => self.output = value,
            "remote" => self.remote = value,
            "exec" => self.exec = value,
            "mtime" => self.mtime = value,
            "worktree-attributes" => self.worktree_attributes = !negated,
            "verbose" => self.verbose = !negated,
            "list" => self.list = !negated,
            "add-file" | "add-virtual-file" => match value {
                None => self.extra.clear(),
                Some(value) => {
                    let prefix = self.prefix.clone();
                    let source = match name {
                        "add-file" => ExtraSource::File(value),
                        _ => split_virtual(&value)?,
                    };
                    self.extra.push(Extra { prefix, source });
                }
            },
            _ => {}
        }
        Ok(())
    }
}

fn usage(text: String) -> ArgumentError {
    ArgumentError::Usage(text)
}

/// The option that a name means, which may be cut as long as it stays clear.
fn resolve(name: &[u8]) -> Result<(&'static str, bool, bool), ArgumentError> {
    let unknown = || usage(format!("unknown option `{}'", name.to_str_lossy()));
    let (plain, negated) = match name.strip_prefix(b"no-") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    if plain == b"help" {
        return Err(usage(String::new()));
    }
    let allowed = |option: &&(&str, bool)| !negated || option.0 != "mtime";
    if let Some((name, value)) = OPTIONS.iter().filter(allowed).find(|(full, _)| full.as_bytes() == plain) {
        return Ok((name, negated, *value));
    }
    if plain.is_empty() {
        return Err(unknown());
    }
    let mut found = OPTIONS.iter().filter(allowed).filter(|(full, _)| full.as_bytes().starts_with(plain));
    match (found.next(), found.next()) {
        (Some((name, value)), None) => Ok((name, negated, *value)),
        (Some((first, _)), Some((second, _))) => {
            let name = name.to_str_lossy();
            Err(usage(format!("ambiguous option: {name} (could be --{first} or --{second})")))
        }
        _ => Err(unknown()),
    }
}

/// `path:content`, where the path may be quoted as in C.
fn split_virtual(value: &BString) -> Result<ExtraSource, ArgumentError> {
    let bad = |what: &str| ArgumentError::Value(format!("{what}: '{value}'"));
    let (path, rest) = match value.first() {
        Some(b'"') => unquote(value).ok_or_else(|| bad("unclosed quote"))?,
        _ => {
            let colon = value.find_byte(b':').ok_or_else(|| bad("missing colon"))?;
            (value[..colon].to_vec(), &value[colon..])
        }
    };
    let content = rest.strip_prefix(b":").ok_or_else(|| bad("missing colon"))?;
    if path.is_empty() {
        return Err(bad("empty file name"));
    }
    Ok(ExtraSource::Virtual(path.into(), content.into()))
}

/// A text in double quotes with the escapes of C, and what stands behind it.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let (mut out, mut at) = (Vec::new(), 1);
    loop {
        match *text.get(at)? {
            b'"' => return Some((out, &text[at + 1..])),
            b'\\' => {
                at += 1;
                out.push(match *text.get(at)? {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    c @ (b'"' | b'\\') => c,
                    c @ b'0'..=b'3' => {
                        let digits = text.get(at + 1..at + 3)?;
                        let octal = digits.iter().all(|d| matches!(d, b'0'..=b'7'));
                        at += 2;
                        octal.then(|| (c - b'0') << 6 | (digits[0] - b'0') << 3 | (digits[1] - b'0'))?
                    }
                    _ => return None,
                });
            }
            byte => out.push(byte),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ArchiveArguments, ArgumentError> {
        ArchiveArguments::parse(text.split(' '))
    }

    #[test]
    fn arguments_are_read_as_git_does() {
        let read = parse("--prefix=a/ --add-file=f --pre b/ -v9 --form zip -ox.zip HEAD -- -p").unwrap();
        assert_eq!(read.prefix, "b/");
        assert_eq!(read.extra[0].prefix, "a/");
        assert_eq!((read.verbose, read.level), (true, Some(9)));
        assert_eq!(read.format.unwrap(), "zip");
        assert_eq!(read.output.unwrap(), "x.zip");
        assert_eq!(read.operands, ["HEAD", "-p"]);
        assert_eq!(parse("--no-prefix --list").unwrap().prefix, "");
        assert_eq!(parse("-10 x").unwrap().level, Some(10));
        let read = ArchiveArguments::parse(["--add-virtual-file=\"a:\\tb\":x:y"]).unwrap();
        assert_eq!(read.extra[0].source, ExtraSource::Virtual("a:\tb".into(), "x:y".into()));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, said) in [
            ("--bogus", "unknown option `bogus'"),
            ("-z", "unknown switch `z'"),
            ("--format", "option `format' requires a value"),
            ("--verbose=1", "option `verbose' takes no value"),
            ("--add=x", "ambiguous option: add (could be --add-file or --add-virtual-file)"),
            ("--no-mtime", "unknown option `no-mtime'"),
            ("--add-virtual-file=x", "missing colon: 'x'"),
            ("--add-virtual-file=:x", "empty file name: ':x'"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), said, "{text}");
        }
    }
}
