//! A large loose object, inflated as it is asked for.

use super::loose::damaged;
use crate::object_reader::ObjectReader;
use git_core_object::loose::{LooseDecoder, LooseError};
use git_core_object::{Header, ObjectId, ReadError};
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::PathBuf;

const PIECE: usize = 64 << 10;

/// A loose object that is open.
pub(super) struct LooseReader {
    file: File,
    path: PathBuf,
    id: ObjectId,
    decoder: LooseDecoder,
    header: Header,
    input: Vec<u8>,
    used: usize,
    done: bool,
}

impl LooseReader {
    /// Reads up to where the content begins.
    pub(super) fn open(file: File, path: PathBuf, id: &ObjectId) -> Result<Self, ReadError> {
        let mut reader = LooseReader {
            file,
            path,
            id: *id,
            decoder: LooseDecoder::new(),
            header: Header { kind: git_core_object::Kind::Blob, size: 0 },
            input: Vec::new(),
            used: 0,
            done: false,
        };
        loop {
            reader.read_on()?;
            if reader.step(&mut [])? == 0
                && let Some(header) = reader.decoder.header()
            {
                reader.header = header;
                return Ok(reader);
            }
        }
    }

    fn damaged(&self, error: LooseError) -> ReadError {
        damaged(&self.path, &self.id, error)
    }

    /// Reads from the file when nothing is left of what was read.
    fn read_on(&mut self) -> Result<(), ReadError> {
        if self.used < self.input.len() {
            return Ok(());
        }
        self.input.resize(PIECE, 0);
        self.used = 0;
        let count = loop {
            match self.file.read(&mut self.input) {
                Ok(count) => break count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::unavailable(self.path.display(), error)),
            }
        };
        self.input.truncate(count);
        Ok(())
    }

    fn step(&mut self, out: &mut [u8]) -> Result<usize, ReadError> {
        let at_end = self.input.is_empty();
        let step = self.decoder.inflate(&self.input[self.used..], out);
        let step = step.map_err(|error| self.damaged(error))?;
        self.used += step.consumed;
        self.done = step.done;
        if step.done && self.used < self.input.len() {
            return Err(self.damaged(LooseError::TrailingGarbage { offset: self.decoder.consumed() }));
        }
        if at_end && step.written == 0 && !step.done {
            return Err(self.damaged(LooseError::Truncated { offset: self.decoder.consumed() }));
        }
        Ok(step.written)
    }
}

impl ObjectReader for LooseReader {
    fn header(&self) -> Header {
        self.header
    }

    fn fill(&mut self, out: &mut Vec<u8>) -> Result<bool, ReadError> {
        let before = out.len();
        while !self.done && out.len() == before {
            self.read_on()?;
            out.resize(before + PIECE, 0);
            let written = self.step(&mut out[before..]);
            out.truncate(before + *written.as_ref().unwrap_or(&0));
            written?;
        }
        Ok(!self.done)
    }
}
