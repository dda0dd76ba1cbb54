//! A hash of names under which those that end alike are close together.

/// A number for the path at which an object was met: paths whose last sixteen characters are equal, white space
/// left out, have nearly the same number, and the last characters weigh the most. It is the hash of git's bitmap
/// files too (`gitformat-bitmap(5)`, "Name-hash cache").
pub fn name_hash(path: &[u8]) -> u32 {
    let characters = path.iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != 0x0b);
    characters.fold(0u32, |hash, byte| (hash >> 2).wrapping_add(u32::from(*byte) << 24))
}

#[cfg(test)]
mod tests {
    use super::name_hash;

    #[test]
    fn the_end_of_the_path_counts() {
        assert_eq!(name_hash(b""), 0);
        assert_eq!(name_hash(b"a"), 0x6100_0000);
        assert_eq!(name_hash(b"ab"), 0x7a40_0000);
        let [one, other] = [&b"one/very/long/directory/Makefile"[..], b"ot/her/very/long/directory/Makefile"];
        assert!(name_hash(one).abs_diff(name_hash(other)) <= 1);
        assert_eq!(name_hash(b"a b\tc"), name_hash(b"abc"));
        assert!(name_hash(b"a/Makefile").abs_diff(name_hash(b"a/makefile")) > 1000);
    }
}
