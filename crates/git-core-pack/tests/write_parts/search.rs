//! Packs whose deltas were searched for.

use super::common::{FORMATS, Repo, context, run, text};
use super::{accepted, parts, record, rows, write};
use git_core_idx::IdxPosition;
use git_core_object::{ErrorKind, ObjectId, Objects as _};
use git_core_pack::{HasObject, Pack, PackPlan, PackWriter, Reuse, SearchOptions, WriteOptions, Written};
use std::collections::HashMap;
use std::sync::Arc;

/// Everything in a pack, with the names under which git lists it.
fn plan(repo: &Repo, pack: &Arc<Pack>, reuse: Reuse) -> PackPlan {
    let mut plan = PackPlan::new(repo.format);
    plan.set_reuse(reuse);
    let number = plan.add_pack(pack.clone());
    for line in text(repo.path(), &["rev-list", "--objects", "--all"]).lines() {
        let (id, name) = line.split_once(' ').unwrap_or((line, ""));
        plan.reuse(number, pack.idx().lookup(&id.parse().unwrap()).unwrap());
        plan.named(git_core_pack::name_hash(name.as_bytes()));
    }
    plan
}

fn searched(
    mut plan: PackPlan,
    pack: &Arc<Pack>,
    options: &SearchOptions,
    threads: usize,
) -> (Vec<u8>, Written) {
    plan.find_deltas(&**pack, options, &context(threads)).unwrap();
    write(plan, pack.clone(), record()).unwrap()
}

/// The longest chain of a pack, as git counts it.
fn depth(repo: &Repo) -> usize {
    std::fs::copy(repo.path().join("git.idx"), repo.path().join("ours.idx")).unwrap();
    let listing = text(repo.path(), &["verify-pack", "-v", "ours.idx"]);
    let chains = listing.lines().filter_map(|line| line.strip_prefix("chain length = "));
    chains.map(|rest| rest.split(':').next().unwrap().parse().unwrap()).max().unwrap_or(0)
}

#[test]
fn what_is_found_is_accepted_and_no_larger_than_what_git_finds() {
    for format in FORMATS {
        let repo = Repo::new(format, 150, &[]);
        repo.repack(&[]);
        let pack = repo.open();
        let ids: Vec<_> = pack.idx().ids().collect();
        for reuse in [Reuse::Whole, Reuse::Nothing] {
            let (bytes, written) = searched(plan(&repo, &pack, reuse), &pack, &SearchOptions::default(), 2);
            accepted(&repo, &bytes, &written, &ids);
            assert!(written.deltas > 300, "{}", written.deltas);
            assert_eq!(written.reused_deltas, 0);
            assert_eq!(written.reused == 0, reuse == Reuse::Nothing);
            let (ours, theirs) = (bytes.len(), repo.pack_bytes().len());
            assert!(ours * 100 <= theirs * 105, "{ours} bytes, git has {theirs}");
            assert!(depth(&repo) <= 50);
        }
    }
}

#[test]
fn options_are_kept_and_threads_and_memory_change_nothing() {
    let repo = Repo::new(FORMATS[0], 120, &[]);
    repo.repack(&[]);
    let pack = repo.open();
    let ids: Vec<_> = pack.idx().ids().collect();
    let with = |options: &SearchOptions, threads| {
        searched(plan(&repo, &pack, Reuse::Whole), &pack, options, threads)
    };
    let usual = with(&SearchOptions::default(), 1).0;
    assert!(usual == with(&SearchOptions::default(), 4).0);
    assert!(usual == with(&SearchOptions { kept_bytes: 0, ..SearchOptions::default() }, 2).0, "made twice");
    assert!(usual == with(&SearchOptions { kept_result: 10, ..SearchOptions::default() }, 2).0);
    for bound in [1, 3, 17] {
        let (bytes, written) = with(&SearchOptions { depth: bound, ..SearchOptions::default() }, 2);
        accepted(&repo, &bytes, &written, &ids);
        assert_eq!(depth(&repo), bound as usize);
    }
    for none in [
        SearchOptions { depth: 0, ..SearchOptions::default() },
        SearchOptions { window: 0, ..SearchOptions::default() },
        SearchOptions { big_object: 10, ..SearchOptions::default() },
    ] {
        let (bytes, written) = with(&none, 2);
        assert_eq!(written.deltas, 0);
        accepted(&repo, &bytes, &written, &ids);
    }
    // A window of one object still finds its neighbour.
    for few in [
        SearchOptions { window_bytes: 1, ..SearchOptions::default() },
        SearchOptions { window: 1, ..SearchOptions::default() },
    ] {
        let (bytes, written) = with(&few, 2);
        assert!(written.deltas > 50);
        accepted(&repo, &bytes, &written, &ids);
    }
}

