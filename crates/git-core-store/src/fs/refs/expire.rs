//! Taking entries out of a reflog, under the lock of its ref.

use super::edit::Hold;
use super::{FilesRefs, reflog};
use crate::CommitError;
use crate::lock::{LockError, LockFile};
use git_core_ref::{RefName, ReflogLine};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};

/// Content is written in pieces of this many bytes.
const PIECE: usize = 64 << 10;

impl FilesRefs {
    /// Rewrites the reflog of a ref with the entries that `keep` wants, which sees them from the oldest to the
    /// newest; gives how many went. Lines that are no entries go too. A log that loses nothing is not touched.
    ///
    /// # Errors
    /// [`CommitError`] when the ref is locked, or its log cannot be read or written; the log is unchanged then.
    pub fn expire_reflog(
        &self,
        name: &RefName,
        keep: &mut dyn FnMut(ReflogLine<'_>) -> bool,
    ) -> Result<u64, CommitError> {
        let shared = &*self.shared;
        let path = shared.places.log(name);
        let failed = |error: io::Error| CommitError::unavailable(path.display(), error);
        let locked = |error: LockError| match error {
            LockError::Held { lock } => {
                CommitError::Locked { name: name.clone(), lock: lock.display().to_string() }
            }
            error => CommitError::unavailable(path.display(), error),
        };
        // Whoever logs a change of the ref holds this.
        let (held, made) = shared.lock_ref(name, Hold::ToWrite)?;
        let result = (|| {
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
                Err(error) => return Err(failed(error)),
            };
            let mut new = LockFile::acquire(&shared.disk, &path, shared.options.lock_wait).map_err(locked)?;
            let (mut input, mut line, mut text) = (BufReader::new(file), Vec::new(), Vec::new());
            let mut gone = 0;
            loop {
                line.clear();
                if input.read_until(b'\n', &mut line).map_err(failed)? == 0 {
                    break;
                }
                if ReflogLine::parse(shared.format, &line).is_ok_and(&mut *keep) {
                    text.extend_from_slice(&line);
                } else {
                    gone += 1;
                }
                if text.len() >= PIECE {
                    new.write_all(&text).map_err(failed)?;
                    text.clear();
                }
            }
            if gone > 0 {
                new.write_all(&text).map_err(failed)?;
                new.commit().map_err(failed)?;
            }
            Ok(gone)
        })();
        drop(held);
        if made {
            reflog::remove_empty_parents(&*shared.disk, shared.places.root(name.as_bytes()), name);
        }
        result
    }
}
