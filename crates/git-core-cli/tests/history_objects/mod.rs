//! `rev-list --objects` and what can be left out of it.

use super::common::{FORMATS, Program, Repo, git, output, run, same, same_lines};
use std::collections::BTreeSet;

/// Directories that come again elsewhere and at another depth, tags of everything, a file that comes back.
fn nested(format: &'static str) -> Repo {
    let repo = Repo::empty(format);
    let write = |name: &str, content: &str| {
        let path = repo.path.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    };
    let commit = |message: &str| {
        git(&repo.path, &["add", "-A"]);
        git(&repo.path, &["commit", "-q", "-m", message]);
    };
    write("top", "1\n");
    write("a/x", "2\n");
    write("a/b/y", "3\n");
    write("a/b/c/z", "4\n");
    write("d/big", &"5".repeat(3000));
    write("sparse/a", "/a/\n/top\n!/a/b\n");
    write("sparse/b", "# none but these\n*\n!a/b/\n");
    write("sparse/e", "/e/\n");
    commit("one");
    git(&repo.path, &["tag", "-a", "-m", "t", "t1"]);
    git(&repo.path, &["tag", "-a", "-m", "t", "ttree", "HEAD:sparse"]);
    git(&repo.path, &["tag", "-a", "-m", "t", "tblob", "HEAD:d/big"]);
    git(&repo.path, &["tag", "-a", "-m", "t", "ttt", "t1"]);
    for (name, content) in [("e/a/x", "2\n"), ("e/a/b/y", "3\n"), ("e/a/b/c/z", "4\n"), ("e/y", "1\n")] {
        write(name, content);
    }
    std::fs::remove_file(repo.path.join("top")).unwrap();
    commit("two");
    write("top", "1\n");
    write("b/y", "3\n");
    write("b/c/z", "4\n");
    commit("three");
    repo
}

const FILTERS: [&str; 17] = [
    "blob:none",
    "blob:limit=0",
    "blob:limit=3",
    "blob:limit=2k",
    "tree:0",
    "tree:1",
    "tree:2",
    "tree:3",
    "tree:0x4",
    "object:type=commit",
    "object:type=tag",
    "object:type=tree",
    "object:type=blob",
    "sparse:oid=master:sparse/a",
    "sparse:oid=master:sparse/b",
    "sparse:oid=master:sparse/e",
    "combine:tree:1+blob%3Anone",
];

const TIPS: [&[&str]; 9] = [
    &["master"],
    &["--all"],
    &["master", "--not", "master~"],
    &["ttt", "tblob", "ttree"],
    &["master:a"],
    &["master:top", "master:sparse", "master:d"],
    &["ttt", "--not", "ttree"],
    &["--max-count=1", "master"],
    &["--boundary", "master~..master"],
];

/// git lists a tree once more when it comes to it again at a lesser depth.
const LISTED_TWICE: [&str; 2] = ["tree:3", "tree:0x4"];

