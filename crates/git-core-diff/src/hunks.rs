//! Hunks in the unified format: which lines go together, the header with its function context, the lines.

use crate::lines::Matched;
use gix_imara_diff::Hunk;
use std::ops::Range;

/// How hunks are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HunkOptions {
    /// Unchanged lines to show round each change: `-U<n>`, 3 by default.
    pub context_lines: u32,
}

impl Default for HunkOptions {
    fn default() -> Self {
        HunkOptions { context_lines: 3 }
    }
}

/// Bytes of a function's line that a hunk header shows.
const FUNCTION_BYTES: usize = 80;

/// Appends the hunks that turn `old` into `new`, and answers how many there were. Lines are compared
/// with their line breaks; a last line without one is followed by `\ No newline at end of file`. A text longer
/// than [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES) is not compared and the answer is nothing.
pub fn write_hunks(old: &[u8], new: &[u8], options: &HunkOptions, out: &mut Vec<u8>) -> Option<usize> {
    let matched = Matched::new(old, new)?;
    let mut count = 0;
    let mut search = FunctionSearch { from: 0, found: None };
    for group in groups(&matched.hunks, options.context_lines) {
        write_group(&matched, group, options.context_lines, &mut search, out);
        count += 1;
    }
    Some(count)
}

/// Cuts the changes into runs whose contexts touch or overlap.
fn groups(hunks: &[Hunk], context_lines: u32) -> impl Iterator<Item = &[Hunk]> {
    let apart = u64::from(context_lines) * 2;
    hunks.chunk_by(move |a, b| u64::from(b.before.start - a.before.end) <= apart)
}

fn write_group(
    matched: &Matched<'_>,
    group: &[Hunk],
    context_lines: u32,
    search: &mut FunctionSearch,
    out: &mut Vec<u8>,
) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let lead = context_lines.min(first.before.start);
    let trail = context_lines.min(matched.old.len() as u32 - last.before.end);
    let old = first.before.start - lead..last.before.end + trail;
    let new = first.after.start - lead..last.after.end + trail;

    out.extend_from_slice(b"@@ -");
    write_range(&old, out);
    out.extend_from_slice(b" +");
    write_range(&new, out);
    out.extend_from_slice(b" @@");
    if let Some(function) = search.before(&matched.old, old.start as usize) {
        out.push(b' ');
        out.extend_from_slice(function);
    }
    out.push(b'\n');

    let mut at = old.start;
    for hunk in group {
        write_lines(b' ', &matched.old, at..hunk.before.start, out);
        write_lines(b'-', &matched.old, hunk.before.start..hunk.before.end, out);
        write_lines(b'+', &matched.new, hunk.after.clone(), out);
        at = hunk.before.end;
    }
    write_lines(b' ', &matched.old, at..old.end, out);
}

/// Appends `first,count`, counted from one; the count is left out when it is one, and an empty range stands
/// behind the line that precedes it.
fn write_range(range: &Range<u32>, out: &mut Vec<u8>) {
    let text = match range.end - range.start {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        count => format!("{},{count}", range.start + 1),
    };
    out.extend_from_slice(text.as_bytes());
}

fn write_lines(sign: u8, lines: &[&[u8]], range: Range<u32>, out: &mut Vec<u8>) {
    for line in &lines[range.start as usize..range.end as usize] {
        out.push(sign);
        out.extend_from_slice(line);
        if line.last() != Some(&b'\n') {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// Looks for the last line before a hunk that looks like the head of a function. Remembers how far it has
/// looked, so that all hunks of a file together cost one pass.
struct FunctionSearch {
    from: usize,
    found: Option<usize>,
}

impl FunctionSearch {
    /// What the header of a hunk that begins at line `end` shows.
    fn before<'a>(&mut self, lines: &[&'a [u8]], end: usize) -> Option<&'a [u8]> {
        let end = end.max(self.from);
        if let Some(at) = lines[self.from..end].iter().rposition(|line| is_function(line)) {
            self.found = Some(self.from + at);
        }
        self.from = end;
        self.found.map(|at| shown_part(lines[at]))
    }
}

/// What a header shows of a line: not more than it has room for, no blanks at the end, and nothing from the
/// first bytes on that are not UTF-8 (a character that did not fit among them).
fn shown_part(line: &[u8]) -> &[u8] {
    let line = &line[..line.len().min(FUNCTION_BYTES)];
    let blank = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    let line = &line[..line.len() - blank.count()];
    let valid = std::str::from_utf8(line).map_or_else(|error| error.valid_up_to(), str::len);
    // Git takes the two noncharacters at the end of the first plane for invalid, too.
    let valid = line[..valid]
        .windows(3)
        .position(|three| matches!(three, b"\xef\xbf\xbe" | b"\xef\xbf\xbf"))
        .unwrap_or(valid);
    &line[..valid]
}

/// Git's rule for files that no attribute names a language for.
fn is_function(line: &[u8]) -> bool {
    line.first().is_some_and(|first| first.is_ascii_alphabetic() || matches!(first, b'_' | b'$'))
}
