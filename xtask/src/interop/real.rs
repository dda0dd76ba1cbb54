//! `--repo`: a real history cloned, fetched and pushed in all pairings, checked, and measured beside git.
//!
//! The repository given is only read; everything happens on copies of what can be reached in it, which are kept below
//! the target folder for the next run. Servers are measured with a client that throws the pack away, clients against
//! git's own daemon. A journal is kept, so that a run of many minutes can be interrupted.

use super::client::Client;
use super::fixture;
use super::journal::{Journal, Resume};
use super::lab::{Lab, same};
use super::matrix::{Asking, Serving};
use super::measure::{self, Sample, Watch};
use super::report::{self, Job};
use super::server::Server;
use super::{Options, patches, raw};
use crate::Outcome;
use crate::run::{read_within, tail};
use crate::summary::Count;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long any single step may take, however large the history.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Commits that an incremental fetch brings.
const NEWS: usize = 200;
/// The measurement whose memory is limited.
const SERVED: &str = "full clone, the server";
/// MiB of anonymous memory that our server may take for a full clone, and for all of those clients.
const ROOM: (f64, f64) = (96.0, 1024.0);

/// The copy, what is in it, and where things go.
struct Real<'a> {
    lab: &'a Lab,
    place: PathBuf,
    served: PathBuf,
    format: String,
    branch: String,
    tip: String,
    old: String,
    wants: Vec<String>,
    objects: u32,
    only: Option<&'a str>,
    /// Clients that clone at once; none do for 0.
    crowd: usize,
    /// What git finds to say about the original.
    fsck: Option<(bool, Vec<String>)>,
    journal: Journal,
    count: Count,
    jobs: Vec<Job>,
}

/// Runs all checks and measurements, prints them, and writes them down when the options name a section.
pub(super) fn run(lab: &Lab, workspace: &Workspace, options: &Options, repo: &Path) -> Outcome<Count> {
    let stem = repo.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let place = workspace.target.join("xtask/real").join(options.name.as_ref().unwrap_or(&stem));
    std::fs::create_dir_all(place.join("served"))?;
    let lab = lab.at(&place.join("home"), 2)?;
    let resume = if options.resume { Resume::Yes } else { Resume::No };
    let journal = Journal::open(&place.join("journal"), &lab.ours, resume)?;
    let mut real = Real::prepare(&lab, &place, repo, options, journal)?;
    let circumstances = real.circumstances(workspace, options.rounds)?;
    println!("{circumstances}");
    real.pairings();
    real.patches();
    for round in 0..options.rounds {
        println!("round {} of {}", round + 1, options.rounds);
        real.round(round);
    }
    real.crowd();
    let name = options.name.as_deref().unwrap_or("this repository");
    real.room();
    let section = report::section(name, &circumstances, &real.jobs);
    println!("\n{section}");
    // A section of a few measurements must not take the place of a whole one.
    if let (Some(name), None) = (&options.name, &options.only) {
        report::write(&workspace.root.join("docs/performance.md"), name, &section)?;
    }
    Ok(real.count)
}