#[test]
fn stored_deltas_stay_and_count_for_the_depth() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        repo.repack(&["-c", "pack.depth=40"]);
        let pack = repo.open();
        let ids: Vec<_> = pack.idx().ids().collect();
        let (bytes, written) = searched(plan(&repo, &pack, Reuse::All), &pack, &SearchOptions::default(), 2);
        accepted(&repo, &bytes, &written, &ids);
        assert_eq!(written.reused_deltas, written.deltas, "what git has tried is not tried again");
        let stored = depth(&repo);
        assert!(stored > 12, "{stored}");
        // Shorter chains cut the stored ones.
        let options = SearchOptions { depth: 12, ..SearchOptions::default() };
        let (bytes, written) = searched(plan(&repo, &pack, Reuse::All), &pack, &options, 2);
        accepted(&repo, &bytes, &written, &ids);
        assert!(depth(&repo) <= 12);
        assert!(written.reused_deltas > 0 && written.reused_deltas < written.deltas);
    }
}

#[test]
fn deltas_of_several_packs_that_lead_in_a_circle_are_cut() {
    for format in FORMATS {
        let repo = Repo::new(format, 60, &[]);
        // One pack leans on the old versions, the other one on the new.
        let list = text(repo.path(), &["rev-list", "--objects", "--all"]);
        let pack = |lines: Vec<&str>| {
            let input = lines.join("\n") + "\n";
            let args = ["pack-objects", "--stdout", "-q", "--no-reuse-delta", "--window=1"];
            let bytes = run(repo.path(), &args, input.as_bytes());
            let idx = super::common::index(format, &bytes, 1 << 16).unwrap().0.idx().unwrap();
            super::common::open(format, bytes, idx)
        };
        let forth = pack(list.lines().collect());
        let back = pack(list.lines().rev().collect());
        let mut plan = PackPlan::new(format);
        let numbers = [plan.add_pack(forth.clone()), plan.add_pack(back.clone())];
        let ids: Vec<ObjectId> = forth.idx().ids().collect();
        for (n, id) in ids.iter().enumerate() {
            let pack = [&forth, &back][n % 2];
            plan.reuse(numbers[n % 2], pack.idx().lookup(id).unwrap());
        }
        let deltas = |written: &Written| (written.deltas, written.reused_deltas);
        plan.find_deltas(&*forth, &SearchOptions::default(), &context(2)).unwrap();
        let (bytes, written) = write(plan, forth.clone(), record()).unwrap();
        accepted(&repo, &bytes, &written, &ids);
        assert!(deltas(&written).1 > 50, "{:?}", deltas(&written));
    }
}

#[test]
fn bases_of_the_receiver_help_a_thin_pack() {
    for format in FORMATS {
        let repo = Repo::new(format, 100, &[]);
        let pack = repo.open();
        let (new, old) = parts(&repo);
        let mut names = HashMap::new();
        for line in text(repo.path(), &["rev-list", "--objects", "--all"]).lines() {
            let (id, name) = line.split_once(' ').unwrap_or((line, ""));
            names.insert(id.parse::<ObjectId>().unwrap(), git_core_pack::name_hash(name.as_bytes()));
        }
        let plan = || {
            let mut plan = PackPlan::new(format);
            for id in &new {
                plan.fresh(*id);
                plan.named(names[id]);
            }
            plan
        };
        let (_, alone) = searched(plan(), &pack, &SearchOptions::default(), 2);
        let mut thin_plan = plan();
        let edge = text(repo.path(), &["rev-list", "--objects", "--no-walk", "main~10"]);
        for id in edge.lines().filter_map(|line| line.split_once(' ')).map(|(id, _)| id.parse().unwrap()) {
            thin_plan.add_outer_base(id, names[&id]);
        }
        let has: HasObject = {
            let old = old.clone();
            Arc::new(move |id: &ObjectId| old.contains(id))
        };
        let options = SearchOptions { thin: Some(has.clone()), ..SearchOptions::default() };
        thin_plan.find_deltas(&*pack, &options, &context(2)).unwrap();
        let options = WriteOptions { thin: Some(has), ..record() };
        let (bytes, thin) = write(thin_plan, pack.clone(), options).unwrap();
        assert_eq!(thin.objects as usize, new.len());
        assert!(thin.size < alone.size && thin.deltas > alone.deltas, "{thin:?} and {alone:?}");
        let there = tempfile::tempdir().unwrap();
        let object_format = format!("--object-format={format}");
        run(there.path(), &["init", "-q", "--bare", &object_format], b"");
        let base = run(repo.path(), &["pack-objects", "--stdout", "--revs", "-q"], b"main~10\n");
        run(there.path(), &["index-pack", "--stdin"], &base);
        run(there.path(), &["index-pack", "--stdin", "--fix-thin", "--strict"], &bytes);
        let head = text(repo.path(), &["rev-parse", "main"]);
        run(there.path(), &["rev-list", "--objects", &head], b"");
    }
}

