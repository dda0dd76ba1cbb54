//! Who does the jobs: our program, git, the programs of `benches/compare`, which put other libraries behind git's own
//! words, and programs of others that take them anyway.
//!
//! None of them is built unless `--build-peers` asks for it.

use super::bed::Bed;
use crate::Outcome;
use crate::run::{output, read};
use crate::workspace::cargo;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Building the other implementations takes minutes.
const PATIENCE: Duration = Duration::from_secs(1800);

/// How long others may take for a job, so that a run comes to an end: several times as long as git takes for the longest
/// on a history of 100 MB.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// Whether an error of a command means that it was stopped for taking longer.
pub(super) fn too_long(error: &str) -> bool {
    error.starts_with("timeout ") && error.contains("ended with exit status: 124")
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) name: String,
    /// As it names itself.
    pub(super) version: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Git,
    Ours,
    /// Takes those of git's words that the jobs say, or answers with its usage.
    Other(PathBuf),
}

impl Peer {
    /// The command for a job, which all know by the same words.
    pub(super) fn command(&self, bed: &Bed, folder: &Path, words: &[&str]) -> Command {
        let mut command = match &self.kind {
            Kind::Git => bed.lab.git(folder),
            Kind::Ours => bed.lab.ours(folder),
            Kind::Other(program) => {
                let mut command = bed.lab.clean.command("timeout");
                command.current_dir(folder).arg(LIMIT.as_secs().to_string()).arg(program);
                command
            }
        };
        command.args(words);
        command
    }

    pub(super) fn is_other(&self) -> bool {
        matches!(self.kind, Kind::Other(_))
    }
}

/// The peers beside git.
pub(super) const OTHERS: [Other; 3] = [
    Other { name: "gix", package: "gix", from: From::Driver },
    Other { name: "git2", package: "git2", from: From::Driver },
    Other { name: "grit", package: "grit-git", from: From::Registry("0.5.0") },
];

/// One of them.
pub(super) struct Other {
    pub(super) name: &'static str,
    package: &'static str,
    from: From,
}

/// Where its program comes from.
enum From {
    /// A library, with a program of ours around it in `benches/compare`.
    Driver,
    /// A program that takes git's words itself, in this version.
    Registry(&'static str),
}

impl Other {
    fn folder(root: &Path) -> PathBuf {
        root.join("benches/compare")
    }

    pub(super) fn program(&self, root: &Path) -> PathBuf {
        let suffix = std::env::consts::EXE_SUFFIX;
        let target = Other::folder(root).join("target");
        match self.from {
            From::Driver => target.join("release").join(format!("compare-{}{suffix}", self.name)),
            From::Registry(_) => target.join("grit/bin").join(format!("{}{suffix}", self.package)),
        }
    }

    fn build(&self, root: &Path) -> Outcome {
        println!("building {}", self.name);
        let mut build = cargo();
        build.current_dir(Other::folder(root)).env_remove("CARGO_TARGET_DIR");
        match self.from {
            From::Driver => {
                build.args(["build", "--release", "--locked", "--quiet", "--features", self.name]);
                build.args(["--bin", &format!("compare-{}", self.name)]);
            }
            From::Registry(version) => {
                build.args(["install", "--locked", "--quiet", "--version", version, self.package]);
                build.args(["--bin", self.package, "--root", "target/grit", "--target-dir", "target"]);
            }
        }
        let done = output(&mut build, PATIENCE)?;
        if done.status.success() {
            return Ok(());
        }
        let words = String::from_utf8_lossy(&done.stderr);
        Err(format!("{} could not be built: {}", self.name, crate::run::tail(&words, 5)).into())
    }

    fn peer(&self, root: &Path) -> Option<Peer> {
        let program = self.program(root);
        let version = match self.from {
            From::Driver => read(Command::new(&program).arg("version")).ok()?.trim().to_owned(),
            // It says which git it is like.
            From::Registry(version) if program.exists() => format!("{} {version}", self.package),
            From::Registry(_) => return None,
        };
        Some(Peer { name: self.name.to_owned(), version, kind: Kind::Other(program) })
    }
}

/// Builds the others, or those that were asked for; false when one could not be built.
pub(super) fn build(root: &Path, asked: Option<&[String]>) -> Outcome<bool> {
    let mut all = true;
    for other in chosen(asked)? {
        match other.build(root) {
            Ok(()) => println!("{}", other.peer(root).map_or(String::new(), |peer| peer.version)),
            Err(error) => {
                println!("{error}");
                all = false;
            }
        }
    }
    Ok(all)
}

/// git and we, and of the others those that were asked for, which have to be built, or all that are.
pub(super) fn find(
    root: &Path,
    git: &str,
    ours: &Path,
    commit: &str,
    asked: Option<&[String]>,
) -> Outcome<Vec<Peer>> {
    let mut peers = vec![
        Peer { name: "git".into(), version: git.to_owned(), kind: Kind::Git },
        Peer { name: "git-core".into(), version: commit.to_owned(), kind: Kind::Ours },
    ];
    read(Command::new(ours).arg("version"))?;
    for other in chosen(asked)? {
        match other.peer(root) {
            Some(peer) => peers.push(peer),
            None if asked.is_some() => {
                return Err(format!("{} is not built; --build-peers builds it", other.name).into());
            }
            None => println!("{}: not there; --build-peers builds it", other.name),
        }
    }
    Ok(peers)
}

fn chosen(asked: Option<&[String]>) -> Outcome<Vec<&'static Other>> {
    let Some(asked) = asked else { return Ok(OTHERS.iter().collect()) };
    // An empty name asks for none.
    let names = asked.iter().filter(|name| !name.is_empty());
    let find = |name: &String| {
        let other = OTHERS.iter().find(|other| other.name == name);
        other.ok_or_else(|| format!("there is no peer {name}; there are gix, git2 and grit").into())
    };
    names.map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_chosen_by_name() {
        let names = |asked: Option<&[String]>| -> Option<Vec<&str>> {
            Some(chosen(asked).ok()?.iter().map(|other| other.name).collect())
        };
        assert_eq!(names(None), Some(vec!["gix", "git2", "grit"]));
        assert_eq!(names(Some(&["git2".into()])), Some(vec!["git2"]));
        assert_eq!(names(Some(&[String::new()])), Some(vec![]));
        assert_eq!(names(Some(&["jgit".into()])), None);
    }
}
