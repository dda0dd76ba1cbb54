//! Links between the documents: a relative target has to exist.
//!
//! Addresses on the network and anchors within a page are not followed.

use super::{Finding, below, files};
use crate::Outcome;
use crate::workspace::Workspace;
use std::path::Path;

/// Checks every markdown file of the workspace.
pub(super) fn check(workspace: &Workspace) -> Outcome<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in files(&workspace.root, "md")? {
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let folder = path.parent().unwrap_or(&workspace.root);
        for (line, target) in targets(&text) {
            if !folder.join(target).exists() {
                let message = format!("link to {target}, which is not there: correct the path");
                findings.push(Finding::new(below(&workspace.root, &path), line, message));
            }
        }
    }
    Ok(findings)
}

/// The relative targets of inline links and of link definitions, with their lines, outside code blocks.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut code = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") {
            code = !code;
            continue;
        }
        if code {
            continue;
        }
        // Backquoted spans are the odd pieces between backquotes.
        for prose in line.split('`').step_by(2) {
            for (at, _) in prose.match_indices("](") {
                let rest = &prose[at + 2..];
                found.push((number, rest.split(')').next().unwrap_or(rest)));
            }
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            found.push((number, target));
        }
    }
    found.retain_mut(|(_, target)| {
        let path = target.split_whitespace().next().unwrap_or_default();
        let path = path.split('#').next().unwrap_or_default();
        *target = path;
        !path.is_empty()
            && !path.contains("://")
            && !path.starts_with("mailto:")
            && !Path::new(path).is_absolute()
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_targets_are_found() {
        let text = "See [a](docs/a.md#top) and [b](https://example.org/b), [c](#here).\n\
            `[x](no.md)`\n```\n[d](d.md)\n```\n[e]: e.md \"title\"\n";
        assert_eq!(targets(text), [(1, "docs/a.md"), (6, "e.md")]);
    }
}
