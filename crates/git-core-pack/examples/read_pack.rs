//! Reads every object of a pack once, in shuffled order: `read_pack PACK IDX [CACHE_MIB]`.

use git_core_idx::{IdxFile, IdxPosition};
use git_core_object::ObjectFormat;
use git_core_pack::{DeltaCache, Pack, PackOptions, Reader};
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [pack, idx, rest @ ..] = args.as_slice() else {
        return Err("usage: read_pack PACK IDX [CACHE_MIB]".into());
    };
    let mebibytes: usize = rest.first().map_or(Ok(96), |text| text.parse())?;
    let idx = IdxFile::open(std::fs::read(idx)?.into(), ObjectFormat::Sha1)?;
    let data = std::fs::read(pack)?;
    let cache = Arc::new(DeltaCache::new(mebibytes << 20));
    let pack = Pack::open(Arc::new(data), idx, PackOptions { cache, ..PackOptions::default() })?;
    let mut reader = Reader::new();
    let mut out = Vec::new();

    let mut rows: Vec<u32> = (0..pack.count()).collect();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    for at in (1..rows.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        rows.swap(at, (state % (at as u64 + 1)) as usize);
    }
    let (mut bytes, started) = (0u64, std::time::Instant::now());
    for row in &rows {
        reader.read(&pack, pack.offset(IdxPosition(*row))?, None, &mut out)?;
        bytes += out.len() as u64;
    }
    let each = started.elapsed().as_secs_f64() * 1e6 / rows.len().max(1) as f64;
    println!("content: {} objects, {bytes} bytes, {each:.2} us each", rows.len());

    let started = std::time::Instant::now();
    for row in &rows {
        reader.header(&pack, pack.offset(IdxPosition(*row))?, None)?;
    }
    let each = started.elapsed().as_secs_f64() * 1e6 / rows.len().max(1) as f64;
    println!("kind and size: {each:.2} us each");
    Ok(())
}
