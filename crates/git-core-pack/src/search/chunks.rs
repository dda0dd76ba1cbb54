//! Cutting the sorted list into stretches that threads search independently of one another.

use super::candidates::Candidate;
use std::ops::Range;

/// A stretch of about so many bytes ends where the name changes: hardly anything is lost there.
const SOFT_BYTES: u64 = 8 << 20;
/// One of so many bytes and objects ends anywhere: one object of that many loses its base.
const HARD_BYTES: u64 = 48 << 20;
const HARD_OBJECTS: usize = 1024;

/// Ranges that cover the list. Where they lie depends on the list only, so that any number of threads gives the
/// same result.
pub(super) fn split(list: &[Candidate], window: usize) -> Vec<Range<usize>> {
    let hard_objects = HARD_OBJECTS.max(window.saturating_mul(16));
    let (mut chunks, mut start, mut bytes) = (Vec::new(), 0, 0u64);
    for (at, pair) in list.windows(2).enumerate() {
        let (this, next) = (&pair[0], &pair[1]);
        bytes = bytes.saturating_add(this.size).saturating_add(256);
        let end = at + 1;
        let other_name = this.kind != next.kind || this.name_hash != next.name_hash;
        let soft = other_name && bytes >= SOFT_BYTES;
        let hard = bytes >= HARD_BYTES && end - start >= hard_objects;
        if soft || hard || this.kind != next.kind {
            chunks.push(start..end);
            (start, bytes) = (end, 0);
        }
    }
    if start < list.len() {
        chunks.push(start..list.len());
    }
    // The longest first, so that no thread is left with one at the end.
    chunks.sort_by_cached_key(|range| {
        std::cmp::Reverse(list[range.clone()].iter().fold(0u64, |sum, one| sum.saturating_add(one.size)))
    });
    chunks
}
