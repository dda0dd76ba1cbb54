//! Loose objects: one file for each, below one of 256 directories (`gitrepository-layout(5)`).
//!
//! What such a file holds is the business of `git_core_object::loose`; when a written one becomes visible to
//! others, that of the callers.

use super::loose_reader::LooseReader;
use super::sys::{Access, Disk, scratch_name};
use crate::ObjectReader;
use crate::ReceiveError;
use crate::overlay::Singles;
use git_core_object::loose::{self, Level, LooseDecoder, LooseEncoder, LooseError};
use git_core_object::{Header, IdPrefix, Kind, ObjectFormat, ObjectId, ReadError, Stopped};
use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Files of up to this many bytes are read at once, larger ones piece by piece.
pub(crate) const READ_AT_ONCE: u64 = 1 << 20;
const PIECE: usize = 64 << 10;

/// The loose objects of one object directory.
#[derive(Clone, Debug)]
pub(crate) struct LooseObjects {
    dir: PathBuf,
    format: ObjectFormat,
    limit: u64,
}

impl LooseObjects {
    /// Objects of up to `limit` bytes are read into memory.
    pub(crate) fn new(dir: PathBuf, format: ObjectFormat, limit: u64) -> Self {
        LooseObjects { dir, format, limit }
    }

    /// The file that holds the object, if any does.
    pub(crate) fn path(&self, id: &ObjectId) -> PathBuf {
        object_path(&self.dir, id)
    }

    /// Hands out the content piece by piece, until `sink` breaks.
    pub(crate) fn stream(
        &self,
        id: &ObjectId,
        sink: &mut dyn FnMut(Header, &[u8]) -> ControlFlow<()>,
    ) -> Result<Option<Header>, ReadError> {
        let Some((mut file, path)) = self.open(id)? else { return Ok(None) };
        pieces(&mut file, &path, id, &mut |header, piece| Ok(sink(header, piece))).map(Some)
    }

    /// Opens a large object for reading piece by piece; `None` for one that is small, or not there.
    pub(crate) fn open_large(&self, id: &ObjectId) -> Result<Option<Box<dyn ObjectReader>>, ReadError> {
        let Some((file, path)) = self.open(id)? else { return Ok(None) };
        let length = file.metadata().map_err(|error| ReadError::unavailable(path.display(), error))?.len();
        if length <= READ_AT_ONCE {
            return Ok(None);
        }
        Ok(Some(Box::new(LooseReader::open(file, path, id)?)))
    }

