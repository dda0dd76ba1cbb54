//! Making a multi-pack index from the indexes of packs, byte for byte as git does.

use super::chunks::write_table;
use super::file::{
    BITMAPPED, FANOUT_LEN, LARGE_OFFSETS, MAGIC, OFFSETS, OID_FANOUT, OID_LOOKUP, ORDER, PACK_NAMES,
};
use super::{BitmappedPack, MidxError};
use crate::{IdxFile, IdxPosition, PackOffset};
use git_core_hash::Checksum;
use git_core_object::{ObjectFormat, ObjectId};
use std::cmp::Reverse;

/// A pack that goes into a multi-pack index.
#[derive(Clone, Copy, Debug)]
pub struct MidxPack<'a, B> {
    /// The name of its index, `pack-….idx`, without a directory.
    pub name: &'a str,
    /// Its index.
    pub idx: &'a IdxFile<B>,
    /// When the pack was last changed, in any unit: of several copies of an object, the youngest pack's is
    /// taken.
    pub modified: i64,
}

/// How a multi-pack index is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MidxOptions {
    /// The pack whose copy of an object is taken before every other, as an index into the packs given.
    pub preferred: Option<usize>,
    /// Whether the pseudo-pack order is written too, which a bitmap needs.
    pub order: PseudoPackOrder,
}

/// Whether a multi-pack index has the pseudo-pack order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PseudoPackOrder {
    /// It has not.
    #[default]
    Omitted,
    /// It has, and says which part of it each pack has.
    Written,
}

/// An object, and where it was found.
#[derive(Clone, Copy)]
struct Picked {
    pack: u32,
    offset: PackOffset,
}

