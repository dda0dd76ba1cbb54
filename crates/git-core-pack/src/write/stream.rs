//! Objects too large to be held: a thread reads them piece by piece while they are deflated.

use git_core_object::{Header, ObjectId, ReadError};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

/// Hands out the content of an object piece by piece, until the sink breaks; gives what the object is.
pub type StreamObject = Arc<
    dyn Fn(&ObjectId, &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>) -> Result<Option<Header>, ReadError>
        + Send
        + Sync,
>;

/// The content of one object on its way.
pub(super) struct Incoming {
    id: ObjectId,
    pieces: Receiver<Result<Vec<u8>, ReadError>>,
    /// Bytes that have not come yet.
    left: u64,
}

/// Pieces of this size, and so many of them, wait at most.
const PIECE: usize = 64 << 10;
const WAITING: usize = 4;

impl Incoming {
    /// Begins to read an object of this size.
    pub(super) fn new(stream: &StreamObject, id: ObjectId, size: u64) -> Self {
        let (sender, pieces) = sync_channel(WAITING);
        let stream = stream.clone();
        // It ends by itself when nobody takes its pieces any more.
        std::thread::spawn(move || {
            let read = stream(&id, &mut |_, bytes| match bytes
                .chunks(PIECE)
                .all(|piece| sender.send(Ok(piece.to_vec())).is_ok())
            {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            });
            let error = match read {
                Ok(Some(_)) => return,
                Ok(None) => ReadError::Missing { id },
                Err(error) => error,
            };
            let _ = sender.send(Err(error));
        });
        Incoming { id, pieces, left: size }
    }

    /// The next piece; `None` when all of the object has come.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        let wrong = |detail: &str| ReadError::corrupt(format_args!("object {}", self.id), detail);
        match self.pieces.recv() {
            Ok(Ok(piece)) => {
                self.left = self
                    .left
                    .checked_sub(piece.len() as u64)
                    .ok_or_else(|| wrong("it is longer than its header says"))?;
                Ok(Some(piece))
            }
            Ok(Err(error)) => Err(error),
            Err(_) if self.left == 0 => Ok(None),
            Err(_) => Err(wrong("it is shorter than its header says")),
        }
    }
}
