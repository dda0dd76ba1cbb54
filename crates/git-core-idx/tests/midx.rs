//! Multi-pack indexes: against those that git writes, against themselves, and damaged.

#![allow(clippy::unwrap_used)]

use git_core_hash::Checksum;
use git_core_idx::midx::{
    MidxError, MidxFile, MidxLocation, MidxOptions, MidxPack, MidxPosition, PackNumber, PseudoPackOrder,
    parse_chain, write_midx,
};
use git_core_idx::{IdxEntry, IdxFile, PackOffset, Version, write_idx};
use git_core_object::{IdPrefix, Kind, ObjectFormat, ObjectId};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn git(dir: &Path, args: &[&str], input: &str) -> String {
    let mut child = Command::new("git")
        .current_dir(dir)
        .args(args)
        .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {args:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A repository of one commit and four packs that share objects. No two are equally old: between such, git goes
/// by the order in which the file system happens to list them.
struct Packs {
    dir: tempfile::TempDir,
    format: ObjectFormat,
    /// The names of the indexes, and seconds.
    packs: Vec<(String, i64)>,
}

impl Packs {
    fn new(format: ObjectFormat) -> Self {
        Packs::aged(format, [1, 3, 2, 4])
    }

    fn aged(format: ObjectFormat, ages: [i64; 4]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        git(root, &["init", "-q", &format!("--object-format={format}"), "."], "");
        for n in 0..30 {
            fs::write(root.join(format!("f{n}")), format!("file {n}\n")).unwrap();
        }
        git(root, &["add", "."], "");
        let who = ["-c", "user.name=a", "-c", "user.email=a@b"];
        git(root, &[&who[..], &["commit", "-q", "-m", "one"]].concat(), "");
        let ids = git(root, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"], "");
        let ids: Vec<&str> = ids.lines().collect();
        let mut packs = Vec::new();
        for (part, age) in [0..ids.len(), 0..20, 9..32, 14..18].into_iter().zip(ages) {
            let list = ids[part].join("\n") + "\n";
            let hash = git(root, &["pack-objects", "-q", ".git/objects/pack/pack"], &list);
            packs.push((format!("pack-{hash}.idx"), age));
        }
        let packs = Packs { dir, format, packs };
        for (name, age) in &packs.packs {
            for extension in ["pack", "idx"] {
                let file =
                    fs::File::options().read(true).open(packs.path(name).with_extension(extension)).unwrap();
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000 + *age as u64);
                file.set_modified(time).unwrap();
            }
        }
        packs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(".git/objects/pack").join(name)
    }

    fn written_by_git(&self, args: &[&str]) -> Vec<u8> {
        let path = self.path("multi-pack-index");
        let _ = fs::remove_file(&path);
        git(self.dir.path(), &[&["multi-pack-index", "write"], args].concat(), "");
        fs::read(path).unwrap()
    }

    fn written_by_us(&self, options: &MidxOptions) -> Vec<u8> {
        let indexes: Vec<_> = self.packs.iter().map(|(name, _)| self.idx(name)).collect();
        let packs: Vec<_> = (self.packs.iter().zip(&indexes))
            .map(|((name, age), idx)| MidxPack { name, idx, modified: *age })
            .collect();
        write_midx(self.format, &packs, options).unwrap()
    }

    fn idx(&self, name: &str) -> IdxFile<Vec<u8>> {
        IdxFile::open(fs::read(self.path(name)).unwrap(), self.format).unwrap()
    }

    /// The index says where each object really is.
    fn check(&self, bytes: &[u8]) {
        let midx = MidxFile::open(bytes, self.format).unwrap();
        midx.verify().unwrap();
        let indexes: Vec<_> = midx.pack_names().map(|name| self.idx(name)).collect();
        assert_eq!(midx.ids().len(), 32);
        for (position, id) in (0..).map(MidxPosition).zip(midx.ids()) {
            assert_eq!(midx.lookup(&id), Some(position));
            let found = midx.location_at(position).unwrap();
            let idx = &indexes[found.pack.0 as usize];
            assert_eq!(idx.offset_at(idx.lookup(&id).unwrap()).unwrap(), found.offset);
            if let Some(rank) = midx.rank_of(position).unwrap() {
                assert_eq!(midx.position(rank).unwrap(), Some(position));
                let part = midx.bitmapped_pack(found.pack).unwrap();
                assert!((part.first..part.first + part.count).contains(&rank));
            }
        }
    }
}

#[test]
fn what_git_writes_is_written_byte_for_byte() {
    for format in FORMATS {
        let packs = Packs::new(format);
        let plain = packs.written_by_git(&[]);
        packs.check(&plain);
        assert!(packs.written_by_us(&MidxOptions::default()) == plain);

        let preferred = format!("--preferred-pack={}", packs.packs[2].0);
        let with_preferred = packs.written_by_git(&[&preferred]);
        let mut options = MidxOptions { preferred: Some(2), ..MidxOptions::default() };
        assert!(with_preferred != plain && packs.written_by_us(&options) == with_preferred);

        options.order = PseudoPackOrder::Written;
        let bitmapped = packs.written_by_git(&[&preferred, "--bitmap"]);
        packs.check(&bitmapped);
        assert!(packs.written_by_us(&options) == bitmapped);
        let midx = MidxFile::open(&bitmapped, format).unwrap();
        assert!(midx.has_order());
        let preferred = midx.preferred_pack().unwrap().unwrap();
        assert_eq!(midx.pack_name(preferred), packs.packs[2].0);

        // Without a wish the oldest pack is preferred when there is a bitmap.
        options.preferred = Some(0);
        assert!(packs.written_by_us(&options) == packs.written_by_git(&["--bitmap"]));

        fs::write(packs.path("multi-pack-index"), packs.written_by_us(&options)).unwrap();
        git(packs.dir.path(), &["multi-pack-index", "verify"], "");
        git(packs.dir.path(), &["fsck"], "");
    }
}

#[test]
fn of_equally_old_packs_the_first_by_name_is_taken() {
    // Git takes the one that comes first in its listing of the directory, which is as good.
    for format in FORMATS {
        for ages in [[1; 4], [1, 2, 2, 1], [2, 1, 2, 2]] {
            let packs = Packs::aged(format, ages);
            let theirs = packs.written_by_git(&[]);
            let ours = packs.written_by_us(&MidxOptions::default());
            packs.check(&theirs);
            packs.check(&ours);
            let theirs = MidxFile::open(&theirs, format).unwrap();
            let ours = MidxFile::open(&ours, format).unwrap();
            assert!(theirs.ids().eq(ours.ids()) && theirs.pack_names().eq(ours.pack_names()));
            let age_of = |pack: PackNumber| {
                packs.packs.iter().find(|(name, _)| name == ours.pack_name(pack)).unwrap().1
            };
            for position in (0..ours.count()).map(MidxPosition) {
                let id = ours.id_at(position);
                let (taken, by_git) =
                    (ours.location_at(position).unwrap().pack, theirs.location_at(position).unwrap().pack);
                assert_eq!(age_of(taken), age_of(by_git), "{id}");
                let having = (0..ours.pack_count()).map(PackNumber);
                let youngest = having
                    .filter(|pack| packs.idx(ours.pack_name(*pack)).lookup(&id).is_some())
                    .min_by_key(|pack| (-age_of(*pack), *pack));
                assert_eq!(Some(taken), youngest, "{id}");
            }
            fs::write(packs.path("multi-pack-index"), packs.written_by_us(&MidxOptions::default())).unwrap();
            git(packs.dir.path(), &["multi-pack-index", "verify"], "");
            git(packs.dir.path(), &["fsck"], "");
        }
    }
}

#[test]
fn the_files_of_a_chain_are_read() {
    for format in FORMATS {
        let packs = Packs::new(format);
        git(packs.dir.path(), &["multi-pack-index", "write", "--incremental"], "");
        fs::write(packs.dir.path().join("new"), "new\n").unwrap();
        git(packs.dir.path(), &["add", "new"], "");
        let id = git(packs.dir.path(), &["rev-parse", ":new"], "") + "\n";
        git(packs.dir.path(), &["pack-objects", "-q", ".git/objects/pack/pack"], &id);
        git(packs.dir.path(), &["multi-pack-index", "write", "--incremental"], "");
        let dir = packs.path("multi-pack-index.d");
        let chain = parse_chain(&fs::read(dir.join("multi-pack-index-chain")).unwrap(), format).unwrap();
        let counts: Vec<u32> = chain
            .iter()
            .map(|checksum| {
                let bytes = fs::read(dir.join(format!("multi-pack-index-{checksum}.midx"))).unwrap();
                let midx = MidxFile::open(bytes, format).unwrap();
                midx.verify().unwrap();
                assert_eq!(midx.checksum(), *checksum);
                midx.count()
            })
            .collect();
        assert_eq!(counts, [32, 1]);
    }
}

fn id(format: ObjectFormat, n: u64) -> ObjectId {
    ObjectId::hash(format, Kind::Blob, &n.to_be_bytes()).unwrap()
}

type Contents = Vec<BTreeMap<u64, u64>>;

/// A multi-pack index over packs that hold objects, by number, at offsets.
fn build(format: ObjectFormat, packs: &Contents, options: &MidxOptions) -> Vec<u8> {
    let indexes: Vec<_> = packs
        .iter()
        .map(|pack| {
            let mut rows: Vec<IdxEntry> = pack
                .iter()
                .map(|(n, offset)| IdxEntry { id: id(format, *n), offset: PackOffset(*offset), crc: 0 })
                .collect();
            rows.sort_by_key(|row| row.id);
            let checksum = Checksum::new(format).finish();
            IdxFile::open(write_idx(Version::V2, rows.into_iter(), &checksum).unwrap(), format).unwrap()
        })
        .collect();
    let names: Vec<String> = (0..packs.len()).map(|n| format!("pack-{n:04}.idx")).collect();
    let packs: Vec<_> = (names.iter().zip(&indexes).zip(0..))
        .map(|((name, idx), n)| MidxPack { name, idx, modified: -n })
        .collect();
    write_midx(format, &packs, options).unwrap()
}

/// Packs whose offsets are all different.
fn contents() -> impl Strategy<Value = Contents> {
    let offset = prop_oneof![12u64..1 << 31, 12u64..1 << 32, 12u64..1 << 40];
    let pack = proptest::collection::btree_map(0u64..40, offset, 0..12);
    proptest::collection::vec(pack, 0..6).prop_map(|packs| {
        let unique = |(n, offset): (u64, u64)| (n, offset << 6 | n);
        packs.into_iter().map(|pack| pack.into_iter().map(unique).collect()).collect()
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        format in prop_oneof![Just(ObjectFormat::Sha1), Just(ObjectFormat::Sha256)],
        packs in contents(),
        preferred: Option<prop::sample::Index>,
        order: bool,
        digits in 1usize..4,
    ) {
        let preferred = preferred.filter(|_| !packs.is_empty()).map(|index| index.index(packs.len()));
        let order = if order { PseudoPackOrder::Written } else { PseudoPackOrder::Omitted };
        let options = MidxOptions { preferred, order };
        let bytes = build(format, &packs, &options);
        let midx = MidxFile::open(&bytes, format).unwrap();
        midx.verify().unwrap();
        let mut expected = BTreeMap::new();
        // Packs come from the youngest to the oldest, so the first copy is taken, but for the preferred pack's.
        for (number, pack) in (0..).zip(&packs) {
            for (n, offset) in pack {
                let found = MidxLocation { pack: PackNumber(number), offset: PackOffset(*offset) };
                let place = expected.entry(id(format, *n)).or_insert(found);
                if preferred == Some(number as usize) {
                    *place = found;
                }
            }
        }
        prop_assert_eq!(midx.ids().collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
        for (position, (id, found)) in (0..).map(MidxPosition).zip(&expected) {
            prop_assert_eq!(midx.lookup(id), Some(position));
            prop_assert_eq!(midx.location_at(position), Ok(*found));
            let prefix = IdPrefix::from_hex(format, &id.to_hex().as_bytes()[..digits]).unwrap();
            let there = expected.keys().filter(|id| prefix.matches(id)).count();
            prop_assert_eq!(midx.lookup_prefix(&prefix).len(), there);
        }
        for n in 40..60 {
            prop_assert_eq!(midx.lookup(&id(format, n)), None);
        }
        prop_assert_eq!(midx.has_order(), order == PseudoPackOrder::Written);
        for rank in 0..midx.count() {
            if let Some(position) = midx.position(rank).unwrap() {
                prop_assert_eq!(midx.rank_of(position), Ok(Some(rank)));
            }
        }
    }

    #[test]
    fn damage_is_refused_or_harmless(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let format = ObjectFormat::Sha1;
        let packs = vec![[(1, 12), (2, 1 << 33)].into(), [(2, 77), (3, 1 << 31)].into()];
        let options = MidxOptions { preferred: Some(1), order: PseudoPackOrder::Written };
        let mut bytes = build(format, &packs, &options);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            let Ok(midx) = MidxFile::open(bytes, format) else { continue };
            for position in (0..midx.count()).map(MidxPosition) {
                let id = midx.id_at(position);
                let _ = (midx.location_at(position), midx.lookup(&id), midx.rank_of(position));
                let _ = midx.position(position.0);
            }
            let _ = (midx.verify(), midx.pack_names().count());
        }
    }
}

#[test]
fn every_altered_byte_is_noticed() {
    for format in FORMATS {
        let packs = vec![[(1, 12), (2, 1 << 33)].into(), [(2, 77), (3, 1 << 31)].into()];
        let options = MidxOptions { preferred: Some(1), order: PseudoPackOrder::Written };
        let written = build(format, &packs, &options);
        for at in 0..written.len() {
            let mut bytes = written.clone();
            bytes[at] ^= 1;
            assert!(MidxFile::open(&bytes, format).and_then(|midx| midx.verify()).is_err(), "byte {at}");
        }
        for len in 0..written.len() {
            assert!(MidxFile::open(&written[..len], format).and_then(|midx| midx.verify()).is_err());
        }
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let format = ObjectFormat::Sha1;
    let bytes = write_idx(Version::V2, [].into_iter(), &Checksum::new(format).finish()).unwrap();
    let idx = IdxFile::open(bytes, format).unwrap();
    let pack = |name| MidxPack { name, idx: &idx, modified: 0 };
    let options = MidxOptions::default();
    for names in [&["a.idx", "a.idx"][..], &["../a.idx"], &[""]] {
        let packs: Vec<_> = names.iter().copied().map(pack).collect();
        let refused = write_midx(format, &packs, &options);
        assert!(matches!(refused, Err(MidxError::Name { .. })), "{names:?}");
    }
    let none = write_midx::<Vec<u8>>(format, &[], &options).unwrap();
    assert_eq!(MidxFile::open(none, format).unwrap().count(), 0);
}
