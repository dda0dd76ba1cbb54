//! `rev-parse`: what revisions name, and facts about the repository, in the order they are asked for.
//!
//! The facts that are about places are in `rev_parse_places`.

use super::Command;
use super::rev_parse_places as places;
use crate::abbrev;
use crate::args::Args;
use crate::fail::{Failure, chain};
use crate::globals::Globals;
use crate::names::{Ambiguity, shorten};
use crate::output::{finish, stdout, written};
use crate::repo;
use crate::revisions::{RefSelection, bad_revision, expand};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{IdPrefix, ObjectId, ReadError};
use git_core::refs::RefName;
use git_core::repository::Seen;
use git_core::store::Snapshot;
use git_core::store::revision::{self, RevisionError};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) const COMMAND: Command = Command {
    name: "rev-parse",
    summary: "Pick out and massage parameters",
    usage: "git-core rev-parse [<options>] <arg>...

    --verify [-q]  --short[=<n>]  --default <arg>  --not  --all  --branches[=<pattern>]
    --tags[=<pattern>]  --remotes[=<pattern>]  --glob=<pattern>  --disambiguate=<prefix>
    --symbolic  --symbolic-full-name  --abbrev-ref[=(strict|loose)]
    --revs-only  --no-revs  --flags  --no-flags  --sq
    --git-dir  --absolute-git-dir  --git-common-dir  --git-path <path>
    --show-toplevel  --show-prefix  --show-cdup  --is-inside-git-dir  --is-inside-work-tree
    --is-bare-repository  --is-shallow-repository  --show-object-format  --show-ref-format",
    run,
};

/// How a revision is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    #[default]
    Id,
    /// As it was given.
    Symbolic,
    /// The full name of the ref it is.
    FullName,
    /// The shortened name of the ref it is.
    ShortName(Ambiguity),
}

/// Which arguments are printed.
#[derive(Clone, Copy, Debug)]
struct Filter {
    /// Revisions, and options that say which revisions.
    revs: bool,
    /// Everything else.
    others: bool,
    /// Options.
    flags: bool,
    /// What is neither an option nor a revision.
    paths: bool,
}

struct Parser<'a, W> {
    globals: &'a Globals,
    repository: Repository,
    snapshot: Arc<dyn Snapshot>,
    out: W,
    form: Form,
    /// `--short`: at least so many digits, 0 for as many as git chooses.
    digits: Option<usize>,
    filter: Filter,
    not: bool,
    verify: bool,
    quiet: bool,
    shell_quote: bool,
    default: Option<Vec<u8>>,
    /// The one revision of `--verify`.
    single: Option<Vec<u8>>,
    printed_rev: bool,
    /// Behind `--`: only paths.
    as_is: bool,
}

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let mut rest = args.rest()?.into_iter().map(repo::operand);
    if rest.len() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let repository = repo::open(globals)?;
    let snapshot = repository.seen(Seen::History)?;
    let mut parser = Parser {
        globals,
        repository,
        snapshot,
        out: stdout(),
        form: Form::default(),
        digits: None,
        filter: Filter { revs: true, others: true, flags: true, paths: true },
        not: false,
        verify: false,
        quiet: false,
        shell_quote: false,
        default: None,
        single: None,
        printed_rev: false,
        as_is: false,
    };
    while let Some(arg) = rest.next() {
        if matches!(&arg[..], b"-h" | b"--help") && !parser.as_is {
            return Err(Failure::usage("", usage));
        }
        parser.arg(&arg, &mut rest)?;
    }
    parser.end()?;
    finish(parser.out)?;
    Ok(ExitCode::SUCCESS)
}

