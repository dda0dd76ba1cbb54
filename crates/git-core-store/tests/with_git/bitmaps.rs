//! Bitmaps of git are counted with, and git counts with those written here.

use super::{FORMATS, command, git, init, open};
use git_core_idx::bitmap::{Expander, Flags, name_hash};
use git_core_object::{Context, ObjectFormat, ObjectId};
use git_core_store::fs::{FsStorage, bitmap_of_pack};
use git_core_store::walk::{self, BitmapOptions, CountOptions, Query};
use git_core_store::{PackRows, Snapshot, Storage};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Branches that part and join, tags, a file that comes back, directories; all packed, then some more of it.
fn history(dir: &Path, format: ObjectFormat) {
    init(dir, format);
    for round in 0..30 {
        let (branch, start) =
            if round % 5 == 3 { (format!("side{round}"), "main~1") } else { ("main".into(), "main") };
        if round > 2 {
            git(dir, &["checkout", "-q", "-B", &branch, start]);
        }
        std::fs::create_dir_all(dir.join(format!("dir{}/deep", round % 4))).unwrap();
        std::fs::write(dir.join("file"), format!("{}\n", round % 7)).unwrap();
        std::fs::write(dir.join(format!("dir{}/deep/file", round % 4)), format!("{round}")).unwrap();
        git(dir, &["add", "."]);
        git(dir, &["commit", "-q", "-m", &format!("round {round}")]);
        if round % 10 == 8 {
            git(dir, &["checkout", "-q", "main"]);
            git(dir, &["merge", "-q", "-s", "ours", "-m", "join", "side3"]);
            git(dir, &["tag", "-a", "-m", "a tag", &format!("v{round}")]);
        }
    }
    git(dir, &["checkout", "-q", "main"]);
    let blob = git(dir, &["rev-parse", "main:file"]);
    git(dir, &["tag", "-a", "-m", "of a blob", "blob", blob.trim()]);
}

fn more(dir: &Path) {
    std::fs::write(dir.join("new"), "loose").unwrap();
    git(dir, &["add", "."]);
    git(dir, &["commit", "-q", "-m", "a loose one"]);
    git(dir, &["tag", "-a", "-m", "a loose tag", "loose"]);
    git(dir, &["branch", "-f", "behind", "main~3"]);
}

