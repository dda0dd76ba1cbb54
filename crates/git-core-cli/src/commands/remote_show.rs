//! `remote show`: what is known of a remote, here and there.

use super::Command;
use super::remote::{Work, list};
use super::remote_branches::listed;
use crate::args::{Arg, Args, bytes};
use crate::fail::Failure;
use crate::output;
use bstr::{BString, ByteSlice as _};
use git_core::Repository;
use git_core::object::{Context, ObjectId, Objects as _};
use git_core::refs::refspec::{self, Direction, PushSource};
use git_core::refs::{RefName, Refspec, Target};
use git_core::remote::{Remote, head_branches};
use git_core::store::walk;
use git_core::transport::client::AdvertisedRef;
use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(super) const SHOW: Command = Command {
    name: "show",
    summary: "",
    usage: "git-core remote show [<options>] <name>

    -n                    do not query remotes",
    run: super::remote::COMMAND.run,
};

pub(super) fn show(work: &Work<'_>, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut query, mut names) = (true, Vec::<BString>::new());
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short('n') => query = false,
            Arg::Value(value) => names.push(bytes(&value).into()),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if names.is_empty() {
        return list(work);
    }
    let mut out = output::stdout();
    for name in names {
        let remote = work.repository.remote(&name)?;
        let there = if query { Some(listed(work, &remote)?) } else { None };
        let report = Report { work, remote: &remote, name: &name, there: there.as_deref() };
        let text = report.text()?;
        output::written(out.write_all(&text))?;
    }
    output::finish(out)?;
    Ok(ExitCode::SUCCESS)
}

struct Report<'a> {
    work: &'a Work<'a>,
    remote: &'a Remote,
    name: &'a BString,
    /// What the remote shows, if it was asked.
    there: Option<&'a [AdvertisedRef]>,
}

