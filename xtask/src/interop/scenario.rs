//! What happens in one cell of the matrix: list, clone, fetch, push, be refused, delete, and the odd repositories.
//!
//! Every step builds what it needs with git, so that one failure does not hide the next. What is right is
//! what git does with git.

use super::client::Client;
use super::fixture::{self, Format};
use super::lab::{Lab, same};
use super::matrix::{Asking, Cell, Serving};
use super::server::Server;
use crate::Outcome;
use crate::run::{PATIENCE, output, read};
use std::path::{Path, PathBuf};

/// What is done, under the name it is reported by.
struct Step(&'static str, fn(&Scene) -> Outcome);

/// The steps in their order; some build on what the server has kept of earlier ones.
const STEPS: &[Step] = &[
    Step("ls-remote", Scene::ls_remote),
    Step("clone", Scene::clone_mirror),
    Step("fetch", Scene::fetch),
    Step("fetch without news", Scene::fetch_nothing),
    Step("push", Scene::push),
    Step("push refused", Scene::push_refused),
    Step("delete", Scene::delete),
    Step("empty", Scene::empty),
    Step("push to empty", Scene::push_to_empty),
    Step("detached", Scene::detached),
    Step("not there", Scene::not_there),
    Step("created on push", Scene::created_on_push),
];

impl Step {
    /// Only `git-core serve` makes repositories. It makes them before it can know which object format the
    /// client is going to push, so in the default one.
    fn applies(&self, cell: Cell) -> bool {
        let makes =
            matches!(cell.serving, Serving::ServeHttp | Serving::ServeGit) && cell.format == Format::Sha1;
        makes || self.0 != "created on push"
    }
}

/// Runs all steps of a cell in a folder of its own.
pub(super) fn run(lab: &Lab, cell: Cell) -> Vec<(&'static str, Outcome)> {
    let all = |error: &str| {
        let mut told = Some(error);
        let mut tell = || Err(told.take().unwrap_or("for the same reason").into());
        STEPS.iter().filter(|step| step.applies(cell)).map(|Step(name, _)| (*name, tell())).collect()
    };
    let prepared = || -> Outcome<(tempfile::TempDir, Lab)> {
        let folder = tempfile::tempdir()?;
        let lab = lab.at(&folder.path().join("home"), cell.version)?;
        fixture::make(&lab, &folder.path().join("served"), cell.format)?;
        Ok((folder, lab))
    };
    let (folder, lab) = match prepared() {
        Ok(prepared) => prepared,
        Err(error) => return all(&format!("the fixture: {error}")),
    };
    let place = folder.path().to_path_buf();
    let (served, trace) = (place.join("served"), place.join("trace"));
    let server = match Server::start(&lab, cell.serving, &served, &place.join("log"), Some(&trace)) {
        Ok(server) => server,
        Err(error) => return all(&format!("the server: {error}")),
    };
    let scene = Scene { lab, cell, place, served, trace, server };
    STEPS
        .iter()
        .filter(|step| step.applies(cell))
        .map(|Step(name, step)| {
            let result = step(&scene).map_err(|error| scene.with_log(&error.to_string()).into());
            (*name, result)
        })
        .collect()
}

struct Scene {
    lab: Lab,
    cell: Cell,
    place: PathBuf,
    served: PathBuf,
    trace: PathBuf,
    server: Server,
}

impl Scene {
    fn client(&self) -> Client<'_> {
        Client {
            lab: &self.lab,
            asking: self.cell.asking,
            services: self.server.services.clone(),
            trace: Some(self.trace.clone()),
        }
    }

    fn ls_remote(&self) -> Outcome {
        let expected = self.lab.ask(&self.place, &["ls-remote", &self.local("repo.git")])?;
        same("lines of ls-remote", &expected, &self.client().ls_remote(&self.place, &self.url("repo.git"))?)?;
        let empty = self.client().ls_remote(&self.place, &self.url("empty.git"))?;
        same("lines of ls-remote on an empty repository", "", &empty)
    }

    fn clone_mirror(&self) -> Outcome {
        std::fs::write(&self.trace, "")?;
        let copy = self.place.join("clone.git");
        read(&mut self.client().clone_mirror(&self.url("repo.git"), &copy))?;
        self.spoke_its_version()?;
        self.lab.same_refs(&self.served.join("repo.git"), &copy)?;
        same("HEAD", "ref: refs/heads/main", &self.lab.head(&copy)?)?;
        same("object format", self.cell.format.name(), self.format(&copy)?.trim())?;
        self.lab.same_fsck(&self.served.join("repo.git"), &copy)
    }

    fn fetch(&self) -> Outcome {
        let copy = self.mirror("fetch.git")?;
        fixture::change(&self.lab, &self.served.join("repo.git"), 2)?;
        read(&mut self.client().fetch(&copy))?;
        self.lab.same_refs(&self.served.join("repo.git"), &copy)?;
        self.lab.sound(&copy)
    }

    fn fetch_nothing(&self) -> Outcome {
        let copy = self.mirror("same.git")?;
        let before = self.lab.ask(&copy, &["count-objects", "-v"])?;
        read(&mut self.client().fetch(&copy))?;
        same("counts of objects", &before, &self.lab.ask(&copy, &["count-objects", "-v"])?)?;
        self.lab.same_refs(&self.served.join("repo.git"), &copy)
    }

    fn push(&self) -> Outcome {
        let work = self.mirror("push.git")?;
        let stream = fixture::commits("refs/heads/main", "refs/heads/main^0", "pushed", 4)
            + &fixture::commits("refs/heads/subject", "refs/heads/main~2", "beside", 2)
            + &fixture::commits("refs/heads/feature/40", "refs/heads/main~9", "forced", 2);
        fixture::import(&self.lab, &work, &stream)?;
        self.lab.ask(&work, &["tag", "-m", "a new one", "new", "subject"])?;
        let refspecs = [
            "main",
            "subject:refs/heads/qa/subject",
            "+feature/40:feature/40",
            "refs/tags/new",
            "refs/notes/*:refs/notes/copy/*",
        ];
        read(&mut self.client().push(&work, &self.url("repo.git"), &refspecs))?;
        for (mine, theirs) in [
            ("refs/heads/main", "refs/heads/main"),
            ("refs/heads/subject", "refs/heads/qa/subject"),
            ("refs/heads/feature/40", "refs/heads/feature/40"),
            ("refs/tags/new", "refs/tags/new"),
            ("refs/notes/commits", "refs/notes/copy/commits"),
        ] {
            same(theirs, &self.id(&work, mine)?, &self.id(&self.served.join("repo.git"), theirs)?)?;
        }
        self.lab.sound(&self.served.join("repo.git"))
    }

    /// Neither a step back without force nor a name that is not one changes anything.
    fn push_refused(&self) -> Outcome {
        let work = self.mirror("refused.git")?;
        let before = self.lab.refs(&self.served.join("repo.git"))?;
        for refspec in ["main~1:refs/heads/main", "main:refs/heads/bad..name", "nowhere:refs/heads/x"] {
            let mut command = self.client().push(&work, &self.url("repo.git"), &[refspec]);
            let done = output(&mut command, PATIENCE)?;
            if done.status.success() {
                return Err(format!("push {refspec} was not refused").into());
            }
            if done.stderr.is_empty() {
                return Err(format!("push {refspec} was refused without a word").into());
            }
        }
        same("refs", &before, &self.lab.refs(&self.served.join("repo.git"))?)
    }

    fn delete(&self) -> Outcome {
        let served = self.served.join("repo.git");
        let work = self.mirror("delete.git")?;
        // One loose, one packed.
        self.lab.ask(&served, &["update-ref", "refs/heads/gone", "main"])?;
        read(&mut self.client().push(&work, &self.url("repo.git"), &[":gone", ":refs/heads/feature/50"]))?;
        let refs = self.lab.refs(&served)?;
        if refs.contains("refs/heads/gone ") || refs.contains("refs/heads/feature/50 ") {
            return Err("a deleted ref is still there".into());
        }
        self.lab.sound(&served)
    }

    /// The branch that HEAD names before it is born, and the object format, are told by the protocol or not
    /// at all: a clone must know exactly as much as git's own.
    fn empty(&self) -> Outcome {
        let copy = self.place.join("empty-clone.git");
        read(&mut self.client().clone_mirror(&self.url("empty.git"), &copy))?;
        let reference = self.reference("empty.git")?;
        same("HEAD", &self.lab.head(&reference)?, &self.lab.head(&copy)?)?;
        same("object format", &self.format(&reference)?, &self.format(&copy)?)?;
        self.lab.same_refs(&reference, &copy)
    }

    fn push_to_empty(&self) -> Outcome {
        let work = self.mirror("first.git")?;
        read(&mut self.client().push(
            &work,
            &self.url("empty.git"),
            &["main:trunk", "refs/tags/*:refs/tags/*"],
        ))?;
        let empty = self.served.join("empty.git");
        same("refs/heads/trunk", &self.id(&work, "refs/heads/main")?, &self.id(&empty, "refs/heads/trunk")?)?;
        self.lab.sound(&empty)
    }

    fn detached(&self) -> Outcome {
        let copy = self.place.join("detached-clone.git");
        read(&mut self.client().clone_mirror(&self.url("detached.git"), &copy))?;
        let reference = self.reference("detached.git")?;
        same("HEAD", &self.lab.head(&reference)?, &self.lab.head(&copy)?)?;
        self.lab.same_refs(&self.served.join("detached.git"), &copy)
    }

    fn not_there(&self) -> Outcome {
        let copy = self.place.join("nothing.git");
        let done = output(&mut self.client().clone_mirror(&self.url("nothing.git"), &copy), PATIENCE)?;
        match () {
            () if done.status.success() => {
                Err("the clone of a repository that is not there succeeded".into())
            }
            () if done.stderr.is_empty() => Err("failed without a word".into()),
            () if copy.exists() => Err("something is left of the failed clone".into()),
            () => Ok(()),
        }
    }

    fn created_on_push(&self) -> Outcome {
        let work = self.mirror("creator.git")?;
        read(&mut self.client().push(&work, &self.url("created.git"), &["main"]))?;
        let created = self.served.join("created.git");
        same("refs/heads/main", &self.id(&work, "refs/heads/main")?, &self.id(&created, "refs/heads/main")?)?;
        self.lab.sound(&created)
    }

    /// Fails when the packets that git saw belong to another version of the protocol.
    fn spoke_its_version(&self) -> Outcome {
        let seen = std::fs::read_to_string(&self.trace).unwrap_or_default();
        let theirs = matches!(self.cell.serving, Serving::GitDaemon | Serving::GitBackend);
        if !theirs && self.cell.asking == Asking::Ours {
            return Ok(());
        }
        if seen.is_empty() {
            return Err("git has seen no packets".into());
        }
        let said = [1, 2].into_iter().find(|version| {
            ["<", ">"]
                .iter()
                .any(|arrow| seen.lines().any(|line| line.ends_with(&format!("{arrow} version {version}"))))
        });
        same("protocol version", &self.cell.version.to_string(), &said.unwrap_or(0).to_string())
    }

    /// A mirror made by git, whose `origin` is the server.
    fn mirror(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.place.join(name);
        let target = folder.display().to_string();
        self.lab.ask(&self.place, &["clone", "--quiet", "--mirror", &self.local("repo.git"), &target])?;
        self.lab.ask(&folder, &["config", "remote.origin.url", &self.url("repo.git")])?;
        Ok(folder)
    }

    /// What git makes of the same repository under the same protocol version.
    fn reference(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.place.join(format!("reference-{name}"));
        let (from, to) = (format!("file://{}", self.local(name)), folder.display().to_string());
        self.lab.ask(&self.place, &["clone", "--quiet", "--mirror", &from, &to])?;
        Ok(folder)
    }

    fn id(&self, folder: &Path, name: &str) -> Outcome<String> {
        self.lab.ask(folder, &["rev-parse", "--verify", name])
    }

    fn format(&self, folder: &Path) -> Outcome<String> {
        self.lab.ask(folder, &["rev-parse", "--show-object-format"])
    }

    fn local(&self, name: &str) -> String {
        self.served.join(name).display().to_string()
    }

    /// git would copy a plain path instead of talking to a service.
    fn url(&self, name: &str) -> String {
        match (self.cell.serving, self.cell.asking) {
            (Serving::Path, Asking::Git) => format!("file://{}", self.server.url(name)),
            _ => self.server.url(name),
        }
    }

    fn with_log(&self, error: &str) -> String {
        let log = std::fs::read_to_string(self.place.join("log")).unwrap_or_default();
        match log.trim() {
            "" => error.to_owned(),
            _ => format!("{error}\nthe server's last words:\n{}", crate::run::tail(&log, 4)),
        }
    }
}
