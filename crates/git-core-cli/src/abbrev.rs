//! How many digits of an object id are shown: enough to be unique, and more in large repositories, as git
//! chooses them.

use crate::fail::Failure;
use git_core::Repository;
use git_core::object::{IdPrefix, ObjectFormat, ObjectId, ReadError};
use git_core::store::Snapshot;

/// The least number of digits that git ever shows.
pub(crate) const LEAST: usize = 4;

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

/// Half of the bits that number the packed objects, in digits: about where a first collision is to be expected.
fn automatic(snapshot: &dyn Snapshot) -> usize {
    let objects: u64 = snapshot.packs().iter().map(|stored| u64::from(stored.pack.count())).sum();
    let bits = (u64::BITS - objects.leading_zeros()) as usize;
    bits.div_ceil(2).max(7)
}

/// The number of digits, at least `least`, that no other object of the repository begins with.
pub(crate) fn unique_digits(
    snapshot: &dyn Snapshot,
    id: &ObjectId,
    least: usize,
) -> Result<usize, ReadError> {
    /// More ids than this begin with the same digits only when `least` is very small.
    const LIMIT: usize = 4096;
    let hex = id.to_hex();
    let mut digits = least.min(hex.len());
    let mut found = Vec::new();
    while digits < hex.len() {
        let Ok(prefix) = IdPrefix::from_hex(id.format(), &hex.as_bytes()[..digits]) else { break };
        found.clear();
        snapshot.find_prefix(&prefix, LIMIT, &mut found)?;
        let common = |other: &ObjectId| {
            hex.bytes().zip(other.to_hex().bytes()).take_while(|(ours, theirs)| ours == theirs).count()
        };
        let needed = found.iter().filter(|other| *other != id).map(|other| common(other) + 1).max();
        digits = digits.max(needed.unwrap_or(0));
        if found.len() < LIMIT {
            break;
        }
        digits += usize::from(needed.unwrap_or(0) < digits);
    }
    Ok(digits.min(hex.len()))
}

/// The digits that stand for an id.
pub(crate) fn abbreviate(snapshot: &dyn Snapshot, id: &ObjectId, least: usize) -> Result<String, ReadError> {
    let mut hex = id.to_hex();
    hex.truncate(unique_digits(snapshot, id, least)?);
    Ok(hex)
}
