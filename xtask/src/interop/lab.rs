//! What every interoperability run works with: git, our program, clean surroundings, and the comparisons.

use crate::Outcome;
use crate::run::{Clean, output, read, read_within, tail, tee};
use crate::workspace::{Workspace, cargo};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The configuration of every client and server of a run.
const SETTINGS: &str = "\
[init]\n\tdefaultBranch = main\n\
[gc]\n\tauto = 0\n\
[maintenance]\n\tauto = false\n\
[receive]\n\tautogc = false\n\
[safe]\n\tdirectory = *\n";

/// The programs under test and their surroundings.
pub(crate) struct Lab {
    pub(crate) clean: Clean,
    /// The `git-core` program.
    pub(crate) ours: PathBuf,
    /// Where git keeps `git-daemon` and `git-http-backend`.
    pub(crate) libexec: PathBuf,
}

/// How our program is built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Build {
    /// As for tests: overflow and other assertions are on.
    Checked,
    /// As it is released: for measuring.
    Released,
}

/// Builds our program.
pub(crate) fn build(workspace: &Workspace, how: Build) -> Outcome<PathBuf> {
    let mut command = cargo();
    command.args(["build", "--quiet", "--package", "git-core-cli", "--bin", "git-core"]);
    let folder = match how {
        Build::Checked => "debug",
        Build::Released => {
            command.arg("--release");
            "release"
        }
    };
    if !tee(&mut command, Duration::from_secs(3600))?.0 {
        return Err("git-core could not be built; see the messages above".into());
    }
    Ok(workspace.target.join(folder).join(format!("git-core{}", std::env::consts::EXE_SUFFIX)))
}

impl Lab {
    pub(crate) fn new(clean: Clean, ours: PathBuf) -> Outcome<Lab> {
        let libexec = read(clean.command("git").arg("--exec-path"))?.trim().into();
        Ok(Lab { clean, ours, libexec })
    }

    /// The same programs with a home of their own, whose configuration asks for this protocol version.
    pub(crate) fn at(&self, home: &Path, version: u8) -> Outcome<Lab> {
        std::fs::create_dir_all(home)?;
        std::fs::write(home.join("gitconfig"), format!("{SETTINGS}[protocol]\n\tversion = {version}\n"))?;
        Ok(Lab { clean: self.clean.at(home), ours: self.ours.clone(), libexec: self.libexec.clone() })
    }

    /// git in this folder.
    pub(crate) fn git(&self, folder: &Path) -> Command {
        let mut command = self.clean.command("git");
        command.current_dir(folder);
        command
    }

    /// Our program in this folder.
    pub(crate) fn ours(&self, folder: &Path) -> Command {
        let mut command = self.clean.command(&self.ours);
        command.current_dir(folder);
        command
    }

    /// A git command that must succeed; its output.
    pub(crate) fn ask(&self, folder: &Path, arguments: &[&str]) -> Outcome<String> {
        read_within(self.git(folder).args(arguments), Duration::from_secs(1800))
    }

    /// Every ref with what it points at.
    pub(crate) fn refs(&self, folder: &Path) -> Outcome<String> {
        self.ask(folder, &["for-each-ref", "--format=%(refname) %(objectname) %(objecttype)"])
    }

    /// What HEAD says: a ref name, born or not, or an id.
    pub(crate) fn head(&self, folder: &Path) -> Outcome<String> {
        Ok(std::fs::read_to_string(folder.join("HEAD"))?.trim().to_owned())
    }

    /// Everything that `git fsck --full` says, in an order of its own, and whether it ended well.
    pub(crate) fn fsck(&self, folder: &Path) -> Outcome<(bool, Vec<String>)> {
        let done =
            output(self.git(folder).args(["fsck", "--full", "--no-progress"]), Duration::from_secs(3600))?;
        let text = [done.stdout, done.stderr].concat();
        let mut lines: Vec<String> = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        lines.sort();
        Ok((done.status.success(), lines))
    }

    /// Fails unless both repositories hold the same refs.
    pub(crate) fn same_refs(&self, expected: &Path, found: &Path) -> Outcome {
        same("refs", &self.refs(expected)?, &self.refs(found)?)
    }

    /// Fails unless git finds the same to say about both repositories.
    pub(crate) fn same_fsck(&self, expected: &Path, found: &Path) -> Outcome {
        let (expected, found) = (self.fsck(expected)?, self.fsck(found)?);
        if expected.0 != found.0 {
            return Err(format!("git fsck --full failed: {}", tail(&found.1.join("\n"), 8)).into());
        }
        same("git fsck --full", &expected.1.join("\n"), &found.1.join("\n"))
    }

    /// Fails unless git finds nothing wrong; what is merely dangling may be there.
    pub(crate) fn sound(&self, folder: &Path) -> Outcome {
        let (good, mut lines) = self.fsck(folder)?;
        lines.retain(|line| !line.starts_with("dangling ") && !line.starts_with("notice: "));
        if good && lines.is_empty() {
            return Ok(());
        }
        Err(format!("git fsck --full on {}: {}", folder.display(), tail(&lines.join("\n"), 8)).into())
    }
}

/// Fails with the first lines that differ.
pub(crate) fn same(what: &str, expected: &str, found: &str) -> Outcome {
    if expected == found {
        return Ok(());
    }
    let missing = expected.lines().filter(|line| !found.lines().any(|other| other == *line));
    let extra = found.lines().filter(|line| !expected.lines().any(|other| other == *line));
    let mut lines: Vec<String> = missing.take(4).map(|line| format!("- {line}")).collect();
    lines.extend(extra.take(4).map(|line| format!("+ {line}")));
    if lines.is_empty() {
        lines.push("the same lines in another order or number".into());
    }
    Err(format!("{what} differ (- expected, + found):\n{}", lines.join("\n")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_shown() {
        assert!(same("x", "a\nb\n", "a\nb\n").is_ok());
        let text = same("x", "a\nb\n", "a\nc\n").unwrap_err().to_string();
        assert!(text.contains("- b\n+ c"), "{text}");
    }
}
