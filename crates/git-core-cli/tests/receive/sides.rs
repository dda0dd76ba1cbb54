//! Two equal worlds, each a repository that pushes and one that is pushed to, which differ in the server alone.

use super::common::{FORMATS, Program, command, git, output};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The two worlds.
pub(super) struct Sides {
    scratch: tempfile::TempDir,
    pub(super) format: &'static str,
}

/// Whether the repository that is pushed to has a working tree.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bare,
    WithTree,
}

const NAMES: [(Program, &str); 2] = [(Program::Git, "git"), (Program::Ours, "own")];

/// Runs a test in both object formats.
pub(super) fn each(kind: Kind, test: impl Fn(&Sides)) {
    for format in FORMATS {
        test(&Sides::new(kind, format));
    }
}

impl Sides {
    /// `main` and `other` of the server are at the first of three commits, the client's `main` is at the last.
    pub(super) fn new(kind: Kind, format: &'static str) -> Self {
        let sides = Sides { scratch: tempfile::tempdir().unwrap(), format };
        for (_, name) in NAMES {
            let top = sides.root().join(name);
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
            std::fs::write(src.join("more"), "more\n").unwrap();
            git(&src, &["add", "more"]);
            git(&src, &["commit", "-q", "-m", "more"]);
            git(&src, &["branch", "with-more"]);
            git(&src, &["reset", "-q", "--hard", "c3"]);
            // A commit with a date that is none.
            let tree = git(&src, &["rev-parse", "HEAD^{tree}"]);
            let bad = format!("tree {tree}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> x +0000\n\nm\n");
            let args = ["hash-object", "--literally", "-t", "commit", "-w", "--stdin"];
            let id = String::from_utf8(output(Program::Git, &src, &args, bad.as_bytes())).unwrap();
            git(&src, &["update-ref", "refs/tags/bad", id.trim()]);
            match kind {
                Kind::Bare => git(&top, &["init", "-q", "-b", "main", "--bare", &format, "dst"]),
                Kind::WithTree => git(&top, &["init", "-q", "-b", "main", &format, "dst"]),
            };
            let dst = top.join("dst");
            git(&dst, &["fetch", "-q", "../src", "c1:refs/heads/other", "c1:refs/heads/start"]);
            git(&dst, &["update-ref", "refs/heads/main", "refs/heads/start"]);
            if kind == Kind::WithTree {
                git(&dst, &["reset", "-q", "--hard"]);
            }
        }
        sides
    }

    /// As [`push`](Self::push), over what listens at these two addresses, the first for git's server; `<url>` among
    /// the arguments stands for it.
    pub(super) fn push_over(&self, urls: &[String; 2], args: &[&str]) -> String {
        let said: Vec<_> = NAMES
            .iter()
            .zip(urls)
            .map(|((_, name), url)| {
                let top = self.root().join(name);
                let mut push = command(Program::Git, &top.join("src"));
                push.arg("push").arg("--no-progress");
                push.args(args.iter().map(|arg| if *arg == "<url>" { url } else { *arg }));
                let output = push.stdin(Stdio::null()).output().unwrap();
                let said = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
                let text = format!("exit {:?}\n{}{}", output.status.code(), said[0], said[1]);
                plain(&text.replace(url, "<url>"), &top)
            })
            .collect();
        assert_eq!(said[0], said[1], "{}: git push {args:?}: left git's, right ours", self.format);
        self.same_state();
        said[0].clone()
    }

    /// The directories that hold the repositories, the first for git's server.
    pub(super) fn tops(&self) -> [PathBuf; 2] {
        NAMES.map(|(_, name)| self.root().join(name))
    }

    fn root(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap()
    }

    /// The directories of the repositories that are pushed to.
    pub(super) fn servers(&self) -> Vec<PathBuf> {
        NAMES.iter().map(|(_, name)| self.root().join(name).join("dst")).collect()
    }

