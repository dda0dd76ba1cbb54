//! What a client that pushes need not send although no ref here shows it: the tips of repositories that this one
//! borrows objects from, and of other namespaces.

use crate::Repository;
use git_core_object::{ObjectFormat, ObjectId};
use git_core_store::Snapshot;
use git_core_store::config::ConfigError;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// How the tips of alternates are found.
#[derive(Clone)]
pub(super) struct AlternateTips {
    repository: Repository,
    /// `core.alternateRefsCommand`.
    command: Option<OsString>,
    /// `core.alternateRefsPrefixes`.
    prefixes: Vec<Vec<u8>>,
}

impl std::fmt::Debug for AlternateTips {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AlternateTips").field("command", &self.command).finish_non_exhaustive()
    }
}

impl AlternateTips {
    pub(super) fn of(repository: &Repository) -> Result<Self, ConfigError> {
        let config = repository.config();
        let command = config.text("core.alternateRefsCommand")?;
        let command = command.filter(|_| repository.hooks().is_some());
        let prefixes = config.text("core.alternateRefsPrefixes")?;
        Ok(AlternateTips {
            repository: repository.clone(),
            command: command.map(|text| crate::hooks::os_string(text)),
            prefixes: prefixes
                .map(|text| {
                    text.split(|b| *b == b' ').filter(|p| !p.is_empty()).map(<[u8]>::to_vec).collect()
                })
                .unwrap_or_default(),
        })
    }

    /// The ids, each once, of objects that are here.
    pub(super) fn find(&self, here: &Arc<dyn Snapshot>) -> Vec<ObjectId> {
        let Some(storage) = self.repository.on_disk() else { return Vec::new() };
        let (mut seen, mut tips) = (HashSet::new(), Vec::new());
        for objects in storage.objects().alternates() {
            // Another repository has its refs beside its objects; a mere directory of objects has none.
            let Some(git_dir) = objects.canonicalize().ok().and_then(|dir| Some(dir.parent()?.to_path_buf()))
            else {
                continue;
            };
            let found = match &self.command {
                Some(command) => self.ask(command, &git_dir),
                None => self.read(&git_dir),
            };
            for id in found {
                if seen.insert(id) && here.contains(&id).unwrap_or(false) {
                    tips.push(id);
                }
            }
        }
        tips
    }

    fn read(&self, git_dir: &Path) -> Vec<ObjectId> {
        let mut tips = Vec::new();
        if !git_dir.join("HEAD").exists() {
            return tips;
        }
        let Ok(other) = Repository::open(git_dir) else { return tips };
        let Ok(snapshot) = other.storage().snapshot() else { return tips };
        let all = [Vec::new()];
        let prefixes = if self.prefixes.is_empty() { &all[..] } else { &self.prefixes };
        for prefix in prefixes {
            let _ = snapshot.for_each_ref(prefix, &mut |found| {
                let rest = found.name.as_bytes().get(prefix.len()).copied();
                let whole = prefix.is_empty() || prefix.ends_with(b"/") || matches!(rest, None | Some(b'/'));
                tips.extend(found.target.id().filter(|_| whole));
                ControlFlow::Continue(())
            });
        }
        tips
    }

    /// Runs the command, by the shell, with the path of the repository as its argument.
    fn ask(&self, command: &OsString, git_dir: &Path) -> Vec<ObjectId> {
        let mut line = command.clone();
        line.push(" \"$@\"");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(line).arg(command).arg(git_dir);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        for name in ["GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"] {
            shell.env_remove(name);
        }
        if let Some(own) = self.repository.git_dir() {
            shell.current_dir(own);
        }
        let mut tips = Vec::new();
        let Ok(mut child) = shell.spawn() else { return tips };
        let format = self.repository.format();
        for line in child.stdout.take().into_iter().flat_map(|out| BufReader::new(out).split(b'\n')) {
            let Ok(line) = line else { break };
            match parse(format, &line) {
                Some(id) => tips.push(id),
                None => {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    tracing::warn!("invalid line while parsing alternate refs: {text}");
                    break;
                }
            }
        }
        let _ = child.wait();
        tips
    }
}

fn parse(format: ObjectFormat, line: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex_of(format, line).ok()
}
