//! Which commits `rev-list` chooses: by paths and what parents bring, by what is written in them, by what the other
//! side has, by reflogs.

use super::common::{FORMATS, Program, Repo, command, git, same, same_lines};
use super::{Clock, History};

#[test]
fn s04_histories_of_paths_are_simplified_as_git_does() {
    for (format, seed) in [("sha1", 11), ("sha256", 12), ("sha1", 13), ("sha1", 14)] {
        let history = History::new(format, Clock::Right, seed, 120);
        let mut lines = String::new();
        for mode in [
            "",
            "--full-history",
            "--full-history --parents",
            "--full-history --children",
            "--simplify-merges",
            "--simplify-merges --parents",
            "--simplify-merges --show-pulls",
            "--simplify-merges --show-pulls --parents",
            "--show-pulls",
            "--show-pulls --parents",
            "--full-history --show-pulls",
            "--full-history --show-pulls --parents",
            "--sparse",
            "--sparse --parents",
            "--sparse --full-history",
            "--sparse --full-history --parents",
            "--ancestry-path --parents",
            "--dense",
            "--remove-empty",
            "--remove-empty --parents",
            "--first-parent --full-history",
            "--full-history --no-merges",
            "--full-history --merges --parents",
            "--full-history --topo-order",
            "--full-history --boundary",
            "--full-history --max-count=7 --skip=2",
        ] {
            let ranges = mode.contains("ancestry");
            for paths in ["a", "d", "d/e z", "d-x a", "nothing"].iter().filter(|_| !ranges) {
                lines += &format!("rev-list {mode} b120 -- {paths}\n");
            }
            if !ranges {
                lines += &format!("rev-list {mode} --all -- d/a\n");
            }
            if !mode.contains("remove-empty") {
                lines += &format!("rev-list {mode} b120 b117 ^b80 -- a d\n");
                lines += &format!("rev-list {mode} b118...b111 -- d\n");
            }
        }
        let lines = lines.replace("rev-list  ", "rev-list ");
        same_lines(&history.path, &lines);
    }
}

#[test]
fn s04_histories_are_simplified_to_what_refs_name() {
    let history = History::new("sha1", Clock::Right, 21, 60);
    for n in 1..=60 {
        if n % 7 != 0 && n != 60 {
            git(&history.path, &["update-ref", "-d", &format!("refs/heads/b{n}")]);
        }
    }
    same_lines(
        &history.path,
        "rev-list --simplify-by-decoration b60
        rev-list --simplify-by-decoration --parents b60
        rev-list --simplify-by-decoration --all
        rev-list --simplify-by-decoration --parents b60 ^b21
        rev-list --simplify-by-decoration b60 -- a d",
    );
}

/// Messages, people and dates of many kinds; a side branch one of whose changes was picked.
fn told(format: &'static str) -> Repo {
    let repo = Repo::empty(format);
    let mut time = 1_700_000_000;
    let mut commit = |name: &str, content: &str, author: &str, message: &str| {
        time += 60;
        std::fs::write(repo.path.join(name), content).unwrap();
        git(&repo.path, &["add", "."]);
        let date = format!("{time} +0000");
        let done = command(Program::Git, &repo.path)
            .args(["commit", "-q", "-m", message])
            .env("GIT_COMMITTER_DATE", &date)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_AUTHOR_NAME", author)
            .status()
            .unwrap();
        assert!(done.success());
    };
    let text = |from: u32| (from..from + 30).map(|n| format!("line {n}\n")).collect::<String>();
    commit("a", "1\n", "Ann", "First commit\n\nbody of the first\n\nSigned-off-by: Ann <a@b>");
    commit("b", &text(1), "Bob", "second (b) [x] foo+bar a.d");
    git(&repo.path, &["checkout", "-q", "-b", "side"]);
    commit("a", "2\n", "Ann Other", "side changes a");
    commit("c", "c\n", "Bob", "side adds c");
    commit("bin", "\0\u{1}\u{2}", "Bob", "side adds something binary");
    git(&repo.path, &["checkout", "-q", "master"]);
    commit("b", &text(2), "Zoe", "THIRD b\n\nwith fooo\nand side");
    git(&repo.path, &["merge", "-q", "-m", "merge of side", "side"]);
    commit("b", &text(3), "Zoe", "Fix: foo{2} (or so)");
    git(&repo.path, &["checkout", "-q", "-b", "picked", "HEAD~3"]);
    // What is numbered and spaced in another way is the same change.
    commit("b", &format!("zero\n{}", text(1)), "Zoe", "a line more");
    commit("c", "c\n", "Eve", "picked c");
    commit("bin", "\0\u{1}\u{3}", "Bob", "another binary");
    commit("z", "z\n", "Eve", "of its own");
    git(&repo.path, &["checkout", "-q", "master"]);
    repo
}

