//! libgit2, through the crate `git2`.

#[allow(dead_code, reason = "some jobs are beyond this library")]
mod words;

use git2::{Indexer, ObjectType, Oid, Repository, build::RepoBuilder};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufWriter, Read, Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use words::{Answer, Job, Outcome, lines};

fn main() -> ExitCode {
    words::main("git2", |job| {
        match job {
            Job::IndexPack { to, from } => index_pack(to, from)?,
            Job::Objects => objects()?,
            Job::Count => {
                let repository = Repository::open(".")?;
                let mut walk = repository.revwalk()?;
                walk.push_glob("refs/*")?;
                println!("{}", walk.try_fold(0_u64, |count, id| id.map(|_| count + 1))?);
            }
            Job::Batch => batch()?,
            Job::BatchCheck => batch_check()?,
            Job::Clone { url, to, depth: None } => {
                RepoBuilder::new().bare(true).clone(url, to)?;
            }
            // The interoperability of this library is tried through its Python face, which can also push.
            Job::Clone { .. } | Job::Fetch(_) => return Ok(Answer::Cannot),
            Job::ListRefs => list_refs()?,
            Job::PackRefs => Repository::open(".")?.refdb()?.compress()?,
            Job::Repack => repack()?,
            // It can neither check every object of a pack nor change very many refs at once.
            Job::VerifyPack(_) | Job::CreateRefs => return Ok(Answer::Cannot),
        }
        Ok(Answer::Done)
    })
}

/// The library also writes a copy of the pack.
fn index_pack(to: &Path, from: &Path) -> Outcome {
    let folder = to.parent().ok_or("no folder")?;
    // Not whether what the objects refer to is there, which was not asked for.
    let mut indexer = Indexer::new(None, folder, 0o444, false)?;
    let (mut pack, mut buffer) = (File::open(from)?, vec![0; 1 << 16]);
    loop {
        let count = pack.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        indexer.write_all(&buffer[..count])?;
    }
    let name = indexer.commit()?;
    Ok(fs::rename(folder.join(format!("pack-{name}.idx")), to)?)
}

/// The tags that refs point at, tags of tags included; and what they point at in the end.
fn tips(repository: &Repository) -> Outcome<(Vec<Oid>, Vec<(Oid, ObjectType)>)> {
    let odb = repository.odb()?;
    let (mut tags, mut others) = (Vec::new(), Vec::new());
    for reference in repository.references()? {
        let Some(mut id) = reference?.target() else { continue };
        loop {
            let kind = odb.read_header(id)?.1;
            if kind != ObjectType::Tag {
                others.push((id, kind));
                break;
            }
            tags.push(id);
            id = repository.find_tag(id)?.target_id();
        }
    }
    Ok((tags, others))
}

fn objects() -> Outcome {
    let repository = Repository::open(".")?;
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    let mut seen = HashSet::new();
    let (tags, others) = tips(&repository)?;
    let mut walk = repository.revwalk()?;
    for tag in tags {
        if seen.insert(tag) {
            writeln!(out, "{tag}")?;
        }
    }
    for (id, kind) in others {
        match kind {
            ObjectType::Commit => walk.push(id)?,
            ObjectType::Tree => tree(&repository, id, &mut seen, &mut out)?,
            _ if seen.insert(id) => writeln!(out, "{id}")?,
            _ => {}
        }
    }
    for id in walk {
        let id = id?;
        writeln!(out, "{id}")?;
        let root = repository.find_commit(id)?.tree_id();
        tree(&repository, root, &mut seen, &mut out)?;
    }
    Ok(out.flush()?)
}

/// A tree and what is in it.
fn tree(repository: &Repository, id: Oid, seen: &mut HashSet<Oid>, out: &mut impl Write) -> Outcome {
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        writeln!(out, "{id}")?;
        for entry in repository.find_tree(id)?.iter() {
            match entry.kind() {
                Some(ObjectType::Tree) => open.push(entry.id()),
                Some(ObjectType::Blob) if seen.insert(entry.id()) => writeln!(out, "{}", entry.id())?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn batch() -> Outcome {
    let repository = Repository::open(".")?;
    let odb = repository.odb()?;
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    for line in lines() {
        let object = odb.read(Oid::from_str(&line?)?)?;
        writeln!(out, "{} {} {}", object.id(), object.kind(), object.len())?;
        out.write_all(object.data())?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn batch_check() -> Outcome {
    let repository = Repository::open(".")?;
    let odb = repository.odb()?;
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    for line in lines() {
        let id = Oid::from_str(&line?)?;
        let (size, kind) = odb.read_header(id)?;
        writeln!(out, "{id} {kind} {size}")?;
    }
    Ok(out.flush()?)
}

fn list_refs() -> Outcome {
    let repository = Repository::open(".")?;
    let mut all = Vec::new();
    for reference in repository.references()? {
        let reference = reference?.resolve()?;
        all.push((reference.name_bytes().to_owned(), reference.target().ok_or("no target")?));
    }
    // The library gives loose ones first.
    all.sort();
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    for (name, id) in all {
        write!(out, "{id} ")?;
        out.write_all(&name)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

/// It always searches for deltas anew, with a window of 10 and a depth of 50.
fn repack() -> Outcome {
    let repository = Repository::open(".")?;
    let folder = Path::new("objects/pack");
    let old: Vec<_> = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Outcome<_>>()?;
    {
        let mut builder = repository.packbuilder()?;
        builder.set_threads(0);
        let mut walk = repository.revwalk()?;
        let (tags, others) = tips(&repository)?;
        for tag in tags {
            builder.insert_object(tag, None)?;
        }
        for (id, kind) in others {
            match kind {
                ObjectType::Commit => walk.push(id)?,
                _ => builder.insert_recursive(id, None)?,
            }
        }
        builder.insert_walk(&mut walk)?;
        builder.write(folder, 0o444)?;
    }
    for path in old {
        fs::remove_file(path)?;
    }
    Ok(())
}
