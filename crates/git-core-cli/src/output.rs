//! Standard output as git's commands use it: buffered, and quiet when the reader goes away.

use crate::fail::Failure;
use std::io::{self, BufWriter, ErrorKind, StdoutLock, Write};

/// Buffered standard output.
pub(crate) fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(64 << 10, io::stdout().lock())
}

/// Turns a failed write into the end of the command: silent, with the exit code of a broken pipe, when whoever
/// reads has gone.
pub(crate) fn written(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::silent(141)),
        Err(error) => Err(Failure::fatal(format_args!("write failure on standard output: {error}"))),
    }
}

/// Flushes, and says so when that fails.
pub(crate) fn finish(mut out: impl Write) -> Result<(), Failure> {
    written(out.flush())
}
