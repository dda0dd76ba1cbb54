//! Tables and plots from the results: sections of `docs/performance.md` between markers, and `docs/plots/*.svg`.

use super::jobs::{JOBS, Job};
use super::peers::LIMIT;
use super::plot::{Bars, Lines, Panel};
use super::results::{History, Results, Row, State, median};
use super::targets::{Figure, Limit};
use super::whole::{APART, GROWING};
use crate::Outcome;
use crate::interop::report;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const PEERS: [&str; 5] = ["git", "git-core", "gix", "git2", "grit"];

/// Writes all sections and plots for which there are results.
pub(super) fn draw(root: &Path) -> Outcome {
    let results = Results::load(root)?;
    let document = root.join("docs/performance.md");
    let plots = root.join("docs/plots");
    fs::create_dir_all(&plots)?;
    let names: BTreeSet<&str> = results.rows.iter().map(|row| &row.history[..]).collect();
    let (generated, real): (Vec<&str>, Vec<&str>) =
        names.into_iter().partition(|name| name.starts_with("generated-"));
    for name in real {
        let view = View::new(&results, name);
        let mut text = view.section();
        for (kind, svg) in [
            ("ratio", view.ratios().svg()),
            ("throughput", view.throughput().svg()),
            ("memory", view.memory().svg()),
        ] {
            fs::write(plots.join(format!("{name}-{kind}.svg")), svg)?;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "\n![{name}: {kind}](plots/{name}-{kind}.svg)");
        }
        report::write(&document, &format!("jobs on {name}"), &text)?;
    }
    if !generated.is_empty() {
        let mut text = growth_table(&results, &generated);
        fs::write(plots.join("growth-time.svg"), growth(&results, &generated, Figure::Time).svg())?;
        fs::write(plots.join("growth-memory.svg"), growth(&results, &generated, Figure::Anonymous).svg())?;
        text.push_str("\n![growth of time](plots/growth-time.svg)\n");
        text.push_str("\n![growth of memory](plots/growth-memory.svg)\n");
        report::write(&document, "growth", &text)?;
    }
    println!("docs/performance.md and docs/plots are drawn");
    Ok(())
}

/// The results on one history.
struct View<'a> {
    results: &'a Results,
    name: &'a str,
    history: History,
    /// The jobs that have been done.
    jobs: Vec<&'static Job>,
}

