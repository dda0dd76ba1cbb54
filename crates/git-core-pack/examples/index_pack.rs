//! Indexes a pack as if it were received: `index_pack PACK OUT.idx [OUT.rev]`.
//!
//! Reads the pack in pieces of 64 KiB, keeps it in a temporary file, and writes the index.

use git_core_object::{Context, ObjectFormat};
use git_core_pack::{FileSpool, IndexOptions, Indexer};
use std::fs::File;
use std::io::Read;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (Some(pack), Some(out)) = (args.next(), args.next()) else {
        return Err("usage: index_pack PACK OUT.idx [OUT.rev]".into());
    };
    let cx = Context::new();
    let spool = FileSpool::new(tempfile::tempfile()?);
    let mut indexer = Indexer::new(ObjectFormat::Sha1, spool, IndexOptions::default());
    let mut file = File::open(pack)?;
    let mut buffer = vec![0; 64 << 10];
    let started = std::time::Instant::now();
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            n => indexer.feed(&buffer[..n], &cx)?,
        };
    }
    let received = started.elapsed();
    let (indexed, _) = indexer.finish(None, &cx)?;
    std::fs::write(out, indexed.idx()?)?;
    if let Some(rev) = args.next() {
        std::fs::write(rev, indexed.rev())?;
    }
    println!("{} objects, {} deltas, pack {}", indexed.count(), indexed.deltas(), indexed.checksum());
    println!("received after {received:?}, done after {:?}", started.elapsed());
    Ok(())
}
