//! Running the jobs: everybody once for the result, which has to be the same, then in rounds by turns.

use super::bed::{Bed, Source};
use super::jobs::{JOBS, Job, Mode};
use super::peers::{self, Peer};
use super::results::{History, Results, Row, State};
use super::{Options, commit, date, page};
use crate::interop::lab::{self, Lab};
use crate::interop::measure::Sample;
use crate::run::Clean;
use crate::workspace::Workspace;
use crate::{Outcome, tools};
use std::time::SystemTime;

/// The history of the jobs that need none.
pub(super) const APART: &str = "refs";

/// Jobs that show how time grows, unless others are asked for.
pub(super) const GROWING: [&str; 5] =
    ["index-pack", "rev-list-objects", "serve-clone", "cat-file-check", "repack-full"];

/// Does what the options ask for; true when nothing failed.
pub(super) fn run(options: &Options) -> Outcome<bool> {
    let workspace = Workspace::load()?;
    let home = tempfile::tempdir()?;
    let git = tools::git(&workspace.target)?;
    let clean = Clean::new(home.path(), git.folder.as_deref())?;
    let program = match &options.program {
        Some(program) => std::path::absolute(program)?,
        None => lab::build(&workspace, lab::Build::Released)?,
    };
    let lab = Lab::new(clean, program.clone())?;
    let commit = commit(&workspace.root)?;
    let peers = peers::find(&workspace.root, &git.version, &program, &commit, options.peer.as_deref())?;
    for peer in &peers {
        println!("{}: {}", peer.name, peer.version);
    }
    let mut results = Results::load(&workspace.root)?;
    let parent = workspace.target.join("xtask/bench");
    let mut passed = true;
    for (job, name, source) in work(options)? {
        let bed = Bed::new(&lab, &parent, &name, source)?;
        println!("{name}: {}", job.title);
        if let Err(error) = job.run(&bed, &peers[0], Mode::Prepare) {
            println!("  FAILED to make ready: {error}");
            passed = false;
            continue;
        }
        if options.prepare {
            continue;
        }
        if name != APART && !results.histories.iter().any(|known| known.name == name) {
            results.know(facts(&bed)?);
        }
        let mut one = Measuring { job, bed: &bed, peers: &peers, states: Vec::new(), rows: Vec::new() };
        one.check(options.unchecked);
        one.rounds(options.rounds);
        // What others get wrong is told, but is no failure of ours.
        let ours = peers.iter().zip(&one.states).filter(|(peer, _)| !peer.is_other());
        passed &= ours.into_iter().all(|(_, state)| *state != State::Failed);
        if !options.micro.dry_run {
            results.replace(one.rows);
            results.save()?;
        }
    }
    if !options.micro.dry_run && !options.prepare {
        page::draw(&workspace.root)?;
    }
    Ok(passed)
}

/// The jobs to do, each with its history.
fn work(options: &Options) -> Outcome<Vec<(&'static Job, String, Source)>> {
    if let Some(unknown) = options.job.iter().find(|key| !JOBS.iter().any(|job| job.key == **key)) {
        return Err(format!("there is no job {unknown}; --list names them").into());
    }
    let asked = |job: &Job| options.job.is_empty() || options.job.iter().any(|key| key == job.key);
    let mut work = Vec::new();
    if let Some(repo) = &options.repo {
        let stem = repo.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let name = options.name.clone().unwrap_or(stem);
        if name.is_empty() || name == APART || name.contains([',', '/', '\n']) {
            return Err(format!("{name:?} is no name for a history").into());
        }
        for job in JOBS.iter().filter(|job| asked(job)) {
            match job.apart {
                true => work.push((job, APART.to_owned(), Source::Generated(1_000))),
                false => work.push((job, name.clone(), Source::Repository(repo.clone()))),
            }
        }
    }
    for size in &options.generated {
        let wanted = |job: &&Job| {
            !job.apart && if options.job.is_empty() { GROWING.contains(&job.key) } else { asked(job) }
        };
        for job in JOBS.iter().filter(wanted) {
            work.push((job, format!("generated-{size}"), Source::Generated(*size)));
        }
    }
    Ok(work)
}

