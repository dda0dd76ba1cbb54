//! What a run on a real history has done so far, so that one which was interrupted goes on instead of starting over.
//!
//! A line of JSON for each passed check and each sample. It counts only for the very program it was written for.

use super::measure::Sample;
use crate::Outcome;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::Write;
use std::path::Path;

pub(crate) struct Journal {
    file: File,
    passed: BTreeSet<String>,
    samples: Vec<(String, usize, bool, Sample)>,
}

impl Journal {
    /// Goes on with the file when `resume` is true and it belongs to this program; begins it otherwise.
    pub(crate) fn open(path: &Path, program: &Path, resume: Resume) -> Outcome<Journal> {
        let mut hasher = DefaultHasher::new();
        hasher.write(&fs::read(program)?);
        let first = json!({ "program": format!("{:016x}", hasher.finish()) }).to_string();
        let old = fs::read_to_string(path).unwrap_or_default();
        let goes_on = resume == Resume::Yes && old.lines().next() == Some(&first);
        let (mut passed, mut samples) = (BTreeSet::new(), Vec::new());
        if goes_on {
            // The last line may be cut off.
            for value in old.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
                if let Some(name) = value["passed"].as_str() {
                    passed.insert(name.to_owned());
                }
                if let Some(sample) = sample(&value) {
                    samples.push(sample);
                }
            }
        }
        let mut file = File::options().create(true).append(true).open(path)?;
        if !goes_on {
            file.set_len(0)?;
            writeln!(file, "{first}")?;
        }
        Ok(Journal { file, passed, samples })
    }

    pub(crate) fn has_passed(&self, check: &str) -> bool {
        self.passed.contains(check)
    }

    pub(crate) fn pass(&mut self, check: &str) -> Outcome {
        self.passed.insert(check.to_owned());
        Ok(writeln!(self.file, "{}", json!({ "passed": check }))?)
    }

    /// What was measured for this job in this round.
    pub(crate) fn sample(&self, job: &str, round: usize, ours: bool) -> Option<Sample> {
        let found =
            self.samples.iter().find(|(name, at, who, _)| name == job && (*at, *who) == (round, ours));
        found.map(|(.., sample)| *sample)
    }

    pub(crate) fn measured(&mut self, job: &str, round: usize, ours: bool, sample: Sample) -> Outcome {
        let Sample { wall, first, cpu, resident, anonymous, bytes } = sample;
        self.samples.push((job.to_owned(), round, ours, sample));
        let line = json!({
            "job": job, "round": round, "ours": ours, "wall": wall, "first": first, "cpu": cpu,
            "resident": resident, "anonymous": anonymous, "bytes": bytes,
        });
        Ok(writeln!(self.file, "{line}")?)
    }
}

/// Whether to go on where an earlier run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    Yes,
    No,
}

fn sample(value: &Value) -> Option<(String, usize, bool, Sample)> {
    let number = |key: &str| value[key].as_f64();
    let sample = Sample {
        wall: number("wall")?,
        first: number("first"),
        cpu: number("cpu"),
        resident: number("resident"),
        anonymous: number("anonymous"),
        bytes: number("bytes"),
    };
    let round = usize::try_from(value["round"].as_u64()?).ok()?;
    Some((value["job"].as_str()?.to_owned(), round, value["ours"].as_bool()?, sample))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_run_goes_on_with_the_same_program_only() {
        let folder = tempfile::tempdir().unwrap();
        let (path, program) = (folder.path().join("journal"), folder.path().join("program"));
        fs::write(&program, "one").unwrap();
        let sample = Sample { wall: 1.5, first: Some(0.25), ..Sample::default() };
        let mut journal = Journal::open(&path, &program, Resume::No).unwrap();
        journal.pass("clone").unwrap();
        journal.measured("fetch", 1, true, sample).unwrap();
        fs::write(&path, format!("{}{{\"passed\": \"cut o", fs::read_to_string(&path).unwrap())).unwrap();
        let journal = Journal::open(&path, &program, Resume::Yes).unwrap();
        assert!(journal.has_passed("clone") && !journal.has_passed("push"));
        assert_eq!(journal.sample("fetch", 1, true), Some(sample));
        assert_eq!(journal.sample("fetch", 1, false), None);
        fs::write(&program, "two").unwrap();
        assert!(!Journal::open(&path, &program, Resume::Yes).unwrap().has_passed("clone"));
    }
}
