//! Revisions as commands take them: single ones, `^x`, `a..b`, `a...b`, `x^@`, `x^!`, `x^-`, and options such as
//! `--all` that stand for many (`gitrevisions(7)`, `git-rev-list(1)`).

use crate::fail::{Failure, chain};
use bstr::{BStr, ByteSlice as _};
use git_core::config::WildOptions;
use git_core::config::wildmatch::Pattern;
use git_core::object::{Context, Kind, ObjectId, ReadError, commit};
use git_core::refs::RefName;
use git_core::server::HiddenRefs;
use git_core::store::config::Config;
use git_core::store::revision::{self, RevisionError};
use git_core::store::walk::{HistoryTip, MergeBases, Query, TipRole, peel};
use git_core::store::{Reference, Snapshot};
use std::ops::ControlFlow;

/// An object that was named.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    pub(crate) id: ObjectId,
    /// Whether it, and what it reaches, is left out.
    pub(crate) hidden: bool,
    /// The text it was named by, where it is a name of its own.
    pub(crate) name: Vec<u8>,
    /// Whether it is the left side of `a...b`.
    pub(crate) left: bool,
    /// What it peels to, where that is known.
    peeled: Option<ObjectId>,
}

impl Tip {
    fn new(id: ObjectId, hidden: bool, name: &[u8]) -> Self {
        Tip { id, hidden, name: name.to_vec(), left: false, peeled: None }
    }
}

/// The objects that one text names, in the order in which `git rev-parse` prints them.
pub(crate) fn expand(snapshot: &dyn Snapshot, text: &[u8]) -> Result<Vec<Tip>, RevisionError> {
    if let Some(rest) = text.strip_prefix(b"^") {
        return Ok(vec![Tip::new(revision::resolve(snapshot, rest)?, true, rest)]);
    }
    // In `tree:path`, the path may have dots.
    let head_len = text.find_byte(b':').unwrap_or(text.len());
    if let Some(at) = text[..head_len].find(b"...") {
        return symmetric(snapshot, or_head(&text[..at]), or_head(&text[at + 3..]));
    }
    if let Some(at) = text[..head_len].find(b"..")
        && text.len() > 2
    {
        let (from, to) = (or_head(&text[..at]), or_head(&text[at + 2..]));
        let from_id = revision::resolve(snapshot, from)?;
        return Ok(vec![
            Tip::new(revision::resolve(snapshot, to)?, false, to),
            Tip::new(from_id, true, from),
        ]);
    }
    if let Some(base) = text.strip_suffix(b"^@") {
        let (_, parents) = with_parents(snapshot, base)?;
        return Ok(parents.into_iter().map(|id| Tip::new(id, false, text)).collect());
    }
    if let Some(base) = text.strip_suffix(b"^!") {
        let (_, parents) = with_parents(snapshot, base)?;
        let hidden = parents.into_iter().map(|id| Tip::new(id, true, text));
        let own = Tip::new(revision::resolve(snapshot, base)?, false, base);
        return Ok(std::iter::once(own).chain(hidden).collect());
    }
    if let Some(at) = text.rfind(b"^-")
        && text[at + 2..].iter().all(u8::is_ascii_digit)
    {
        let number = match &text[at + 2..] {
            b"" => Some(1),
            digits => digits.to_str().ok().and_then(|digits| digits.parse::<usize>().ok()),
        };
        let (_, parents) = with_parents(snapshot, &text[..at])?;
        let id = revision::resolve(snapshot, &text[..at])?;
        let parent = number.and_then(|number| parents.get(number.checked_sub(1)?));
        let parent = parent.ok_or_else(|| RevisionError::Unknown(text.into()))?;
        return Ok(vec![Tip::new(id, false, &text[..at]), Tip::new(*parent, true, text)]);
    }
    Ok(vec![Tip::new(revision::resolve(snapshot, text)?, false, text)])
}

fn or_head(text: &[u8]) -> &[u8] {
    if text.is_empty() { b"HEAD" } else { text }
}

/// The commit that a text names, and its parents.
fn with_parents(snapshot: &dyn Snapshot, text: &[u8]) -> Result<(ObjectId, Vec<ObjectId>), RevisionError> {
    let id = revision::resolve(snapshot, &[text, b"^0"].concat())?;
    Ok((id, parents(snapshot, &id)?))
}

