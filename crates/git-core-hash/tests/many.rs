//! Many messages at once give what one at a time gives, with every back end.
#![allow(clippy::unwrap_used, reason = "helpers of tests, too")]

use git_core_hash::{
    Backend, CollisionDetected, Digest, Hasher, ManyHasher, Message, ObjectFormat, hash_many,
};
use proptest::prelude::*;

type Outcome = Result<Digest, CollisionDetected>;

const FORMATS: [ObjectFormat; 2] = [ObjectFormat::Sha1, ObjectFormat::Sha256];

fn backends(format: ObjectFormat) -> impl Iterator<Item = ManyHasher> {
    Backend::ALL.into_iter().filter_map(move |backend| ManyHasher::with(format, backend))
}

/// The results in the messages' order, each given exactly once.
fn results(hasher: &mut ManyHasher, messages: &[Message<'_>]) -> Vec<Outcome> {
    let mut seen = vec![None; messages.len()];
    hasher.hash(messages, &mut |index, result| {
        assert!(seen[index].replace(result).is_none(), "message {index} given twice");
    });
    seen.into_iter().map(Option::unwrap).collect()
}

fn one_at_a_time(format: ObjectFormat, message: &Message<'_>) -> Outcome {
    let mut hasher = Hasher::new(format);
    hasher.update(message.head);
    hasher.update(message.body);
    hasher.finish()
}

fn expected(format: ObjectFormat, messages: &[Message<'_>]) -> Vec<Outcome> {
    messages.iter().map(|message| one_at_a_time(format, message)).collect()
}

/// The other detecting implementation.
fn sha1_checked(message: &Message<'_>) -> Outcome {
    use sha1_checked::Digest as _;
    let mut hasher = sha1_checked::Builder::default().safe_hash(false).build();
    hasher.update(message.head);
    hasher.update(message.body);
    let result = hasher.try_finalize();
    let digest = Digest::from_bytes(ObjectFormat::Sha1, result.hash()).unwrap();
    if result.has_collision() { Err(CollisionDetected(digest)) } else { Ok(digest) }
}

fn cut(bytes: &[u8], at: usize) -> Message<'_> {
    let (head, body) = bytes.split_at(at.min(bytes.len()));
    Message { head, body }
}

/// Bytes that look random, the same ones in every run.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

proptest! {
    #[test]
    fn as_one_at_a_time(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..60),
        at in 0usize..200,
    ) {
        let messages: Vec<_> = bodies.iter().map(|bytes| cut(bytes, at)).collect();
        for format in FORMATS {
            let expected = expected(format, &messages);
            for mut hasher in backends(format) {
                prop_assert_eq!(&results(&mut hasher, &messages), &expected);
            }
        }
        let checked: Vec<_> = messages.iter().map(sha1_checked).collect();
        prop_assert_eq!(&results(&mut ManyHasher::new(ObjectFormat::Sha1), &messages), &checked);
    }
}

#[test]
fn every_length_and_every_cut() {
    let bytes = noise(300, 1);
    let lengths: Vec<_> = (0..=300).map(|length| cut(&bytes[..length], 7)).collect();
    let cuts: Vec<_> = (0..=300).map(|at| cut(&bytes, at)).collect();
    for format in FORMATS {
        for messages in [&lengths, &cuts] {
            let expected = expected(format, messages);
            for mut hasher in backends(format) {
                assert_eq!(results(&mut hasher, messages), expected);
            }
        }
    }
}

#[test]
fn lengths_of_all_magnitudes() {
    let bytes = noise(1 << 19, 2);
    let mut messages = Vec::new();
    for i in 0..400usize {
        let length = (i * 7919 + 13) % (64 << (i % 8));
        messages.push(cut(&bytes[i * 11..i * 11 + length], i % 20));
    }
    messages.insert(57, cut(&bytes, 11));
    messages.insert(200, cut(&bytes[3..1 << 16], 0));
    for format in FORMATS {
        let expected = expected(format, &messages);
        for mut hasher in backends(format) {
            assert_eq!(results(&mut hasher, &messages), expected);
            // The same hasher again: nothing is left over from the first batch.
            assert_eq!(results(&mut hasher, &messages[..90]), expected[..90]);
        }
    }
}

