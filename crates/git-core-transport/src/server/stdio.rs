//! The blocking driver: a conversation over a reader and a writer, such as standard input and output.
//!
//! It serves `upload-pack` and `receive-pack` as commands, `--stateless-rpc` and `--http-backend-info-refs` too,
//! and local paths over an in-memory pipe. One thread reads and writes; while the repository side counts or
//! checks on a second one, the first sends progress and keeps the connection open.

use super::progress::{ProgressText, Waited};
use super::{PackStream, Received, Refusal, ServeError, Served, Session};
use git_core_object::Context;
use git_core_protocol::server::{
    Conversation, Mode, Outcome, Output, ReceivePack, UpdateRequest, UploadArchive, UploadPack,
};
use git_core_protocol::{ProtocolVersion, Service};
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

/// How a conversation over a reader and a writer is held.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StdioOptions {
    /// In which version: what `GIT_PROTOCOL` asks for.
    pub version: ProtocolVersion,
    /// Which part: `--http-backend-info-refs` is [`Mode::Advertise`], `--stateless-rpc` is
    /// [`Mode::StatelessRpc`].
    pub mode: Mode,
    /// While the repository side works, something is sent this often. 5 seconds.
    pub keep_alive: Duration,
    /// How much is read at once, and asked of a pack at once. 256 KiB.
    pub chunk: usize,
}

impl Default for StdioOptions {
    fn default() -> Self {
        StdioOptions {
            version: ProtocolVersion::V0,
            mode: Mode::Stateful,
            keep_alive: Duration::from_secs(5),
            chunk: 256 << 10,
        }
    }
}

/// Holds a conversation to its end.
///
/// # Errors
/// [`ServeError`]; the peer has been told what it may know, where the protocol has room for it.
pub fn serve_stdio(
    session: &mut dyn Session,
    service: Service,
    options: &StdioOptions,
    read: impl Read,
    write: impl Write,
    cx: &Context,
) -> Result<Served, ServeError> {
    let mut machine = machine(session, service, options.version, options.mode);
    let text = Arc::new(ProgressText::default());
    let driver = Driver {
        machine: machine.as_mut(),
        session,
        read,
        write,
        options,
        cx: cx.clone().with_progress(text.clone()),
        text,
        inbox: Vec::new(),
        consumed: 0,
        served: Served::default(),
        received: None,
        refusal: None,
    };
    driver.run()
}

/// The machine for a service, with what the session offers.
pub(super) fn machine(
    session: &dyn Session,
    service: Service,
    version: ProtocolVersion,
    mode: Mode,
) -> Box<dyn Conversation> {
    match service {
        Service::UploadPack => Box::new(UploadPack::new(version, mode, session.upload_pack())),
        Service::ReceivePack => Box::new(ReceivePack::new(version, mode, session.receive_pack())),
        Service::UploadArchive => Box::new(UploadArchive::new()),
    }
}

struct Driver<'a, R, W> {
    machine: &'a mut dyn Conversation,
    session: &'a mut dyn Session,
    read: R,
    write: W,
    options: &'a StdioOptions,
    cx: Context,
    text: Arc<ProgressText>,
    /// What was read; the first `consumed` bytes of it were used.
    inbox: Vec<u8>,
    consumed: usize,
    served: Served,
    /// What became of the pack of a push, until its refs are updated.
    received: Option<Received>,
    /// What the session refused, which says more than the machine knows.
    refusal: Option<Refusal>,
}

