//! Writing a commit-graph file, byte for byte as git writes it.

use super::chunks::ROW_LEN;
use super::{
    DATE_BITS, FilterTable, GraphError, MARK, MAX_LEVEL, MAX_OFFSET, NO_PARENT, SIGNATURE, chunk_id,
};
use git_core_hash::{Checksum, Digest};
use git_core_object::{ObjectFormat, ObjectId};

/// What a graph says of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphEntry<'a> {
    /// The commit.
    pub id: ObjectId,
    /// Its root tree.
    pub tree: ObjectId,
    /// The positions of its parents, in order, counted over the whole chain.
    pub parents: &'a [u32],
    /// When it was made, in seconds since 1970.
    pub time: u64,
    /// Its topological level.
    pub level: u32,
    /// Its corrected commit date, not before `time`; not stored with [`Generations::Levels`].
    pub corrected: u64,
}

/// Which generations are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Generations {
    /// Topological levels alone.
    Levels,
    /// Topological levels and corrected commit dates.
    #[default]
    Corrected,
}

/// What a file has beside its commits.
#[derive(Clone, Debug, Default)]
pub struct GraphOptions<'a> {
    /// Which generations are stored.
    pub generations: Generations,
    /// The changed-path filters, in the order of the commits.
    pub filters: Option<&'a FilterTable>,
    /// The checksums of the files that this one builds on, the lowest first.
    pub bases: &'a [Digest],
}

/// The bytes of a commit-graph file. `entries` are ascending by id; they are walked several times.
///
/// # Errors
/// [`GraphError::Unsorted`] when an id is not greater than the one before it; [`GraphError::TooLarge`] for more
/// commits, edges or files than the format can count.
pub fn write_graph<'e, I>(
    format: ObjectFormat,
    entries: I,
    options: &GraphOptions<'_>,
) -> Result<Vec<u8>, GraphError>
where
    I: ExactSizeIterator<Item = GraphEntry<'e>> + Clone,
{
    let (hash, count) = (format.raw_len(), entries.len());
    let bases = u8::try_from(options.bases.len())
        .map_err(|_| GraphError::TooLarge { what: "the number of base graphs" })?;
    let too_many = GraphError::TooLarge { what: "the number of commits" };
    u32::try_from(count).ok().filter(|count| *count < NO_PARENT).ok_or(too_many)?;

    let fanout = fanout(entries.clone())?;
    let (edges, generations, overflow) = side_tables(entries.clone(), options.generations)?;
    let mut chunks: Vec<([u8; 4], usize)> = vec![
        (chunk_id::FANOUT, 256 * 4),
        (chunk_id::IDS, count * hash),
        (chunk_id::COMMITS, count * (hash + 16)),
    ];
    if options.generations == Generations::Corrected {
        chunks.push((chunk_id::GENERATIONS, generations.len()));
    }
    if !overflow.is_empty() {
        chunks.push((chunk_id::OVERFLOW, overflow.len()));
    }
    if !edges.is_empty() {
        chunks.push((chunk_id::EDGES, edges.len()));
    }
    if let Some(filters) = options.filters {
        chunks.push((chunk_id::FILTER_INDEX, filters.ends.len() * 4));
        chunks.push((chunk_id::FILTER_DATA, 12 + filters.data.len()));
    }
    if bases > 0 {
        chunks.push((chunk_id::BASES, options.bases.len() * hash));
    }

    let mut at = 8 + (chunks.len() + 1) * ROW_LEN;
    let total = at + chunks.iter().map(|(_, len)| len).sum::<usize>() + hash;
    let mut out = Vec::with_capacity(total);
    out.extend_from_slice(&SIGNATURE);
    out.extend_from_slice(&[1, format.number(), chunks.len() as u8, bases]);
    for (id, len) in chunks.iter().chain([&([0; 4], 0)]) {
        out.extend_from_slice(id);
        out.extend_from_slice(&(at as u64).to_be_bytes());
        at += len;
    }
    words(&mut out, fanout.iter().copied());
    entries.clone().for_each(|entry| out.extend_from_slice(entry.id.as_bytes()));
    commits(&mut out, entries);
    out.extend_from_slice(&generations);
    out.extend_from_slice(&overflow);
    out.extend_from_slice(&edges);
    if let Some(filters) = options.filters {
        words(&mut out, filters.ends.iter().copied());
        let settings = filters.settings;
        words(&mut out, [settings.version, settings.hashes, settings.bits_per_path]);
        out.extend_from_slice(&filters.data);
    }
    for base in options.bases {
        out.extend_from_slice(base.as_bytes());
    }
    let mut checksum = Checksum::new(format);
    checksum.update(&out);
    out.extend_from_slice(checksum.finish().as_bytes());
    Ok(out)
}

fn fanout<'e>(entries: impl Iterator<Item = GraphEntry<'e>>) -> Result<[u32; 256], GraphError> {
    let mut fanout = [0u32; 256];
    let mut last: Option<ObjectId> = None;
    for entry in entries {
        if let Some(previous) = last.replace(entry.id)
            && entry.id <= previous
        {
            return Err(GraphError::Unsorted { previous, id: entry.id });
        }
        fanout[usize::from(entry.id.first_byte())] += 1;
    }
    let mut total = 0;
    for bucket in &mut fanout {
        total += *bucket;
        *bucket = total;
    }
    Ok(fanout)
}

/// Extra edges, generation data, and its overflow.
type SideTables = (Vec<u8>, Vec<u8>, Vec<u8>);

fn side_tables<'e>(
    entries: impl Iterator<Item = GraphEntry<'e>>,
    stored: Generations,
) -> Result<SideTables, GraphError> {
    let (mut edges, mut generations, mut overflow) = (Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        if let [_, rest @ .., last] = entry.parents
            && !rest.is_empty()
        {
            words(&mut edges, rest.iter().copied().chain([last | MARK]));
        }
        if stored == Generations::Corrected {
            let offset = entry.corrected.saturating_sub(entry.time);
            let word = match u32::try_from(offset) {
                Ok(word) if offset <= MAX_OFFSET => word,
                _ => {
                    overflow.extend_from_slice(&offset.to_be_bytes());
                    (overflow.len() / 8 - 1) as u32 | MARK
                }
            };
            words(&mut generations, [word]);
        }
    }
    if edges.len() / 4 >= MARK as usize {
        return Err(GraphError::TooLarge { what: "the number of extra edges" });
    }
    Ok((edges, generations, overflow))
}

fn commits<'e>(out: &mut Vec<u8>, entries: impl Iterator<Item = GraphEntry<'e>>) {
    let mut next_edge = 0u32;
    for entry in entries {
        out.extend_from_slice(entry.tree.as_bytes());
        let (first, second) = match *entry.parents {
            [] => (NO_PARENT, NO_PARENT),
            [only] => (only, NO_PARENT),
            [first, second] => (first, second),
            [first, ref rest @ ..] => {
                let edge = next_edge;
                next_edge += rest.len() as u32;
                (first, edge | MARK)
            }
        };
        let high = (entry.time >> 32) as u32 & ((1 << (DATE_BITS - 32)) - 1);
        words(out, [first, second, entry.level.min(MAX_LEVEL) << 2 | high, entry.time as u32]);
    }
}

fn words(out: &mut Vec<u8>, words: impl IntoIterator<Item = u32>) {
    words.into_iter().for_each(|word| out.extend_from_slice(&word.to_be_bytes()));
}
