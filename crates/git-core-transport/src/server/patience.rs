//! How long a peer is waited for: not for ever when it is silent, nor when it trickles.

use super::{ServeError, ServerOptions};
use std::future::Future;
use std::time::Duration;
use tokio::time::Instant;

/// The account of one direction of one connection.
#[derive(Clone, Debug)]
pub(super) struct Patience {
    idle: Duration,
    min_rate: u64,
    waited: Duration,
    bytes: u64,
}

impl Patience {
    pub(super) fn new(options: &ServerOptions) -> Self {
        Patience { idle: options.idle_timeout, min_rate: options.min_rate, waited: Duration::ZERO, bytes: 0 }
    }

    /// When waiting that began at `start` ends: for something that is to move `bytes` at once, later.
    pub(super) fn deadline(&self, start: Instant, bytes: usize) -> Instant {
        let slow = match self.min_rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64(bytes as f64 / rate as f64),
        };
        start + self.idle.saturating_add(slow)
    }

    /// Accounts for waiting that is over, and tells whether the peer is too slow by now.
    pub(super) fn waited(&mut self, start: Instant, bytes: u64) -> Result<(), ServeError> {
        self.waited += start.elapsed();
        self.bytes += bytes;
        let counted = self.waited.saturating_sub(self.idle).as_secs_f64();
        match (self.bytes as f64) < counted * self.min_rate as f64 {
            true => Err(ServeError::TimedOut(self.idle)),
            false => Ok(()),
        }
    }

    /// Waits for a peer to take these bytes.
    pub(super) async fn write<T>(
        &mut self,
        bytes: usize,
        write: impl Future<Output = std::io::Result<T>>,
    ) -> Result<T, ServeError> {
        let start = Instant::now();
        let written = tokio::time::timeout_at(self.deadline(start, bytes), write).await;
        let written = written.map_err(|_| ServeError::TimedOut(self.idle))?.map_err(ServeError::Write)?;
        self.waited(start, bytes as u64)?;
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_is_too_slow_and_silence_before_a_flood_is_not() {
        let options = ServerOptions {
            idle_timeout: Duration::from_millis(500),
            min_rate: 1000,
            ..ServerOptions::default()
        };
        let ago = |millis| Instant::now().checked_sub(Duration::from_millis(millis)).unwrap();
        let mut flood = Patience::new(&options);
        flood.waited(ago(490), 1).unwrap();
        flood.waited(ago(490), 1 << 20).unwrap();
        let mut trickle = Patience::new(&options);
        trickle.waited(ago(490), 1).unwrap();
        assert!(trickle.waited(ago(490), 1).is_err());
    }
}
