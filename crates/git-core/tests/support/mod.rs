//! Repositories that git has made, servers over them, and what is looked at afterwards.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses its part")]

pub mod history;
pub mod raw;
#[cfg(unix)]
pub mod real;

use git_core::Repository;
use git_core::object::{ObjectFormat, ObjectId};
use git_core::protocol::ProtocolVersion;
use git_core::refs::Refspec;
use git_core::refs::refspec::Direction;
use git_core::remote::{FetchOptions, Link, PushOptions};
use git_core::server::{Backing, PushAccess, Running, Server, Terms};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];
pub const VERSIONS: [ProtocolVersion; 3] = [ProtocolVersion::V0, ProtocolVersion::V1, ProtocolVersion::V2];

/// `git` with nothing of the machine's own configuration, in a directory.
pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    isolate(&mut command);
    command.current_dir(dir);
    command
}

/// Takes what the machine says about git out of a command's environment.
pub fn isolate(command: &mut Command) {
    for name in ["GIT_DIR", "GIT_PROTOCOL", "GIT_SSH", "GIT_SSH_COMMAND"] {
        command.env_remove(name);
    }
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A U Thor"),
        ("GIT_AUTHOR_EMAIL", "author@example.com"),
        ("GIT_AUTHOR_DATE", "1700000000 -0200"),
        ("GIT_COMMITTER_NAME", "C O Mitter"),
        ("GIT_COMMITTER_EMAIL", "committer@example.com"),
        ("GIT_COMMITTER_DATE", "1700000000 -0200"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
        ("TZ", "UTC"),
    ] {
        command.env(name, value);
    }
}

/// Runs git, whatever comes of it.
pub fn output(dir: &Path, args: &[&str]) -> Output {
    git(dir).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs git; its standard output as it came.
pub fn bytes(dir: &Path, args: &[&str]) -> Vec<u8> {
    let output = output(dir, args);
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs git; its trimmed standard output.
pub fn run(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(bytes(dir, args)).unwrap().trim_end().to_owned()
}

/// Runs git, which must fail; what it complained of.
pub fn fails(dir: &Path, args: &[&str]) -> String {
    let output = output(dir, args);
    assert!(!output.status.success(), "git {args:?} should have failed");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs git with something on its standard input.
pub fn feed(dir: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut command = git(dir);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Runs a remote command of git in a version of the protocol.
pub fn run_version(dir: &Path, version: ProtocolVersion, args: &[&str]) -> String {
    let version = format!("protocol.version={}", version.number());
    run(dir, &[&["-c", &version], args].concat())
}

/// The object that git finds under a name.
pub fn rev(dir: &Path, name: &str) -> ObjectId {
    run(dir, &["rev-parse", "--verify", name]).parse().unwrap()
}

/// All refs, as git lists them.
pub fn refs(dir: &Path) -> String {
    run(dir, &["for-each-ref"])
}

/// An empty bare repository that git has made.
pub fn bare(dir: &Path, name: &str, format: ObjectFormat) -> PathBuf {
    let format = format!("--object-format={}", format.name());
    run(dir, &["init", "-q", "--bare", "-b", "master", &format, name]);
    dir.join(name)
}

/// git finds nothing wrong, and nothing that no ref reaches; nothing half-done lies about.
pub fn sound(dir: &Path) {
    let output = output(dir, &["fsck", "--full", "--strict", "--no-progress"]);
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    assert!(said.lines().all(|line| line.starts_with("notice:")), "{said}");
    assert_eq!(residue(dir), Vec::<PathBuf>::new());
}

/// Locks and scratch files. What a dropped connection leaves may take a moment to go.
pub fn residue(dir: &Path) -> Vec<PathBuf> {
    let git_dir = if dir.join(".git").is_dir() { dir.join(".git") } else { dir.to_owned() };
    for _ in 0..100 {
        let mut found = Vec::new();
        scan(&git_dir, &mut found);
        if found.is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut found = Vec::new();
    scan(&git_dir, &mut found);
    found
}

fn scan(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains("tmp") || name.contains("incoming") || name.ends_with(".lock") {
            found.push(entry.path());
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            scan(&entry.path(), found);
        }
    }
}

/// Lets git take away what no ref reaches, in packs too.
pub fn tidy(dir: &Path) {
    run(dir, &["repack", "-adq"]);
    run(dir, &["prune", "--expire=now"]);
}

/// How many objects are stored.
pub fn count_objects(dir: &Path) -> usize {
    run(dir, &["cat-file", "--batch-all-objects", "--batch-check"]).lines().count()
}

/// A server over git:// and one over HTTP, where everybody may push.
pub struct Serving {
    git: Running,
    http: Running,
}

pub const SCHEMES: [&str; 2] = ["git", "http"];

impl Serving {
    /// Serves repositories that lie on the disk.
    pub fn paths<'a>(paths: impl IntoIterator<Item = (&'a str, &'a Path)>) -> Self {
        Self::all(paths.into_iter().map(|(name, path)| (name, Repository::open(path).unwrap())))
    }

    /// Serves repositories, wherever they are.
    pub fn all<'a>(repositories: impl IntoIterator<Item = (&'a str, Repository)>) -> Self {
        Self::backed(Backing::new(names(repositories)))
    }

    /// Serves a repository as its own configuration says, which is what git's servers do.
    pub fn as_configured(name: &str, path: &Path) -> Self {
        let repository = Repository::open(path).unwrap();
        Self::backed(Backing::new(names([(name, repository)])).with_terms(Terms::OfRepository))
    }

    fn backed(backing: Backing) -> Self {
        let server = Server::new(backing.with_access(PushAccess::Everybody));
        let any = "127.0.0.1:0".parse().unwrap();
        Serving { git: server.listen_git(any).unwrap(), http: server.listen_http(any).unwrap() }
    }

    pub fn url(&self, scheme: &str, name: &str) -> String {
        let running = if scheme == "git" { &self.git } else { &self.http };
        format!("{scheme}://{}/{name}", running.local_addr())
    }
}

fn names<'a>(repositories: impl IntoIterator<Item = (&'a str, Repository)>) -> BTreeMap<String, Repository> {
    repositories.into_iter().map(|(name, repository)| (name.to_owned(), repository)).collect()
}

/// A way to a remote in a version of the protocol.
pub fn link(version: ProtocolVersion) -> Link {
    let mut link = Link::default();
    link.options.version = version;
    link
}

pub fn fetch_specs(specs: &[&str]) -> FetchOptions {
    let mut options = FetchOptions::default();
    options.refspecs =
        specs.iter().map(|spec| Refspec::parse(Direction::Fetch, spec)).collect::<Result<_, _>>().unwrap();
    options
}

pub fn push_specs(specs: &[&str]) -> PushOptions {
    let mut options = PushOptions::default();
    options.refspecs =
        specs.iter().map(|spec| Refspec::parse(Direction::Push, spec)).collect::<Result<_, _>>().unwrap();
    options
}