/// The bytes of a multi-pack index over `packs`, which may come in any order.
///
/// Takes memory for the result and 16 bytes for each object.
///
/// # Errors
/// [`MidxError::Name`] when two packs have one name or a name is no file's name, [`MidxError::Idx`] when an
/// index is damaged, [`MidxError::TooLarge`] for more than 2³² - 1 objects.
///
/// # Panics
/// When `options.preferred` is no index into `packs`, or an index is of another object format.
pub fn write_midx<B: AsRef<[u8]>>(
    format: ObjectFormat,
    packs: &[MidxPack<'_, B>],
    options: &MidxOptions,
) -> Result<Vec<u8>, MidxError> {
    write_midx_layer(format, packs, options, &|_| false)
}

/// As [`write_midx`], without the objects that are `known`: those in the files of a chain that this one is to build on.
///
/// # Errors
/// As [`write_midx`].
///
/// # Panics
/// As [`write_midx`].
pub fn write_midx_layer<B: AsRef<[u8]>>(
    format: ObjectFormat,
    packs: &[MidxPack<'_, B>],
    options: &MidxOptions,
    known: &dyn Fn(&ObjectId) -> bool,
) -> Result<Vec<u8>, MidxError> {
    let sorted = sorted(packs)?;
    let preferred = options.preferred.map(|wanted| {
        assert!(wanted < packs.len(), "pack {wanted} of {}", packs.len());
        sorted.iter().position(|at| *at == wanted).unwrap_or_default() as u32
    });
    let packs: Vec<&MidxPack<'_, B>> = sorted.into_iter().map(|at| &packs[at]).collect();
    assert!(packs.iter().all(|pack| pack.idx.format() == format), "indexes of another object format");

    let mut ids = Vec::new();
    let (picked, fanout) = pick(&packs, preferred, known, &mut ids)?;
    let count = picked.len();
    if u32::try_from(count).is_err() {
        return Err(MidxError::TooLarge { what: "the number of objects" });
    }
    let needs_large = picked.iter().any(|picked| picked.offset.0 > u64::from(u32::MAX));
    let large: Vec<u64> = match needs_large {
        true => picked.iter().map(|picked| picked.offset.0).filter(|offset| *offset >> 31 != 0).collect(),
        false => Vec::new(),
    };
    if large.len() > 0x7fff_ffff {
        return Err(MidxError::TooLarge { what: "the number of large offsets" });
    }
    let names_len: usize = packs.iter().map(|pack| pack.name.len() + 1).sum();
    let with_order = options.order == PseudoPackOrder::Written;

    let mut chunks = vec![
        (PACK_NAMES, names_len.next_multiple_of(4)),
        (OID_FANOUT, FANOUT_LEN),
        (OID_LOOKUP, ids.len()),
        (OFFSETS, count * 8),
    ];
    if needs_large {
        chunks.push((LARGE_OFFSETS, large.len() * 8));
    }
    if with_order {
        chunks.push((ORDER, count * 4));
        chunks.push((BITMAPPED, packs.len() * 8));
    }
    let body: usize = chunks.iter().map(|(_, len)| len).sum();
    let mut out = Vec::with_capacity(body + (chunks.len() + 2) * 12 + format.raw_len());
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[1, format.number(), chunks.len() as u8, 0]);
    out.extend_from_slice(&(packs.len() as u32).to_be_bytes());
    write_table(&chunks, &mut out);

    for pack in &packs {
        out.extend_from_slice(pack.name.as_bytes());
        out.push(0);
    }
    out.resize(out.len() + names_len.next_multiple_of(4) - names_len, 0);
    for total in fanout {
        out.extend_from_slice(&total.to_be_bytes());
    }
    out.extend_from_slice(&ids);
    drop(ids);
    write_offsets(&picked, needs_large, &mut out);
    for offset in large {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    if with_order {
        write_order(&picked, preferred, packs.len(), &mut out);
    }
    let mut checksum = Checksum::new(format);
    checksum.update(&out);
    out.extend_from_slice(checksum.finish().as_bytes());
    Ok(out)
}

/// The packs by their names.
fn sorted<B>(packs: &[MidxPack<'_, B>]) -> Result<Vec<usize>, MidxError> {
    if u32::try_from(packs.len()).is_err() {
        return Err(MidxError::TooLarge { what: "the number of packs" });
    }
    let mut sorted: Vec<usize> = (0..packs.len()).collect();
    sorted.sort_by_key(|at| packs[*at].name);
    for (number, pair) in (0..).map(super::PackNumber).zip(sorted.windows(2)) {
        if packs[pair[0]].name == packs[pair[1]].name {
            return Err(MidxError::Name { pack: number, detail: "it is there twice".to_owned() });
        }
    }
    for (number, at) in (0..).map(super::PackNumber).zip(&sorted) {
        let name = packs[*at].name;
        if name.is_empty() || !name.is_ascii() || name.contains(['/', '\\', '\0']) {
            let detail = "it is not the name of a file".to_owned();
            return Err(MidxError::Name { pack: number, detail });
        }
    }
    Ok(sorted)
}

/// One place for each object, by id; appends the ids. One bucket of the fan-out table after the other, so that
/// what has to be sorted stays small.
fn pick<B: AsRef<[u8]>>(
    packs: &[&MidxPack<'_, B>],
    preferred: Option<u32>,
    known: &dyn Fn(&ObjectId) -> bool,
    ids: &mut Vec<u8>,
) -> Result<(Vec<Picked>, [u32; 256]), MidxError> {
    // Less is better: the preferred pack, then the youngest, then the first by name.
    let mut rank = vec![0u32; packs.len()];
    let mut by_rank: Vec<u32> = (0..packs.len() as u32).collect();
    by_rank.sort_by_key(|at| (Some(*at) != preferred, Reverse(packs[*at as usize].modified), *at));
    for (place, at) in (0..).zip(by_rank) {
        rank[at as usize] = place;
    }
    let mut picked = Vec::new();
    let mut fanout = [0; 256];
    let mut bucket: Vec<(ObjectId, u32, u32, IdxPosition)> = Vec::new();
    for first in 0..=255u8 {
        bucket.clear();
        for (pack, at) in packs.iter().zip(0u32..) {
            let rows = pack.idx.bucket(first);
            bucket.extend(rows.map(IdxPosition).map(|row| (pack.idx.id_at(row), rank[at as usize], at, row)));
        }
        bucket.sort_unstable();
        bucket.dedup_by_key(|(id, ..)| *id);
        bucket.retain(|(id, ..)| !known(id));
        for (id, _, at, row) in &bucket {
            let pack = packs[*at as usize];
            let offset = pack
                .idx
                .offset_at(*row)
                .map_err(|source| MidxError::Idx { pack: pack.name.to_owned(), source })?;
            ids.extend_from_slice(id.as_bytes());
            picked.push(Picked { pack: *at, offset });
        }
        fanout[usize::from(first)] = picked.len() as u32;
    }
    Ok((picked, fanout))
}

fn write_offsets(picked: &[Picked], needs_large: bool, out: &mut Vec<u8>) {
    let mut row = 0u32;
    for picked in picked {
        out.extend_from_slice(&picked.pack.to_be_bytes());
        let offset = picked.offset.0;
        let value = if needs_large && offset >> 31 != 0 {
            row += 1;
            0x8000_0000 | (row - 1)
        } else {
            offset as u32
        };
        out.extend_from_slice(&value.to_be_bytes());
    }
}

fn write_order(picked: &[Picked], preferred: Option<u32>, packs: usize, out: &mut Vec<u8>) {
    let key = |at: &u32| {
        let Picked { pack, offset } = picked[*at as usize];
        (Some(pack) != preferred, pack, offset)
    };
    let mut order: Vec<u32> = (0..picked.len() as u32).collect();
    order.sort_unstable_by_key(key);
    let mut parts = vec![BitmappedPack { first: 0, count: 0 }; packs];
    for (rank, at) in (0..).zip(order) {
        out.extend_from_slice(&at.to_be_bytes());
        let part = &mut parts[picked[at as usize].pack as usize];
        if part.count == 0 {
            part.first = rank;
        }
        part.count += 1;
    }
    for part in parts {
        out.extend_from_slice(&part.first.to_be_bytes());
        out.extend_from_slice(&part.count.to_be_bytes());
    }
}
