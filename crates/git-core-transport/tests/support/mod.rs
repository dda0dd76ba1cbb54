//! A backend over the real `git`: answers from its plumbing, packs from and into its child processes.
//!
//! For tests only: it checks what the drivers say, so it must know as little of our own code as it can.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use flate2::{Decompress, FlushDecompress, Status};
use git_core_object::{Context, ObjectFormat, ObjectId};
use git_core_protocol::Service;
use git_core_protocol::server::{
    AdvertisedRef, Answer, CommandStatus, Haves, PackRequest, Question, ReceivePackOptions, Refs,
    RefsPurpose, UpdateReport, UpdateRequest, Updated, UploadPackOptions, Wants,
};
use git_core_transport::server::{
    Backend, BoxFuture, PackSink, PackStream, Received, Refusal, RefusalKind, Request, Session,
};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::Arc;

/// `git` with nothing of the machine's own configuration.
pub fn git(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(args);
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "A U Thor"),
        ("GIT_AUTHOR_EMAIL", "author@example.com"),
        ("GIT_AUTHOR_DATE", "1700000000 +0000"),
        ("GIT_COMMITTER_NAME", "C O Mitter"),
        ("GIT_COMMITTER_EMAIL", "committer@example.com"),
        ("GIT_COMMITTER_DATE", "1700000000 +0000"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
    ] {
        command.env(name, value);
    }
    command
}

