//! Other implementations than git: dulwich, libgit2 and gitoxide as clients of our server, ours as client of
//! dulwich's.
//!
//! The first two are had by way of pip, into the target folder; gitoxide is the program that
//! `cargo xtask bench --build-peers` makes. What is not there is skipped by name.

use super::client::Client;
use super::fixture::{self, Format};
use super::lab::{Lab, same};
use super::matrix::{Asking, Serving};
use super::server::Server;
use crate::Outcome;
use crate::run::{PATIENCE, Running, output, read, read_within, tail};
use crate::summary::Count;
use crate::workspace::Workspace;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The packages and their versions: of the newest, so that a run says the same tomorrow.
const PACKAGES: [&str; 2] = ["dulwich==1.2.21", "pygit2==1.21.0"];
const DULWICH: &str = include_str!("others/with_dulwich.py");
const PYGIT2: &str = include_str!("others/with_pygit2.py");

/// Another implementation.
struct Other {
    /// Its name and version, as it says them.
    name: String,
    kind: Kind,
}

enum Kind {
    /// A script for Python, with the folder of its packages.
    Script { script: PathBuf, packages: PathBuf },
    /// A program that takes git's own words.
    Gix(PathBuf),
}

/// What a client is told to do; what it is called in the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Job {
    List,
    Clone,
    Fetch,
    Shallow,
    Push,
    Delete,
}

impl Job {
    const ALL: [Job; 6] = [Job::List, Job::Clone, Job::Fetch, Job::Shallow, Job::Push, Job::Delete];

    fn name(self) -> &'static str {
        match self {
            Job::List => "list",
            Job::Clone => "clone",
            Job::Fetch => "fetch",
            Job::Shallow => "shallow clone",
            Job::Push => "push",
            Job::Delete => "delete",
        }
    }
}

/// Who with whom, over what, and how each job ended; a job that the client cannot do has no result.
struct Row {
    client: String,
    server: String,
    results: Vec<(Job, Option<Outcome>)>,
}

/// Runs all pairings, and writes the table of them into `document` if there is one.
pub(super) fn run(lab: &Lab, workspace: &Workspace, document: Option<&Path>) -> Outcome<Count> {
    let (others, missing) = find(lab, workspace)?;
    let mut count = Count { skipped: missing.len(), ..Count::default() };
    for why in &missing {
        println!("skipped: {why}");
    }
    let mut rows = Vec::new();
    for other in &others {
        let transports: &[_] = match other.kind {
            Kind::Script { .. } => &[(Serving::ServeHttp, "HTTP"), (Serving::ServeGit, "git://")],
            Kind::Gix(_) => &[(Serving::ServeGit, "git://")],
        };
        for (serving, transport) in transports {
            let server = format!("`git-core serve`, {transport}");
            rows.push(Row { client: other.name.clone(), server, results: asking(lab, other, *serving)? });
        }
    }
    if let Some(dulwich) = others.iter().find(|other| other.name.starts_with("dulwich")) {
        for (job, transport) in [("serve-http", "HTTP"), ("serve", "git://")] {
            let server = format!("{}, {transport}", dulwich.name);
            rows.push(Row { client: "git-core".into(), server, results: asked(lab, dulwich, job)? });
        }
    }
    for row in &rows {
        for (job, result) in &row.results {
            let pair = format!("{} -> {}: {}", row.server, row.client, job.name());
            match result {
                Some(Ok(())) => println!("passed {pair}"),
                Some(Err(error)) => println!("FAILED {pair}: {error}"),
                None => {}
            }
        }
        count.passed += row.results.iter().filter(|(_, result)| matches!(result, Some(Ok(())))).count();
        count.failed += row.results.iter().filter(|(_, result)| matches!(result, Some(Err(_)))).count();
    }
    if let (Some(document), []) = (document, &missing[..]) {
        super::report::write(document, "others", &table(&rows))?;
    }
    Ok(count)
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| server | client |");
    let mut line = String::from("| --- | --- |");
    for job in Job::ALL {
        let _ = write!(text, " {} |", job.name());
        line.push_str(" --- |");
    }
    let _ = writeln!(text, "\n{line}");
    for row in rows {
        let _ = write!(text, "| {} | {} |", row.server, row.client);
        for job in Job::ALL {
            let mark = match row.results.iter().find(|(one, _)| *one == job) {
                Some((_, Some(Ok(())))) => "●",
                Some((_, Some(Err(_)))) => "**failed**",
                _ => "–",
            };
            let _ = write!(text, " {mark} |");
        }
        text.push('\n');
    }
    text
}

