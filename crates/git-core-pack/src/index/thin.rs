//! Completing a thin pack: the bases it lacks are appended to it as whole objects.

use crate::index::{IndexError, IndexOptions, Spool};
use crate::inflate::Deflater;
use crate::resolve::{NO_BASE, Table};
use crate::{EntryHeader, EntryKind, PACK_HEADER_LEN, pack_header};
use git_core_hash::{Checksum, Digest};
use git_core_object::{Context, ObjectId, Objects};

/// Which of the objects outside, that deltas were resolved with, are not in the pack themselves.
///
/// # Errors
/// [`IndexError::BaseCycle`] when such an object is in the pack, but as a delta that depends on itself.
pub(super) fn missing_bases(table: &Table, outside: &[ObjectId]) -> Result<Vec<ObjectId>, IndexError> {
    let received = table.len();
    let mut used = vec![false; outside.len()];
    for base in (0..received).filter_map(|entry| table.base(entry)) {
        if let Some(at) = base.checked_sub(received) {
            used[at as usize] = true;
        }
    }
    let sorted = table.sorted();
    let in_pack = |id: &ObjectId| {
        let found = sorted.binary_search_by(|entry| table.raw_id(*entry).cmp(id.as_bytes())).ok()?;
        Some(sorted[found])
    };
    let mut missing = Vec::new();
    // For each object outside, the entry that stands for it.
    let mut standing = vec![NO_BASE; outside.len()];
    for (at, id) in outside.iter().enumerate().filter(|(at, _)| used[*at]) {
        match in_pack(id) {
            Some(entry) => standing[at] = entry,
            None => missing.push(*id),
        }
    }
    if let Some(at) = first_cycle(table, &standing) {
        return Err(IndexError::BaseCycle { id: outside[at] });
    }
    Ok(missing)
}

/// Follows the chain of every entry that stands for an object outside, each link once.
fn first_cycle(table: &Table, standing: &[u32]) -> Option<usize> {
    if standing.iter().all(|entry| *entry == NO_BASE) {
        return None;
    }
    let received = table.len();
    // 0: not seen; otherwise the number of the walk that saw it, from 1 on.
    let mut seen_by = vec![0u32; received as usize];
    for (at, start) in standing.iter().enumerate().filter(|(_, start)| **start != NO_BASE) {
        let walk = at as u32 + 1;
        let mut entry = *start;
        while seen_by[entry as usize] == 0 {
            seen_by[entry as usize] = walk;
            let Some(base) = table.base(entry) else { break };
            entry = match base.checked_sub(received) {
                None => base,
                Some(outside) => standing[outside as usize],
            };
            if entry == NO_BASE {
                break;
            }
            if seen_by[entry as usize] == walk {
                return Some(at);
            }
        }
    }
    None
}

/// Appends objects to the pack and corrects its header and trailer; gives the new checksum.
pub(super) fn append<S: Spool>(
    spool: &mut S,
    table: &mut Table,
    missing: &[ObjectId],
    bases: &dyn Objects,
    options: &IndexOptions,
    cx: &Context,
) -> Result<Digest, IndexError> {
    let hash = table.format.raw_len() as u64;
    spool.truncate(spool.len() - hash).map_err(IndexError::Spool)?;
    let mut deflater = Deflater::new(options.compression);
    let (mut content, mut out) = (Vec::new(), Vec::new());
    for id in missing {
        cx.check()?;
        let kind = bases.require(id, &mut content)?;
        let header = EntryHeader { kind: EntryKind::Whole(kind), size: content.len() as u64 };
        out.clear();
        header.write(&mut out);
        let offset = spool.len();
        let mut crc = crc32fast::Hasher::new();
        loop {
            let done = deflater.step(&content, &mut out);
            crc.update(&out);
            spool.append(&out).map_err(IndexError::Spool)?;
            out.clear();
            if done {
                break;
            }
        }
        table.push_entry(offset, &header.kind, NO_BASE);
        table.set_crc(crc.finalize());
        table.set_id(table.len() - 1, id);
    }
    spool.overwrite(0, &pack_header(table.len())).map_err(IndexError::Spool)?;
    let checksum = rehash(spool, table, cx)?;
    spool.append(checksum.as_bytes()).map_err(IndexError::Spool)?;
    Ok(checksum)
}

fn rehash<S: Spool>(spool: &S, table: &Table, cx: &Context) -> Result<Digest, IndexError> {
    let mut checksum = Checksum::new(table.format);
    let mut window = vec![0; 256 << 10];
    let (mut at, end) = (0, spool.len());
    debug_assert!(end >= PACK_HEADER_LEN as u64);
    while at < end {
        cx.check()?;
        let len = window.len().min(usize::try_from(end - at).unwrap_or(usize::MAX));
        spool.read_at(at, &mut window[..len]).map_err(IndexError::Spool)?;
        checksum.update(&window[..len]);
        at += len as u64;
    }
    Ok(checksum.finish())
}