#[test]
fn s04_commits_are_found_by_what_is_written_in_them() {
    for format in FORMATS {
        let repo = told(format);
        let mut lines = String::new();
        for options in [
            "--grep=foo+bar",
            "--grep=foo\\+bar",
            "-E --grep=foo+",
            "-E --grep=fo{2,3}",
            "--grep=fo\\{3\\}",
            "--grep=\\(side\\|THIRD\\)",
            "-E --grep=(side|THIRD)",
            "-F --grep=(b)",
            "-F --grep=a.d",
            "--fixed-strings --grep=[x]",
            "--grep=\\[x\\]",
            "--grep=[[:upper:]]\\{3\\}",
            "--grep=[^[:alnum:]]b",
            "--grep=a.d",
            "--grep=SIDE",
            "-i --grep=SIDE",
            "--regexp-ignore-case --grep=third",
            "--grep=side --grep=adds",
            "--all-match --grep=side --grep=adds",
            "--all-match --grep=side --grep=fooo",
            "--invert-grep --grep=side",
            "--invert-grep --grep=side --grep=foo",
            "--all-match --invert-grep --grep=side --grep=adds",
            "--author=Ann",
            "--author=Ann --grep=side",
            "--author=Ann --author=Zoe",
            "--author=Nobody",
            "--invert-grep --author=Ann",
            "--invert-grep --author=Ann --grep=side",
            "--author=^Ann$",
            "--author=^Bob",
            "--author=b>$",
            "--author=17000",
            "--author=example.com",
            "--committer=Mitter",
            "--committer=Mitter --author=Bob",
            "--grep=^First",
            "--grep=^$",
            "--grep=commit$",
            "--grep=Signed-off-by",
            "--grep=tree",
            "--grep=",
            "--grep=*",
            "--grep=\\bbody\\b",
            "--grep=b\\w*y",
            "-P --grep=fo{3}",
            "--extended-regexp --grep=^(F|T)",
            "--basic-regexp --grep=(b)",
            "--grep=[",
            "--grep=\\(",
            "-E --grep=(",
            "-E --grep=*a",
            "--grep=[[:nope:]]",
            "--grep=a\\{2",
            "--grep=a\\",
            "--count --grep=side",
            "--max-count=1 --grep=side",
            "--skip=1 --grep=side",
            "--parents --grep=side",
            "--reverse --author=Bob",
            "--no-merges --grep=side",
            "--boundary --grep=side",
            "--objects --grep=adds",
            "--grep-reflog=x",
        ] {
            lines += &format!("rev-list {options} master\n");
        }
        lines +=
            "rev-list --grep=side master picked -- a c\nrev-list --full-history --author=Bob master -- b\n";
        same_lines(&repo.path, &lines);
        // What is wrong with a pattern is said as git says it.
        for args in [
            ["rev-list", "--grep=[", "master"],
            ["rev-list", "--grep=\\(", "master"],
            ["rev-list", "--grep=[[:nope:]]", "master"],
            ["rev-list", "--author=a\\{2", "master"],
        ] {
            let [theirs, ours] = [Program::Git, Program::Ours].map(|program| {
                String::from_utf8(super::common::run(program, &repo.path, &args, b"").stderr).unwrap()
            });
            assert_eq!(ours, theirs, "{args:?}");
        }
    }
}