/// The implementations at hand, and why others are not.
fn find(lab: &Lab, workspace: &Workspace) -> Outcome<(Vec<Other>, Vec<String>)> {
    let (mut others, mut missing) = (Vec::new(), Vec::new());
    let folder = workspace.target.join("xtask/python");
    match install(&folder) {
        Ok(()) => {
            for (file, text) in [("with_dulwich.py", DULWICH), ("with_pygit2.py", PYGIT2)] {
                let script = folder.join(file);
                std::fs::write(&script, text)?;
                let kind = Kind::Script { script, packages: folder.clone() };
                let mut other = Other { name: String::new(), kind };
                match read(other.command(lab, &folder).arg("version")) {
                    Ok(name) => {
                        other.name = name.trim().to_owned();
                        others.push(other);
                    }
                    Err(error) => missing.push(format!("{file}: {error}")),
                }
            }
        }
        Err(error) => missing.extend(PACKAGES.map(|package| format!("{package}: {error}"))),
    }
    let gix = crate::bench::peer_program("gix").unwrap_or_default();
    match read(Command::new(&gix).arg("version")) {
        Ok(name) => others.push(Other { name: name.trim().to_owned(), kind: Kind::Gix(gix) }),
        Err(_) => missing.push("gix: `cargo xtask bench --build-peers` builds it".into()),
    }
    Ok((others, missing))
}

/// Puts the packages into `folder`, if they are not there in these versions.
fn install(folder: &Path) -> Outcome {
    let stamp = folder.join("installed");
    let wanted = PACKAGES.join(" ");
    if std::fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]);
    pip.args(["--only-binary=:all:", "--target"]).arg(folder).args(PACKAGES);
    read_within(&mut pip, Duration::from_secs(300))?;
    std::fs::write(&stamp, wanted)?;
    Ok(())
}

impl Other {
    fn command(&self, lab: &Lab, folder: &Path) -> Command {
        let mut command = match &self.kind {
            Kind::Script { script, packages } => {
                let mut command = lab.clean.command("python3");
                command.env("PYTHONPATH", packages).env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
                command
            }
            Kind::Gix(program) => lab.clean.command(program),
        };
        command.current_dir(folder);
        command
    }

    /// Runs a job; `None` when this implementation is not able to.
    fn run(&self, lab: &Lab, job: Job, url: &str, folder: &Path, specs: &[&str]) -> Option<Outcome> {
        let place = folder.parent().unwrap_or(folder);
        let mut command = match (&self.kind, job) {
            (_, Job::List) | (Kind::Gix(_), Job::Push | Job::Delete) => return None,
            (Kind::Script { .. }, job) => {
                let mut command = self.command(lab, place);
                command.arg(match job {
                    Job::Clone => "clone",
                    Job::Fetch => "fetch",
                    Job::Shallow => "shallow",
                    _ => "push",
                });
                command.arg(url).arg(folder).args(specs);
                command
            }
            (Kind::Gix(_), Job::Fetch) => {
                let mut command = self.command(lab, folder);
                command.args(["fetch", "--quiet", url]);
                command
            }
            (Kind::Gix(_), job) => {
                let mut command = self.command(lab, place);
                command.args(["clone", "--quiet", "--bare"]);
                command.args((job == Job::Shallow).then_some("--depth=1")).arg(url).arg(folder);
                command
            }
        };
        let done = match output(&mut command, PATIENCE) {
            Ok(done) => done,
            Err(error) => return Some(Err(error.into())),
        };
        Some(match done.status.success() {
            true => Ok(()),
            false => Err(tail(&String::from_utf8_lossy(&done.stderr), 4).into()),
        })
    }
}

