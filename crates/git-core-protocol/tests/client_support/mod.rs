//! Repositories made by `git`, and a driver that joins a client machine to a `git` child process.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::client::{
    Ack, Action, Advertisement, ClientError, ClientLimits, Connection, Fetch, Handshake, Machine, Push,
};
use git_core_protocol::{ProtocolVersion, Service};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for (who, name) in [("AUTHOR", "A U Thor"), ("COMMITTER", "C O Mitter")] {
        command.env(format!("GIT_{who}_NAME"), name).env(format!("GIT_{who}_EMAIL"), "a@example.com");
        command.env(format!("GIT_{who}_DATE"), "1112911993 -0700");
    }
    command.env_remove("GIT_DIR").env_remove("GIT_PROTOCOL");
    command
}

pub fn run(dir: &Path, args: &[&str]) -> String {
    run_with(dir, args, b"")
}

pub fn run_with(dir: &Path, args: &[&str], input: &[u8]) -> String {
    let mut child = git(dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// A bare repository with a line of `commits` commits on `main` and an annotated tag; made by fast-import.
pub fn repository(dir: &Path, name: &str, format: ObjectFormat, commits: usize) -> PathBuf {
    let path = dir.join(name);
    run(dir, &["init", "-q", "--bare", "-b", "main", &format!("--object-format={format}"), name]);
    add_commits(&path, "main", commits, None);
    if commits > 0 {
        run(&path, &["tag", "-a", "-m", "a tag", "v1", "main"]);
    }
    path
}

pub fn add_commits(path: &Path, branch: &str, commits: usize, from: Option<&str>) {
    let mut stream = String::new();
    for number in 0..commits {
        let text = format!("{branch} {number}\n");
        stream += &format!("commit refs/heads/{branch}\n");
        let date = if from.is_some() { 1_100_000_000 } else { 1_000_000_000 } + number * 60;
        stream += &format!("committer C <c@example.com> {date} +0000\n");
        stream += &format!("data {}\n{text}", text.len());
        if let (0, Some(from)) = (number, from) {
            stream += &format!("from {from}\n");
        }
        stream += &format!("M 100644 inline {branch}-{}\ndata {}\n{text}\n", number % 7, text.len());
    }
    run_with(path, &["fast-import", "--quiet"], stream.as_bytes());
}

pub fn rev(dir: &Path, rev: &str) -> ObjectId {
    run(dir, &["rev-parse", rev]).parse().unwrap()
}

/// A `git upload-pack` or `git receive-pack` on the other side, one child for all or one for each request.
pub struct Peer {
    dir: PathBuf,
    service: Service,
    version: ProtocolVersion,
    pub connection: Connection,
    child: Option<(Child, Option<ChildStdin>, ChildStdout)>,
    /// How many bytes of the answer are fed at once.
    pub piece: usize,
    pub requests: usize,
}

impl Peer {
    pub fn new(
        dir: &Path,
        service: Service,
        version: ProtocolVersion,
        connection: Connection,
        piece: usize,
    ) -> Self {
        Peer { dir: dir.to_owned(), service, version, connection, child: None, piece, requests: 0 }
    }

    fn spawn(&mut self, args: &[&str]) {
        let mut child = git(&self.dir)
            .arg(self.service.short_name())
            .args(args)
            .arg(".")
            .env("GIT_PROTOCOL", format!("version={}", self.version.number()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().unwrap());
        self.hang_up();
        self.child = Some((child, stdin, stdout));
    }

    pub fn hang_up(&mut self) {
        if let Some((mut child, stdin, stdout)) = self.child.take() {
            drop((stdin, stdout));
            let _ = child.wait();
        }
    }

    pub fn handshake(&mut self) -> Advertisement {
        match self.connection {
            Connection::Stateful => self.spawn(&[]),
            Connection::Stateless => self.spawn(&["--http-backend-info-refs"]),
        }
        let mut machine = Handshake::new(self.service, &ClientLimits::default());
        self.drive(&mut machine, |_, event| panic!("{event:?}")).unwrap();
        let found = machine.finish().unwrap();
        let asked = if self.service == Service::ReceivePack {
            self.version.min(ProtocolVersion::V1)
        } else {
            self.version
        };
        let expected = if self.version == ProtocolVersion::V2 && self.service == Service::ReceivePack {
            ProtocolVersion::V0
        } else {
            asked
        };
        assert_eq!(found.version, expected);
        found
    }

    /// Does what the machine wants; `event` is given what only an owner can do.
    pub fn drive<M: Machine>(
        &mut self,
        machine: &mut M,
        mut event: impl FnMut(&mut M, Event),
    ) -> Result<(), ClientError> {
        let mut request = Vec::new();
        loop {
            let found = match machine.poll()? {
                Action::Send(bytes) => {
                    match self.connection {
                        Connection::Stateless => request.extend_from_slice(bytes),
                        Connection::Stateful => {
                            let stdin = self.child.as_mut().unwrap().1.as_mut().unwrap();
                            let _ = stdin.write_all(bytes);
                        }
                    }
                    continue;
                }
                Action::EndRequest => {
                    self.requests += 1;
                    if self.connection == Connection::Stateless {
                        self.spawn(&["--stateless-rpc"]);
                        let mut stdin = self.child.as_mut().unwrap().1.take().unwrap();
                        let body = std::mem::take(&mut request);
                        std::thread::spawn(move || stdin.write_all(&body));
                    }
                    continue;
                }
                Action::Read => {
                    let mut bytes = vec![0; self.piece];
                    let got = self.child.as_mut().unwrap().2.read(&mut bytes).unwrap();
                    let mut rest = &bytes[..got];
                    if rest.is_empty() {
                        machine.feed_end();
                    }
                    while !rest.is_empty() {
                        let taken = machine.feed(rest);
                        rest = &rest[taken..];
                        // All fits, since packets are taken before more is read.
                        assert!(rest.is_empty() || taken > 0);
                    }
                    continue;
                }
                Action::Done => return Ok(()),
                Action::NextHaves { count } => Event::Haves(count),
                Action::Ack(ack) => Event::Ack(ack),
                Action::Pack(bytes) => Event::Pack(bytes.to_vec()),
                Action::Progress(text) => Event::Progress(text.to_vec()),
                Action::NeedPack => Event::NeedPack,
                other => panic!("{other:?}"),
            };
            event(machine, found);
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.hang_up();
    }
}

#[derive(Debug)]
pub enum Event {
    Haves(usize),
    Ack(Ack),
    Pack(Vec<u8>),
    Progress(Vec<u8>),
    NeedPack,
}

pub struct Fetched {
    pub pack: Vec<u8>,
    pub progress: Vec<u8>,
    pub acks: Vec<Ack>,
    pub offered: usize,
}

/// Fetches, offering `haves` in their order.
pub fn fetch(peer: &mut Peer, mut machine: Fetch, haves: &[ObjectId]) -> Result<Fetched, ClientError> {
    let mut found = Fetched { pack: Vec::new(), progress: Vec::new(), acks: Vec::new(), offered: 0 };
    peer.drive(&mut machine, |machine, event| match event {
        Event::Haves(count) => {
            let rest = &haves[found.offered..];
            let batch = &rest[..rest.len().min(count)];
            found.offered += batch.len();
            machine.haves(batch);
        }
        Event::Ack(ack) => found.acks.push(ack),
        Event::Pack(bytes) => found.pack.extend_from_slice(&bytes),
        Event::Progress(text) => found.progress.extend_from_slice(&text),
        Event::NeedPack => unreachable!(),
    })?;
    Ok(found)
}

/// Pushes a pack, a piece at a time.
pub fn push(peer: &mut Peer, machine: &mut Push, pack: &[u8]) -> Result<Vec<u8>, ClientError> {
    let (mut pieces, mut progress) = (pack.chunks(1000), Vec::new());
    peer.drive(machine, |machine, event| match event {
        Event::NeedPack => match pieces.next() {
            Some(piece) => machine.pack(piece),
            None => machine.pack_end(),
        },
        Event::Progress(text) => progress.extend_from_slice(&text),
        other => panic!("{other:?}"),
    })?;
    Ok(progress)
}
