//! `cargo xtask tidy`: the rules that no compiler checks.
//!
//! Each submodule is one family of rules and returns what it found; this file gathers and prints. A finding
//! names the place as `file:line` and says how to mend it.

mod edges;
mod links;
mod sources;

use crate::Outcome;
use crate::workspace::Workspace;
use std::fmt;
use std::path::{Path, PathBuf};

/// One rule broken in one place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Relative to the root of the workspace.
    file: PathBuf,
    /// Counted from one.
    line: usize,
    /// What is wrong, and how to mend it.
    message: String,
}

impl Finding {
    fn new(file: &Path, line: usize, message: impl Into<String>) -> Finding {
        Finding { file: file.to_path_buf(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// Runs every rule; true when nothing was found.
pub(crate) fn main() -> Outcome<bool> {
    let workspace = Workspace::load()?;
    let mut findings = edges::check(&workspace)?;
    findings.extend(sources::check(&workspace)?);
    findings.extend(links::check(&workspace)?);
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    match findings.len() {
        0 => println!("tidy: {} packages, nothing to mend", workspace.packages.len()),
        count => println!("tidy: {count} to mend"),
    }
    Ok(findings.is_empty())
}

/// Every file below `folder` with this extension, sorted; build output and hidden folders are left out.
fn files(folder: &Path, extension: &str) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            let name = entry.file_name();
            if kind.is_dir() {
                let skip = name.to_string_lossy().starts_with('.') || name == "target";
                if !skip && !path.join("CACHEDIR.TAG").exists() {
                    open.push(path);
                }
            } else if kind.is_file() && path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The path as seen from the root.
fn below<'a>(root: &Path, path: &'a Path) -> &'a Path {
    path.strip_prefix(root).unwrap_or(path)
}