#[test]
fn several_packs_hold_what_one_may_not() {
    for format in FORMATS {
        let repo = Repo::new(format, 80, &[]);
        repo.repack(&[]);
        let pack = repo.open();
        let mut expected: Vec<_> = pack.idx().ids().collect();
        for (reuse, search) in
            [(Reuse::All, false), (Reuse::Whole, true), (Reuse::Nothing, true), (Reuse::Nothing, false)]
        {
            let mut plan = plan(&repo, &pack, reuse);
            if search {
                let options = SearchOptions { kept_result: 40, ..SearchOptions::default() };
                plan.find_deltas(&*pack, &options, &context(2)).unwrap();
            }
            let max = 6000;
            let options = WriteOptions { max_size: Some(max), ..record() };
            let mut writer = PackWriter::new(plan, pack.clone(), options).unwrap();
            let (mut ids, mut packs) = (Vec::new(), 0);
            loop {
                let mut bytes = Vec::new();
                while writer.fill(&mut bytes, &context(1)).unwrap().is_continue() {}
                let (mut written, more) = writer.next_pack().unwrap();
                assert!(written.objects > 0 && (written.size <= max || written.objects == 1), "{written:?}");
                assert_eq!(written.declared == written.objects, more.is_break());
                let end = bytes.len() - format.raw_len();
                bytes[8..12].copy_from_slice(&written.objects.to_be_bytes());
                let mut checksum = git_core_hash::Checksum::new(format);
                checksum.update(&bytes[..end]);
                written.checksum = checksum.finish();
                bytes[end..].copy_from_slice(written.checksum.as_bytes());
                let here: Vec<_> = written.entries.iter().map(|entry| entry.id).collect();
                accepted(&repo, &bytes, &written, &here);
                ids.extend(here);
                packs += 1;
                if more.is_break() {
                    break;
                }
            }
            assert!(packs > 2);
            ids.sort();
            expected.sort();
            assert!(ids == expected, "every object is in one pack");
        }
    }
}

#[test]
fn what_is_missing_stops_the_search() {
    let repo = Repo::new(FORMATS[0], 3, &[]);
    let pack = repo.open();
    let mut plan = PackPlan::new(repo.format);
    let number = plan.add_pack(pack.clone());
    rows(&pack).for_each(|row| plan.reuse(number, row));
    plan.fresh(ObjectId::null(repo.format));
    let error = plan.find_deltas(&*pack, &SearchOptions::default(), &context(2)).unwrap_err();
    assert!(error.to_string().contains(&ObjectId::null(repo.format).to_hex()));
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let mut stopped = PackPlan::new(repo.format);
    let number = stopped.add_pack(pack.clone());
    stopped.reuse(number, IdxPosition(0));
    let cx = context(1);
    cx.cancel().cancel();
    assert!(stopped.find_deltas(&*pack, &SearchOptions::default(), &cx).is_err());
}

#[test]
fn large_objects_are_streamed_and_damage_on_the_way_is_an_error() {
    for format in FORMATS {
        let repo = Repo::new(format, 20, &[]);
        let pack = repo.open();
        let ids: Vec<_> = pack.idx().ids().collect();
        for (damage, fits) in [(0i64, true), (-1, false), (1, false)] {
            let mut plan = PackPlan::new(format);
            ids.iter().for_each(|id| plan.fresh(*id));
            let source = pack.clone();
            let stream: git_core_pack::StreamObject = Arc::new(move |id, sink| {
                let mut content = Vec::new();
                let Some(kind) = source.read(id, &mut content)? else { return Ok(None) };
                let header = git_core_object::Header { kind, size: content.len() as u64 };
                content.resize((content.len() as i64 + damage) as usize, b'x');
                let _ = content.chunks(100).try_for_each(|piece| sink(header, piece));
                Ok(Some(header))
            });
            let options = WriteOptions { stream: Some(stream), big_object: 500, ..record() };
            match write(plan, pack.clone(), options) {
                Ok((bytes, written)) => {
                    assert!(fits);
                    accepted(&repo, &bytes, &written, &ids);
                }
                Err(error) => assert!(!fits && error.to_string().contains("its header says"), "{error}"),
            }
        }
    }
}
