//! `rev-list` and `merge-base` on histories made at random, with and without a commit-graph; replacements and grafts.

use super::common::{FORMATS, Program, Repo, git, output, run, same};
use super::{Clock, Dice, History};
use std::path::Path;

const CLOCKS: [Clock; 3] = [Clock::Right, Clock::Coarse, Clock::Wrong];

/// Runs one line of arguments after the other with both programs, several at a time.
fn all_same(directory: &Path, lines: &[Vec<String>]) {
    std::thread::scope(|scope| {
        for part in lines.chunks(lines.len().div_ceil(4).max(1)) {
            scope.spawn(move || {
                for line in part {
                    same(directory, &line.iter().map(String::as_str).collect::<Vec<_>>(), b"");
                }
            });
        }
    });
}

fn line(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// With a graph and without one.
fn both_ways(history: &History, lines: &[Vec<String>]) {
    all_same(&history.path, lines);
    output(Program::Ours, &history.path, &["commit-graph", "write", "--reachable", "--changed-paths"], b"");
    all_same(&history.path, lines);
}

#[test]
fn lists_are_those_of_git() {
    const OPTIONS: [&[&str]; 24] = [
        &[],
        &["--topo-order"],
        &["--date-order"],
        &["--author-date-order"],
        &["--parents"],
        &["--children"],
        &["--topo-order", "--parents", "--reverse"],
        &["--boundary"],
        &["--boundary", "--topo-order", "--max-count=9"],
        &["--first-parent"],
        &["--exclude-first-parent-only"],
        &["--merges"],
        &["--no-merges", "--skip=3", "--max-count=8"],
        &["--min-parents=3"],
        &["--max-parents=0", "--timestamp"],
        &["--left-right"],
        &["--left-only"],
        &["--right-only", "--count"],
        &["--left-right", "--count"],
        &["--count"],
        &["--ancestry-path=b40"],
        &["--no-walk"],
        &["--no-walk=unsorted"],
        &["--until=1000000400"],
    ];
    for (seed, clock) in CLOCKS.into_iter().enumerate() {
        let format = FORMATS[seed % 2];
        let history = History::new(format, clock, seed as u64 + 21, 90);
        let mut dice = Dice(seed as u64);
        let mut lines = Vec::new();
        for (at, options) in OPTIONS.into_iter().enumerate() {
            let mut one = || format!("b{}", 1 + dice.below(90));
            let tips = match at % 4 {
                0 => vec!["--all".to_owned()],
                1 => vec![one(), one(), format!("^{}", one())],
                2 => vec![format!("{}..{}", one(), one())],
                _ => vec![format!("{}...{}", one(), one())],
            };
            // With wrong dates git may list what is to be left out; see `docs/compatibility.md`.
            let by_clock = at % 4 != 0 || options[..] == ["--ancestry-path=b40"];
            let differs = clock == Clock::Wrong && by_clock || options[..] == ["--exclude-first-parent-only"];
            if !differs {
                lines.push([line(&["rev-list"]), line(options), tips].concat());
            }
        }
        both_ways(&history, &lines);
    }
}

#[test]
fn histories_of_paths_are_those_of_git() {
    for (seed, clock) in CLOCKS.into_iter().enumerate() {
        let history = History::new(FORMATS[(seed + 1) % 2], clock, seed as u64 + 31, 90);
        let mut lines = Vec::new();
        for options in [&[][..], &["--parents"], &["--topo-order"], &["--first-parent"], &["--count"]] {
            for paths in [&["a"][..], &["d"], &["d/e", "z/"], &["*x*"]] {
                for tips in [&["--all"][..], &["b80", "^b40"]] {
                    lines.push(line(&[&["rev-list"], options, tips, &["--"], paths].concat()));
                }
            }
        }
        both_ways(&history, &lines);
    }
}

#[test]
fn merge_bases_are_those_of_git() {
    for (seed, clock) in CLOCKS.into_iter().enumerate() {
        let history = History::new(FORMATS[seed % 2], clock, seed as u64 + 41, 90);
        let mut dice = Dice(seed as u64 + 3);
        let mut lines = Vec::new();
        for n in 0..60 {
            let mut words = line(&["merge-base"]);
            let (options, count): (&[&str], u64) = match n % 5 {
                0 => (&["-a"], 2),
                1 => (&["-a"], 3),
                2 => (&["--octopus", "-a"], 3),
                3 => (&["--independent"], 4),
                _ => (&["--is-ancestor"], 2),
            };
            words.extend(line(options));
            words.extend((0..count).map(|_| format!("b{}", 1 + dice.below(90))));
            lines.push(words);
        }
        both_ways(&history, &lines);
    }
}

#[test]
fn merge_base_refuses_as_git_does_and_finds_fork_points() {
    let repo = Repo::small("sha1");
    let at = |args: &[&str]| git(&repo.path, args);
    at(&["checkout", "-q", "-b", "topic", "master~1"]);
    at(&["commit", "-q", "--allow-empty", "-m", "on topic"]);
    at(&["checkout", "-q", "master"]);
    at(&["commit", "-q", "--allow-empty", "--amend", "-m", "amended"]);
    for args in [
        &["merge-base", "--fork-point", "master", "topic"][..],
        &["merge-base", "--fork-point", "topic"],
        &["merge-base", "--fork-point", "nothing"],
        &["merge-base", "master", "side"],
        &["merge-base", "master", "v2"],
        &["merge-base", "master"],
        &["merge-base", "--octopus", "master"],
        &["merge-base", "--is-ancestor", "master"],
        &["merge-base", "--is-ancestor", "side", "master", "topic"],
        &["merge-base", "--all", "--independent", "master", "side"],
        &["merge-base", "nothing", "master"],
        &["merge-base", "HEAD:f", "master"],
        &["rev-list", "--ancestry-path", "master"],
        &["rev-list", "--reflog", "--count"],
        &["rev-list", "--exclude=s*", "--branches", "--parents"],
        &["rev-list", "--exclude=refs/heads/m*", "--all", "--count"],
        &["rev-list", "--reflog", "--timestamp"],
    ] {
        same(&repo.path, args, b"");
    }
}

#[test]
fn replacements_and_grafts_are_seen_and_switch_the_graph_off() {
    for format in FORMATS {
        let repo = Repo::small(format);
        let at = |args: &[&str]| git(&repo.path, args);
        at(&["commit-graph", "write", "--reachable"]);
        let side = at(&["rev-parse", "side"]);
        let lines = |names: &[&[&str]]| names.iter().map(|words| line(words)).collect::<Vec<_>>();
        let questions = lines(&[
            &["rev-list", "--parents", "master"],
            &["--no-replace-objects", "rev-list", "--parents", "master"],
            &["-c", "core.useReplaceRefs=false", "rev-list", "--parents", "master"],
            &["rev-list", "--count", "--all"],
            &["cat-file", "-p", "side"],
            &["cat-file", "-s", "side"],
            &["cat-file", "blob", "master:f"],
            &["--no-replace-objects", "cat-file", "-p", "side"],
            &["merge-base", "master", "side"],
            &["rev-parse", "side^"],
        ]);
        // Another commit, and another blob, of another length.
        at(&["replace", "side", "v1^0"]);
        at(&["replace", "master:f", "master:s"]);
        all_same(&repo.path, &questions);
        let graph = repo.path.join(".git/objects/info/commit-graph");
        std::fs::remove_file(&graph).unwrap();
        output(Program::Ours, &repo.path, &["commit-graph", "write", "--reachable"], b"");
        assert!(!graph.exists(), "a graph of replaced commits");
        output(
            Program::Ours,
            &repo.path,
            &["--no-replace-objects", "commit-graph", "write", "--reachable"],
            b"",
        );
        assert!(graph.exists());
        // What is sent is what is stored.
        let pack =
            output(Program::Ours, &repo.path, &["pack-objects", "--revs", "--stdout", "-q"], b"master\n");
        let copy = Repo::empty(format);
        output(Program::Git, &copy.path, &["index-pack", "--stdin", "--strict"], &pack);
        assert_eq!(git(&copy.path, &["cat-file", "-t", &side]), "commit");
        at(&["replace", "-d", "side", &at(&["rev-parse", "master:f"])]);
        let root = at(&["rev-list", "--max-parents=0", "master"]);
        let info = repo.path.join(".git/info");
        std::fs::create_dir_all(&info).unwrap();
        std::fs::write(info.join("grafts"), format!("# none\n{side}\n{root} {side}\n")).unwrap();
        all_same(
            &repo.path,
            &lines(&[
                &["rev-list", "--parents", "master"],
                &["rev-list", "--count", "--all"],
                &["cat-file", "-p", "side"],
                &["rev-parse", "side~0"],
            ]),
        );
        assert_eq!(
            run(Program::Ours, &repo.path, &["rev-parse", "--verify", "-q", "side^"], b"").status.code(),
            run(Program::Git, &repo.path, &["rev-parse", "--verify", "-q", "side^"], b"").status.code()
        );
    }
}
