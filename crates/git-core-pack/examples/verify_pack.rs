//! Prints what `git verify-pack -v` prints: `verify_pack PACK IDX`.

use git_core_idx::IdxFile;
use git_core_object::{Context, ObjectFormat};
use git_core_pack::{Pack, PackOptions, verify};
use std::io::Write;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [pack, idx] = args.as_slice() else {
        return Err("usage: verify_pack PACK IDX".into());
    };
    let idx = IdxFile::open(std::fs::read(idx)?.into(), ObjectFormat::Sha1)?;
    let data = std::fs::read(pack)?;
    let opened = Pack::open(Arc::new(data), idx, PackOptions::default())?;
    let verified = verify(&opened, None, &Context::new())?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for entry in verified.entries() {
        write!(out, "{} {:<6} {} {}", entry.id, entry.kind.name(), entry.size, entry.size_in_pack)?;
        write!(out, " {}", entry.offset)?;
        match entry.base {
            Some(base) => writeln!(out, " {} {base}", entry.depth)?,
            None => writeln!(out)?,
        }
    }
    for (depth, count) in verified.chain_lengths().iter().enumerate().filter(|(_, count)| **count > 0) {
        let objects = if *count == 1 { "object" } else { "objects" };
        match depth {
            0 => writeln!(out, "non delta: {count} {objects}")?,
            _ => writeln!(out, "chain length = {depth}: {count} {objects}")?,
        }
    }
    writeln!(out, "{pack}: ok")?;
    Ok(())
}
