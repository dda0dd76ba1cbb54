//! What both versions of the fetch negotiation share: how many haves to send, and when to stop.

use git_core_object::{BoxError, ObjectId};
use std::collections::HashSet;

use super::Connection;

/// Offers what is here to a server, newest first, and hears what the server has of it.
///
/// The methods are called from one thread, `next_have` until it gives `None`.
pub trait GraphWalker {
    /// The next commit that is here, children before their parents.
    ///
    /// # Errors
    /// Whatever hinders the walk; it ends the fetch.
    fn next_have(&mut self) -> Result<Option<ObjectId>, BoxError>;

    /// The server has this commit: neither it nor its ancestors are news, and need not be offered.
    ///
    /// # Errors
    /// Whatever hinders the walk; it ends the fetch.
    fn ack(&mut self, ack: &Ack) -> Result<(), BoxError>;
}

/// A [`GraphWalker`] of a repository that has nothing: a clone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHistory;

impl GraphWalker for NoHistory {
    fn next_have(&mut self) -> Result<Option<ObjectId>, BoxError> {
        Ok(None)
    }

    fn ack(&mut self, _ack: &Ack) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What a server says of one of our objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The object.
    pub id: ObjectId,
    /// What it says.
    pub status: AckStatus,
}

/// How a server acknowledges an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckStatus {
    /// It has it.
    Common,
    /// It knows enough to make a pack; further haves are of no use.
    Ready,
}

/// So many haves without any news from the server, and the negotiation ends.
const MAX_IN_VAIN: usize = 256;
/// The first batch of haves.
const INITIAL_FLUSH: usize = 16;
/// A stateful batch: its acknowledgements must fit the buffers of a pipe, since nobody reads them meanwhile.
const PIPE_SAFE_FLUSH: usize = 32;
/// Up to here the batches of a stateless negotiation double.
const LARGE_FLUSH: usize = 16_384;

/// The course of one negotiation.
#[derive(Clone, Debug)]
pub(super) struct Negotiation {
    /// What both sides have; to be said again in each request of a stateless conversation.
    common: Vec<ObjectId>,
    known: HashSet<ObjectId>,
    /// Haves the owner has given, to go into the next request.
    pub(super) batch: Vec<ObjectId>,
    connection: Connection,
    /// In version 2, where each batch is counted by itself, the size of the present one.
    alone: Option<usize>,
    sent: usize,
    flush_at: usize,
    in_vain: usize,
    exhausted: bool,
    pub(super) ready: bool,
}

impl Negotiation {
    pub(super) fn new(connection: Connection) -> Self {
        Negotiation {
            common: Vec::new(),
            known: HashSet::new(),
            batch: Vec::new(),
            connection,
            alone: None,
            sent: 0,
            flush_at: INITIAL_FLUSH,
            in_vain: 0,
            exhausted: false,
            ready: false,
        }
    }

    /// One of version 2: nothing is remembered between requests, whatever carries them, and each batch is larger than
    /// the one before.
    pub(super) fn of_version_2() -> Self {
        Negotiation { alone: Some(INITIAL_FLUSH), ..Self::new(Connection::Stateless) }
    }

    /// How many haves the next request takes.
    pub(super) fn wanted(&self) -> usize {
        self.flush_at - self.sent
    }

    /// The owner's answer.
    pub(super) fn offer(&mut self, haves: &[ObjectId]) {
        let wanted = self.wanted();
        self.exhausted |= haves.len() < wanted;
        self.batch.clear();
        self.batch.extend(haves.iter().take(wanted));
    }

    /// The next request goes out.
    pub(super) fn sending(&mut self) {
        self.sent += self.batch.len();
        self.in_vain += self.batch.len();
        if let Some(size) = &mut self.alone {
            *size = if *size < LARGE_FLUSH { *size * 2 } else { *size * 11 / 10 };
            self.flush_at = self.sent + *size;
            return;
        }
        let count = self.sent.max(INITIAL_FLUSH);
        self.flush_at = match self.connection {
            Connection::Stateful if count < PIPE_SAFE_FLUSH => count * 2,
            Connection::Stateful => count + PIPE_SAFE_FLUSH,
            Connection::Stateless if count < LARGE_FLUSH => count * 2,
            Connection::Stateless => count * 11 / 10,
        };
        self.flush_at = self.flush_at.max(self.sent + 1);
    }

    /// The server has this object; whether that is news.
    pub(super) fn acknowledge(&mut self, id: ObjectId) -> bool {
        let news = self.known.insert(id);
        if news {
            self.common.push(id);
            self.in_vain = 0;
        }
        news
    }

    pub(super) fn common(&self) -> &[ObjectId] {
        &self.common
    }

    /// Whether the next request is the last one.
    pub(super) fn is_over(&self) -> bool {
        self.ready
            || self.exhausted
            || (!self.common.is_empty() && self.in_vain + self.batch.len() >= MAX_IN_VAIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_object::ObjectFormat;

    fn id(number: u32) -> ObjectId {
        let mut raw = [0; 20];
        raw[..4].copy_from_slice(&number.to_be_bytes());
        ObjectId::from_bytes(ObjectFormat::Sha1, &raw).unwrap()
    }

    fn batches(mut negotiation: Negotiation, rounds: usize) -> Vec<usize> {
        let mut sizes = Vec::new();
        for _ in 0..rounds {
            sizes.push(negotiation.wanted());
            let haves = (0..negotiation.wanted() as u32).map(id).collect::<Vec<_>>();
            negotiation.offer(&haves);
            assert!(!negotiation.is_over());
            negotiation.sending();
        }
        sizes
    }

    #[test]
    fn batches_grow_as_the_connection_allows() {
        let of = Negotiation::new;
        assert_eq!(batches(of(Connection::Stateful), 5), [16, 16, 32, 32, 32]);
        assert_eq!(batches(Negotiation::of_version_2(), 5), [16, 32, 64, 128, 256]);
        assert_eq!(
            batches(of(Connection::Stateless), 12),
            [16, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 1638]
        );
    }

    #[test]
    fn it_ends_when_nothing_is_left_or_in_vain() {
        let mut negotiation = Negotiation::new(Connection::Stateless);
        negotiation.offer(&[id(1)]);
        assert!(negotiation.is_over());

        let mut negotiation = Negotiation::new(Connection::Stateless);
        assert!(negotiation.acknowledge(id(7)) && !negotiation.acknowledge(id(7)));
        for round in 0..5 {
            let haves = (0..negotiation.wanted() as u32).map(|n| id(n + round * 10_000)).collect::<Vec<_>>();
            negotiation.offer(&haves);
            assert_eq!(negotiation.is_over(), round == 4, "{round}");
            negotiation.sending();
        }
    }
}
