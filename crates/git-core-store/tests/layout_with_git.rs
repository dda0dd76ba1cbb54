//! Repositories made by git and found here, and the other way round; refusals in git's words.
#![allow(clippy::unwrap_used)]

mod support;

use git_core_object::{ErrorKind, ObjectFormat};
use git_core_ref::RefName;
use git_core_store::fs::init::{InitOptions, Template, init};
use git_core_store::fs::layout::{BareRepositories, Layout, OpenError, OpenOptions, Strictness};
use git_core_store::fs::sharing::Sharing;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{FORMATS, complaint, git, git_command, unflushed};

fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    (dir, root)
}

fn discover(path: &Path) -> Result<Layout, OpenError> {
    Layout::discover(path, &OpenOptions::default())
}

/// Every file but samples, and its content and permission bits.
fn tree(root: &Path) -> BTreeMap<PathBuf, (u32, String)> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_path_buf()];
    while let Some(path) = pending.pop() {
        let name = path.strip_prefix(root).unwrap().to_path_buf();
        if name.extension().is_some_and(|extension| extension == "sample") || name.ends_with("branches") {
            continue;
        }
        #[cfg(unix)]
        let mode = std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap()) & 0o7777;
        #[cfg(not(unix))]
        let mode = 0;
        if path.is_dir() {
            pending.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            found.insert(name, (mode, String::new()));
        } else {
            let text = if name.ends_with("exclude") {
                String::new()
            } else {
                std::fs::read_to_string(&path).unwrap()
            };
            found.insert(name, (mode, text));
        }
    }
    found
}

#[test]
fn init_makes_what_git_makes() {
    let (_dir, root) = scratch();
    let template = root.join("template");
    std::fs::create_dir_all(template.join("hooks")).unwrap();
    std::fs::create_dir_all(template.join(".hidden")).unwrap();
    std::fs::write(template.join("hooks/update"), "#!/bin/sh\n").unwrap();
    std::fs::write(template.join("config"), "[a]\n\tb = 1\n").unwrap();
    let mut cases = Vec::new();
    for format in FORMATS {
        for (bare, sharing, shared) in [
            (true, Sharing::Umask, None),
            (false, Sharing::Umask, None),
            (true, Sharing::Group, Some("--shared=group")),
            (true, Sharing::Everybody, Some("--shared=all")),
            (false, Sharing::Mode(0o660), Some("--shared=0660")),
        ] {
            for template in [Template::Default, Template::Empty, Template::Directory(template.clone())] {
                cases.push((format, bare, sharing, shared, template));
            }
        }
    }
    for (at, (format, bare, sharing, shared, template)) in cases.into_iter().enumerate() {
        let (ours, theirs) = (root.join(format!("ours{at}")), root.join(format!("theirs{at}")));
        let mut options = if bare { InitOptions::bare() } else { InitOptions::work_tree() };
        options.object_format = format;
        options.sharing = sharing;
        options.head = RefName::branch("trunk").unwrap();
        options.template = template.clone();
        let made = init(&ours, &options, &unflushed()).unwrap();
        assert!(!made.existed);
        let mut command = git_command(&root);
        command.args(["init", "-q", "-b", "trunk", "--object-format", format.name()]);
        match &template {
            Template::Default => {}
            Template::Empty => drop(command.arg("--template=")),
            Template::Directory(path) => drop(command.arg(format!("--template={}", path.display()))),
        }
        command.args(bare.then_some("--bare")).args(shared).arg(&theirs);
        assert!(command.status().unwrap().success());
        let dot_git = if bare { "" } else { ".git" };
        assert_eq!(tree(&ours.join(dot_git)), tree(&theirs.join(dot_git)), "{options:?}");
        assert_eq!(git(&ours, &["rev-parse", "--show-object-format"]).trim(), format.name());
        assert_eq!(git(&ours, &["symbolic-ref", "HEAD"]).trim(), "refs/heads/trunk");

        let layout = discover(&theirs).unwrap();
        assert_eq!((layout.object_format(), layout.is_bare()), (format, bare));
        assert_eq!(layout.git_dir, theirs.join(dot_git));
        // Once more changes nothing.
        let before = tree(&ours);
        assert!(init(&ours, &options, &unflushed()).unwrap().existed);
        assert_eq!(tree(&ours), before);
    }
    let mut other = InitOptions::bare();
    other.object_format = ObjectFormat::Sha256;
    let error = init(&root.join("ours0"), &other, &unflushed()).unwrap_err();
    assert_eq!(error.to_string(), "attempt to reinitialize repository with different hash");
}

