//! What a server lets be pushed, under each of git's variables, in git's words.

use super::common::{FORMATS, Program, command, git};
use super::sides::{Kind, Sides, each};

#[test]
fn s09_deny_rules_refuse_in_gits_words() {
    each(Kind::Bare, |sides| {
        sides.at_server(&["config", "receive.denyNonFastForwards", "true"]);
        sides.push(&["../dst", "main"]);
        let said = sides.push(&["-f", "../dst", "c1:main"]);
        assert!(said.contains("error: denying non-fast-forward refs/heads/main"), "{said}");
        sides.at_server(&["config", "receive.denyDeletes", "true"]);
        sides.push(&["../dst", ":other", ":main", "c1:refs/tags/t"]);
        sides.push(&["../dst", ":refs/tags/t"]);
        sides.at_server(&["config", "receive.denyDeletes", "false"]);
        let said = sides.push(&["../dst", ":main", ":other"]);
        assert!(said.contains("To squelch this message, you can set it to 'refuse'."), "{said}");
        for value in ["refuse", "warn", "ignore"] {
            sides.at_server(&["config", "receive.denyDeleteCurrent", value]);
            sides.push(&["../dst", ":main"]);
            sides.push(&["../dst", "c3:refs/heads/main"]);
        }
        sides.push(&["../dst", ":refs/heads/absent", "main:more"]);
        sides.push(&["../dst", "main:refs/heads/more/below"]);
        sides.push(&["../dst", "main:refs/funny"]);
        sides.push(&["../dst", "c1^{tree}:refs/heads/tree"]);
        sides.push(&["--atomic", "../dst", "main:fine", "main:refs/heads/more/below"]);
    });
}

#[test]
fn s09_a_branch_that_is_checked_out_is_guarded() {
    each(Kind::WithTree, |sides| {
        let said = sides.push(&["../dst", "main", "main:free"]);
        assert!(
            said.contains("remote: By default, updating the current branch") || said.contains("is denied"),
            "{said}"
        );
        sides.push(&["../dst", ":main"]);
        for value in ["refuse", "warn", "ignore"] {
            sides.at_server(&["config", "receive.denyCurrentBranch", value]);
            sides.push(&["../dst", "main"]);
            sides.push(&["-f", "../dst", "c2:main"]);
        }
    });
    each(Kind::Bare, |sides| {
        // A linked working tree counts, too.
        sides.at_server(&["worktree", "add", "-q", "../linked", "other"]);
        let said = sides.push(&["../dst", "main:other", "main"]);
        assert!(said.contains("(branch is currently checked out)"), "{said}");
    });
}

#[test]
fn s09_update_instead_brings_the_files_along_and_loses_nothing() {
    each(Kind::WithTree, |sides| {
        let write = |name: &str, text: &str| {
            for dst in sides.servers() {
                std::fs::write(dst.join(name), text).unwrap();
            }
        };
        let remove = |name: &str| {
            for dst in sides.servers() {
                std::fs::remove_file(dst.join(name)).unwrap();
            }
        };
        sides.at_server(&["config", "receive.denyCurrentBranch", "updateInstead"]);
        sides.push(&["../dst", "c2:main"]);
        sides.push(&["../dst", "with-more:main"]);
        sides.push(&["-f", "../dst", "c2:main"]);
        write("f", "changed\n");
        let said = sides.push(&["../dst", "main"]);
        assert!(said.contains("(Working directory has unstaged changes)"), "{said}");
        sides.at_server(&["add", "f"]);
        let said = sides.push(&["../dst", "main"]);
        assert!(said.contains("(Working directory has staged changes)"), "{said}");
        sides.at_server(&["reset", "-q", "--hard"]);
        // Written anew with what it held: no change.
        write("f", "2\n");
        write("unrelated", "stays\n");
        sides.push(&["../dst", "main"]);
        // In the place of a file that comes.
        write("more", "precious\n");
        let said = sides.push(&["-f", "../dst", "with-more:main"]);
        assert!(said.contains("would be overwritten by merge"), "{said}");
        remove("more");
        remove("f");
        sides.push(&["-f", "../dst", "with-more:main"]);
        sides.at_server(&["checkout", "f"]);
        sides.push(&["-f", "../dst", "with-more:main"]);
        sides.push(&["../dst", ":main"]);
        sides.at_server(&["diff", "--quiet", "HEAD"]);
        // The hook takes the place of all that.
        sides.hook(
            "push-to-checkout",
            r#"echo "$1 $GIT_WORK_TREE" >"$GIT_DIR/told"; git read-tree -u -m HEAD $1"#,
        );
        sides.push(&["-f", "../dst", "main"]);
        sides.same_file("told");
        sides.hook("push-to-checkout", "exit 1");
        let said = sides.push(&["-f", "../dst", "c1:main"]);
        assert!(said.contains("(push-to-checkout hook declined)"), "{said}");
    });
    // Into a branch that is yet to be born.
    for format in FORMATS {
        let sides = Sides::new(Kind::WithTree, format);
        sides.at_server(&["config", "receive.denyCurrentBranch", "updateInstead"]);
        sides.at_server(&["checkout", "-q", "--orphan", "fresh"]);
        sides.at_server(&["rm", "-q", "-rf", "."]);
        sides.push(&["../dst", "main:refs/heads/fresh"]);
        for dst in sides.servers() {
            assert_eq!(std::fs::read_to_string(dst.join("f")).unwrap(), "3\n");
        }
    }
}

