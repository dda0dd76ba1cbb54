//! Bitmaps of git are counted with, and git counts with those written here.

use super::{FORMATS, command, git, git_with, init, open};
use git_core_idx::bitmap::{Expander, Flags, name_hash};
use git_core_idx::midx::MidxFile;
use git_core_idx::{Checksum, write_rev};
use git_core_object::{Context, ObjectFormat, ObjectId};
use git_core_store::fs::midx::{
    MidxBitmap, MidxFileError, WriteMidx, write_multi_pack_bitmap, write_multi_pack_index,
};
use git_core_store::fs::sys::{Disk, RealDisk};
use git_core_store::fs::{FsStorage, bitmap_of_pack, bitmap_tips};
use git_core_store::walk::{self, BitmapOptions, CountOptions, Query};
use git_core_store::{PackRows, Snapshot, Storage, StoredBitmap};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk::default())
}

fn storage(dir: &Path, format: ObjectFormat) -> FsStorage {
    open(&dir.join(".git"), format)
}

/// Some entries say what a walk finds.
fn check_entries(dir: &Path, bitmap: &StoredBitmap) {
    let mut expander = Expander::new(bitmap.file());
    let order = bitmap.order().unwrap();
    for (entry, found) in (0u32..).zip(bitmap.file().entries()).step_by(4) {
        let commit = bitmap.rows().id_at(found.position);
        let words = expander.words(entry).unwrap();
        let expected = reached(dir, &[&commit.to_hex()]);
        let bits = (0..order.count()).filter(|bit| words[*bit as usize / 64] >> (bit % 64) & 1 != 0);
        let found: BTreeSet<_> = bits.map(|bit| bitmap.rows().id_at(order.row(bit))).collect();
        assert_eq!(found, expected, "{commit}");
    }
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
            check_entries(dir, &bitmap);
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
    // The checksum tells; without it, who combines the maps does.
    let mut sealed = late.clone();
    sealed.truncate(late.len() - 20);
    let mut checksum = git_core_idx::Checksum::new(ObjectFormat::Sha1);
    checksum.update(&sealed);
    sealed.extend_from_slice(checksum.finish().as_bytes());
    for (bad, is_sealed) in [(&late, false), (&sealed, true)] {
        std::fs::write(&path, bad).unwrap();
        let snapshot = storage(dir, ObjectFormat::Sha1).snapshot().unwrap();
        assert_eq!(snapshot.bitmap().unwrap().order().is_some(), is_sealed);
        compare_some(dir, &*snapshot, 2);
    }
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

/// Several packs that share objects, each of another age; gives the names of their indexes.
fn split(dir: &Path) -> Vec<String> {
    for tip in ["main~20", "side3", "v8"] {
        git_with(
            dir,
            &["pack-objects", "-q", "--revs", ".git/objects/pack/pack"],
            format!("{tip}\n").as_bytes(),
        );
    }
    git(dir, &["repack", "-dq"]);
    let files = std::fs::read_dir(dir.join(".git/objects/pack")).unwrap();
    let mut packs: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    packs.retain(|path| path.extension().is_some_and(|found| found == "pack"));
    packs.sort();
    assert_eq!(packs.len(), 4);
    for (pack, age) in packs.iter().zip([3, 1, 4, 2]) {
        let time =
            std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000 + age * 60);
        std::fs::File::open(pack).unwrap().set_modified(time).unwrap();
    }
    let name = |path: &PathBuf| path.with_extension("idx").file_name().unwrap().to_str().unwrap().to_owned();
    packs.iter().map(name).collect()
}

#[test]
fn bitmaps_of_multi_pack_indexes_of_git() {
    for format in FORMATS {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        history(dir, format);
        let names = split(dir);
        for (options, wish) in [
            ("pack.writeBitmapLookupTable=false", "--no-preferred-pack".to_owned()),
            ("pack.writeBitmapLookupTable=true", format!("--preferred-pack={}", names[3])),
            ("pack.writeBitmapHashCache=false", format!("--preferred-pack={}", names[1])),
        ] {
            let _ = std::fs::remove_file(dir.join(".git/objects/pack/multi-pack-index"));
            git(dir, &["-c", options, "multi-pack-index", "write", "--bitmap", &wish]);
            let snapshot = storage(dir, format).snapshot().unwrap();
            let bitmap = snapshot.bitmap().expect("git has written one");
            assert!(bitmap.name().contains("multi-pack-index-") && !bitmap.rows().is_pack());
            bitmap.file().verify_checksum().unwrap();
            check_entries(dir, &bitmap);
            if options != "pack.writeBitmapHashCache=false" {
                let id = resolve(dir, &["main~1:dir1/deep/file"])[0];
                let row = bitmap.rows().lookup(&id).unwrap();
                // There is a place for the name, but git met none: it only walked for what commits reach.
                assert_eq!(bitmap.file().name_hash(row), Some(0));
            }
        }
        more(dir);
        let snapshot = storage(dir, format).snapshot().unwrap();
        assert!(snapshot.bitmap().is_some());
        compare(dir, &*snapshot);

        // Of an index without one of its packs nothing holds.
        let pack = dir.join(".git/objects/pack").join(&names[0]);
        for extension in ["idx", "pack"] {
            std::fs::rename(pack.with_extension(extension), pack.with_extension(format!("{extension}.away")))
                .unwrap();
        }
        assert!(storage(dir, format).snapshot().unwrap().bitmap().is_none());
    }
}

