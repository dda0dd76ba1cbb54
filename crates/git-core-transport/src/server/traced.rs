//! Readers and writers that show what goes through them to a [`PacketObserver`].

use git_core_protocol::trace::{PacketObserver, Seat, Tap, Way};
use std::io::{Read, Result, Write};
use std::sync::Arc;

/// What a server reads, watched.
#[derive(Debug)]
pub struct TracedRead<R> {
    inner: R,
    tap: Tap,
}

impl<R> TracedRead<R> {
    /// Shows what comes from `inner`.
    pub fn new(inner: R, observer: Arc<dyn PacketObserver>) -> Self {
        TracedRead { inner, tap: Tap::new(observer, Seat::Server, Way::Received) }
    }
}

impl<R: Read> Read for TracedRead<R> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        let count = self.inner.read(out)?;
        self.tap.bytes(&out[..count]);
        Ok(count)
    }
}

/// What a server writes, watched.
#[derive(Debug)]
pub struct TracedWrite<W> {
    inner: W,
    tap: Tap,
}

impl<W> TracedWrite<W> {
    /// Shows what goes to `inner`.
    pub fn new(inner: W, observer: Arc<dyn PacketObserver>) -> Self {
        TracedWrite { inner, tap: Tap::new(observer, Seat::Server, Way::Sent) }
    }
}

impl<W: Write> Write for TracedWrite<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = self.inner.write(bytes)?;
        self.tap.bytes(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        self.inner.flush()
    }
}
