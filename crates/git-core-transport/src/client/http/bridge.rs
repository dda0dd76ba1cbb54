//! Between a blocking caller and the asynchronous HTTP client.
//!
//! Nothing here blocks a thread of the runtime, and nothing enters a runtime on the caller's thread, so it may
//! be called from anywhere, an asynchronous task of the embedder included. The caller waits on plain channels,
//! looking now and then whether it was cancelled; permits bound what waits in them.

use super::TransportError;
use bytes::Bytes;
use git_core_object::{BoxError, Context};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// How many pieces of an answer may wait for the caller.
const PIECES: usize = 16;
const TICK: Duration = Duration::from_millis(100);

pub(super) struct Bridge {
    runtime: Option<Runtime>,
    idle: Duration,
}

impl Bridge {
    pub(super) fn new(idle: Duration) -> Result<Self, TransportError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("git-core-http")
            .enable_all()
            .build()
            .map_err(|source| TransportError::Connect {
                to: "a runtime".to_owned(),
                source: source.into(),
            })?;
        Ok(Bridge { runtime: Some(runtime), idle })
    }

    pub(super) fn idle(&self) -> Duration {
        self.idle
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(task).abort_handle())
    }

    /// Sends a request whose body is at hand, and waits for the head of the answer.
    pub(super) fn ask(
        &self,
        request: reqwest::RequestBuilder,
        during: &'static str,
        cx: &Context,
    ) -> Result<Answer, TransportError> {
        self.begin(request).wait(during, self.idle, cx)
    }

    /// Sends a request, without waiting.
    pub(super) fn begin(&self, request: reqwest::RequestBuilder) -> Pending {
        let (heads, head) = channel();
        let (pieces, received) = channel();
        let permits = Arc::new(Semaphore::new(PIECES));
        let gate = permits.clone();
        let task = self.spawn(async move {
            let mut response = match request.send().await {
                Ok(response) => response,
                Err(error) => {
                    let _ = heads.send(Err(error));
                    return;
                }
            };
            let _ = heads.send(Ok((response.status(), response.headers().clone())));
            drop(heads);
            while let Ok(permit) = gate.acquire().await {
                permit.forget();
                let piece = match response.chunk().await {
                    Ok(None) => return,
                    Ok(Some(piece)) => Ok(piece),
                    Err(error) => Err(BoxError::from(error.without_url())),
                };
                let failed = piece.is_err();
                if pieces.send(piece).is_err() || failed {
                    return;
                }
            }
        });
        Pending { head, received, permits, task, idle: self.idle }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

type Head = Result<(StatusCode, HeaderMap), reqwest::Error>;

/// A request that is on its way.
pub(super) struct Pending {
    head: Receiver<Head>,
    received: Receiver<Result<Bytes, BoxError>>,
    permits: Arc<Semaphore>,
    task: Option<AbortHandle>,
    idle: Duration,
}

impl Pending {
    /// Waits for the head of the answer.
    pub(super) fn wait(
        self,
        during: &'static str,
        idle: Duration,
        cx: &Context,
    ) -> Result<Answer, TransportError> {
        let waited = wait(&self.head, during, idle, cx);
        let task = AbortOnDrop(self.task);
        let Some(head) = waited? else {
            return Err(TransportError::Broken { during, source: "the request was dropped".into() });
        };
        let (status, headers) = head.map_err(|error| {
            let error = error.without_url();
            match error.is_connect() {
                true => TransportError::Connect { to: "the server".to_owned(), source: error.into() },
                false => TransportError::Broken { during, source: error.into() },
            }
        })?;
        Ok(Answer {
            status,
            headers,
            received: self.received,
            permits: self.permits,
            idle: self.idle,
            _task: task,
        })
    }

    /// Whether the answer has begun, though the request may not have ended.
    pub(super) fn into_early(self) -> Result<Early, Self> {
        match self.head.try_recv() {
            Ok(head) => {
                let (again, first) = channel();
                let _ = again.send(head);
                Ok(Early(Pending { head: first, ..self }))
            }
            Err(_) => Err(self),
        }
    }
}

/// A request that was answered before it was whole.
pub(super) struct Early(pub(super) Pending);

struct AbortOnDrop(Option<AbortHandle>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// An answer whose body is being received.
pub(super) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    received: Receiver<Result<Bytes, BoxError>>,
    permits: Arc<Semaphore>,
    idle: Duration,
    _task: AbortOnDrop,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The content type without parameters, in lower case.
    pub(super) fn content_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        value
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .chars()
            .take(200)
            .collect::<String>()
            .to_ascii_lowercase()
    }

    /// The next bytes of the body, or `None` at its end.
    pub(super) fn read(&self, during: &'static str, cx: &Context) -> Result<Option<Bytes>, TransportError> {
        match wait(&self.received, during, self.idle, cx)? {
            None => Ok(None),
            Some(Ok(piece)) => {
                self.permits.add_permits(1);
                Ok(Some(piece))
            }
            Some(Err(source)) => Err(TransportError::Broken { during, source }),
        }
    }

    /// The first bytes of the body, as far as they come without trouble.
    pub(super) fn beginning(&self, bound: usize, cx: &Context) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < bound
            && let Ok(Some(piece)) = self.read("receiving an error message", cx)
        {
            bytes.extend_from_slice(&piece);
        }
        bytes.truncate(bound);
        bytes
    }
}

/// Waits for something of the runtime's; `None` when nothing more will come.
pub(super) fn wait<T>(
    from: &Receiver<T>,
    during: &'static str,
    idle: Duration,
    cx: &Context,
) -> Result<Option<T>, TransportError> {
    let since = Instant::now();
    loop {
        cx.check()?;
        match from.recv_timeout(TICK) {
            Ok(value) => return Ok(Some(value)),
            Err(RecvTimeoutError::Disconnected) => return Ok(None),
            Err(RecvTimeoutError::Timeout) if since.elapsed() >= idle => {
                return Err(TransportError::Silent { during, after: idle });
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Tells the caller that a piece of the request was taken.
pub(super) type Taken = Sender<()>;
