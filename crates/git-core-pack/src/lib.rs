//! Pack entries, deltas, indexing a received pack, writing a pack.
#![forbid(unsafe_code)]
