//! Histories, made by one run of `git fast-import` each.

use super::{bare, feed, output, rev, run};
use git_core::object::{ObjectFormat, ObjectId};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A bare repository with a history of twelve commits on `master`, a branch `topic` that left it at the eighth,
/// two annotated tags and a light one, with executables, links, directories and binary data.
pub fn source(dir: &Path, name: &str, format: ObjectFormat) -> PathBuf {
    let path = bare(dir, name, format);
    grow(&path, "master", None, 0..12);
    grow(&path, "topic", Some("refs/heads/master~4"), 100..102);
    run(&path, &["tag", "-a", "-m", "the first", "v1", "master~6"]);
    run(&path, &["tag", "-a", "-m", "the second", "v2", "master"]);
    run(&path, &["tag", "light", "master~8"]);
    path
}

/// Adds a commit to a branch for each number: on `from`, or on what it has.
pub fn grow(repository: &Path, branch: &str, from: Option<&str>, numbers: Range<u32>) -> ObjectId {
    grow_with(repository, branch, from, numbers, 60)
}

/// As [`grow`], with a file of so many lines that are nowhere else.
pub fn grow_with(
    repository: &Path,
    branch: &str,
    from: Option<&str>,
    numbers: Range<u32>,
    lines: u32,
) -> ObjectId {
    let own = format!("refs/heads/{branch}");
    let exists = || output(repository, &["rev-parse", "-q", "--verify", &own]).status.success();
    let from = from.or_else(|| exists().then_some(own.as_str()));
    let mut stream = Vec::new();
    let first = numbers.start;
    for number in numbers {
        let time = 1_700_000_000 + number * 60;
        stream.extend(format!("commit refs/heads/{branch}\n").bytes());
        for who in ["author A U Thor <author", "committer C O Mitter <committer"] {
            stream.extend(format!("{who}@example.com> {time} -0200\n").bytes());
        }
        data(&mut stream, format!("Commit {number} of {branch}\n\nWith a body.\n").as_bytes());
        if let Some(from) = from.filter(|_| number == first) {
            stream.extend(format!("from {from}^0\n").bytes());
        }
        let readme: String = (0..=number).map(|line| format!("line {line} of {branch}\n")).collect();
        file(&mut stream, "100644", "README", readme.as_bytes());
        let mut state = u64::from(number) << 32 | u64::from(branch.len() as u32);
        let noise: String = (0..lines).map(|_| format!("{:x}\n", step(&mut state))).collect();
        file(&mut stream, "100644", &format!("src/deep/file{}.rs", number % 4), noise.as_bytes());
        if number == 0 {
            file(&mut stream, "100755", "bin/run", b"#!/bin/sh\necho run\n");
            file(&mut stream, "120000", "link", b"src/deep/file0.rs");
            file(&mut stream, "100644", "data.bin", b"\0\x01\xff binary \0");
            file(&mut stream, "100644", "odd \"name\" \u{e4}", b"no final newline");
        }
        stream.push(b'\n');
    }
    feed(repository, &["fast-import", "--quiet"], &stream);
    rev(repository, &format!("refs/heads/{branch}"))
}

fn step(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 20).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn file(stream: &mut Vec<u8>, mode: &str, path: &str, content: &[u8]) {
    let path =
        if path.contains('"') { format!("\"{}\"", path.replace('"', "\\\"")) } else { path.to_owned() };
    stream.extend(format!("M {mode} inline {path}\n").bytes());
    data(stream, content);
}

fn data(stream: &mut Vec<u8>, content: &[u8]) {
    stream.extend(format!("data {}\n", content.len()).bytes());
    stream.extend(content);
    stream.push(b'\n');
}
