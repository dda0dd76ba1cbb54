//! Names, packed-refs and reflogs as `git` has them, in both object formats.

#![allow(clippy::unwrap_used)]

use git_core_object::{ObjectFormat, ObjectId};
use git_core_ref::{
    LogMessage, PackedRefs, PackedRefsWriter, Peeled, RefName, ReflogLine, Target, check_format,
    check_pattern, reflog,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for (who, name) in [("AUTHOR", "A U Thor"), ("COMMITTER", "C O Mitter")] {
        command.env(format!("GIT_{who}_NAME"), name).env(format!("GIT_{who}_EMAIL"), "a@example.com");
        command.env(format!("GIT_{who}_DATE"), "1112911993 -0700");
    }
    command
}

fn run(dir: &Path, args: &[&str]) -> String {
    let output = git(dir).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Texts made of the pieces that the rules are about.
fn names(count: usize) -> Vec<String> {
    let piece = prop::sample::select(vec![
        "a", "b", "refs", "heads", "main", "/", "/", "/", ".", "..", ".lock", "@", "{", "@{", "~", "^", ":",
        "?", "*", "[", "]", "\\", " ", "\t", "\x7f", "-", "ö", "lock", "HEAD", "_", "%", "'", "\"", "$", "}",
        "\x01",
    ]);
    let tail = prop::collection::vec(piece, 0..7).prop_map(|pieces| pieces.concat());
    let name = prop_oneof![tail.clone(), tail.prop_map(|tail| format!("refs/{tail}"))];
    let mut runner = TestRunner::deterministic();
    // git would take a leading dash for an option.
    let names = (0..count).map(|_| name.new_tree(&mut runner).unwrap().current());
    names.filter(|name| !name.starts_with('-')).collect()
}

/// git's verdicts, by as many calls as there are names, in one shell.
fn verdicts(options: &str, names: &[String]) -> Vec<bool> {
    let script = format!(
        "while IFS= read -r name; do if git check-ref-format {options} \"$name\"; then echo 1; else echo 0; fi; done"
    );
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = names.iter().flat_map(|name| [name.as_str(), "\n"]).collect::<String>();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "1").collect()
}

#[test]
fn names_have_gits_verdicts() {
    let names = names(1500);
    let expected = verdicts("", &names);
    assert_eq!(expected.len(), names.len());
    assert!(expected.iter().filter(|ok| **ok).count() > 100);
    for (name, expected) in names.iter().zip(expected) {
        assert_eq!(check_format(name.as_bytes()).is_ok(), expected, "{name:?}");
        if name.starts_with("refs/") {
            assert_eq!(RefName::new(name).is_ok(), expected, "{name:?}");
        }
    }
}

#[test]
fn patterns_have_gits_verdicts() {
    let names = names(700);
    for (name, expected) in names.iter().zip(verdicts("--refspec-pattern --allow-onelevel", &names)) {
        assert_eq!(check_pattern(name.as_bytes()).is_ok(), expected, "{name:?}");
    }
}

fn repository(format: ObjectFormat) -> (tempfile::TempDir, ObjectId) {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "-q", "-b", "main", &format!("--object-format={format}")]);
    run(dir.path(), &["config", "core.logAllRefUpdates", "true"]);
    run(dir.path(), &["commit", "-q", "--allow-empty", "-m", "first  line\n\nbody"]);
    let id = run(dir.path(), &["rev-parse", "HEAD"]).parse().unwrap();
    (dir, id)
}

#[test]
fn packed_refs_are_byte_for_byte_gits() {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let (dir, id) = repository(format);
        for name in ["heads/a", "heads/a-b", "heads/a.b/c", "heads/z/ö", "notes/x", "tags/light"] {
            run(dir.path(), &["update-ref", &format!("refs/{name}"), &id.to_string()]);
        }
        run(dir.path(), &["tag", "-a", "-m", "x", "annotated"]);
        run(dir.path(), &["tag", "-a", "-m", "x", "nested", "annotated"]);
        run(dir.path(), &["pack-refs", "--all"]);
        let file = std::fs::read(dir.path().join(".git/packed-refs")).unwrap();
        let packed = PackedRefs::parse(format, &file).unwrap();
        assert!(packed.is_sorted());
        let mut writer = PackedRefsWriter::new(format);
        let mut listed = String::new();
        for entry in packed.iter() {
            let entry = entry.unwrap();
            assert_eq!(packed.find(entry.name).unwrap(), Some(entry));
            let peeled = match entry.peeled {
                Peeled::To(id) => Some(id),
                _ => None,
            };
            assert_eq!(peeled.is_some(), entry.name.ends_with(b"ed"));
            writer.add(&entry.ref_name().unwrap(), &entry.id, peeled.as_ref()).unwrap();
            listed += &format!("{} {}\n", entry.id, entry.name);
        }
        assert_eq!(writer.finish(), file);
        let expected = run(dir.path(), &["for-each-ref", "--format=%(objectname) %(refname)"]);
        assert_eq!(listed.trim_end(), expected);
    }
}

#[test]
fn loose_refs_and_reflogs_are_gits() {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let (dir, id) = repository(format);
        let git_dir = dir.path().join(".git");
        let head = std::fs::read(git_dir.join("HEAD")).unwrap();
        let target = Target::parse_loose(format, &head).unwrap();
        assert_eq!(target, Target::Symbolic(RefName::branch("main").unwrap()));
        assert_eq!(target.format_loose(), head);
        let main = std::fs::read(git_dir.join("refs/heads/main")).unwrap();
        assert_eq!(Target::parse_loose(format, &main), Ok(Target::Id(id)));
        assert_eq!(Target::Id(id).format_loose(), main);

        let hex = id.to_string();
        run(
            dir.path(),
            &["update-ref", "--create-reflog", "-m", "  a \t message\nof lines ", "refs/x/y", &hex],
        );
        run(dir.path(), &["update-ref", "--create-reflog", "refs/x/z", &hex]);
        for (name, message) in [
            ("x/y", "  a \t message\nof lines "),
            ("x/z", ""),
            ("heads/main", "commit (initial): first  line"),
        ] {
            let file = std::fs::read(git_dir.join("logs/refs").join(name)).unwrap();
            let lines = reflog::lines(format, &file).map(Result::unwrap).collect::<Vec<_>>();
            let log = LogMessage::new("C O Mitter <a@example.com> 1112911993 -0700", message);
            let expected = ReflogLine::of_change(ObjectId::null(format), id, &log);
            assert_eq!(lines, [expected]);
            let mut out = Vec::new();
            lines[0].write(&mut out);
            assert_eq!(out, file, "{name}");
        }
    }
}
