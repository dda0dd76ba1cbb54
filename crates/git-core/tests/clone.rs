//! `remote::clone` beside `git clone`: configuration, refs, reflogs, index and files are the same.
#![allow(clippy::unwrap_used)]

mod support;

use git_core::Environment;
use git_core::object::{Context, ErrorKind, ObjectFormat};
use git_core::remote::{CheckoutMode, CloneOptions, Cloned, Link, Tags, clone};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{FORMATS, Serving, bare, fails, git, history, output, rev, run, sound};

/// A link that knows who clones, as [`support::git`] does.
fn link() -> Link {
    let variables = BTreeMap::from([
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_COMMITTER_NAME", "C O Mitter"),
        ("GIT_COMMITTER_EMAIL", "committer@example.com"),
        ("GIT_COMMITTER_DATE", "1700000000 -0200"),
    ]);
    let mut link = Link::default();
    link.environment =
        Environment::from_variables(&|name| variables.get(name).map(|value| value.into())).unwrap();
    link
}

fn ours(url: &str, to: &Path, options: &CloneOptions) -> Cloned {
    clone(url, to, options, link(), &Context::new()).unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// Every file below a folder with its kind and content, without what is below `.git`.
fn files(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let metadata = std::fs::symlink_metadata(&path).unwrap();
            let relative = path.strip_prefix(dir).unwrap().to_owned();
            if metadata.is_dir() {
                if entry.file_name() != ".git" {
                    open.push(path);
                }
            } else if metadata.is_symlink() {
                found.insert(relative, format!("-> {}", std::fs::read_link(&path).unwrap().display()));
            } else {
                #[cfg(unix)]
                let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
                #[cfg(not(unix))]
                let mode = 0;
                let content = std::fs::read(&path).unwrap();
                found.insert(relative, format!("{mode:o} {}", content.escape_ascii()));
            }
        }
    }
    found
}