/// Branches and tags, which every client takes over, with what they point at.
fn shown(lab: &Lab, folder: &Path) -> Outcome<String> {
    lab.ask(folder, &["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"])
}

/// The other as client of our server.
fn asking(lab: &Lab, other: &Other, serving: Serving) -> Outcome<Vec<(Job, Option<Outcome>)>> {
    let place = tempfile::tempdir()?;
    let lab = &lab.at(&place.path().join("home"), 2)?;
    let (served, log) = (place.path().join("served"), place.path().join("log"));
    fixture::make(lab, &served, Format::Sha1)?;
    let server = Server::start(lab, serving, &served, &log, None)?;
    let (url, repo) = (server.url("repo.git"), served.join("repo.git"));
    let copy = place.path().join("copy.git");
    let equal = |folder: &Path| -> Outcome {
        same("refs", &shown(lab, &repo)?, &shown(lab, folder)?)?;
        lab.sound(folder)
    };
    let mut results = Vec::new();
    let mut note = |job, done: Option<Outcome>, check: &dyn Fn() -> Outcome| {
        results.push((job, done.map(|done| done.and_then(|()| check()))));
    };
    note(Job::Clone, other.run(lab, Job::Clone, &url, &copy, &[]), &|| equal(&copy));
    fixture::change(lab, &repo, 2)?;
    note(Job::Fetch, other.run(lab, Job::Fetch, &url, &copy, &[]), &|| match other.kind {
        // It leaves refs that are gone, and does not move tags that are there.
        Kind::Gix(_) => {
            let (theirs, ours) = (shown(lab, &repo)?, shown(lab, &copy)?);
            let lost = theirs.lines().find(|line| !line.contains("/moving ") && !ours.contains(line));
            lost.map_or_else(|| lab.sound(&copy), |line| Err(format!("{line} was not fetched").into()))
        }
        Kind::Script { .. } => equal(&copy),
    });
    let shallow = place.path().join("shallow.git");
    note(Job::Shallow, other.run(lab, Job::Shallow, &url, &shallow, &[]), &|| {
        let main = lab.ask(&repo, &["rev-parse", "main"])?;
        same("main", &main, &lab.ask(&shallow, &["rev-parse", "main"])?)?;
        same("commits of main", "1", lab.ask(&shallow, &["rev-list", "--count", "main"])?.trim())?;
        lab.sound(&shallow)
    });
    let work = work(lab, place.path(), &repo)?;
    let id = |folder: &Path, name: &str| lab.ask(folder, &["rev-parse", "--verify", name]);
    let specs = ["refs/heads/main:refs/heads/main", "refs/heads/subject:refs/heads/qa/subject"];
    note(Job::Push, other.run(lab, Job::Push, &url, &work, &specs), &|| {
        for (mine, theirs) in [("main", "main"), ("subject", "qa/subject")] {
            same(theirs, &id(&work, mine)?, &id(&repo, &format!("refs/heads/{theirs}"))?)?;
        }
        lab.sound(&repo)
    });
    lab.ask(&repo, &["update-ref", "refs/heads/gone", "main"])?;
    note(Job::Delete, other.run(lab, Job::Delete, &url, &work, &[":refs/heads/gone"]), &|| match shown(
        lab, &repo,
    )?
    .contains("refs/heads/gone ")
    {
        true => Err("the branch is still there".into()),
        false => lab.sound(&repo),
    });
    Ok(results)
}

