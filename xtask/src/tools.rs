//! The tools that the tests need, found or, where that is quick, installed: git, cargo-deny. cargo-nextest is used where
//! it is there.
//!
//! Nothing is installed outside cargo's own folders and the target folder, except that a missing or old git
//! is first asked of the system's package manager when we are root.

use crate::run::{output, read, read_within, shown, tail};
use crate::workspace::cargo;
use crate::{Outcome, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The oldest git against which the tests are meant to pass.
pub(crate) const OLDEST_GIT: (u32, u32) = (2, 47);
/// The longest that an installation may take.
const PATIENCE: Duration = Duration::from_secs(1200);

/// A git that is new enough.
pub(crate) struct Git {
    /// A folder to put in front of PATH; `None` when the git on PATH is the one.
    pub(crate) folder: Option<PathBuf>,
    pub(crate) version: String,
}

/// Finds a git, or gets one: from PATH, from an earlier build of ours, from the package manager, from source.
pub(crate) fn git(target: &Path) -> Outcome<Git> {
    let built = target.join("xtask/git");
    let on_path = || version("git".as_ref()).map(|version| Git { folder: None, version });
    let ours = || {
        let folder = built.join("bin");
        version(&folder.join("git")).map(|version| Git { folder: Some(folder), version })
    };
    let oldest = format!("{}.{}", OLDEST_GIT.0, OLDEST_GIT.1);
    if let Some(git) = on_path().or_else(ours) {
        return Ok(git);
    }
    println!("no git >= {oldest} on PATH; trying the package manager");
    if let Err(error) = apt(&["install", "-y", "--no-install-recommends", "git"]) {
        println!("{error}");
    }
    if let Some(git) = on_path() {
        return Ok(git);
    }
    println!("still no git >= {oldest}; building one from Debian's current source package");
    build_git(&built).map_err(|error| format!("no git >= {oldest}, and none could be had: {error}"))?;
    ours().ok_or_else(|| "the git just built is too old".into())
}

/// The version of this git when it is new enough.
fn version(git: &Path) -> Option<String> {
    let text = read(Command::new(git).arg("version")).ok()?;
    let version = text.trim().strip_prefix("git version ")?.to_owned();
    new_enough(&version).then_some(version)
}

fn new_enough(version: &str) -> bool {
    let mut numbers =
        version.split(|char: char| !char.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= OLDEST_GIT
}

/// As root, or through sudo where that asks nothing.
fn apt(arguments: &[&str]) -> Outcome {
    let root = read(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0");
    let mut command = if root { Command::new("apt-get") } else { Command::new("sudo") };
    if !root {
        command.args(["-n", "apt-get"]);
    }
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "Acquire::Retries=2"]);
    if arguments.first() == Some(&"install") {
        let mut update = Command::new(command.get_program());
        update.args(command.get_args()).arg("update");
        // Old lists may still do; the installation itself tells.
        let _ = output(&mut update, PATIENCE);
    }
    read_within(command.args(arguments), PATIENCE)?;
    Ok(())
}

/// Builds the git of Debian's current release, whose signature apt checks, into `prefix`.
fn build_git(prefix: &Path) -> Outcome {
    let sites = read(Command::new("apt-get").args(["indextargets", "--format", "$(SITE)"]))?;
    let site = sites
        .lines()
        .find(|site| site.trim_end_matches('/').ends_with("/debian"))
        .ok_or("no Debian mirror among the sources of apt")?;
    if let Err(error) = apt(&[
        "install",
        "-y",
        "--no-install-recommends",
        "gcc",
        "libc6-dev",
        "make",
        "dpkg-dev",
        "zlib1g-dev",
        "libcurl4-gnutls-dev",
    ]) {
        println!("{error}");
    }
    let work = tempfile::tempdir()?;
    let place = work.path();
    std::fs::create_dir_all(place.join("lists/partial"))?;
    std::fs::create_dir_all(place.join("cache/archives/partial"))?;
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    std::fs::write(place.join("sources.list"), format!("deb-src [signed-by={keys}] {site} stable main\n"))?;
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.current_dir(place).arg("-q");
        for (name, value) in [
            ("Dir::Etc::sourcelist", place.join("sources.list")),
            ("Dir::Etc::sourceparts", "-".into()),
            ("Dir::State::lists", place.join("lists")),
            ("Dir::Cache", place.join("cache")),
        ] {
            command.arg("-o").arg(format!("{name}={}", value.display()));
        }
        command
    };
    read_within(apt_get().arg("update"), PATIENCE)?;
    read_within(apt_get().args(["source", "--download-only", "git"]), PATIENCE)?;
    let archive = std::fs::read_dir(place)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().contains(".orig.tar"))
        .ok_or("the source package holds no upstream archive")?;
    let source = place.join("source");
    std::fs::create_dir(&source)?;
    read_within(
        Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(&source).arg("--strip-components=1"),
        PATIENCE,
    )?;
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    let mut make = Command::new("make");
    make.current_dir(&source).arg(format!("-j{jobs}")).arg(format!("prefix={}", prefix.display()));
    make.args(["NO_GETTEXT=1", "NO_TCLTK=1", "NO_PERL=1", "NO_PYTHON=1", "NO_OPENSSL=1", "NO_EXPAT=1"]);
    make.args(["NO_INSTALL_HARDLINKS=1", "CFLAGS=-O2", "install"]);
    println!("{}", shown(&make));
    read_within(&mut make, PATIENCE)?;
    Ok(())
}

/// Whether `cargo <name>` is there.
pub(crate) fn has(name: &str) -> bool {
    output(cargo().args([name, "--version"]), run::PATIENCE).is_ok_and(|done| done.status.success())
}

/// A cargo subcommand: there already, or installed now if that is done within the time.
pub(crate) fn subcommand(name: &str) -> Outcome {
    if has(name) {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    println!("installing {package}");
    let mut install = cargo();
    install.args(["install", "--locked", "--quiet", &package]).current_dir(std::env::temp_dir());
    match output(&mut install, PATIENCE) {
        Ok(done) if done.status.success() => Ok(()),
        Ok(done) => {
            let words = tail(&String::from_utf8_lossy(&done.stderr), 3);
            Err(format!("{package} is not there and could not be installed: {words}").into())
        }
        Err(error) => Err(format!("{package} is not there, and installing it: {error}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared() {
        assert!(new_enough("2.47.0"));
        assert!(new_enough("2.100.0.windows.1"));
        assert!(new_enough("3.0.0-rc1"));
        assert!(!new_enough("2.39.5 (Apple Git-154)"));
        assert!(!new_enough(""));
    }
}
