//! What was measured, row by row, in `benches/jobs.csv`, and on which histories, in `benches/histories.csv`.

use crate::Outcome;
use crate::interop::measure::Sample;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const HEADER: &str =
    "history,job,peer,version,date,round,state,wall_s,processor_s,first_s,resident_mib,anonymous_mib,bytes";
const HISTORIES: &str = "history,objects,packed,pack_bytes,tips,cores";

/// One run of one job by one peer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) history: String,
    pub(super) job: String,
    pub(super) peer: String,
    pub(super) version: String,
    pub(super) date: String,
    pub(super) round: usize,
    pub(super) state: State,
    pub(super) sample: Sample,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Done,
    /// The program says that it cannot do this.
    NotYet,
    /// It was stopped before it was done.
    TooLong,
    /// It ended badly, or with another result than git.
    Failed,
}

impl State {
    const ALL: [(State, &str); 4] = [
        (State::Done, "done"),
        (State::NotYet, "not yet"),
        (State::TooLong, "too long"),
        (State::Failed, "failed"),
    ];

    pub(super) fn name(self) -> &'static str {
        State::ALL.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }
}

/// What is known of a history.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct History {
    pub(super) name: String,
    /// Reachable.
    pub(super) objects: u64,
    /// In its largest pack.
    pub(super) packed: u64,
    pub(super) pack_bytes: u64,
    pub(super) tips: usize,
    pub(super) cores: usize,
}

/// Both files.
pub(super) struct Results {
    folder: PathBuf,
    pub(super) rows: Vec<Row>,
    pub(super) histories: Vec<History>,
}

impl Results {
    pub(super) fn load(root: &Path) -> Outcome<Results> {
        let folder = root.join("benches");
        let lines = |name: &str, header: &str| -> Outcome<Vec<String>> {
            let Ok(text) = std::fs::read_to_string(folder.join(name)) else { return Ok(Vec::new()) };
            let mut lines = text.lines().map(str::to_owned);
            match lines.next() {
                Some(first) if first == header => Ok(lines.collect()),
                _ => Err(format!("benches/{name} begins with another line than {header}").into()),
            }
        };
        let rows = lines("jobs.csv", HEADER)?.iter().map(|line| row(line)).collect::<Outcome<_>>()?;
        let histories = lines("histories.csv", HISTORIES)?
            .iter()
            .map(|line| history(line).ok_or_else(|| format!("benches/histories.csv: {line}").into()))
            .collect::<Outcome<_>>()?;
        Ok(Results { folder, rows, histories })
    }

    pub(super) fn save(&self) -> Outcome {
        let mut text = format!("{HEADER}\n");
        for row in &self.rows {
            let Sample { wall, first, cpu, resident, anonymous, bytes } = row.sample;
            let show = |value: Option<f64>, digits: usize| {
                value.map_or(String::new(), |value| format!("{value:.digits$}"))
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{},{wall:.4},{},{},{},{},{}",
                row.history,
                row.job,
                row.peer,
                row.version.replace(',', " "),
                row.date,
                row.round,
                row.state.name(),
                show(cpu, 4),
                show(first, 4),
                show(resident, 1),
                show(anonymous, 1),
                show(bytes, 0),
            );
        }
        std::fs::write(self.folder.join("jobs.csv"), text)?;
        let mut text = format!("{HISTORIES}\n");
        for History { name, objects, packed, pack_bytes, tips, cores } in &self.histories {
            let _ = writeln!(text, "{name},{objects},{packed},{pack_bytes},{tips},{cores}");
        }
        Ok(std::fs::write(self.folder.join("histories.csv"), text)?)
    }

    /// Puts these in the place of what was known of the same job on the same history by the same peers.
    pub(super) fn replace(&mut self, rows: Vec<Row>) {
        self.rows.retain(|old| {
            !rows.iter().any(|new| (&new.history, &new.job, &new.peer) == (&old.history, &old.job, &old.peer))
        });
        self.rows.extend(rows);
        self.rows.sort_by(|a, b| {
            (&a.history, &a.job, a.round, &a.peer).cmp(&(&b.history, &b.job, b.round, &b.peer))
        });
    }

    pub(super) fn know(&mut self, history: History) {
        self.histories.retain(|old| old.name != history.name);
        self.histories.push(history);
        self.histories.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// All rounds of one peer, in their order.
    pub(super) fn of(&self, history: &str, job: &str, peer: &str) -> Vec<&Row> {
        self.rows.iter().filter(|row| row.history == history && row.job == job && row.peer == peer).collect()
    }
}

fn row(line: &str) -> Outcome<Row> {
    let bad = || -> Box<dyn std::error::Error + Send + Sync> { format!("benches/jobs.csv: {line}").into() };
    let fields: Vec<&str> = line.split(',').collect();
    let [history, job, peer, version, date, round, state, wall, cpu, first, resident, anonymous, bytes] =
        fields[..]
    else {
        return Err(bad());
    };
    let number = |text: &str| text.parse::<f64>().ok();
    let state = State::ALL.iter().find(|(_, name)| *name == state).ok_or_else(bad)?.0;
    Ok(Row {
        history: history.to_owned(),
        job: job.to_owned(),
        peer: peer.to_owned(),
        version: version.to_owned(),
        date: date.to_owned(),
        round: round.parse().map_err(|_| bad())?,
        state,
        sample: Sample {
            wall: number(wall).ok_or_else(bad)?,
            cpu: number(cpu),
            first: number(first),
            resident: number(resident),
            anonymous: number(anonymous),
            bytes: number(bytes),
        },
    })
}

fn history(line: &str) -> Option<History> {
    let fields: Vec<&str> = line.split(',').collect();
    let [name, objects, packed, pack_bytes, tips, cores] = fields[..] else { return None };
    Some(History {
        name: name.to_owned(),
        objects: objects.parse().ok()?,
        packed: packed.parse().ok()?,
        pack_bytes: pack_bytes.parse().ok()?,
        tips: tips.parse().ok()?,
        cores: cores.parse().ok()?,
    })
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        length if length % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: usize, wall: f64) -> Row {
        Row {
            history: "h".into(),
            job: "j".into(),
            peer: "git".into(),
            version: "2".into(),
            date: "2026-01-01".into(),
            round,
            state: State::Done,
            sample: Sample { wall, cpu: Some(0.5), bytes: Some(7.0), ..Sample::default() },
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("benches")).unwrap();
        let mut results = Results::load(folder.path()).unwrap();
        results.replace(vec![sample(1, 2.0), sample(0, 1.0)]);
        let known = History { name: "h".into(), objects: 1, packed: 2, pack_bytes: 3, tips: 4, cores: 5 };
        results.know(known.clone());
        results.save().unwrap();
        let mut loaded = Results::load(folder.path()).unwrap();
        assert_eq!(loaded.rows, [sample(0, 1.0), sample(1, 2.0)]);
        assert_eq!(loaded.histories, [known]);
        // A shorter run leaves nothing of the longer one.
        loaded.replace(vec![sample(0, 9.0)]);
        assert_eq!(loaded.of("h", "j", "git").len(), 1);
    }

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([3.0, 1.0]), Some(2.0));
        assert_eq!(median([]), None);
    }
}
