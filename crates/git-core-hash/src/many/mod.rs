//! Many independent messages in, one digest for each out.
//!
//! A pack is full of small objects that have nothing to do with one another; whoever has a batch of them at
//! hand gives the whole batch here, and it is hashed in as many lanes as the CPU's vectors have. The bytes of one
//! long stream are the business of [`crate::Hasher`].

mod cpu;
mod kernel;
mod schedule;
mod sha1;
mod sha256;
#[cfg(test)]
mod tests;
mod vectors;

use crate::{CollisionDetected, Digest, Hasher, ObjectFormat};
use schedule::StreamCost;
use std::fmt;

/// One message to hash, in two parts so that an object's header need not be copied before its content.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// The first part.
    pub head: &'a [u8],
    /// What follows it.
    pub body: &'a [u8],
}

/// Who is told each message's index and result.
type Each<'a> = &'a mut dyn FnMut(usize, Result<Digest, CollisionDetected>);

/// Hashes independent messages side by side; calls `each(index, result)` once for every message, in any order.
///
/// `index` is the message's place in `messages`. The result is what [`Hasher`] gives for the same bytes: SHA-1 is
/// watched for collision attacks. The more messages there are at once, the better; a hundred or two small ones keep
/// all lanes busy.
///
/// ```
/// # use git_core_hash::{Message, ObjectFormat, hash_many};
/// let messages = [Message { head: b"blob 2\0", body: b"a\n" }, Message { head: b"blob 2\0", body: b"b\n" }];
/// let mut names = [const { String::new() }; 2];
/// hash_many(ObjectFormat::Sha1, &messages, &mut |index, result| names[index] = result.unwrap().to_string());
/// assert_eq!(names[0], "78981922613b2afb6025042ff6bd878ac1994e85");
/// assert_eq!(names[1], "61780798228d17af2d34fce4cfbdf35556832472");
/// ```
pub fn hash_many(
    format: ObjectFormat,
    messages: &[Message<'_>],
    each: &mut dyn FnMut(usize, Result<Digest, CollisionDetected>),
) {
    ManyHasher::new(format).hash(messages, each);
}

/// How many messages are hashed at once, and with which instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// One message after the other, each through [`Hasher`].
    OneByOne,
    /// Four lanes in plain Rust.
    Portable,
    /// Four lanes with NEON, on 64-bit ARM.
    Neon,
    /// Eight lanes with AVX2, on x86-64.
    Avx2,
    /// Sixteen lanes with AVX-512 (F, BW and DQ), on x86-64.
    Avx512,
}

impl Backend {
    /// All of them, also those that this CPU does not have.
    pub const ALL: [Backend; 5] =
        [Backend::OneByOne, Backend::Portable, Backend::Neon, Backend::Avx2, Backend::Avx512];
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Backend::OneByOne => "one by one",
            Backend::Portable => "portable",
            Backend::Neon => "neon",
            Backend::Avx2 => "avx2",
            Backend::Avx512 => "avx512",
        })
    }
}

/// Hashes batches of messages, as [`hash_many`] does, with a chosen [`Backend`].
pub struct ManyHasher {
    format: ObjectFormat,
    lanes: Lanes,
}

enum Lanes {
    None,
    Portable(cpu::Portable),
    #[cfg(target_arch = "aarch64")]
    Neon(cpu::Neon),
    #[cfg(target_arch = "x86_64")]
    Avx2(cpu::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(cpu::Avx512),
}

impl ManyHasher {
    /// With the back end that is fastest on this CPU, as far as was measured.
    pub fn new(format: ObjectFormat) -> Self {
        // Where a CPU has instructions for the hash functions, one stream is as fast as four or, with SHA-256,
        // eight lanes.
        let enough = match (format, has_sha_instructions()) {
            (_, false) => 0,
            (ObjectFormat::Sha1, true) => 8,
            (_, true) => 16,
        };
        let best = [(16, Backend::Avx512), (8, Backend::Avx2), (4, Backend::Neon)].into_iter();
        let chosen =
            best.filter(|(lanes, _)| *lanes >= enough).find_map(|(_, backend)| Self::with(format, backend));
        chosen.unwrap_or(ManyHasher { format, lanes: Lanes::None })
    }

    /// With this back end; `None` if the CPU does not have it.
    pub fn with(format: ObjectFormat, backend: Backend) -> Option<Self> {
        let lanes = match backend {
            Backend::OneByOne => Lanes::None,
            Backend::Portable => Lanes::Portable(cpu::Portable::detect()?),
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => Lanes::Neon(cpu::Neon::detect()?),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => Lanes::Avx2(cpu::Avx2::detect()?),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 => Lanes::Avx512(cpu::Avx512::detect()?),
            _ => return None,
        };
        Some(ManyHasher { format, lanes })
    }

    /// Hashes independent messages; calls `each(index, result)` once for every message, in any order.
    pub fn hash(
        &mut self,
        messages: &[Message<'_>],
        each: &mut dyn FnMut(usize, Result<Digest, CollisionDetected>),
    ) {
        let format = self.format;
        match &mut self.lanes {
            Lanes::None => {
                for (index, message) in messages.iter().enumerate() {
                    each(index, one(format, message));
                }
            }
            Lanes::Portable(kernel) => in_lanes(format, kernel, messages, each),
            #[cfg(target_arch = "aarch64")]
            Lanes::Neon(kernel) => in_lanes(format, kernel, messages, each),
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx2(kernel) => in_lanes(format, kernel, messages, each),
            #[cfg(target_arch = "x86_64")]
            Lanes::Avx512(kernel) => in_lanes(format, kernel, messages, each),
        }
    }
}

fn in_lanes<K: kernel::Kernel<N>, const N: usize>(
    format: ObjectFormat,
    kernel: &mut K,
    messages: &[Message<'_>],
    each: Each<'_>,
) {
    // Measured, roughly: what a block costs in one stream is about the same whatever the lanes.
    let cost = match (N, has_sha_instructions()) {
        (16, true) => StreamCost(7),
        (16, false) => StreamCost(17),
        (_, true) => StreamCost(10),
        (_, false) => StreamCost(25),
    };
    let alone: &mut dyn FnMut(usize, Each<'_>) =
        &mut |index, each| each(index, one(format, &messages[index]));
    match format {
        ObjectFormat::Sha1 => schedule::run(&mut sha1::Sha1::new(kernel), messages, cost, alone, each),
        _ => schedule::run(&mut sha256::Sha256(kernel), messages, cost, alone, each),
    }
}

/// Whether this CPU has instructions for SHA-1 and SHA-256, which [`Hasher`] then uses.
fn has_sha_instructions() -> bool {
    #[cfg(target_arch = "x86_64")]
    let has = is_x86_feature_detected!("sha");
    #[cfg(target_arch = "aarch64")]
    let has = std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let has = false;
    has
}

fn one(format: ObjectFormat, message: &Message<'_>) -> Result<Digest, CollisionDetected> {
    let mut hasher = Hasher::new(format);
    hasher.update(message.head);
    hasher.update(message.body);
    hasher.finish()
}
