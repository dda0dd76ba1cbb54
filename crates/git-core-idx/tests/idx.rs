//! Indexes that git wrote, and the same ones written again; files that are damaged.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use git_core_hash::Checksum;
use git_core_idx::{
    Digest, IdxEntry, IdxError, IdxFile, IdxPosition, PackOffset, RevFile, ReverseIndex, SharedBytes,
    Version, pack_order, write_idx, write_rev,
};
use git_core_object::{IdPrefix, Kind, ObjectFormat, ObjectId};
use proptest::prelude::*;
use std::path::Path;
use std::process::Command;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn git(dir: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env_remove("GIT_DIR")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.com"])
        .args(args)
        .output()
        .expect("git is installed");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A directory with `v1.idx`, `v2.idx`, `large.idx` and `v2.rev`, and the lines of `git show-index`.
fn fixture(format: ObjectFormat) -> (tempfile::TempDir, Vec<IdxEntry>) {
    let dir = tempfile::tempdir().unwrap();
    git(dir.path(), &["init", "-q", &format!("--object-format={format}")]);
    for n in 0..60 {
        std::fs::write(dir.path().join(format!("file{n}")), format!("content {n}\n")).unwrap();
    }
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "-qm", "all"]);
    git(dir.path(), &["repack", "-adq"]);
    let packs = dir.path().join(".git/objects/pack");
    let pack = std::fs::read_dir(packs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "pack"));
    let pack = pack.unwrap();
    let pack = pack.to_str().unwrap();
    git(dir.path(), &["index-pack", "--index-version=1", "-o", "v1.idx", pack]);
    git(dir.path(), &["index-pack", "--rev-index", "-o", "v2.idx", pack]);
    git(dir.path(), &["index-pack", "--index-version=2,0x400", "-o", "large.idx", pack]);
    let shown = Command::new("git")
        .current_dir(dir.path())
        .args(["show-index", &format!("--object-format={format}")])
        .stdin(std::fs::File::open(dir.path().join("v2.idx")).unwrap())
        .output()
        .unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let entries = shown.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let crc = words[2].trim_matches(|c| c == '(' || c == ')');
        IdxEntry {
            id: words[1].parse().unwrap(),
            offset: PackOffset(words[0].parse().unwrap()),
            crc: u32::from_str_radix(crc, 16).unwrap(),
        }
    });
    let entries = entries.collect();
    (dir, entries)
}

#[test]
fn what_git_wrote_is_read_and_written_again() {
    for format in FORMATS {
        let (dir, entries) = fixture(format);
        for (name, version) in [("v1", Version::V1), ("v2", Version::V2), ("large", Version::V2)] {
            let bytes = std::fs::read(dir.path().join(name).with_extension("idx")).unwrap();
            let idx = IdxFile::open(&bytes, format).unwrap();
            idx.verify().unwrap();
            assert_eq!((idx.version(), idx.count() as usize), (version, entries.len()));
            for (entry, row) in entries.iter().zip(0..) {
                let row = IdxPosition(row);
                assert_eq!(idx.lookup(&entry.id), Some(row));
                assert_eq!(idx.id_at(row), entry.id);
                assert_eq!(idx.offset_at(row), Ok(entry.offset));
                assert_eq!(idx.crc_at(row), (version == Version::V2).then_some(entry.crc));
                let mut other = entry.id.as_bytes().to_vec();
                *other.last_mut().unwrap() ^= 1;
                assert_eq!(idx.lookup(&ObjectId::from_bytes(format, &other).unwrap()), None);
            }
            if name != "large" {
                let written = write_idx(version, entries.iter().copied(), &idx.pack_checksum()).unwrap();
                assert!(written == bytes, "{name}");
            }
        }
        let idx = std::fs::read(dir.path().join("v2.idx")).unwrap();
        let idx = IdxFile::open(SharedBytes::from(idx), format).unwrap();
        let bytes = std::fs::read(dir.path().join("v2.rev")).unwrap();
        let rev = RevFile::open(SharedBytes::from(bytes.clone()), format, idx.count()).unwrap();
        rev.verify().unwrap();
        assert_eq!(rev.pack_checksum(), idx.pack_checksum());
        let order = pack_order(entries.iter().map(|entry| entry.offset));
        assert!(write_rev(order.iter().copied(), &idx.pack_checksum()) == bytes);
        let (from_file, built) = (ReverseIndex::from_file(rev), ReverseIndex::build(&idx).unwrap());
        for (rank, row) in (0..).zip(order) {
            let offset = entries[row as usize].offset;
            for reverse in [&from_file, &built] {
                assert_eq!(reverse.position(rank), Ok(IdxPosition(row)));
                assert_eq!(reverse.rank_of(&idx, offset), Ok(Some(rank)));
                assert_eq!(reverse.rank_of(&idx, PackOffset(offset.0 + 1)), Ok(None));
                let range = reverse.entry_range(&idx, rank, 1 << 40).unwrap();
                assert!(range.start == offset.0 && range.end > offset.0);
            }
        }
    }
}

