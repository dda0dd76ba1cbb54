//! `multi-pack-index repack` and `expire` beside those of git.

use super::common::{FORMATS, Program, Repo, git, output, run};
use Program::{Git, Ours};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn packs(repo: &Path) -> PathBuf {
    repo.join(".git/objects/pack")
}

/// The paths of the packs, by name.
fn pack_files(repo: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(packs(repo)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|found| found == "pack")).collect();
    files.sort();
    files
}

/// How old the packs are.
#[derive(Clone, Copy, Debug)]
enum Ages {
    OldestFirst,
    OldestLast,
    AllTheSame,
}

/// Five packs of growing size that share no object, and a multi-pack index.
fn growing(format: &'static str, ages: Ages) -> Repo {
    let repo = Repo::empty(format);
    for round in 0..5u64 {
        // Bytes that neither compress nor make deltas.
        let mut state = round + 1;
        for file in 0..=round {
            let bytes = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as u8
            });
            let bytes: Vec<u8> = bytes.take(3000).collect();
            std::fs::write(repo.path.join(format!("file {round} {file}")), bytes).unwrap();
        }
        git(&repo.path, &["add", "."]);
        git(&repo.path, &["commit", "-q", "-m", "more"]);
        git(&repo.path, &["repack", "-dq"]);
    }
    let mut by_size = pack_files(&repo.path);
    assert_eq!(by_size.len(), 5);
    by_size.sort_by_key(|path| path.metadata().unwrap().len());
    for (path, n) in by_size.iter().zip(1..) {
        age(
            path,
            match ages {
                Ages::OldestFirst => n,
                Ages::OldestLast => 10 - n,
                Ages::AllTheSame => 0,
            },
        );
    }
    git(&repo.path, &["multi-pack-index", "write"]);
    repo
}

fn age(pack: &Path, minutes: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + minutes * 60);
    std::fs::File::open(pack).unwrap().set_modified(time).unwrap();
}

/// The objects of each pack, whatever its name is, and how many packs have the same.
fn contents(repo: &Path) -> BTreeMap<BTreeSet<String>, usize> {
    let mut contents = BTreeMap::new();
    for pack in pack_files(repo) {
        let idx = std::fs::read(pack.with_extension("idx")).unwrap();
        let shown = String::from_utf8(output(Git, repo, &["show-index"], &idx)).unwrap();
        let ids = shown.lines().map(|line| line.split(' ').nth(1).unwrap().to_owned()).collect();
        *contents.entry(ids).or_default() += 1;
    }
    contents
}

/// The number of packs and of objects that the multi-pack index says it has.
fn listed(repo: &Path) -> Option<(u32, u32)> {
    let file = std::fs::read(packs(repo).join("multi-pack-index")).ok()?;
    let word = |at: usize| u32::from_be_bytes(file[at..at + 4].try_into().unwrap());
    let fanout = file[12..].chunks(12).find(|row| row.starts_with(b"OIDF"))?;
    let fanout = u64::from_be_bytes(fanout[4..12].try_into().unwrap());
    Some((word(8), word(usize::try_from(fanout).unwrap() + 1020)))
}

/// Runs the same commands of both on copies of one repository: they say the same, end the same, and leave packs of the
/// same objects behind.
fn compare(repo: &Repo, commands: &[&[&str]]) {
    let [theirs, ours] = [Git, Ours].map(|program| {
        let copy = repo.copy();
        let mut seen = Vec::new();
        for (args, step) in commands.iter().zip(1..) {
            // Of equally old packs git takes the one that its directory has first.
            for pack in pack_files(&copy.path) {
                let modified = pack.metadata().unwrap().modified().unwrap();
                if modified > SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) {
                    age(&pack, 100 + step);
                }
            }
            let said = run(program, &copy.path, args, b"");
            let errors = String::from_utf8_lossy(&said.stderr).into_owned();
            seen.push((said.status.code(), said.stdout, errors, contents(&copy.path), listed(&copy.path)));
            if said.status.success() {
                git(&copy.path, &["multi-pack-index", "verify"]);
                git(&copy.path, &["fsck", "--full", "--strict"]);
            }
        }
        seen
    });
    for (args, (theirs, ours)) in commands.iter().zip(theirs.iter().zip(&ours)) {
        assert!(theirs == ours, "{args:?}:\n{theirs:#?}\n{ours:#?}");
    }
}

