//! Writing packs that git accepts.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;
#[path = "write_parts/search.rs"]
mod search;

use common::{FORMATS, Repo, context, index, run, text, try_run};
use git_core_idx::IdxPosition;
use git_core_object::{ObjectId, Objects};
use git_core_pack::{
    DeltaForm, EntryKind, Pack, PackPlan, PackWriter, WriteError, WriteOptions, Written, verify,
};
use std::collections::HashSet;
use std::sync::Arc;

fn write(
    plan: PackPlan,
    objects: Arc<dyn Objects>,
    options: WriteOptions,
) -> Result<(Vec<u8>, Written), WriteError> {
    let cx = context(1);
    let piece = options.piece;
    let mut writer = PackWriter::new(plan, objects, options)?;
    let mut pack = Vec::new();
    loop {
        let before = pack.len();
        let end = writer.fill(&mut pack, &cx)?.is_break();
        assert!(pack.len() - before < piece + (128 << 10), "memory of one piece is bounded");
        if end {
            break;
        }
    }
    Ok((pack, writer.finish().unwrap()))
}

fn record() -> WriteOptions {
    WriteOptions { record: true, piece: 1000, ..WriteOptions::default() }
}

/// git accepts the pack, makes the same index, and the objects are these.
fn accepted(repo: &Repo, pack: &[u8], written: &Written, ids: &[ObjectId]) -> Arc<Pack> {
    let at = repo.path().join("ours.pack");
    std::fs::write(&at, pack).unwrap();
    let at = at.to_str().unwrap();
    let name = text(repo.path(), &["index-pack", "--rev-index", "--strict", "-o", "git.idx", at]);
    assert_eq!(name, written.checksum.to_string());
    assert!(std::fs::read(repo.path().join("git.idx")).unwrap() == written.idx().unwrap());
    assert!(std::fs::read(repo.path().join("git.rev")).unwrap() == written.rev());
    let opened = common::open(repo.format, pack.to_vec(), written.idx().unwrap());
    verify(&opened, None, &context(2)).unwrap();
    let mut expected = ids.to_vec();
    expected.sort();
    assert!(opened.idx().ids().eq(expected));
    opened
}

fn rows(pack: &Pack) -> impl Iterator<Item = IdxPosition> + '_ {
    (0..pack.count()).map(|rank| pack.reverse().unwrap().position(rank).unwrap())
}

#[test]
fn a_pack_copied_in_its_order_is_the_same_pack() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        repo.repack(&[]);
        let pack = repo.open();
        let mut plan = PackPlan::new(format);
        let number = plan.add_pack(pack.clone());
        rows(&pack).for_each(|row| plan.reuse(number, row));
        let (bytes, written) = write(plan, pack.clone(), record()).unwrap();
        assert!(bytes == repo.pack_bytes());
        assert_eq!(written.reused, pack.count());
        let ids: Vec<_> = pack.idx().ids().collect();
        accepted(&repo, &bytes, &written, &ids);
    }
}

#[test]
fn entries_in_any_order_and_form_are_accepted() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        for config in ["pack.depth=200", "repack.useDeltaBaseOffset=false"] {
            repo.repack(&["-c", config]);
            let pack = repo.open();
            let ids: Vec<_> = pack.idx().ids().collect();
            for delta_form in [DeltaForm::Ofs, DeltaForm::Ref] {
                let mut plan = PackPlan::new(format);
                let number = plan.add_pack(pack.clone());
                // The order of ids: deltas stand before their bases as often as not.
                (0..pack.count()).for_each(|row| plan.reuse(number, IdxPosition(row)));
                let options = WriteOptions { delta_form, ..record() };
                let (bytes, written) = write(plan, pack.clone(), options).unwrap();
                assert!(written.deltas > 50);
                let ours = accepted(&repo, &bytes, &written, &ids);
                for id in ours.idx().ids() {
                    let kind = ours.raw_entry(ours.find(&id).unwrap().unwrap()).unwrap().header.kind;
                    match delta_form {
                        DeltaForm::Ofs => assert!(!matches!(kind, EntryKind::RefDelta { .. })),
                        DeltaForm::Ref => assert!(!matches!(kind, EntryKind::OfsDelta { .. })),
                    }
                }
            }
        }
    }
}

#[test]
fn objects_without_a_pack_are_compressed() {
    for format in FORMATS {
        let repo = Repo::new(format, 50, &[]);
        let pack = repo.open();
        for compression in [0, 1, 6, 9] {
            let mut plan = PackPlan::new(format);
            pack.idx().ids().for_each(|id| plan.fresh(id));
            let (bytes, written) =
                write(plan, pack.clone(), WriteOptions { compression, ..record() }).unwrap();
            assert_eq!((written.reused, written.deltas), (0, 0));
            accepted(&repo, &bytes, &written, &pack.idx().ids().collect::<Vec<_>>());
        }
    }
}

/// The objects of the last commits, and all others.
fn parts(repo: &Repo) -> (HashSet<ObjectId>, HashSet<ObjectId>) {
    let list = |args: &[&str]| -> HashSet<ObjectId> {
        let args: Vec<&str> =
            ["rev-list", "--objects", "--no-object-names"].iter().chain(args).copied().collect();
        text(repo.path(), &args).lines().map(|line| line.parse().unwrap()).collect()
    };
    let old = list(&["main~10"]);
    let new = list(&["main"]).difference(&old).copied().collect();
    (new, old)
}

