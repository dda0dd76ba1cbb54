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
            for filter in FILTERS {
                let filter = format!("--filter={filter}");
                for tips in TIPS {
                    let list = [&["rev-list", "--objects", &filter], tips].concat();
                    if LISTED_TWICE.iter().any(|other| filter.ends_with(other)) {
                        assert_eq!(
                            ids(Program::Git, &repo, &list),
                            ids(Program::Ours, &repo, &list),
                            "{list:?}"
                        );
                        continue;
                    }
                    same(&repo.path, &list, b"");
                    same(&repo.path, &[&["rev-list", "--count", "--objects", &filter], tips].concat(), b"");
                    let given = ["rev-list", "--objects", &filter, "--filter-provided-objects"];
                    same(&repo.path, &[&given[..], tips].concat(), b"");
                    let ordered = ["rev-list", "--objects", "--in-commit-order", &filter];
                    same(&repo.path, &[&ordered[..], tips].concat(), b"");
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