/// An order that lies beside its index instead of in it.
#[test]
fn the_order_of_a_bitmap_may_be_a_file() {
    for format in FORMATS {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path();
        history(dir, format);
        let names = split(dir);
        let packs = dir.join(".git/objects/pack");
        let wish = format!("--preferred-pack={}", names[2]);
        git(dir, &["multi-pack-index", "write", "--bitmap", &wish]);
        let with = MidxFile::open(std::fs::read(packs.join("multi-pack-index")).unwrap(), format).unwrap();
        let order: Vec<u32> = (0..with.count()).map(|rank| with.position(rank).unwrap().unwrap().0).collect();
        let mut bitmap =
            std::fs::read(packs.join(format!("multi-pack-index-{}.bitmap", with.checksum()))).unwrap();

        let mut wanted = WriteMidx::default();
        wanted.preferred = Some(names[2].clone());
        let written = write_multi_pack_index(&packs, format, &disk(), &wanted).unwrap();
        let without = MidxFile::open(std::fs::read(&written.path).unwrap(), format).unwrap();
        assert!(!without.has_order() && without.ids().eq(with.ids()));
        let hash = written.checksum.as_bytes().len();
        bitmap[12..12 + hash].copy_from_slice(written.checksum.as_bytes());
        let end = bitmap.len() - hash;
        let mut checksum = Checksum::new(written.checksum.format());
        checksum.update(&bitmap[..end]);
        bitmap[end..].copy_from_slice(checksum.finish().as_bytes());
        let stem = packs.join(format!("multi-pack-index-{}", written.checksum));
        std::fs::write(stem.with_added_extension("bitmap"), bitmap).unwrap();
        let bitmap_of = || storage(dir, format).snapshot().unwrap().bitmap();
        assert!(bitmap_of().is_none());
        // One that belongs to another index does not help.
        std::fs::write(stem.with_added_extension("rev"), write_rev(order.iter().copied(), &with.checksum()))
            .unwrap();
        assert!(bitmap_of().is_none());
        std::fs::write(stem.with_added_extension("rev"), write_rev(order.into_iter(), &written.checksum))
            .unwrap();
        check_entries(dir, &bitmap_of().expect("the order is there"));
        more(dir);
        compare(dir, &*storage(dir, format).snapshot().unwrap());
    }
}

#[test]
fn bitmaps_of_multi_pack_indexes_for_git() {
    for format in FORMATS {
        for lookup_table in [false, true] {
            let temp = tempfile::tempdir().unwrap();
            let dir = temp.path();
            history(dir, format);
            let names = split(dir);
            let packs = dir.join(".git/objects/pack");
            let disk = disk();
            let mut options = BitmapOptions::default();
            options.lookup_table = lookup_table;
            for preferred in [None, Some(names[3].clone())] {
                let mut wanted = WriteMidx::default();
                wanted.preferred = preferred;
                let snapshot = storage(dir, format).snapshot().unwrap();
                let tips = bitmap_tips(&*snapshot).unwrap();
                let bitmap = MidxBitmap { snapshot: &*snapshot, tips: &tips, options: &options };
                let written =
                    write_multi_pack_bitmap(&packs, format, &disk, &wanted, bitmap, &Context::new()).unwrap();
                // That of the index before is gone.
                let bitmaps = std::fs::read_dir(&packs).unwrap().map(|file| file.unwrap().path());
                let bitmaps: Vec<_> =
                    bitmaps.filter(|path| path.extension().is_some_and(|found| found == "bitmap")).collect();
                assert_eq!(bitmaps, Vec::from_iter(written.bitmap));
                git(dir, &["multi-pack-index", "verify"]);
                for tip in ["main", "side23", "main~7", "v18^{commit}"] {
                    let output = command(dir, &["rev-list", "--test-bitmap", tip]).output().unwrap();
                    let said = String::from_utf8_lossy(&output.stderr);
                    assert!(output.status.success() && said.contains("OK!"), "{tip}: {said}");
                }
                check_entries(dir, &storage(dir, format).snapshot().unwrap().bitmap().unwrap());
            }
            git(dir, &["fsck", "--strict"]);
            more(dir);
            let plain = git(dir, &["rev-list", "--objects", "--all", "--count"]);
            let with = git(dir, &["rev-list", "--objects", "--all", "--count", "--use-bitmap-index"]);
            assert_eq!(plain, with);
            compare(dir, &*storage(dir, format).snapshot().unwrap());

            // Packs that lack something get none, and the index stays as it was.
            let before = std::fs::read(packs.join("multi-pack-index")).unwrap();
            git(dir, &["repack", "-dq"]);
            let snapshot = storage(dir, format).snapshot().unwrap();
            let tips = bitmap_tips(&*snapshot).unwrap();
            let bitmap = MidxBitmap { snapshot: &*snapshot, tips: &tips, options: &options };
            let mut wanted = WriteMidx::default();
            wanted.without = names.clone();
            let written = write_multi_pack_bitmap(&packs, format, &disk, &wanted, bitmap, &Context::new());
            assert!(matches!(written, Err(MidxFileError::Bitmap(walk::BitmapWriteError::NotClosed { .. }))));
            assert_eq!(std::fs::read(packs.join("multi-pack-index")).unwrap(), before);
        }
    }
}
