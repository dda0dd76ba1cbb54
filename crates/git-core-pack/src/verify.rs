//! Checking a whole pack against its index: trailer, CRCs, every object's id; as `git verify-pack` does.

use crate::data::MAX_READ;
use crate::resolve::{Children, Forest, NO_BASE, ResolveError, Roots, Sink, Stored, Table};
use crate::{HeaderError, Observer, Pack};
use git_core_hash::{Checksum, Digest};
use git_core_idx::{IdxError, PackOffset};
use git_core_object::{BoxError, Context, ErrorKind, Kind, ObjectId, ReadError, Stopped};
use std::sync::Mutex;

/// What is wrong with a pack or its index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The index is damaged.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// The pack does not end in the checksum of its content.
    #[error("{pack}: checksum mismatch")]
    Checksum {
        /// Its name.
        pack: String,
    },
    /// An entry's bytes are not those the index was made for.
    #[error("{pack}: CRC mismatch of object {id} at offset {offset}")]
    Crc {
        /// Its name.
        pack: String,
        /// The object.
        id: ObjectId,
        /// Where its entry begins.
        offset: PackOffset,
    },
    /// The entry's object is not the one that the index names.
    #[error("{pack}: the entry at offset {offset} is {actual}, not {expected}")]
    Id {
        /// Its name.
        pack: String,
        /// Where the entry begins.
        offset: PackOffset,
        /// What the index says.
        expected: ObjectId,
        /// What it is.
        actual: ObjectId,
    },
    /// An entry's header is invalid.
    #[error("{pack}: bad object at offset {offset}")]
    Header {
        /// Its name.
        pack: String,
        /// Where the entry begins.
        offset: PackOffset,
        /// What is wrong.
        #[source]
        source: HeaderError,
    },
    /// A delta has no base in the pack.
    #[error("{pack}: the base of the delta at offset {offset} is missing")]
    Base {
        /// Its name.
        pack: String,
        /// Where the delta begins.
        offset: PackOffset,
    },
    /// The observer refused an object.
    #[error("object {id} was refused")]
    Observer {
        /// The object.
        id: ObjectId,
        /// What the observer said.
        #[source]
        source: BoxError,
    },
    /// An object could not be derived.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The storage failed.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The operation was cancelled.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl VerifyError {
    /// The class of the error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            VerifyError::Resolve(error) => error.kind(),
            VerifyError::Read(error) => error.kind(),
            VerifyError::Stopped(stopped) => stopped.kind(),
            VerifyError::Observer { .. } => ErrorKind::Denied,
            _ => ErrorKind::Corrupt,
        }
    }
}

/// What is known of a pack that was verified.
pub struct Verified {
    table: Table,
    sizes: Vec<u64>,
    depths: Vec<u32>,
    trailer_at: u64,
}

/// One entry of a verified pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedEntry {
    /// The object.
    pub id: ObjectId,
    /// Its kind.
    pub kind: Kind,
    /// The bytes its entry inflates to: the object, or the delta.
    pub size: u64,
    /// The bytes its entry takes in the pack.
    pub size_in_pack: u64,
    /// Where the entry begins.
    pub offset: PackOffset,
    /// How many deltas its chain has; 0 for an object that is stored whole.
    pub depth: u32,
    /// The object that a delta is based on.
    pub base: Option<ObjectId>,
}

impl Verified {
    /// The entries in pack order.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = VerifiedEntry> + '_ {
        (0..self.sizes.len()).map(|at| {
            let entry = at as u32;
            let range = self.table.range(entry, self.trailer_at);
            VerifiedEntry {
                id: self.table.id(entry),
                kind: self.table.kind(entry).unwrap_or(Kind::Blob),
                size: self.sizes[at],
                size_in_pack: range.end - range.start,
                offset: PackOffset(range.start),
                depth: self.depths[at],
                base: self.table.base(entry).map(|base| self.table.id(base)),
            }
        })
    }

    /// How many entries have chains of 0, 1, 2, … deltas.
    pub fn chain_lengths(&self) -> Vec<u64> {
        let mut counts = vec![0; self.depths.iter().max().map_or(0, |max| *max as usize + 1)];
        for depth in &self.depths {
            counts[*depth as usize] += 1;
        }
        counts
    }
}

/// Reads a whole pack and checks everything about it and its index.
///
/// The observer is shown every object; blobs of more than 16 MiB without deltas on them as large ones.
///
/// # Errors
/// [`VerifyError`] for the first thing found wrong.
pub fn verify(pack: &Pack, observer: Option<&dyn Observer>, cx: &Context) -> Result<Verified, VerifyError> {
    pack.idx().verify()?;
    let (mut table, sizes) = read_table(pack)?;
    let children = Children::new(&mut table);
    let roots: Vec<u32> = (0..table.len()).filter(|entry| table.kind(*entry).is_some()).collect();
    let ids = Mutex::new(vec![0; table.ids.len()]);
    let sink = Checker { pack, table: &table, observer };
    let source = Stored(&**pack.data());
    let forest = Forest {
        table: &table,
        children: &children,
        source: &source,
        trailer_at: pack.trailer_at(),
        sink: &sink,
        roots: Roots::Unknown,
        kept: None,
        outside: None,
        ids,
        cx,
    };
    let (bytes, objects) = std::thread::scope(|scope| {
        let bytes = scope.spawn(|| check_bytes(pack, &table, cx));
        let objects = forest.run(&roots, table.len());
        (bytes.join(), objects)
    });
    match bytes {
        Ok(result) => result?,
        Err(panic) => std::panic::resume_unwind(panic),
    }
    objects?;
    if let Some(entry) = (0..table.len()).find(|entry| table.kind(*entry).is_none()) {
        let offset = PackOffset(table.offsets[entry as usize]);
        return Err(VerifyError::Base { pack: pack.name().to_owned(), offset });
    }
    let depths = depths(&table);
    Ok(Verified { table, sizes, depths, trailer_at: pack.trailer_at() })
}

