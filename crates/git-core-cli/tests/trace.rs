//! `GIT_TRACE_PACKET` beside git's: the same packets go by; and with that, the same haves are offered.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod remotes;

use common::{Program, command, git};
use remotes::{Worlds, each};
use std::path::Path;

/// What the trace of a command says from `packet:` on, in either world, without what names the program.
fn traces(worlds: &Worlds, below: &str, args: &[&str]) -> [Vec<String>; 2] {
    [Program::Git, Program::Ours].map(|program| {
        let top = &worlds.tops()[usize::from(program == Program::Ours)];
        let file = top.join("trace");
        let _ = std::fs::remove_file(&file);
        command(program, &top.join(below)).args(args).env("GIT_TRACE_PACKET", &file).output().unwrap();
        lines(&std::fs::read_to_string(&file).unwrap(), top)
    })
}

fn lines(text: &str, top: &Path) -> Vec<String> {
    let text = text.replace(top.to_str().unwrap(), "<top>");
    let shown = |line: &str| {
        let (stamp, packet) = line.split_at(40);
        assert!(stamp.as_bytes()[2] == b':' && stamp.as_bytes()[8] == b'.', "{line}");
        assert!(packet.starts_with("packet: "), "{line}");
        let words = packet.split(' ').filter(|word| {
            // Who the programs are, and what both may do or not.
            !["agent=", "session-id=", "object-format=", "deepen-since", "deepen-not"]
                .iter()
                .any(|part| word.contains(part))
        });
        words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
    };
    // git asks again for what two refs point to.
    let mut asked = std::collections::HashSet::new();
    let fresh = |line: &String| !line.contains(" want ") || asked.insert(line.clone());
    text.lines().map(shown).filter(|line| !line.ends_with(['<', '>'])).filter(fresh).collect()
}

/// The lines of one speaker.
fn of(lines: &[String], who: &str) -> Vec<String> {
    lines.iter().filter(|line| line.contains(who)).cloned().collect()
}

fn same(worlds: &Worlds, args: &[&str], speakers: &[&str]) {
    let [theirs, ours] = traces(worlds, "here", args);
    for who in speakers {
        let (theirs, ours) = (of(&theirs, who), of(&ours, who));
        let at = theirs.iter().zip(&ours).position(|(a, b)| a != b).unwrap_or(theirs.len().min(ours.len()));
        let tail =
            |lines: &[String]| lines[at.saturating_sub(1)..].iter().take(6).cloned().collect::<Vec<_>>();
        assert!(theirs == ours, "{args:?} line {at}\n{:#?}\n{:#?}", tail(&theirs), tail(&ours));
        assert!(!of(&ours, who).is_empty(), "{args:?}: {who}");
    }
}

#[test]
fn s07_packets_are_shown_as_git_shows_them() {
    each(|worlds| {
        same(worlds, &["ls-remote", "origin"], &["ls-remote>", "ls-remote<"]);
        same(worlds, &["-c", "protocol.version=1", "ls-remote", "origin"], &["ls-remote>"]);
        same(worlds, &["fetch", "origin"], &["fetch>", "fetch<", "sideband<", "upload-pack<"]);
        worlds.here(&["update-ref", "-d", "refs/remotes/origin/b1"]);
        same(worlds, &["fetch", "origin", "b1"], &["fetch>", "fetch<"]);
        for top in worlds.tops() {
            git(
                &top,
                &[
                    "init",
                    "-q",
                    "--bare",
                    &format!(
                        "--object-format={}",
                        git(&top.join("src"), &["rev-parse", "--show-object-format"])
                    ),
                    "dst",
                ],
            );
        }
        same(
            worlds,
            &["push", "-q", "../dst", "origin/b1:refs/heads/x"],
            &["push>", "push<", "sideband<", "receive-pack<"],
        );
        same(worlds, &["push", "-q", "../dst", ":refs/heads/x"], &["push>", "sideband<", "receive-pack<"]);
    });
}

#[test]
fn s07_traces_go_where_they_are_sent() {
    let worlds = Worlds::new("sha1");
    let here = worlds.tops()[1].join("here");
    let run = |value: &str| {
        command(Program::Ours, &here)
            .args(["ls-remote", "origin"])
            .env("GIT_TRACE_PACKET", value)
            .output()
            .unwrap()
    };
    for value in ["1", "2", "true", "TRUE"] {
        assert!(
            String::from_utf8_lossy(&run(value).stderr).contains("packet:    ls-remote< version 2"),
            "{value}"
        );
    }
    for value in ["", "0", "false"] {
        assert!(!String::from_utf8_lossy(&run(value).stderr).contains("packet:"), "{value}");
    }
    let [theirs, ours] = [Program::Git, Program::Ours].map(|program| {
        let output = command(program, &here)
            .args(["ls-remote", "origin"])
            .env("GIT_TRACE_PACKET", "relative")
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).lines().take(3).collect::<Vec<_>>().join("\n")
    });
    assert_eq!(theirs, ours);
    let script =
        format!("exec 5>fifth; GIT_TRACE_PACKET=5 {} ls-remote origin", env!("CARGO_BIN_EXE_git-core"));
    let mut shell = std::process::Command::new("sh");
    assert!(shell.arg("-c").arg(script).current_dir(&here).output().unwrap().status.success());
    assert!(std::fs::read_to_string(here.join("fifth")).unwrap().contains("ls-remote< version 2"));
}