    fn list(
        &self,
        first: u8,
        visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        let dir = self.dir.join(format!("{first:02x}"));
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(ControlFlow::Continue(())),
            Err(error) => return Err(ReadError::unavailable(dir.display(), error)),
        };
        let mut hex = format!("{first:02x}").into_bytes();
        for entry in entries {
            let entry = entry.map_err(|error| ReadError::unavailable(dir.display(), error))?;
            hex.truncate(2);
            hex.extend_from_slice(entry.file_name().as_encoded_bytes());
            // Anything else is a temporary file, or nothing of ours.
            if hex.iter().any(u8::is_ascii_uppercase) {
                continue;
            }
            if let Ok(id) = ObjectId::from_hex_of(self.format, &hex)
                && visit(id).is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn open(&self, id: &ObjectId) -> Result<Option<(File, PathBuf)>, ReadError> {
        if id.format() != self.format {
            return Ok(None);
        }
        let path = self.path(id);
        match File::open(&path) {
            Ok(file) => Ok(Some((file, path))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(ReadError::unavailable(path.display(), error)),
        }
    }
}

impl Singles for LooseObjects {
    fn read(&self, id: &ObjectId, out: &mut Vec<u8>) -> Result<Option<Kind>, ReadError> {
        let Some((mut file, path)) = self.open(id)? else { return Ok(None) };
        let length = file.metadata().map_err(|error| ReadError::unavailable(path.display(), error))?.len();
        let header = if length <= READ_AT_ONCE {
            let mut compressed = Vec::with_capacity(length as usize + 1);
            file.read_to_end(&mut compressed)
                .map_err(|error| ReadError::unavailable(path.display(), error))?;
            loose::decode(&compressed, self.limit, out).map_err(|error| damaged(&path, id, error))?
        } else {
            out.clear();
            let mut take = |header: Header, piece: &[u8]| {
                if header.size > self.limit {
                    return Err(Stopped::Limit { name: "object_bytes", bound: self.limit }.into());
                }
                out.extend_from_slice(piece);
                Ok(ControlFlow::Continue(()))
            };
            pieces(&mut file, &path, id, &mut take)?
        };
        Ok(Some(header.kind))
    }

    fn header(&self, id: &ObjectId) -> Result<Option<Header>, ReadError> {
        let Some((mut file, path)) = self.open(id)? else { return Ok(None) };
        let mut start = [0; 128];
        let mut filled = 0;
        while filled < start.len() {
            match file.read(&mut start[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(ReadError::unavailable(path.display(), error)),
            }
        }
        loose::decode_header(&start[..filled]).map(Some).map_err(|error| damaged(&path, id, error))
    }

    fn contains(&self, id: &ObjectId) -> Result<bool, ReadError> {
        let path = self.path(id);
        match path.symlink_metadata() {
            Ok(metadata) => Ok(!metadata.is_dir()),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(ReadError::unavailable(path.display(), error)),
        }
    }

    /// Appends the ids that begin with `prefix`, unsorted; as many as there are in one directory at most.
    fn find_prefix(&self, prefix: &IdPrefix, found: &mut Vec<ObjectId>) -> Result<(), ReadError> {
        let low = prefix.lower_bound().first_byte();
        let directories = if prefix.digits() == 1 { low..=low | 0x0f } else { low..=low };
        for first in directories {
            let _ = self.list(first, &mut |id| {
                if prefix.matches(&id) {
                    found.push(id);
                }
                ControlFlow::Continue(())
            })?;
        }
        Ok(())
    }

    fn for_each_id(
        &self,
        visit: &mut dyn FnMut(ObjectId) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ReadError> {
        for first in 0..=255 {
            if self.list(first, visit)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn object_path(dir: &Path, id: &ObjectId) -> PathBuf {
    let hex = id.to_hex();
    let mut path = PathBuf::with_capacity(dir.as_os_str().len() + hex.len() + 3);
    path.push(dir);
    path.push(&hex[..2]);
    path.push(&hex[2..]);
    path
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn damaged(path: &Path, id: &ObjectId, error: LooseError) -> ReadError {
    match error {
        LooseError::Stopped(stopped) => stopped.into(),
        error => ReadError::corrupt(format_args!("loose object {id} (stored in {})", path.display()), error),
    }
}

type TakePiece<'a> = &'a mut dyn FnMut(Header, &[u8]) -> Result<ControlFlow<()>, ReadError>;

fn pieces(file: &mut File, path: &Path, id: &ObjectId, take: TakePiece<'_>) -> Result<Header, ReadError> {
    let mut decoder = LooseDecoder::new();
    let (mut input, mut output) = (vec![0; PIECE], vec![0; PIECE]);
    let (mut start, mut end) = (0, 0);
    loop {
        if start == end {
            start = 0;
            end = loop {
                match file.read(&mut input) {
                    Ok(n) => break n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(ReadError::unavailable(path.display(), error)),
                }
            };
        }
        let at_end = end == 0;
        let step =
            decoder.inflate(&input[start..end], &mut output).map_err(|error| damaged(path, id, error))?;
        start += step.consumed;
        if let Some(header) = decoder.header() {
            let stop = take(header, &output[..step.written])?.is_break();
            if step.done && start < end {
                let error = LooseError::TrailingGarbage { offset: decoder.consumed() };
                return Err(damaged(path, id, error));
            }
            if stop || step.done {
                return Ok(header);
            }
        }
        if at_end && step.written == 0 {
            return Err(damaged(path, id, LooseError::Truncated { offset: decoder.consumed() }));
        }
    }
}

/// Writes loose objects into one object directory.
#[derive(Debug)]
pub(crate) struct LooseWriter<'a> {
    pub(crate) disk: &'a dyn Disk,
    pub(crate) dir: &'a Path,
    pub(crate) format: ObjectFormat,
    pub(crate) level: Level,
}

impl LooseWriter<'_> {
    /// Compresses an object into a new file of the directory itself, not yet under its name, and flushes it if
    /// asked to.
    pub(crate) fn write(
        &self,
        kind: Kind,
        content: &[u8],
        flush: FlushNow,
    ) -> Result<(ObjectId, PathBuf), ReceiveError> {
        let (compressed, id) = loose::encode(self.format, kind, content, self.level).map_err(refused)?;
        let (path, ()) = self.scratch(|file| {
            file.write_all(&compressed)?;
            flush.apply(file)
        })?;
        Ok((id, path))
    }

    /// As [`write`](Self::write), for content that is too large to be held: exactly `header.size` bytes of
    /// `content` are taken.
    pub(crate) fn write_stream(
        &self,
        header: Header,
        content: &mut dyn Read,
        flush: FlushNow,
    ) -> Result<(ObjectId, PathBuf), ReceiveError> {
        let (path, id) = self.scratch(|file| {
            let mut compressed = Vec::with_capacity(PIECE);
            let mut piece = vec![0; PIECE];
            let mut encoder = LooseEncoder::new(self.format, header, self.level, &mut compressed);
            let mut left = header.size;
            while left > 0 {
                let wanted = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let n = match content.read(&mut piece[..wanted]) {
                    Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                    Ok(n) => n,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                encoder.write(&piece[..n], &mut compressed);
                left -= n as u64;
                if compressed.len() >= PIECE {
                    file.write_all(&compressed)?;
                    compressed.clear();
                }
            }
            let id = encoder.finish(&mut compressed);
            file.write_all(&compressed)?;
            flush.apply(file)?;
            Ok(id)
        })?;
        match id {
            Ok(id) => Ok((id, path)),
            Err(collision) => {
                let _ = self.disk.remove_file(&path);
                Err(refused(collision))
            }
        }
    }

    /// Gives a written file its name. An object that is there already stays, and the new file goes.
    pub(crate) fn publish(&self, scratch: &Path, id: &ObjectId) -> io::Result<PathBuf> {
        let path = object_path(self.dir, id);
        let published = match self.disk.publish(scratch, &path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(parent) = path.parent() {
                    self.disk.create_dir_all(parent)?;
                }
                self.disk.publish(scratch, &path)
            }
            other => other,
        };
        match published {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let _ = self.disk.remove_file(scratch);
                let _ = self.disk.touch(&path);
                Ok(path)
            }
            Err(error) => {
                let _ = self.disk.remove_file(scratch);
                Err(error)
            }
        }
    }

    fn scratch<T>(
        &self,
        fill: impl FnOnce(&mut dyn super::sys::DiskFile) -> io::Result<T>,
    ) -> Result<(PathBuf, T), ReceiveError> {
        let (path, mut file) = create_scratch(self.disk, self.dir, "tmp_obj_", Access::ReadOnly)?;
        match fill(&mut *file) {
            Ok(filled) => Ok((path, filled)),
            Err(error) => {
                drop(file);
                let _ = self.disk.remove_file(&path);
                Err(ReceiveError::unavailable(path.display(), error))
            }
        }
    }
}

/// When the content of a written file reaches the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlushNow {
    /// Before the call returns.
    Yes,
    /// Later, by [`Disk::sync_files`].
    Later,
}

impl FlushNow {
    fn apply(self, file: &mut dyn super::sys::DiskFile) -> io::Result<()> {
        match self {
            FlushNow::Yes => file.sync(),
            FlushNow::Later => Ok(()),
        }
    }
}

/// Creates a file of a name that nobody has.
pub(crate) fn create_scratch(
    disk: &dyn Disk,
    dir: &Path,
    prefix: &str,
    access: Access,
) -> Result<(PathBuf, Box<dyn super::sys::DiskFile>), ReceiveError> {
    loop {
        let path = scratch_name(dir, prefix);
        match disk.create_new(&path, access) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(ReceiveError::unavailable(path.display(), error)),
        }
    }
}

pub(crate) fn refused(collision: git_core_object::CollisionDetected) -> ReceiveError {
    ReceiveError::Refused {
        id: collision.0.into(),
        reason: "it looks like a SHA-1 collision attack".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sys::RealDisk;
    use super::*;

    fn writer<'a>(disk: &'a RealDisk, dir: &'a Path, format: ObjectFormat) -> LooseWriter<'a> {
        LooseWriter { disk, dir, format, level: Level::default() }
    }

    #[test]
    fn objects_of_all_sizes_come_back() {
        let disk = RealDisk::default();
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let dir = tempfile::tempdir().unwrap();
            let writer = writer(&disk, dir.path(), format);
            let objects = LooseObjects::new(dir.path().to_path_buf(), format, 2 << 20);
            let mut state = 1u32;
            let noise: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(1664525).wrapping_add(1013904223);
                (state >> 24) as u8
            })
            .take(3 << 20)
            .collect();
            let mut ids = Vec::new();
            for len in [0, 1, 1000, PIECE, noise.len()] {
                let content = &noise[..len];
                let (id, scratch) = writer.write(Kind::Blob, content, FlushNow::Later).unwrap();
                assert!(!objects.contains(&id).unwrap());
                writer.publish(&scratch, &id).unwrap();
                let header = Header { kind: Kind::Blob, size: len as u64 };
                let (again, scratch) = writer.write_stream(header, &mut &*content, FlushNow::Yes).unwrap();
                assert_eq!(id, again);
                writer.publish(&scratch, &id).unwrap();

                let mut out = vec![1];
                if content.len() < 2 << 20 {
                    assert_eq!(objects.read(&id, &mut out).unwrap(), Some(Kind::Blob));
                    assert!(out == content);
                }
                assert_eq!(objects.header(&id).unwrap(), Some(header));
                out.clear();
                let mut sink = |_: Header, piece: &[u8]| {
                    out.extend_from_slice(piece);
                    ControlFlow::Continue(())
                };
                objects.stream(&id, &mut sink).unwrap();
                assert!(out == content);
                ids.push(id);
            }
            let too_large = objects.read(&ids[4], &mut Vec::new()).unwrap_err();
            assert!(matches!(too_large, ReadError::Stopped(Stopped::Limit { .. })));
            let mut seen = Vec::new();
            let all = objects.for_each_id(&mut |id| {
                seen.push(id);
                ControlFlow::Continue(())
            });
            assert!(all.unwrap().is_continue());
            ids.sort();
            seen.sort();
            assert_eq!(ids, seen);
            for digits in [1, 2, 3, 40] {
                let prefix = IdPrefix::from_hex(format, &ids[0].to_hex().as_bytes()[..digits]).unwrap();
                let mut found = Vec::new();
                objects.find_prefix(&prefix, &mut found).unwrap();
                assert!(found.contains(&ids[0]));
            }
        }
    }

    #[test]
    fn damage_names_the_object() {
        let disk = RealDisk::default();
        let dir = tempfile::tempdir().unwrap();
        let writer = writer(&disk, dir.path(), ObjectFormat::Sha1);
        let objects = LooseObjects::new(dir.path().to_path_buf(), ObjectFormat::Sha1, 2 << 20);
        let (id, scratch) = writer.write(Kind::Blob, &[7; 5000], FlushNow::Yes).unwrap();
        let mut bytes = std::fs::read(&scratch).unwrap();
        std::fs::remove_file(&scratch).unwrap();
        let path = objects.path(&id);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        for cut in [0, 1, 10, bytes.len() - 1] {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            let error = objects.read(&id, &mut Vec::new()).unwrap_err();
            assert!(error.to_string().contains(&id.to_hex()), "{error}");
            let error = objects.stream(&id, &mut |_, _| ControlFlow::Continue(())).unwrap_err();
            assert!(matches!(error, ReadError::Corrupt { .. }), "{error}");
        }
        bytes.push(0);
        std::fs::write(&path, &bytes).unwrap();
        assert!(objects.read(&id, &mut Vec::new()).is_err());
        assert!(objects.stream(&id, &mut |_, _| ControlFlow::Continue(())).is_err());
    }
}