/// The entries as the index and their headers say; the ids are those of the index.
fn read_table(pack: &Pack) -> Result<(Table, Vec<u64>), VerifyError> {
    let mut table = Table::new(pack.format());
    let mut sizes = Vec::with_capacity(pack.count() as usize);
    let reverse = pack.reverse()?;
    for rank in 0..pack.count() {
        let position = reverse.position(rank)?;
        let offset = pack.offset(position)?;
        let (header, _) = pack.entry_header(offset)?;
        let base = match header.kind {
            crate::EntryKind::OfsDelta { .. } => header
                .kind
                .base_offset(offset)
                .and_then(|base| table.entry_at(base.0))
                .ok_or_else(|| VerifyError::Base { pack: pack.name().to_owned(), offset })?,
            crate::EntryKind::RefDelta { base } => {
                table.push_ref(base);
                NO_BASE
            }
            crate::EntryKind::Whole(_) => NO_BASE,
        };
        if table.offsets.last().is_some_and(|last| *last >= offset.0) {
            return Err(pack.corrupt(offset, "the reverse index is not in the order of offsets").into());
        }
        table.push_entry(offset.0, &header.kind, base);
        table.set_crc(pack.idx().crc_at(position).unwrap_or(0));
        table.set_id(rank, &pack.idx().id_at(position));
        sizes.push(header.size);
    }
    Ok((table, sizes))
}

/// Checks the trailer, and the CRC of every entry if the index has them.
fn check_bytes(pack: &Pack, table: &Table, cx: &Context) -> Result<(), VerifyError> {
    let mut checksum = Checksum::new(pack.format());
    let data = pack.data();
    let first = table.offsets.first().copied().unwrap_or(pack.trailer_at());
    let has_crcs = pack.idx().version() == git_core_idx::Version::V2;
    let (mut at, mut entry, mut crc) = (0, 0u32, crc32fast::Hasher::new());
    while at < pack.trailer_at() {
        cx.check()?;
        let bytes = data.read(at..pack.trailer_at().min(at + MAX_READ))?;
        checksum.update(&bytes);
        let (mut from, end) = (at.max(first), at + bytes.len() as u64);
        while from < end && entry < table.len() {
            let entry_end = table.range(entry, pack.trailer_at()).end;
            let until = entry_end.min(end);
            crc.update(&bytes[(from - at) as usize..(until - at) as usize]);
            from = until;
            if until == entry_end {
                let computed = std::mem::take(&mut crc).finalize();
                if has_crcs && computed != table.crcs[entry as usize] {
                    let offset = PackOffset(table.offsets[entry as usize]);
                    return Err(VerifyError::Crc {
                        pack: pack.name().to_owned(),
                        id: table.id(entry),
                        offset,
                    });
                }
                entry += 1;
            }
        }
        at = end;
    }
    let trailer = Digest::from_bytes(pack.format(), &data.read(pack.trailer_at()..data.size())?);
    if trailer != Some(checksum.finish()) {
        return Err(VerifyError::Checksum { pack: pack.name().to_owned() });
    }
    Ok(())
}

/// The length of every chain; each link is looked at once.
fn depths(table: &Table) -> Vec<u32> {
    const UNKNOWN: u32 = u32::MAX;
    let mut depths = vec![UNKNOWN; table.len() as usize];
    let mut path = Vec::new();
    for start in 0..table.len() {
        let mut at = start;
        while depths[at as usize] == UNKNOWN {
            match table.base(at) {
                Some(base) => {
                    path.push(at);
                    at = base;
                }
                None => depths[at as usize] = 0,
            }
        }
        let mut depth = depths[at as usize];
        while let Some(entry) = path.pop() {
            depth += 1;
            depths[entry as usize] = depth;
        }
    }
    depths
}

struct Checker<'a> {
    pack: &'a Pack,
    table: &'a Table,
    observer: Option<&'a dyn Observer>,
}

impl Checker<'_> {
    fn check(&self, entry: u32, id: &ObjectId) -> Result<(), VerifyError> {
        let expected = self.table.id(entry);
        if *id == expected {
            return Ok(());
        }
        Err(VerifyError::Id {
            pack: self.pack.name().to_owned(),
            offset: PackOffset(self.table.offsets[entry as usize]),
            expected,
            actual: *id,
        })
    }
}

impl Sink for Checker<'_> {
    type Error = VerifyError;

    fn object(&self, entry: u32, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), VerifyError> {
        self.check(entry, id)?;
        let Some(observer) = self.observer else { return Ok(()) };
        observer.object(id, kind, content).map_err(|source| VerifyError::Observer { id: *id, source })
    }

    fn large_blob(&self, entry: u32, id: &ObjectId, size: u64) -> Result<(), VerifyError> {
        self.check(entry, id)?;
        let Some(observer) = self.observer else { return Ok(()) };
        observer.large_blob(id, size).map_err(|source| VerifyError::Observer { id: *id, source })
    }

    fn wants_content(&self, _: &ObjectId) -> Result<bool, VerifyError> {
        Ok(false)
    }
}