/// The parents of a commit; none at a shallow boundary.
pub(crate) fn parents(snapshot: &dyn Snapshot, id: &ObjectId) -> Result<Vec<ObjectId>, ReadError> {
    let mut content = Vec::new();
    snapshot.require(id, &mut content)?;
    let links = commit::links(id.format(), &content)
        .map_err(|error| ReadError::corrupt(format_args!("commit {id}"), error))?;
    let shallow = snapshot.shallow().binary_search(id).is_ok();
    Ok(if shallow { Vec::new() } else { links.parents().collect() })
}

/// `a...b`: both, without what both reach.
fn symmetric(snapshot: &dyn Snapshot, a: &[u8], b: &[u8]) -> Result<Vec<Tip>, RevisionError> {
    let (left, right) = (revision::resolve(snapshot, a)?, revision::resolve(snapshot, b)?);
    let commit = |text: &[u8]| revision::resolve(snapshot, &[text, b"^0"].concat());
    let bases = merge_bases(snapshot, commit(a)?, commit(b)?)?;
    let mut tips = vec![Tip::new(right, false, b), Tip { left: true, ..Tip::new(left, false, a) }];
    tips.extend(bases.into_iter().map(|id| Tip::new(id, true, b"")));
    Ok(tips)
}

/// The best common ancestors of two commits, the newest first.
pub(crate) fn merge_bases(
    snapshot: &dyn Snapshot,
    a: ObjectId,
    b: ObjectId,
) -> Result<Vec<ObjectId>, ReadError> {
    MergeBases::new(snapshot, &Context::new()).of(a, &[b])
}

/// Refs that an option such as `--branches=<pattern>` stands for.
pub(crate) struct RefSelection {
    prefix: &'static [u8],
    pattern: Option<Pattern>,
    /// The option that it stands for.
    option: Option<&'static str>,
}

impl RefSelection {
    /// All refs below a prefix.
    pub(crate) fn below(prefix: &'static [u8]) -> Self {
        RefSelection { prefix, pattern: None, option: None }
    }

    /// The refs below a prefix that a pattern selects; without a glob in it, those below it.
    pub(crate) fn matching(prefix: &'static [u8], pattern: &[u8]) -> Self {
        let mut whole = Vec::new();
        if !(prefix == b"refs/" && pattern.starts_with(b"refs/")) {
            whole.extend_from_slice(prefix);
        }
        whole.extend_from_slice(pattern);
        if !pattern.iter().any(|byte| b"*?[".contains(byte)) {
            whole.extend_from_slice(if pattern.ends_with(b"/") { b"*" } else { b"/*" });
        }
        RefSelection { prefix, pattern: Some(Pattern::new(&whole, WildOptions::default())), option: None }
    }

    /// Option `name` with its value: `all`, `branches`, `tags`, `remotes`, `glob`.
    pub(crate) fn of_option(name: &str, value: Option<&[u8]>) -> Option<Self> {
        let (prefix, option): (&'static [u8], _) = match name {
            "all" => return Some(Self::below(b"")),
            "branches" => (b"refs/heads/", "branches"),
            "tags" => (b"refs/tags/", "tags"),
            "remotes" => (b"refs/remotes/", "remotes"),
            "glob" => (b"refs/", "glob"),
            _ => return None,
        };
        let selection = value.map_or_else(|| Self::below(prefix), |pattern| Self::matching(prefix, pattern));
        Some(RefSelection { option: Some(option), ..selection })
    }