/// Two histories that have gone their own ways from some point on, and come together now and then.
fn diverge(worlds: &Worlds) {
    worlds.fetch(&["-q"]);
    worlds.here(&["checkout", "-q", "-b", "mine", "origin/main"]);
    let mut time = 1_112_920_000;
    for top in worlds.tops() {
        let mut commit = |below: &str, count: u32| {
            for n in 0..count {
                time += 60;
                let date = format!("{time} +0000");
                let mut git = command(Program::Git, &top.join(below));
                git.args(["commit", "-q", "--allow-empty", "-m", &n.to_string()]);
                assert!(
                    git.env("GIT_COMMITTER_DATE", &date)
                        .env("GIT_AUTHOR_DATE", &date)
                        .status()
                        .unwrap()
                        .success()
                );
            }
        };
        commit("here", 20);
        git(&top.join("here"), &["checkout", "-q", "-b", "other", "HEAD~7"]);
        commit("here", 25);
        commit("src", 12);
        git(&top.join("here"), &["branch", "shared", "mine~4"]);
        git(&top.join("src"), &["fetch", "-q", "../here", "shared:taken"]);
        git(&top.join("src"), &["checkout", "-q", "taken"]);
        commit("src", 3);
        time = 1_112_920_000;
    }
}

/// Compares what is offered, and in which order. git says `done` in a request of its own, where ours says it with the
/// last haves.
fn offers(worlds: &Worlds, args: &[&str]) {
    let haves = traces(worlds, "here", args).map(|lines| {
        let mut seen = std::collections::HashSet::new();
        of(&lines, "fetch> have").into_iter().filter(|line| seen.insert(line.clone())).collect::<Vec<_>>()
    });
    assert_eq!(haves[0], haves[1], "{args:?}");
}

#[test]
fn s07_negotiators_offer_what_those_of_git_offer() {
    for algorithm in ["consecutive", "skipping", "noop", "default", "Skipping"] {
        let worlds = Worlds::new("sha1");
        diverge(&worlds);
        let algorithm = format!("fetch.negotiationAlgorithm={algorithm}");
        offers(&worlds, &["-c", &algorithm, "fetch", "origin"]);
        let top = &worlds.tops()[1];
        git(&top.join("here"), &["fsck", "--strict"]);
        assert_eq!(
            git(&top.join("here"), &["rev-parse", "origin/taken"]),
            git(&top.join("src"), &["rev-parse", "taken"])
        );
    }
    let worlds = Worlds::new("sha256");
    diverge(&worlds);
    offers(&worlds, &["-c", "feature.experimental=true", "fetch", "origin", "main"]);
    // git offers one commit more, which the server has shown by way of another.
    let args = ["fetch", "--negotiation-tip=refs/heads/oth*", "--negotiation-tip", "c1", "origin"];
    let [theirs, ours] = traces(&worlds, "here", &args).map(|lines| of(&lines, "fetch> have"));
    assert!(ours.len() > 20 && ours.iter().all(|have| theirs.contains(have)), "{theirs:#?}\n{ours:#?}");
    worlds.fetch(&["--negotiation-tip=nope", "origin"]);
    worlds.fetch(&["--negotiation-tip=nope*", "origin"]);
    worlds.here(&["config", "fetch.negotiationAlgorithm", "bogus"]);
    worlds.fetch(&[]);
}

#[test]
fn s07_negotiation_by_itself() {
    let worlds = Worlds::new("sha1");
    diverge(&worlds);
    let only = |args: &[&str]| {
        worlds.fetch_sorted(&[&["--negotiate-only"], args].concat());
    };
    // Which commits are named depends on the server; what they reach does not.
    for tips in [&["--negotiation-tip=mine"][..], &["--negotiation-tip=HEAD~3"]] {
        let found = [Program::Git, Program::Ours].map(|program| {
            let here = worlds.tops()[usize::from(program == Program::Ours)].join("here");
            let args = [&["fetch", "--negotiate-only"], tips, &["origin"]].concat();
            let text = String::from_utf8(common::output(program, &here, &args, b"")).unwrap();
            assert!(!text.is_empty());
            git(&here, &[&["merge-base", "--independent"], &text.lines().collect::<Vec<_>>()[..]].concat())
        });
        assert_eq!(found[0], found[1], "{tips:?}");
    }
    only(&["origin"]);
    only(&["--negotiation-tip=mine", "nowhere"]);
    // The server of git complains that nobody talks to it any more.
    let here = worlds.tops()[1].join("here");
    let version =
        ["-c", "protocol.version=0", "fetch", "--negotiate-only", "--negotiation-tip=mine", "origin"];
    let said = [Program::Git, Program::Ours].map(|program| {
        let output = common::run(program, &here, &version, b"");
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text.lines().filter(|line| line.starts_with("warning")).collect::<String>())
    });
    assert_eq!(said[0], said[1]);
}