fn facts(bed: &Bed) -> Outcome<History> {
    let (objects, packed, pack_bytes) = bed.sizes()?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Ok(History { name: bed.name.clone(), objects, packed, pack_bytes, tips: bed.wants()?.len(), cores })
}

/// One job on one history.
struct Measuring<'a> {
    job: &'a Job,
    bed: &'a Bed,
    peers: &'a [Peer],
    /// Of each peer.
    states: Vec<State>,
    rows: Vec<Row>,
}

impl Measuring<'_> {
    /// Everybody once, without counting the time; who cannot or gives another result than git is out.
    fn check(&mut self, unchecked: bool) {
        self.states = vec![State::Done; self.peers.len()];
        let mut expected = None;
        for (number, peer) in self.peers.iter().enumerate() {
            // Somebody who cannot do it at all is found by trying.
            let mode = if unchecked { Mode::Measure } else { Mode::Check };
            if unchecked && !peer.is_other() {
                continue;
            }
            match self.job.run(self.bed, peer, mode) {
                Ok(run) => {
                    let differs = expected.as_ref().is_some_and(|expected| *expected != run.digest);
                    if differs {
                        println!("  {} FAILED: {} instead of {expected:?}", peer.name, run.digest);
                        self.out(number, State::Failed);
                    }
                    expected.get_or_insert(run.digest);
                }
                Err(error) => self.fail(number, &error.to_string()),
            }
        }
    }

    /// By turns; who goes first changes from round to round.
    fn rounds(&mut self, rounds: usize) {
        for round in 0..rounds {
            for turn in 0..self.peers.len() {
                let number = (turn + round) % self.peers.len();
                if self.states[number] != State::Done {
                    continue;
                }
                match self.job.run(self.bed, &self.peers[number], Mode::Measure) {
                    Ok(run) => {
                        println!("  {:9} {}", self.peers[number].name, shown(&run.sample));
                        self.rows.push(self.row(number, round, State::Done, run.sample));
                    }
                    Err(error) => self.fail(number, &error.to_string()),
                }
            }
        }
    }

    fn fail(&mut self, number: usize, error: &str) {
        let state = match error {
            error if peers::too_long(error) => State::TooLong,
            error if cannot(error) => State::NotYet,
            _ => State::Failed,
        };
        if !(self.peers[number].is_other() && state == State::NotYet) {
            println!("  {} {}: {error}", self.peers[number].name, state.name());
        }
        self.out(number, state);
    }

    fn out(&mut self, number: usize, state: State) {
        self.states[number] = state;
        let peer = &self.peers[number].name;
        self.rows.retain(|row| row.peer != *peer);
        let row = self.row(number, 0, state, Sample::default());
        self.rows.push(row);
    }

    fn row(&self, number: usize, round: usize, state: State, sample: Sample) -> Row {
        let peer = &self.peers[number];
        Row {
            history: self.bed.name.clone(),
            job: self.job.key.to_owned(),
            peer: peer.name.clone(),
            version: peer.version.clone(),
            date: date(SystemTime::now()),
            round,
            state,
            sample,
        }
    }
}

/// Whether a program says that it does not know a command, an option or a format, rather than that it failed.
fn cannot(error: &str) -> bool {
    let error = error.to_lowercase();
    let words = ["usage:", "is not a git-core command", "not supported", "unsupported", "unknown extension"];
    words.iter().any(|word| error.contains(word))
        || ["unknown", "refstorage", "reftable"].iter().filter(|word| error.contains(**word)).count() > 1
}

fn shown(sample: &Sample) -> String {
    use super::targets::Figure;
    let figures = Figure::ALL.iter().filter_map(|figure| {
        let value = figure.of(sample)?;
        Some(format!("{} {}", figure.name(), figure.shown(value)))
    });
    figures.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_command_is_no_failure() {
        assert!(cannot(
            "git-core repack ended with exit status: 1: git-core: 'repack' is not a git-core command."
        ));
        assert!(cannot("git-core rev-list ended with exit status: 129: error: unknown option\nusage: x"));
        assert!(!cannot("git-core index-pack ended with exit status: 128: fatal: pack is corrupt"));
    }

    #[test]
    fn what_shows_growth_is_a_job() {
        assert!(GROWING.iter().all(|key| JOBS.iter().any(|job| job.key == *key)));
    }
}
