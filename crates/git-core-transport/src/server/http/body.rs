//! The bodies of smart HTTP: a request body as input of a conversation, its output as a response body.

use super::super::connection::{Inflow, Outflow};
use super::inflate::Inflater;
use bytes::Bytes;
use git_core_object::BoxError;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// The body of a response: whole, or streamed as the conversation goes on.
#[derive(Debug)]
pub struct ResponseBody(Kind);

#[derive(Debug)]
enum Kind {
    Whole(Option<Bytes>),
    Stream { first: Option<Bytes>, rest: Option<mpsc::Receiver<Piece>> },
}

/// What a conversation says to its response body. A channel that closes without an end tells that it broke off.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    End,
}

impl ResponseBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        ResponseBody(Kind::Whole(Some(bytes.into())))
    }

    pub(super) fn stream(first: Bytes, rest: mpsc::Receiver<Piece>) -> Self {
        ResponseBody(Kind::Stream { first: Some(first), rest: Some(rest) })
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let ready = |bytes| Poll::Ready(Some(Ok(Frame::data(bytes))));
        match &mut self.0 {
            Kind::Whole(bytes) => bytes.take().map_or(Poll::Ready(None), ready),
            Kind::Stream { first, rest } => {
                if let Some(bytes) = first.take().filter(|bytes| !bytes.is_empty()) {
                    return ready(bytes);
                }
                let Some(receiver) = rest else { return Poll::Ready(None) };
                match std::task::ready!(receiver.poll_recv(task)) {
                    Some(Piece::Bytes(bytes)) => ready(bytes),
                    Some(Piece::End) => {
                        *rest = None;
                        Poll::Ready(None)
                    }
                    None => {
                        *rest = None;
                        Poll::Ready(Some(Err(io::Error::other("the conversation broke off"))))
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Whole(bytes) => bytes.is_none(),
            Kind::Stream { first, rest } => first.is_none() && rest.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Stream { .. } => SizeHint::default(),
        }
    }
}

/// The output of a conversation, into a response body. One piece waits there at most.
pub(super) struct ToResponse(pub(super) mpsc::Sender<Piece>);

impl Outflow for ToResponse {
    async fn write(&mut self, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
        let sent = self.0.send(Piece::Bytes(bytes.into())).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(Vec::new())
    }

    async fn closed(&self) {
        self.0.closed().await;
    }
}

/// The input of a conversation, out of a request body.
pub(super) struct FromRequest<B> {
    body: Pin<Box<B>>,
    inflater: Option<Inflater>,
    packed: Bytes,
    ended: bool,
}

impl<B> FromRequest<B> {
    pub(super) fn new(body: B, inflater: Option<Inflater>) -> Self {
        FromRequest { body: Box::pin(body), inflater, packed: Bytes::new(), ended: false }
    }
}

impl<B> Inflow for FromRequest<B>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<BoxError>,
{
    async fn read(&mut self, into: &mut Vec<u8>) -> io::Result<usize> {
        let start = into.len();
        while into.len() == start && !self.ended {
            if self.packed.is_empty() {
                match self.body.frame().await {
                    None => {
                        self.ended = true;
                        if let Some(inflater) = &mut self.inflater {
                            inflater.finish(into)?;
                        }
                        break;
                    }
                    Some(Err(error)) => return Err(io::Error::other(error)),
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(data) => self.packed = data,
                        Err(_trailers) => continue,
                    },
                }
            }
            match &mut self.inflater {
                Some(inflater) => {
                    let used = inflater.inflate(&self.packed, into)?;
                    let _ = self.packed.split_to(used);
                }
                None => into.extend_from_slice(&std::mem::take(&mut self.packed)),
            }
        }
        Ok(into.len() - start)
    }
}