/// A branch without `refs/heads/`.
fn short(name: &[u8]) -> BString {
    name.strip_prefix(b"refs/heads/").unwrap_or(name).into()
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

impl Report<'_> {
    fn text(&self) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::new();
        // Writing to a vector does not fail.
        let _ = writeln!(out, "* remote {}", self.name);
        let _ = writeln!(out, "  Fetch URL: {}", self.remote.shown_url());
        for url in self.remote.push_urls() {
            let _ = writeln!(out, "  Push  URL: {url}");
        }
        self.head(&mut out);
        self.branches(&mut out)?;
        pulled(&self.work.repository, self.name, &mut out)?;
        self.pushed(&mut out)?;
        Ok(out)
    }

    fn head(&self, out: &mut Vec<u8>) {
        let Some(there) = self.there else {
            let _ = writeln!(out, "  HEAD branch: (not queried)");
            return;
        };
        match head_branches(there).as_slice() {
            [] => drop(writeln!(out, "  HEAD branch: (unknown)")),
            [one] => drop(writeln!(out, "  HEAD branch: {one}")),
            many => {
                let _ =
                    writeln!(out, "  HEAD branch (remote HEAD is ambiguous, may be one of the following):");
                many.iter().for_each(|head| drop(writeln!(out, "    {head}")));
            }
        }
    }

    /// The branches of the remote that are fetched, each with what the next fetch will do about it.
    fn branches(&self, out: &mut Vec<u8>) -> Result<(), Failure> {
        let snapshot = self.work.repository.snapshot()?;
        let specs = self.remote.fetch_specs();
        let mut lines: BTreeMap<BString, String> = BTreeMap::new();
        if let Some(there) = self.there {
            let here: Vec<&RefName> =
                there.iter().filter(|one| one.id.is_some()).map(|one| &one.name).collect();
            for spec in specs.iter().filter(|spec| !spec.is_negative()) {
                let Ok(mapped) = refspec::fetch(std::slice::from_ref(spec), here.iter().copied()) else {
                    continue;
                };
                for mapping in mapped {
                    let refspec::FetchSource::Ref(source) = &mapping.src else { continue };
                    let tracked = match &mapping.dst {
                        Some(dst) => snapshot.find_ref(dst)?.is_some(),
                        None => false,
                    };
                    let status = match () {
                        () if refspec::excludes(specs, source) => "skipped".to_owned(),
                        () if tracked => "tracked".to_owned(),
                        () => format!("new (next fetch will store in remotes/{})", self.name),
                    };
                    lines.insert(short(source.as_bytes()), status);
                }
            }
            for stale in self.remote.stale(there)? {
                let full = stale.local.as_ref().map_or(&b""[..], RefName::as_bytes);
                lines.insert(short(full), "stale (use 'git remote prune' to remove)".to_owned());
            }
        } else {
            snapshot.for_each_ref(b"", &mut |found| {
                if found.target.symbolic().is_none()
                    && let Some(source) = refspec::sources(specs, &found.name).first()
                {
                    lines.insert(short(source.as_bytes()), String::new());
                }
                ControlFlow::Continue(())
            })?;
        }
        if lines.is_empty() {
            return Ok(());
        }
        let unknown = if self.there.is_none() { " (status not queried)" } else { "" };
        let _ = writeln!(out, "  Remote {}:{unknown}", plural(lines.len(), "branch", "branches"));
        let width = lines.keys().map(|name| name.len()).max().unwrap_or(0);
        for (name, status) in &lines {
            let _ = match self.there {
                Some(_) => writeln!(out, "    {:<width$} {status}", name.to_str_lossy()),
                None => writeln!(out, "    {name}"),
            };
        }
        Ok(())
    }

    /// What `git push` does, or would do.
    fn pushed(&self, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.remote.is_mirror() {
            let _ = writeln!(out, "  Local refs will be mirrored by 'git push'");
            return Ok(());
        }
        let mut lines = match self.there {
            Some(there) => self.pushed_now(there)?,
            None => self.pushed_by_specs(),
        };
        if lines.is_empty() {
            return Ok(());
        }
        lines.sort();
        let unknown = if self.there.is_none() { " (status not queried)" } else { "" };
        let refs = plural(lines.len(), "ref", "refs");
        let _ = writeln!(out, "  Local {refs} configured for 'git push'{unknown}:");
        let from = lines.iter().map(|line| line.from.len()).max().unwrap_or(0);
        let to = lines.iter().map(|line| line.to.len()).max().unwrap_or(0);
        for line in &lines {
            let verb = if line.forced { "forces to" } else { "pushes to" };
            let (source, target) = (line.from.to_str_lossy(), line.to.to_str_lossy());
            let _ = match line.status {
                Some(status) => writeln!(out, "    {source:<from$} {verb} {target:<to$} ({status})"),
                None => writeln!(out, "    {source:<from$} {verb} {target}"),
            };
        }
        Ok(())
    }

    fn pushed_by_specs(&self) -> Vec<Pushed> {
        let matching =
            |forced| Pushed { from: "(matching)".into(), to: "(matching)".into(), forced, status: None };
        if self.remote.push_specs().is_empty() {
            return vec![matching(false)];
        }
        let line = |spec: &Refspec| {
            if spec.is_matching() {
                return matching(spec.is_force());
            }
            let from = spec.src().map_or_else(|| "(delete)".into(), |src| src.to_owned());
            let to = spec.dst().map_or_else(|| from.clone(), |dst| dst.to_owned());
            Pushed { from, to, forced: spec.is_force(), status: None }
        };
        self.remote.push_specs().iter().map(line).collect()
    }

    fn pushed_now(&self, there: &[AdvertisedRef]) -> Result<Vec<Pushed>, Failure> {
        let snapshot = self.work.repository.snapshot()?;
        let mut local: BTreeMap<RefName, Target> = BTreeMap::new();
        snapshot.for_each_ref(b"", &mut |found| {
            local.insert(found.name, found.target);
            ControlFlow::Continue(())
        })?;
        let ids: BTreeMap<&RefName, ObjectId> =
            there.iter().filter_map(|one| Some((&one.name, one.id?))).collect();
        let matching;
        let specs = match self.remote.push_specs() {
            [] => {
                matching = [Refspec::parse(Direction::Push, ":")?];
                &matching[..]
            }
            specs => specs,
        };
        let mappings = match refspec::push(specs, &local, ids.keys().copied()) {
            Ok(mappings) => mappings,
            Err(error) => {
                eprintln!("error: {}", super::push::unmatched(&error));
                return Ok(Vec::new());
            }
        };
        let mut lines = Vec::new();
        for mapping in mappings {
            let old = ids.get(&mapping.dst).copied();
            let (from, new) = match &mapping.src {
                PushSource::Ref(name) => {
                    (short(name.as_bytes()), self.work.repository.refs().id(name.as_bytes())?)
                }
                PushSource::Revision(text) => (text.clone(), self.work.repository.resolve(text).ok()),
                PushSource::Nothing => ("(delete)".into(), None),
            };
            let status = match (old, new) {
                (_, None) => "delete",
                (None, Some(_)) => "create",
                (Some(old), Some(new)) if old == new => "up to date",
                (Some(old), Some(new)) => {
                    let forward = snapshot.contains(&old)?
                        && walk::is_ancestor(&*snapshot, snapshot.shallow(), &old, &new, &Context::new())
                            .unwrap_or(false);
                    if forward { "fast-forwardable" } else { "local out of date" }
                }
            };
            let to = short(mapping.dst.as_bytes());
            lines.push(Pushed { from, to, forced: mapping.force, status: Some(status) });
        }
        Ok(lines)
    }
}

