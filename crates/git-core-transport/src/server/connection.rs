//! The asynchronous driver: one conversation, from its first byte to its last.
//!
//! The task that runs it never blocks: questions and pieces of packs are handed to [`Workers`]. While one piece
//! of a pack is written the next is being made; while one is being taken in, the next is read. At most three
//! pieces exist at a time.

use super::patience::Patience;
use super::progress::ProgressText;
use super::workers::{Work, Workers};
use super::{PackSink, PackStream, Received, Refusal, ServeError, Served, ServerOptions, Session};
use git_core_object::{Cancel, Context};
use git_core_protocol::server::{Conversation, Outcome, Output};
use std::future::Future;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// Where a conversation's input comes from.
pub(super) trait Inflow: Send {
    /// Appends what has arrived, waiting for something; 0 at the end. May be dropped and called again.
    fn read(&mut self, into: &mut Vec<u8>) -> impl Future<Output = io::Result<usize>> + Send;
}

/// Where its output goes.
pub(super) trait Outflow: Send {
    /// Writes all of it, and gives a buffer back when it is done with one.
    fn write(&mut self, bytes: Vec<u8>) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// Waits until the peer is known to be gone, where that shows before something is written.
    fn closed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// A piece of a pack that is made, or taken in, while the connection does something else.
type Piece<T, R> = JoinHandle<Result<(T, Vec<u8>, Result<R, Refusal>), ServeError>>;

/// A conversation and all it needs.
pub(super) struct Connection<I, O> {
    machine: Box<dyn Conversation>,
    session: Option<Box<dyn Session>>,
    inflow: I,
    outflow: O,
    workers: Workers,
    options: Arc<ServerOptions>,
    cx: Context,
    text: Arc<ProgressText>,
    news: Arc<Notify>,
    inbox: Vec<u8>,
    reading: Patience,
    writing: Patience,
    served: Served,
    received: Option<Received>,
    refusal: Option<Refusal>,
}

/// Stops what still runs for a connection that is gone.
struct CancelOnDrop(Cancel, Arc<ProgressText>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
        // Nobody comes for messages any more, and nobody is to wait for that.
        self.1.finish();
    }
}

impl<I: Inflow, O: Outflow> Connection<I, O> {
    pub(super) fn new(
        machine: Box<dyn Conversation>,
        session: Box<dyn Session>,
        (inflow, outflow): (I, O),
        workers: Workers,
        options: Arc<ServerOptions>,
        cx: Context,
    ) -> Self {
        let news = Arc::new(Notify::new());
        let text = Arc::new(ProgressText::waking({
            let news = news.clone();
            move || news.notify_one()
        }));
        Connection {
            machine,
            session: Some(session),
            inflow,
            outflow,
            workers,
            reading: Patience::new(&options),
            writing: Patience::new(&options),
            options,
            cx: cx.with_cancel(Cancel::new()).with_progress(text.clone()),
            text,
            news,
            inbox: Vec::new(),
            served: Served::default(),
            received: None,
            refusal: None,
        }
    }

    /// Holds the conversation to its end; the carrier, for closing it, and what it amounted to.
    pub(super) async fn run(mut self) -> (I, O, Served, Result<(), ServeError>) {
        let _cancel = CancelOnDrop(self.cx.cancel().clone(), self.text.clone());
        let result = self.converse().await;
        (self.inflow, self.outflow, self.served, result)
    }

