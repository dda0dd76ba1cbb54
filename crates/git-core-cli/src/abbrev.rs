//! How many digits of an object id are shown: enough to be unique, and more in large repositories, as git
//! chooses them.

use crate::fail::Failure;
use git_core::Repository;
pub(crate) use git_core::abbrev::{LEAST, abbreviate, automatic, unique_digits};
use git_core::object::ObjectFormat;
use git_core::store::Snapshot;

/// The number of digits to begin with: `core.abbrev`, or what the number of packed objects suggests.
pub(crate) fn default_digits(repository: &Repository, snapshot: &dyn Snapshot) -> Result<usize, Failure> {
    let format = repository.format();
    let Some(entry) = repository.config().get("core.abbrev") else { return Ok(automatic(snapshot)) };
    let text = entry.to_text()?;
    if text.eq_ignore_ascii_case(b"auto") {
        return Ok(automatic(snapshot));
    }
    if ["no", "off", "false"].iter().any(|no| text.eq_ignore_ascii_case(no.as_bytes())) {
        return Ok(format.hex_len());
    }
    match usize::try_from(entry.to_int()?) {
        Ok(digits) if (LEAST..=format.hex_len()).contains(&digits) => Ok(digits),
        _ => Err(Failure::error(128, format_args!("abbrev length out of range: {text}"))),
    }
}

/// The number of digits that `--abbrev=<n>` or `--short=<n>` asks for.
pub(crate) fn asked_digits(text: &str, format: ObjectFormat) -> Option<usize> {
    match text.parse::<usize>().ok()? {
        0 => Some(0),
        digits => Some(digits.clamp(LEAST, format.hex_len())),
    }
}
