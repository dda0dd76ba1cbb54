//! Naming objects side by side: gathers what `git_core_hash` hashes in lanes.

use git_core_hash::{CollisionDetected, Message, hash_many};
use git_core_object::{Kind, ObjectFormat, ObjectId};
use std::io::Write as _;

/// The longest header that an object is hashed with: `commit`, a space, twenty digits and a zero.
const HEAD: usize = 6 + 1 + 20 + 1;

/// Computes the ids of objects and gives them, in any order, with the number of the object.
///
/// Lanes are used best when there are many objects of about the same length.
pub(crate) fn name_all<'c>(
    format: ObjectFormat,
    objects: impl Iterator<Item = (Kind, &'c [u8])> + Clone,
    each: &mut dyn FnMut(usize, Result<ObjectId, CollisionDetected>),
) {
    let heads: Vec<([u8; HEAD], usize)> =
        objects.clone().map(|(kind, content)| head(kind, content)).collect();
    let messages: Vec<Message<'_>> = heads
        .iter()
        .zip(objects)
        .map(|((head, len), (_, body))| Message { head: &head[..*len], body })
        .collect();
    hash_many(format, &messages, &mut |at, digest| each(at, digest.map(ObjectId::from)));
}

fn head(kind: Kind, content: &[u8]) -> ([u8; HEAD], usize) {
    let mut head = [0; HEAD];
    let mut rest = &mut head[..];
    // There is room for the longest of them.
    let written = write!(rest, "{} {}\0", kind.name(), content.len());
    debug_assert!(written.is_ok());
    let len = HEAD - rest.len();
    (head, len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_named_as_one_is() {
        let contents: Vec<(Kind, Vec<u8>)> = (0..100usize)
            .map(|n| ([Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag][n % 4], vec![n as u8; n * n % 5000]))
            .collect();
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let mut found = vec![None; contents.len()];
            let objects = contents.iter().map(|(kind, content)| (*kind, &content[..]));
            name_all(format, objects, &mut |at, id| found[at] = id.ok());
            for ((kind, content), id) in contents.iter().zip(found) {
                assert_eq!(id, ObjectId::hash(format, *kind, content).ok());
            }
        }
    }
}
