//! Where blocking work of connections runs: on blocking threads, behind two fair server-wide semaphores.
//!
//! A permit is held for one piece of work only, never while a peer is waited for, so a slow peer holds neither
//! a thread nor a place in the queue.

use super::{ServeError, ServerOptions};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// The semaphores of one server.
#[derive(Clone, Debug)]
pub(super) struct Workers {
    stream: Arc<Semaphore>,
    heavy: Arc<Semaphore>,
}

/// Which sort of work it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// One piece of a pack, or one answer.
    Stream,
    /// Counting, delta search, the end of a received pack, ref updates.
    Heavy,
}

impl Workers {
    pub(super) fn new(options: &ServerOptions) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let of = |asked: usize, default: usize| {
            Arc::new(Semaphore::new(if asked == 0 { default } else { asked.min(Semaphore::MAX_PERMITS) }))
        };
        Workers {
            stream: of(options.stream_workers, processors * 2),
            heavy: of(options.heavy_workers, processors),
        }
    }

    /// Starts work at once, in its turn, whether or not the handle is polled.
    pub(super) fn start<T: Send + 'static>(
        &self,
        kind: Work,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<Result<T, ServeError>> {
        let semaphore = match kind {
            Work::Stream => self.stream.clone(),
            Work::Heavy => self.heavy.clone(),
        };
        tokio::spawn(async move {
            let failed = |error: &dyn ToString| ServeError::Worker(error.to_string());
            let permit = semaphore.acquire_owned().await.map_err(|error| failed(&error))?;
            let work = move || {
                let result = work();
                drop(permit);
                result
            };
            tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error))
        })
    }
}
