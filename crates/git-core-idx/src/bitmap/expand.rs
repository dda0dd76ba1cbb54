//! The bitmaps of entries as plain words, whatever they are based on.

use super::file::{ENTRY_HEAD, damaged};
use super::{BitmapError, BitmapFile};
use crate::ewah::words_for;
use std::collections::HashMap;

/// Bytes of expanded bitmaps that are kept.
const KEPT_BYTES: usize = 8 << 20;

/// Expands entries of one file; keeps some of them, since others are based on them.
pub struct Expander<'a, B> {
    file: &'a BitmapFile<B>,
    kept: HashMap<u32, Box<[u64]>>,
    bytes: usize,
}

impl<'a, B: AsRef<[u8]>> Expander<'a, B> {
    /// One that has expanded nothing yet.
    pub fn new(file: &'a BitmapFile<B>) -> Self {
        Expander { file, kept: HashMap::new(), bytes: 0 }
    }

    /// Adds to a set, which has a bit for every object, what the commit of an entry reaches.
    ///
    /// # Errors
    /// [`BitmapError`] when the entry or one that it is based on is damaged, or they are based on one another.
    pub fn or_into(&mut self, entry: u32, set: &mut [u64]) -> Result<(), BitmapError> {
        let file = self.file;
        let words = words_for(file.objects());
        if file.entries().get(entry as usize).is_some_and(|found| found.base.is_none()) {
            return file.stored(entry)?.or_into(set).map_err(|source| self.at(entry, source));
        }
        let mut own: Box<[u64]> = vec![0; words].into_boxed_slice();
        let (mut at, mut steps) = (entry, 0usize);
        loop {
            if let Some(known) = self.kept.get(&at) {
                own.iter_mut().zip(known).for_each(|(word, known)| *word ^= known);
                break;
            }
            file.stored(at)?.xor_into(&mut own).map_err(|source| self.at(at, source))?;
            let Some(base) = file.entries()[at as usize].base else { break };
            at = base;
            steps += 1;
            if steps > file.entries().len() {
                return Err(BitmapError::Base { entry });
            }
        }
        set.iter_mut().zip(&own).for_each(|(word, own)| *word |= own);
        if self.bytes + words * 8 > KEPT_BYTES {
            self.kept.clear();
            self.bytes = 0;
        }
        self.bytes += words * 8;
        self.kept.insert(entry, own);
        Ok(())
    }

    /// What the commit of an entry reaches.
    ///
    /// # Errors
    /// As [`or_into`](Self::or_into).
    pub fn words(&mut self, entry: u32) -> Result<Vec<u64>, BitmapError> {
        let mut set = vec![0; words_for(self.file.objects())];
        self.or_into(entry, &mut set)?;
        Ok(set)
    }

    fn at(&self, entry: u32, source: crate::ewah::EwahError) -> BitmapError {
        let offset = self.file.entries().get(entry as usize).map_or(0, |found| found.offset + ENTRY_HEAD);
        damaged(offset, source)
    }
}