impl<'a> Real<'a> {
    fn prepare(
        lab: &'a Lab,
        place: &Path,
        repo: &Path,
        options: &'a Options,
        journal: Journal,
    ) -> Outcome<Real<'a>> {
        let served = place.join("served");
        if !served.join("repo.git").exists() {
            println!("copying {}", repo.display());
            // Not the path alone, with which git would copy what nothing refers to as well.
            let from = format!("file://{}", std::path::absolute(repo)?.display());
            let partial = place.join("partial.git");
            if partial.exists() {
                std::fs::remove_dir_all(&partial)?;
            }
            lab.ask(place, &["clone", "--quiet", "--mirror", &from, "partial.git"])?;
            std::fs::rename(partial, served.join("repo.git"))?;
        }
        let copy = served.join("repo.git");
        let ask = |arguments: &[&str]| {
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(lab.ask(&copy, arguments)?.trim().to_owned())
        };
        let branch = ask(&["symbolic-ref", "HEAD"])?;
        let length: usize = ask(&["rev-list", "--first-parent", "--count", "HEAD"])?.parse()?;
        let old = ask(&["rev-parse", &format!("HEAD~{}", NEWS.min(length.saturating_sub(1)))])?;
        let mut wants: Vec<String> =
            ask(&["for-each-ref", "--format=%(objectname)"])?.lines().map(str::to_owned).collect();
        wants.sort();
        wants.dedup();
        let objects =
            lab.ask(&copy, &["rev-list", "--objects", "--all", "--no-object-names"])?.lines().count();
        let real = Real {
            lab,
            place: place.to_path_buf(),
            format: ask(&["rev-parse", "--show-object-format"])?,
            tip: ask(&["rev-parse", "HEAD"])?,
            branch,
            old,
            wants,
            objects: u32::try_from(objects)?,
            served,
            only: options.only.as_deref(),
            crowd: options.clients,
            fsck: None,
            journal,
            count: Count::default(),
            jobs: Vec::new(),
        };
        real.base()?;
        real.work()?;
        Ok(real)
    }

    /// `base.git`: what somebody has who last fetched a while ago.
    fn base(&self) -> Outcome {
        if self.place.join("base.git").exists() {
            return Ok(());
        }
        let format = format!("--object-format={}", self.format);
        let base = self.fresh("partial.git")?;
        self.lab.ask(&self.place, &["init", "--quiet", "--bare", &format, "partial.git"])?;
        let from = format!("file://{}", self.served.join("repo.git").display());
        self.lab.ask(
            &base,
            &["fetch", "--quiet", "--no-tags", &from, &format!("{}:{}", self.old, self.branch)],
        )?;
        self.lab.ask(&base, &["symbolic-ref", "HEAD", &self.branch])?;
        Ok(std::fs::rename(base, self.place.join("base.git"))?)
    }

    /// `work.git`: the history and 10,000 new objects on a branch `interop`.
    fn work(&self) -> Outcome {
        if self.place.join("work.git").exists() {
            return Ok(());
        }
        let work = self.copy("served/repo.git", "partial.git")?;
        fixture::import(self.lab, &work, &fixture::news(&self.tip, 100))?;
        Ok(std::fs::rename(work, self.place.join("work.git"))?)
    }

    /// A copy of a repository of the run that shares its packs.
    fn copy(&self, from: &str, to: &str) -> Outcome<PathBuf> {
        let target = self.place.join(to);
        if target.exists() {
            std::fs::remove_dir_all(&target)?;
        }
        self.lab.ask(&self.place, &["clone", "--quiet", "--mirror", from, &target.display().to_string()])?;
        Ok(target)
    }

    fn circumstances(&self, workspace: &Workspace, rounds: usize) -> Outcome<String> {
        let size = self.lab.ask(&self.served.join("repo.git"), &["count-objects", "-v"])?;
        let size: u64 =
            size.lines().find_map(|line| line.strip_prefix("size-pack: ")?.parse().ok()).unwrap_or(0);
        let commit = self.lab.ask(&workspace.root, &["rev-parse", "--short=10", "HEAD"])?;
        let version = self.lab.ask(&self.place, &["version"])?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(format!(
            "{} objects, {} different ref tips, {} MB of packs, {}. {} at commit {}, {}, {cores} cores, medians of {rounds}.",
            self.objects,
            self.wants.len(),
            size * 1024 / 1_000_000,
            self.format,
            crate::bench::date(SystemTime::now()),
            commit.trim(),
            version.trim(),
        ))
    }

    /// Clone, fetch and push with every pairing in which we take part, checked to the last object.
    fn pairings(&mut self) {
        use Serving::*;
        for (serving, asking) in [
            (ServeHttp, Asking::Git),
            (GitDaemon, Asking::Ours),
            (GitBackend, Asking::Ours),
            (ServeHttp, Asking::Ours),
            (ServeGit, Asking::Git),
        ] {
            let name = format!("{serving:?} -> {asking:?}");
            if !self.wanted(&name) {
                continue;
            }
            for (step, check) in [
                ("clone", Real::check_clone as fn(&mut Real<'a>, Serving, Asking) -> Outcome),
                ("fetch", Real::check_fetch),
                ("push", Real::check_push),
            ] {
                self.checked(&format!("{name}: {step}"), |real| check(real, serving, asking));
            }
        }
    }

    fn check_clone(&mut self, serving: Serving, asking: Asking) -> Outcome {
        let (server, copy) = (self.server(serving)?, self.fresh("checked.git")?);
        measure::unwatched(&mut self.client(asking).clone_mirror(&server.url("repo.git"), &copy), PATIENCE)?;
        let original = self.served.join("repo.git");
        self.lab.same_refs(&original, &copy)?;
        if self.fsck.is_none() {
            self.fsck = Some(self.lab.fsck(&original)?);
        }
        let found = self.lab.fsck(&copy)?;
        match &self.fsck {
            Some((good, lines)) if *good == found.0 => {
                same("git fsck --full", &lines.join("\n"), &found.1.join("\n"))
            }
            _ => Err(format!("git fsck --full: {}", tail(&found.1.join("\n"), 8)).into()),
        }
    }

    fn check_fetch(&mut self, serving: Serving, asking: Asking) -> Outcome {
        let server = self.server(serving)?;
        let copy = self.behind(&server.url("repo.git"))?;
        measure::unwatched(&mut self.client(asking).fetch(&copy), PATIENCE)?;
        same("the fetched tip", &self.tip, self.lab.ask(&copy, &["rev-parse", &self.branch])?.trim())?;
        self.sound_news(&copy, &self.place.join("base.git"))
    }

    fn check_push(&mut self, serving: Serving, asking: Asking) -> Outcome {
        let server = self.server(serving)?;
        let target = self.copy("served/repo.git", "served/pushed.git")?;
        let work = self.place.join("work.git");
        measure::unwatched(
            &mut self.client(asking).push(&work, &server.url("pushed.git"), &["interop"]),
            PATIENCE,
        )?;
        self.lab.same_refs(&work, &target)?;
        self.sound_news(&target, &self.served.join("repo.git"))
    }

    /// Fails unless every pack that is not in `before` holds what it says and all that the refs need is there. What
    /// `before` held is known to be sound.
    fn sound_news(&self, repo: &Path, before: &Path) -> Outcome {
        let mut news = 0;
        for entry in std::fs::read_dir(repo.join("objects/pack"))? {
            let entry = entry?;
            let old = before.join("objects/pack").join(entry.file_name()).exists();
            if !old && entry.path().extension().is_some_and(|extension| extension == "idx") {
                self.lab.ask(repo, &["verify-pack", &entry.path().display().to_string()])?;
                news += 1;
            }
        }
        if news == 0 {
            // Few objects are kept one by one.
            return self.lab.sound(repo);
        }
        self.lab.ask(repo, &["fsck", "--connectivity-only", "--no-progress", "--no-dangling"]).map(|_| ())
    }

    /// The patches of the last commits.
    fn patches(&mut self) {
        const NAME: &str = "diff-tree -p";
        if self.wanted(NAME) {
            self.checked(NAME, |real| {
                println!("  {}", patches::compare(real.lab, &real.served.join("repo.git"))?);
                Ok(())
            });
        }
    }

    /// What our server took in all rounds, against the room it has.
    fn room(&mut self) {
        let crowd = self.crowd_name();
        for (job, room) in [(SERVED, ROOM.0), (&crowd[..], ROOM.1)] {
            let found = self.jobs.iter().find(|found| found.name == job);
            let most = found
                .map(|found| found.pairs.iter().filter_map(|(_, ours)| ours.anonymous).fold(0.0, f64::max));
            let Some(most) = most else { continue };
            println!("{job}: {most:.0} MiB of anonymous memory");
            let result = if most < room { Ok(()) } else { Err(format!("no less than {room} MiB").into()) };
            self.note(&format!("{job}: memory"), result);
        }
    }

    /// A check, unless the journal says that it has passed.
    fn checked(&mut self, name: &str, check: impl FnOnce(&mut Self) -> Outcome) {
        if self.journal.has_passed(name) {
            println!("passed {name}, earlier");
            self.count += Count::one(true);
            return;
        }
        let result = check(self).and_then(|()| self.journal.pass(name));
        self.note(name, result);
    }

    /// Every measurement once, git's and ours one after the other.
    fn round(&mut self, round: usize) {
        type Measure<'a> = fn(&Real<'a>, bool) -> Outcome<Sample>;
        let jobs: [(&str, Measure<'a>); 6] = [
            (SERVED, Real::serve_clone),
            ("full clone, the client", Real::client_clone),
            ("fetch of the last 200 commits, the server", Real::serve_fetch),
            ("fetch of the last 200 commits, the client", Real::client_fetch),
            ("push of 10,000 objects, the server", Real::serve_push),
            ("push of 10,000 objects, the client", Real::client_push),
        ];
        for (name, job) in jobs {
            if !self.wanted(name) {
                continue;
            }
            // Who goes first changes from round to round.
            let order = if round.is_multiple_of(2) { [false, true] } else { [true, false] };
            let mut samples = [None, None];
            for ours in order {
                if let Some(known) = self.journal.sample(name, round, ours) {
                    samples[usize::from(ours)] = Some(known);
                    continue;
                }
                let sample = job(self, ours);
                match sample.and_then(|sample| {
                    self.journal.measured(name, round, ours, sample)?;
                    Ok(sample)
                }) {
                    Ok(sample) => {
                        println!("{name}, {}: {sample:.2?}", if ours { "ours" } else { "git" });
                        samples[usize::from(ours)] = Some(sample);
                    }
                    Err(error) => self.note(name, Err(error)),
                }
            }
            if let [theirs, Some(ours)] = samples {
                self.record(name, theirs, ours);
            }
        }
    }

    fn record(&mut self, name: &str, theirs: Option<Sample>, ours: Sample) {
        match self.jobs.iter_mut().find(|job| job.name == name) {
            Some(job) => job.pairs.push((theirs, ours)),
            None => self.jobs.push(Job { name: name.to_owned(), pairs: vec![(theirs, ours)] }),
        }
    }

    fn serve_clone(&self, ours: bool) -> Outcome<Sample> {
        self.serve_raw(ours, &self.wants, &[], Some(self.objects))
    }

    fn serve_fetch(&self, ours: bool) -> Outcome<Sample> {
        self.serve_raw(ours, std::slice::from_ref(&self.tip), std::slice::from_ref(&self.old), None)
    }

    fn serve_raw(
        &self,
        ours: bool,
        wants: &[String],
        haves: &[String],
        objects: Option<u32>,
    ) -> Outcome<Sample> {
        let server = self.server(if ours { Serving::ServeGit } else { Serving::GitDaemon })?;
        let watch = Watch::start(server.pid().ok_or("the server is no process")?);
        let passed = raw::fetch(&server.url("repo.git"), &self.format, wants, haves);
        let mut sample = watch.stop();
        let passed = passed?;
        sample.cpu = server.stop().or(sample.cpu);
        if let Some(objects) = objects {
            same("numbers of objects in the pack", &objects.to_string(), &passed.objects.to_string())?;
        }
        println!("  {} objects in {} bytes", passed.objects, passed.bytes);
        Ok(Sample { first: Some(passed.first), ..sample })
    }

    fn client_clone(&self, ours: bool) -> Outcome<Sample> {
        let (server, copy) = (self.server(Serving::GitDaemon)?, self.fresh("measured.git")?);
        let asking = if ours { Asking::Ours } else { Asking::Git };
        measure::command(&mut self.client(asking).clone_mirror(&server.url("repo.git"), &copy))
    }

    fn client_fetch(&self, ours: bool) -> Outcome<Sample> {
        let server = self.server(Serving::GitDaemon)?;
        let copy = self.behind(&server.url("repo.git"))?;
        measure::command(&mut self.client(if ours { Asking::Ours } else { Asking::Git }).fetch(&copy))
    }

    fn serve_push(&self, ours: bool) -> Outcome<Sample> {
        self.copy("served/repo.git", "served/pushed.git")?;
        let server = self.server(if ours { Serving::ServeGit } else { Serving::GitDaemon })?;
        let mut push = self.client(Asking::Git).push(
            &self.place.join("work.git"),
            &server.url("pushed.git"),
            &["interop"],
        );
        let watch = Watch::start(server.pid().ok_or("the server is no process")?);
        let done = measure::unwatched(&mut push, PATIENCE);
        let mut sample = watch.stop();
        sample.cpu = server.stop().or(sample.cpu);
        done.map(|()| sample)
    }

    fn client_push(&self, ours: bool) -> Outcome<Sample> {
        self.copy("served/repo.git", "served/pushed.git")?;
        let server = self.server(Serving::GitDaemon)?;
        let client = self.client(if ours { Asking::Ours } else { Asking::Git });
        measure::command(&mut client.push(
            &self.place.join("work.git"),
            &server.url("pushed.git"),
            &["interop"],
        ))
    }

    /// Many clients at once on one server of ours.
    fn crowd(&mut self) {
        let name = self.crowd_name();
        if self.crowd == 0 || !self.wanted(&name) {
            return;
        }
        let known = self.journal.sample(&name, 0, true);
        let result = known.map_or_else(|| self.crowd_sample(), Ok).and_then(|sample| {
            self.journal.measured(&name, 0, true, sample)?;
            Ok(sample)
        });
        if let Ok(sample) = &result {
            self.record(&name, None, *sample);
        }
        self.note(&name, result.map(|_| ()));
    }

    fn crowd_name(&self) -> String {
        format!("{} clones at once, the server", self.crowd)
    }

    fn crowd_sample(&self) -> Outcome<Sample> {
        let server = self.server(Serving::ServeGit)?;
        let url = server.url("repo.git");
        let watch = Watch::start(server.pid().ok_or("the server is no process")?);
        let packs = std::thread::scope(|scope| {
            let one = || raw::fetch(&url, &self.format, &self.wants, &[]);
            let threads: Vec<_> = (0..self.crowd).map(|_| scope.spawn(one)).collect();
            let join =
                |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join().map_err(|_| "a client panicked");
            threads.into_iter().map(join).collect::<Vec<_>>()
        });
        let sample = watch.stop();
        for pack in packs {
            let objects = pack??.objects;
            same("numbers of objects in the pack", &self.objects.to_string(), &objects.to_string())?;
        }
        Ok(sample)
    }

    fn wanted(&self, name: &str) -> bool {
        self.only.is_none_or(|part| name.contains(part))
    }

    /// A check counts as one test.
    fn note(&mut self, name: &str, result: Outcome) {
        match &result {
            Ok(()) => println!("passed {name}"),
            Err(error) => println!("FAILED {name}: {error}"),
        }
        self.count += Count::one(result.is_ok());
    }

    fn server(&self, serving: Serving) -> Outcome<Server> {
        Server::start(self.lab, serving, &self.served, &self.place.join("log"), None)
    }

    fn client(&self, asking: Asking) -> Client<'_> {
        Client { lab: self.lab, asking, services: None, trace: None }
    }

    /// A path below which nothing is left of an earlier run.
    fn fresh(&self, name: &str) -> Outcome<PathBuf> {
        let folder = self.place.join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        Ok(folder)
    }

    /// A copy of `base.git` whose `origin` is this address.
    fn behind(&self, url: &str) -> Outcome<PathBuf> {
        let copy = self.copy("base.git", "behind.git")?;
        let set = |name: &str, value: &str| {
            read_within(self.lab.git(&copy).args(["config", "--replace-all", name, value]), PATIENCE)
        };
        set("remote.origin.url", url)?;
        set("remote.origin.fetch", &format!("+{0}:{0}", self.branch))?;
        self.lab.ask(&copy, &["config", "--unset", "remote.origin.mirror"])?;
        Ok(copy)
    }
}
