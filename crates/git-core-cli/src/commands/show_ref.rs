//! `show-ref`: refs and what they hold.

use super::Command;
use crate::abbrev;
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::input::{lines, stdin};
use crate::output::{finish, stdout, written};
use crate::repo;
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::ObjectId;
use git_core::refs::RefName;
use git_core::store::walk::peel;
use git_core::store::{Snapshot, revision};
use std::collections::HashSet;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "show-ref",
    summary: "List references in a local repository",
    usage: "git-core show-ref [--head] [-d | --dereference]
                [-s | --hash[=<n>]] [--abbrev[=<n>]] [--branches] [--tags]
                [--] [<pattern>...]
   or: git-core show-ref --verify [-q | --quiet] [-d | --dereference]
                [-s | --hash[=<n>]] [--abbrev[=<n>]]
                [--] [<ref>...]
   or: git-core show-ref --exclude-existing[=<pattern>]
   or: git-core show-ref --exists <ref>",
    run,
};

/// How refs are printed.
#[derive(Default)]
struct Style {
    quiet: bool,
    dereference: bool,
    hash_only: bool,
    /// Fewer digits than all: at least so many.
    digits: Option<usize>,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut style = Style::default();
    let (mut head, mut branches, mut tags, mut verify, mut exists) = (false, false, false, false, false);
    let (mut exclude, mut abbreviate, mut operands) = (None, None, Vec::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Long("head") => head = true,
            Arg::Long("branches" | "heads") => branches = true,
            Arg::Long("tags") => tags = true,
            Arg::Long("verify") => verify = true,
            Arg::Long("exists") => exists = true,
            Arg::Long("exclude-existing") => {
                exclude = Some(args.optional_value().map(repo::operand));
            }
            Arg::Short('d') | Arg::Long("dereference") => style.dereference = true,
            Arg::Short('q') | Arg::Long("quiet") => style.quiet = true,
            Arg::Short('s') | Arg::Long("hash") => {
                style.hash_only = true;
                if let Some(digits) = args.optional_value() {
                    abbreviate = Some(Some(digits));
                }
            }
            Arg::Long("abbrev") => abbreviate = Some(args.optional_value()),
            Arg::Long("no-abbrev") => abbreviate = None,
            Arg::Value(value) => operands.push(repo::operand(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    let repository = repo::open(globals)?;
    let snapshot = repository.snapshot()?;
    style.digits = match abbreviate {
        None => None,
        Some(None) => Some(abbrev::default_digits(&repository, &*snapshot)?),
        Some(Some(text)) => {
            let digits = text.to_str().and_then(|text| abbrev::asked_digits(text, repository.format()));
            Some(digits.ok_or_else(|| args.bad("option `abbrev' expects a numerical value"))?)
        }
    };
    if let Some(pattern) = exclude {
        return exclude_existing(&*snapshot, pattern.as_deref().or(operands.first().map(Vec::as_slice)));
    }
    if exists {
        let [name] = &operands[..] else {
            return Err(Failure::fatal("--exists requires exactly one reference"));
        };
        let found = match RefName::new(name) {
            Ok(name) => snapshot.find_ref(&name)?.is_some(),
            Err(_) => false,
        };
        return if found {
            Ok(ExitCode::SUCCESS)
        } else {
            Err(Failure::error(2, "reference does not exist"))
        };
    }
    let mut shower = Shower {
        repository: &repository,
        snapshot: &*snapshot,
        style,
        out: stdout(),
        shown: 0,
        there: None,
        text: Vec::new(),
    };
    if verify {
        shower.verify(&operands)?;
    } else {
        shower.matching(&operands, head, branches, tags)?;
    }
    finish(shower.out)?;
    Ok(ExitCode::from(u8::from(shower.shown == 0)))
}

struct Shower<'a, W> {
    repository: &'a Repository,
    snapshot: &'a dyn Snapshot,
    style: Style,
    out: W,
    shown: u64,
    /// The object that was seen last: many refs may hold one.
    there: Option<ObjectId>,
    text: Vec<u8>,
}

impl<W: Write> Shower<'_, W> {
    fn verify(&mut self, names: &[Vec<u8>]) -> Result<(), Failure> {
        if names.is_empty() {
            return Err(Failure::fatal("--verify requires a reference"));
        }
        for text in names {
            // A short name is none here.
            let name = RefName::new(text).ok().filter(|name| name.is_root() || text.starts_with(b"refs/"));
            let id = match &name {
                Some(name) => revision::follow(self.snapshot, name)?.1,
                None => None,
            };
            match (name, id) {
                (Some(name), Some(id)) => self.show(&name, id, None)?,
                _ if self.style.quiet => return Err(Failure::silent(1)),
                _ => {
                    self.out.flush()?;
                    return Err(Failure::fatal(format_args!("'{}' - not a valid ref", text.as_bstr())));
                }
            }
        }
        Ok(())
    }

    fn matching(
        &mut self,
        patterns: &[Vec<u8>],
        head: bool,
        branches: bool,
        tags: bool,
    ) -> Result<(), Failure> {
        let head_name = RefName::head();
        if head && let (_, Some(id)) = revision::follow(self.snapshot, &head_name)? {
            self.show(&head_name, id, None)?;
        }
        let mut found = Vec::new();
        let prefixes: &[&[u8]] = match (branches, tags) {
            (true, false) => &[b"refs/heads/"],
            (false, true) => &[b"refs/tags/"],
            (true, true) => &[b"refs/heads/", b"refs/tags/"],
            (false, false) => &[b""],
        };
        for prefix in prefixes {
            self.snapshot.for_each_ref(prefix, &mut |reference| {
                let name = reference.name.as_bytes();
                let ends_with = |pattern: &Vec<u8>| {
                    name.strip_suffix(&pattern[..])
                        .is_some_and(|rest| rest.is_empty() || rest.ends_with(b"/"))
                };
                if patterns.is_empty() || patterns.iter().any(ends_with) {
                    found.push(reference);
                }
                ControlFlow::Continue(())
            })?;
        }
        for reference in found {
            let id = match reference.target.id() {
                Some(id) => Some(id),
                None => revision::follow(self.snapshot, &reference.name)?.1,
            };
            if let Some(id) = id {
                self.show(&reference.name, id, reference.peeled)?;
            }
        }
        Ok(())
    }

    fn show(
        &mut self,
        name: &RefName,
        id: ObjectId,
        peeled: Option<Option<ObjectId>>,
    ) -> Result<(), Failure> {
        self.shown += 1;
        if self.there != Some(id) && !self.snapshot.contains(&id)? {
            self.out.flush()?;
            return Err(Failure::fatal(format_args!("git show-ref: bad ref {name} ({id})")));
        }
        self.there = Some(id);
        if self.style.quiet {
            return Ok(());
        }
        self.line(&id, name, "")?;
        if self.style.dereference {
            let target = match peeled {
                Some(peeled) => peeled,
                None => {
                    Some(peel(self.snapshot, id, &mut Vec::new(), &mut Vec::new())?.0).filter(|it| *it != id)
                }
            };
            if let Some(target) = target {
                self.line(&target, name, "^{}")?;
            }
        }
        Ok(())
    }

    fn line(&mut self, id: &ObjectId, name: &RefName, suffix: &str) -> Result<(), Failure> {
        let hex = match self.style.digits {
            None => {
                self.text.clear();
                id.write_hex(&mut self.text);
                if !self.style.hash_only {
                    self.text.push(b' ');
                    self.text.extend_from_slice(name.as_bytes());
                    self.text.extend_from_slice(suffix.as_bytes());
                }
                self.text.push(b'\n');
                return written(self.out.write_all(&self.text));
            }
            Some(0) => abbrev::abbreviate(
                self.snapshot,
                id,
                abbrev::default_digits(self.repository, self.snapshot)?,
            )?,
            Some(digits) => abbrev::abbreviate(self.snapshot, id, digits)?,
        };
        written(match self.style.hash_only {
            true => writeln!(self.out, "{hex}"),
            false => writeln!(self.out, "{hex} {name}{suffix}"),
        })
    }
}

/// Prints the lines of standard input that name refs which are not here.
fn exclude_existing(snapshot: &dyn Snapshot, pattern: Option<&[u8]>) -> Result<ExitCode, Failure> {
    let mut here = HashSet::new();
    snapshot.for_each_ref(b"", &mut |reference| {
        here.insert(reference.name);
        ControlFlow::Continue(())
    })?;
    let mut out = stdout();
    for line in lines(stdin()) {
        let mut line = line?;
        if line.ends_with(b"^{}") {
            line.truncate(line.len() - 3);
        }
        let start = line.rfind_byteset(b" \t").map_or(0, |at| at + 1);
        let name = &line[start..];
        if pattern.is_some_and(|pattern| !name.starts_with(pattern)) {
            continue;
        }
        match RefName::new(name) {
            Err(_) => eprintln!("warning: ref '{}' ignored", name.as_bstr()),
            Ok(name) if here.contains(&name) => {}
            Ok(_) => written(out.write_all(&line).and_then(|()| out.write_all(b"\n")))?,
        }
    }
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}
