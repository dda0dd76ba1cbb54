//! Equal worlds for git and for us: a repository that has remotes, and those.

#![allow(dead_code)]

use crate::common::{FORMATS, Program, git, run};
use std::path::PathBuf;

const NAMES: [(Program, &str); 2] = [(Program::Git, "git"), (Program::Ours, "own")];

/// Two equal worlds of a repository `here`, its remotes `src` and `two`; in one git works, in the other we.
pub(crate) struct Worlds {
    scratch: tempfile::TempDir,
}

/// Runs a test in worlds of either object format.
pub(crate) fn each(test: impl Fn(&Worlds)) {
    for format in FORMATS {
        test(&Worlds::new(format));
    }
}

impl Worlds {
    pub(crate) fn new(format: &str) -> Self {
        let worlds = Worlds { scratch: tempfile::tempdir().unwrap() };
        for top in worlds.tops() {
            std::fs::create_dir(&top).unwrap();
            let format = format!("--object-format={format}");
            git(&top, &["init", "-q", "-b", "main", &format, "src"]);
            let src = top.join("src");
            for n in 1..=3 {
                std::fs::write(src.join("f"), format!("{n}\n")).unwrap();
                git(&src, &["add", "f"]);
                git(&src, &["commit", "-q", "-m", &n.to_string()]);
                git(&src, &["tag", &format!("c{n}")]);
            }
            git(&src, &["branch", "b1", "c1"]);
            git(&src, &["branch", "b2", "c2"]);
            git(&src, &["branch", "a/long/name", "c3"]);
            git(&src, &["tag", "-a", "-m", "ann", "ann", "c3"]);
            git(&top, &["clone", "-q", "src", "two"]);
            git(&top, &["init", "-q", "-b", "main", &format, "here"]);
            git(&top.join("here"), &["remote", "add", "origin", "../src"]);
            git(&top.join("here"), &["remote", "add", "two", "../two"]);
        }
        worlds
    }

    /// The directories of git's world and of ours.
    pub(crate) fn tops(&self) -> Vec<PathBuf> {
        let root = self.scratch.path().canonicalize().unwrap();
        NAMES.iter().map(|(_, name)| root.join(name)).collect()
    }

    /// Runs git in both worlds, in the repository that fetches.
    pub(crate) fn here(&self, args: &[&str]) {
        for top in self.tops() {
            git(&top.join("here"), args);
        }
    }

    /// Runs git in both worlds, in the repository that is fetched from.
    pub(crate) fn there(&self, args: &[&str]) {
        for top in self.tops() {
            git(&top.join("src"), args);
        }
    }

    /// Fetches in both worlds, and compares what is printed on either stream, the exit code, and what is there then.
    pub(crate) fn fetch(&self, args: &[&str]) -> String {
        self.fetch_with(args, b"")
    }

    pub(crate) fn fetch_with(&self, args: &[&str], input: &[u8]) -> String {
        self.run(&[&["fetch"], args].concat(), input, |text| text)
    }

    /// As [`fetch`](Self::fetch), where the lines come in any order.
    pub(crate) fn fetch_sorted(&self, args: &[&str]) -> String {
        self.run(&[&["fetch"], args].concat(), b"", |text| {
            let mut lines: Vec<_> = text.lines().collect();
            lines.sort_unstable();
            lines.join("\n")
        })
    }

    /// Runs a command in both worlds, and compares all that it leaves behind.
    pub(crate) fn same(&self, args: &[&str]) -> String {
        self.run(args, b"", |text| text)
    }

    fn run(&self, args: &[&str], input: &[u8], order: impl Fn(String) -> String) -> String {
        let said: Vec<_> = NAMES
            .iter()
            .zip(self.tops())
            .map(|((program, _), top)| {
                let here = top.join("here");
                let output = run(*program, &here, args, input);
                let [stdout, stderr] = [&output.stdout, &output.stderr].map(|text| {
                    let text = String::from_utf8_lossy(text).replace(top.to_str().unwrap(), "<top>");
                    let lines = text.lines().take_while(|line| !line.starts_with("usage:"));
                    order(lines.map(|line| format!("{line}\n")).collect())
                });
                let refs = git(&here, &["for-each-ref", "--format=%(objectname) %(refname) %(symref)"]);
                let logs: Vec<_> = ["refs/remotes/origin/main", "refs/remotes/origin/b2", "refs/heads/main", "refs/heads/x"]
                    .iter()
                    .map(|name| std::fs::read_to_string(here.join(".git/logs").join(name)).unwrap_or_default())
                    .collect();
                format!(
                    "exit {:?}\n--- stdout\n{stdout}--- stderr\n{stderr}--- refs\n{refs}\n--- logs\n{}--- FETCH_HEAD\n{}--- config\n{}",
                    output.status.code(),
                    logs.concat(),
                    order(std::fs::read_to_string(here.join(".git/FETCH_HEAD")).unwrap_or_default()),
                    std::fs::read_to_string(here.join(".git/config")).unwrap(),
                )
            })
            .collect();
        assert!(said[0] == said[1], "{args:?}\n{}", differences(&said[0], &said[1]));
        said[0].clone()
    }
}

/// The lines that only one of two texts has, with the headings between them.
fn differences(theirs: &str, ours: &str) -> String {
    let only = |text: &str, other: &str| {
        let other: Vec<_> = other.lines().collect();
        let lines = text.lines().filter(|line| line.starts_with("--- ") || !other.contains(line));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let (theirs, ours) = (only(theirs, ours), only(ours, theirs));
    format!("=== only git\n{theirs}=== only ours\n{ours}=== (or another order)")
}
