//! Matching the lines of two texts as `git diff` does: Myers' algorithm with Git's short cuts, then sliding
//! each group of changed lines to where Git's indent heuristic wants it.
//!
//! The algorithms are a library's: `gix-imara-diff`, which was corrected to follow git where the one that it
//! descends from does not (imara-diff 0.2 differs from git on 38 of 1,000 commits of a real history, this one
//! on none).

use gix_imara_diff::{Algorithm, Diff, Hunk, IndentHeuristic, IndentLevel, InternedInput};

/// The longest text, in bytes, whose lines are matched: 1 GiB, and so never more lines than can be counted.
pub const MAX_TEXT_BYTES: usize = 1 << 30;

/// Two texts cut into lines, and what differs.
pub(crate) struct Matched<'a> {
    /// The lines of the old text, each with its line break if it has one.
    pub(crate) old: Vec<&'a [u8]>,
    /// The lines of the new text.
    pub(crate) new: Vec<&'a [u8]>,
    /// Ranges of lines that were replaced by one another, in order, never touching.
    pub(crate) hunks: Vec<Hunk>,
}

impl<'a> Matched<'a> {
    /// Finds what differs; nothing for texts beyond [`MAX_TEXT_BYTES`].
    pub(crate) fn new(old: &'a [u8], new: &'a [u8]) -> Option<Self> {
        if old.len().max(new.len()) > MAX_TEXT_BYTES {
            return None;
        }
        let old: Vec<_> = lines(old).collect();
        let new: Vec<_> = lines(new).collect();
        let mut input = InternedInput::default();
        input.reserve(old.len() as u32, new.len() as u32);
        input.update_before(old.iter().copied());
        input.update_after(new.iter().copied());
        let mut diff = Diff::compute(Algorithm::Myers, &input);
        diff.postprocess_with_heuristic(
            &input,
            IndentHeuristic::new(|token| {
                // A form feed is blank to the library and a character like any other to Git.
                let line = input.interner[token].iter().map(|byte| if *byte == 0x0c { b'x' } else { *byte });
                IndentLevel::for_ascii_line(line, 8)
            }),
        );
        let hunks = diff.hunks().collect();
        Some(Matched { old, new, hunks })
    }
}

/// Cuts a text behind each line feed.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|byte| *byte == b'\n')
}
