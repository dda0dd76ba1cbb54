//! The arguments of one command: git's conventions on top of a small parser.
//!
//! Options and operands may mix, `--` ends the options, `-h` alone shows the usage with exit code 129 as git
//! does.

use crate::commands::Command;
use crate::fail::Failure;
pub(crate) use lexopt::Arg;
use lexopt::Parser;
use std::ffi::{OsStr, OsString};

/// The arguments of a command, taken one by one.
pub(crate) struct Args {
    parser: Parser,
    given: Vec<OsString>,
    usage: &'static str,
}

impl Args {
    pub(crate) fn new(command: &Command, rest: Vec<OsString>) -> Self {
        Args { parser: Parser::from_args(rest.clone()), given: rest, usage: command.usage }
    }

    /// All arguments as they were given, whatever has been taken of them.
    pub(crate) fn given(&self) -> &[OsString] {
        &self.given
    }

    /// The next option or operand. `-h` and `--help` end with the usage.
    pub(crate) fn next(&mut self) -> Result<Option<Arg<'_>>, Failure> {
        let usage = self.usage;
        match self.parser.next().map_err(|error| Failure::usage(error, usage))? {
            Some(Arg::Short('h')) => Err(Failure::usage("", usage)),
            other => Ok(other),
        }
    }

    /// The value of the option that [`next`](Self::next) has just given.
    pub(crate) fn value(&mut self) -> Result<OsString, Failure> {
        self.parser.value().map_err(|error| Failure::usage(error, self.usage))
    }

    /// The value attached with `=`, if there is one.
    pub(crate) fn optional_value(&mut self) -> Option<OsString> {
        self.parser.optional_value()
    }

    /// What is attached to a short option, as the digits in `-25` are to `-2`.
    pub(crate) fn attached(&mut self) -> Option<String> {
        self.parser.optional_value().and_then(|rest| rest.into_string().ok())
    }

    /// The value of an option that may go without: attached, or the next argument unless that is an option.
    pub(crate) fn detached_value(&mut self) -> Option<OsString> {
        if let Some(attached) = self.parser.optional_value() {
            return Some(attached);
        }
        self.parser.try_raw_args()?.next_if(|next| !next.as_encoded_bytes().starts_with(b"-"))
    }

    /// Takes everything behind `--` away, as operands of their own kind, before anything was read.
    pub(crate) fn split_paths(&mut self) -> Result<Vec<OsString>, Failure> {
        let usage = self.usage;
        let mut all: Vec<_> = self.parser.raw_args().map_err(|error| Failure::usage(error, usage))?.collect();
        let paths = match all.iter().position(|text| text == "--") {
            Some(at) => all.split_off(at).split_off(1),
            None => Vec::new(),
        };
        self.parser = Parser::from_args(all);
        Ok(paths)
    }

    /// Whether one of the arguments that are left is like this, whatever it turns out to be.
    pub(crate) fn mention(&mut self, what: impl Fn(&[u8]) -> bool) -> bool {
        self.parser
            .try_raw_args()
            .is_some_and(|rest| rest.as_slice().iter().any(|text| what(text.as_encoded_bytes())))
    }

    /// The value as text.
    pub(crate) fn text(&mut self) -> Result<String, Failure> {
        self.value()?.into_string().map_err(|_| self.bad("an argument is not valid UTF-8"))
    }

    /// The value as a number with git's units `k`, `m`, `g`.
    pub(crate) fn number(&mut self) -> Result<u64, Failure> {
        let text = self.text()?;
        parse_number(&text).ok_or_else(|| self.bad(format!("'{text}' is not a number")))
    }

    /// All that is left, as operands.
    pub(crate) fn rest(&mut self) -> Result<Vec<OsString>, Failure> {
        let usage = self.usage;
        Ok(self.parser.raw_args().map_err(|error| Failure::usage(error, usage))?.collect())
    }

    /// A complaint about the arguments.
    pub(crate) fn bad(&self, text: impl std::fmt::Display) -> Failure {
        Failure::usage(text, self.usage)
    }

    /// The complaint about an option that the command does not have, in git's words.
    pub(crate) fn unknown(usage: &'static str, arg: &Arg<'_>) -> Failure {
        match arg {
            Arg::Short(c) => Failure::usage(format!("unknown switch `{c}'"), usage),
            Arg::Long(name) => Failure::usage(format!("unknown option `{name}'"), usage),
            Arg::Value(value) => {
                Failure::usage(format!("unexpected argument '{}'", value.to_string_lossy()), usage)
            }
        }
    }

    /// The usage of the command.
    pub(crate) fn usage(&self) -> &'static str {
        self.usage
    }
}

/// A number with git's units: `10`, `8k`, `2m`, `1g`.
pub(crate) fn parse_number(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1u64 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// The bytes of an operating system string: what git works with.
pub(crate) fn bytes(text: &OsStr) -> Vec<u8> {
    text.as_encoded_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_gits_units() {
        assert_eq!(parse_number("10"), Some(10));
        assert_eq!(parse_number("8k"), Some(8192));
        assert_eq!(parse_number("1G"), Some(1 << 30));
        assert_eq!(parse_number("x"), None);
        assert_eq!(parse_number("-1"), None);
        assert_eq!(parse_number("99999999999999999999g"), None);
    }
}
