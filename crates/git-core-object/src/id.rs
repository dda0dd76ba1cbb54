//! Object ids, whole and abbreviated.

use crate::Kind;
use git_core_hash::{CollisionDetected, Digest, Hasher, ObjectFormat};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher as StdHasher};
use std::str::FromStr;

/// The name of an object: the hash of its header and content. Ordered as bytes, cheap to copy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ObjectId(Digest);

/// Text or bytes that cannot be an object id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidId {
    /// The number of digits or bytes is that of no object format, or not of the one expected.
    #[error("an object id of {0} digits: expected 40 (sha1) or 64 (sha256)")]
    Length(usize),
    /// A character is not a hexadecimal digit.
    #[error("'{}' is not a hexadecimal digit", .0.escape_ascii())]
    Digit(u8),
}

impl ObjectId {
    /// The id of `content` as an object of this kind.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
    pub fn hash(format: ObjectFormat, kind: Kind, content: &[u8]) -> Result<Self, CollisionDetected> {
        let mut hasher = Self::hasher(format, kind, content.len() as u64);
        hasher.update(content);
        hasher.finish().map(ObjectId)
    }

    /// A hasher that has taken the header of an object of this kind and size already; feed it the content
    /// and turn the digest into an id with [`From`].
    pub fn hasher(format: ObjectFormat, kind: Kind, size: u64) -> Hasher {
        let mut hasher = Hasher::new(format);
        hasher.update(kind.name().as_bytes());
        hasher.update(format!(" {size}\0").as_bytes());
        hasher
    }

    /// The all-zero id, which the wire and ref transactions use for "no object".
    pub fn null(format: ObjectFormat) -> Self {
        ObjectId(digest(format, &[0; ObjectFormat::MAX_LEN][..format.raw_len()]))
    }

    /// Whether this is the all-zero id.
    pub fn is_null(&self) -> bool {
        self.as_bytes().iter().all(|b| *b == 0)
    }

    /// Takes exactly as many raw bytes as the format has.
    ///
    /// # Errors
    /// [`InvalidId::Length`] for any other number.
    pub fn from_bytes(format: ObjectFormat, raw: &[u8]) -> Result<Self, InvalidId> {
        Digest::from_bytes(format, raw).map(ObjectId).ok_or(InvalidId::Length(raw.len() * 2))
    }

    /// Reads 40 or 64 hexadecimal digits, of either case; their number decides the format.
    ///
    /// # Errors
    /// [`InvalidId`] for any other length or character.
    pub fn from_hex(hex: &[u8]) -> Result<Self, InvalidId> {
        let format = ObjectFormat::from_hex_len(hex.len()).ok_or(InvalidId::Length(hex.len()))?;
        let (mut raw, mut bad) = ([0; ObjectFormat::MAX_LEN], 0);
        for (out, pair) in raw.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
            bad |= high | low;
            *out = high << 4 | low & 15;
        }
        if bad > 15 {
            hex.iter().try_for_each(|digit| nibble(*digit).map(drop))?;
        }
        Ok(ObjectId(digest(format, &raw[..format.raw_len()])))
    }

    /// Like [`from_hex`](Self::from_hex), for input whose format is known: another length is an error.
    ///
    /// # Errors
    /// [`InvalidId`] when the digits are not an id of `format`.
    pub fn from_hex_of(format: ObjectFormat, hex: &[u8]) -> Result<Self, InvalidId> {
        if hex.len() != format.hex_len() {
            return Err(InvalidId::Length(hex.len()));
        }
        Self::from_hex(hex)
    }

    /// The raw bytes, 20 or 32.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The format the id belongs to.
    pub const fn format(&self) -> ObjectFormat {
        self.0.format()
    }

    /// The first byte: the fan-out of loose objects and indexes.
    pub fn first_byte(&self) -> u8 {
        self.as_bytes()[0]
    }

    /// Appends the hexadecimal digits to `out`.
    pub fn write_hex(&self, out: &mut Vec<u8>) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; ObjectFormat::MAX_LEN * 2];
        let raw = self.as_bytes();
        for (pair, byte) in hex.chunks_exact_mut(2).zip(raw) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        out.extend_from_slice(&hex[..raw.len() * 2]);
    }

    /// The hexadecimal digits as a string.
    pub fn to_hex(&self) -> String {
        self.to_string()
    }

    /// The id of the tree without entries.
    pub fn empty_tree(format: ObjectFormat) -> Self {
        Self::hash(format, Kind::Tree, b"").expect("an empty tree is no attack")
    }

    /// The id of the empty blob.
    pub fn empty_blob(format: ObjectFormat) -> Self {
        Self::hash(format, Kind::Blob, b"").expect("an empty blob is no attack")
    }
}