impl<R: Read, W: Write> Driver<'_, R, W> {
    fn run(mut self) -> Result<Served, ServeError> {
        loop {
            match self.machine.poll() {
                Output::Send(bytes) => self.send(bytes)?,
                Output::Read => {
                    if self.consumed == self.inbox.len() && !self.receive()? {
                        self.machine.feed_end();
                        continue;
                    }
                    self.consumed += self.machine.feed(&self.inbox[self.consumed..]);
                }
                Output::Ask(question) => match self.session.answer(question, &self.cx) {
                    Ok(answer) => self.machine.answer(answer),
                    Err(refusal) => self.refuse(refusal),
                },
                Output::SendPack(request) => {
                    let stream = self.attend(|session, cx| session.send(request, cx))?;
                    self.send_stream(stream)?;
                }
                Output::SendArchive(request) => {
                    let stream = self.attend(|session, cx| session.archive(request, cx))?;
                    self.send_stream(stream)?;
                }
                Output::ReceivePack => match self.receive_pack()? {
                    Ok(received) => {
                        self.received = Some(received);
                        self.machine.pack_received();
                    }
                    Err(refusal) => {
                        let text = self.text.take();
                        self.machine.progress(&text);
                        self.machine.pack_failed(refusal.message());
                        self.refusal = Some(refusal);
                    }
                },
                Output::Update(request) => self.update(request)?,
                Output::Done(Outcome::Complete) => {
                    return self.refusal.map_or(Ok(self.served), |r| Err(r.into()));
                }
                Output::Done(Outcome::Failed(error)) => {
                    return Err(self.refusal.map_or_else(|| error.into(), ServeError::Refused));
                }
                Output::Waiting => {
                    return Err(ServeError::Worker("the conversation waits for nothing".into()));
                }
            }
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.machine.refuse(refusal.message());
        self.refusal = Some(refusal);
    }

    fn send(&mut self, bytes: Vec<u8>) -> Result<(), ServeError> {
        let sent = self.write.write_all(&bytes).and_then(|()| self.write.flush());
        self.served.sent += bytes.len() as u64;
        self.machine.reuse(bytes);
        sent.map_err(|error| {
            self.cx.cancel().cancel();
            ServeError::Write(error)
        })
    }

    /// Sends what the machine has ready, as long as it only sends.
    fn send_ready(&mut self) -> Result<(), ServeError> {
        while let Output::Send(bytes) = self.machine.poll() {
            self.send(bytes)?;
        }
        Ok(())
    }

    /// Reads once; `false` at the end.
    fn receive(&mut self) -> Result<bool, ServeError> {
        self.inbox.resize(self.options.chunk.max(1), 0);
        self.consumed = 0;
        let count = loop {
            match self.read.read(&mut self.inbox) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let count = count.map_err(ServeError::Read);
        self.inbox.truncate(*count.as_ref().unwrap_or(&0));
        self.served.received += self.inbox.len() as u64;
        Ok(count? > 0)
    }

    fn send_stream(&mut self, stream: Result<Box<dyn PackStream>, Refusal>) -> Result<(), ServeError> {
        let mut stream: Box<dyn PackStream> = match stream {
            Ok(stream) => stream,
            Err(refusal) => {
                self.refuse(refusal);
                return Ok(());
            }
        };
        let mut piece = Vec::with_capacity(self.options.chunk.min(32 << 10));
        loop {
            piece.clear();
            match stream.fill(&mut piece, &self.cx) {
                Ok(flow) => {
                    let text = self.text.take();
                    self.machine.progress(&text);
                    self.machine.pack_bytes(&piece);
                    if let ControlFlow::Break(()) = flow {
                        self.machine.pack_end();
                        return Ok(());
                    }
                    self.send_ready()?;
                }
                Err(refusal) => {
                    self.refuse(refusal);
                    return Ok(());
                }
            }
            piece.reserve(self.options.chunk);
        }
    }

    fn receive_pack(&mut self) -> Result<Result<Received, Refusal>, ServeError> {
        self.text.begin(self.machine.wants_progress());
        let mut sink = match self.session.receive(&self.cx) {
            Ok(sink) => sink,
            Err(refusal) => return Ok(Err(refusal)),
        };
        while !sink.is_complete() {
            if self.consumed == self.inbox.len() && !self.receive()? {
                break;
            }
            match sink.feed(&self.inbox[self.consumed..], &self.cx) {
                Ok(taken) => self.consumed += taken.min(self.inbox.len() - self.consumed),
                Err(refusal) => return Ok(Err(refusal)),
            }
            if self.consumed < self.inbox.len() {
                break;
            }
        }
        self.attend(|_, cx| sink.finish(cx))
    }

    fn update(&mut self, request: UpdateRequest) -> Result<(), ServeError> {
        let received = self.received.take();
        match self.attend(|session, cx| session.update(request, received, cx))? {
            Ok(report) => self.machine.updated(report),
            Err(refusal) => self.refuse(refusal),
        }
        Ok(())
    }

    /// Runs something long on a second thread, and sends what it has to say meanwhile.
    fn attend<T: Send>(
        &mut self,
        work: impl FnOnce(&mut dyn Session, &Context) -> T + Send,
    ) -> Result<T, ServeError> {
        self.text.begin(self.machine.wants_progress());
        self.text.attend();
        let (text, cx) = (self.text.clone(), self.cx.clone());
        let (machine, write) = (&mut *self.machine, &mut self.write);
        let (session, served) = (&mut *self.session, &mut self.served);
        let keep_alive = self.options.keep_alive;
        std::thread::scope(|scope| {
            let worker = std::thread::Builder::new().name("git-serve".into()).spawn_scoped(scope, {
                let (text, cx) = (text.clone(), cx.clone());
                move || {
                    // Also when it panics: the other thread must not wait for ever.
                    let _finished = Finished(text);
                    work(session, &cx)
                }
            });
            let worker = worker.map_err(|error| ServeError::Worker(error.to_string()))?;
            let mut failed = None;
            loop {
                match text.wait(keep_alive) {
                    Waited::Text(line) => machine.progress(&line),
                    Waited::Idle => machine.keep_alive(),
                    Waited::Finished => break,
                }
                while failed.is_none()
                    && let Output::Send(bytes) = machine.poll()
                {
                    served.sent += bytes.len() as u64;
                    if let Err(error) = write.write_all(&bytes).and_then(|()| write.flush()) {
                        cx.cancel().cancel();
                        failed = Some(ServeError::Write(error));
                    }
                    machine.reuse(bytes);
                }
            }
            let result = worker.join().map_err(|_| ServeError::Worker("it panicked".into()))?;
            failed.map_or(Ok(result), Err)
        })
    }
}

struct Finished(Arc<ProgressText>);

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.finish();
    }
}