/// Holds a clone of ours against one of git's.
fn same(ours: &Path, theirs: &Path) {
    let dir = |clone: &Path| if clone.join(".git").exists() { clone.join(".git") } else { clone.to_owned() };
    let (our_dir, their_dir) = (dir(ours), dir(theirs));
    // In which order the sections were made means nothing.
    let config = |dir: &Path| {
        let list = run(dir, &["config", "--list", "--file", dir.join("config").to_str().unwrap()]);
        let mut lines: Vec<String> = list.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(config(&our_dir), config(&their_dir));
    let refs = |dir: &Path| run(dir, &["for-each-ref", "--format=%(refname) %(objectname) %(symref)"]);
    assert_eq!(refs(ours), refs(theirs));
    let head = |dir: &Path| std::fs::read_to_string(dir.join("HEAD")).unwrap();
    assert_eq!(head(&our_dir), head(&their_dir));
    assert_eq!(files(&our_dir.join("logs")), files(&their_dir.join("logs")));
    assert_eq!(our_dir.join("FETCH_HEAD").exists(), their_dir.join("FETCH_HEAD").exists());
    assert_eq!(our_dir == ours, their_dir == theirs, "bare or not");
    if our_dir != ours {
        assert_eq!(files(ours), files(theirs));
        let staged = |dir: &Path| {
            run(dir, &["ls-files", "--stage", "--debug"])
                .lines()
                .filter(|line| !line.starts_with("  "))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(staged(ours), staged(theirs));
        assert_eq!(run(ours, &["status", "--porcelain"]), run(theirs, &["status", "--porcelain"]));
        assert_eq!(run(ours, &["status", "-sb"]), run(theirs, &["status", "-sb"]));
    }
    sound(ours);
}

type Change = fn(&mut CloneOptions);

/// git's arguments, and ours for the same.
const CASES: &[(&[&str], Change)] = &[
    (&[], |_| {}),
    (&["--bare"], |options| options.checkout = CheckoutMode::Bare),
    (&["--mirror"], |options| {
        options.checkout = CheckoutMode::Bare;
        options.mirror = true;
    }),
    (&["--branch", "topic"], |options| options.branch = Some("topic".into())),
    (&["--branch", "v1"], |options| options.branch = Some("v1".into())),
    (&["--single-branch"], |options| options.single_branch = true),
    (&["--single-branch", "--branch", "topic"], |options| {
        options.single_branch = true;
        options.branch = Some("topic".into());
    }),
    (&["--single-branch", "--branch", "v1"], |options| {
        options.single_branch = true;
        options.branch = Some("v1".into());
    }),
    (&["--single-branch", "--bare"], |options| {
        options.single_branch = true;
        options.checkout = CheckoutMode::Bare;
    }),
    (&["--bare", "--branch", "topic"], |options| {
        options.checkout = CheckoutMode::Bare;
        options.branch = Some("topic".into());
    }),
    (&["--no-checkout"], |options| options.checkout = CheckoutMode::Empty),
    (&["--origin", "up"], |options| options.origin = "up".into()),
    (&["--no-tags"], |options| options.tags = Tags::None),
    (&["--no-tags", "--single-branch"], |options| {
        options.tags = Tags::None;
        options.single_branch = true;
    }),
    (&["--config", "some.key=a value", "--config", "core.fileMode=true"], |options| {
        options.config = vec![("some.key".into(), "a value".into()), ("core.fileMode".into(), "true".into())];
    }),
];

fn compare(dir: &Path, url: &str, cases: &[(&[&str], Change)]) -> Vec<Cloned> {
    let mut all = Vec::new();
    for (arguments, change) in cases {
        let (to, beside) = (dir.join("ours"), dir.join("theirs"));
        for path in [&to, &beside] {
            let _ = std::fs::remove_dir_all(path);
        }
        let theirs = output(dir, &[&["clone", "-q", "--template="], *arguments, &[url, "theirs"]].concat());
        assert!(theirs.status.success(), "{arguments:?} {}", String::from_utf8_lossy(&theirs.stderr));
        let mut options = CloneOptions::default();
        change(&mut options);
        println!("{url} {arguments:?}");
        all.push(ours(url, &to, &options));
        same(&to, &beside);
    }
    all
}

fn file_url(path: &Path) -> String {
    format!("file://{}", path.display())
}

#[test]
fn clones_are_those_of_git() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let clones = compare(dir.path(), &file_url(&path), CASES);
        assert_eq!(clones[4].detached, Some(rev(&path, "v1^{commit}")));
        assert!(clones.iter().all(|cloned| !cloned.empty && !cloned.dangling_head));
    }
}

#[test]
fn clones_over_the_network() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let serving = Serving::paths([("source", path.as_path())]);
        for scheme in support::SCHEMES {
            compare(dir.path(), &serving.url(scheme, "source"), &CASES[..4]);
        }
        #[cfg(unix)]
        {
            let urls = [
                format!("git://{}/source", support::real::git_daemon(dir.path())),
                format!("http://{}/source", support::real::http_backend(dir.path())),
            ];
            for url in urls {
                compare(dir.path(), &url, &CASES[..4]);
            }
        }
    }
}

#[test]
fn a_detached_head_is_cloned_detached() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        run(&path, &["update-ref", "--no-deref", "HEAD", "master~3"]);
        let clones = compare(dir.path(), &file_url(&path), &CASES[..4]);
        assert_eq!(clones[0].detached, Some(rev(&path, "HEAD")));
        // On something that no branch reaches.
        history::grow(&path, "aside", Some("refs/heads/master~3"), 500..502);
        run(&path, &["update-ref", "--no-deref", "HEAD", "aside"]);
        run(&path, &["branch", "-q", "-D", "aside"]);
        compare(dir.path(), &file_url(&path), &CASES[..2]);
    }
}

#[test]
fn empty_and_unborn() {
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let empty = bare(dir.path(), "empty", format);
        run(&empty, &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
        let clones = compare(dir.path(), &file_url(&empty), &CASES[..2]);
        assert!(clones.iter().all(|cloned| cloned.empty));
        let serving = Serving::paths([("empty", empty.as_path())]);
        for scheme in support::SCHEMES {
            compare(dir.path(), &serving.url(scheme, "empty"), &CASES[..2]);
        }
        // Branches, but not the one that HEAD names.
        let path = history::source(dir.path(), "source", format);
        run(&path, &["symbolic-ref", "HEAD", "refs/heads/unborn"]);
        let clones = compare(dir.path(), &file_url(&path), &CASES[..4]);
        assert!(clones[0].dangling_head && !clones[0].empty);
    }
}