#[test]
fn a_part_of_a_pack_stands_alone_or_is_thin() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        for config in ["pack.depth=100", "repack.useDeltaBaseOffset=false"] {
            repo.repack(&["-c", config]);
            let pack = repo.open();
            // git deltifies older objects on newer ones: what is old leans on what is new.
            let (new, old) = parts(&repo);
            let plan = || {
                let mut plan = PackPlan::new(format);
                let number = plan.add_pack(pack.clone());
                rows(&pack)
                    .filter(|row| old.contains(&pack.idx().id_at(*row)))
                    .for_each(|row| plan.reuse(number, row));
                plan
            };
            let ids: Vec<_> = old.iter().copied().collect();
            let (bytes, alone) = write(plan(), pack.clone(), record()).unwrap();
            let standing = accepted(&repo, &bytes, &alone, &ids);
            assert!(alone.reused < alone.objects);

            let known = new.clone();
            let thin = Some(Arc::new(move |id: &ObjectId| known.contains(id)) as git_core_pack::HasObject);
            let (bytes, thin) = write(plan(), pack.clone(), WriteOptions { thin, ..record() }).unwrap();
            assert!(thin.deltas > alone.deltas && thin.size < alone.size);
            assert!(index(format, &bytes, 1 << 16).is_err());
            let cx = context(2);
            let mut indexer = git_core_pack::Indexer::new(format, Vec::new(), common::complete());
            indexer.feed(&bytes, &cx).unwrap();
            let (indexed, _) = indexer.finish(Some(&*pack), &cx).unwrap();
            assert_eq!(indexed.count(), thin.objects + indexed.appended());
            let completed = tempfile::tempdir().unwrap();
            let path = repo.pack_path();
            let objects = completed.path().join("objects/info");
            let object_format = format!("--object-format={format}");
            run(completed.path(), &["init", "-q", "--bare", &object_format], b"");
            std::fs::create_dir_all(&objects).unwrap();
            let alternate = path.parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
            std::fs::write(objects.join("alternates"), alternate + "\n").unwrap();
            run(completed.path(), &["index-pack", "--stdin", "--fix-thin"], &bytes);
            assert_eq!(standing.count() as usize, ids.len());
        }
    }
}

#[test]
fn several_packs_and_loose_objects_make_one() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        repo.repack(&[]);
        let whole = repo.open();
        let (new, old) = parts(&repo);
        let old_pack = {
            let bytes = run(
                repo.path(),
                &["pack-objects", "--stdout", "--revs", "-q", "--delta-base-offset"],
                b"main~10\n",
            );
            let idx = index(format, &bytes, 1 << 16).unwrap().0.idx().unwrap();
            common::open(format, bytes, idx)
        };
        let mut plan = PackPlan::new(format);
        let first = plan.add_pack(old_pack.clone());
        let second = plan.add_pack(whole.clone());
        rows(&old_pack).for_each(|row| plan.reuse(first, row));
        for (n, id) in new.iter().enumerate() {
            match n % 3 {
                0 => plan.fresh(*id),
                _ => plan.reuse(second, whole.idx().lookup(id).unwrap()),
            }
        }
        let (bytes, written) = write(plan, whole.clone(), record()).unwrap();
        accepted(&repo, &bytes, &written, &old.union(&new).copied().collect::<Vec<_>>());
    }
}

#[test]
fn damage_is_not_passed_on() {
    let repo = Repo::new(FORMATS[0], 30, &[]);
    let idx = std::fs::read(repo.pack_path().with_extension("idx")).unwrap();
    let pack = repo.pack_bytes();
    for at in (12..pack.len() - 20).step_by(37) {
        let mut damaged = pack.clone();
        damaged[at] ^= 0x04;
        let damaged = common::open(repo.format, damaged, idx.clone());
        let mut plan = PackPlan::new(repo.format);
        let number = plan.add_pack(damaged.clone());
        rows(&damaged).for_each(|row| plan.reuse(number, row));
        assert!(write(plan, damaged, record()).is_err(), "byte {at}");
    }
}

#[test]
fn an_object_that_is_not_there_is_named() {
    let repo = Repo::new(FORMATS[0], 3, &[]);
    let pack = repo.open();
    let mut plan = PackPlan::new(repo.format);
    let missing = ObjectId::null(repo.format);
    plan.fresh(missing);
    let error = write(plan, pack, record()).unwrap_err();
    assert!(error.to_string().contains(&missing.to_hex()));
    assert!(try_run(repo.path(), &["cat-file", "-e", &missing.to_hex()], b"").is_err());
}

#[test]
fn an_empty_pack_is_written() {
    for format in FORMATS {
        let repo = Repo::new(format, 1, &[]);
        let (bytes, written) = write(PackPlan::new(format), repo.open(), record()).unwrap();
        assert_eq!(bytes.len(), 12 + format.raw_len());
        accepted(&repo, &bytes, &written, &[]);
    }
}
