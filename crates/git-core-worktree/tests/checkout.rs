//! Checking out trees that git made, and refusing trees that nobody should make.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod support;

use bstr::{BStr, ByteSlice};
use git_core_object::{BoxError, Cancel, Context, ErrorKind, Kind, Limits, ObjectFormat, ObjectId};
use git_core_worktree::{
    Checkout, CheckoutError, CheckoutOptions, Converter, Existing, Index, IndexLock, Symlinks, checkout,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use support::{Memory, Repo};

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

/// A repository with every sort of entry, committed, and the id of the tree.
fn everything(format: ObjectFormat) -> (Repo, ObjectId) {
    let repo = Repo::new(format);
    for n in 0..300 {
        repo.write(&format!("many/{}/file {n}", n % 7), format!("{n}\n").repeat(n));
    }
    repo.write("empty", "");
    repo.write("größe/naïve\ttab", "unicode\n");
    repo.write(&format!("{}deep", "d/".repeat(60)), "deep\n");
    repo.write(&format!("{}sibling", "d/".repeat(40)), "not so deep\n");
    repo.write("a", "file beside a.b and a-c\n");
    repo.write("a.b/x", "x");
    repo.write("a-c", "c");
    repo.write("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(repo.path().join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("many/0", repo.path().join("link")).unwrap();
    symlink("/nowhere", repo.path().join("a.b/dangling")).unwrap();
    repo.write("big", vec![b'b'; 3 << 20]);
    repo.git(&["add", "-A"]);
    let commit = format!("{:1<1$}", "", format.hex_len());
    repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},module")]);
    let tree = repo.index_tree();
    repo.git(&["commit", "-q", "-m", "everything"]);
    (repo, tree)
}

/// Checks the tree out into a new working tree of the same repository and stores the index.
fn clone(repo: &Repo, tree: &ObjectId, options: &CheckoutOptions<'_>) -> (tempfile::TempDir, Checkout) {
    let dir = tempfile::tempdir().unwrap();
    let objects = repo.objects();
    std::fs::create_dir(dir.path().join(".git")).unwrap();
    for file in ["HEAD", "config"] {
        std::fs::copy(repo.path().join(".git").join(file), dir.path().join(".git").join(file)).unwrap();
    }
    for directory in ["objects", "refs"] {
        symlink(repo.path().join(".git").join(directory), dir.path().join(".git").join(directory)).unwrap();
    }
    let lock = IndexLock::acquire(&dir.path().join(".git/index")).unwrap();
    let done = checkout(&objects, tree, dir.path(), options, &Context::new()).unwrap();
    lock.commit(&done.index).unwrap();
    (dir, done)
}

fn git(dir: &Path, args: &[&str]) -> String {
    let out = std::process::Command::new("git")
        .args(args)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", out.stderr.as_bstr());
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// Every path below a directory, `.git` left out, with what is there.
fn listing(dir: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(at) = open.pop() {
        for child in std::fs::read_dir(at).unwrap() {
            let path = child.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
            if name == ".git" {
                continue;
            }
            let what = if meta.is_symlink() {
                format!("-> {}", path.read_link().unwrap().display())
            } else if meta.is_dir() {
                open.push(path);
                "directory".to_owned()
            } else {
                format!("{:o} {:?}", meta.mode(), std::fs::read(&path).unwrap().as_bstr())
            };
            found.insert(name, what);
        }
    }
    found
}

#[test]
fn git_finds_nothing_to_do_after_a_checkout() {
    for format in FORMATS {
        let (repo, tree) = everything(format);
        let (dir, done) = clone(&repo, &tree, &CheckoutOptions::default());
        assert_eq!(git(dir.path(), &["status", "--porcelain", "--ignore-submodules=none"]), "");
        assert_eq!(git(dir.path(), &["diff-files"]), "");
        assert_eq!(git(dir.path(), &["ls-files", "-s"]), git(repo.path(), &["ls-files", "-s"]));
        assert_eq!(git(dir.path(), &["write-tree"]).trim(), tree.to_hex());
        git(dir.path(), &["fsck", "--strict"]);
        let mut theirs = listing(repo.path());
        theirs.insert("module".to_owned(), "directory".to_owned());
        assert_eq!(listing(dir.path()), theirs);
        assert_eq!(done.collisions, Vec::<String>::new());
        assert_eq!(done.written as usize, done.index.entries().len());
        assert!(done.index.trees().unwrap().nodes().iter().all(|node| node.known.is_some()));
        // Without a look at the files' contents, too, once the index is older than they are.
        let entry = done.index.get("run.sh").unwrap();
        let meta = dir.path().join("run.sh").symlink_metadata().unwrap();
        assert_eq!((entry.stat.ino, entry.stat.size), (meta.ino() as u32, meta.len() as u32));
        assert_eq!(entry.stat.mtime.nanoseconds, meta.mtime_nsec() as u32);
    }
}

#[test]
fn one_thread_or_many_write_the_same() {
    let (repo, tree) = everything(ObjectFormat::Sha1);
    let objects = repo.objects();
    let all: Vec<_> = [1, 2, 7]
        .into_iter()
        .map(|threads| {
            let mut limits = Limits::default();
            limits.threads = threads;
            let dir = tempfile::tempdir().unwrap();
            let context = Context::new().with_limits(limits);
            checkout(&objects, &tree, dir.path(), &CheckoutOptions::default(), &context).unwrap();
            listing(dir.path())
        })
        .collect();
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
}

#[test]
fn links_may_be_plain_files_and_contents_converted() {
    struct Shout;
    impl Converter for Shout {
        fn to_worktree<'a>(&self, path: &BStr, content: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
            match path.as_bytes() {
                b"loud" => Ok(content.to_ascii_uppercase().into()),
                b"bad" => Err("no".into()),
                _ => Ok(content.into()),
            }
        }
    }
    let repo = Repo::new(ObjectFormat::Sha1);
    symlink("loud", repo.path().join("link")).unwrap();
    repo.write("loud", "text");
    let tree = repo.tree();
    let mut options = CheckoutOptions::default();
    options.symlinks = Symlinks::PlainFiles;
    options.converter = &Shout;
    let dir = tempfile::tempdir().unwrap();
    checkout(&repo.objects(), &tree, dir.path(), &options, &Context::new()).unwrap();
    assert_eq!(std::fs::read(dir.path().join("link")).unwrap(), b"loud");
    assert!(!dir.path().join("link").is_symlink());
    assert_eq!(std::fs::read(dir.path().join("loud")).unwrap(), b"TEXT");
    repo.write("bad", "");
    let tree = repo.tree();
    options.existing = Existing::Replace;
    let error = checkout(&repo.objects(), &tree, dir.path(), &options, &Context::new()).unwrap_err();
    assert!(matches!(error, CheckoutError::Convert { path, .. } if path == "bad"));
}

#[test]
fn one_tree_after_another() {
    for format in FORMATS {
        let repo = Repo::new(format);
        repo.write("same", "same");
        repo.write("changed", "old");
        repo.write("file-then-dir", "f");
        repo.write("dir-then-file/a/b", "b");
        repo.write("dir-then-link/x", "x");
        repo.write("gone/deep/er", "1");
        repo.write("kept/gone", "1");
        let first = repo.tree();
        repo.git(&["rm", "-rqf", "."]);
        repo.write("same", "same");
        repo.write("changed", "new");
        repo.write("file-then-dir/f", "f");
        repo.write("dir-then-file", "b");
        symlink("/etc", repo.path().join("dir-then-link")).unwrap();
        repo.write("kept/here", "1");
        let second = repo.tree();
        repo.git(&["commit", "-q", "-m", "second"]);

        let (dir, _) = clone(&repo, &first, &CheckoutOptions::default());
        let expected = [listing(dir.path()), listing(repo.path())];
        let index_file = dir.path().join(".git/index");
        let untouched = || dir.path().join("same").metadata().unwrap().ino();
        let before = untouched();
        // Only an index that is younger than the files vouches for them.
        std::thread::sleep(std::time::Duration::from_millis(30));
        let mut index = Index::open(format, &index_file).unwrap();
        IndexLock::acquire(&index_file).unwrap().commit(&index).unwrap();
        for (tree, expected) in [(second, &expected[1]), (first, &expected[0]), (second, &expected[1])] {
            index = Index::open(format, &index_file).unwrap();
            let mut options = CheckoutOptions::default();
            options.existing = Existing::Replace;
            options.previous = Some(&index);
            let lock = IndexLock::acquire(&index_file).unwrap();
            let done = checkout(&repo.objects(), &tree, dir.path(), &options, &Context::new()).unwrap();
            lock.commit(&done.index).unwrap();
            assert_eq!(&listing(dir.path()), expected);
            assert_eq!(untouched(), before);
        }
        assert_eq!(git(dir.path(), &["status", "--porcelain"]), "");
    }
}

#[test]
fn what_is_there_stays_unless_it_may_be_replaced() {
    let repo = Repo::new(ObjectFormat::Sha1);
    repo.write("a/file", "new");
    repo.write("b", "new");
    let tree = repo.tree();
    let objects = repo.objects();
    let outside = tempfile::tempdir().unwrap();
    let refuse = CheckoutOptions::default();
    let mut replace = CheckoutOptions::default();
    replace.existing = Existing::Replace;
    let context = Context::new();

    // A link where a directory has to be, and one where a file has to be.
    for name in ["a", "b"] {
        let dir = tempfile::tempdir().unwrap();
        symlink(outside.path(), dir.path().join(name)).unwrap();
        let error = checkout(&objects, &tree, dir.path(), &refuse, &context).unwrap_err();
        assert!(matches!(error, CheckoutError::Exists { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let done = checkout(
            &objects,
            &tree,
            dir.path(),
            &{
                let mut options = replace.clone();
                options.previous = None;
                options
            },
            &context,
        );
        assert_eq!(done.unwrap().collisions, Vec::<String>::new());
        assert_eq!(listing(dir.path()), listing(repo.path()));
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }
    // A directory with something in it is not thrown away.
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("b/precious")).unwrap();
    let error = checkout(&objects, &tree, dir.path(), &replace, &context).unwrap_err();
    assert!(matches!(error, CheckoutError::Exists { path } if path == "b"));
    assert!(dir.path().join("b/precious").is_dir());
    // What an index says to be stale is not looked for behind links.
    std::fs::write(outside.path().join("file"), "precious").unwrap();
    let dir = tempfile::tempdir().unwrap();
    symlink(outside.path(), dir.path().join("stale")).unwrap();
    let mut entry =
        checkout(&objects, &tree, dir.path(), &replace, &context).unwrap().index.entries()[0].clone();
    let mut previous = Index::new(ObjectFormat::Sha1);
    for path in ["stale/file", "../file", ".git/config"] {
        entry.path = path.into();
        previous.insert(entry.clone());
    }
    replace.previous = Some(&previous);
    checkout(&objects, &tree, dir.path(), &replace, &context).unwrap();
    assert!(outside.path().join("file").exists());
}

/// Does something to the working tree while it is written.
struct Meddler<F: Fn(&BStr) + Send + Sync>(F);

impl<F: Fn(&BStr) + Send + Sync> Converter for Meddler<F> {
    fn to_worktree<'a>(&self, path: &BStr, content: &'a [u8]) -> Result<Cow<'a, [u8]>, BoxError> {
        self.0(path);
        Ok(content.into())
    }
}

fn one_thread() -> Context {
    let mut limits = Limits::default();
    limits.threads = 1;
    Context::new().with_limits(limits)
}

#[test]
fn two_paths_that_are_one_file_are_reported() {
    let repo = Repo::new(ObjectFormat::Sha1);
    repo.write("README", "1");
    repo.write("readme", "2");
    let tree = repo.tree();
    let dir = tempfile::tempdir().unwrap();
    // As a file system would have it that tells no upper from lower case.
    let meddler = Meddler(|path: &BStr| {
        if path == "readme" {
            std::fs::hard_link(dir.path().join("README"), dir.path().join("readme")).unwrap();
        }
    });
    for existing in [Existing::Refuse, Existing::Replace] {
        let mut options = CheckoutOptions::default();
        options.converter = &meddler;
        options.existing = existing;
        if existing == Existing::Replace {
            std::fs::remove_file(dir.path().join("README")).unwrap();
        }
        let done = checkout(&repo.objects(), &tree, dir.path(), &options, &one_thread()).unwrap();
        assert_eq!(done.collisions, ["readme"]);
        assert_eq!(done.written, 1);
        assert_eq!(done.index.get("readme").unwrap().stat, Default::default());
        assert_eq!(std::fs::read(dir.path().join("readme")).unwrap(), b"1");
    }
}

#[test]
fn a_directory_that_becomes_a_link_leads_nowhere() {
    let repo = Repo::new(ObjectFormat::Sha1);
    for path in ["d/a", "d/b", "d/sub/c", "e", "f/x"] {
        repo.write(path, path);
    }
    let tree = repo.tree();
    let outside = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let meddler = Meddler(|path: &BStr| match path.as_bytes() {
        b"d/b" => {
            std::fs::rename(at("d"), at("moved")).unwrap();
            symlink(outside.path(), at("d")).unwrap();
        }
        b"e" => symlink(outside.path(), at("f")).unwrap(),
        _ => {}
    });
    let mut options = CheckoutOptions::default();
    options.converter = &meddler;
    let error = checkout(&repo.objects(), &tree, dir.path(), &options, &one_thread()).unwrap_err();
    assert!(matches!(error, CheckoutError::Exists { path } if path == "f/x"));
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    assert!(at("moved/b").exists() && at("moved/sub/c").exists());
}

/// Objects that no git would write: trees as they are given.
struct Hostile(Memory);

impl Hostile {
    fn new(format: ObjectFormat) -> Self {
        Hostile(Memory { format, objects: Default::default() })
    }

    fn add(&mut self, kind: Kind, content: Vec<u8>) -> ObjectId {
        let id = ObjectId::hash(self.0.format, kind, &content).unwrap();
        self.0.objects.insert(id, (kind, content));
        id
    }

    fn blob(&mut self, content: &[u8]) -> ObjectId {
        self.add(Kind::Blob, content.to_vec())
    }

    fn tree(&mut self, entries: &[(&str, &str, ObjectId)]) -> ObjectId {
        let entry = |(mode, name, id): &(&str, &str, ObjectId)| {
            [mode.as_bytes(), b" ", name.as_bytes(), b"\0", id.as_bytes()].concat()
        };
        self.add(Kind::Tree, entries.iter().flat_map(entry).collect())
    }
}

#[test]
fn hostile_trees_are_refused_before_anything_is_written() {
    for format in FORMATS {
        let mut objects = Hostile::new(format);
        let blob = objects.blob(b"evil");
        let link = objects.blob(b"/tmp");
        let inner = objects.tree(&[("100644", "hook", blob)]);
        let names =
            ["..", ".", ".git", ".GIT", "git~1", ".git ", "a/b", "", ".g\u{200c}it", "../../x", "/etc"];
        let mut trees: Vec<ObjectId> = Vec::new();
        for name in names {
            let file = objects.tree(&[("100644", "a", blob), ("100644", name, blob)]);
            let directory = objects.tree(&[("40000", name, inner)]);
            let below = objects.tree(&[("40000", "dir", directory)]);
            trees.extend([file, directory, below]);
        }
        let denied = trees.len();
        trees.push(objects.tree(&[("120000", ".gitmodules", link)]));
        // A link and a directory of one name: side by side, apart, in the wrong order, and the same file twice.
        trees.push(objects.tree(&[("120000", "a", link), ("40000", "a", inner)]));
        trees.push(objects.tree(&[("120000", "a", link), ("100644", "a.b", blob), ("40000", "a", inner)]));
        trees.push(objects.tree(&[("40000", "a", inner), ("120000", "a", link)]));
        trees.push(objects.tree(&[("100644", "a", blob), ("120000", "a", link)]));
        trees.push(objects.tree(&[("100644", "z", blob), ("40000", "a", inner), ("100644", "z", blob)]));
        for (at, tree) in trees.iter().enumerate() {
            let outer = tempfile::tempdir().unwrap();
            let dir = outer.path().join("work");
            let done = checkout(&objects.0, tree, &dir, &CheckoutOptions::default(), &Context::new());
            let error = done.expect_err(&format!("tree {at}"));
            let kind = if at <= denied { ErrorKind::Denied } else { ErrorKind::Corrupt };
            assert_eq!(error.kind(), kind, "tree {at}: {error}");
            assert!(!dir.exists());
        }
    }
}

#[test]
fn odd_trees_end_in_errors_and_odd_but_harmless_ones_are_written() {
    let format = ObjectFormat::Sha1;
    let mut objects = Hostile::new(format);
    let blob = objects.blob(b"text");
    let empty = objects.blob(b"");
    let mut deep = objects.tree(&[("100644", "x", blob)]);
    for _ in 0..100 {
        deep = objects.tree(&[("40000", "d", deep)]);
    }
    let missing = ObjectId::null(format);
    let cases = [
        (deep, ErrorKind::Limit),
        (objects.tree(&[("100644", "x", missing)]), ErrorKind::NotFound),
        (objects.tree(&[("40000", "x", missing)]), ErrorKind::NotFound),
        (objects.tree(&[("100644", "x", deep)]), ErrorKind::Corrupt),
        (objects.tree(&[("40000", "x", blob)]), ErrorKind::Corrupt),
        (objects.add(Kind::Tree, b"100644 x\0short".to_vec()), ErrorKind::Corrupt),
        (objects.tree(&[("120000", "x", empty)]), ErrorKind::Unavailable),
    ];
    let mut options = CheckoutOptions::default();
    options.max_depth = 50;
    for (at, (tree, kind)) in cases.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let error = checkout(&objects.0, &tree, dir.path(), &options, &Context::new()).unwrap_err();
        assert_eq!(error.kind(), kind, "case {at}: {error}");
    }
    // Many levels cost no descriptors; empty directories, old modes and disorder leave no wrong cached trees.
    let nothing = objects.tree(&[]);
    let holed = objects.tree(&[("40000", "nothing", nothing), ("100644", "x", blob)]);
    let old = objects.tree(&[("100664", "x", blob)]);
    let mixed = objects.tree(&[("100644", "z", blob), ("100644", "y", blob)]);
    let tree = objects.tree(&[("40000", "deep", deep), ("40000", "holed", holed), ("40000", "old", old)]);
    let dir = tempfile::tempdir().unwrap();
    let done = checkout(&objects.0, &tree, dir.path(), &CheckoutOptions::default(), &Context::new()).unwrap();
    let unknown: Vec<_> =
        done.index.trees().unwrap().nodes().iter().filter(|node| node.known.is_none()).collect();
    assert_eq!(unknown.iter().map(|node| &node.name[..]).collect::<Vec<_>>(), [&b""[..], b"holed", b"old"]);
    assert!(dir.path().join("deep").join("d/".repeat(100)).join("x").exists());
    let dir = tempfile::tempdir().unwrap();
    let done =
        checkout(&objects.0, &mixed, dir.path(), &CheckoutOptions::default(), &Context::new()).unwrap();
    assert!(done.index.trees().is_none());
    assert_eq!(done.index.entries()[0].path, "y");
}

#[test]
fn a_stopped_checkout_says_so() {
    let (repo, tree) = everything(ObjectFormat::Sha1);
    let cancel = Cancel::new();
    cancel.cancel();
    let dir = tempfile::tempdir().unwrap();
    let context = Context::new().with_cancel(cancel);
    let error =
        checkout(&repo.objects(), &tree, dir.path(), &CheckoutOptions::default(), &context).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}
