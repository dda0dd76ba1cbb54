//! Resolving the deltas of a pack that has come in, and making its index.

use crate::EntryHeader;
use crate::index::{Duplicates, IndexError, IndexOptions, Indexed, Indexer, Spool, Thin};
use crate::inflate::{InflateError, Pieces};
use crate::resolve::{Children, EntrySource, Forest, Kept, NO_BASE, ResolveError, Roots, Sink, Table};
use git_core_hash::Digest;
use git_core_idx::PackOffset;
use git_core_object::{Context, Kind, ObjectId, Objects};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

impl<S: Spool> Indexer<S> {
    /// Resolves the deltas, with [`Thin::Complete`] on bases out of `bases` too, and gives the index and the
    /// spool, which then holds the whole pack.
    ///
    /// # Errors
    /// [`IndexError::Truncated`] when the trailer was not fed yet, otherwise whatever is wrong with the pack.
    pub fn finish(mut self, bases: Option<&dyn Objects>, cx: &Context) -> Result<(Indexed, S), IndexError> {
        let trailer = self.require_complete()?;
        let trailer_at = self.spool.len() - self.format.raw_len() as u64;
        let Indexer { mut spool, options, mut table, to_compare, kept, .. } = self;
        compare_large(&spool, &table, &to_compare, trailer_at, &options, cx)?;
        let children = Children::new(&mut table);
        let received = table.len();
        let roots: Vec<u32> = (0..received)
            .filter(|entry| table.kind(*entry).is_some())
            .filter(|entry| {
                !children.of_entry(*entry).is_empty()
                    || (children.has_refs() && children.is_wanted(&table.id(*entry)))
            })
            .collect();
        let deltas = unresolved(&table);
        let mut resolving = Resolving {
            spool: &spool,
            options: &options,
            trailer_at,
            table: &mut table,
            children: &children,
            kept: &kept,
        };
        resolving.run(&roots, deltas, None, cx)?;
        drop(roots);
        let mut appended = Vec::new();
        if unresolved(&table) > 0
            && options.thin == Thin::Complete
            && let Some(bases) = bases
        {
            let outside = children.unclaimed();
            bases.prefetch(&outside)?;
            let count = received.checked_add(outside.len() as u32).filter(|count| *count < NO_BASE);
            let roots: Vec<u32> = (received..count.unwrap_or(received)).collect();
            let mut resolving = Resolving {
                spool: &spool,
                options: &options,
                trailer_at,
                table: &mut table,
                children: &children,
                kept: &kept,
            };
            resolving.run(&roots, unresolved(resolving.table), Some((bases, &outside)), cx)?;
            appended = super::thin::missing_bases(&table, &outside)?;
        }
        let left = unresolved(&table);
        if left > 0 {
            return Err(IndexError::Unresolved { count: left, base: children.unclaimed().first().copied() });
        }
        drop((children, kept));
        let mut checksum = trailer;
        if let Some(bases) = bases
            && !appended.is_empty()
        {
            checksum = super::thin::append(&mut spool, &mut table, &appended, bases, &options, cx)?;
        }
        let indexed = index(table, checksum, spool.len(), deltas, appended.len() as u32, &options)?;
        Ok((indexed, spool))
    }
}

fn index(
    table: Table,
    checksum: Digest,
    size: u64,
    deltas: u32,
    appended: u32,
    options: &IndexOptions,
) -> Result<Indexed, IndexError> {
    let sorted = table.sorted();
    if options.duplicates == Duplicates::Refuse
        && let Some(pair) = sorted.windows(2).find(|pair| table.raw_id(pair[0]) == table.raw_id(pair[1]))
    {
        return Err(IndexError::Duplicate { id: table.id(pair[0]) });
    }
    let Table { ids, offsets, crcs, .. } = table;
    Ok(Indexed { checksum, size, deltas, appended, ids, offsets, crcs, sorted })
}

fn unresolved(table: &Table) -> u32 {
    (0..table.len()).filter(|entry| table.kind(*entry).is_none()).count() as u32
}