#[test]
fn s09_hidden_refs_are_neither_shown_nor_changed() {
    each(Kind::Bare, |sides| {
        sides.at_server(&["config", "transfer.hideRefs", "refs/heads/other"]);
        for pushed in [&["../dst", "main:refs/heads/other"][..], &["../dst", ":refs/heads/other", "main"]] {
            let said = sides.push(pushed);
            assert!(said.contains("a hidden ref)"), "{said}");
        }
        let listed = || {
            let said: Vec<_> = [(Program::Git, "upload-pack"), (Program::Ours, "upload-pack")]
                .into_iter()
                .zip(sides.servers())
                .flat_map(|((program, _), dst)| {
                    ["0", "2"].map(|version| {
                        let mut list = command(Program::Git, dst.parent().unwrap());
                        list.args(["-c", &format!("protocol.version={version}"), "ls-remote"]);
                        if program == Program::Ours {
                            list.arg(format!("--upload-pack={} upload-pack", env!("CARGO_BIN_EXE_git-core")));
                        }
                        String::from_utf8(list.arg("dst").output().unwrap().stdout).unwrap()
                    })
                })
                .collect();
            assert!(said.iter().all(|one| *one == said[0]), "{said:?}");
            said[0].clone()
        };
        assert!(!listed().contains("refs/heads/other"));
        sides.at_server(&["config", "--add", "uploadpack.hideRefs", "!refs/heads/other"]);
        assert!(listed().contains("refs/heads/other"));
        sides.at_server(&["config", "--add", "transfer.hideRefs", "^refs/heads/sta"]);
        sides.at_server(&["config", "--add", "transfer.hideRefs", "refs/heads"]);
        assert!(!listed().contains("refs/heads/main"));
    });
}

#[test]
fn s09_receive_limits_and_checks_speak_as_git_does() {
    each(Kind::Bare, |sides| {
        sides.at_server(&["config", "receive.maxInputSize", "100"]);
        sides.push(&["../dst", "main"]);
        sides.at_server(&["config", "receive.unpackLimit", "1"]);
        sides.push(&["../dst", "main"]);
        sides.at_server(&["config", "--unset", "receive.maxInputSize"]);
        sides.push(&["../dst", "c2:main"]);
        for dst in sides.servers() {
            assert!(std::fs::read_dir(dst.join("objects/pack")).unwrap().count() > 0, "it was unpacked");
        }
        sides.at_server(&["config", "receive.fsckObjects", "true"]);
        let said = sides.push(&["../dst", "bad:refs/heads/bad"]);
        assert!(said.contains("error: object") && said.contains("index-pack abnormal exit"), "{said}");
        sides.at_server(&["config", "receive.unpackLimit", "100"]);
        let said = sides.push(&["../dst", "bad:refs/heads/bad"]);
        assert!(said.contains("unpack-objects abnormal exit"), "{said}");
        sides.at_server(&["config", "receive.fsck.badDate", "warn"]);
        let said = sides.push(&["../dst", "bad:refs/heads/bad"]);
        assert!(said.contains("warning: object"), "{said}");
    });
}

