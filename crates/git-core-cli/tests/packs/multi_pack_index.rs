//! `multi-pack-index write` and `verify` beside those of git.

use super::common::{FORMATS, Program, Repo, git, output, run};
use Program::{Git, Ours};
use std::path::{Path, PathBuf};

/// A repository of several packs that share objects, each of another age.
fn many_packs(format: &'static str) -> Repo {
    let repo = Repo::small(format);
    for (age, revs) in ["v1^{}\n", "side\n", "HEAD\n", "HEAD\nv2\n"].into_iter().enumerate() {
        let args = ["pack-objects", "-q", "--revs", ".git/objects/pack/pack"];
        let name = String::from_utf8(output(Git, &repo.path, &args, revs.as_bytes())).unwrap();
        let path = packs(&repo.path).join(format!("pack-{}.pack", name.trim()));
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
        let time = time - std::time::Duration::from_secs(age as u64 * 1000);
        std::fs::File::open(path).unwrap().set_modified(time).unwrap();
    }
    repo
}

fn packs(repo: &Path) -> PathBuf {
    repo.join(".git/objects/pack")
}

fn names(repo: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(packs(repo))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".idx"))
        .collect();
    names.sort();
    names
}

/// Runs both where no multi-pack index is; they say the same, end the same, and leave the same file.
fn same_file(repo: &Repo, args: &[&str], input: &str) {
    let file = packs(&repo.path).join("multi-pack-index");
    let [theirs, ours] = [Git, Ours].map(|program| {
        let _ = std::fs::remove_file(&file);
        let said = run(program, &repo.path, args, input.as_bytes());
        (said.status.code(), said.stdout, lossy(&said.stderr), std::fs::read(&file).ok())
    });
    assert!(theirs == ours, "{args:?}: {:?} {}\n{:?} {}", theirs.0, theirs.2, ours.0, ours.2);
    if ours.3.is_some() {
        git(&repo.path, &["multi-pack-index", "verify"]);
        git(&repo.path, &["fsck", "--full"]);
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn s04_multi_pack_indexes_are_written_as_git_does() {
    for format in FORMATS {
        let empty = Repo::empty(format);
        same_file(&empty, &["multi-pack-index", "write"], "");
        let repo = many_packs(format);
        let names = names(&repo.path);
        assert!(names.len() > 3);
        same_file(&repo, &["multi-pack-index", "write", "--no-progress"], "");
        for name in &names {
            same_file(&repo, &["multi-pack-index", "write", &format!("--preferred-pack={name}")], "");
        }
        same_file(&repo, &["multi-pack-index", "write", "--preferred-pack=pack-none.idx"], "");
        let two = format!("{}\n{}\n", names[0], names[2]);
        same_file(&repo, &["multi-pack-index", "write", "--stdin-packs"], &two);
        same_file(&repo, &["multi-pack-index", "write", "--stdin-packs"], "pack-none.idx\n");
        same_file(&repo, &["multi-pack-index", "--object-dir", ".git/objects", "write", "--no-bitmap"], "");
        same_file(&repo, &["multi-pack-index", "write", "--object-dir=."], "");

        // What only one of the two does is refused, and changes nothing.
        let file = packs(&repo.path).join("multi-pack-index");
        output(Git, &repo.path, &["multi-pack-index", "write"], b"");
        let before = std::fs::read(&file).unwrap();
        for option in ["--bitmap", "--incremental"] {
            let said = run(Ours, &repo.path, &["multi-pack-index", "write", option], b"");
            assert_eq!(said.status.code(), Some(128), "{}", lossy(&said.stderr));
        }
        assert_eq!(std::fs::read(&file).unwrap(), before);

        // Of an alternate, for the repository that borrows from it.
        let borrower = repo.path.parent().unwrap().join("borrower");
        git(&repo.path, &["clone", "-q", "-s", ".", borrower.to_str().unwrap()]);
        std::fs::remove_file(&file).unwrap();
        let objects = repo.path.join(".git/objects");
        output(
            Ours,
            &borrower,
            &["multi-pack-index", "write", "--object-dir", objects.to_str().unwrap()],
            b"",
        );
        assert_eq!(std::fs::read(&file).unwrap(), before);
    }
    let repo = Repo::empty("sha1");
    for args in [
        &["multi-pack-index"][..],
        &["multi-pack-index", "other"],
        &["multi-pack-index", "write", "operand"],
        &["multi-pack-index", "verify", "--other"],
        &["multi-pack-index", "verify", "operand"],
        &["multi-pack-index", "--object-dir"],
        &["multi-pack-index", "-h"],
    ] {
        let codes = [Git, Ours].map(|program| run(program, &repo.path, args, b"").status.code());
        assert_eq!(codes[0], codes[1], "{args:?}");
    }
}

#[test]
fn s04_multi_pack_indexes_are_verified_as_git_does() {
    /// Both say the same of it.
    fn compare(repo: &Repo, what: &str) {
        let args = ["multi-pack-index", "verify", "--no-progress"];
        let [theirs, ours] = [Git, Ours].map(|program| run(program, &repo.path, &args, b""));
        assert_eq!(
            (theirs.status.code(), lossy(&theirs.stderr)),
            (ours.status.code(), lossy(&ours.stderr)),
            "{what}"
        );
    }
    for format in FORMATS {
        let repo = many_packs(format);
        compare(&repo, "none");
        output(Ours, &repo.path, &["multi-pack-index", "write"], b"");
        compare(&repo, "sound");
        let file = packs(&repo.path).join("multi-pack-index");
        let good = std::fs::read(&file).unwrap();
        let chunk = |id: &[u8; 4]| {
            let row = good[12..].chunks(12).find(|row| row.starts_with(id)).unwrap();
            usize::try_from(u64::from_be_bytes(row[4..12].try_into().unwrap())).unwrap()
        };
        let (fanout, ids, offsets) = (chunk(b"OIDF"), chunk(b"OIDL"), chunk(b"OOFF"));
        for (what, at, bytes) in [
            ("checksum", good.len() - 1, [!good[good.len() - 1]].as_slice()),
            ("signature", 0, b"m"),
            ("version", 4, &[7]),
            ("an id behind the next", ids, &[0xff]),
            ("an id that is in no pack", ids + 3, &[!good[ids + 3]]),
            ("an offset", offsets + 4, &[0, 0, 0, 1]),
        ] {
            let mut bad = good.clone();
            bad[at..at + bytes.len()].copy_from_slice(bytes);
            std::fs::write(&file, bad).unwrap();
            compare(&repo, what);
        }
        // Git tells of these in other words.
        let mut fan = good.clone();
        fan[fanout] = 0xff;
        let mut pack = good.clone();
        pack[offsets] = 0xff;
        for (what, bad) in [
            ("fanout", &fan[..]),
            ("pack", &pack),
            ("table", &good[..100]),
            ("short", &good[..10]),
            ("empty", &[]),
        ] {
            std::fs::write(&file, bad).unwrap();
            let codes = [Git, Ours]
                .map(|program| run(program, &repo.path, &["multi-pack-index", "verify"], b"").status.code());
            assert_eq!(codes[0], codes[1], "{what}");
            assert_ne!(codes[1], Some(0), "{what}");
        }
        // A pack that is gone.
        std::fs::write(&file, &good).unwrap();
        let gone = packs(&repo.path).join(&names(&repo.path)[1]);
        std::fs::rename(&gone, gone.with_extension("away")).unwrap();
        std::fs::rename(gone.with_extension("pack"), gone.with_extension("away2")).unwrap();
        compare(&repo, "a pack is gone");
    }
}