/// Runs git; its trimmed standard output.
pub fn run(dir: &Path, args: &[&str]) -> String {
    let output = git(dir, args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Runs git with the protocol version; everything it said.
pub fn try_run(dir: &Path, version: u8, args: &[&str]) -> Output {
    let config = format!("protocol.version={version}");
    git(dir, &["-c", &config]).args(args).output().unwrap()
}

/// Adds a commit with a file that is easy to delta.
pub fn commit(dir: &Path, name: &str, lines: u32) -> String {
    let text: String = (0..lines).map(|line| format!("{name} line {line}\n")).collect();
    std::fs::write(dir.join("file"), text).unwrap();
    run(dir, &["add", "file"]);
    run(dir, &["commit", "-q", "-m", name]);
    run(dir, &["rev-parse", "HEAD"])
}

/// A repository with some history, two branches and an annotated tag.
pub fn repository(dir: &Path, format: &str) {
    let format = format!("--object-format={format}");
    run(dir, &["init", "-q", "-b", "main", &format, "."]);
    for round in 0..20 {
        commit(dir, &format!("commit {round}"), 200 + round);
    }
    run(dir, &["branch", "topic", "HEAD~5"]);
    run(dir, &["tag", "-a", "-m", "a tag", "v1", "HEAD~2"]);
}

/// Serves every repository below a folder.
pub struct GitBackend {
    pub root: PathBuf,
    /// The password that pushing takes, when it takes one.
    pub password: Option<String>,
    pub upload: UploadPackOptions,
    pub receive: ReceivePackOptions,
}

impl GitBackend {
    pub fn new(root: &Path) -> Self {
        GitBackend {
            root: root.to_owned(),
            password: None,
            upload: UploadPackOptions::default(),
            receive: ReceivePackOptions::default(),
        }
    }

    pub fn session(&self, path: &[u8]) -> Result<GitSession, Refusal> {
        let name = std::str::from_utf8(path).unwrap_or_default().trim_start_matches('/');
        let dir = self.root.join(name);
        if name.is_empty() || name.contains("..") || !dir.is_dir() {
            return Err(Refusal::not_found());
        }
        let object_format = run(&dir, &["rev-parse", "--show-object-format"]).parse().unwrap();
        let mut upload = self.upload.clone();
        let mut receive = self.receive.clone();
        (upload.object_format, receive.object_format) = (object_format, object_format);
        Ok(GitSession { dir, object_format, upload, receive })
    }
}

impl Backend for GitBackend {
    fn open<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Box<dyn Session>, Refusal>> {
        Box::pin(async move {
            if request.path == b"/busy" {
                return Err(Refusal::busy(std::time::Duration::from_secs(7)));
            }
            if let (Some(password), Service::ReceivePack) = (&self.password, request.service) {
                match &request.credentials {
                    None => return Err(Refusal::unauthorized()),
                    Some(given) if given.password != *password => return Err(Refusal::forbidden("no")),
                    Some(_) => {}
                }
            }
            let session = self.session(&request.path)?;
            Ok(Box::new(session) as Box<dyn Session>)
        })
    }
}

pub struct GitSession {
    pub dir: PathBuf,
    pub object_format: ObjectFormat,
    pub upload: UploadPackOptions,
    pub receive: ReceivePackOptions,
}

impl GitSession {
    fn refs(&self, purpose: RefsPurpose) -> Refs {
        let mut refs = Vec::new();
        let parse = |hex: &str| (!hex.is_empty()).then(|| hex.parse::<ObjectId>().unwrap());
        if purpose == RefsPurpose::Fetch {
            let head = git(&self.dir, &["rev-parse", "--verify", "-q", "HEAD"]).output().unwrap();
            let symref = run(&self.dir, &["symbolic-ref", "HEAD"]);
            refs.push(AdvertisedRef {
                name: git_core_ref::RefName::head(),
                id: parse(std::str::from_utf8(&head.stdout).unwrap().trim()),
                peeled: None,
                symref: Some(git_core_ref::RefName::new(symref).unwrap()),
            });
        }
        let format = "--format=%(objectname)|%(refname)|%(*objectname)|%(symref)";
        for line in run(&self.dir, &["for-each-ref", format]).lines() {
            let mut fields = line.split('|');
            let mut next = || fields.next().unwrap();
            refs.push(AdvertisedRef {
                id: parse(next()),
                name: git_core_ref::RefName::new(next()).unwrap(),
                peeled: parse(next()),
                symref: git_core_ref::RefName::new(next()).ok(),
            });
        }
        Refs { refs: Arc::new(refs), ..Refs::default() }
    }

    fn has(&self, ids: &[ObjectId]) -> Vec<bool> {
        let mut child = git(&self.dir, &["cat-file", "--batch-check"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(|line| !line.ends_with(" missing")).collect()
    }

    fn ready(&self, wants: &[ObjectId], common: &[ObjectId]) -> bool {
        let ancestor = |want: &ObjectId, have: &ObjectId| {
            let (want, have) = (format!("{want}^{{commit}}"), have.to_hex());
            git(&self.dir, &["merge-base", "--is-ancestor", &have, &want]).status().unwrap().success()
        };
        wants.iter().all(|want| common.iter().any(|have| ancestor(want, have)))
    }
}

impl Session for GitSession {
    fn upload_pack(&self) -> UploadPackOptions {
        self.upload.clone()
    }

    fn receive_pack(&self) -> ReceivePackOptions {
        self.receive.clone()
    }

    fn answer(&mut self, question: Question, _: &Context) -> Result<Answer, Refusal> {
        Ok(match question {
            Question::Refs(query) => Answer::Refs(self.refs(query.purpose)),
            Question::Wants(query) => {
                let known = self.has(&query.wants);
                let missing = query.wants.iter().zip(known).find(|(_, known)| !known);
                Answer::Wants(missing.map_or(Wants::Accepted, |(id, _)| Wants::NotOurRef(*id)))
            }
            Question::Haves(query) => {
                let common = self.has(&query.haves);
                let all: Vec<_> = (query.common.iter().copied())
                    .chain(query.haves.iter().zip(&common).filter(|(_, known)| **known).map(|(id, _)| *id))
                    .collect();
                let ready = query.readiness && self.ready(&query.wants, &all);
                Answer::Haves(Haves { common, ready })
            }
            other => return Err(Refusal::new(RefusalKind::Internal, format!("unknown question {other:?}"))),
        })
    }

    fn send(&mut self, request: PackRequest, cx: &Context) -> Result<Box<dyn PackStream>, Refusal> {
        let mut args = vec!["pack-objects", "--revs", "--stdout", "-q"];
        args.extend(request.thin.then_some("--thin"));
        args.extend(request.ofs_delta.then_some("--delta-base-offset"));
        args.extend(request.include_tag.then_some("--include-tag"));
        let mut child = git(&self.dir, &args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        for id in &request.wants {
            writeln!(stdin, "{id}").unwrap();
        }
        for id in &request.haves {
            writeln!(stdin, "^{id}").unwrap();
        }
        drop(stdin);
        cx.remote_message(b"counted by git\n");
        let stdout = child.stdout.take().unwrap();
        Ok(Box::new(ChildStream { child, stdout }))
    }

    fn receive(&mut self, _: &Context) -> Result<Box<dyn PackSink>, Refusal> {
        let mut child = git(&self.dir, &["index-pack", "--stdin", "--fix-thin", "--strict"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let scan = Scan { hash_len: self.object_format.raw_len(), ..Scan::default() };
        Ok(Box::new(ChildSink { child, stdin, scan }))
    }

    fn update(
        &mut self,
        request: UpdateRequest,
        received: Option<Received>,
        cx: &Context,
    ) -> Result<UpdateReport, Refusal> {
        cx.remote_message(format!("received {:?}\n", received.map(|r| r.objects)).as_bytes());
        for option in request.push_options.iter().flatten() {
            cx.remote_message(format!("option {option}\n").as_bytes());
        }
        let null = ObjectId::null(self.object_format);
        let mut failed = false;
        let mut statuses = Vec::new();
        for command in &request.commands {
            let name = std::str::from_utf8(command.name.as_bytes()).unwrap();
            let old = command.old.unwrap_or(null).to_hex();
            let done = match command.new {
                Some(new) => git(&self.dir, &["update-ref", name, &new.to_hex(), &old]).output().unwrap(),
                None => git(&self.dir, &["update-ref", "-d", name, &old]).output().unwrap(),
            };
            failed |= !done.status.success();
            statuses.push(match done.status.success() {
                true => CommandStatus::Ok(Updated::default()),
                false => CommandStatus::Rejected("failed to update ref".into()),
            });
        }
        if request.atomic && failed {
            return Ok(UpdateReport::rejected(request.commands.len(), "atomic transaction failed"));
        }
        Ok(UpdateReport { statuses })
    }
}

struct ChildStream {
    child: Child,
    stdout: ChildStdout,
}

impl PackStream for ChildStream {
    fn fill(&mut self, out: &mut Vec<u8>, _: &Context) -> Result<ControlFlow<()>, Refusal> {
        let room = (out.capacity() - out.len()).max(1) as u64;
        let count = (&mut self.stdout).take(room).read_to_end(out).unwrap();
        if (count as u64) < room {
            let status = self.child.wait().unwrap();
            if !status.success() {
                return Err(Refusal::internal("pack-objects died"));
            }
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Drop for ChildStream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct ChildSink {
    child: Child,
    stdin: Option<ChildStdin>,
    scan: Scan,
}

impl PackSink for ChildSink {
    fn feed(&mut self, bytes: &[u8], _: &Context) -> Result<usize, Refusal> {
        let taken = self.scan.feed(bytes);
        if self.stdin.as_mut().unwrap().write_all(&bytes[..taken]).is_err() {
            return Err(Refusal::new(RefusalKind::Invalid, "index-pack abnormal exit"));
        }
        Ok(taken)
    }

    fn is_complete(&self) -> bool {
        self.scan.complete
    }

    fn finish(mut self: Box<Self>, _: &Context) -> Result<Received, Refusal> {
        drop(self.stdin.take());
        let status = self.child.wait().unwrap();
        match status.success() {
            true => Ok(Received { objects: u64::from(self.scan.total), state: Box::new(()) }),
            false => Err(Refusal::new(RefusalKind::Invalid, "index-pack abnormal exit")),
        }
    }
}

impl Drop for ChildSink {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

/// Finds the end of a pack by inflating everything again with each piece: slow, simple.
#[derive(Default)]
struct Scan {
    bytes: Vec<u8>,
    hash_len: usize,
    total: u32,
    /// Where the next entry begins, and how many there were.
    at: usize,
    seen: u32,
    complete: bool,
}

impl Scan {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        if let Some(end) = self.end() {
            self.complete = true;
            self.bytes.truncate(end);
            return end - before;
        }
        bytes.len()
    }

    fn end(&mut self) -> Option<usize> {
        if self.at == 0 {
            self.total = u32::from_be_bytes(*self.bytes.get(8..)?.first_chunk()?);
            self.at = 12;
        }
        while self.seen < self.total {
            let mut at = self.at;
            let first = *self.bytes.get(at)?;
            let mut byte = first;
            while byte & 0x80 != 0 {
                at += 1;
                byte = *self.bytes.get(at)?;
            }
            at += 1;
            match first >> 4 & 7 {
                6 => {
                    while self.bytes.get(at)? & 0x80 != 0 {
                        at += 1;
                    }
                    at += 1;
                }
                7 => at += self.hash_len,
                _ => {}
            }
            let mut inflate = Decompress::new(true);
            let mut sink = vec![0; 64 << 10];
            loop {
                let input = self.bytes.get(at + inflate.total_in() as usize..)?;
                match inflate.decompress(input, &mut sink, FlushDecompress::None).ok()? {
                    Status::StreamEnd => break,
                    _ if input.is_empty() => return None,
                    _ => {}
                }
            }
            self.at = at + inflate.total_in() as usize;
            self.seen += 1;
        }
        (self.bytes.len() >= self.at + self.hash_len).then_some(self.at + self.hash_len)
    }
}