    /// The refs, by name.
    pub(crate) fn refs(&self, snapshot: &dyn Snapshot) -> Result<Vec<Reference>, ReadError> {
        let mut found = Vec::new();
        snapshot.for_each_ref(self.prefix, &mut |reference| {
            if self.pattern.as_ref().is_none_or(|pattern| pattern.matches(reference.name.as_bytes())) {
                found.push(reference);
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// What the refs resolve to, with their names; those that lead nowhere are passed over.
    pub(crate) fn tips(&self, snapshot: &dyn Snapshot) -> Result<Vec<(RefName, ObjectId)>, ReadError> {
        Ok(self.with_ids(snapshot)?.into_iter().map(|(reference, id)| (reference.name, id)).collect())
    }

    fn with_ids(&self, snapshot: &dyn Snapshot) -> Result<Vec<(Reference, ObjectId)>, ReadError> {
        let mut tips = Vec::new();
        for reference in self.refs(snapshot)? {
            let id = match reference.target.id() {
                Some(id) => Some(id),
                None => revision::follow(snapshot, &reference.name)?.1,
            };
            tips.extend(id.map(|id| (reference, id)));
        }
        Ok(tips)
    }
}

/// What is to be walked.
#[derive(Default)]
pub(crate) struct Revisions {
    pub(crate) tips: Vec<Tip>,
    /// Whether a revision or an option that stands for some was given at all.
    pub(crate) given: bool,
    /// Refs that the next option that stands for many does not mean.
    excluded: Vec<Pattern>,
    /// Refs that peers are not shown, which it does not mean either.
    hidden: Option<HiddenRefs>,
}

impl Revisions {
    /// Takes one text; `not` turns its meaning round.
    pub(crate) fn add(&mut self, snapshot: &dyn Snapshot, text: &[u8], not: bool) -> Result<(), Failure> {
        self.given = true;
        let tips = expand(snapshot, text).map_err(|error| bad_revision(text, &error))?;
        self.tips.extend(tips.into_iter().map(|tip| Tip { hidden: tip.hidden != not, ..tip }));
        Ok(())
    }

    /// Takes the refs that an option stands for; `--all` is `HEAD` too.
    pub(crate) fn add_refs(
        &mut self,
        snapshot: &dyn Snapshot,
        selection: &RefSelection,
        not: bool,
    ) -> Result<(), Failure> {
        self.given = true;
        let (excluded, hidden) = (std::mem::take(&mut self.excluded), self.hidden.take());
        if hidden.is_some()
            && let Some(option) = selection.option.filter(|option| !matches!(*option, "all" | "glob"))
        {
            return Err(Failure::plain(
                129,
                format_args!("error: options '--exclude-hidden' and '--{option}' cannot be used together"),
            ));
        }
        for (reference, id) in selection.with_ids(snapshot)? {
            let name = reference.name.as_bytes();
            let below = if selection.prefix == b"refs/" { name } else { &name[selection.prefix.len()..] };
            let is_hidden = hidden.as_ref().is_some_and(|hidden| hidden.hides(&reference.name));
            if !is_hidden && !excluded.iter().any(|pattern| pattern.matches(below)) {
                let peeled = reference.peeled.flatten();
                self.tips.push(Tip { peeled, ..Tip::new(id, not, name) });
            }
        }
        if selection.prefix.is_empty()
            && let (_, Some(id)) = revision::follow(snapshot, &RefName::head())?
        {
            self.tips.push(Tip::new(id, not, b"HEAD"));
        }
        Ok(())
    }

    /// Takes everything that stands in reflogs.
    pub(crate) fn add_reflogs(&mut self, snapshot: &dyn Snapshot, not: bool) -> Result<(), Failure> {
        self.given = true;
        let mut names = vec![RefName::head()];
        names.extend(RefSelection::below(b"").refs(snapshot)?.into_iter().map(|reference| reference.name));
        let mut seen = std::collections::HashSet::new();
        for name in names {
            let mut found = Vec::new();
            snapshot.for_each_reflog_entry(&name, &mut |entry| {
                found.extend([entry.new, entry.old]);
                ControlFlow::Continue(())
            })?;
            for id in found.into_iter().rev().filter(|id| !id.is_null()) {
                // What has been pruned is passed over.
                if seen.insert(id) && snapshot.contains(&id)? {
                    self.tips.push(Tip::new(id, not, b""));
                }
            }
        }
        Ok(())
    }

    /// Leaves refs out of what the next option such as `--all` stands for.
    pub(crate) fn exclude(&mut self, pattern: &[u8]) {
        self.excluded.push(Pattern::new(pattern, WildOptions::default()));
    }

    /// Leaves refs that a section of the configuration hides out of what the next option such as `--all` stands for.
    pub(crate) fn exclude_hidden(&mut self, config: &Config, section: &str) -> Result<(), Failure> {
        if !matches!(section, "fetch" | "receive" | "uploadpack") {
            return Err(Failure::fatal(format_args!("unsupported section for hidden refs: {section}")));
        }
        if self.hidden.is_some() {
            return Err(Failure::fatal("--exclude-hidden= passed more than once"));
        }
        let (mut hidden, own) = (HiddenRefs::default(), format!("{section}.hiderefs"));
        for entry in config.entries() {
            if [&b"transfer.hiderefs"[..], own.as_bytes()]
                .iter()
                .any(|key| entry.key().eq_ignore_ascii_case(key))
            {
                hidden.add(entry.to_text()?);
            }
        }
        self.hidden = Some(hidden);
        Ok(())
    }

    /// Takes lines as `--stdin` gives them: revisions, `--not`, `--all` and its like, up to an empty line.
    pub(crate) fn add_lines(
        &mut self,
        snapshot: &dyn Snapshot,
        lines: &mut dyn Iterator<Item = std::io::Result<Vec<u8>>>,
    ) -> Result<(), Failure> {
        let mut not = false;
        for line in lines {
            let line =
                line.map_err(|error| Failure::fatal(format_args!("cannot read standard input: {error}")))?;
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            match line {
                b"" => break,
                b"--not" => not = !not,
                b"--" => {}
                line => match line.strip_prefix(b"--") {
                    Some(option) => self.add_option(snapshot, option, not)?,
                    None => self.add(snapshot, line, not)?,
                },
            }
        }
        Ok(())
    }

    fn add_option(&mut self, snapshot: &dyn Snapshot, option: &[u8], not: bool) -> Result<(), Failure> {
        let (name, value) = match option.find_byte(b'=') {
            Some(at) => (&option[..at], Some(&option[at + 1..])),
            None => (option, None),
        };
        let selection = name.to_str().ok().and_then(|name| RefSelection::of_option(name, value));
        match selection {
            Some(selection) => self.add_refs(snapshot, &selection, not),
            None => {
                Err(Failure::fatal(format_args!("invalid option '--{}' in --stdin mode", option.as_bstr())))
            }
        }
    }

    /// The query for objects of any kind.
    pub(crate) fn query(&self) -> Query {
        let ids =
            |hidden: bool| self.tips.iter().filter(|tip| tip.hidden == hidden).map(|tip| tip.id).collect();
        Query { include: ids(false), exclude: ids(true), ..Query::default() }
    }

    /// The commits to walk from: tags are followed, trees and blobs passed over.
    pub(crate) fn history_tips(&self, snapshot: &dyn Snapshot) -> Result<Vec<HistoryTip>, Failure> {
        let (mut tips, mut buf, graph) = (Vec::new(), Vec::new(), snapshot.commit_graph());
        for tip in &self.tips {
            // What the commit-graph has is a commit.
            let known = tip.peeled.unwrap_or(tip.id);
            let id = if graph.as_ref().is_some_and(|graph| graph.lookup(&known).is_some()) {
                known
            } else {
                match peel(snapshot, tip.id, &mut buf, &mut Vec::new()).map_err(|error| bad_object(&error))? {
                    (id, Kind::Commit) => id,
                    _ => continue,
                }
            };
            let role = match (tip.hidden, tip.left) {
                (true, _) => TipRole::Hidden,
                (false, true) => TipRole::Left,
                (false, false) => TipRole::Shown,
            };
            tips.push(HistoryTip { id, role });
            // Of `a...b`, the left side comes first.
            if let [.., before, last] = &mut tips[..]
                && last.role == TipRole::Left
                && before.role == TipRole::Shown
            {
                std::mem::swap(before, last);
            }
        }
        Ok(tips)
    }
}

/// What git says of an object that is named and not there.
pub(crate) fn bad_object(error: &ReadError) -> Failure {
    match error {
        ReadError::Missing { id } => Failure::fatal(format_args!("bad object {id}")),
        error => Failure::fatal(chain(error)),
    }
}

/// What git says of a text that names nothing, where it might have been a path as well.
pub(crate) fn bad_revision(text: &[u8], error: &RevisionError) -> Failure {
    explain(error);
    let text = text.as_bstr();
    match error {
        RevisionError::Read(read) => bad_object(read),
        _ if text.starts_with(b"^") => Failure::fatal(format_args!("bad revision '{text}'")),
        _ => Failure::fatal(format_args!(
            "ambiguous argument '{text}': unknown revision or path not in the working tree.\n\
             Use '--' to separate paths from revisions, like this:\n\
             'git <command> [<revision>...] -- [<file>...]'"
        )),
    }
}

/// What git says of a text that names no object.
pub(crate) fn not_an_object(text: &[u8], error: &RevisionError) -> Failure {
    explain(error);
    match error {
        RevisionError::Read(error) if !matches!(error, ReadError::Missing { .. }) => {
            Failure::fatal(chain(error))
        }
        _ => Failure::fatal(format_args!("Not a valid object name {}", BStr::new(text))),
    }
}

/// Prints which objects an ambiguous id may be.
fn explain(error: &RevisionError) {
    if let RevisionError::Ambiguous { prefix, candidates } = error {
        eprintln!("error: short object ID {prefix} is ambiguous\nhint: The candidates are:");
        for id in candidates {
            eprintln!("hint:   {id}");
        }
    }
}