impl<W: Write> Parser<'_, W> {
    fn arg(&mut self, arg: &[u8], rest: &mut dyn Iterator<Item = Vec<u8>>) -> Result<(), Failure> {
        if self.as_is {
            return self.other(arg);
        }
        if arg == b"--" {
            self.as_is = true;
            if (self.filter.flags || self.filter.revs) && !self.verify {
                self.other(arg)?;
            }
            return Ok(());
        }
        if arg.starts_with(b"-") && arg.len() > 1 {
            return self.option(arg, rest);
        }
        self.revision(arg)
    }

    fn option(&mut self, arg: &[u8], rest: &mut dyn Iterator<Item = Vec<u8>>) -> Result<(), Failure> {
        let (name, value) = match arg.find_byte(b'=') {
            Some(at) => (&arg[..at], Some(&arg[at + 1..])),
            None => (arg, None),
        };
        let mut required = |what: &str| {
            value
                .map(<[u8]>::to_vec)
                .or_else(|| rest.next())
                .ok_or_else(|| Failure::fatal(format_args!("{} requires {what}", name.as_bstr())))
        };
        match name {
            b"--verify" => (self.verify, self.filter) = (true, Filter { flags: false, ..self.filter }),
            b"-q" | b"--quiet" => self.quiet = true,
            b"--short" => {
                (self.verify, self.filter) = (true, Filter { flags: false, ..self.filter });
                let digits = value.unwrap_or(b"0").to_str().ok();
                self.digits = digits.and_then(|text| abbrev::asked_digits(text, self.repository.format()));
                if self.digits.is_none() {
                    return Err(Failure::fatal("--short expects a number"));
                }
            }
            b"--default" => self.default = Some(required("an argument")?),
            b"--not" => self.not = !self.not,
            b"--all" => self.refs(&RefSelection::below(b""))?,
            b"--branches" | b"--tags" | b"--remotes" | b"--glob" => {
                let glob = if name == b"--glob" { Some(required("a pattern")?) } else { None };
                let option = name[2..].to_str().unwrap_or_default();
                if let Some(selection) = RefSelection::of_option(option, glob.as_deref().or(value)) {
                    self.refs(&selection)?;
                }
            }
            b"--disambiguate" => self.disambiguate(value.unwrap_or_default())?,
            b"--symbolic" => self.form = Form::Symbolic,
            b"--symbolic-full-name" => self.form = Form::FullName,
            b"--abbrev-ref" => {
                self.form = Form::ShortName(match value {
                    None => self.ambiguity()?,
                    Some(b"strict") => Ambiguity::Strict,
                    Some(b"loose") => Ambiguity::Loose,
                    Some(other) => {
                        return Err(Failure::fatal(format_args!(
                            "unknown mode for --abbrev-ref: {}",
                            other.as_bstr()
                        )));
                    }
                });
            }
            b"--revs-only" => self.filter.others = false,
            b"--no-revs" => self.filter.revs = false,
            b"--flags" => self.filter.paths = false,
            b"--no-flags" => self.filter.flags = false,
            b"--sq" => self.shell_quote = true,
            b"--path-format" | b"--show-superproject-working-tree" => {}
            b"--show-object-format" => {
                let text = self.repository.format().to_string();
                self.line(text.as_bytes())?;
            }
            b"--show-ref-format" => self.line(b"files")?,
            b"--is-shallow-repository" => {
                let shallow = !self.snapshot.shallow().is_empty();
                self.line(shallow.to_string().as_bytes())?;
            }
            b"--git-path" => {
                let path = required("an argument")?;
                let path = places::git_path(&self.repository, &path)?;
                self.path(&path)?;
            }
            _ => match places::fact(self.globals, &self.repository, name)? {
                Some(fact) => self.path(&fact)?,
                None => self.flag(arg)?,
            },
        }
        Ok(())
    }

    fn ambiguity(&self) -> Result<Ambiguity, Failure> {
        let strict = self.repository.config().bool("core.warnAmbiguousRefs")?.unwrap_or(true);
        Ok(if strict { Ambiguity::Strict } else { Ambiguity::Loose })
    }

    /// An option that is not ours is passed on.
    fn flag(&mut self, arg: &[u8]) -> Result<(), Failure> {
        let wanted = if is_rev_option(arg) { self.filter.revs } else { self.filter.others };
        if self.filter.flags && wanted { self.line(arg) } else { Ok(()) }
    }

    fn other(&mut self, arg: &[u8]) -> Result<(), Failure> {
        if self.verify {
            return Err(self.needed());
        }
        if self.filter.others && self.filter.paths { self.line(arg) } else { Ok(()) }
    }

    fn revision(&mut self, arg: &[u8]) -> Result<(), Failure> {
        if self.verify {
            // Looked up at the end: there must be only one.
            return match self.single.replace(arg.to_vec()) {
                None => Ok(()),
                Some(_) => Err(self.needed()),
            };
        }
        match expand(&*self.snapshot, arg) {
            Ok(tips) => {
                for tip in tips {
                    self.rev(tip.id, tip.hidden, &tip.name)?;
                }
                Ok(())
            }
            Err(error) if is_absent(&error) && self.is_path(arg) => {
                // From here on, all are paths.
                self.as_is = true;
                self.other(arg)
            }
            Err(error) if is_absent(&error) && !self.filter.others => Ok(()),
            Err(error) => {
                self.other(arg)?;
                self.out.flush()?;
                Err(bad_revision(arg, &error))
            }
        }
    }

    fn is_path(&self, arg: &[u8]) -> bool {
        Path::new(&crate::globals::os_string(arg.to_vec())).symlink_metadata().is_ok()
    }

    fn needed(&self) -> Failure {
        if self.quiet { Failure::silent(1) } else { Failure::fatal("Needed a single revision") }
    }

    /// Prints one revision.
    fn rev(&mut self, id: ObjectId, hidden: bool, name: &[u8]) -> Result<(), Failure> {
        self.printed_rev = true;
        if !self.filter.revs {
            return Ok(());
        }
        let mut line = Vec::new();
        if hidden != self.not {
            line.push(b'^');
        }
        match self.form {
            Form::Symbolic if !name.is_empty() => line.extend_from_slice(name),
            Form::FullName | Form::ShortName(_) if !name.is_empty() => {
                let Some(full) = self.full_name(name)? else { return Ok(()) };
                match self.form {
                    Form::ShortName(ambiguity) => {
                        line.extend_from_slice(&shorten(&*self.snapshot, full.as_bytes(), ambiguity)?);
                    }
                    _ => line.extend_from_slice(full.as_bytes()),
                }
            }
            _ => match self.digits {
                None => id.write_hex(&mut line),
                Some(digits) => {
                    let least = match digits {
                        0 => abbrev::default_digits(&self.repository, &*self.snapshot)?,
                        digits => digits,
                    };
                    line.extend_from_slice(abbrev::abbreviate(&*self.snapshot, &id, least)?.as_bytes());
                }
            },
        }
        self.line(&line)
    }

    /// The ref that a name means, at the end of symbolic refs.
    fn full_name(&self, name: &[u8]) -> Result<Option<RefName>, Failure> {
        let name = if name == b"@" { b"HEAD" } else { name };
        Ok(match revision::find_short(&*self.snapshot, name)? {
            Some((found, _)) => Some(revision::follow(&*self.snapshot, &found)?.0),
            None => None,
        })
    }

    fn refs(&mut self, selection: &RefSelection) -> Result<(), Failure> {
        for (name, id) in selection.tips(&*self.snapshot)? {
            self.rev(id, false, name.as_bytes())?;
        }
        Ok(())
    }

    fn disambiguate(&mut self, prefix: &[u8]) -> Result<(), Failure> {
        let mut found = Vec::new();
        if let Ok(prefix) = IdPrefix::from_hex(self.repository.format(), prefix) {
            self.snapshot.find_prefix(&prefix, usize::MAX, &mut found)?;
        }
        for id in found {
            self.rev(id, false, b"")?;
        }
        Ok(())
    }

    /// What is left to be said when all arguments were read.
    fn end(&mut self) -> Result<(), Failure> {
        if self.verify {
            let text = self.single.take().or_else(|| self.default.take()).ok_or_else(|| self.needed())?;
            let (hidden, base) = match text.strip_prefix(b"^") {
                Some(rest) => (true, rest),
                None => (false, &text[..]),
            };
            return match revision::resolve(&*self.snapshot, base) {
                Ok(id) => self.rev(id, hidden, base),
                Err(error) if is_absent(&error) => {
                    if let RevisionError::Ambiguous { .. } = error
                        && !self.quiet
                    {
                        return Err(bad_revision(base, &error));
                    }
                    Err(self.needed())
                }
                Err(error) => Err(Failure::fatal(chain(&error))),
            };
        }
        if !self.printed_rev
            && let Some(default) = self.default.take()
            && let Ok(tips) = expand(&*self.snapshot, &default)
        {
            for tip in tips {
                self.rev(tip.id, tip.hidden, &tip.name)?;
            }
        }
        Ok(())
    }

    fn line(&mut self, text: &[u8]) -> Result<(), Failure> {
        if self.shell_quote {
            let quoted = text.replace(b"'", b"'\\''");
            written(self.out.write_all(&[b"'", &quoted[..], b"' "].concat()))
        } else {
            written(self.out.write_all(text).and_then(|()| self.out.write_all(b"\n")))
        }
    }

    fn path(&mut self, text: &[u8]) -> Result<(), Failure> {
        written(self.out.write_all(text).and_then(|()| self.out.write_all(b"\n")))
    }
}