    async fn converse(&mut self) -> Result<(), ServeError> {
        loop {
            match self.machine.poll() {
                Output::Send(bytes) => self.send(bytes).await?,
                Output::Read => {
                    if self.inbox.is_empty() && !self.receive().await? {
                        self.machine.feed_end();
                        continue;
                    }
                    let consumed = self.machine.feed(&self.inbox);
                    self.inbox.drain(..consumed);
                }
                Output::Ask(question) => {
                    match self.with_session(Work::Stream, |session, cx| session.answer(question, cx)).await? {
                        Ok(answer) => self.machine.answer(answer),
                        Err(refusal) => self.refuse(refusal),
                    }
                }
                Output::SendPack(request) => {
                    let stream =
                        self.with_session(Work::Heavy, |session, cx| session.send(request, cx)).await?;
                    self.send_stream(stream).await?;
                }
                Output::SendArchive(request) => {
                    let stream =
                        self.with_session(Work::Heavy, |session, cx| session.archive(request, cx)).await?;
                    self.send_stream(stream).await?;
                }
                Output::ReceivePack => match self.receive_pack().await? {
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
                Output::Update(request) => {
                    let received = self.received.take();
                    let update =
                        move |session: &mut dyn Session, cx: &Context| session.update(request, received, cx);
                    match self.with_session(Work::Heavy, update).await? {
                        Ok(report) => self.machine.updated(report),
                        Err(refusal) => self.refuse(refusal),
                    }
                }
                Output::Done(Outcome::Complete) => {
                    return self.refusal.take().map_or(Ok(()), |r| Err(r.into()));
                }
                Output::Done(Outcome::Failed(error)) => {
                    return Err(self.refusal.take().map_or_else(|| error.into(), ServeError::Refused));
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

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), ServeError> {
        let length = bytes.len();
        let buffer = self.writing.write(length, self.outflow.write(bytes)).await?;
        self.served.sent += length as u64;
        self.machine.reuse(buffer);
        Ok(())
    }

    async fn send_ready(&mut self) -> Result<(), ServeError> {
        while let Output::Send(bytes) = self.machine.poll() {
            self.send(bytes).await?;
        }
        Ok(())
    }

    /// Reads once; `false` at the end.
    async fn receive(&mut self) -> Result<bool, ServeError> {
        let start = Instant::now();
        let read =
            tokio::time::timeout_at(self.reading.deadline(start, 0), self.inflow.read(&mut self.inbox));
        let count = read.await.map_err(|_| ServeError::TimedOut(self.options.idle_timeout))?;
        let count = count.map_err(ServeError::Read)? as u64;
        self.reading.waited(start, count)?;
        self.served.received += count;
        Ok(count > 0)
    }

    /// Lets the session work, and keeps the peer informed.
    async fn with_session<T: Send + 'static>(
        &mut self,
        kind: Work,
        work: impl FnOnce(&mut dyn Session, &Context) -> T + Send + 'static,
    ) -> Result<T, ServeError> {
        let Some(mut session) = self.session.take() else {
            return Err(ServeError::Worker("the session was lost".into()));
        };
        let cx = self.cx.clone();
        self.text.begin(self.machine.wants_progress());
        self.text.attend();
        let handle = self.workers.start(kind, move || {
            let result = work(session.as_mut(), &cx);
            (session, result)
        });
        let (session, result) = self.attend(handle).await?;
        self.session = Some(session);
        Ok(result)
    }

    /// Waits for work, and sends what it has to say meanwhile.
    async fn attend<T>(&mut self, mut handle: JoinHandle<Result<T, ServeError>>) -> Result<T, ServeError> {
        let result = loop {
            tokio::select! {
                biased;
                result = &mut handle => break result,
                () = self.outflow.closed() => {
                    return Err(ServeError::Write(io::ErrorKind::BrokenPipe.into()));
                }
                () = self.news.notified() => {
                    let text = self.text.take();
                    self.machine.progress(&text);
                }
                () = sleep(self.options.keep_alive) => self.machine.keep_alive(),
            }
            self.send_ready().await?;
        };
        let text = self.text.take();
        self.machine.progress(&text);
        self.text.finish();
        result.map_err(|error| ServeError::Worker(error.to_string()))?
    }

    async fn send_stream(&mut self, stream: Result<Box<dyn PackStream>, Refusal>) -> Result<(), ServeError> {
        let stream = match stream {
            Ok(stream) => stream,
            Err(refusal) => {
                self.refuse(refusal);
                return Ok(());
            }
        };
        // A small first piece: the client sees the pack begin.
        let mut filling = self.fill(stream, Vec::with_capacity(self.options.chunk.min(32 << 10)));
        loop {
            let (stream, mut piece, result) = self.attend(filling).await?;
            let flow = match result {
                Ok(flow) => flow,
                Err(refusal) => {
                    self.refuse(refusal);
                    return Ok(());
                }
            };
            self.machine.pack_bytes(&piece);
            if flow == ControlFlow::Break(()) {
                self.machine.pack_end();
                return Ok(());
            }
            piece.clear();
            piece.reserve(self.options.chunk);
            filling = self.fill(stream, piece);
            self.send_ready().await?;
        }
    }

    fn fill(
        &self,
        mut stream: Box<dyn PackStream>,
        mut piece: Vec<u8>,
    ) -> Piece<Box<dyn PackStream>, ControlFlow<()>> {
        let cx = self.cx.clone();
        self.workers.start(Work::Stream, move || {
            let result = match cx.check() {
                Ok(()) => stream.fill(&mut piece, &cx),
                Err(stopped) => Err(stopped.into()),
            };
            (stream, piece, result)
        })
    }

    async fn receive_pack(&mut self) -> Result<Result<Received, Refusal>, ServeError> {
        let sink = match self.with_session(Work::Stream, |session, cx| session.receive(cx)).await? {
            Ok(sink) => sink,
            Err(refusal) => return Ok(Err(refusal)),
        };
        self.text.begin(self.machine.wants_progress());
        let mut sink = Some(sink);
        let mut spare = Vec::new();
        let mut feeding: Option<Piece<Box<dyn PackSink>, usize>> = None;
        let mut ended = false;
        let mut silent_since = Instant::now();
        let sink = loop {
            if let Some(idle) = sink.take() {
                if idle.is_complete() || (ended && self.inbox.is_empty()) {
                    break idle;
                }
                if self.inbox.is_empty() {
                    sink = Some(idle);
                } else {
                    let piece = std::mem::replace(&mut self.inbox, std::mem::take(&mut spare));
                    feeding = Some(self.feed(idle, piece));
                }
            }
            let room = self.inbox.len() < self.options.chunk;
            tokio::select! {
                biased;
                done = async { feeding.as_mut().expect("guarded").await }, if feeding.is_some() => {
                    feeding = None;
                    let (fed, mut piece, result) = done.map_err(|e| ServeError::Worker(e.to_string()))??;
                    match result {
                        Ok(taken) if taken < piece.len() => break fed,
                        Ok(_) => {}
                        Err(refusal) => return Ok(Err(refusal)),
                    }
                    piece.clear();
                    spare = piece;
                    sink = Some(fed);
                    // Waiting for ourselves is not waiting for the peer.
                    silent_since = Instant::now();
                }
                count = self.inflow.read(&mut self.inbox), if room && !ended => {
                    let count = count.map_err(ServeError::Read)? as u64;
                    if feeding.is_none() {
                        self.reading.waited(silent_since, count)?;
                    }
                    silent_since = Instant::now();
                    self.served.received += count;
                    ended = count == 0;
                }
                () = sleep_until(self.reading.deadline(silent_since, 0)), if feeding.is_none() => {
                    return Err(ServeError::TimedOut(self.options.idle_timeout));
                }
                () = self.news.notified() => {
                    let text = self.text.take();
                    self.machine.progress(&text);
                    self.send_ready().await?;
                }
            }
        };
        let cx = self.cx.clone();
        let finishing = self.workers.start(Work::Heavy, move || sink.finish(&cx));
        self.attend(finishing).await
    }

    fn feed(&self, mut sink: Box<dyn PackSink>, piece: Vec<u8>) -> Piece<Box<dyn PackSink>, usize> {
        let cx = self.cx.clone();
        self.workers.start(Work::Stream, move || {
            let result = match cx.check() {
                Ok(()) => sink.feed(&piece, &cx),
                Err(stopped) => Err(stopped.into()),
            };
            (sink, piece, result)
        })
    }
}