/// A line about what is pushed where.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pushed {
    from: BString,
    to: BString,
    forced: bool,
    status: Option<&'static str>,
}

/// How a branch takes in what it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rebase {
    No,
    Plain,
    Interactive,
    Merges,
}

/// The branches that follow the remote, and what they are merged with.
fn pulled(repository: &Repository, name: &BString, out: &mut Vec<u8>) -> Result<(), Failure> {
    let config = repository.config();
    let mut branches: Vec<(BString, Rebase, Vec<BString>)> = Vec::new();
    for branch in config.subsections("branch") {
        let key = |variable: &str| [b"branch.", branch.as_bytes(), b".", variable.as_bytes()].concat();
        if config.text(key("remote"))? != Some(name.as_bstr()) {
            continue;
        }
        let mut merges = Vec::new();
        for entry in config.get_all(key("merge")) {
            merges.push(short(entry.to_text()?));
        }
        if merges.is_empty() {
            continue;
        }
        let rebase = match config.get(key("rebase")) {
            None => Rebase::No,
            Some(entry) => match (entry.to_bool(), entry.to_text().map(|text| text.as_bytes())) {
                (Ok(true), _) => Rebase::Plain,
                (Ok(false), _) => Rebase::No,
                (_, Ok(b"interactive" | b"i")) => Rebase::Interactive,
                (_, Ok(b"merges" | b"m")) => Rebase::Merges,
                _ => Rebase::No,
            },
        };
        branches.push((branch.to_owned(), rebase, merges));
    }
    if branches.is_empty() {
        return Ok(());
    }
    branches.sort_by(|a, b| a.0.cmp(&b.0));
    let many = plural(branches.len(), "branch", "branches");
    let _ = writeln!(out, "  Local {many} configured for 'git pull':");
    let width = branches.iter().map(|branch| branch.0.len()).max().unwrap_or(0);
    let any_rebase = branches.iter().any(|branch| branch.1 != Rebase::No);
    for (branch, rebase, merges) in &branches {
        if *rebase != Rebase::No && merges.len() > 1 {
            eprintln!("error: invalid branch.{branch}.merge; cannot rebase onto > 1 branch");
            continue;
        }
        let (first, more) = (&merges[0], &merges[1..]);
        let shown = branch.to_str_lossy();
        let verb = match rebase {
            Rebase::No if any_rebase => " merges with remote",
            Rebase::No => "merges with remote",
            Rebase::Plain => "rebases onto remote",
            Rebase::Interactive => "rebases interactively onto remote",
            Rebase::Merges => "rebases interactively (with merges) onto remote",
        };
        let _ = writeln!(out, "    {shown:<width$} {verb} {first}");
        let indent = width + 4 + usize::from(any_rebase);
        more.iter().for_each(|merge| drop(writeln!(out, "{:indent$}    and with remote {merge}", "")));
    }
    Ok(())
}
