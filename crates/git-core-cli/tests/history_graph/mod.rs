//! `commit-graph`: byte for byte what git writes, and refused where git refuses.

use super::common::{FORMATS, Program, Repo, git, output, run, same};
use super::{Clock, History, files};
use std::path::Path;

fn info(repository: &Path) -> Vec<(String, Vec<u8>)> {
    let found = files(&repository.join("objects/info"));
    found.into_iter().filter(|(name, _)| name.starts_with("commit-graph")).collect()
}

fn forget(repository: &Path) {
    let _ = std::fs::remove_file(repository.join("objects/info/commit-graph"));
    let _ = std::fs::remove_dir_all(repository.join("objects/info/commit-graphs"));
}

/// Both write the graph from the same state; the files must be equal, and each must find the other's in order.
fn same_graph(repository: &Path, before: &[(String, Vec<u8>)], args: &[&str], input: &[u8]) {
    let mut results = Vec::new();
    for program in [Program::Git, Program::Ours] {
        forget(repository);
        for (name, content) in before {
            let path = repository.join("objects/info").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        output(program, repository, args, input);
        results.push(info(repository));
    }
    let names = |of: &[(String, Vec<u8>)]| of.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&results[0]), names(&results[1]), "{args:?}");
    assert!(results[0] == results[1], "{args:?}: the files differ");
    output(Program::Git, repository, &["commit-graph", "verify"], b"");
    output(Program::Ours, repository, &["commit-graph", "verify"], b"");
}

#[test]
fn the_bytes_are_those_of_git() {
    for format in FORMATS {
        for (seed, clock) in
            [Clock::Right, Clock::Coarse, Clock::Wrong, Clock::Extreme].into_iter().enumerate()
        {
            let history = History::new(format, clock, seed as u64 + 7, 120);
            for args in [
                &["commit-graph", "write", "--reachable"][..],
                &["commit-graph", "write", "--changed-paths"],
                &["-c", "commitGraph.changedPathsVersion=2", "commit-graph", "write", "--changed-paths"],
                &[
                    "-c",
                    "commitGraph.generationVersion=1",
                    "commit-graph",
                    "write",
                    "--reachable",
                    "--changed-paths",
                ],
            ] {
                same_graph(&history.path, &[], args, b"");
            }
            let with_filters = info(&history.path);
            same_graph(&history.path, &with_filters, &["commit-graph", "write", "--reachable"], b"");
            same_graph(&history.path, &with_filters, &["commit-graph", "write", "--no-changed-paths"], b"");
            let tip = git(&history.path, &["rev-parse", "b60", "b100:"]);
            same_graph(&history.path, &[], &["commit-graph", "write", "--stdin-commits"], tip.as_bytes());
            let some = info(&history.path);
            let other = git(&history.path, &["rev-parse", "b80"]);
            same_graph(
                &history.path,
                &some,
                &["commit-graph", "write", "--stdin-commits", "--append"],
                other.as_bytes(),
            );
        }
    }
}

#[test]
fn chains_grow_and_are_joined_as_in_git() {
    for format in FORMATS {
        let history = History::new(format, Clock::Coarse, 3, 60);
        let path = &history.path;
        same_graph(path, &[], &["commit-graph", "write", "--reachable", "--split", "--changed-paths"], b"");
        for (n, options) in [
            &["--split"][..],
            &["--split=no-merge"],
            &["--split", "--size-multiple=5"],
            &["--split=no-merge"],
            &["--split=no-merge"],
            &["--split", "--max-commits=3"],
            &["--split=no-merge", "--max-new-filters=0"],
            &["--split"],
            &["--split=replace"],
        ]
        .into_iter()
        .enumerate()
        {
            let first = 61 + n as u64 * 4;
            history.grow(Clock::Coarse, n as u64, first, first + 3);
            let before = info(path);
            let args = [&["commit-graph", "write", "--reachable"], options].concat();
            same_graph(path, &before, &args, b"");
            assert_eq!(
                output(Program::Ours, path, &["rev-list", "--all", "--parents"], b""),
                output(Program::Git, path, &["rev-list", "--all", "--parents"], b""),
            );
        }
        same_graph(path, &info(path), &["commit-graph", "write", "--reachable", "--split"], b"");
        same_graph(path, &info(path), &["commit-graph", "write", "--reachable"], b"");
        // The one file becomes the lowest of a chain.
        history.grow(Clock::Right, 1, 97, 98);
        same_graph(path, &info(path), &["commit-graph", "write", "--reachable", "--split"], b"");
    }
}

