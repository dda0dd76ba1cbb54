//! Which message is in which lane, and the next block of each.
//!
//! Long messages start first, so that all lanes end at about the same time; a message that would keep its lane
//! busy when all others are done is left to [`crate::Hasher`] from the start. A lane whose message ends takes the
//! next one at once. What is done with the blocks is the business of a [`Function`].

use super::kernel::Block;
use super::{Each, Message};

/// A hash function over `N` lanes.
pub(super) trait Function<const N: usize> {
    /// Starts a message in a lane.
    fn begin(&mut self, lane: usize);
    /// Takes a block in every lane. `owners` has the index of each lane's message, or [`IDLE`].
    fn block(&mut self, blocks: &[&Block; N], owners: &[u32; N], each: Each<'_>);
    /// Ends the message with this index.
    fn end(&mut self, lane: usize, message: u32, each: Each<'_>);
    /// Gives the results that have been held back.
    fn settle(&mut self, each: Each<'_>);
}

/// The owner of a lane that has nothing to do.
pub(super) const IDLE: u32 = u32::MAX;

/// How many messages are taken at once.
const BATCH: usize = 1 << 16;

/// What a block costs in one stream, in 64ths of a step of all lanes.
#[derive(Clone, Copy)]
pub(super) struct StreamCost(pub(super) u32);

/// Hashes all messages; calls `alone` for those that are better hashed as one stream.
pub(super) fn run<const N: usize>(
    function: &mut impl Function<N>,
    messages: &[Message<'_>],
    cost: StreamCost,
    alone: &mut dyn FnMut(usize, Each<'_>),
    each: Each<'_>,
) {
    for (number, batch) in messages.chunks(BATCH).enumerate() {
        let first = number * BATCH;
        let each: Each<'_> = &mut |index, result| each(first + index, result);
        let order = longest_first(batch);
        let (streams, lanes) = order.split_at(for_streams(batch, &order, N, cost));
        for index in streams {
            alone(first + *index as usize, each);
        }
        run_lanes(function, batch, lanes, each);
    }
}

/// The messages' indexes, the longest first, as far as the two highest bits of the number of blocks say.
fn longest_first(messages: &[Message<'_>]) -> Vec<u32> {
    const CLASSES: usize = 2 * usize::BITS as usize + 2;
    let class = |message: &Message<'_>| {
        let blocks = blocks(message);
        let bits = usize::BITS - blocks.leading_zeros();
        CLASSES - 1 - (2 * bits as usize + (blocks << 1 >> bits.saturating_sub(1) & 1))
    };
    let mut starts = [0u32; CLASSES + 1];
    for message in messages {
        starts[class(message) + 1] += 1;
    }
    for class in 0..CLASSES {
        starts[class + 1] += starts[class];
    }
    let mut order = vec![0; messages.len()];
    for (message, index) in messages.iter().zip(0..) {
        let place = &mut starts[class(message)];
        order[*place as usize] = index;
        *place += 1;
    }
    order
}

/// How many of the longest messages to hash as streams so that all are done soonest.
fn for_streams(messages: &[Message<'_>], order: &[u32], lanes: usize, cost: StreamCost) -> usize {
    let length = |index: &u32| blocks(&messages[*index as usize]);
    let mut rest: usize = order.iter().map(length).sum();
    let mut streamed = 0usize;
    let mut best = (usize::MAX, 0);
    for count in 0..=order.len() {
        let longest = order.get(count).map_or(0, length);
        let time = (streamed / 64).saturating_mul(cost.0 as usize) + longest.max(rest.div_ceil(lanes));
        best = best.min((time, count));
        if longest * lanes <= rest {
            break;
        }
        rest -= longest;
        streamed += longest;
    }
    best.1
}

/// The number of blocks that a message has when it is padded.
fn blocks(message: &Message<'_>) -> usize {
    (message.head.len() + message.body.len() + 8) / 64 + 1
}

/// A lane at work on a message.
struct Lane<'a> {
    message: Message<'a>,
    /// Blocks that can be taken from the body as they are.
    whole: &'a [Block],
    /// Where, in the message, the blocks after those begin.
    at: usize,
    /// How many blocks come after those.
    left: usize,
}

impl<'a> Lane<'a> {
    fn new(message: Message<'a>) -> Self {
        Lane { message, whole: &[], at: 0, left: blocks(&message) }
    }

    /// The next block, made in `stage` unless it lies in the body as it is; `None` at the end of the message.
    #[inline(always)]
    fn next<'b>(&mut self, stage: &'b mut Block) -> Option<&'b Block>
    where
        'a: 'b,
    {
        if let Some((block, rest)) = self.whole.split_first() {
            self.whole = rest;
            return Some(block);
        }
        self.next_part(stage)
    }

    fn next_part<'b>(&mut self, stage: &'b mut Block) -> Option<&'b Block>
    where
        'a: 'b,
    {
        let Message { head, body } = self.message;
        if let Some(from) = self.at.checked_sub(head.len())
            && let Some((block, rest)) = body.get(from..).and_then(|rest| rest.as_chunks().0.split_first())
        {
            self.whole = rest;
            self.at += 64 * (1 + rest.len());
            self.left -= 1 + rest.len();
            return Some(block);
        }
        self.left = self.left.checked_sub(1)?;
        let total = head.len() + body.len();
        let mut filled = 0;
        for (part, start) in [(head, 0), (body, head.len())] {
            let from = (self.at + filled).saturating_sub(start).min(part.len());
            let bytes = &part[from..part.len().min(from + 64 - filled)];
            stage[filled..filled + bytes.len()].copy_from_slice(bytes);
            filled += bytes.len();
        }
        stage[filled..].fill(0);
        if (self.at..self.at + 64).contains(&total) {
            stage[filled] = 0x80;
        }
        if self.left == 0 {
            stage[56..].copy_from_slice(&(8 * total as u64).to_be_bytes());
        }
        self.at += 64;
        Some(stage)
    }
}

fn run_lanes<const N: usize>(
    function: &mut impl Function<N>,
    messages: &[Message<'_>],
    order: &[u32],
    each: Each<'_>,
) {
    let mut order = order.iter();
    let mut lanes: [Lane<'_>; N] =
        std::array::from_fn(|_| Lane { message: Message::default(), whole: &[], at: 0, left: 0 });
    let mut owners = [IDLE; N];
    let mut stages = [[0; 64]; N];
    loop {
        let mut blocks = [const { &[0; 64] }; N];
        let mut busy = false;
        for (i, (lane, stage)) in lanes.iter_mut().zip(&mut stages).enumerate() {
            if lane.whole.is_empty() && lane.left == 0 {
                if owners[i] != IDLE {
                    function.end(i, owners[i], each);
                    owners[i] = IDLE;
                }
                if let Some(index) = order.next() {
                    owners[i] = *index;
                    *lane = Lane::new(messages[*index as usize]);
                    function.begin(i);
                }
            }
            if let Some(block) = lane.next(stage) {
                blocks[i] = block;
                busy = true;
            }
        }
        if !busy {
            return function.settle(each);
        }
        function.block(&blocks, &owners, each);
    }
}