fn digest(format: ObjectFormat, raw: &[u8]) -> Digest {
    Digest::from_bytes(format, raw).expect("callers pass as many bytes as the format has")
}

/// The values of hexadecimal digits; 255 for all other bytes.
const NIBBLES: [u8; 256] = {
    let (mut values, mut digit) = ([255; 256], 0);
    while digit < 256 {
        values[digit] = match nibble(digit as u8) {
            Ok(value) => value,
            Err(_) => 255,
        };
        digit += 1;
    }
    values
};

const fn nibble(digit: u8) -> Result<u8, InvalidId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        other => Err(InvalidId::Digit(other)),
    }
}

impl From<Digest> for ObjectId {
    fn from(digest: Digest) -> Self {
        ObjectId(digest)
    }
}

impl FromStr for ObjectId {
    type Err = InvalidId;

    fn from_str(hex: &str) -> Result<Self, InvalidId> {
        Self::from_hex(hex.as_bytes())
    }
}

impl Hash for ObjectId {
    fn hash<H: StdHasher>(&self, state: &mut H) {
        // The leading bytes of a hash are as good as any hash of them.
        let head = self.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
        state.write_u64(u64::from_le_bytes(head));
    }
}

impl PartialOrd for ObjectId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ObjectId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The first digits of an object id, at least one: what a person types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdPrefix {
    id: ObjectId,
    digits: usize,
}

impl IdPrefix {
    /// Reads up to as many hexadecimal digits as an id of `format` has.
    ///
    /// # Errors
    /// [`InvalidId`] for no digits, too many, or a character that is none.
    pub fn from_hex(format: ObjectFormat, hex: &[u8]) -> Result<Self, InvalidId> {
        if hex.is_empty() || hex.len() > format.hex_len() {
            return Err(InvalidId::Length(hex.len()));
        }
        let mut padded = hex.to_vec();
        padded.resize(format.hex_len(), b'0');
        Ok(IdPrefix { id: ObjectId::from_hex_of(format, &padded)?, digits: hex.len() })
    }

    /// The number of digits given.
    pub const fn digits(&self) -> usize {
        self.digits
    }

    /// The least id that can begin with these digits: where a search in sorted ids starts.
    pub const fn lower_bound(&self) -> &ObjectId {
        &self.id
    }

    /// Whether `id` begins with these digits.
    pub fn matches(&self, id: &ObjectId) -> bool {
        let whole = self.digits / 2;
        let (ours, theirs) = (self.id.as_bytes(), id.as_bytes());
        self.id.format() == id.format()
            && ours[..whole] == theirs[..whole]
            && (self.digits.is_multiple_of(2) || ours[whole] >> 4 == theirs[whole] >> 4)
    }
}

impl fmt::Display for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id.to_hex()[..self.digits])
    }
}

impl fmt::Debug for IdPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ids() {
        let id = ObjectId::hash(ObjectFormat::Sha1, Kind::Blob, b"hello\n").unwrap();
        assert_eq!(id.to_hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
        assert_eq!(
            ObjectId::empty_tree(ObjectFormat::Sha1).to_hex(),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
        assert_eq!(
            ObjectId::empty_tree(ObjectFormat::Sha256).to_hex(),
            "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"
        );
    }

    #[test]
    fn hex_is_checked() {
        assert_eq!(ObjectId::from_hex(b"12"), Err(InvalidId::Length(2)));
        assert_eq!(ObjectId::from_hex(&[b'g'; 40]), Err(InvalidId::Digit(b'g')));
        let upper = ObjectId::from_hex(&[b'A'; 64]).unwrap();
        assert_eq!(upper.to_hex(), "a".repeat(64));
        assert!(ObjectId::from_hex_of(ObjectFormat::Sha1, &[b'a'; 64]).is_err());
    }

    #[test]
    fn prefixes_match_by_digit() {
        let id: ObjectId = "ce013625030ba8dba906f756967f9e9ca394464a".parse().unwrap();
        for digits in 1..=40 {
            let prefix = IdPrefix::from_hex(ObjectFormat::Sha1, &id.to_hex().as_bytes()[..digits]).unwrap();
            assert!(prefix.matches(&id));
            assert!(prefix.lower_bound() <= &id);
            assert_eq!(prefix.to_string(), id.to_hex()[..digits]);
        }
        assert!(!IdPrefix::from_hex(ObjectFormat::Sha1, b"ce02").unwrap().matches(&id));
        assert!(!IdPrefix::from_hex(ObjectFormat::Sha1, b"ce1").unwrap().matches(&id));
    }
}
