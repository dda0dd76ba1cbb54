//! What the tests against git share: a repository made by git, and git run in it.
#![allow(dead_code, clippy::unwrap_used)]

use git_core_object::{Header, Kind, ObjectFormat, ObjectId, Objects, ReadError};
use git_core_store::fs::refs::{FilesRefs, RefsOptions};
use git_core_store::fs::sys::{Disk, Flush, RealDisk};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

pub(crate) const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

/// A command that reads no configuration of the machine.
pub(crate) fn git_command(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("LC_ALL", "C")
        .env("GIT_AUTHOR_NAME", "A U Thor")
        .env("GIT_AUTHOR_EMAIL", "author@example.com")
        .env("GIT_COMMITTER_NAME", "C O Mitter")
        .env("GIT_COMMITTER_EMAIL", "committer@example.com")
        .env("GIT_AUTHOR_DATE", "1112911993 -0700")
        .env("GIT_COMMITTER_DATE", "1112911993 -0700");
    command
}

pub(crate) fn run(dir: &Path, arguments: &[&str]) -> Output {
    git_command(dir).args(arguments).output().unwrap()
}

/// Runs git and gives what it printed.
pub(crate) fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = run(dir, arguments);
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The last line but hints of what git complains about.
pub(crate) fn complaint(dir: &Path, arguments: &[&str]) -> String {
    let output = run(dir, arguments);
    assert!(!output.status.success(), "git {arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

pub(crate) struct Repo {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) path: PathBuf,
    pub(crate) format: ObjectFormat,
    pub(crate) commits: Vec<ObjectId>,
    pub(crate) tag: ObjectId,
}

impl Repo {
    /// A bare repository with three commits and an annotated tag object, and no refs.
    pub(crate) fn bare(format: ObjectFormat) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.git");
        git(dir.path(), &["init", "-q", "--bare", "-b", "main", "--object-format", format.name(), "r.git"]);
        Self::fill(dir, path, format)
    }

    fn fill(dir: tempfile::TempDir, path: PathBuf, format: ObjectFormat) -> Self {
        let tree = git(&path, &["hash-object", "-t", "tree", "-w", "/dev/null"]);
        let commits = ["one", "two", "three"]
            .map(|message| git(&path, &["commit-tree", "-m", message, tree.trim()]).trim().parse().unwrap());
        let commits: Vec<ObjectId> = commits.to_vec();
        std::fs::write(
            dir.path().join("tag"),
            format!("object {}\ntype commit\ntag v\ntagger A <a@b> 1 +0000\n\nv\n", commits[0]),
        )
        .unwrap();
        let tag = git(&path, &["hash-object", "-t", "tag", "-w", "../tag"]).trim().parse().unwrap();
        Repo { dir, path, format, commits, tag }
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.path, arguments)
    }

    pub(crate) fn refs(&self) -> FilesRefs {
        self.refs_with(RefsOptions::default())
    }

    pub(crate) fn refs_with(&self, options: RefsOptions) -> FilesRefs {
        FilesRefs::new(&self.path, &self.path, self.format, unflushed(), options)
    }

    /// All objects there are now.
    pub(crate) fn objects(&self) -> Known {
        let list = self.git(&["cat-file", "--batch-all-objects", "--batch-check"]);
        let objects = list.lines().map(|line| {
            let (id, rest) = line.split_once(' ').unwrap();
            let kind = Kind::from_name(rest.split_once(' ').unwrap().0.as_bytes()).unwrap();
            let content =
                git_command(&self.path).args(["cat-file", kind.name(), id]).output().unwrap().stdout;
            (id.parse().unwrap(), (kind, content))
        });
        Known { format: self.format, objects: objects.collect() }
    }
}

pub(crate) fn unflushed() -> Arc<dyn Disk> {
    Arc::new(RealDisk { flush: Flush::Never })
}

/// Objects in memory.
pub(crate) struct Known {
    format: ObjectFormat,
    objects: HashMap<ObjectId, (Kind, Vec<u8>)>,
}

impl Objects for Known {
    fn format(&self) -> ObjectFormat {
        self.format
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        let Some((kind, content)) = self.objects.get(id) else { return Ok(None) };
        out.clone_from(content);
        Ok(Some(*kind))
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        let found = self.objects.get(id);
        Ok(found.map(|(kind, content)| Header { kind: *kind, size: content.len() as u64 }))
    }
}
