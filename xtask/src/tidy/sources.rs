//! What every source file must look like: its header, its length, nothing left open, no unsafe code.
//!
//! Formatting and lints are left to rustfmt and clippy.

use super::{Finding, below, files};
use crate::Outcome;
use crate::workspace::Workspace;
use std::path::Path;

/// The longest file, in lines.
const LONGEST: usize = 600;

/// Crates whose root may leave out `#![forbid(unsafe_code)]`, each with the one file in which unsafe code is
/// fenced and the reason. Everywhere else the forbidding attribute has to be there.
const FENCED: &[(&str, &str, &str)] = &[
    ("git-core-hash", "src/many/cpu.rs", "instructions of one kind of CPU, called once it has been seen"),
    ("git-core-store", "src/fs/map.rs", "mapping a pack into memory has no safe form"),
];

/// Left-open work. Spelled in two halves, so that this file passes its own rule.
const OPEN: &[&str] = &[concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME")];

/// Checks all Rust files of the workspace, of the fuzz targets and of the benchmarks.
pub(super) fn check(workspace: &Workspace) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in files(&workspace.root, "rs")? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        findings.extend(file(below(&workspace.root, &path), &text));
    }
    Ok(findings)
}

/// The rules for one file; `path` is relative to the root.
fn file(path: &Path, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        let message = "start the file with `//!`: what it is, and what it leaves to others";
        findings.push(Finding::new(path, 1, message));
    }
    let length = text.lines().count();
    if length > LONGEST {
        let message = format!("{length} lines, {LONGEST} at most: split it by phase or by concept");
        findings.push(Finding::new(path, LONGEST + 1, message));
    }
    for (number, line) in (1..).zip(text.lines()) {
        for word in OPEN.iter().filter(|word| line.contains(**word)) {
            findings.push(Finding::new(path, number, format!("`{word}`: finish it or take it out")));
        }
    }
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let owner = match &parts[..] {
        [group, owner, rest @ ..] if group == "crates" => Some((&owner[..], rest.join("/"))),
        [owner, rest @ ..] if owner == "xtask" => Some((&owner[..], rest.join("/"))),
        _ => None,
    };
    let Some((owner, inner)) = owner else { return findings };
    let fence = FENCED.iter().find(|(name, ..)| *name == owner);
    if matches!(&inner[..], "src/lib.rs" | "src/main.rs")
        && !text.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]")
        && fence.is_none()
    {
        let message =
            "add `#![forbid(unsafe_code)]`, or a row with a reason to FENCED in xtask/src/tidy/sources.rs";
        findings.push(Finding::new(path, 1, message));
    }
    let uses_unsafe = concat!("(", "unsafe_code", ", reason");
    if let Some(index) = text.lines().position(|line| line.contains(uses_unsafe))
        && fence.is_none_or(|(_, file, _)| *file != inner)
        && owner != "xtask"
    {
        let message = "unsafe code outside the fenced files: see FENCED in xtask/src/tidy/sources.rs";
        findings.push(Finding::new(path, index + 1, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str, text: &str) -> Vec<String> {
        file(Path::new(path), text).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_good_file_passes() {
        assert!(texts("crates/a/src/lib.rs", "//! What it is.\n#![forbid(unsafe_code)]\n").is_empty());
        assert!(texts("crates/a/src/other.rs", "//! What it is.\n").is_empty());
    }

    #[test]
    fn a_header_is_asked_for() {
        let found = texts("crates/a/src/other.rs", "use std;\n");
        assert!(found[0].starts_with("crates/a/src/other.rs:1: start the file"), "{found:?}");
    }

    #[test]
    fn unsafe_code_is_fenced() {
        assert_eq!(texts("crates/a/src/lib.rs", "//! What.\n").len(), 1);
        assert_eq!(texts("crates/git-core-store/src/lib.rs", "//! What.\n").len(), 0);
        let text = "//! What.\n#[expect(unsafe_code, reason = \"mapping\")]\n";
        assert_eq!(texts("crates/git-core-store/src/fs/map.rs", text).len(), 0);
        let found = texts("crates/git-core-store/src/other.rs", text);
        assert!(found[0].contains(":2: unsafe code outside"), "{found:?}");
    }

    #[test]
    fn long_files_and_open_ends_are_found() {
        let text = format!("//! What.\n{}", "\n".repeat(LONGEST));
        assert!(texts("crates/a/src/b.rs", &text)[0].contains(":601: 601 lines"));
        let text = format!("//! What.\nfn f() {{ {}) }}\n", OPEN[0]);
        assert!(texts("fuzz/src/b.rs", &text)[0].starts_with("fuzz/src/b.rs:2: "));
    }
}
