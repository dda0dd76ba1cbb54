//! `unpack-objects`: its options, and what it keeps of a pack that is damaged.

use crate::common::Program::{Git, Ours};
use crate::common::{FORMATS, Repo, git, output, run};
use git_core::idx::Checksum;
use std::path::Path;

/// A pack of a history, and where its entries begin, in order; the last is where they end.
fn pack(repo: &Repo) -> (Vec<u8>, Vec<usize>) {
    let args = ["pack-objects", "--all", "--stdout", "-q", "--window=10", "--delta-base-offset"];
    let bytes = output(Git, &repo.path, &args, b"");
    let there = tempfile::tempdir().unwrap();
    std::fs::write(there.path().join("x.pack"), &bytes).unwrap();
    let format = format!("--object-format={}", repo.format);
    git(there.path(), &["index-pack", &format, "x.pack"]);
    let index = std::fs::read(there.path().join("x.idx")).unwrap();
    let shown = output(Git, &repo.path, &["show-index", &format], &index);
    let mut starts: Vec<usize> = String::from_utf8(shown)
        .unwrap()
        .lines()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    starts.sort_unstable();
    starts.push(bytes.len() - if repo.format == "sha1" { 20 } else { 32 });
    (bytes, starts)
}

/// The same with a checksum that fits.
fn sealed(repo: &Repo, mut bytes: Vec<u8>, end: usize) -> Vec<u8> {
    bytes.truncate(end);
    let mut checksum = Checksum::new(repo.format.parse().unwrap());
    checksum.update(&bytes);
    bytes.extend_from_slice(checksum.finish().as_bytes());
    bytes
}

/// Exit code, what is said, and what is in the repository afterwards.
fn unpacked(
    program: crate::common::Program,
    format: &str,
    args: &[&str],
    pack: &[u8],
) -> (Option<i32>, Vec<u8>, String, String) {
    let there = tempfile::tempdir().unwrap();
    git(there.path(), &["init", "-q", "--bare", &format!("--object-format={format}"), "."]);
    let said = run(program, there.path(), &[&["unpack-objects"], args].concat(), pack);
    let stderr = String::from_utf8(said.stderr).unwrap().replace("git-core ", "git ");
    (said.status.code(), said.stdout, stderr, objects(there.path()))
}

fn objects(path: &Path) -> String {
    git(path, &["cat-file", "--batch-check", "--batch-all-objects"])
}

#[test]
fn s04_what_is_whole_of_a_damaged_pack_is_kept() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let (bytes, starts) = pack(&repo);
        let end = *starts.last().unwrap();
        let mut cases = vec![("whole", bytes.clone())];
        // The last byte of each entry in turn is part of the checksum of its content.
        for next in &starts[1..] {
            let mut damaged = bytes.clone();
            damaged[next - 1] ^= 0x10;
            cases.push(("content", sealed(&repo, damaged.clone(), end)));
            if *next == starts[1] {
                cases.push(("content and trailer", damaged));
            }
        }
        let mut twice = bytes.clone();
        twice[starts[2] - 1] ^= 1;
        twice[starts[5] - 1] ^= 1;
        cases.push(("two", sealed(&repo, twice, end)));
        cases.push(("cut off", bytes[..starts[4] + 5].to_vec()));
        cases.push(("cut off between", bytes[..starts[4]].to_vec()));
        cases.push(("no trailer", bytes[..end].to_vec()));
        cases.push(("behind", [&bytes[..], b"more"].concat()));
        cases.push(("empty", Vec::new()));
        let mut signature = bytes.clone();
        signature[0] = b'Q';
        cases.push(("signature", signature));
        let mut version = bytes.clone();
        version[7] = 9;
        cases.push(("version", version));
        let mut fewer = bytes.clone();
        fewer[11] -= 1;
        cases.push(("fewer", sealed(&repo, fewer, end)));
        for (what, pack) in &cases {
            for args in [&["-r", "-q"][..], &["-r", "-n", "-q"], &["-r"]] {
                let [theirs, ours] = [Git, Ours].map(|program| unpacked(program, format, args, pack));
                assert_eq!(theirs, ours, "{format} {what} {args:?}");
            }
        }
        // Enough of it was looked at for the test to mean something.
        let kept = unpacked(Ours, format, &["-r"], &cases[3].1);
        assert!(kept.0 != Some(0) && !kept.3.is_empty() && kept.3 != unpacked(Git, format, &[], &bytes).3);
    }
}

#[test]
fn s04_unpack_objects_has_the_options_of_git() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let (bytes, starts) = pack(&repo);
        let size = bytes.len().to_string();
        let header = format!("--pack_header=2,{}", starts.len() - 1);
        let all = |args: &[&str]| args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>();
        for (args, input) in [
            (all(&[]), &bytes[..]),
            (all(&["-q"]), &bytes),
            (all(&["-n"]), &bytes),
            (all(&["--strict"]), &bytes),
            (all(&[&format!("--max-input-size={size}")]), &bytes),
            (all(&["--max-input-size=0"]), &bytes),
            (all(&["-r", "--max-input-size=300"]), &bytes),
            (all(&[&header]), &bytes[12..]),
            (all(&["-r", &header]), &bytes[12..]),
            (all(&["--pack_header=2"]), &bytes[12..]),
            (all(&["--pack_header=2,3x"]), &bytes[12..]),
            (all(&["--what"]), &bytes),
            (all(&["-x"]), &bytes),
            (all(&["what"]), &bytes),
        ] {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let [theirs, ours] = [Git, Ours].map(|program| {
                let (code, out, said, objects) = unpacked(program, format, &args, input);
                // The usage says more than git's.
                let said = if code == Some(129) { String::new() } else { said };
                (code, out, said, objects)
            });
            assert_eq!(theirs, ours, "{format} {args:?}");
        }
    }
}