fn id(format: ObjectFormat, n: u64) -> ObjectId {
    ObjectId::hash(format, Kind::Blob, &n.to_be_bytes()).unwrap()
}

fn checksum(format: ObjectFormat) -> Digest {
    Checksum::new(format).finish()
}

fn entries(format: ObjectFormat, offsets: &[u64]) -> Vec<IdxEntry> {
    let mut entries: Vec<IdxEntry> = (0..)
        .zip(offsets)
        .map(|(n, offset)| IdxEntry { id: id(format, n), offset: PackOffset(*offset), crc: n as u32 * 77 })
        .collect();
    entries.sort_by_key(|entry| entry.id);
    entries
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        format in prop_oneof![Just(ObjectFormat::Sha1), Just(ObjectFormat::Sha256)],
        offsets in proptest::collection::vec(prop_oneof![0u64..1 << 31, 0u64..1 << 33, any::<u64>()], 0..80),
        digits in 1usize..5,
    ) {
        let entries = entries(format, &offsets);
        let bytes = write_idx(Version::V2, entries.iter().copied(), &checksum(format)).unwrap();
        let idx = IdxFile::open(&bytes, format).unwrap();
        idx.verify().unwrap();
        for (row, entry) in (0..).zip(&entries) {
            let row = IdxPosition(row);
            prop_assert_eq!((idx.id_at(row), idx.offset_at(row).unwrap()), (entry.id, entry.offset));
            prop_assert_eq!(idx.crc_at(row), Some(entry.crc));
            prop_assert_eq!(idx.lookup(&entry.id), Some(row));
            let prefix = IdPrefix::from_hex(format, &entry.id.to_hex().as_bytes()[..digits]).unwrap();
            let expected: Vec<u32> =
                (0..).zip(&entries).filter(|(_, e)| prefix.matches(&e.id)).map(|(n, _)| n).collect();
            prop_assert_eq!(idx.lookup_prefix(&prefix).collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn damage_is_refused_or_harmless(at in 0usize..4000, byte: u8, cut in 0usize..4000) {
        let format = ObjectFormat::Sha1;
        let entries = entries(format, &[12, 1 << 32, 700, 5]);
        let mut bytes = write_idx(Version::V2, entries.iter().copied(), &checksum(format)).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        for bytes in [&bytes[..], &bytes[..cut.min(bytes.len())]] {
            let Ok(idx) = IdxFile::open(bytes, format) else { continue };
            for row in (0..idx.count()).map(IdxPosition) {
                let _ = (idx.id_at(row), idx.offset_at(row), idx.crc_at(row));
            }
            for entry in &entries {
                let _ = idx.lookup(&entry.id);
            }
            let _ = (idx.verify(), ReverseIndex::build(&idx));
        }
    }
}

#[test]
fn every_altered_byte_fails_the_checksum() {
    for format in FORMATS {
        let entries = entries(format, &[12, 1 << 32, 700, 5]);
        let written = write_idx(Version::V2, entries.iter().copied(), &checksum(format)).unwrap();
        for at in 0..written.len() {
            let mut bytes = written.clone();
            bytes[at] ^= 1;
            assert!(IdxFile::open(&bytes, format).and_then(|idx| idx.verify()).is_err(), "byte {at}");
        }
        let rev = write_rev([3, 0, 2, 1].into_iter(), &checksum(format));
        for at in 0..rev.len() {
            let mut bytes = rev.clone();
            bytes[at] ^= 1;
            assert!(RevFile::open(&bytes, format, 4).and_then(|rev| rev.verify()).is_err(), "byte {at}");
        }
        assert!(RevFile::open(&rev, format, 5).is_err());
        assert!(RevFile::open(&rev[..rev.len() - 1], format, 4).is_err());
    }
}

#[test]
fn what_cannot_be_written_is_refused() {
    let format = ObjectFormat::Sha1;
    let mut entries = entries(format, &[1 << 32, 5]);
    let result = write_idx(Version::V1, entries.iter().copied(), &checksum(format));
    assert_eq!(result, Err(IdxError::TooLarge { what: "an offset" }));
    entries.reverse();
    let result = write_idx(Version::V2, entries.iter().copied(), &checksum(format));
    assert_eq!(result, Err(IdxError::Unsorted { id: entries[1].id }));
}