fn ids(text: &str) -> BTreeSet<ObjectId> {
    text.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

fn reached(dir: &Path, tips: &[&str]) -> BTreeSet<ObjectId> {
    if tips.is_empty() {
        return BTreeSet::new();
    }
    ids(&git(dir, &[&["rev-list", "--objects"], tips].concat()))
}

fn resolve(dir: &Path, names: &[&str]) -> Vec<ObjectId> {
    names.iter().map(|name| git(dir, &["rev-parse", name]).trim().parse().unwrap()).collect()
}

/// Counts with the bitmap and compares with what git finds without one.
fn compare(dir: &Path, snapshot: &dyn Snapshot) {
    compare_some(dir, snapshot, 8);
}

/// The first cases exclude nothing, so that a walk gives the same as a bitmap.
fn compare_some(dir: &Path, snapshot: &dyn Snapshot, cases: usize) {
    let count = cases;
    let cases: [(&[&str], &[&str]); 8] = [
        (&["main"], &[]),
        (&["main", "v8", "loose", "blob"], &[]),
        (&["main"], &["behind"]),
        (&["main", "side23"], &["side3", "v18"]),
        (&["side13"], &["main"]),
        (&["loose"], &["main~5"]),
        (&["main:dir0", "main:file"], &["main~20"]),
        (&["behind"], &["main"]),
    ];
    for (wants, haves) in cases.into_iter().take(count) {
        let query = Query { include: resolve(dir, wants), exclude: resolve(dir, haves), ..Query::default() };
        let set =
            walk::reachable_with(snapshot, &query, &CountOptions::with_bitmap(), &Context::new()).unwrap();
        let found: BTreeSet<ObjectId> = set.ids().collect();
        let hidden = reached(dir, haves);
        let expected: BTreeSet<ObjectId> = reached(dir, wants).difference(&hidden).copied().collect();
        assert_eq!(found, expected, "{wants:?} without {haves:?}");
        assert_eq!(set.len(), expected.len() as u64);
        assert!(hidden.iter().all(|id| set.is_excluded(id)));
    }
}

fn pack_file(dir: &Path, extension: &str) -> Option<PathBuf> {
    let files = std::fs::read_dir(dir.join(".git/objects/pack")).unwrap();
    files
        .map(|file| file.unwrap().path())
        .find(|path| path.extension().is_some_and(|found| found == extension))
}

fn storage(dir: &Path, format: ObjectFormat) -> FsStorage {
    open(&dir.join(".git"), format)
}

#[test]
fn bitmaps_of_git() {
    for format in FORMATS {
        for options in [
            &["-c", "pack.writeBitmapLookupTable=false"][..],
            &["-c", "pack.writeBitmapLookupTable=true", "-c", "pack.writeBitmapHashCache=false"],
            &[
                "-c",
                "bitmapPseudoMerge.all.pattern=refs/",
                "-c",
                "bitmapPseudoMerge.all.threshold=now",
                "-c",
                "bitmapPseudoMerge.all.stableThreshold=never",
            ],
        ] {
            let temp = tempfile::tempdir().unwrap();
            let dir = temp.path();
            history(dir, format);
            git(dir, &[options, &["repack", "-adbq"]].concat());
            more(dir);
            let snapshot = storage(dir, format).snapshot().unwrap();
            let bitmap = snapshot.bitmap().expect("git has written one");
            let file = bitmap.file();
            file.verify_checksum().unwrap();
            let mut expander = Expander::new(file);
            let order = bitmap.order().unwrap();
            for (entry, found) in (0u32..).zip(file.entries()).step_by(4) {
                let commit = bitmap.rows().id_at(found.position);
                let words = expander.words(entry).unwrap();
                let expected = reached(dir, &[&commit.to_hex()]);
                let bits = (0..order.count()).filter(|bit| words[*bit as usize / 64] >> (bit % 64) & 1 != 0);
                let found: BTreeSet<_> = bits.map(|bit| bitmap.rows().id_at(order.row(bit))).collect();
                assert_eq!(found, expected, "{commit}");
            }
            if file.flags().has(Flags::HASH_CACHE) {
                let id = resolve(dir, &["main~1:dir1/deep/file"])[0];
                let row = bitmap.rows().lookup(&id).unwrap();
                assert_eq!(file.name_hash(row), Some(name_hash(b"dir1/deep/file")));
            }
            compare(dir, &*snapshot);
        }
    }
}

#[test]
fn bitmaps_for_git() {
    for format in FORMATS {
        for lookup_table in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let dir = temp.path();
            history(dir, format);
            // What no ref reaches is in the pack too.
            git(dir, &["checkout", "-q", "--detach"]);
            git(dir, &["commit", "-q", "--allow-empty", "-m", "reached by a log only"]);
            git(dir, &["checkout", "-q", "main"]);
            git(dir, &["repack", "-adq"]);
            let snapshot = storage(dir, format).snapshot().unwrap();
            assert!(snapshot.bitmap().is_none());
            let mut options = BitmapOptions::default();
            options.lookup_table = lookup_table;
            let pack = pack_file(dir, "pack").unwrap();
            let bytes = bitmap_of_pack(&*snapshot, &pack, &options, &Context::new()).unwrap().unwrap();
            std::fs::write(pack.with_extension("bitmap"), bytes).unwrap();
            for tip in ["main", "side23", "main~7", "v18^{commit}"] {
                let output = command(dir, &["rev-list", "--test-bitmap", tip]).output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success() && said.contains("OK!"), "{tip}: {said}");
            }
            git(dir, &["fsck", "--strict"]);
            more(dir);
            let plain = git(dir, &["rev-list", "--objects", "--all", "--count"]);
            let with = git(dir, &["rev-list", "--objects", "--all", "--count", "--use-bitmap-index"]);
            assert_eq!(plain, with);
            let snapshot = storage(dir, format).snapshot().unwrap();
            assert!(snapshot.bitmap().is_some());
            compare(dir, &*snapshot);
        }
    }
}

