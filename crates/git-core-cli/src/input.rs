//! Standard input as commands read it: line by line, or record by record.

use std::io::{self, BufRead, StdinLock};

/// Buffered standard input.
pub(crate) fn stdin() -> StdinLock<'static> {
    io::stdin().lock()
}

/// Reads up to `end` into `record`, without it; `false` at the end of the input.
pub(crate) fn read_record(input: &mut impl BufRead, end: u8, record: &mut Vec<u8>) -> io::Result<bool> {
    record.clear();
    if input.read_until(end, record)? == 0 {
        return Ok(false);
    }
    if record.last() == Some(&end) {
        record.pop();
    }
    Ok(true)
}

/// The lines of an input.
pub(crate) fn lines(mut input: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        match read_record(&mut input, b'\n', &mut line) {
            Ok(true) => Some(Ok(line)),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    })
}