#[test]
fn none_at_all() {
    for format in FORMATS {
        hash_many(format, &[], &mut |index, _| panic!("there is no message {index}"));
    }
}

/// A published attack: both messages, and the digest they share.
struct Attack {
    messages: [Vec<u8>; 2],
    digest: Digest,
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn attacks() -> [Attack; 2] {
    [
        (
            [include_str!("attacks/shattered-1.hex"), include_str!("attacks/shattered-2.hex")],
            "f92d74e3874587aaf443d1db961d4e26dde13e9c",
        ),
        (
            [include_str!("attacks/shambles-1.hex"), include_str!("attacks/shambles-2.hex")],
            "8ac60ba76f1999a1ab70223f225aefdc78d4ddc0",
        ),
    ]
    .map(|(messages, digest)| Attack {
        messages: messages.map(unhex),
        digest: Digest::from_bytes(ObjectFormat::Sha1, &unhex(digest)).unwrap(),
    })
}

#[test]
fn published_attacks_are_caught_in_every_lane() {
    let filler = noise(4000, 3);
    for attack in attacks() {
        for bytes in &attack.messages {
            let caught: Outcome = Err(CollisionDetected(attack.digest));
            assert_eq!(one_at_a_time(ObjectFormat::Sha1, &cut(bytes, 0)), caught);
            assert_eq!(sha1_checked(&cut(bytes, 0)), caught);
            for mut hasher in backends(ObjectFormat::Sha1) {
                for position in 0..40 {
                    // Filler of about the same length, so that the place in the batch decides on the lane.
                    let mut messages: Vec<_> =
                        (0..40).map(|i| cut(&filler[i * 64..][..bytes.len() + i % 9], i % 30)).collect();
                    messages[position] = cut(bytes, position * 9);
                    for (index, result) in results(&mut hasher, &messages).into_iter().enumerate() {
                        if index == position {
                            assert_eq!(result, caught);
                        } else {
                            assert_eq!(result, one_at_a_time(ObjectFormat::Sha1, &messages[index]));
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn published_attacks_are_caught_wherever_they_lie() {
    let filler = noise(4000, 4);
    for attack in attacks() {
        // An attack stays one with anything behind it.
        let whole: Vec<_> = attack.messages.iter().map(|bytes| [bytes, &filler[..1000]].concat()).collect();
        let mut messages = Vec::new();
        for bytes in &whole {
            messages.extend((0..=700).map(|at| cut(bytes, at)));
            messages.extend((0..200).map(|more| cut(&bytes[..bytes.len() - 5 * more], 20)));
        }
        // And every third message is another one.
        for (i, place) in (0..messages.len()).step_by(3).enumerate() {
            messages[place] = cut(&filler[i..i + (i * 31) % 3000], 3);
        }
        let expected: Vec<_> = messages.iter().map(sha1_checked).collect();
        assert!(expected.iter().filter(|result| result.is_err()).count() > 1000);
        for mut hasher in backends(ObjectFormat::Sha1) {
            assert_eq!(results(&mut hasher, &messages), expected);
        }
    }
}

#[test]
fn only_attacks_everywhere() {
    let attacks = attacks();
    let messages: Vec<_> = (0..200).map(|i| cut(&attacks[i / 2 % 2].messages[i % 2], 9)).collect();
    for mut hasher in backends(ObjectFormat::Sha1) {
        for (index, result) in results(&mut hasher, &messages).into_iter().enumerate() {
            assert_eq!(result, Err(CollisionDetected(attacks[index / 2 % 2].digest)));
        }
    }
    // The halves of an attack on SHA-1 are different messages to SHA-256.
    for mut hasher in backends(ObjectFormat::Sha256) {
        let results = results(&mut hasher, &messages);
        assert!(results.iter().all(Result::is_ok));
        assert_ne!(results[0], results[1]);
    }
}