#[test]
fn a_pack_is_whole_when_nothing_else_is_in_it() {
    for format in FORMATS {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        history(dir, format);
        let whole = |tips: &[&str], options: &CountOptions| {
            let snapshot = storage(dir, format).snapshot().unwrap();
            assert!(snapshot.bitmap().is_some());
            let query = Query { include: resolve(dir, tips), ..Query::default() };
            let set = walk::reachable_with(&*snapshot, &query, options, &Context::new()).unwrap();
            set.whole_pack().map(|pack| u64::from(set.numbers().packs()[pack].pack.count()) == set.len())
        };
        let refs = git(dir, &["for-each-ref", "--format=%(refname)"]);
        let refs: Vec<&str> = refs.lines().collect();
        // Logs would keep more.
        let repack = ["-c", "repack.writeBitmaps=true", "repack", "-adbq"];
        git(dir, &["reflog", "expire", "--expire=now", "--all"]);
        git(dir, &repack);
        for options in [CountOptions::default(), CountOptions::with_bitmap()] {
            assert_eq!(whole(&refs, &options), Some(true));
            assert_eq!(whole(&["main"], &options), None);
        }
        // A blob that nothing refers to, put into the pack by a log's commit that is forgotten afterwards.
        git(dir, &["checkout", "-q", "--detach"]);
        std::fs::write(dir.join("file"), "reached by a log only").unwrap();
        git(dir, &["commit", "-q", "-a", "-m", "reached by a log only"]);
        git(dir, &["checkout", "-q", "main"]);
        git(dir, &repack);
        for options in [CountOptions::default(), CountOptions::with_bitmap()] {
            assert_eq!(whole(&refs, &options), None);
        }
    }
}

#[test]
fn a_damaged_bitmap_is_not_used() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    history(dir, ObjectFormat::Sha1);
    git(dir, &["repack", "-adbq"]);
    more(dir);
    let path = pack_file(dir, "bitmap").unwrap();
    let good = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    // Cut off; of another pack; a first map that makes no sense.
    let mut other = good.clone();
    other[12] ^= 1;
    let mut map = good.clone();
    map[36..40].fill(0xff);
    for bad in [&good[..good.len() / 2], &good[..7], &other, &map] {
        std::fs::write(&path, bad).unwrap();
        let snapshot = storage(dir, ObjectFormat::Sha1).snapshot().unwrap();
        assert!(snapshot.bitmap().is_none());
        compare_some(dir, &*snapshot, 2);
    }
    // Only the maps of the commits are damaged, which shows when they are used.
    let hashes = 4 * u32::from_be_bytes(
        std::fs::read(pack_file(dir, "idx").unwrap()).unwrap()[1028..1032].try_into().unwrap(),
    );
    let maps_end = good.len() - 20 - hashes as usize;
    let mut late = good.clone();
    late[maps_end - 12 - 8..maps_end - 12].fill(0xff);
    std::fs::write(&path, &late).unwrap();
    let snapshot = storage(dir, ObjectFormat::Sha1).snapshot().unwrap();
    assert!(snapshot.bitmap().is_some());
    compare_some(dir, &*snapshot, 2);
}

#[test]
fn packs_that_lack_something_get_no_bitmap() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    history(dir, ObjectFormat::Sha1);
    git(dir, &["repack", "-adq"]);
    more(dir);
    git(dir, &["repack", "-dq"]);
    let snapshot = storage(dir, ObjectFormat::Sha1).snapshot().unwrap();
    let small = snapshot.packs().iter().min_by_key(|pack| pack.pack.count()).unwrap().clone();
    let tips = resolve(dir, &["main"]);
    let written = walk::write_bitmap(
        &*snapshot,
        &PackRows::new(small),
        &tips,
        &BitmapOptions::default(),
        &Context::new(),
    );
    assert!(matches!(written, Err(walk::BitmapWriteError::NotClosed { .. })));
}
