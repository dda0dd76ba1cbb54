//! `rev-list --grep`, `--author` and `--committer`: commits by what is written in them.

use crate::args::Args;
use crate::fail::Failure;
use crate::posix::{self, Case, Syntax};
use crate::repo;
use bstr::ByteSlice as _;
use git_core::store::walk::CommitTest;
use regex::bytes::Regex;

/// What commits are searched for.
#[derive(Default)]
pub(super) struct GrepOptions {
    messages: Vec<Vec<u8>>,
    authors: Vec<Vec<u8>>,
    committers: Vec<Vec<u8>>,
    reflog: Vec<Vec<u8>>,
    syntax: Syntax,
    case: Case,
    all: bool,
    invert: bool,
}

/// The long options that [`GrepOptions::take`] knows.
pub(super) fn is_grep_option(name: &str) -> bool {
    matches!(
        name,
        "grep"
            | "author"
            | "committer"
            | "grep-reflog"
            | "all-match"
            | "invert-grep"
            | "regexp-ignore-case"
            | "basic-regexp"
            | "extended-regexp"
            | "fixed-strings"
            | "perl-regexp"
    )
}

impl GrepOptions {
    /// Takes one of these options, with its value.
    pub(super) fn take(&mut self, name: &str, args: &mut Args) -> Result<(), Failure> {
        match name {
            "grep" => self.messages.push(repo::operand(args.value()?)),
            "author" => self.authors.push(repo::operand(args.value()?)),
            "committer" => self.committers.push(repo::operand(args.value()?)),
            "grep-reflog" => self.reflog.push(repo::operand(args.value()?)),
            "all-match" => self.all = true,
            "invert-grep" => self.invert = true,
            "regexp-ignore-case" => self.case = Case::Ignored,
            "basic-regexp" => self.syntax = Syntax::Basic,
            "extended-regexp" => self.syntax = Syntax::Extended,
            "fixed-strings" => self.syntax = Syntax::Fixed,
            _ => self.syntax = Syntax::Perl,
        }
        Ok(())
    }

    /// The test that commits have to pass, if they are searched for anything.
    pub(super) fn test(&self) -> Result<Option<CommitTest>, Failure> {
        let heads = [
            (&b"author "[..], self.compiled(&self.authors, "header")?),
            (b"committer ", self.compiled(&self.committers, "header")?),
        ];
        let messages = self.compiled(&self.messages, "command line")?;
        if messages.is_empty() && heads.iter().all(|(_, patterns)| patterns.is_empty()) {
            return Ok(None);
        }
        let (all, invert) = (self.all, self.invert);
        Ok(Some(CommitTest::new(move |content| {
            let (head, body) = match content.find(b"\n\n") {
                Some(at) => (&content[..=at], &content[at + 1..]),
                None => (content, &b""[..]),
            };
            let written = |(name, patterns): &(&[u8], Vec<Regex>)| {
                patterns.is_empty()
                    || head
                        .lines()
                        .filter_map(|line| line.strip_prefix(*name))
                        .any(|line| any(patterns, person(line)))
            };
            let said = match (all, invert) {
                _ if messages.is_empty() => true,
                // None of them, however many would have to be there otherwise.
                (_, true) => !body.lines().any(|line| any(&messages, line)),
                (true, false) => {
                    messages.iter().all(|pattern| body.lines().any(|line| pattern.is_match(line)))
                }
                (false, false) => body.lines().any(|line| any(&messages, line)),
            };
            said && heads.iter().all(written)
        })))
    }

    /// The test for the messages of reflogs, if there is one.
    pub(super) fn reflog(&self) -> Result<Option<Vec<Regex>>, Failure> {
        Ok(if self.reflog.is_empty() { None } else { Some(self.compiled(&self.reflog, "header")?) })
    }

    fn compiled(&self, patterns: &[Vec<u8>], origin: &str) -> Result<Vec<Regex>, Failure> {
        let compiled = patterns.iter().map(|pattern| {
            posix::compile(pattern, self.syntax, self.case)
                .map_err(|why| Failure::fatal(format_args!("{origin}, '{}': {why}", pattern.as_bstr())))
        });
        compiled.collect()
    }
}

pub(super) fn any(patterns: &[Regex], line: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(line))
}

/// Name and address, without the time.
fn person(line: &[u8]) -> &[u8] {
    line.rfind_byte(b'>').map_or(line, |at| &line[..=at])
}