/// Whether an option is one of `git rev-list`.
fn is_rev_option(arg: &[u8]) -> bool {
    const WHOLE: [&[u8]; 22] = [
        b"--all",
        b"--bisect",
        b"--branches",
        b"--dense",
        b"--date-order",
        b"--header",
        b"--ignore-missing",
        b"--no-merges",
        b"--merges",
        b"--no-max-parents",
        b"--no-min-parents",
        b"--objects",
        b"--objects-edge",
        b"--parents",
        b"--pretty",
        b"--remotes",
        b"--reverse",
        b"--sparse",
        b"--tags",
        b"--topo-order",
        b"--unpacked",
        b"--full-history",
    ];
    const BEGINNINGS: [&[u8]; 12] = [
        b"--branches=",
        b"--max-age=",
        b"--max-count=",
        b"--max-parents=",
        b"--min-age=",
        b"--min-parents=",
        b"--pretty=",
        b"--remotes=",
        b"--since=",
        b"--tags=",
        b"--until=",
        b"--exclude=",
    ];
    let count = arg.strip_prefix(b"-n").or_else(|| arg.strip_prefix(b"-")).unwrap_or_default();
    WHOLE.contains(&arg)
        || BEGINNINGS.iter().any(|beginning| arg.starts_with(beginning))
        || (!count.is_empty() && count.iter().all(u8::is_ascii_digit))
}

/// Whether nothing has the name, rather than something being damaged.
fn is_absent(error: &RevisionError) -> bool {
    !matches!(error, RevisionError::Read(read) if !matches!(read, ReadError::Missing { .. }))
}