const REPACK: &[&str] = &["multi-pack-index", "repack"];
const EXPIRE: &[&str] = &["multi-pack-index", "expire"];

#[test]
fn s04_small_packs_are_packed_together_as_git_does() {
    for format in FORMATS {
        for ages in [Ages::OldestFirst, Ages::OldestLast, Ages::AllTheSame] {
            let repo = growing(format, ages);
            for size in ["1", "9000", "15000", "20k", "30000"] {
                let repack = ["multi-pack-index", "repack", "--no-progress", "--batch-size", size];
                compare(&repo, &[&repack, EXPIRE]);
            }
        }
        let repo = growing(format, Ages::OldestFirst);
        compare(&repo, &[REPACK, EXPIRE, REPACK, EXPIRE]);
        compare(&repo, &[EXPIRE]);

        // A pack beside the index is in the next one.
        let beside = repo.copy();
        std::fs::write(beside.path.join("new"), "new").unwrap();
        git(&beside.path, &["add", "."]);
        git(&beside.path, &["commit", "-q", "-m", "new"]);
        git(&beside.path, &["repack", "-dq"]);
        compare(
            &beside,
            &[EXPIRE, &["multi-pack-index", "repack", "--batch-size=12000"], EXPIRE, REPACK, EXPIRE],
        );

        // Packs that somebody protects, and packs of what nothing reaches.
        let kept = repo.copy();
        std::fs::write(pack_files(&kept.path)[1].with_extension("keep"), "").unwrap();
        compare(&kept, &[REPACK, EXPIRE]);
        git(&kept.path, &["config", "repack.packKeptObjects", "true"]);
        compare(&kept, &[REPACK, EXPIRE]);
        let cruft = repo.copy();
        output(Git, &cruft.path, &["hash-object", "-w", "--stdin"], b"of no use");
        git(&cruft.path, &["repack", "-dq", "--cruft"]);
        std::fs::write(cruft.path.join("new"), "new").unwrap();
        git(&cruft.path, &["add", "."]);
        git(&cruft.path, &["commit", "-q", "-m", "new"]);
        git(&cruft.path, &["repack", "-dq"]);
        pack_files(&cruft.path).iter().for_each(|pack| age(pack, 1));
        git(&cruft.path, &["multi-pack-index", "write"]);
        compare(&cruft, &[REPACK, EXPIRE]);

        // The index leads to none of the objects of a pack whose younger copy is in use.
        let twice = repo.copy();
        git(&twice.path, &["repack", "-aq"]);
        git(&twice.path, &["multi-pack-index", "write"]);
        compare(&twice, &[EXPIRE]);
        let deltas = repo.copy();
        git(&deltas.path, &["config", "repack.useDeltaBaseOffset", "false"]);
        compare(&deltas, &[REPACK, EXPIRE]);
    }
}

#[test]
fn s04_packs_that_are_still_needed_do_not_expire() {
    for format in FORMATS {
        // The index leads nowhere into packs which have become the only ones with their objects since.
        for beside in [false, true] {
            let repo = growing(format, Ages::OldestFirst);
            let small = pack_files(&repo.path);
            git(&repo.path, &["repack", "-aq"]);
            let all = pack_files(&repo.path).into_iter().find(|path| !small.contains(path)).unwrap();
            if beside {
                std::fs::write(repo.path.join("new"), "new").unwrap();
                git(&repo.path, &["add", "."]);
                git(&repo.path, &["commit", "-q", "-m", "new"]);
                git(&repo.path, &["repack", "-dq"]);
            }
            git(&repo.path, &["multi-pack-index", "write"]);
            for extension in ["idx", "pack"] {
                std::fs::remove_file(all.with_extension(extension)).unwrap();
            }
            output(Ours, &repo.path, EXPIRE, b"");
            assert!(small.iter().all(|pack| pack.exists()));
            assert_eq!(pack_files(&repo.path).len(), 5 + usize::from(beside));
            output(Ours, &repo.path, &["multi-pack-index", "write"], b"");
            git(&repo.path, &["fsck", "--full"]);
        }

        // What a promisor has promised stays known as that.
        let repo = growing(format, Ages::OldestFirst);
        for pack in &pack_files(&repo.path)[..2] {
            std::fs::write(pack.with_extension("promisor"), "").unwrap();
        }
        output(Ours, &repo.path, REPACK, b"");
        output(Ours, &repo.path, EXPIRE, b"");
        assert_eq!(pack_files(&repo.path).len(), 3);
        assert!(
            pack_files(&repo.path).iter().filter(|pack| pack.with_extension("promisor").exists()).count()
                == 2
        );
    }
}

