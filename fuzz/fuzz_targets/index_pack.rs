//! A whole pack, fed in pieces of any size: indexed or refused within the limits; an index that comes out
//! finds every object. The trailer is made to match, so that what stands before it is looked at.
#![no_main]

use git_core_idx::{Digest, IdxFile};
use git_core_object::{Context, Limits, ObjectFormat, Objects};
use git_core_pack::{IndexOptions, Indexer, Pack, PackOptions};
use libfuzzer_sys::fuzz_target;
use std::sync::Arc;

fuzz_target!(|input: (u8, bool, Vec<u8>)| {
    let (piece, sha256, mut pack) = input;
    let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
    pack.extend_from_slice(checksum(format, &pack).as_bytes());
    // Entry by entry, and many at once where so many bytes are there.
    let found = index(format, &pack, usize::from(piece) + 1);
    let at_once = index(format, &pack, pack.len());
    let (Some((idx, spool)), Some((same, _))) = (&found, &at_once) else {
        assert_eq!(found.is_some(), at_once.is_some());
        return;
    };
    assert!(idx == same);
    let idx = IdxFile::open(idx.clone().into(), format).expect("our own index");
    idx.verify().expect("our own index");
    let pack = Pack::open(Arc::new(spool.clone()), idx, PackOptions::default()).expect("it was indexed");
    let mut content = Vec::new();
    for id in pack.idx().ids() {
        // An object that occurs twice may lean on itself.
        let _ = pack.read(&id, &mut content);
    }
});

fn index(format: ObjectFormat, pack: &[u8], piece: usize) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut limits = Limits::default();
    limits.object_bytes = 1 << 20;
    limits.delta_cache_bytes = 1 << 16;
    limits.threads = 1;
    let cx = Context::new().with_limits(limits);
    let mut indexer = Indexer::new(format, Vec::new(), IndexOptions::default());
    for piece in pack.chunks(piece) {
        indexer.feed(piece, &cx).ok()?;
    }
    let (indexed, spool) = indexer.finish(None, &cx).ok()?;
    Some((indexed.idx().expect("a small pack has an index"), spool))
}

fn checksum(format: ObjectFormat, bytes: &[u8]) -> Digest {
    let mut checksum = git_core_hash::Checksum::new(format);
    checksum.update(bytes);
    checksum.finish()
}