fn ids(program: Program, repo: &Repo, args: &[&str]) -> BTreeSet<String> {
    let lines = String::from_utf8(output(program, &repo.path, args, b"")).unwrap();
    lines.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn s04_filters_leave_out_what_git_leaves_out() {
    for format in FORMATS {
        let repo = nested(format);
        for packed in [false, true] {
            if packed {
                git(&repo.path, &["repack", "-adq", "--write-bitmap-index"]);
            }
            // Where the objects lie makes no difference to most of it.
            let (filters, tips) =
                if packed { (&FILTERS[..8], &TIPS[..3]) } else { (&FILTERS[..], &TIPS[..]) };
            for filter in filters {
                let filter = format!("--filter={filter}");
                for tips in tips {
                    let list = [&["rev-list", "--objects", &filter], *tips].concat();
                    if LISTED_TWICE.iter().any(|other| filter.ends_with(other)) {
                        assert_eq!(
                            ids(Program::Git, &repo, &list),
                            ids(Program::Ours, &repo, &list),
                            "{list:?}"
                        );
                        continue;
                    }
                    same(&repo.path, &list, b"");
                    same(&repo.path, &[&["rev-list", "--count", "--objects", &filter], *tips].concat(), b"");
                    let given = ["rev-list", "--objects", &filter, "--filter-provided-objects"];
                    same(&repo.path, &[&given[..], *tips].concat(), b"");
                    let ordered = ["rev-list", "--objects", "--in-commit-order", &filter];
                    same(&repo.path, &[&ordered[..], *tips].concat(), b"");
                }
                if LISTED_TWICE.iter().any(|other| filter.ends_with(other)) {
                    continue;
                }
                let bitmap = ["rev-list", "--count", "--objects", "--use-bitmap-index", &filter, "--all"];
                same(&repo.path, &bitmap, b"");
            }
        }
        same_lines(
            &repo.path,
            "rev-list --objects --filter=tree:1 --filter=object:type=blob --all
             rev-list --objects --filter=combine:combine:blob:none%2btree%3a1+object:type=tree --all
             rev-list --objects --filter=blob:none --no-filter --all
             rev-list --objects --in-commit-order --all
             rev-list --objects --in-commit-order master:a ttt master tblob
             rev-list --objects --in-commit-order --boundary master~..master
             rev-list --objects --in-commit-order --reverse --count --all
             rev-list --filter=blob:none --all
             rev-list --filter-print-omitted --all
             rev-list --objects --filter= --all
             rev-list --objects --filter=tree:x --all
             rev-list --objects --filter=tree:-1 --all
             rev-list --objects --filter=blob:limit=1t --all
             rev-list --objects --filter=sparse:path=x --all
             rev-list --objects --filter=sparse:oid=nope --all
             rev-list --objects --filter=sparse:oid=master --all
             rev-list --objects --filter=object:type=x --all
             rev-list --objects --filter=combine: --all
             rev-list --objects --filter=combine:tree:1+ --all
             rev-list --objects --filter=combine:+tree:1 --all
             rev-list --objects '--filter=combine:tree: 1' --all",
        );
    }
}

#[test]
fn s04_what_a_filter_leaves_out_can_be_listed() {
    for format in FORMATS {
        let repo = nested(format);
        // Alone, so that a name is left out for one reason.
        for filter in FILTERS {
            let filter = format!("--filter={filter}");
            for tips in TIPS {
                let args = [&["rev-list", "--objects", "--filter-print-omitted", &filter], tips].concat();
                let (theirs, ours) = (ids(Program::Git, &repo, &args), ids(Program::Ours, &repo, &args));
                assert_eq!(theirs, ours, "{args:?}");
            }
        }
        let args =
            ["rev-list", "--objects", "--count", "--filter-print-omitted", "--filter=blob:none", "--all"];
        assert_eq!(ids(Program::Git, &repo, &args), ids(Program::Ours, &repo, &args));
    }
}

#[test]
fn s04_packs_are_filtered_as_git_filters_them() {
    for format in FORMATS {
        let repo = nested(format);
        for filter in FILTERS {
            let filter = format!("--filter={filter}");
            for input in ["master\n", "ttt\nmaster:d\nttree\n", "master\n--not\nmaster~\n"] {
                let list = |program| {
                    let args =
                        ["-c", "pack.useSparse=false", "pack-objects", "--revs", "--stdout", "-q", &filter];
                    let pack = output(program, &repo.path, &args, input.as_bytes());
                    let (scratch, args) = (Repo::empty(format), ["index-pack", "--stdin", "--fix-thin"]);
                    let indexed = run(Program::Git, &scratch.path, &args, &pack);
                    assert!(indexed.status.success(), "{filter} {input:?}");
                    let args = ["cat-file", "--batch-all-objects", "--batch-check"];
                    String::from_utf8(output(Program::Git, &scratch.path, &args, b"")).unwrap()
                };
                assert_eq!(list(Program::Git), list(Program::Ours), "{filter} {input:?}");
            }
        }
    }
}

#[test]
fn s04_bitmaps_answer_listings() {
    for format in FORMATS {
        let repo = nested(format);
        git(&repo.path, &["repack", "-adq", "--write-bitmap-index"]);
        std::fs::write(repo.path.join("more"), "6\n").unwrap();
        git(&repo.path, &["add", "-A"]);
        git(&repo.path, &["commit", "-q", "-m", "four"]);
        git(&repo.path, &["tag", "-a", "-m", "t", "later"]);
        same_lines(
            &repo.path,
            "rev-list --use-bitmap-index --objects --all
             rev-list --use-bitmap-index --objects --no-object-names --all
             rev-list --use-bitmap-index --all
             rev-list --use-bitmap-index --count --all
             rev-list --use-bitmap-index --objects master --not master~
             rev-list --use-bitmap-index --objects master~ --not master~2
             rev-list --use-bitmap-index --objects master~2 --not master
             rev-list --use-bitmap-index --objects --count master~ --not master~2
             rev-list --use-bitmap-index master~ --not ttt
             rev-list --use-bitmap-index --objects master:a
             rev-list --use-bitmap-index --objects --max-count=1 master
             rev-list --use-bitmap-index --objects --filter=blob:none --all
             rev-list --use-bitmap-index --objects --filter=tree:1 --all
             rev-list --use-bitmap-index --objects --filter=object:type=tag --all
             rev-list --use-bitmap-index --objects --disk-usage --all
             rev-list --unpacked --objects --all
             rev-list --unpacked --all
             rev-list --unpacked --count --all
             rev-list --unpacked --objects --count --all",
        );
    }
}

#[test]
fn s04_what_is_missing_is_told_of() {
    for format in FORMATS {
        let repo = nested(format);
        let lose = |name: &str| {
            let id = git(&repo.path, &["rev-parse", name]);
            std::fs::remove_file(repo.path.join(".git/objects").join(&id[..2]).join(&id[2..])).unwrap();
        };
        let compare = || {
            for action in ["allow-any", "print"] {
                let missing = format!("--missing={action}");
                for options in [
                    &["--objects"][..],
                    &["--objects", "--in-commit-order"],
                    &["--objects", "--filter=blob:none"],
                    &["--objects", "--filter=tree:1"],
                    &["--objects", "--count"],
                    &["--objects", "--quiet"],
                    &[],
                ] {
                    let args = [&["rev-list", &missing, "master"], options].concat();
                    assert_eq!(ids(Program::Git, &repo, &args), ids(Program::Ours, &repo, &args), "{args:?}");
                }
            }
            same(&repo.path, &["rev-list", "--objects", "--missing=error", "master~2"], b"");
        };
        lose("master:d/big");
        compare();
        lose("master:a");
        compare();
        lose("master~");
        compare();
    }
}

/// Long enough for trees to be read ahead by several threads.
#[test]
fn s04_long_histories_are_listed_in_the_order_of_git() {
    use std::fmt::Write as _;
    for format in FORMATS {
        let repo = Repo::empty(format);
        let mut stream = String::new();
        for n in 1..=1500u32 {
            let time = 1_000_000_000 + n * 10;
            writeln!(
                stream,
                "commit refs/heads/master\nmark :{n}\ncommitter C <c@e> {time} +0000\ndata 1\nx"
            )
            .unwrap();
            if n > 1 {
                writeln!(stream, "from :{}", n - 1).unwrap();
            }
            let dice = n.wrapping_mul(2_654_435_761) >> 8;
            for (path, text) in [
                (format!("d{}/e{}/f{}", dice % 7, dice % 5, dice % 11), dice % 40),
                (format!("g{}/h", dice % 13), dice % 23),
                (format!("d{}/e{}", dice % 7, dice % 9 + 5), dice % 40),
            ] {
                let text = format!("text {text}\n");
                write!(stream, "M 100644 inline {path}\ndata {}\n{text}", text.len()).unwrap();
            }
        }
        output(Program::Git, &repo.path, &["fast-import", "--quiet"], stream.as_bytes());
        git(&repo.path, &["repack", "-adq"]);
        same_lines(
            &repo.path,
            "rev-list --objects master
             rev-list --objects master --not master~1100
             rev-list --objects --reverse master
             rev-list --objects --filter=blob:none master
             rev-list --objects --filter=object:type=blob master
             rev-list --objects --no-object-names master master~700:d1",
        );
    }
}
