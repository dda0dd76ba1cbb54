//! The two clients, told what to do in the same words.

use super::lab::Lab;
use super::matrix::Asking;
use crate::Outcome;
use crate::run::read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A client, and how it reaches the services.
pub(crate) struct Client<'a> {
    pub(crate) lab: &'a Lab,
    pub(crate) asking: Asking,
    /// For git on a local path: the programs to talk to through pipes.
    pub(crate) services: Option<[String; 2]>,
    /// Where git writes down the packets that it sees.
    pub(crate) trace: Option<PathBuf>,
}

impl Client<'_> {
    pub(crate) fn clone_mirror(&self, url: &str, folder: &Path) -> Command {
        let parent = folder.parent().unwrap_or(folder);
        let mut command = self.command(parent, &["clone", "--quiet", "--mirror"], 0);
        command.arg(url).arg(folder);
        command
    }

    /// From the remote `origin` of the repository in `folder`.
    pub(crate) fn fetch(&self, folder: &Path) -> Command {
        let mut command = self.command(folder, &["fetch", "--quiet", "--prune"], 0);
        command.arg("origin");
        command
    }

    pub(crate) fn push(&self, folder: &Path, url: &str, refspecs: &[&str]) -> Command {
        let mut command = self.command(folder, &["push", "--quiet"], 1);
        command.arg(url).args(refspecs);
        command
    }

    pub(crate) fn ls_remote(&self, folder: &Path, url: &str) -> Outcome<String> {
        let mut command = self.command(folder, &["ls-remote"], 0);
        read(command.arg(url))
    }

    fn command(&self, folder: &Path, words: &[&str], service: usize) -> Command {
        let mut command = match self.asking {
            Asking::Ours => self.lab.ours(folder),
            Asking::Git => self.lab.git(folder),
        };
        command.args(words);
        if let (Asking::Git, Some(services)) = (self.asking, &self.services) {
            let option = ["--upload-pack", "--receive-pack"][service];
            command.arg(format!("{option}={}", services[service]));
        }
        if let (Asking::Git, Some(trace)) = (self.asking, &self.trace) {
            command.env("GIT_TRACE_PACKET", trace);
        }
        command
    }
}