impl<'a> View<'a> {
    fn new(results: &'a Results, name: &'a str) -> View<'a> {
        let known = results.histories.iter().find(|history| history.name == name).cloned();
        let jobs = JOBS
            .iter()
            .filter(|job| results.rows.iter().any(|row| row.history == name && row.job == job.key))
            .collect();
        let unknown =
            History { name: name.to_owned(), objects: 0, packed: 0, pack_bytes: 0, tips: 0, cores: 0 };
        View { results, name, history: known.unwrap_or(unknown), jobs }
    }

    fn rows(&self, job: &Job, peer: &str) -> Vec<&'a Row> {
        self.results.of(self.name, job.key, peer)
    }

    /// The median of a figure.
    fn value(&self, job: &Job, peer: &str, figure: Figure) -> Option<f64> {
        let rows = self.rows(job, peer);
        median(rows.iter().filter(|row| row.state == State::Done).filter_map(|row| figure.of(&row.sample)))
    }

    /// The median over the rounds of what a peer took, as a share of what git took.
    fn ratio(&self, job: &Job, peer: &str, figure: Figure) -> Option<f64> {
        let theirs = self.rows(job, "git");
        median(self.rows(job, peer).iter().filter(|row| row.state == State::Done).filter_map(|row| {
            let pair = theirs.iter().find(|their| their.round == row.round)?;
            let divisor = figure.of(&pair.sample).filter(|value| *value > 0.0)?;
            Some(figure.of(&row.sample)? / divisor)
        }))
    }

    fn section(&self) -> String {
        let History { objects, packed, pack_bytes, tips, cores, .. } = &self.history;
        let mut text = String::new();
        if self.name == APART {
            text.push_str("### Very many refs\n\n100,000 branches that point at a thousand commits.");
        } else {
            let _ = write!(
                text,
                "### Whole jobs on {}\n\n{objects} objects can be reached from {tips} tips; the largest pack holds \
                 {packed} in {:.0} MB. {cores} cores.",
                self.name,
                *pack_bytes as f64 / 1e6
            );
        }
        text.push_str("\n\n| job | | git | git-core | ratio | target | met |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        let (mut met, mut missed, mut open) = (0, Vec::new(), Vec::new());
        for job in &self.jobs {
            let mut label = job.title;
            let state = self.rows(job, "git-core").first().map(|row| row.state);
            if state != Some(State::Done) {
                open.push(format!("{} ({})", job.key, state.map_or("not measured", State::name)));
            }
            for figure in Figure::ALL {
                let value = |peer| self.value(job, peer, figure);
                let limit = job
                    .targets
                    .iter()
                    .find(|target| target.figure == figure)
                    .map(|target| target.limit(*pack_bytes));
                if value("git").or(value("git-core")).is_none() {
                    continue;
                }
                let ratio = self.ratio(job, "git-core", figure);
                let kept = limit.and_then(|limit| limit.met(value("git-core"), ratio));
                match kept {
                    Some(true) => met += 1,
                    Some(false) => missed.push(job.key),
                    None => {}
                }
                let show = |value: Option<f64>| value.map_or("–".to_owned(), |value| figure.shown(value));
                let ours = match state {
                    Some(State::Done) | None => show(value("git-core")),
                    Some(state) => state.name().to_owned(),
                };
                let _ = writeln!(
                    text,
                    "| {label} | {} | {} | {ours} | {} | {} | {} |",
                    figure.name(),
                    show(value("git")),
                    ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
                    limit.map_or(String::new(), Limit::shown),
                    kept.map_or("", |kept| if kept { "yes" } else { "**no**" }),
                );
                label = "";
            }
        }
        missed.dedup();
        let _ = write!(text, "\n{met} targets met");
        for (what, jobs) in [
            ("missed by", missed.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()),
            ("not to be told of", open),
        ] {
            if !jobs.is_empty() {
                let _ = write!(text, "; {what} {}", jobs.join(", "));
            }
        }
        let _ = writeln!(text, ". {}", self.provenance());
        text.push_str(&self.others());
        text
    }

    /// When, what and how often.
    fn provenance(&self) -> String {
        let all = || self.results.rows.iter().filter(|row| row.history == self.name);
        let words = |value: fn(&Row) -> &str, peer: &str| {
            let found: BTreeSet<&str> = all().filter(|row| row.peer == peer).map(value).collect();
            found.into_iter().collect::<Vec<_>>().join(", ")
        };
        let rounds = self.jobs.iter().map(|job| self.rows(job, "git").len());
        let (least, most) = (rounds.clone().min().unwrap_or(0), rounds.max().unwrap_or(0));
        let rounds = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        format!(
            "Medians of {rounds} rounds, {}, git-core at {}, git {}.",
            words(|row| &row.date, "git-core"),
            words(|row| &row.version, "git-core"),
            words(|row| &row.version, "git"),
        )
    }

    /// Peers other than git.
    fn others(&self) -> String {
        let mut text = String::new();
        for job in &self.jobs {
            for peer in &PEERS[2..] {
                let Some(row) = self.rows(job, peer).first().copied() else { continue };
                let (time, ratio, memory) = match (row.state, self.value(job, peer, Figure::Time)) {
                    (State::Done, Some(time)) => (
                        Figure::Time.shown(time),
                        self.ratio(job, peer, Figure::Time)
                            .map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
                        self.value(job, peer, Figure::Anonymous)
                            .map_or("–".to_owned(), |value| Figure::Anonymous.shown(value)),
                    ),
                    (State::TooLong, _) => (format!("> {}", LIMIT.as_secs()), "–".into(), "–".into()),
                    (State::Failed, _) => ("failed".into(), "–".into(), "–".into()),
                    _ => continue,
                };
                if text.is_empty() {
                    text.push_str("\nOthers do the same, as far as they can; who is not named cannot.\n");
                    text.push_str("\n| job | by | time, s | to git | anonymous, MiB |\n");
                    text.push_str("| --- | --- | --- | --- | --- |\n");
                }
                let _ = writeln!(text, "| {} | {} | {time} | {ratio} | {memory} |", job.title, row.version);
            }
        }
        text
    }

    /// Who has done anything here, in the order of the colours.
    fn peers(&self) -> Vec<&'static str> {
        let done = |peer: &&&str| self.jobs.iter().any(|job| self.value(job, peer, Figure::Time).is_some());
        PEERS.iter().filter(done).copied().collect()
    }

    fn ratios(&self) -> Bars {
        let mut groups = Vec::new();
        for job in &self.jobs {
            for target in job.targets {
                let Limit::Ratio(limit) = target.limit(self.history.pack_bytes) else { continue };
                let figure = target.figure.name().split(',').next().unwrap_or_default();
                let ratio = self.ratio(job, "git-core", target.figure);
                groups.push((format!("{}: {figure}", job.key), vec![ratio], Some(limit)));
            }
        }
        Bars {
            title: format!("{}: git-core as a share of git", self.name),
            note: "shorter is better; the mark is the target, the line is git".into(),
            series: vec!["git-core".into()],
            groups,
            logarithmic: false,
            line: Some(1.0),
        }
    }

    fn throughput(&self) -> Bars {
        let peers = self.peers();
        let groups = self.jobs.iter().map(|job| {
            let items = (job.items.0)(&self.history) as f64;
            let values = peers.iter().map(|peer| {
                self.value(job, peer, Figure::Time).filter(|time| *time > 0.0).map(|time| items / time)
            });
            (format!("{} ({}/s)", job.key, job.items.1), values.collect(), None)
        });
        Bars {
            title: format!("{}: throughput", self.name),
            note: "things per second of time on the clock, logarithmic; longer is better".into(),
            groups: groups.collect(),
            series: peers.iter().map(|peer| (*peer).to_owned()).collect(),
            logarithmic: true,
            line: None,
        }
    }

    fn memory(&self) -> Bars {
        let peers = self.peers();
        let groups = self.jobs.iter().map(|job| {
            let limit =
                job.targets.iter().find(|target| target.figure == Figure::Anonymous).and_then(|target| {
                    match target.limit(self.history.pack_bytes) {
                        Limit::Absolute(limit) => Some(limit),
                        Limit::Ratio(_) => None,
                    }
                });
            let values = peers.iter().map(|peer| self.value(job, peer, Figure::Anonymous)).collect();
            (job.key.to_owned(), values, limit)
        });
        Bars {
            title: format!("{}: peak of anonymous memory, MiB", self.name),
            note: "sum over all processes, without mapped files, logarithmic; shorter is better".into(),
            groups: groups.collect(),
            series: peers.iter().map(|peer| (*peer).to_owned()).collect(),
            logarithmic: true,
            line: None,
        }
    }
}

