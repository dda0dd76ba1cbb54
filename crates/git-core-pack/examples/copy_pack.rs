//! Writes all objects of a pack into a new pack by copying their entries: `copy_pack PACK IDX OUT`.
//!
//! With `-` for OUT, the bytes are counted and thrown away.

use git_core_idx::IdxFile;
use git_core_object::{Context, ObjectFormat};
use git_core_pack::{Pack, PackOptions, PackPlan, PackWriter, WriteOptions};
use std::io::Write;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [pack, idx, out] = args.as_slice() else {
        return Err("usage: copy_pack PACK IDX OUT".into());
    };
    let idx = IdxFile::open(std::fs::read(idx)?.into(), ObjectFormat::Sha1)?;
    let data = std::fs::read(pack)?;
    let pack = Arc::new(Pack::open(Arc::new(data), idx, PackOptions::default())?);
    let started = std::time::Instant::now();
    let mut plan = PackPlan::new(ObjectFormat::Sha1);
    let number = plan.add_pack(pack.clone());
    let reverse = pack.reverse()?;
    for rank in 0..pack.count() {
        plan.reuse(number, reverse.position(rank)?);
    }
    let cx = Context::new();
    let mut writer = PackWriter::new(plan, pack, WriteOptions::default())?;
    let mut sink: Box<dyn Write> =
        if out == "-" { Box::new(std::io::sink()) } else { Box::new(std::fs::File::create(out)?) };
    let mut piece = Vec::new();
    loop {
        piece.clear();
        let end = writer.fill(&mut piece, &cx)?.is_break();
        sink.write_all(&piece)?;
        if end {
            break;
        }
    }
    if let Some(written) = writer.finish() {
        println!("{} objects, {} bytes, {:?}", written.objects, written.size, started.elapsed());
    }
    Ok(())
}