#[test]
fn found_as_git_finds_it() {
    let (_dir, root) = scratch();
    git(&root, &["init", "-q", "-b", "main", "r"]);
    git(&root, &["init", "-q", "--bare", "b.git"]);
    let repository = root.join("r");
    std::fs::create_dir_all(repository.join("x/y")).unwrap();
    git(&repository, &["commit", "-q", "--allow-empty", "-m", "one"]);
    git(&repository, &["worktree", "add", "-q", "../linked"]);
    std::fs::create_dir_all(root.join("sub")).unwrap();
    std::fs::write(root.join("sub/.git"), "gitdir: ../r/.git\n").unwrap();
    for start in ["r", "r/x/y", "r/.git", "r/.git/refs", "b.git", "b.git/objects", "linked", "sub"] {
        let start = root.join(start);
        let layout = discover(&start).unwrap();
        let asked =
            git(&start, &["rev-parse", "--absolute-git-dir", "--git-common-dir", "--is-bare-repository"]);
        let asked = asked.lines().collect::<Vec<_>>();
        assert_eq!(layout.git_dir, Path::new(asked[0]));
        assert_eq!(layout.common_dir.canonicalize().unwrap(), start.join(asked[1]).canonicalize().unwrap());
        assert_eq!(layout.is_bare().to_string(), asked[2], "{}", start.display());
        if let Some(work_tree) = &layout.work_tree {
            assert_eq!(git(work_tree, &["rev-parse", "--show-toplevel"]).trim(), work_tree.to_str().unwrap());
        }
        assert_eq!(Layout::open(&layout.git_dir, &OpenOptions::default()).unwrap().git_dir, layout.git_dir);
    }
    let error = discover(&root).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let mut options = OpenOptions::default();
    options.ceilings = vec![root.join("r")];
    assert!(matches!(Layout::discover(&root.join("r/x/y"), &options), Err(OpenError::NotFound { .. })));
    assert!(Layout::discover(&root.join("r"), &options).is_ok());
    let mut options = OpenOptions::default();
    options.trust.bare = BareRepositories::Explicit;
    let error = Layout::discover(&root.join("b.git"), &options).unwrap_err().to_string();
    assert!(
        complaint(&root.join("b.git"), &["-c", "safe.bareRepository=explicit", "status"]).contains(&error)
    );
    assert!(Layout::discover(&root.join("r/.git"), &options).is_ok());
    options.overrides.git_dir = Some("b.git".into());
    options.overrides.object_directory = Some("r/.git/objects".into());
    let layout = Layout::discover(&root, &options).unwrap();
    assert_eq!((layout.git_dir, layout.objects_dir), (root.join("b.git"), root.join("r/.git/objects")));
}

