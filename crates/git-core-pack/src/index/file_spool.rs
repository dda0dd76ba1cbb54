//! A pack that is kept in a file while it is received: on systems whose files are read and written at an offset.

use super::spool::{Spool, outside};
use git_core_object::BoxError;
use std::fs::File;

/// A file that was opened for reading and writing and is empty. Flushing it to the disk is left to its owner.
#[derive(Debug)]
pub struct FileSpool {
    file: File,
    len: u64,
}

impl FileSpool {
    /// Uses an empty file.
    pub fn new(file: File) -> Self {
        FileSpool { file, len: 0 }
    }

    /// The file, for flushing and publishing.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file, for flushing and publishing.
    pub fn into_file(self) -> File {
        self.file
    }
}

impl Spool for FileSpool {
    fn append(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        write_all_at(&self.file, self.len, bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), BoxError> {
        read_exact_at(&self.file, offset, out)
    }

    fn overwrite(&mut self, offset: u64, bytes: &[u8]) -> Result<(), BoxError> {
        match offset.checked_add(bytes.len() as u64) {
            Some(end) if end <= self.len => write_all_at(&self.file, offset, bytes),
            _ => Err(outside()),
        }
    }

    fn truncate(&mut self, len: u64) -> Result<(), BoxError> {
        self.file.set_len(len)?;
        self.len = self.len.min(len);
        Ok(())
    }

    fn len(&self) -> u64 {
        self.len
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, out: &mut [u8]) -> Result<(), BoxError> {
    Ok(std::os::unix::fs::FileExt::read_exact_at(file, out, offset)?)
}

#[cfg(unix)]
fn write_all_at(file: &File, offset: u64, bytes: &[u8]) -> Result<(), BoxError> {
    Ok(std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)?)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut offset: u64, mut out: &mut [u8]) -> Result<(), BoxError> {
    while !out.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, out, offset)? {
            0 => return Err(outside()),
            n => {
                out = &mut out[n..];
                offset += n as u64;
            }
        }
    }
    Ok(())
}

#[cfg(windows)]
fn write_all_at(file: &File, mut offset: u64, mut bytes: &[u8]) -> Result<(), BoxError> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if n == 0 {
            return Err("the disk takes no more bytes".into());
        }
        bytes = &bytes[n..];
        offset += n as u64;
    }
    Ok(())
}
