//! Made-up histories of any size, the same in every run, streamed into `git fast-import`.
//!
//! A tree of 32 folders with 32 files each. Every commit changes two files of one folder, which makes five objects:
//! two blobs, two trees, a commit. The versions of a file are sent one after the other, so that they become deltas
//! of each other as in a real history.

use crate::Outcome;
use crate::interop::fixture::Noise;
use crate::run::{Running, shown};
use std::io::{BufWriter, Write};
use std::process::{Command, Stdio};

/// Folders, and files in each.
const WIDTH: u32 = 32;
/// Lines of a file.
const LINES: usize = 40;

/// A number of objects, such as `10k` or `1M`.
pub(super) fn size(text: &str) -> Result<u32, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1_000),
        None => text.strip_suffix(['m', 'M']).map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number = digits.parse::<u32>().map_err(|error| format!("{text}: {error}"))?;
    number.checked_mul(unit).filter(|size| *size >= 1_000).ok_or(format!("{text}: too small or too large"))
}

/// Runs this `git fast-import` on a history of about so many objects.
pub(super) fn import(command: &mut Command, objects: u32) -> Outcome {
    let mut child = Running(
        command.stdin(Stdio::piped()).spawn().map_err(|error| format!("{}: {error}", shown(command)))?,
    );
    let input = child.0.stdin.take().ok_or("git fast-import takes no input")?;
    write(&mut BufWriter::with_capacity(1 << 20, input), objects)?;
    let status = child.0.wait()?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", shown(command)).into()) }
}

/// The stream.
fn write(out: &mut impl Write, objects: u32) -> Outcome {
    // The first commit alone makes one blob for each file and one tree for each folder.
    let first = WIDTH * WIDTH + WIDTH + 2;
    let commits = objects.saturating_sub(first) / 5;
    let mut noise = Noise(0xbb67_ae85_84ca_a73b);
    // For each file: the commits that change it.
    let mut changes: Vec<Vec<u32>> = vec![vec![0]; (WIDTH * WIDTH) as usize];
    for commit in 1..=commits {
        let folder = noise.next() % u64::from(WIDTH);
        let file = noise.next() % u64::from(WIDTH);
        let other = (file + 1 + noise.next() % u64::from(WIDTH - 1)) % u64::from(WIDTH);
        for file in [file, other] {
            changes[(folder * u64::from(WIDTH) + file) as usize].push(commit);
        }
    }
    // What each commit changes: files and the marks of their blobs.
    let mut changed: Vec<Vec<(u32, u32)>> = vec![Vec::new(); commits as usize + 1];
    let mut mark = 0;
    for (file, commits) in (0..).zip(&changes) {
        let mut lines: Vec<String> = (0..LINES).map(|_| line(&mut noise)).collect();
        for commit in commits {
            let place = (noise.next() % LINES as u64) as usize;
            lines[place] = line(&mut noise);
            // So that no two versions are equal.
            lines[0] = format!("file {file} as of {commit}\n");
            let text = lines.concat();
            mark += 1;
            write!(out, "blob\nmark :{mark}\ndata {}\n{text}\n", text.len())?;
            changed[*commit as usize].push((file, mark));
        }
    }
    for (commit, files) in changed.iter().enumerate() {
        let time = 1_300_000_000 + commit as u64 * 600;
        let message = format!("Change {commit}\n\n{}", line(&mut noise));
        write!(out, "commit refs/heads/main\ncommitter C O Mitter <c@example.org> {time} +0000\n")?;
        write!(out, "data {}\n{message}\n", message.len())?;
        for (file, mark) in files {
            writeln!(out, "M 100644 :{mark} folder{:02}/file{:02}", file / WIDTH, file % WIDTH)?;
        }
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// Words as text has them: few that occur often, many that occur rarely.
fn line(noise: &mut Noise) -> String {
    let mut text = String::new();
    for _ in 0..3 + noise.next() % 6 {
        let number = noise.next();
        let word = if number & 3 == 0 { number >> 40 } else { (number >> 8) % 200 };
        text.push_str(&format!("w{word:x} "));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        assert_eq!(size("10k"), Ok(10_000));
        assert_eq!(size("1M"), Ok(1_000_000));
        assert_eq!(size("2500"), Ok(2_500));
        assert!(size("9M9").is_err() && size("5000M").is_err() && size("3").is_err());
    }

    #[test]
    fn streams_are_alike_and_of_the_size_asked_for() {
        let mut streams = [Vec::new(), Vec::new()];
        for stream in &mut streams {
            write(stream, 3_000).unwrap();
        }
        assert_eq!(streams[0], streams[1]);
        let text = String::from_utf8(streams[0].clone()).unwrap();
        let starting = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
        // Each commit also makes a root tree and, but for the first, one tree of a folder.
        let commits = starting("commit ");
        let objects = starting("mark ") + commits * 3 - 1 + 32;
        assert!((2_990..3_010).contains(&objects), "{objects}");
    }
}