#[test]
fn s04_changes_that_both_sides_make_are_told_from_others() {
    for format in FORMATS {
        let repo = told(format);
        let mut lines = String::new();
        for options in [
            "--cherry-pick",
            "--cherry-mark",
            "--cherry",
            "--cherry-pick --left-right",
            "--cherry-mark --left-right",
            "--cherry-pick --left-only",
            "--cherry-pick --right-only",
            "--cherry-mark --right-only",
            "--cherry-mark --count",
            "--cherry-mark --count --left-right",
            "--cherry-pick --count",
            "--cherry-pick --count --left-right",
            "--cherry-pick --no-merges",
            "--cherry-mark --boundary",
            "--cherry-mark --parents",
            "--cherry-mark --max-count=3",
            "--cherry-pick --skip=1",
            "--cherry-mark --topo-order --reverse",
            "--cherry-pick --cherry-mark",
            "--cherry --left-only",
            "--cherry --objects",
        ] {
            lines += &format!("rev-list {options} master...picked\nrev-list {options} picked...master\n");
        }
        lines += "rev-list --cherry-mark master\nrev-list --cherry-pick master ^side\n";
        lines +=
            "rev-list --cherry-pick master...picked -- c\nrev-list --cherry-mark master...picked -- b bin\n";
        same_lines(&repo.path, &lines);
    }
}

#[test]
fn s04_edges_and_paths_of_listed_objects() {
    for format in FORMATS {
        let repo = told(format);
        same_lines(
            &repo.path,
            "rev-list --objects-edge picked ^side
            rev-list --objects-edge picked ^side ^master
            rev-list --objects-edge-aggressive picked ^side ^master~3
            rev-list --objects-edge master
            rev-list --objects-edge --count picked ^side
            rev-list --objects-edge --boundary picked ^side
            rev-list --objects-edge master...picked
            rev-list --objects master -- c
            rev-list --objects master -- a b
            rev-list --objects --all -- bin nothing
            rev-list --objects --count master -- a
            rev-list --objects --in-commit-order master -- a b
            rev-list --objects --filter=blob:none master -- a b
            rev-list --objects picked ^side -- c",
        );
        let small = Repo::small(format);
        same_lines(
            &small.path,
            "rev-list --objects HEAD -- d
            rev-list --objects HEAD -- d/sub
            rev-list --objects HEAD -- d/g f
            rev-list --objects HEAD -- d-x 's*'
            rev-list --objects --all -- .",
        );
    }
}

#[test]
fn s04_refs_that_are_hidden_are_left_out() {
    for format in FORMATS {
        let repo = told(format);
        git(&repo.path, &["tag", "v1", "master~2"]);
        git(&repo.path, &["config", "transfer.hideRefs", "refs/tags"]);
        git(&repo.path, &["config", "--add", "receive.hideRefs", "refs/heads/side"]);
        git(&repo.path, &["config", "--add", "uploadpack.hideRefs", "!refs/tags"]);
        same_lines(
            &repo.path,
            "rev-list --no-walk=unsorted --exclude-hidden=receive --all
            rev-list --no-walk=unsorted --exclude-hidden=uploadpack --all
            rev-list --no-walk=unsorted --exclude-hidden=fetch --all
            rev-list --no-walk=unsorted --exclude-hidden=nope --all
            rev-list --no-walk=unsorted --exclude-hidden=receive --exclude-hidden=fetch --all
            rev-list --exclude-hidden=receive --branches
            rev-list --no-walk=unsorted --exclude-hidden=receive --glob=refs/*
            rev-list --no-walk=unsorted --exclude-hidden=receive --all --all
            rev-list --no-walk=unsorted --exclude=refs/heads/master --exclude-hidden=receive --all
            rev-list --all --not --exclude-hidden=receive --all
            rev-list --exclude-hidden=receive",
        );
    }
}

#[test]
fn s04_reflogs_are_walked() {
    for format in FORMATS {
        let repo = told(format);
        same_lines(
            &repo.path,
            "rev-list -g master
            rev-list --walk-reflogs HEAD
            rev-list -g HEAD -3
            rev-list -g --skip=2 HEAD
            rev-list -g HEAD@{2}
            rev-list -g side@{1} -3
            rev-list -g HEAD --grep=side
            rev-list -g --count HEAD
            rev-list -g --parents picked
            rev-list -g --no-merges HEAD
            rev-list -g --grep-reflog=checkout HEAD
            rev-list -g --grep-reflog=commit --author=Bob HEAD
            rev-list -g --reverse HEAD
            rev-list -g --topo-order HEAD
            rev-list -g ^side master
            rev-list -g HEAD -- c
            rev-list --objects -g picked",
        );
        same(&repo.path, &["rev-list", "-g", "nosuch"], b"");
    }
}