/// A mirror of the repository with new commits to push.
fn work(lab: &Lab, place: &Path, repo: &Path) -> Outcome<PathBuf> {
    let work = place.join("work.git");
    lab.ask(place, &["clone", "--quiet", "--mirror", &repo.display().to_string(), "work.git"])?;
    let stream = fixture::commits("refs/heads/main", "refs/heads/main^0", "pushed", 4)
        + &fixture::commits("refs/heads/subject", "refs/heads/main~2", "beside", 2);
    fixture::import(lab, &work, &stream)?;
    Ok(work)
}

/// Ours as client of dulwich's server.
fn asked(lab: &Lab, dulwich: &Other, how: &str) -> Outcome<Vec<(Job, Option<Outcome>)>> {
    let place = tempfile::tempdir()?;
    let lab = &lab.at(&place.path().join("home"), 2)?;
    let served = place.path().join("served");
    fixture::make(lab, &served, Format::Sha1)?;
    let mut command = dulwich.command(lab, place.path());
    command.arg(how).arg(&served).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(std::fs::File::create(place.path().join("log"))?);
    let mut process = Running(command.spawn()?);
    let mut base = String::new();
    BufReader::new(process.0.stdout.take().ok_or("no output")?).read_line(&mut base)?;
    let (url, repo) = (format!("{}repo.git", base.trim()), served.join("repo.git"));
    let client = Client { lab, asking: Asking::Ours, services: None, trace: None };
    let copy = place.path().join("copy.git");
    let told = |mut command: Command| -> Outcome { read(&mut command).map(drop) };
    let mut results = Vec::new();
    let mut note = |job, result: Outcome| results.push((job, Some(result)));
    note(Job::List, {
        let expected = lab.ask(place.path(), &["ls-remote", "--refs", &repo.display().to_string()])?;
        let listed = client.ls_remote(place.path(), &url);
        listed.and_then(|listed| {
            let refs = listed.lines().filter(|line| !line.ends_with("^{}") && !line.ends_with("\tHEAD"));
            same("refs", expected.trim_end(), &refs.collect::<Vec<_>>().join("\n"))
        })
    });
    let equal = || lab.same_refs(&repo, &copy).and_then(|()| lab.sound(&copy));
    note(Job::Clone, told(client.clone_mirror(&url, &copy)).and_then(|()| equal()));
    fixture::change(lab, &repo, 2)?;
    note(Job::Fetch, told(client.fetch(&copy)).and_then(|()| equal()));
    note(Job::Shallow, {
        let shallow = place.path().join("shallow.git");
        let mut command = lab.ours(place.path());
        command.args(["clone", "--quiet", "--bare", "--depth=1", "--branch=main", &url]).arg(&shallow);
        told(command).and_then(|()| {
            same("commits of main", "1", lab.ask(&shallow, &["rev-list", "--count", "main"])?.trim())?;
            lab.sound(&shallow)
        })
    });
    let work = work(lab, place.path(), &repo)?;
    let id = |folder: &Path, name: &str| lab.ask(folder, &["rev-parse", "--verify", name]);
    note(Job::Push, {
        told(client.push(&work, &url, &["main", "subject:refs/heads/qa/subject"])).and_then(|()| {
            for (mine, theirs) in [("main", "main"), ("subject", "qa/subject")] {
                same(theirs, &id(&work, mine)?, &id(&repo, &format!("refs/heads/{theirs}"))?)?;
            }
            lab.sound(&repo)
        })
    });
    lab.ask(&repo, &["update-ref", "refs/heads/gone", "main"])?;
    note(Job::Delete, {
        told(client.push(&work, &url, &[":gone"])).and_then(|()| {
            match shown(lab, &repo)?.contains("refs/heads/gone ") {
                true => Err("the branch is still there".into()),
                false => lab.sound(&repo),
            }
        })
    });
    Ok(results)
}