/// Made-up histories, the smallest first.
fn sorted<'a>(results: &'a Results, names: &[&'a str]) -> Vec<View<'a>> {
    let mut views: Vec<View<'_>> = names.iter().map(|name| View::new(results, name)).collect();
    views.sort_by_key(|view| view.history.objects);
    views
}

fn growth(results: &Results, names: &[&str], figure: Figure) -> Lines {
    let views = sorted(results, names);
    let panels = GROWING.iter().filter_map(|key| JOBS.iter().find(|job| job.key == *key)).map(|job| {
        let series = ["git", "git-core"].map(|peer| {
            let points = views
                .iter()
                .filter_map(|view| Some((view.history.objects as f64, view.value(job, peer, figure)?)));
            (peer.to_owned(), points.collect())
        });
        Panel { title: job.title.to_owned(), series: series.into() }
    });
    let panels = panels.filter(|panel| panel.series.iter().any(|(_, points)| !points.is_empty()));
    Lines {
        title: format!("{} against the number of objects", figure.name()),
        note: "both axes logarithmic; a dashed line grows in proportion".into(),
        panels: panels.collect(),
    }
}

fn growth_table(results: &Results, names: &[&str]) -> String {
    let views = sorted(results, names);
    let mut text =
        "### How time grows\n\nMade-up histories; seconds on the clock, and peak anonymous memory in MiB, \
                    of git / git-core, medians.\n\n| job |"
            .to_owned();
    for view in &views {
        let _ = write!(text, " {} objects |", view.history.objects);
    }
    text.push_str(" time per object, last to first |\n| --- |");
    text.push_str(&" --- |".repeat(views.len() + 1));
    text.push('\n');
    for job in
        JOBS.iter().filter(|job| views.iter().any(|view| view.jobs.iter().any(|done| done.key == job.key)))
    {
        let _ = write!(text, "| {} |", job.title);
        for view in &views {
            let show = |figure: Figure, peer| {
                view.value(job, peer, figure).map_or("–".to_owned(), |value| figure.shown(value))
            };
            let _ = write!(
                text,
                " {} / {}; {} / {} |",
                show(Figure::Time, "git"),
                show(Figure::Time, "git-core"),
                show(Figure::Anonymous, "git"),
                show(Figure::Anonymous, "git-core")
            );
        }
        let each = |view: &View<'_>, peer| {
            Some(view.value(job, peer, Figure::Time)? / view.history.objects.max(1) as f64)
        };
        let last = |peer| {
            let (first, last) = (views.first()?, views.last()?);
            Some(each(last, peer)? / each(first, peer)?)
        };
        let show = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.2}"));
        let _ = writeln!(text, " {} / {} |", show(last("git")), show(last("git-core")));
    }
    let _ = write!(text, "\n{}\n", views.first().map_or(String::new(), View::provenance));
    text
}