#[test]
fn s04_repack_and_expire_have_the_options_of_git() {
    let empty = Repo::empty("sha1");
    compare(&empty, &[REPACK, EXPIRE]);
    let repo = growing("sha1", Ages::OldestFirst);
    for args in [
        &["multi-pack-index", "repack", "operand"][..],
        &["multi-pack-index", "repack", "--batch-size"],
        &["multi-pack-index", "repack", "--no-batch-size"],
        &["multi-pack-index", "repack", "--batch-size="],
        &["multi-pack-index", "repack", "--batch-size=-1"],
        &["multi-pack-index", "repack", "--batch-size=x"],
        &["multi-pack-index", "repack", "--batch-size=1kk"],
        &["multi-pack-index", "repack", "--batch-size=99999999999999999999999"],
        &["multi-pack-index", "expire", "operand"],
        &["multi-pack-index", "expire", "--batch-size=1"],
        &["multi-pack-index", "expire", "--no-progress"],
        &["multi-pack-index", "expire", "-h"],
        &["multi-pack-index", "--object-dir=.", "expire"],
    ] {
        let [theirs, ours] = [Git, Ours].map(|program| run(program, &repo.path, args, b""));
        assert_eq!(theirs.status.code(), ours.status.code(), "{args:?}");
        let first =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned();
        if args.iter().any(|arg| arg.starts_with("--batch-size=")) && args[1] == "repack" {
            assert_eq!(first(&theirs.stderr), first(&ours.stderr), "{args:?}");
        }
    }
    // An index that cannot be used is as good as none; one with a wrong checksum is said to be so.
    let file = packs(&repo.path).join("multi-pack-index");
    let good = std::fs::read(&file).unwrap();
    std::fs::write(&file, "no index").unwrap();
    for args in [REPACK, EXPIRE] {
        let codes = [Git, Ours].map(|program| run(program, &repo.path, args, b"").status.code());
        assert_eq!(codes[0], codes[1]);
    }
    let mut wrong = good.clone();
    *wrong.last_mut().unwrap() ^= 1;
    std::fs::write(&file, wrong).unwrap();
    compare(&repo, &[REPACK, EXPIRE]);

    // In the directory of an alternate.
    std::fs::write(&file, good).unwrap();
    let copies = [Git, Ours].map(|program| {
        let lender = repo.copy();
        let borrower = lender.path.parent().unwrap().join("borrower");
        git(&lender.path, &["clone", "-q", "-s", ".", borrower.to_str().unwrap()]);
        let objects = lender.path.join(".git/objects");
        for verb in ["repack", "expire"] {
            output(
                program,
                &borrower,
                &["multi-pack-index", verb, "--object-dir", objects.to_str().unwrap()],
                b"",
            );
        }
        git(&borrower, &["fsck", "--full"]);
        (contents(&lender.path), listed(&lender.path))
    });
    assert_eq!(copies[0], copies[1]);
    assert_eq!(copies[1].0.len(), 1);

    // A chain of files.
    let chain = repo.copy();
    std::fs::write(chain.path.join("new"), "new").unwrap();
    git(&chain.path, &["add", "."]);
    git(&chain.path, &["commit", "-q", "-m", "new"]);
    git(&chain.path, &["repack", "-dq"]);
    git(&chain.path, &["multi-pack-index", "write", "--incremental"]);
    compare(&chain, &[EXPIRE, REPACK]);
    // One of one file.
    std::fs::remove_dir_all(packs(&chain.path).join("multi-pack-index.d")).unwrap();
    git(&chain.path, &["multi-pack-index", "write", "--incremental"]);
    compare(&chain, &[REPACK, EXPIRE]);
}