#[test]
fn versions_without_unborn() {
    use git_core::protocol::ProtocolVersion;
    for format in FORMATS {
        let dir = tempfile::tempdir().unwrap();
        let path = history::source(dir.path(), "source", format);
        let empty = bare(dir.path(), "empty", format);
        let dangling = history::source(dir.path(), "dangling", format);
        run(&dangling, &["symbolic-ref", "HEAD", "refs/heads/unborn"]);
        for version in [ProtocolVersion::V0, ProtocolVersion::V1] {
            for (from, number) in [(&path, 0), (&empty, 1), (&dangling, 2)] {
                let name = |who: &str| format!("{who}{number}-{}", version.number());
                let (to, beside) = (dir.path().join(name("ours")), dir.path().join(name("theirs")));
                let mut link = link();
                link.options.version = version;
                clone(file_url(from), &to, &CloneOptions::default(), link, &Context::new()).unwrap();
                let version = format!("protocol.version={}", version.number());
                let mut command = git(dir.path());
                command.args(["-c", &version, "clone", "-q", "--template=", &file_url(from)]).arg(&beside);
                let theirs = command.output().unwrap();
                assert!(theirs.status.success());
                same(&to, &beside);
            }
        }
    }
}

#[test]
fn what_fails_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = history::source(dir.path(), "source", ObjectFormat::Sha1);
    let cx = Context::new();
    let attempt = |url: &str, to: &str, change: Change| {
        let mut options = CloneOptions::default();
        change(&mut options);
        clone(url, dir.path().join(to), &options, link(), &cx).err().unwrap()
    };
    let error = attempt(&file_url(&path), "a", |options| options.branch = Some("nothing".into()));
    assert_eq!(error.to_string(), "Remote branch nothing not found in upstream origin");
    assert!(
        fails(dir.path(), &["clone", "--branch", "nothing", &file_url(&path), "a"])
            .contains(&error.to_string())
    );
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(attempt("file:///nowhere/at/all", "a", |_| {}).kind(), ErrorKind::NotFound);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for scheme in support::SCHEMES {
        let error = attempt(&format!("{scheme}://127.0.0.1:{port}/x"), "a", |_| {});
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    assert!(!dir.path().join("a").exists());

    // A directory that was there stays, and nothing is put over what is in it.
    std::fs::create_dir(dir.path().join("there")).unwrap();
    attempt(&file_url(&path), "there", |options| options.branch = Some("nothing".into()));
    assert_eq!(std::fs::read_dir(dir.path().join("there")).unwrap().count(), 0);
    std::fs::write(dir.path().join("there/file"), "mine").unwrap();
    let error = attempt(&file_url(&path), "there", |_| {});
    assert!(error.to_string().contains("already exists and is not an empty directory"), "{error}");
    assert_eq!(std::fs::read(dir.path().join("there/file")).unwrap(), b"mine");

    // A tree that would leave the directory is not checked out, and the clone goes away.
    let evil = bare(dir.path(), "evil", ObjectFormat::Sha1);
    let blob = support::feed(&evil, &["hash-object", "-w", "--stdin"], b"x");
    let raw = {
        let id: git_core::object::ObjectId = String::from_utf8(blob).unwrap().trim().parse().unwrap();
        [b"100644 ..\0", id.as_bytes()].concat()
    };
    let tree = support::feed(&evil, &["hash-object", "-w", "-t", "tree", "--literally", "--stdin"], &raw);
    let tree = String::from_utf8(tree).unwrap();
    let commit = support::feed(&evil, &["commit-tree", tree.trim()], b"evil\n");
    run(&evil, &["update-ref", "refs/heads/master", String::from_utf8(commit).unwrap().trim()]);
    let error = attempt(&file_url(&evil), "b", |_| {});
    assert!(error.to_string().contains(".."), "{error}");
    assert!(!dir.path().join("b").exists());
}
