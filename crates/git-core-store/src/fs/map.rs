//! Whole files mapped into memory, read-only: the one place of this crate with unsafe code.

use std::fs::File;
use std::io;
use std::path::Path;

/// The bytes of a file as they lie in the page cache. The mapping outlives the file's name, so a pack that is
/// deleted stays readable for whoever has it mapped.
pub(crate) struct Mapped(Option<memmap2::Mmap>);

impl Mapped {
    /// Maps a whole file; an empty one needs no mapping.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if metadata.len() == 0 {
            return Ok(Mapped(None));
        }
        map(&file).map(|map| Mapped(Some(map)))
    }
}

impl AsRef<[u8]> for Mapped {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

#[expect(unsafe_code, reason = "a mapping is only as constant as the file below it")]
fn map(file: &File) -> io::Result<memmap2::Mmap> {
    // SAFETY: the slice handed out must not change while it is borrowed. Only packs, their indexes and
    // companions, and commit-graphs are mapped. Git creates them under another name, makes them read-only, and
    // neither git nor this crate ever opens one for writing again: they are replaced by new files and unlinked,
    // which leaves the pages of a mapping as they are. Somebody who edits such a file in place breaks this rule,
    // as for every other Git implementation that maps packs; every reader bounds each access by the length of the
    // slice and treats the bytes as untrusted, so that changed bytes give wrong answers and not wrong accesses,
    // and a file that is cut off raises SIGBUS.
    unsafe { memmap2::Mmap::map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_outlives_the_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pack");
        std::fs::write(&path, b"content").unwrap();
        let map = Mapped::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(map.as_ref(), b"content");
        std::fs::write(&path, b"").unwrap();
        assert_eq!(Mapped::open(&path).unwrap().as_ref(), b"");
        assert!(Mapped::open(dir.path()).is_err());
    }
}
