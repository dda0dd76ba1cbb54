//! The entries of a tree that an earlier version of it has not.

use super::trees::entry_at;
use git_core_object::tree::entry_order;
use git_core_object::{ObjectFormat, ObjectId, ReadError};
use std::cmp::Ordering;

/// The content of a tree, and where its entries begin.
#[derive(Default)]
pub(super) struct Version {
    pub(super) content: Vec<u8>,
    starts: Vec<u32>,
}

impl Version {
    /// The memory that it takes up.
    pub(super) fn bytes(&self) -> usize {
        self.content.capacity() + self.starts.capacity() * size_of::<u32>()
    }

    /// Where the entry of this row begins; behind the last, where the tree ends.
    fn start(&self, row: usize) -> usize {
        self.starts.get(row).map_or(self.content.len(), |start| *start as usize)
    }

    /// Finds out where the entries of `id` begin, whose content is here; appends to `fresh` where those begin that
    /// `old` has not.
    ///
    /// Stretches that both have are compared as bytes and not looked at. Entries out of order are found fresh too often,
    /// never too seldom.
    pub(super) fn compare(
        &mut self,
        old: &Version,
        format: ObjectFormat,
        id: &ObjectId,
        fresh: &mut Vec<u32>,
    ) -> Result<(), ReadError> {
        self.starts.clear();
        let (mut at, mut row) = (0, 0);
        while at < self.content.len() {
            let from = old.start(row);
            let until = from + common_prefix(&old.content[from..], &self.content[at..]);
            let met = match old.starts.get(row + 1..) {
                _ if until == old.content.len() => old.starts.len(),
                Some(later) => row + later.partition_point(|start| *start as usize <= until),
                None => row,
            };
            self.starts.extend(old.starts[row..met].iter().map(|start| (*start as usize - from + at) as u32));
            at += old.start(met) - from;
            row = met;
            if at == self.content.len() {
                break;
            }
            let (entry, end) = entry_at(format, id, &self.content, at)?;
            // What the earlier version has before it is gone.
            let (before, mut named) = (row, false);
            while row < old.starts.len() && !named {
                let (other, _) = entry_at(format, id, &old.content, old.start(row))?;
                match entry_order((other.name, other.mode.kind()), (entry.name, entry.mode.kind())) {
                    Ordering::Less => row += 1,
                    Ordering::Equal => named = true,
                    Ordering::Greater => break,
                }
            }
            if named && row > before {
                // It may be the same.
                continue;
            }
            row += usize::from(named);
            self.starts.push(at as u32);
            fresh.push(at as u32);
            at = end;
        }
        Ok(())
    }
}

/// How many bytes two slices have in common at their beginning.
pub(super) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    let whole = a.chunks_exact(64).zip(b.chunks_exact(64)).take_while(|(a, b)| a == b).count() * 64;
    whole + a[whole..].iter().zip(&b[whole..]).take_while(|(a, b)| a == b).count()
}

/// How many bytes two slices have in common at their end.
pub(super) fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let whole = a.rchunks_exact(64).zip(b.rchunks_exact(64)).take_while(|(a, b)| a == b).count() * 64;
    let (a, b) = (&a[..a.len() - whole], &b[..b.len() - whole]);
    whole + a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A tree of entries with these names, and for each a mode and the byte that its id is made of.
    fn tree(entries: &[(String, (bool, u8))]) -> Vec<Vec<u8>> {
        let entry = |(name, (tree, byte)): &(String, (bool, u8))| {
            let mode = if *tree { "40000" } else { "100644" };
            [mode.as_bytes(), b" ", name.as_bytes(), b"\0", &[*byte; 20]].concat()
        };
        entries.iter().map(entry).collect()
    }

    fn compared(old: &[Vec<u8>], new: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let (id, format) = (ObjectId::null(ObjectFormat::Sha1), ObjectFormat::Sha1);
        let mut before = Version { content: old.concat(), ..Version::default() };
        let mut all = Vec::new();
        before.compare(&Version::default(), format, &id, &mut all).unwrap();
        assert_eq!(all.len(), old.len());
        let mut now = Version { content: new.concat(), ..Version::default() };
        let mut fresh = Vec::new();
        now.compare(&before, format, &id, &mut fresh).unwrap();
        let ends: Vec<usize> = (1..=new.len()).map(|row| now.start(row)).collect();
        let sizes: Vec<usize> = new
            .iter()
            .scan(0, |at, entry| {
                *at += entry.len();
                Some(*at)
            })
            .collect();
        assert_eq!(ends, sizes);
        let row = |start: &u32| now.starts.iter().position(|other| other == start).unwrap();
        fresh.iter().map(|start| new[row(start)].clone()).collect()
    }

    proptest! {
        #[test]
        fn what_is_fresh_is_what_the_earlier_version_lacks(
            old in proptest::collection::btree_map("[a-c]{1,3}", (any::<bool>(), 0u8..3), 0..20),
            changes in proptest::collection::btree_map("[a-c]{1,3}", proptest::option::of((any::<bool>(), 0u8..3)), 0..6),
            shuffled: bool,
        ) {
            let mut new = old.clone();
            for (name, change) in changes {
                match change {
                    Some(entry) => new.insert(name, entry),
                    None => new.remove(&name),
                };
            }
            let sorted = |entries: BTreeMap<String, (bool, u8)>| {
                let mut entries: Vec<_> = entries.into_iter().collect();
                entries.sort_by_key(|(name, (tree, _))| if *tree { format!("{name}/") } else { name.clone() });
                entries
            };
            let (old, mut new) = (tree(&sorted(old)), tree(&sorted(new)));
            if shuffled {
                new.reverse();
            }
            let fresh = compared(&old, &new);
            let lacking: Vec<_> = new.iter().filter(|entry| !old.contains(entry)).cloned().collect();
            if shuffled {
                prop_assert!(lacking.iter().all(|entry| fresh.contains(entry)));
            } else {
                prop_assert_eq!(fresh, lacking);
            }
        }
    }
}
