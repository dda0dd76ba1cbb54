//! How many digits of an object id are shown: enough to be unique, and more in large repositories, as git
//! chooses them.

use crate::Repository;
use git_core_object::{IdPrefix, ObjectId, ReadError};
use git_core_store::Snapshot;

/// The least number of digits that git ever shows.
pub const LEAST: usize = 4;

/// Half of the bits that number the packed objects, in digits: about where a first collision is to be expected.
pub fn automatic(snapshot: &dyn Snapshot) -> usize {
    let objects: u64 = snapshot.packs().iter().map(|stored| u64::from(stored.pack.count())).sum();
    let bits = (u64::BITS - objects.leading_zeros()) as usize;
    bits.div_ceil(2).max(7)
}

/// The number of digits to begin with: `core.abbrev`, or what the number of packed objects suggests.
pub(crate) fn usual(repository: &Repository, snapshot: &dyn Snapshot) -> usize {
    let hex_len = repository.format().hex_len();
    let Ok(Some(text)) = repository.config().text("core.abbrev") else { return automatic(snapshot) };
    if ["no", "off", "false"].iter().any(|no| text.eq_ignore_ascii_case(no.as_bytes())) {
        return hex_len;
    }
    match repository.config().int("core.abbrev") {
        Ok(Some(digits)) => usize::try_from(digits).unwrap_or(hex_len).clamp(LEAST, hex_len),
        _ => automatic(snapshot),
    }
}

/// The number of digits, at least `least`, that no other object of the repository begins with.
///
/// # Errors
/// [`ReadError`] when the storage cannot be read.
pub fn unique_digits(snapshot: &dyn Snapshot, id: &ObjectId, least: usize) -> Result<usize, ReadError> {
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
///
/// # Errors
/// As [`unique_digits`].
pub fn abbreviate(snapshot: &dyn Snapshot, id: &ObjectId, least: usize) -> Result<String, ReadError> {
    let mut hex = id.to_hex();
    hex.truncate(unique_digits(snapshot, id, least)?);
    Ok(hex)
}
