//! gitoxide, through the crate `gix`.

#[allow(dead_code, reason = "some jobs are beyond this library")]
mod words;

use gix::odb::pack;
use gix::progress::Discard;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit, RefLog};
use gix::refs::{FullName, Target};
use gix::{ObjectId, Repository};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use words::{Answer, Job, Outcome, creation, lines};

static NEVER: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    words::main("gix", |job| {
        match job {
            Job::IndexPack { to, from } => index_pack(to, from)?,
            Job::VerifyPack(index) => verify_pack(index)?,
            Job::Objects => objects()?,
            Job::Count => {
                let repository = gix::open(".")?;
                let (_, commits, _) = tips(&repository)?;
                let mut count = 0_u64;
                for commit in repository.rev_walk(commits).all()? {
                    commit?;
                    count += 1;
                }
                println!("{count}");
            }
            Job::Batch => batch()?,
            Job::BatchCheck => batch_check()?,
            Job::Clone { url, to, depth } => {
                let shallow = depth.map_or(gix::remote::fetch::Shallow::NoChange, |depth| {
                    gix::remote::fetch::Shallow::DepthAtRemote(depth)
                });
                let prepared = gix::prepare_clone_bare(*url, to)?.with_shallow(shallow);
                let mut prepared = prepared.configure_remote(|remote| {
                    let specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
                    Ok(remote.with_refspecs(specs, gix::remote::Direction::Fetch)?)
                });
                prepared.fetch_only(Discard, &NEVER)?;
            }
            Job::Fetch(url) => fetch(url)?,
            Job::ListRefs => list_refs()?,
            Job::CreateRefs => create_refs()?,
            // It has no command that packs refs, and makes packs without searching for deltas.
            Job::PackRefs | Job::Repack => return Ok(Answer::Cannot),
        }
        Ok(Answer::Done)
    })
}

fn fetch(url: &str) -> Outcome {
    let repository = gix::open(".")?;
    let specs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
    let remote = repository.remote_at(url)?.with_refspecs(specs, gix::remote::Direction::Fetch)?;
    let connection = remote.connect(gix::remote::Direction::Fetch)?;
    connection.prepare_fetch(Discard, Default::default())?.receive(Discard, &NEVER)?;
    Ok(())
}

/// The library also writes a copy of the pack.
fn index_pack(to: &Path, from: &Path) -> Outcome {
    let made = pack::Bundle::write_to_directory(
        &mut BufReader::with_capacity(1 << 16, File::open(from)?),
        to.parent(),
        &mut Discard,
        &NEVER,
        None::<gix::OdbHandle>,
        gix::hash::Kind::Sha1,
        pack::bundle::write::Options::default(),
    )?;
    Ok(fs::rename(made.index_path.ok_or("no index was written")?, to)?)
}

fn verify_pack(index: &Path) -> Outcome {
    let options = pack::index::verify::integrity::Options {
        // What git checks.
        verify_mode: pack::index::verify::Mode::HashCrc32,
        ..Default::default()
    };
    pack::Bundle::at(index, gix::hash::Kind::Sha1)?.verify_integrity(&mut Discard, &NEVER, options)?;
    Ok(())
}

/// The tags that refs point at, tags of tags included; and what they point at in the end: commits, and others.
fn tips(repository: &Repository) -> Outcome<(Vec<ObjectId>, Vec<ObjectId>, Vec<ObjectId>)> {
    let (mut tags, mut commits, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for reference in repository.references()?.all()? {
        let Some(id) = reference?.try_id().map(gix::Id::detach) else { continue };
        let mut id = id;
        loop {
            match repository.find_header(id)?.kind() {
                gix::object::Kind::Tag => {
                    tags.push(id);
                    id = repository.find_tag(id)?.target_id()?.detach();
                    continue;
                }
                gix::object::Kind::Commit => commits.push(id),
                _ => others.push(id),
            }
            break;
        }
    }
    Ok((tags, commits, others))
}

/// As the library counts what is to go into a pack.
fn objects() -> Outcome {
    let repository = gix::ThreadSafeRepository::open(".")?;
    let local = repository.to_thread_local();
    let (tags, commits, others) = tips(&local)?;
    let mut handle = repository.objects.to_cache_arc();
    handle.prevent_pack_unload();
    handle.ignore_replacements = true;
    handle.set_pack_cache(|| Box::new(pack::cache::lru::StaticLinkedList::<64>::default()));
    let given: HashSet<ObjectId> = tags.into_iter().chain(others).collect();
    let mut inputs: Vec<ObjectId> = given.into_iter().collect();
    for commit in local.rev_walk(commits).all()? {
        inputs.push(commit?.id);
    }
    let options = pack::data::output::count::objects::Options {
        input_object_expansion: pack::data::output::count::objects::ObjectExpansion::TreeContents,
        ..Default::default()
    };
    let inputs = Box::new(inputs.into_iter().map(Ok));
    let (counts, _) = pack::data::output::count::objects(handle, inputs, &Discard, &NEVER, options)?;
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    for count in counts {
        writeln!(out, "{}", count.id)?;
    }
    Ok(out.flush()?)
}

fn batch() -> Outcome {
    let repository = gix::open(".")?;
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    for line in lines() {
        let object = repository.find_object(ObjectId::from_hex(line?.as_bytes())?)?;
        writeln!(out, "{} {} {}", object.id, object.kind, object.data.len())?;
        out.write_all(&object.data)?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn batch_check() -> Outcome {
    let repository = gix::open(".")?;
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    for line in lines() {
        let id = ObjectId::from_hex(line?.as_bytes())?;
        let header = repository.find_header(id)?;
        writeln!(out, "{id} {} {}", header.kind(), header.size())?;
    }
    Ok(out.flush()?)
}

fn list_refs() -> Outcome {
    let repository = gix::open(".")?;
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    for reference in repository.references()?.all()? {
        let reference = reference?;
        write!(out, "{} ", reference.id())?;
        out.write_all(reference.name().as_bstr())?;
        out.write_all(b"\n")?;
    }
    Ok(out.flush()?)
}

fn create_refs() -> Outcome {
    let repository = gix::open(".")?;
    let mut edits = Vec::new();
    for line in lines() {
        let line = line?;
        let (name, id) = creation(&line)?;
        edits.push(RefEdit {
            change: Change::Update {
                log: LogChange { mode: RefLog::AndReference, force_create_reflog: false, message: "".into() },
                expected: PreviousValue::MustNotExist,
                new: Target::Object(ObjectId::from_hex(id.as_bytes())?),
            },
            name: FullName::try_from(name)?,
            deref: false,
        });
    }
    repository.edit_references(edits)?;
    Ok(())
}