    /// Runs git in both repositories that are pushed to.
    pub(super) fn at_server(&self, args: &[&str]) {
        let said: Vec<_> = self.servers().iter().map(|dst| git(dst, args)).collect();
        assert_eq!(said[0], said[1], "{args:?}");
    }

    /// Puts a hook into both repositories.
    pub(super) fn hook(&self, name: &str, script: &str) {
        self.script(&format!("hooks/{name}"), script, 0o755);
    }

    /// Puts a script of the shell into both git directories.
    pub(super) fn script(&self, path: &str, script: &str, mode: u32) {
        for dst in self.servers() {
            let path = git_dir(&dst).join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    }

    /// Takes a hook away.
    pub(super) fn no_hook(&self, name: &str) {
        for dst in self.servers() {
            std::fs::remove_file(git_dir(&dst).join("hooks").join(name)).unwrap();
        }
    }

    /// Pushes with git to both servers, compares all that git prints and what is there afterwards, and gives it.
    pub(super) fn push(&self, args: &[&str]) -> String {
        let said = NAMES.map(|(program, name)| self.push_to(program, name, args));
        assert_eq!(said[0], said[1], "{}: git push {args:?}: left git's, right ours", self.format);
        self.same_state();
        said[0].clone()
    }

    /// Pushes with git to our server only.
    pub(super) fn push_ours(&self, args: &[&str]) -> String {
        self.push_to(Program::Ours, NAMES[1].1, args)
    }

    fn push_to(&self, program: Program, name: &str, args: &[&str]) -> String {
        let top = self.root().join(name);
        let mut push = command(Program::Git, &top.join("src"));
        push.arg("push").arg("--no-progress");
        if program == Program::Ours {
            push.arg(format!("--receive-pack={} receive-pack", env!("CARGO_BIN_EXE_git-core")));
        }
        let output = push.args(args).stdin(Stdio::null()).output().unwrap();
        let text = format!(
            "exit {:?}\n{}{}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        plain(&text, &top)
    }

    /// Compares refs, `HEAD`, what is staged and what the files are.
    pub(super) fn same_state(&self) {
        let states: Vec<_> = self
            .servers()
            .iter()
            .map(|dst| {
                let mut state = git(dst, &["for-each-ref"]);
                state += &git(dst, &["symbolic-ref", "HEAD"]);
                let sound = command(Program::Git, dst).args(["fsck", "--full"]).output().unwrap().status;
                state += &format!("{:?}", sound.code());
                if dst.join(".git").exists() {
                    state += &git(dst, &["status", "--porcelain"]);
                    state += &std::fs::read_to_string(dst.join("f")).unwrap_or_default();
                }
                state
            })
            .collect();
        assert_eq!(states[0], states[1], "{}: the state behind", self.format);
    }

    /// Compares a file that hooks wrote in both git directories, and gives it.
    pub(super) fn same_file(&self, path: &str) -> String {
        let texts: Vec<_> = self
            .servers()
            .iter()
            .map(|dst| {
                let text = std::fs::read_to_string(git_dir(dst).join(path)).unwrap_or_default();
                plain(&text, dst.parent().unwrap())
            })
            .collect();
        assert_eq!(texts[0], texts[1], "{}: {path}: left git's, right ours", self.format);
        texts[0].clone()
    }
}

fn git_dir(dst: &Path) -> PathBuf {
    let inner = dst.join(".git");
    if inner.exists() { inner } else { dst.to_path_buf() }
}

/// Without what has to differ: where the world lies, and what quarantines are called.
fn plain(text: &str, top: &Path) -> String {
    let text = text.replace(top.to_str().unwrap(), "<top>").replace("/./", "/");
    let mut out = String::new();
    for piece in text.split_inclusive("tmp_objdir-incoming-") {
        let cut = if out.ends_with("tmp_objdir-incoming-") {
            piece.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(piece.len())
        } else {
            0
        };
        out.push_str(&piece[cut..]);
    }
    out
}
