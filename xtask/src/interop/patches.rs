//! The patches of a thousand consecutive commits, ours beside git's.

use super::lab::Lab;
use crate::Outcome;
use crate::run::{output, read_within};
use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(600);
/// Commits that are compared.
const COMMITS: usize = 1000;
/// Of each thousand, so many may differ from git's, as long as they apply.
const DIFFERENT: usize = 10;

/// Compares `diff-tree -p` on the last commits that are no merges; says how many are equal byte for byte.
pub(crate) fn compare(lab: &Lab, repo: &Path) -> Outcome<String> {
    let number = format!("--max-count={COMMITS}");
    let commits = lab.ask(repo, &["rev-list", "--no-merges", &number, "HEAD"])?;
    let (mut all, mut different) = (0, Vec::new());
    for commit in commits.lines() {
        let words = ["diff-tree", "-p", "--root", commit];
        let theirs = output(lab.git(repo).args(words), PATIENCE)?;
        let ours = output(lab.ours(repo).args(words), PATIENCE)?;
        if !ours.status.success() {
            let words = String::from_utf8_lossy(&ours.stderr);
            return Err(format!("diff-tree -p {commit}: {}", words.trim()).into());
        }
        all += 1;
        if ours.stdout != theirs.stdout {
            applies(lab, repo, commit, &ours.stdout)?;
            different.push(commit);
        }
    }
    let told =
        format!("{} of {all} patches equal, {} differ and apply", all - different.len(), different.len());
    if different.len() * COMMITS > DIFFERENT * all {
        return Err(format!("{told}: {}", different.join(" ")).into());
    }
    Ok(told)
}

/// Fails unless git could apply the patch to the parent of the commit.
fn applies(lab: &Lab, repo: &Path, commit: &str, patch: &[u8]) -> Outcome {
    let folder = tempfile::tempdir()?;
    let (index, file) = (folder.path().join("index"), folder.path().join("patch"));
    // The first line names the commit.
    let body = patch.iter().position(|byte| *byte == b'\n').map_or(patch, |end| &patch[end + 1..]);
    std::fs::write(&file, body)?;
    let parent = format!("{commit}^");
    read_within(lab.git(repo).args(["read-tree", &parent]).env("GIT_INDEX_FILE", &index), PATIENCE)?;
    let mut apply = lab.git(repo);
    apply.args(["apply", "--cached", "--check"]).arg(&file).env("GIT_INDEX_FILE", &index);
    read_within(&mut apply, PATIENCE)
        .map(|_| ())
        .map_err(|error| format!("the patch of {commit} does not apply: {error}").into())
}
