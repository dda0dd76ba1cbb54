//! `cat-file`: content, kind and size of objects, one or many.
//!
//! The modes for many objects are in `cat_file_batch`.

use super::Command;
use super::cat_file_batch::{self as batch, BatchMode, BatchOptions, Flush, Order, Symlinks};
use super::cat_file_change::{self as change, Change, Changer, mailmap, properly};
use crate::args::{Arg, Args};
use crate::fail::Failure;
use crate::globals::Globals;
use crate::output::{finish, stdout, written};
use crate::repo;
use crate::revisions::not_an_object;
use bstr::ByteSlice as _;
use git_core::diff::{PathStyle, write_path};
use git_core::mailmap::Mailmap;
use git_core::object::{Kind, ObjectId, ReadError, TreeRef};
use git_core::repository::Seen;
use git_core::store::Snapshot;
use git_core::store::revision::{self, RevisionError};
use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

pub(crate) const COMMAND: Command = Command {
    name: "cat-file",
    summary: "Provide contents or details of repository objects",
    usage: "git-core cat-file <type> <object>
   or: git-core cat-file (-e | -p) <object>
   or: git-core cat-file (-t | -s) [--allow-unknown-type] <object>
   or: git-core cat-file (--textconv | --filters) [<rev>:<path|tree-ish> | --path=<path|tree-ish> <rev>]
   or: git-core cat-file (--batch | --batch-check | --batch-command) [--batch-all-objects]
                [--buffer] [--follow-symlinks] [--unordered] [--textconv | --filters]
                [--[no-]use-mailmap] [-z] [-Z]",
    run,
};

