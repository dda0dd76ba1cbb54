//! The body of a request: put together while it is small, sent in chunks while it is made when it is large.

use super::TransportError;
use super::bridge::{Answer, Bridge, Early, Pending, Taken, wait};
use bytes::Bytes;
use git_core_object::Context;
use http_body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Poll, ready};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How many pieces may be on their way.
const PIECES: usize = 16;

/// The request that is being put together.
#[derive(Default)]
pub(super) enum Upload {
    #[default]
    Empty,
    Whole(Vec<u8>),
    Streaming(Stream),
    /// The server has answered before it had everything; what else is added is of no interest.
    Answered(Early),
}

pub(super) struct Stream {
    pieces: UnboundedSender<Bytes>,
    taken: Receiver<()>,
    under_way: usize,
    pending: Pending,
}

pub(super) enum Finished {
    Whole(Bytes),
    Streamed(Answer),
}

impl Upload {
    /// Adds to the body; how many bytes of it are held here.
    pub(super) fn add(
        &mut self,
        bytes: &[u8],
        bridge: &Bridge,
        cx: &Context,
    ) -> Result<usize, TransportError> {
        match std::mem::take(self) {
            Upload::Empty => *self = Upload::Whole(bytes.to_vec()),
            Upload::Whole(mut body) => {
                body.extend_from_slice(bytes);
                *self = Upload::Whole(body);
            }
            Upload::Streaming(stream) => *self = stream.add(Bytes::copy_from_slice(bytes), bridge, cx)?,
            Upload::Answered(early) => *self = Upload::Answered(early),
        }
        Ok(match self {
            Upload::Whole(body) => body.len(),
            _ => 0,
        })
    }

    /// Begins to send `request` with what is held as the beginning of its body.
    pub(super) fn start(
        &mut self,
        request: reqwest::RequestBuilder,
        bridge: &Bridge,
        cx: &Context,
    ) -> Result<(), TransportError> {
        let Upload::Whole(body) = std::mem::take(self) else { return Ok(()) };
        let (pieces, receiver) = unbounded_channel();
        let (sender, taken) = channel();
        let pending =
            bridge.begin(request.body(reqwest::Body::wrap(Chunks { pieces: receiver, taken: sender })));
        *self = Stream { pieces, taken, under_way: 0, pending }.add(body.into(), bridge, cx)?;
        Ok(())
    }

    /// The body is whole; one that was sent in chunks has an answer.
    pub(super) fn finish(&mut self, bridge: &Bridge, cx: &Context) -> Result<Finished, TransportError> {
        const DURING: &str = "waiting for the server's answer";
        match std::mem::take(self) {
            Upload::Empty => Ok(Finished::Whole(Bytes::new())),
            Upload::Whole(body) => Ok(Finished::Whole(body.into())),
            Upload::Answered(Early(pending)) => {
                Ok(Finished::Streamed(pending.wait(DURING, bridge.idle(), cx)?))
            }
            Upload::Streaming(Stream { pieces, pending, .. }) => {
                drop(pieces);
                Ok(Finished::Streamed(pending.wait(DURING, bridge.idle(), cx)?))
            }
        }
    }
}

impl Stream {
    fn add(mut self, bytes: Bytes, bridge: &Bridge, cx: &Context) -> Result<Upload, TransportError> {
        if !bytes.is_empty() && self.pieces.send(bytes).is_ok() {
            self.under_way += 1;
        }
        self.under_way -= self.taken.try_iter().count();
        if self.under_way >= PIECES {
            match wait(&self.taken, "sending", bridge.idle(), cx)? {
                Some(()) => self.under_way -= 1,
                // The body was dropped: the server has answered, or the connection broke.
                None => return Ok(Upload::Answered(Early(self.pending))),
            }
        }
        Ok(match self.pending.into_early() {
            Ok(early) => Upload::Answered(early),
            Err(pending) => Upload::Streaming(Stream { pending, ..self }),
        })
    }
}

/// The body as the HTTP client sees it.
struct Chunks {
    pieces: UnboundedReceiver<Bytes>,
    taken: Taken,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = ready!(self.pieces.poll_recv(cx));
        if piece.is_some() {
            let _ = self.taken.send(());
        }
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }
}