struct Resolving<'a, S> {
    spool: &'a S,
    options: &'a IndexOptions,
    trailer_at: u64,
    table: &'a mut Table,
    children: &'a Children,
    kept: &'a Kept,
}

impl<S: Spool> Resolving<'_, S> {
    fn run(
        &mut self,
        roots: &[u32],
        deltas: u32,
        outside: Option<(&dyn Objects, &[ObjectId])>,
        cx: &Context,
    ) -> Result<(), IndexError> {
        if roots.is_empty() {
            return Ok(());
        }
        let ids = std::mem::take(&mut self.table.ids);
        let forest = Forest {
            table: self.table,
            children: self.children,
            source: &Spooled(self.spool),
            trailer_at: self.trailer_at,
            sink: self.options,
            roots: Roots::Known,
            kept: Some(self.kept),
            outside,
            ids: Mutex::new(ids),
            cx,
        };
        let result = forest.run(roots, deltas);
        let ids = forest.ids.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.table.ids = ids;
        result
    }
}

impl Sink for IndexOptions {
    type Error = IndexError;

    fn object(&self, _: u32, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), IndexError> {
        self.check_object(id, kind, content)
    }

    fn large_blob(&self, _: u32, id: &ObjectId, size: u64) -> Result<(), IndexError> {
        let Some(observer) = &self.observer else { return Ok(()) };
        observer.large_blob(id, size).map_err(|source| IndexError::Observer { id: *id, source })
    }

    fn wants_content(&self, id: &ObjectId) -> Result<bool, IndexError> {
        // To be compared with the object that is there.
        Ok(self.existing.as_ref().map_or(Ok(false), |existing| existing.contains(id))?)
    }
}

/// The entries of a pack in a spool.
struct Spooled<'a, S>(&'a S);

impl<S: Spool> EntrySource for Spooled<'_, S> {
    fn raw<'s>(&'s self, range: Range<u64>, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], ResolveError> {
        // Never more than was received.
        let len = usize::try_from(range.end - range.start).map_err(|e| ResolveError::Storage(e.into()))?;
        if scratch.len() < len {
            scratch.resize(len, 0);
        }
        let out = &mut scratch[..len];
        self.0.read_at(range.start, out).map_err(ResolveError::Storage)?;
        Ok(out)
    }
}

/// Compares blobs that were not held in memory with existing objects of the same id.
fn compare_large<S: Spool>(
    spool: &S,
    table: &Table,
    entries: &[u32],
    trailer_at: u64,
    options: &IndexOptions,
    cx: &Context,
) -> Result<(), IndexError> {
    let Some(existing) = &options.existing else { return Ok(()) };
    let source = Spooled(spool);
    let mut raw = Vec::new();
    for entry in entries {
        let id = table.id(*entry);
        let mut other = Vec::new();
        let Some(kind) = existing.read(&id, &mut other)? else { continue };
        let range = table.range(*entry, trailer_at);
        let offset = PackOffset(range.start);
        let head = range.start..range.end.min(range.start + crate::MAX_ENTRY_HEADER_LEN as u64);
        let (header, len) = EntryHeader::parse(table.format, source.raw(head, &mut raw)?)
            .map_err(|source| IndexError::EntryHeader { offset, source })?;
        let mut same = kind == Kind::Blob && header.size == other.len() as u64;
        let mut pieces = Pieces::new();
        let (mut at, mut seen) = (range.start + len as u64, 0);
        while same && seen < other.len() {
            cx.check()?;
            let bytes = source.raw(at..range.end.min(at + (64 << 10)), &mut raw)?;
            let piece = pieces.step(bytes).map_err(|source| IndexError::Inflate { offset, source })?;
            if piece.used == 0 && piece.output.is_empty() {
                let source = InflateError::Short { declared: header.size };
                return Err(IndexError::Inflate { offset, source });
            }
            at += piece.used as u64;
            same = other[seen..].starts_with(piece.output);
            seen += piece.output.len();
        }
        if !same {
            return Err(IndexError::Collision { id });
        }
    }
    Ok(())
}
