//! A repository made by git in a temporary directory, and its objects in memory.
#![allow(dead_code)]

use git_core_object::{Kind, ObjectFormat, ObjectId, Objects, ReadError};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A repository that git works on.
pub(crate) struct Repo {
    dir: tempfile::TempDir,
}

impl Repo {
    pub(crate) fn new(format: ObjectFormat) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo { dir };
        repo.git(&["init", "-q", &format!("--object-format={format}"), "."]);
        repo
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs git and answers what it prints.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> Vec<u8> {
        self.git_with(args, b"").unwrap_or_else(|error| panic!("git {args:?}: {error}"))
    }

    /// Runs git on this input.
    pub(crate) fn git_with(&self, args: &[&str], stdin: &[u8]) -> Result<Vec<u8>, String> {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.com")])
            .envs([("GIT_COMMITTER_NAME", "C"), ("GIT_COMMITTER_EMAIL", "c@example.com")])
            .envs([("GIT_AUTHOR_DATE", "1700000000 +0000"), ("GIT_COMMITTER_DATE", "1700000000 +0000")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let stdin = stdin.to_vec();
        let feeder = std::thread::spawn(move || drop(pipe.write_all(&stdin)));
        let out = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        if out.status.success() {
            Ok(out.stdout)
        } else {
            Err(String::from_utf8_lossy(&out.stderr).into_owned())
        }
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The tree of everything that is in the directory now.
    pub(crate) fn tree(&self) -> ObjectId {
        self.git(&["add", "-A", "."]);
        self.index_tree()
    }

    /// The tree of the index as it is.
    pub(crate) fn index_tree(&self) -> ObjectId {
        ObjectId::from_hex(self.git(&["write-tree"]).trim_ascii()).unwrap()
    }

    /// All objects, read now.
    pub(crate) fn objects(&self) -> Memory {
        let out = self.git(&["cat-file", "--batch", "--batch-all-objects", "--unordered"]);
        let mut objects = HashMap::new();
        let mut rest = &out[..];
        let mut format = ObjectFormat::Sha1;
        while !rest.is_empty() {
            let end = rest.iter().position(|b| *b == b'\n').unwrap();
            let line: Vec<_> = rest[..end].split(|b| *b == b' ').collect();
            let id = ObjectId::from_hex(line[0]).unwrap();
            let size: usize = std::str::from_utf8(line[2]).unwrap().parse().unwrap();
            let content = rest[end + 1..][..size].to_vec();
            objects.insert(id, (Kind::from_name(line[1]).unwrap(), content));
            rest = &rest[end + 1 + size + 1..];
            format = id.format();
        }
        Memory { format, objects }
    }
}

/// Objects in memory.
pub(crate) struct Memory {
    pub(crate) format: ObjectFormat,
    pub(crate) objects: HashMap<ObjectId, (Kind, Vec<u8>)>,
}

impl Objects for Memory {
    fn format(&self) -> ObjectFormat {
        self.format
    }

    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        Ok(self.objects.get(id).map(|(kind, content)| {
            out.clone_from(content);
            *kind
        }))
    }
}