#[test]
fn s09_each_namespace_is_a_repository_of_its_own() {
    for format in FORMATS {
        let sides = Sides::new(Kind::Bare, format);
        let mut seen = Vec::new();
        for (at, dst) in sides.servers().iter().enumerate() {
            let src = dst.with_file_name("src");
            let run = |namespace: &str, args: &[&str]| {
                let mut push = command(Program::Git, &src);
                push.env("GIT_NAMESPACE", namespace).args(args);
                let output = push.output().unwrap();
                String::from_utf8_lossy(&output.stdout).into_owned()
                    + &String::from_utf8_lossy(&output.stderr)
            };
            let (receive, upload) = match at {
                0 => {
                    ("--receive-pack=git-receive-pack".to_owned(), "--upload-pack=git-upload-pack".to_owned())
                }
                _ => {
                    let own = env!("CARGO_BIN_EXE_git-core");
                    (format!("--receive-pack={own} receive-pack"), format!("--upload-pack={own} upload-pack"))
                }
            };
            let mut said = run("a", &["push", &receive, "../dst", "main", "c1:refs/heads/one"]);
            said += &run("a/b", &["push", &receive, "../dst", "c2:refs/heads/two"]);
            said += &run("a", &["push", &receive, "../dst", ":refs/heads/one"]);
            said += &run("a", &["ls-remote", &upload, "../dst"]);
            said += &run("a/b", &["ls-remote", &upload, "../dst"]);
            said += &git(dst, &["for-each-ref"]);
            seen.push(said);
        }
        assert_eq!(seen[0], seen[1], "{format}");
        assert!(seen[0].contains("refs/namespaces/a/refs/namespaces/b/refs/heads/two"), "{}", seen[0]);
    }
}

#[test]
fn s09_what_alternates_have_is_advertised() {
    for format in FORMATS {
        let sides = Sides::new(Kind::Bare, format);
        let dst = &sides.servers()[0];
        let top = dst.parent().unwrap();
        git(top, &["clone", "-q", "--bare", "-s", "src", "borrower"]);
        let borrower = top.join("borrower");
        for name in git(&borrower, &["for-each-ref", "--format=%(refname)"]).lines() {
            git(&borrower, &["update-ref", "-d", name]);
        }
        let greeting = |program| {
            let mut server = command(program, top);
            server.args(["receive-pack", "--http-backend-info-refs", "borrower"]);
            let text = String::from_utf8(server.output().unwrap().stdout).unwrap();
            let lines = text.lines().filter(|line| line.len() > 8);
            let mut lines: Vec<_> = lines
                .map(|line| line.split('\0').next().unwrap()[4..].trim_start_matches("0000").to_owned())
                .collect();
            lines.sort();
            lines
        };
        for (key, value) in [
            ("core.compression", "1"),
            ("core.alternateRefsPrefixes", "refs/tags"),
            ("core.alternateRefsCommand", r#"git --git-dir="$1" rev-parse refs/tags/c1; :"#),
        ] {
            git(&borrower, &["config", key, value]);
            let (theirs, ours) = (greeting(Program::Git), greeting(Program::Ours));
            assert!(theirs.iter().any(|line| line.contains(".have")), "{theirs:?}");
            let haves = |lines: &[String]| {
                lines.iter().filter(|line| line.contains(" .have")).cloned().collect::<Vec<_>>()
            };
            assert_eq!(haves(&theirs), haves(&ours), "{key}");
        }
    }
}

#[test]
fn s09_files_for_dumb_transports_follow_a_push() {
    each(Kind::Bare, |sides| {
        sides.at_server(&["config", "receive.updateServerInfo", "true"]);
        sides.push(&["../dst", "main"]);
        assert!(sides.same_file("info/refs").contains("refs/heads/main"));
    });
}

#[test]
fn s09_housekeeping_follows_a_push() {
    each(Kind::Bare, |sides| {
        for (key, value) in [
            ("receive.unpackLimit", "1"),
            ("gc.autoPackLimit", "1"),
            ("gc.autoDetach", "false"),
            ("maintenance.autoDetach", "false"),
        ] {
            sides.at_server(&["config", key, value]);
        }
        let packs = || {
            sides.servers().into_iter().map(|dst| {
                let files = std::fs::read_dir(dst.join("objects/pack")).unwrap().map(Result::unwrap);
                files.filter(|file| file.path().extension().is_some_and(|end| end == "pack")).count()
            })
        };
        sides.at_server(&["config", "receive.autogc", "false"]);
        sides.push(&["../dst", "c2:main"]);
        sides.push(&["../dst", "main"]);
        assert!(packs().all(|count| count > 1), "{:?}", packs().collect::<Vec<_>>());
        sides.at_server(&["config", "receive.autogc", "true"]);
        sides.push(&["../dst", "with-more:more"]);
        assert!(packs().all(|count| count == 1), "{:?}", packs().collect::<Vec<_>>());
    });
}