#[test]
fn servers_take_the_same_of_several() {
    let (_dir, root) = scratch();
    for made in ["a", "a.git", "b.git", "c"] {
        git(&root, &["init", "-q", "--bare", made]);
    }
    git(&root, &["init", "-q", "c/.git", "--bare"]);
    git(&root, &["init", "-q", "d.git"]);
    git(&root, &["init", "-q", "e"]);
    for at in ["a", "a.git", "b.git", "c", "c/.git", "d.git/.git", "e/.git"] {
        // What each one answers with.
        let place = root.join(at);
        let git = |arguments: &[&str]| git(&place, &[&["--git-dir=."], arguments].concat());
        git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
        let tree = git(&["hash-object", "-t", "tree", "-w", "/dev/null"]);
        let id = git(&["commit-tree", "-m", at, tree.trim()]);
        git(&["update-ref", "refs/heads/main", id.trim()]);
    }
    for asked in ["a", "a.git", "a/", "b", "b.git", "c", "c/.git", "d", "d.git", "e", "e/.git", "f"] {
        for (strictness, flag) in [(Strictness::Lenient, "--no-strict"), (Strictness::Strict, "--strict")] {
            let path = root.join(asked);
            let ours = Layout::enter(&path, strictness, &OpenOptions::default());
            let output = git_command(&root)
                .args(["upload-pack", flag, "--advertise-refs", path.to_str().unwrap()])
                .output()
                .unwrap();
            match ours {
                Ok(layout) => {
                    let id = git(&layout.git_dir, &["--git-dir=.", "rev-parse", "HEAD"]);
                    let text = String::from_utf8_lossy(&output.stdout);
                    assert!(text.contains(id.trim()), "{asked} {flag}: {}", layout.git_dir.display());
                }
                Err(error) => {
                    assert!(!output.status.success(), "{asked} {flag}: {error}");
                    assert_eq!(
                        error.to_string(),
                        format!("'{}' does not appear to be a git repository", path.display())
                    );
                }
            }
        }
    }
}

#[test]
fn refusals_in_the_words_of_git() {
    let (_dir, root) = scratch();
    git(&root, &["init", "-q", "r"]);
    let repository = root.join("r");
    for (config, kind) in [
        ("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tfoo = 1\n", ErrorKind::Invalid),
        (
            "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tfoo = 1\n\tbar = 2\n\tnoop = 1\n",
            ErrorKind::Invalid,
        ),
        ("[core]\n\trepositoryformatversion = 2\n", ErrorKind::Invalid),
        (
            "[core]\n\trepositoryformatversion = 0\n[extensions]\n\tobjectformat = sha1\n\trefstorage = files\n\tfoo = x\n",
            ErrorKind::Invalid,
        ),
        ("[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha9\n", ErrorKind::Corrupt),
        ("[core\n\tbare = maybe\n", ErrorKind::Corrupt),
    ] {
        std::fs::write(repository.join(".git/config"), config).unwrap();
        let error = discover(&repository).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let theirs = complaint(&repository, &["status"]).replace(".git/config", "F");
        let text = error.to_string().replace(repository.join(".git/config").to_str().unwrap(), "F");
        match kind {
            ErrorKind::Corrupt if text.contains("invalid") => {
                assert!(theirs.contains("sha9") && text.contains("sha9"))
            }
            _ => assert!(theirs.contains(&text), "ours: {text}\ntheirs: {theirs}"),
        }
    }
    for config in [
        "",
        "[extensions]\n\tfoo = 1\n\tobjectformat = sha256\n",
        "[core]\n\trepositoryformatversion = 0\n[extensions]\n\tfoo = 1\n",
        "[core]\n\trepositoryformatversion = 1\n[extensions]\n\tpreciousobjects = true\n\tpartialclone = origin\n",
    ] {
        std::fs::write(repository.join(".git/config"), config).unwrap();
        let layout = discover(&repository).unwrap();
        git(&repository, &["status"]);
        assert_eq!(layout.format.precious_objects, config.contains("precious"));
    }
    std::fs::write(
        repository.join(".git/config"),
        "[core]\n\trepositoryformatversion = 1\n[extensions]\n\trefstorage = reftable\n",
    )
    .unwrap();
    let error = discover(&repository).unwrap_err();
    assert_eq!(error.to_string(), "repository extension 'refStorage' with value 'reftable' is not supported");
    for (text, start) in
        [("bad\n", "invalid gitfile format"), ("gitdir: /nowhere/x\n", "not a git repository")]
    {
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("sub/.git"), text).unwrap();
        let error = discover(&root.join("sub")).unwrap_err().to_string();
        assert!(error.starts_with(start), "{error}");
        assert!(complaint(&root.join("sub"), &["status"]).contains(start));
    }
}
