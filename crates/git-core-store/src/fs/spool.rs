//! A pack on its way into a file, as `git-core-pack` wants to keep it.

use super::sys::DiskFile;
use git_core_object::BoxError;
use git_core_pack::Spool;
use std::io::{Seek as _, SeekFrom, Write as _};

/// Writes are gathered up to this many bytes.
const GATHERED: usize = 256 << 10;

/// A file that takes a pack from its first byte on; what was added last may still be in memory.
#[derive(Debug)]
pub(super) struct DiskSpool {
    file: Box<dyn DiskFile>,
    /// Bytes in the file.
    written: u64,
    /// Bytes behind these.
    tail: Vec<u8>,
}

impl DiskSpool {
    /// Uses an empty file.
    pub(super) fn new(file: Box<dyn DiskFile>) -> Self {
        DiskSpool { file, written: 0, tail: Vec::new() }
    }

    /// Writes what is left in memory and closes the file.
    pub(super) fn close(mut self) -> Result<(), BoxError> {
        self.write_tail()
    }

    fn write_tail(&mut self) -> Result<(), BoxError> {
        self.file.write_all(&self.tail)?;
        self.written += self.tail.len() as u64;
        self.tail.clear();
        Ok(())
    }
}

impl Spool for DiskSpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        if self.tail.len() + bytes.len() > GATHERED {
            self.write_tail()?;
        }
        if bytes.len() >= GATHERED {
            self.file.write_all(bytes)?;
            self.written += bytes.len() as u64;
        } else {
            self.tail.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), BoxError> {
        let in_file =
            usize::try_from(self.written.saturating_sub(offset)).unwrap_or(usize::MAX).min(out.len());
        let (from_file, from_tail) = out.split_at_mut(in_file);
        if !from_file.is_empty() {
            self.file.read_exact_at(offset, from_file)?;
        }
        if !from_tail.is_empty() {
            let start = usize::try_from(offset.saturating_sub(self.written))?;
            let end = start.checked_add(from_tail.len());
            let tail = end.and_then(|end| self.tail.get(start..end));
            from_tail.copy_from_slice(tail.ok_or("the pack is read behind what was received")?);
        }
        Ok(())
    }

    fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BoxError> {
        self.write_tail()?;
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > self.written) {
            return Err("the pack is overwritten behind what was received".into());
        }
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)?;
        self.file.seek(SeekFrom::Start(self.written))?;
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> Result<(), BoxError> {
        self.write_tail()?;
        if len < self.written {
            self.file.truncate(len)?;
            self.file.seek(SeekFrom::Start(len))?;
            self.written = len;
        }
        Ok(())
    }

    fn len(&self) -> u64 {
        self.written + self.tail.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::sys::{Access, Disk as _, RealDisk};
    use super::*;

    #[test]
    fn it_agrees_with_memory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pack");
        let mut spool = DiskSpool::new(RealDisk::default().create_new(&path, Access::ReadOnly).unwrap());
        let mut memory = Vec::new();
        let both = |spool: &mut DiskSpool, memory: &mut Vec<u8>, work: &dyn Fn(&mut dyn Spool)| {
            work(spool);
            work(memory);
            assert_eq!(Spool::len(spool), Spool::len(memory));
            for (offset, len) in
                [(0, 10), (memory.len() as u64 - 10, 10), (memory.len() as u64 / 2, 5), (0, memory.len())]
            {
                let (mut a, mut b) = (vec![0; len], vec![0; len]);
                spool.read_at(offset, &mut a).unwrap();
                Spool::read_at(memory, offset, &mut b).unwrap();
                assert!(a == b);
            }
        };
        both(&mut spool, &mut memory, &|spool| spool.append(&[1; 100]).unwrap());
        both(&mut spool, &mut memory, &|spool| spool.append(&[2; GATHERED]).unwrap());
        both(&mut spool, &mut memory, &|spool| spool.append(&[3; GATHERED - 50]).unwrap());
        both(&mut spool, &mut memory, &|spool| spool.append(&[4; 100]).unwrap());
        both(&mut spool, &mut memory, &|spool| spool.overwrite(95, &[9; 10]).unwrap());
        both(&mut spool, &mut memory, &|spool| spool.truncate(5000).unwrap());
        both(&mut spool, &mut memory, &|spool| spool.append(&[5; 7]).unwrap());
        assert!(spool.read_at(5000, &mut [0; 8]).is_err());
        assert!(spool.read_at(9000, &mut [0; 8]).is_err());
        assert!(spool.overwrite(5000, &[0; 8]).is_err());
        spool.close().unwrap();
        assert!(std::fs::read(&path).unwrap() == memory);
    }
}
