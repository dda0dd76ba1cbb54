//! Repositories made with git on the fly, and packs made by hand.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of this")]

use git_core_hash::Checksum;
use git_core_idx::{IdxFile, SharedBytes};
use git_core_object::{BoxError, Context, Limits, ObjectFormat, ObjectId};
use git_core_pack::{
    EntryHeader, EntryKind, IndexError, IndexOptions, Indexed, Indexer, Pack, PackOptions, Thin, pack_header,
};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

pub const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "A")
        .env("GIT_AUTHOR_EMAIL", "a@example.com")
        .env("GIT_AUTHOR_DATE", "1700000000 +0000")
        .env("GIT_COMMITTER_NAME", "C")
        .env("GIT_COMMITTER_EMAIL", "c@example.com")
        .env("GIT_COMMITTER_DATE", "1700000000 +0000")
        .env_remove("GIT_DIR")
        .stderr(Stdio::piped());
    command
}

/// Runs git with this input; gives its output, or what it said on failure.
pub fn try_run(dir: &Path, args: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut child =
        git(dir).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("git is installed");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

pub fn run(dir: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    try_run(dir, args, input).unwrap_or_else(|error| panic!("git {args:?}: {error}"))
}

pub fn text(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(run(dir, args, b"")).unwrap().trim().to_owned()
}

/// A bare repository with a history of files that change a little each time.
pub struct Repo {
    pub dir: tempfile::TempDir,
    pub format: ObjectFormat,
}

impl Repo {
    pub fn new(format: ObjectFormat, commits: usize, import_args: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let object_format = format!("--object-format={format}");
        run(dir.path(), &["init", "-q", "--bare", "-b", "main", &object_format], b"");
        let mut stream = Vec::new();
        let mut lines: Vec<String> = (0..120).map(|n| format!("line {n} of a file, {}", n * 7919)).collect();
        for n in 0..commits {
            let at = n * 31 % lines.len();
            lines[at] = format!("line {at} was changed by commit {n}");
            let content = lines.join("\n");
            writeln!(
                stream,
                "commit refs/heads/main\ncommitter C <c@example.com> {} +0000",
                1_700_000_000 + n
            )
            .unwrap();
            let message = format!("commit {n}\n");
            write!(stream, "data {}\n{message}", message.len()).unwrap();
            write!(stream, "M 100644 inline dir/file\ndata {}\n{content}\n", content.len()).unwrap();
            let top = format!("{}\nversion {n}\n", lines[..60].join("\n"));
            write!(stream, "M 100644 inline top\ndata {}\n{top}\n", top.len()).unwrap();
            let other = format!("{n}\n");
            write!(stream, "M 100644 inline n/{}\ndata {}\n{other}\n", n % 17, other.len()).unwrap();
        }
        stream
            .extend_from_slice(b"tag v1\nfrom refs/heads/main\ntagger C <c@example.com> 1700000000 +0000\n");
        stream.extend_from_slice(b"data 4\ntag\n\n");
        let args: Vec<&str> = ["-c", "fastimport.unpackLimit=0", "fast-import", "--quiet"]
            .iter()
            .chain(import_args)
            .copied()
            .collect();
        run(dir.path(), &args, &stream);
        Repo { dir, format }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The repository's only pack.
    pub fn pack_path(&self) -> PathBuf {
        let mut packs: Vec<PathBuf> = std::fs::read_dir(self.path().join("objects/pack"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "pack"))
            .collect();
        assert_eq!(packs.len(), 1);
        packs.remove(0)
    }

    pub fn pack_bytes(&self) -> Vec<u8> {
        std::fs::read(self.pack_path()).unwrap()
    }

    pub fn open(&self) -> Arc<Pack> {
        let path = self.pack_path();
        let idx = std::fs::read(path.with_extension("idx")).unwrap();
        open(self.format, std::fs::read(path).unwrap(), idx)
    }

    pub fn repack(&self, args: &[&str]) {
        let args: Vec<&str> = args.iter().chain(&["repack", "-adfq"]).copied().collect();
        run(self.path(), &args, b"");
    }

    /// Every object, with kind and content, as git reads them.
    pub fn contents(&self) -> Vec<(ObjectId, String, Vec<u8>)> {
        let out = run(self.path(), &["cat-file", "--batch", "--batch-all-objects"], b"");
        let mut rest = out.as_slice();
        let mut contents = Vec::new();
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let line = std::str::from_utf8(&rest[..end]).unwrap();
            let mut words = line.split(' ');
            let id = words.next().unwrap().parse().unwrap();
            let kind = words.next().unwrap().to_owned();
            let size: usize = words.next().unwrap().parse().unwrap();
            contents.push((id, kind, rest[end + 1..end + 1 + size].to_vec()));
            rest = &rest[end + 1 + size + 1..];
        }
        contents
    }
}

pub fn open(format: ObjectFormat, pack: Vec<u8>, idx: Vec<u8>) -> Arc<Pack> {
    let idx = IdxFile::open(SharedBytes::from(idx), format).unwrap();
    Arc::new(Pack::open(Arc::new(pack), idx, PackOptions::default()).unwrap())
}

/// Indexes a pack that is fed in pieces of this size.
pub fn index(format: ObjectFormat, pack: &[u8], piece: usize) -> Result<(Indexed, Vec<u8>), IndexError> {
    index_with(format, pack, piece, IndexOptions::default(), &context(2))
}

pub fn index_with(
    format: ObjectFormat,
    pack: &[u8],
    piece: usize,
    options: IndexOptions,
    cx: &Context,
) -> Result<(Indexed, Vec<u8>), IndexError> {
    let mut indexer = Indexer::new(format, Vec::new(), options);
    for piece in pack.chunks(piece) {
        let used = indexer.feed(piece, cx)?;
        if indexer.is_complete() {
            break;
        }
        assert_eq!(used, piece.len());
    }
    indexer.finish(None, cx)
}

pub fn complete() -> IndexOptions {
    IndexOptions { thin: Thin::Complete, ..IndexOptions::default() }
}

pub fn context(threads: usize) -> Context {
    let mut limits = Limits::default();
    limits.threads = threads;
    Context::new().with_limits(limits)
}

/// A context in which hardly any base can be kept.
pub fn tight(threads: usize, bytes: u64) -> Context {
    let mut limits = Limits::default();
    limits.threads = threads;
    limits.delta_cache_bytes = bytes;
    Context::new().with_limits(limits)
}

/// Writes a pack entry by entry, right or wrong.
pub struct Builder {
    pub bytes: Vec<u8>,
    format: ObjectFormat,
    count: u32,
}

impl Builder {
    pub fn new(format: ObjectFormat) -> Self {
        Builder { bytes: pack_header(0).to_vec(), format, count: 0 }
    }

    /// Adds an entry; gives its offset.
    pub fn entry(&mut self, kind: EntryKind, content: &[u8]) -> u64 {
        self.entry_declaring(kind, content.len() as u64, content)
    }

    pub fn entry_declaring(&mut self, kind: EntryKind, size: u64, content: &[u8]) -> u64 {
        let offset = self.bytes.len() as u64;
        EntryHeader { kind, size }.write(&mut self.bytes);
        let level = sirocco::deflate::Level::FASTEST;
        self.bytes.extend(sirocco::compress(sirocco::Format::Zlib, level, content));
        self.count += 1;
        offset
    }

    pub fn finish(self) -> Vec<u8> {
        let count = self.count;
        self.finish_declaring(count)
    }

    pub fn finish_declaring(mut self, count: u32) -> Vec<u8> {
        self.bytes[..12].copy_from_slice(&pack_header(count));
        seal(self.format, &mut self.bytes);
        self.bytes
    }
}

/// Appends the checksum of everything before it.
pub fn seal(format: ObjectFormat, bytes: &mut Vec<u8>) {
    let mut checksum = Checksum::new(format);
    checksum.update(bytes);
    bytes.extend_from_slice(checksum.finish().as_bytes());
}

pub fn refuse(_: &ObjectId) -> Result<(), BoxError> {
    Err("refused".into())
}
