//! Archives, made here and fetched from others: between git and the program, on either side, they are the same.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

#[path = "archive/remote.rs"]
mod remote;

use common::{FORMATS, Program, Repo, command, git, output, run, same, same_lines};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// A tree with something of everything that archives treat in a way of its own.
fn repo(format: &'static str) -> Repo {
    let repo = Repo::small(format);
    let write = |name: &str, content: &[u8]| {
        let path = repo.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    write("run", b"#!/bin/sh\n");
    write("binary", b"a\0b");
    write("windows.txt", b"a\nb\n");
    write("ident", b"$Id$ and $Id: other words here $\n");
    write("wide", "wïde\n".as_bytes());
    write("ignored/file", b"x");
    write("only/ignored", b"x");
    write("kept/skip/file", b"x");
    write("kept/file", b"x");
    write("docs/a.c", b"int x;\n");
    write("docs/deep/b.c", b"int y;\n");
    write("a\"b", b"quoted\n");
    write("filtered", b"hello\n");
    // Paths around the lengths that a header of a tar file holds.
    for (directory, name) in [(99, 1), (98, 1), (60, 40), (155, 1), (154, 100), (154, 101), (50, 120)] {
        write(&format!("{}/{}", "p".repeat(directory), "n".repeat(name)), b"long");
    }
    write(&format!("{}/{}/x", "q".repeat(120), "r".repeat(120)), b"long");
    write(
        ".gitattributes",
        b"[attr]gone export-ignore\nignored gone\nonly/* gone\nskip/ gone\n*.sub export-subst\n\
          *.txt eol=crlf\nident ident\nwide working-tree-encoding=UTF-16LE\n*.c -diff\nfiltered filter=upper\n",
    );
    write("docs/.gitattributes", b"deep/* !diff\n");
    let formats = "%H %h %T %t %P %p|%an %aN %ae %aE %al %aL|%ad|%aD|%ai|%aI|%as|%at|%cn %ce %cd %ct|%s|%f|%b|%B|%e\
                   |%d|%D|%n%%%x41|%m|%C(red)x%Creset|%zz|%(decorate:prefix=<,suffix=>,separator=;,tag=T )|%+b|%-b|% b|%+D\
                   |%G?|%(describe)|%(describe)|%x4|%(foo)|%";
    let lines: String = formats.split('|').map(|format| format!("$Format:{format}$ $Forma:%H$\n")).collect();
    write("all.sub", format!("{lines}$Format:%H").as_bytes());
    std::os::unix::fs::symlink("f", repo.path.join("link")).unwrap();
    std::os::unix::fs::symlink("x".repeat(150), repo.path.join("long-link")).unwrap();
    std::fs::set_permissions(repo.path.join("run"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let at = |args: &[&str]| git(&repo.path, args);
    at(&["add", "."]);
    let id = at(&["rev-parse", "HEAD"]);
    at(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},sub/module")]);
    at(&["commit", "-q", "-m", "everything\nin two lines\n\nAnd a body.\n\nSigned-off-by: A"]);
    at(&["tag", "-a", "v3", "-m", "three"]);
    at(&["update-ref", "refs/remotes/origin/master", "HEAD"]);
    at(&["update-ref", "refs/notes/commits", "HEAD"]);
    at(&["config", "filter.upper.smudge", "tr a-z A-Z; echo %f"]);
    at(&["config", "tar.reversed.command", "rev"]);
    at(&["config", "tar.tar.xz.command", "xz -c"]);
    at(&["config", "tar.tar.xz.remote", "true"]);
    repo
}

/// Inflates what is in gzip.
fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut child =
        Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = bytes.to_vec();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let mut out = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    feeder.join().unwrap();
    assert!(child.wait().unwrap().success());
    out
}

#[test]
fn tar_files_are_the_same_byte_for_byte() {
    for format in FORMATS {
        let repo = repo(format);
        same_lines(
            &repo.path,
            "archive HEAD
             archive v3
             archive HEAD~1
             archive v1
             archive --prefix=a/b// HEAD
             archive --prefix=a HEAD docs
             archive --format=tar HEAD docs kept
             archive HEAD ':(glob)docs/*.c'
             archive HEAD '*.c'
             archive HEAD ':!docs'
             archive HEAD ':(exclude)*.c' docs
             archive HEAD ':(icase)DOCS'
             archive HEAD sub
             archive HEAD sub/module/
             archive HEAD ./docs/../kept
             archive --mtime=2005-04-07T22:13:13 HEAD^{tree} docs
             archive --mtime=1112911993 HEAD:docs
             archive --prefix=x/ --add-file=run --prefix=y/ --add-file=docs/a.c --add-virtual-file=v/w:text HEAD docs
             archive '--add-virtual-file=\"a:\\tb\":c:d' HEAD docs
             archive --worktree-attributes HEAD
             archive --format=zip -0 HEAD
             archive --format=zip -0 --prefix=z/ --add-file=binary HEAD
             archive --format=tar.xz HEAD docs
             archive --format=reversed HEAD docs
             archive --list
             archive",
        );
        for (key, value) in [
            ("tar.umask", "0"),
            ("tar.umask", "user"),
            ("tar.umask", "077"),
            ("core.autocrlf", "true"),
            ("core.eol", "crlf"),
            ("core.attributesFile", "docs/.gitattributes"),
            ("filter.upper.smudge", "false"),
            ("diff.bin.binary", "true"),
        ] {
            same(&repo.path, &["-c", &format!("{key}={value}"), "archive", "HEAD"], b"");
        }
        for directory in ["docs", "docs/deep", "kept/skip", "only"] {
            let below = repo.path.join(directory);
            same(&below, &["archive", "HEAD"], b"");
            same(&below, &["archive", "HEAD", "."], b"");
            same(&below, &["archive", "HEAD", "*.c"], b"");
        }
        // A working tree that has other attributes than what is archived.
        std::fs::write(repo.path.join(".gitattributes"), "docs/** export-ignore\n").unwrap();
        std::fs::write(repo.path.join(".git/info/attributes"), "kept/file export-ignore\n").unwrap();
        same(&repo.path, &["archive", "HEAD"], b"");
        same(&repo.path, &["archive", "--worktree-attributes", "HEAD"], b"");
    }
}

#[test]
fn what_cannot_be_archived_is_said_as_git_says_it() {
    let repo = repo("sha1");
    for line in [
        "nosuch",
        "HEAD nosuch",
        "HEAD docs nosuch",
        "HEAD:f",
        "HEAD ../f",
        "--format=foo HEAD",
        "-5 HEAD",
        "--format=zip -10 HEAD",
        "--format=tgz -10 HEAD",
        "--add-file=nosuch HEAD",
        "--add-file=docs HEAD",
        "--add-virtual-file=x HEAD",
        "--list x",
        "-o /nonexistent/x HEAD",
        "HEAD :(bogus)x",
    ] {
        let args: Vec<&str> = std::iter::once("archive").chain(line.split(' ')).collect();
        let (theirs, ours) =
            (run(Program::Git, &repo.path, &args, b""), run(Program::Ours, &repo.path, &args, b""));
        let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(theirs.status.code(), ours.status.code(), "{line}");
        if line.contains("../") {
            // git also says where the repository is.
            assert!(shown(&theirs.stderr).starts_with(shown(&ours.stderr).trim_end()), "{line}");
        } else {
            assert_eq!(shown(&theirs.stderr), shown(&ours.stderr), "{line}");
        }
    }
    let (theirs, ours) = (
        run(Program::Git, &repo.path, &["archive", "-v", "--prefix=p/", "HEAD", "docs"], b""),
        run(Program::Ours, &repo.path, &["archive", "-v", "--prefix=p/", "HEAD", "docs"], b""),
    );
    assert_eq!(theirs.stderr, ours.stderr);
    assert!(!ours.stderr.is_empty());
}

#[test]
fn compressed_archives_hold_the_same() {
    let repo = repo("sha1");
    for args in
        [&["--format=tgz", "HEAD"][..], &["--format=tar.gz", "-9", "HEAD"], &["--format=tgz", "-1", "HEAD"]]
    {
        let args = [&["archive"], args].concat();
        let theirs = output(Program::Git, &repo.path, &args, b"");
        let ours = output(Program::Ours, &repo.path, &args, b"");
        assert_eq!(theirs[..10], ours[..10], "{args:?}: the header of gzip");
        assert!(gunzip(&theirs) == gunzip(&ours), "{args:?}");
    }
    let target = repo.path.with_extension("tar.gz");
    let name = target.to_str().unwrap();
    output(Program::Ours, &repo.path, &["archive", "-o", name, "HEAD"], b"");
    let plain = output(Program::Git, &repo.path, &["archive", "HEAD"], b"");
    assert!(gunzip(&std::fs::read(&target).unwrap()) == plain);
    for program in [Program::Git, Program::Ours] {
        let zip = repo.path.with_extension(format!("{program:?}.zip"));
        output(program, &repo.path, &["archive", "-o", zip.to_str().unwrap(), "HEAD"], b"");
    }
    let (theirs, ours) = (listed(&repo.path, "Git"), listed(&repo.path, "Ours"));
    assert!(theirs.contains("everything") || theirs.lines().count() > 20);
    assert_eq!(theirs, ours);
}

/// What `zipinfo` says of an archive, but for what depends on how well it was compressed; it must be sound.
fn listed(repo: &Path, who: &str) -> String {
    let zip = repo.with_extension(format!("{who}.zip"));
    let sound = Command::new("unzip").arg("-tqq").arg(&zip).status().unwrap();
    assert!(sound.success(), "{who}");
    let text = Command::new("zipinfo").arg("-v").arg(&zip).env("TZ", "UTC").output().unwrap().stdout;
    let text = String::from_utf8_lossy(&text).into_owned();
    let varies =
        ["compressed size:", "offset", "file size", "Archive:", "central directory is", " is ", "h) bytes"];
    text.lines()
        .filter(|line| !varies.iter().any(|word| line.contains(word)))
        .map(|l| format!("{l}\n"))
        .collect()
}

#[test]
fn large_files_are_streamed() {
    let repo = Repo::empty("sha1");
    let mut state = 1u32;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(3 << 20)
    .collect();
    std::fs::write(repo.path.join("noise"), &noise).unwrap();
    std::fs::write(repo.path.join("zeros"), vec![0; 5 << 20]).unwrap();
    std::fs::write(repo.path.join("text"), "line\n".repeat(500_000)).unwrap();
    git(&repo.path, &["add", "."]);
    git(&repo.path, &["commit", "-q", "-m", "large"]);
    for packed in [false, true] {
        if packed {
            git(&repo.path, &["repack", "-q", "-a", "-d"]);
        }
        same(&repo.path, &["archive", "HEAD"], b"");
        for limit in ["1", "1m", "4m", "512m"] {
            let threshold = format!("core.bigFileThreshold={limit}");
            same(&repo.path, &["-c", &threshold, "archive", "HEAD"], b"");
            let zip = repo.path.with_extension(format!("{limit}.{packed}.zip"));
            let args = ["-c", &threshold, "archive", "-o", zip.to_str().unwrap(), "HEAD"];
            output(Program::Ours, &repo.path, &args, b"");
            let sound = Command::new("unzip").arg("-tqq").arg(&zip).status().unwrap();
            assert!(sound.success(), "{limit}");
            let back = Command::new("unzip").arg("-p").arg(&zip).arg("noise").output().unwrap().stdout;
            assert!(back == noise, "{limit}");
        }
    }
}

#[test]
fn relative_dates_are_told_as_git_tells_them() {
    let repo = Repo::empty("sha1");
    std::fs::write(repo.path.join("x"), "$Format:%ar %cr$\n").unwrap();
    std::fs::write(repo.path.join(".gitattributes"), "x export-subst\n").unwrap();
    git(&repo.path, &["add", "."]);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    // Half a unit away from where the words change.
    for ago in [600, 20_000, 300_000, 2_000_000, 8_000_000, 45_000_000, 130_000_000, 600_000_000] {
        let date = format!("@{} +0000", now - ago - 17);
        let done = command(Program::Git, &repo.path)
            .args(["commit", "-q", "--allow-empty", "-m", "x"])
            .env("GIT_COMMITTER_DATE", &date)
            .env("GIT_AUTHOR_DATE", &date)
            .status();
        assert!(done.unwrap().success());
        same(&repo.path, &["archive", "HEAD"], b"");
    }
}
