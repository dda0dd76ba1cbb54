//! Connections that last for the whole conversation: two directions of bytes, with limits on silence.
//!
//! A thread reads ahead into a small queue, so that a server that talks while it listens (progress during a
//! push) never stands still, and so that silence can be noticed on pipes, which know no timeouts.

use super::TransportError;
use bytes::Bytes;
use git_core_object::Context;
use std::io::{ErrorKind as IoKind, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

/// The size of one read, in bytes.
const PIECE: usize = 64 << 10;
/// How many reads may wait.
const QUEUE: usize = 8;
/// How often a waiting operation looks whether it was cancelled.
const TICK: Duration = Duration::from_millis(100);

/// Both directions of a connection that somebody else has made: to a server in the same process, say.
pub struct Duplex {
    /// From the server.
    pub reader: Box<dyn Read + Send>,
    /// To the server. Dropping it must be noticed as the end by the server.
    pub writer: Box<dyn Write + Send>,
}

/// A connection in use.
pub(super) struct Stateful {
    writer: Option<Box<dyn Write + Send>>,
    answers: Receiver<std::io::Result<Bytes>>,
    idle: Duration,
    /// Ends the connection for good, so that the reading thread ends as well.
    close: Option<Box<dyn FnOnce() + Send>>,
}

impl Stateful {
    pub(super) fn new(
        duplex: Duplex,
        idle: Duration,
        close: Option<Box<dyn FnOnce() + Send>>,
    ) -> Result<Self, TransportError> {
        let (sender, answers) = sync_channel(QUEUE);
        let mut reader = duplex.reader;
        let pump = move || {
            loop {
                let mut piece = vec![0; PIECE];
                let read = match reader.read(&mut piece) {
                    Ok(0) => return,
                    Ok(count) => {
                        piece.truncate(count);
                        // Small pieces must not hold large buffers while they wait.
                        Ok(if count < PIECE / 4 { Bytes::copy_from_slice(&piece) } else { piece.into() })
                    }
                    Err(error) if error.kind() == IoKind::Interrupted => continue,
                    Err(error) => Err(error),
                };
                let failed = read.is_err();
                if sender.send(read).is_err() || failed {
                    return;
                }
            }
        };
        std::thread::Builder::new()
            .name("git-core-read".to_owned())
            .spawn(pump)
            .map_err(|source| TransportError::Connect { to: "a thread".to_owned(), source: source.into() })?;
        Ok(Stateful { writer: Some(duplex.writer), answers, idle, close })
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.write_all(bytes).map_err(|error| self.write_failed(error))
    }

    pub(super) fn flush(&mut self) -> Result<(), TransportError> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.flush().map_err(|error| self.write_failed(error))
    }

    fn write_failed(&self, error: std::io::Error) -> TransportError {
        match error.kind() {
            IoKind::TimedOut | IoKind::WouldBlock => {
                TransportError::Silent { during: "sending", after: self.idle }
            }
            _ => TransportError::Broken { during: "sending", source: error.into() },
        }
    }

    /// The next bytes of the server, or `None` at their end.
    pub(super) fn read(&mut self, cx: &Context) -> Result<Option<Bytes>, TransportError> {
        let since = Instant::now();
        loop {
            cx.check()?;
            match self.answers.recv_timeout(TICK) {
                Ok(Ok(bytes)) => return Ok(Some(bytes)),
                // A peer that dies resets its connection: the end, as far as the conversation is concerned.
                Ok(Err(error)) if error.kind() == IoKind::ConnectionReset => return Ok(None),
                Ok(Err(error)) => {
                    return Err(TransportError::Broken { during: "receiving", source: error.into() });
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) if since.elapsed() >= self.idle => {
                    return Err(TransportError::Silent { during: "receiving", after: self.idle });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// What the server has said and nobody read, once it has stopped listening: up to 64 KiB, waiting briefly.
    pub(super) fn last_words(&mut self) -> Vec<u8> {
        let mut words = Vec::new();
        while words.len() < PIECE
            && let Ok(Ok(bytes)) = self.answers.recv_timeout(10 * TICK)
        {
            words.extend_from_slice(&bytes);
        }
        words
    }

    /// Tells the server that nothing more will come.
    pub(super) fn finish(&mut self) {
        self.writer = None;
    }
}

impl Drop for Stateful {
    fn drop(&mut self) {
        self.writer = None;
        if let Some(close) = self.close.take() {
            close();
        }
    }
}
