//! Who does the jobs: our program, git, and the programs of `benches/compare`, which put other libraries behind the
//! same few commands.

use super::bed::Bed;
use crate::Outcome;
use crate::run::{output, read};
use crate::workspace::cargo;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Building the other implementations takes minutes.
const PATIENCE: Duration = Duration::from_secs(1800);

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
    /// Knows the jobs by their keys.
    Other(PathBuf),
}

impl Peer {
    /// The command for a job that git and we do by the same words, and others by the name of the job.
    pub(super) fn command(&self, bed: &Bed, folder: &Path, words: &[&str]) -> Command {
        let mut command = match &self.kind {
            Kind::Git => bed.lab.git(folder),
            Kind::Ours => bed.lab.ours(folder),
            Kind::Other(program) => {
                let mut command = bed.lab.clean.command(program);
                command.current_dir(folder);
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

/// git and we, and of the others those that were asked for, or all that are built.
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
    let folder = root.join("benches/compare");
    for name in ["gix", "git2", "grit"] {
        if asked.is_some_and(|asked| !asked.iter().any(|wanted| wanted == name)) {
            continue;
        }
        let program =
            folder.join("target/release").join(format!("compare-{name}{}", std::env::consts::EXE_SUFFIX));
        if asked.is_some() && !program.exists() {
            println!("building benches/compare for {name}");
            let mut build = cargo();
            build.current_dir(&folder).args(["build", "--release", "--locked", "--quiet"]);
            build.args(["--no-default-features", "--features", name, "--bin", &format!("compare-{name}")]);
            build.env_remove("CARGO_TARGET_DIR");
            let done = output(&mut build, PATIENCE)?;
            if !done.status.success() {
                let words = String::from_utf8_lossy(&done.stderr);
                return Err(format!("{name} could not be built: {}", crate::run::tail(&words, 5)).into());
            }
        }
        if let Ok(version) = read(Command::new(&program).arg("version")) {
            let version = version.trim().to_owned();
            peers.push(Peer { name: name.to_owned(), version, kind: Kind::Other(program) });
        }
    }
    Ok(peers)
}
