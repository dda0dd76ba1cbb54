//! `fetch-pack` beside git's: the same is printed, and the same objects are there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod remotes;

use common::{Program, git, output};
use remotes::each;

#[test]
fn s07_objects_are_fetched_without_refs() {
    each(|worlds| {
        let run = |args: &[&str]| {
            worlds.same(&[&["fetch-pack", "--no-progress"], args].concat());
            let objects = worlds.tops().into_iter().map(|top| {
                let all = ["cat-file", "--batch-all-objects", "--batch-check", "--unordered"];
                let mut lines: Vec<_> = git(&top.join("here"), &all).lines().map(str::to_owned).collect();
                lines.sort_unstable();
                lines
            });
            let objects: Vec<_> = objects.collect();
            assert_eq!(objects[0], objects[1], "{args:?}");
        };
        let id = git(&worlds.tops()[0].join("src"), &["rev-parse", "b2"]);
        run(&[]);
        run(&["../src"]);
        run(&["../src", "main"]);
        run(&["../nothing", "refs/heads/main"]);
        run(&["../src", "refs/heads/*"]);
        // Packs with the same objects need not have the same bytes.
        for (program, top) in [Program::Git, Program::Ours].into_iter().zip(worlds.tops()) {
            let args = ["fetch-pack", "--no-progress", "-k", "../src", "refs/heads/b1"];
            let text = String::from_utf8(output(program, &top.join("here"), &args, b"")).unwrap();
            let name = text.strip_prefix("keep\t").unwrap().lines().next().unwrap();
            let pack = top.join(format!("here/.git/objects/pack/pack-{name}"));
            assert!(pack.with_extension("keep").exists() && pack.with_extension("pack").exists(), "{text}");
            assert!(text.ends_with(" refs/heads/b1\n"), "{text}");
        }
        run(&["-v", "../src", "refs/heads/nope", "refs/heads/b1", "HEAD", "refs/heads/nope2"]);
        run(&["../src", &id]);
        run(&["../src", &format!("{id} refs/heads/b2")]);
        run(&["--all", "--thin", "--include-tag", "-q", "../src"]);
        run(&["--bogus", "../src"]);
        for url in ["../src", "ssh://me@host:22/a/b", "git://host:1234/x", "host:path"] {
            run(&["--diag-url", url]);
        }
    });
}

#[test]
fn s07_fetched_packs_are_as_deep_as_asked() {
    each(|worlds| {
        for depth in ["--depth=1", "--depth=2"] {
            worlds.same(&["fetch-pack", "--no-progress", depth, "../src", "refs/heads/main"]);
            let shallow = worlds
                .tops()
                .iter()
                .map(|top| std::fs::read(top.join("here/.git/shallow")).unwrap())
                .collect::<Vec<_>>();
            assert_eq!(shallow[0], shallow[1], "{depth}");
        }
    });
}
