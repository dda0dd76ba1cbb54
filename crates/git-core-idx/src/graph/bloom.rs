//! Changed-path filters: Bloom filters that say of a path that a commit did not change it, or that it may have.
//!
//! A path is hashed twice by 32-bit murmur3 under two seeds, and the bits it sets are made from both hashes.
//! Version 1 takes bytes of 128 and more for negative numbers, as git did where `char` is signed; version 2
//! is the hash as it is published.

/// How filters are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterSettings {
    /// The version of the hash: 1 or 2.
    pub version: u32,
    /// Bits that each path sets.
    pub hashes: u32,
    /// Bits of room per path.
    pub bits_per_path: u32,
}

impl FilterSettings {
    /// As git makes them, with a version of the hash.
    pub const fn with_version(version: u32) -> Self {
        FilterSettings { version, hashes: 7, bits_per_path: 10 }
    }

    /// Paths that a commit may have changed at most for its filter to be made.
    pub const MAX_PATHS: usize = 512;

    /// Bits that one path may set in a filter that is read: more would only make a damaged file slow.
    pub(crate) const MAX_HASHES: u32 = 64;

    /// What to look for in filters to learn of this path.
    pub fn key(&self, path: &[u8]) -> FilterKey {
        let hash =
            |seed| if self.version == 1 { murmur3::<true>(seed, path) } else { murmur3::<false>(seed, path) };
        let (first, second) = (hash(0x293a_e76f), hash(0x7e64_6e2c));
        let bits = (0..self.hashes.min(Self::MAX_HASHES)).map(|n| first.wrapping_add(n.wrapping_mul(second)));
        FilterKey(bits.collect())
    }
}

/// The hashes of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterKey(Vec<u32>);

/// The filter of one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterRef<'a>(pub(crate) &'a [u8]);

impl<'a> FilterRef<'a> {
    /// Whether the path may be among those that changed; `false` is certain.
    pub fn may_contain(&self, key: &FilterKey) -> bool {
        let bits = self.0.len() as u64 * 8;
        bits == 0
            || key.0.iter().all(|hash| {
                let bit = u64::from(*hash) % bits;
                self.0[(bit / 8) as usize] >> (bit % 8) & 1 != 0
            })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

/// Makes the filter of one commit after the other.
#[derive(Clone, Debug)]
pub struct FilterBuilder {
    settings: FilterSettings,
}

impl FilterBuilder {
    /// A builder of filters that are made this way.
    pub const fn new(settings: FilterSettings) -> Self {
        FilterBuilder { settings }
    }

    /// Appends the filter of these paths: each path that changed and each directory above one, once. `None`
    /// stands for too many to say.
    pub fn build<'p>(&self, paths: Option<impl ExactSizeIterator<Item = &'p [u8]>>, out: &mut Vec<u8>) {
        let Some(paths) = paths.filter(|paths| paths.len() <= FilterSettings::MAX_PATHS) else {
            return out.push(0xff);
        };
        let len = (paths.len() * self.settings.bits_per_path as usize).div_ceil(8).max(1);
        let start = out.len();
        out.resize(start + len, 0);
        for path in paths {
            for hash in self.settings.key(path).0 {
                let bit = u64::from(hash) % (len as u64 * 8);
                out[start + (bit / 8) as usize] |= 1 << (bit % 8);
            }
        }
    }
}

/// The filters of all commits of a file, in the order of their ids.
#[derive(Clone, Debug)]
pub struct FilterTable {
    /// How they were made.
    pub settings: FilterSettings,
    /// Where each filter ends; an empty one was not made.
    pub ends: Vec<u32>,
    /// The filters, one behind the other.
    pub data: Vec<u8>,
}

fn murmur3<const SIGNED: bool>(seed: u32, data: &[u8]) -> u32 {
    let widen = |byte: u8| if SIGNED { byte as i8 as u32 } else { u32::from(byte) };
    let scramble = |k: u32| k.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let mut state = seed;
    let blocks = data.chunks_exact(4);
    let tail = blocks.remainder();
    for block in blocks {
        let word = (0..4).fold(0, |word, n| word | widen(block[n]) << (8 * n));
        state = (state ^ scramble(word)).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    if !tail.is_empty() {
        let word = tail.iter().enumerate().fold(0, |word, (n, byte)| word ^ widen(*byte) << (8 * n));
        state ^= scramble(word);
    }
    state ^= data.len() as u32;
    state = (state ^ state >> 16).wrapping_mul(0x85eb_ca6b);
    state = (state ^ state >> 13).wrapping_mul(0xc2b2_ae35);
    state ^ state >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_as_published() {
        assert_eq!(murmur3::<false>(0, b""), 0);
        assert_eq!(murmur3::<false>(0, b"Hello world!"), 0x627b_0c2c);
        assert_eq!(murmur3::<false>(0, b"The quick brown fox jumps over the lazy dog"), 0x2e4f_f723);
        assert_eq!(murmur3::<true>(0, b"Hello world!"), 0x627b_0c2c);
        assert_ne!(murmur3::<true>(0, b"\x99\xaa\xbb\xcc\xdd"), murmur3::<false>(0, b"\x99\xaa\xbb\xcc\xdd"));
    }

    #[test]
    fn what_was_put_in_is_found() {
        for version in [1, 2] {
            let settings = FilterSettings::with_version(version);
            let paths: Vec<Vec<u8>> = (0..40u8).map(|n| format!("dir/{n}/ü{n}").into_bytes()).collect();
            let mut out = Vec::new();
            FilterBuilder::new(settings).build(Some(paths.iter().map(Vec::as_slice)), &mut out);
            assert_eq!(out.len(), 50);
            assert!(paths.iter().all(|path| FilterRef(&out).may_contain(&settings.key(path))));
            let others =
                (0..1000).filter(|n| FilterRef(&out).may_contain(&settings.key(format!("o{n}").as_bytes())));
            assert!(others.count() < 50);
        }
    }

    #[test]
    fn none_and_too_many() {
        let builder = FilterBuilder::new(FilterSettings::with_version(1));
        let mut out = Vec::new();
        builder.build(Some([].into_iter()), &mut out);
        builder.build(None::<std::iter::Empty<&[u8]>>, &mut out);
        builder.build(Some([b"x".as_slice(); 513].into_iter()), &mut out);
        assert_eq!(out, [0, 0xff, 0xff]);
    }
}