fn run(globals: &Globals, mut args: Args) -> Result<ExitCode, Failure> {
    let usage = args.usage();
    let (mut question, mut mode, mut format) = (None, None, None);
    let mut options = BatchOptions::default();
    let mut operands = Vec::new();
    let (mut change, mut path, mut proper): (Option<Change>, Option<Vec<u8>>, bool) = (None, None, false);
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short(letter @ ('e' | 'p' | 't' | 's')) => match question {
                Some(other) if other != letter => {
                    return Err(Failure::usage(
                        format_args!("options '-{letter}' and '-{other}' cannot be used together"),
                        usage,
                    ));
                }
                _ => question = Some(letter),
            },
            Arg::Long(name @ ("filters" | "textconv")) => {
                let asked = if name == "filters" { Change::Filters } else { Change::Textconv };
                if let Some(other) = change.filter(|other| *other != asked) {
                    return Err(together(asked.option(), other.option()));
                }
                if let Some(letter) = question {
                    return Err(together(asked.option(), &format!("-{letter}")));
                }
                change = Some(asked);
            }
            Arg::Long("path") => path = Some(repo::operand(args.value()?)),
            Arg::Long("no-path") => path = None,
            Arg::Long("use-mailmap" | "mailmap") => proper = true,
            Arg::Long("no-use-mailmap" | "no-mailmap") => proper = false,
            Arg::Long("allow-unknown-type") => {}
            Arg::Long(name @ ("batch" | "batch-check" | "batch-command")) => {
                let asked = match name {
                    "batch" => BatchMode::Contents,
                    "batch-check" => BatchMode::Info,
                    _ => BatchMode::Commands,
                };
                if mode.replace(asked).is_some() {
                    return Err(Failure::usage("only one batch option may be specified", usage));
                }
                format = args.optional_value().map(repo::operand);
            }
            Arg::Long("batch-all-objects") => options.all = true,
            Arg::Long("buffer") => options.flush = Flush::AtEnd,
            Arg::Long("no-buffer") => options.flush = Flush::EachObject,
            Arg::Long("unordered") => options.order = Order::AsStored,
            Arg::Long("no-unordered") => options.order = Order::ById,
            Arg::Long("follow-symlinks") => options.symlinks = Symlinks::Followed,
            Arg::Long("no-follow-symlinks") => options.symlinks = Symlinks::Shown,
            Arg::Short('z') => options.input_end = 0,
            Arg::Short('Z') => (options.input_end, options.output_end) = (0, 0),
            Arg::Value(value) => operands.push(repo::operand(value)),
            other => return Err(Args::unknown(usage, &other)),
        }
    }
    if let (Some(change), Some(letter)) = (change, question) {
        return Err(together(&format!("-{letter}"), change.option()));
    }
    if let (Some(change), true) = (change, options.all) {
        return Err(together(change.option(), "--batch-all-objects"));
    }
    if path.is_some() && change.is_none() {
        return Err(Failure::usage("'--path=<path|tree-ish>' needs '--filters' or '--textconv'", usage));
    }
    if let Some(mode) = mode {
        if question.is_some() || !operands.is_empty() {
            return Err(Failure::usage("batch modes take no arguments", usage));
        }
        options.mode = mode;
        options.format = format;
        let repository = repo::open(globals)?;
        if let Some(change) = change {
            options.changer = Some(Changer::new(globals, &repository, change)?);
        }
        if proper {
            let map = mailmap(&repository, &*repository.seen(Seen::Content)?)?;
            options.mailmap = Some(map).filter(|map| !map.is_empty());
        }
        return batch::run(&repository, &options);
    }
    if options.all {
        return Err(Failure::usage("'--batch-all-objects' requires a batch mode", usage));
    }
    if options.symlinks == Symlinks::Followed {
        return Err(Failure::usage("'--follow-symlinks' requires a batch mode", usage));
    }
    if let Some(change) = change {
        let [name] = &operands[..] else {
            return Err(match operands.is_empty() {
                true => Failure::usage(format_args!("<rev> required with '{}'", change.option()), usage),
                false => Failure::usage("too many arguments", usage),
            });
        };
        let repository = repo::open(globals)?;
        let (changer, prefix) =
            (Changer::new(globals, &repository, change)?, super::archive::prefix(&repository)?);
        let (snapshot, mut out) = (repository.seen(Seen::Content)?, stdout());
        change::one(&*snapshot, name, path.as_deref(), &prefix, &changer, &mut out)?;
        finish(out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (wanted, name) = match (question, &mut operands[..]) {
        (Some(letter), [name]) => (Wanted::Letter(letter), std::mem::take(name)),
        (None, [kind, name]) => {
            let kind = Kind::from_name(kind)
                .map_err(|_| Failure::fatal(format_args!("invalid object type \"{}\"", kind.as_bstr())))?;
            (Wanted::Kind(kind), std::mem::take(name))
        }
        (Some(letter), []) => {
            return Err(Failure::usage(format_args!("<object> required with '-{letter}'"), usage));
        }
        (Some(_), _) => return Err(Failure::usage("too many arguments", usage)),
        (None, _) => return Err(Failure::usage("", usage)),
    };
    let repository = repo::open(globals)?;
    let snapshot = repository.seen(Seen::Content)?;
    let map = if proper { Some(mailmap(&repository, &*snapshot)?) } else { None };
    one(&*snapshot, &name, wanted, map.as_ref())
}

/// The complaint about two options that exclude one another, the later one first.
fn together(one: &str, other: &str) -> Failure {
    Failure::error(129, format_args!("options '{one}' and '{other}' cannot be used together"))
}

#[derive(Clone, Copy)]
enum Wanted {
    /// What `-e`, `-p`, `-t` or `-s` asks for.
    Letter(char),
    /// The content of an object of this kind, or of what leads to one.
    Kind(Kind),
}

fn one(
    snapshot: &dyn Snapshot,
    name: &[u8],
    wanted: Wanted,
    map: Option<&Mailmap>,
) -> Result<ExitCode, Failure> {
    let id = revision::resolve(snapshot, name).map_err(|error| not_an_object(name, &error))?;
    let mut out = stdout();
    match wanted {
        Wanted::Letter('e') => {
            let there = snapshot.contains(&id)?;
            return if there { Ok(ExitCode::SUCCESS) } else { Err(Failure::silent(1)) };
        }
        Wanted::Letter(letter @ ('t' | 's')) => {
            let header = snapshot
                .header(&id)?
                .ok_or_else(|| Failure::fatal("git cat-file: could not get object info"))?;
            written(match letter {
                't' => writeln!(out, "{}", header.kind),
                _ => {
                    let properly = map.map(|map| properly(snapshot, map, &id)).transpose()?.flatten();
                    let size = properly.map_or(header.size, |(_, content)| content.len() as u64);
                    writeln!(out, "{size}")
                }
            })?;
        }
        Wanted::Letter(_) => match snapshot.header(&id)?.map(|header| header.kind) {
            None => return Err(Failure::fatal(format_args!("Not a valid object name {}", name.as_bstr()))),
            Some(Kind::Tree) => {
                let mut content = Vec::new();
                snapshot.require(&id, &mut content)?;
                list_tree(&id, &content, &mut out)?;
            }
            Some(_) => show(snapshot, &id, map, &mut out)?,
        },
        Wanted::Kind(kind) => {
            let bad = || Failure::fatal(format_args!("git cat-file {}: bad file", name.as_bstr()));
            let id = match revision::resolve(snapshot, format!("{id}^{{{kind}}}").as_bytes()) {
                Ok(id) => id,
                Err(RevisionError::Read(error)) if !matches!(error, ReadError::Missing { .. }) => {
                    return Err(error.into());
                }
                Err(_) => return Err(bad()),
            };
            show(snapshot, &id, map, &mut out)?;
        }
    }
    finish(out)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the content of an object, with the proper names of people.
fn show(
    snapshot: &dyn Snapshot,
    id: &ObjectId,
    map: Option<&Mailmap>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    match map.map(|map| properly(snapshot, map, id)).transpose()?.flatten() {
        Some((_, content)) => written(out.write_all(&content)),
        None => copy(snapshot, id, out),
    }
}

/// Writes the content of an object, piece by piece.
pub(super) fn copy(snapshot: &dyn Snapshot, id: &ObjectId, out: &mut impl Write) -> Result<(), Failure> {
    let mut result = Ok(());
    let found = snapshot.stream(id, &mut |_, piece| {
        result = out.write_all(piece);
        if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    written(result)?;
    found.map(drop).ok_or_else(|| ReadError::Missing { id: *id }.into())
}

/// Lists a tree as `ls-tree` does.
pub(super) fn list_tree(id: &ObjectId, content: &[u8], out: &mut impl Write) -> Result<(), Failure> {
    let mut line = Vec::new();
    for entry in TreeRef::new(id.format(), content).iter() {
        let entry = entry.map_err(|error| ReadError::corrupt(format_args!("tree {id}"), error))?;
        line.clear();
        line.extend_from_slice(
            format!("{:06o} {} ", entry.mode.raw(), entry.mode.kind().object()).as_bytes(),
        );
        entry.id.write_hex(&mut line);
        line.push(b'\t');
        write_path(entry.name, PathStyle::Quoted, &mut line);
        line.push(b'\n');
        written(out.write_all(&line))?;
    }
    Ok(())
}
