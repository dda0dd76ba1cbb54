//! Running the program and git side by side on repositories that are made for the purpose.

// Each file of tests is a program of its own and uses a part of this.
#![allow(dead_code)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A program under comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Git,
    Ours,
}

/// A repository in a directory that goes away with it.
pub(crate) struct Repo {
    _scratch: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) format: &'static str,
}

/// Both object formats.
pub(crate) const FORMATS: [&str; 2] = ["sha1", "sha256"];

/// A command without anything of the user's surroundings.
pub(crate) fn command(program: Program, directory: &Path) -> Command {
    let mut command = Command::new(match program {
        Program::Git => "git",
        Program::Ours => env!("CARGO_BIN_EXE_git-core"),
    });
    command.current_dir(directory).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A U Thor"),
        ("GIT_AUTHOR_EMAIL", "author@example.com"),
        ("GIT_COMMITTER_NAME", "C O Mitter"),
        ("GIT_COMMITTER_EMAIL", "committer@example.com"),
        ("GIT_AUTHOR_DATE", "1112911993 -0700"),
        ("GIT_COMMITTER_DATE", "1112912053 -0700"),
        ("GIT_CEILING_DIRECTORIES", "/"),
        ("TZ", "UTC"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    command
}

/// Runs a program with this on its standard input.
pub(crate) fn run(program: Program, directory: &Path, args: &[&str], input: &[u8]) -> Output {
    let mut child = command(program, directory)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that does not read its input is no failure of the test.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

/// What a program prints; it must succeed.
pub(crate) fn output(program: Program, directory: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let output = run(program, directory, args, input);
    assert!(output.status.success(), "{program:?} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What git prints, as text without the line break at its end.
pub(crate) fn git(directory: &Path, args: &[&str]) -> String {
    let text = String::from_utf8(output(Program::Git, directory, args, b"")).unwrap();
    text.trim_end_matches('\n').to_owned()
}

/// Runs both, and compares standard output and exit code.
pub(crate) fn same(directory: &Path, args: &[&str], input: &[u8]) {
    let (theirs, ours) =
        (run(Program::Git, directory, args, input), run(Program::Ours, directory, args, input));
    let shown = |output: &Output| {
        format!(
            "exit {:?}\n{}\n--- stderr\n{}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).replace('\0', "^@"),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    assert!(
        theirs.stdout == ours.stdout && theirs.status.code() == ours.status.code(),
        "{args:?}\n=== git\n{}\n=== ours\n{}",
        shown(&theirs),
        shown(&ours)
    );
}

/// As [`same`], for lines of arguments that are divided by blanks, with `'` around those that hold some.
pub(crate) fn same_lines(directory: &Path, lines: &str) {
    let lines: Vec<Vec<String>> =
        lines.lines().map(str::trim).filter(|line| !line.is_empty()).map(words).collect();
    // Starting programs takes most of the time.
    std::thread::scope(|scope| {
        for part in lines.chunks(lines.len().div_ceil(4).max(1)) {
            scope.spawn(move || {
                for line in part {
                    same(directory, &line.iter().map(String::as_str).collect::<Vec<_>>(), b"");
                }
            });
        }
    });
}

fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

impl Repo {
    /// A repository without commits.
    pub(crate) fn empty(format: &'static str) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().canonicalize().unwrap().join("repo");
        git(
            path.parent().unwrap(),
            &["init", "-q", "-b", "master", &format!("--object-format={format}"), path.to_str().unwrap()],
        );
        Repo { _scratch: scratch, path, format }
    }

    /// The same repository once more, its files as old as they are here.
    pub(crate) fn copy(&self) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().canonicalize().unwrap().join("repo");
        let mut pending = vec![(self.path.clone(), path.clone())];
        while let Some((from, to)) = pending.pop() {
            std::fs::create_dir(&to).unwrap();
            for entry in std::fs::read_dir(&from).unwrap().map(Result::unwrap) {
                let to = to.join(entry.file_name());
                if entry.file_type().unwrap().is_dir() {
                    pending.push((entry.path(), to));
                } else {
                    std::fs::copy(entry.path(), &to).unwrap();
                    let modified = entry.metadata().unwrap().modified().unwrap();
                    std::fs::File::open(&to).unwrap().set_modified(modified).unwrap();
                }
            }
        }
        Repo { _scratch: scratch, path, format: self.format }
    }

    /// A small history: a merge, tags of tags, odd names, a symbolic ref, some of it packed.
    pub(crate) fn small(format: &'static str) -> Self {
        let repo = Self::empty(format);
        let at = |args: &[&str]| git(&repo.path, args);
        let write = |name: &str, content: &str| {
            let path = repo.path.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        };
        let mut time = 1_112_912_000;
        let mut commit = |message: &str| {
            time += 60;
            let date = format!("{time} +0200");
            let done = command(Program::Git, &repo.path)
                .args(["commit", "-q", "--allow-empty", "-m", message])
                .env("GIT_COMMITTER_DATE", &date)
                .env("GIT_AUTHOR_DATE", &date)
                .status()
                .unwrap();
            assert!(done.success());
        };
        let text = |from: u32| (from..from + 60).map(|n| format!("line {n}\n")).collect::<String>();
        write("f", &text(1));
        write("d/g", "g\n");
        write("d/sub/deep file", "deep\n");
        write("d-x", "no newline");
        write("umläut", "ü\n");
        at(&["add", "."]);
        commit("one\n\nThe first\none.");
        write("f", &text(2));
        at(&["add", "."]);
        commit("two");
        at(&["tag", "-a", "v1", "-m", "tag one\n\nbody of the tag"]);
        at(&["tag", "light"]);
        at(&["tag", "-a", "v2", "v1", "-m", "nested"]);
        at(&["repack", "-q", "-a", "-d"]);
        at(&["pack-refs", "--all"]);
        at(&["checkout", "-q", "-b", "side", "HEAD~1"]);
        write("s", "side\n");
        at(&["add", "."]);
        commit("side");
        at(&["checkout", "-q", "master"]);
        at(&["-c", "commit.gpgsign=false", "merge", "-q", "side", "-m", "merged"]);
        commit("an empty commit, long enough to be of two lines\nin its subject");
        at(&["symbolic-ref", "refs/heads/sym", "refs/heads/master"]);
        at(&["tag", "blob", "HEAD:f"]);
        at(&["branch", "v1"]);
        at(&["branch", "-D", "-q", "v1"]);
        repo
    }
}