#[test]
fn what_changed_too_much_has_a_full_filter() {
    let repo = Repo::empty("sha1");
    for (commit, (directories, files)) in
        [(1, 300), (300, 1), (1, 511), (1, 512), (256, 1), (255, 2)].into_iter().enumerate()
    {
        let _ = std::fs::remove_dir_all(repo.path.join("top"));
        for directory in 0..directories {
            let dir = repo.path.join(format!("top/d{directory}"));
            std::fs::create_dir_all(&dir).unwrap();
            (0..files)
                .for_each(|n| std::fs::write(dir.join(format!("f{n}")), format!("{commit}\n")).unwrap());
        }
        git(&repo.path, &["add", "-A"]);
        git(&repo.path, &["commit", "-qm", "c"]);
    }
    same_graph(
        &repo.path.join(".git"),
        &[],
        &["commit-graph", "write", "--reachable", "--changed-paths"],
        b"",
    );
}

#[test]
fn refused_as_git_refuses() {
    let repo = Repo::small("sha1");
    let path = &repo.path;
    let said = |program, args: &[&str], input: &[u8]| {
        let output = run(program, path, args, input);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (args, input) in [
        (&["commit-graph", "write", "--stdin-commits"][..], "zz\n"),
        (&["commit-graph", "write", "--stdin-commits"], "1111111111111111111111111111111111111111\n"),
        (&["commit-graph", "write", "--reachable", "--stdin-packs"], ""),
        (&["commit-graph", "write", "--split=some"], ""),
        (&["commit-graph", "write", "--expire-time=garbage"], ""),
        (&["-c", "core.commitGraph=false", "commit-graph", "write"], ""),
        (&["commit-graph", "write", "--object-dir=/nonexistent"], ""),
        (&["commit-graph", "verify"], ""),
    ] {
        assert_eq!(
            said(Program::Ours, args, input.as_bytes()),
            said(Program::Git, args, input.as_bytes()),
            "{args:?}"
        );
    }
    for args in [&["commit-graph"][..], &["commit-graph", "other"], &["commit-graph", "write", "x"]] {
        same(path, args, b"");
    }
    // Damage, from the outside in.
    let graph = path.join(".git/objects/info/commit-graph");
    git(path, &["commit-graph", "write", "--reachable"]);
    let good = std::fs::read(&graph).unwrap();
    let mut damaged = 0;
    for at in [0, 4, 5, 8, 30, 100, good.len() - 30] {
        let mut bytes = good.clone();
        bytes[at] ^= 0x21;
        std::fs::remove_file(&graph).unwrap();
        std::fs::write(&graph, bytes).unwrap();
        let (ours, theirs) = (
            said(Program::Ours, &["commit-graph", "verify"], b""),
            said(Program::Git, &["commit-graph", "verify"], b""),
        );
        assert_ne!(ours.0, Some(0), "byte {at}");
        assert_ne!(theirs.0, Some(0), "byte {at}");
        damaged += usize::from(ours == theirs);
        // Whatever it says, history is read all the same, or not at all.
        let listed = run(Program::Ours, path, &["rev-list", "--all"], b"");
        assert!(listed.status.code() == Some(0) || listed.status.code() == Some(128));
    }
    assert!(damaged >= 4, "{damaged} of the complaints are git's");
}

#[test]
fn fetch_extends_the_graph_when_it_is_told_to() {
    let source = History::new("sha1", Clock::Right, 5, 30);
    let copy = Repo::empty("sha1");
    let fetch = |program| {
        output(
            program,
            &copy.path,
            &[
                "-c",
                "fetch.writeCommitGraph=true",
                "fetch",
                "-q",
                source.path.to_str().unwrap(),
                "refs/heads/b30:refs/heads/b30",
            ],
            b"",
        )
    };
    fetch(Program::Ours);
    let ours = info(&copy.path.join(".git"));
    assert!(ours.iter().any(|(name, _)| name == "commit-graphs/commit-graph-chain"));
    git(&copy.path, &["update-ref", "-d", "refs/heads/b30"]);
    forget(&copy.path.join(".git"));
    fetch(Program::Git);
    assert!(info(&copy.path.join(".git")) == ours, "the files differ");
}
