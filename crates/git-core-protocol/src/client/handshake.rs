//! The first phase: what the server says of itself, in whichever version it chose.

use super::incoming::Incoming;
use super::{Action, Advertisement, ClientError, ClientLimits, Machine};
use crate::Service;
use crate::advertisement::Reader;

/// Reads the server's greeting, with or without the service line of smart HTTP, in version 0, 1 or 2.
///
/// Asking for the service and the version is left to the driver. When the machine is done,
/// [`finish`](Self::finish) gives what was said.
#[derive(Clone, Debug)]
pub struct Handshake {
    incoming: Incoming,
    reader: Reader,
}

impl Handshake {
    /// Waits for the greeting of a server of `service`.
    pub fn new(service: Service, limits: &ClientLimits) -> Self {
        Handshake { incoming: Incoming::default(), reader: Reader::new(service, limits.ref_bytes) }
    }

    /// What the server said.
    ///
    /// # Errors
    /// [`ClientError::HungUp`] when it has not said all of it.
    pub fn finish(self) -> Result<Advertisement, ClientError> {
        match self.reader.is_done() {
            true => Ok(self.reader.finish()),
            false => Err(ClientError::HungUp),
        }
    }
}

impl Machine for Handshake {
    fn feed(&mut self, bytes: &[u8]) -> usize {
        self.incoming.feed(bytes)
    }

    fn feed_end(&mut self) {
        self.incoming.feed_end();
    }

    fn poll(&mut self) -> Result<Action<'_>, ClientError> {
        while !self.reader.is_done() {
            let Some(span) = self.incoming.span()? else { return Ok(Action::Read) };
            self.reader.packet(self.incoming.packet(&span))?;
        }
        if self.incoming.is_empty() {
            return Ok(Action::Done);
        }
        Err(ClientError::Unexpected {
            expected: "nothing after the server's greeting",
            got: crate::error::Excerpt::new(b"more"),
        })
    }
}
