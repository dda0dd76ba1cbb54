//! Commands that read a repository print what git prints, and end as git does.

#![allow(clippy::unwrap_used)]

#[path = "read/changed.rs"]
mod changed;
mod common;

use common::{FORMATS, Program, Repo, git, output, same, same_lines};

#[test]
fn s01_cat_file() {
    for format in FORMATS {
        let repo = Repo::small(format);
        same_lines(
            &repo.path,
            "cat-file -t HEAD
            cat-file -s HEAD
            cat-file -p HEAD
            cat-file -p HEAD^{tree}
            cat-file -p HEAD:d
            cat-file -p v1
            cat-file -e nope
            cat-file -e HEAD
            cat-file -p nope
            cat-file blob HEAD
            cat-file blob HEAD:f
            cat-file tree HEAD
            cat-file commit v1
            cat-file tag v1
            cat-file nope HEAD
            cat-file --batch-all-objects --batch-check
            cat-file --batch-all-objects --batch
            cat-file --batch-all-objects --batch-check='%(objectname) %(objectsize:disk) %(deltabase) %(rest)|%%'
            cat-file --batch-check='%(nope)'",
        );
        let null = "0".repeat(if format == "sha1" { 40 } else { 64 });
        same(&repo.path, &["cat-file", "-e", &null], b"");
        same(&repo.path, &["cat-file", "-t", &null], b"");
        let id = git(&repo.path, &["rev-parse", "HEAD:f"]);
        let names = format!("HEAD\n{id}\nHEAD:f rest of it\n{}\nnope\n{null}\n\nv2^{{}}\nHEAD:d\n", &id[..9]);
        for args in [
            &["cat-file", "--batch"][..],
            &["cat-file", "--batch", "--buffer"],
            &["cat-file", "--batch-check"],
            &["cat-file", "--batch-check=%(objecttype) %(rest)"],
            &["cat-file", "--batch=%(objectname)"],
        ] {
            same(&repo.path, args, names.as_bytes());
            // So many at once are answered by several threads, in the order of the questions.
            same(&repo.path, args, names.repeat(40).as_bytes());
        }
        same(&repo.path, &["cat-file", "--batch", "-z"], names.replace('\n', "\0").as_bytes());
        same(&repo.path, &["cat-file", "--batch-check", "-Z"], names.replace('\n', "\0").as_bytes());
        let script = b"info HEAD\ncontents HEAD:f\nflush\ninfo nope\n";
        same(&repo.path, &["cat-file", "--batch-command", "--buffer"], script);
        same(&repo.path, &["cat-file", "--batch-command"], b"info HEAD\ncontents v1\n");
        same(&repo.path, &["cat-file", "--batch-command"], b"frob HEAD\n");
        // Git does not say in which order these come.
        let sorted = |program| {
            let args = ["cat-file", "--batch-all-objects", "--batch-check", "--unordered"];
            let mut lines: Vec<_> =
                output(program, &repo.path, &args, b"").split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(Program::Git), sorted(Program::Ours));
    }
}

#[test]
#[cfg(unix)]
fn s01_cat_file_follows_links() {
    for format in FORMATS {
        let repo = Repo::empty(format);
        std::fs::create_dir_all(repo.path.join("dir/sub")).unwrap();
        std::fs::write(repo.path.join("f"), "hello\n").unwrap();
        std::fs::write(repo.path.join("dir/sub/g"), "g\n").unwrap();
        for (name, target) in [
            ("link", "f"),
            ("dir/link", "../f"),
            ("plink", "../f"),
            ("alink", "/etc/passwd"),
            ("loop1", "loop2"),
            ("loop2", "loop1"),
            ("dang", "nope"),
            ("dlink", "dir"),
            ("dd", "dlink/sub"),
            ("notd", "f/x"),
            ("dir/up", "../../out"),
            ("self", "."),
            ("dir/parent", ".."),
            ("dotdot", "dir/sub/../link"),
            ("outd", "../outdir"),
            ("trail", "dir/"),
        ] {
            std::os::unix::fs::symlink(target, repo.path.join(name)).unwrap();
        }
        git(&repo.path, &["add", "."]);
        git(&repo.path, &["commit", "-q", "-m", "links"]);
        git(&repo.path, &["tag", "-a", "-m", "t", "tg"]);
        let names = "HEAD:f\nHEAD:link\nHEAD:dir/link\nHEAD:plink\nHEAD:alink\nHEAD:alink/x\nHEAD:loop1\nHEAD:dang\n\
            HEAD:dlink\nHEAD:dlink/sub/g\nHEAD:dd/g\nHEAD:notd\nHEAD:f/x\nHEAD:f/\nHEAD:dir/up\nHEAD:self/f\n\
            HEAD:dir/parent/f\nHEAD:dotdot\nHEAD:outd/x\nHEAD:trail/sub/g\nHEAD:trail\nHEAD:nope\nHEAD:dir/nope\n\
            HEAD:\nHEAD\ntg:link\nHEAD^{tree}:link\nHEAD:dir\nHEAD:dir/\nHEAD:dir/../link\nnope:link\n\
            HEAD:link/x\nHEAD:dang/x\nHEAD:loop1/x\nHEAD:dir//link\nHEAD:/link\nHEAD:self\n";
        for mode in ["--batch", "--batch-check", "--batch-check=%(objectname) %(rest)"] {
            same(&repo.path, &["cat-file", mode, "--follow-symlinks"], names.as_bytes());
            same(
                &repo.path,
                &["cat-file", mode, "--follow-symlinks", "-Z"],
                names.replace('\n', "\0").as_bytes(),
            );
        }
        let commands: String = names.lines().map(|name| format!("info {name}\ncontents {name}\n")).collect();
        same(&repo.path, &["cat-file", "--batch-command", "--follow-symlinks"], commands.as_bytes());
        same(&repo.path, &["cat-file", "--follow-symlinks", "-p", "HEAD:link"], b"");
        git(&repo.path, &["replace", "HEAD:f", "HEAD:dir/sub/g"]);
        same(&repo.path, &["cat-file", "--batch-all-objects", "--batch"], b"");
    }
}

#[test]
fn s01_hash_object() {
    for format in FORMATS {
        let repo = Repo::small(format);
        same_lines(
            &repo.path,
            "hash-object f d/g
            hash-object -t nope f
            hash-object -t tree f
            hash-object -t commit --literally f
            hash-object nope
            hash-object d
            hash-object --stdin-paths --stdin
            hash-object -w d/g",
        );
        same(&repo.path, &["hash-object", "--stdin"], b"text\n");
        same(&repo.path, &["hash-object", "--stdin-paths"], b"f\nd/g\n");
        for (program, text) in [(Program::Git, "from git\n"), (Program::Ours, "from us\n")] {
            let id = output(program, &repo.path, &["hash-object", "-w", "--stdin"], text.as_bytes());
            let id = String::from_utf8(id).unwrap();
            assert_eq!(git(&repo.path, &["cat-file", "blob", id.trim()]), text.trim());
        }
        let large = vec![7u8; (17 << 20) + 3];
        std::fs::write(repo.path.join("large"), &large).unwrap();
        same(&repo.path, &["hash-object", "large"], b"");
        let id = output(Program::Ours, &repo.path, &["hash-object", "-w", "large"], b"");
        let id = String::from_utf8(id).unwrap();
        assert!(output(Program::Git, &repo.path, &["cat-file", "blob", id.trim()], b"") == large);
        git(&repo.path, &["fsck", "--strict"]);
    }
}

#[test]
fn s05_rev_list() {
    for format in FORMATS {
        let repo = Repo::small(format);
        same_lines(
            &repo.path,
            "rev-list HEAD
            rev-list --all
            rev-list --objects --all
            rev-list --objects v2
            rev-list --objects HEAD ^HEAD~1
            rev-list --objects HEAD~2..HEAD
            rev-list HEAD~2...side
            rev-list --objects HEAD:d
            rev-list --objects HEAD:f v1
            rev-list --objects HEAD:d HEAD
            rev-list --objects HEAD --not HEAD~2 HEAD:d
            rev-list --count --objects --all
            rev-list --count HEAD
            rev-list --disk-usage --objects --all
            rev-list --disk-usage HEAD
            rev-list --disk-usage=human HEAD
            rev-list --disk-usage=human --objects --all
            rev-list --disk-usage=si HEAD
            rev-list --objects --no-object-names --all
            rev-list --objects --no-object-names --object-names HEAD
            rev-list -2 HEAD
            rev-list -n1 --objects HEAD
            rev-list --max-count=-1 HEAD
            rev-list --skip=1 --max-count=2 HEAD
            rev-list --reverse HEAD
            rev-list --reverse -2 HEAD
            rev-list --parents HEAD
            rev-list --timestamp HEAD
            rev-list --header HEAD
            rev-list --no-walk HEAD HEAD~2
            rev-list --merges HEAD
            rev-list --no-merges --count HEAD
            rev-list --abbrev-commit HEAD
            rev-list --abbrev-commit --abbrev=10 --parents HEAD
            rev-list --branches --not --tags
            rev-list --glob='heads/s*'
            rev-list --glob=tags
            rev-list --tags='v*' --objects
            rev-list HEAD^@
            rev-list HEAD~1^!
            rev-list HEAD~1^-2
            rev-list nope
            rev-list ^nope
            rev-list
            rev-list --quiet --objects --all
            rev-list --since=1112912130 HEAD
            rev-list --until=1112912130 HEAD
            rev-list --until='2005-04-07T22:15:00Z' HEAD",
        );
        same(&repo.path, &["rev-list", "--objects", "--stdin"], b"HEAD\n--not\nHEAD~2\n");
        same(&repo.path, &["rev-list", "--stdin", "--count"], b"--all\n^v1\n");
        same(&repo.path, &["rev-list", "--stdin"], b"nope\n");
        same(&repo.path, &["rev-list", "--quiet", "--objects", "--stdin", "--not", "--all"], b"HEAD\n");
        let missing = "1".repeat(if format == "sha1" { 40 } else { 64 });
        same(&repo.path, &["rev-list", "--objects", &missing], b"");
        same(&repo.path, &["rev-list", "--ignore-missing", "HEAD", &missing], b"");
        let empty = Repo::empty(format);
        same_lines(
            &empty.path,
            "rev-list --all\nrev-list HEAD\nrev-list --objects --all --count\nfor-each-ref\nshow-ref",
        );
    }
}

#[test]
fn s05_for_each_ref_and_show_ref() {
    for format in FORMATS {
        let repo = Repo::small(format);
        for (key, value) in [
            ("remote.origin.url", "nowhere"),
            ("remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*"),
            ("branch.master.remote", "origin"),
            ("branch.master.merge", "refs/heads/master"),
        ] {
            git(&repo.path, &["config", key, value]);
        }
        let all = "%(authordate:iso)|%(taggerdate:rfc)|%(committerdate:iso-strict)|%(creatordate:short)|\
                   %(creatordate:unix)|%(creatordate:raw)|%(authoremail:trim)|%(authoremail:localpart)|\
                   %(committeremail)|%(author)|%(taggername)|%(objectname:short=5)|%(parent)|%(numparent)|\
                   %(tree:short)|%(HEAD)|%(refname:lstrip=-1)|%(refname:rstrip=1)|%(objectsize)|\
                   %(objectsize:disk)|%(deltabase)|%(type)|%(object)|%(tag)|%(upstream)|%(upstream:short)";
        same(&repo.path, &["for-each-ref", "--format", all], b"");
        let messages = "%(refname) %(objecttype) %(*objecttype) %(*objectname:short) %(*refname) [%(contents)] \
                        %(*subject)%00|%2a|%(contents:size) %(contents:subject) %(contents:body)|\
                        %(subject:sanitize) %(body)|%(contents:lines=2)|%(subject)";
        same(&repo.path, &["for-each-ref", "--format", messages], b"");
        same(&repo.path, &["for-each-ref", "--stdin"], b"refs/tags\nrefs/heads/s*\n");
        same(&repo.path, &["show-ref", "--exclude-existing"], b"x refs/heads/master\ny refs/heads/new^{}\n");
        same(&repo.path, &["show-ref", "--exclude-existing=refs/tags/"], b"refs/heads/n\nrefs/tags/n\n");
        same_lines(
            &repo.path,
            "for-each-ref
            for-each-ref --format='%(nope)'
            for-each-ref --sort=nope
            for-each-ref --points-at HEAD~3
            for-each-ref --points-at=v1
            for-each-ref 'refs/tags/*1' refs/heads/m
            for-each-ref --count=2 --sort=-refname
            for-each-ref --sort=objectname --format='%(objectname:short) %(refname:short)'
            for-each-ref --sort=-creatordate --sort=objecttype
            for-each-ref --sort=objectsize
            for-each-ref --merged HEAD~2 --format='%(refname)'
            for-each-ref --no-merged=side --format='%(refname)'
            for-each-ref --contains HEAD~2 --format='%(refname)'
            for-each-ref --no-contains HEAD~2 --format='%(refname)'
            for-each-ref --format='%(refname:foo)'
            for-each-ref --format='%(authordate:foo)'
            for-each-ref --count=0 --format='%41%%%(refname)'
            for-each-ref --merged nope
            for-each-ref --exclude=refs/tags refs
            for-each-ref --format='%(symref) %(symref:short)'
            for-each-ref refs/heads/
            for-each-ref REFS/HEADS --ignore-case
            for-each-ref 'REFS/*/M*' --ignore-case
            for-each-ref --include-root-refs
            for-each-ref --omit-empty --format='%(symref)'
            show-ref
            show-ref -d
            show-ref --head
            show-ref --head -s
            show-ref -s4
            show-ref --abbrev
            show-ref --abbrev=10 --tags
            show-ref --heads
            show-ref --branches --tags
            show-ref --tags -d
            show-ref master
            show-ref nope
            show-ref heads/master
            show-ref --verify nope
            show-ref --verify -q nope
            show-ref --verify -d refs/tags/v1
            show-ref --verify HEAD
            show-ref --exists refs/heads/nope
            show-ref --exists refs/heads/master
            show-ref --exists HEAD
            show-ref -q master",
        );
    }
}

#[test]
fn s05_rev_parse() {
    for format in FORMATS {
        let repo = Repo::small(format);
        same_lines(
            &repo.path,
            "rev-parse HEAD v1 v1^0 HEAD^{tree} HEAD:f HEAD~1 HEAD~1^2
            rev-parse v1^@ v1^! HEAD^-
            rev-parse HEAD~2..HEAD HEAD~2...side
            rev-parse --all
            rev-parse --branches --tags
            rev-parse --abbrev-ref HEAD v1 light
            rev-parse --abbrev-ref=loose refs/heads/side
            rev-parse --symbolic-full-name HEAD v1 light side
            rev-parse --symbolic HEAD v1
            rev-parse nope
            rev-parse --verify nope
            rev-parse --verify -q nope
            rev-parse --verify HEAD HEAD
            rev-parse --verify HEAD
            rev-parse --verify --default HEAD
            rev-parse f
            rev-parse -x --foo HEAD -- z
            rev-parse --default HEAD
            rev-parse --not HEAD ^v1
            rev-parse --short HEAD
            rev-parse --short=4 HEAD
            rev-parse --short=12 ^HEAD
            rev-parse --sq HEAD foo f
            rev-parse --revs-only HEAD --x --max-count=2 -4 --objects f nope
            rev-parse --no-revs HEAD --x --max-count=2 f
            rev-parse --flags HEAD --x f nope --all
            rev-parse --no-flags HEAD --x -- f
            rev-parse --show-ref-format --is-shallow-repository
            rev-parse @ @{0} HEAD@{1}
            rev-parse --git-path objects/x --git-path index --git-path refs/heads/x
            rev-parse --git-dir --absolute-git-dir --git-common-dir --git-path foo --show-prefix --show-cdup
            rev-parse --show-toplevel --is-inside-git-dir --is-inside-work-tree --is-bare-repository
            rev-parse --show-object-format
            -C d/sub rev-parse --git-dir --git-common-dir --git-path foo --show-prefix --show-cdup
            -C d/sub rev-parse --show-toplevel --is-inside-git-dir --is-inside-work-tree
            -C .git rev-parse --git-dir --git-common-dir --git-path foo --is-inside-work-tree
            -C .git rev-parse --is-inside-git-dir --show-prefix --is-bare-repository
            -C .git/refs rev-parse --git-dir --git-common-dir --git-path foo --show-prefix
            -C .git rev-parse --show-toplevel
            -C .. rev-parse HEAD
            --git-dir=.git rev-parse --git-dir --is-inside-work-tree
            --git-dir=nowhere rev-parse HEAD",
        );
        let prefix = &git(&repo.path, &["rev-parse", "HEAD"])[..6];
        same(&repo.path, &["rev-parse", &format!("--disambiguate={prefix}")], b"");
        let missing = "1".repeat(if format == "sha1" { 40 } else { 64 });
        same(&repo.path, &["rev-parse", "--verify", &missing], b"");
        same(&repo.path, &["rev-parse", "--short", &missing], b"");
    }
}

#[test]
fn s03_diff_tree() {
    for format in FORMATS {
        let repo = Repo::small(format);
        same_lines(
            &repo.path,
            "diff-tree HEAD
            diff-tree HEAD~1
            diff-tree -m HEAD~1
            diff-tree -m -p --raw HEAD~1
            diff-tree HEAD~2
            diff-tree --root HEAD~3
            diff-tree --root -r HEAD~3
            diff-tree --root -t HEAD~3
            diff-tree -z --root -p HEAD~3
            diff-tree -z -r --root HEAD~3
            diff-tree --root -p --raw -z HEAD~3
            diff-tree --root -r --raw --abbrev HEAD~3
            diff-tree --root -r --abbrev=12 HEAD~3
            diff-tree -p HEAD~3 HEAD
            diff-tree -p -U0 HEAD~3 HEAD
            diff-tree -p --full-index HEAD~3 HEAD
            diff-tree -R -p HEAD~3 HEAD
            diff-tree --name-status HEAD~3 HEAD
            diff-tree --name-only -r HEAD~3 HEAD
            diff-tree --name-only -p HEAD~3 HEAD
            diff-tree HEAD~3 HEAD -- d
            diff-tree HEAD~3 HEAD f
            diff-tree HEAD~3..HEAD
            diff-tree HEAD~3 nope
            diff-tree
            diff-tree --quiet HEAD~3
            diff-tree --quiet HEAD~2
            diff-tree --exit-code HEAD~3 HEAD
            diff-tree -s HEAD~2
            diff-tree --no-commit-id --name-only HEAD~2
            diff-tree --root HEAD~3 -- d/g
            diff-tree --root -r HEAD~3 -- d
            diff-tree --root -t HEAD~3 -- d/g
            diff-tree v1
            diff-tree --no-prefix -p HEAD~3 HEAD
            diff-tree -p --abbrev=10 HEAD~3 HEAD
            diff-tree -p --root HEAD~3
            -c core.quotePath=false diff-tree --root -r HEAD~3
            -c core.abbrev=12 diff-tree -p HEAD~3 HEAD",
        );
        let id = |name: &str| git(&repo.path, &["rev-parse", name]);
        let (head, old, tree, other) = (id("HEAD"), id("HEAD~3"), id("HEAD^{tree}"), id("HEAD~3^{tree}"));
        let lines = format!("HEAD\n{head}\n{old}\n{}\n{other} {tree}\n{head} {old}\n", id("HEAD~1"));
        same(&repo.path, &["diff-tree", "--stdin"], lines.as_bytes());
        same(&repo.path, &["diff-tree", "--stdin", "--root", "-r", "-p"], lines.as_bytes());
        same(&repo.path, &["diff-tree", "--stdin", "-z", "-m"], lines.as_bytes());
        same(&repo.path, &["diff-tree", "--stdin", "--no-commit-id", "--root"], lines.as_bytes());
    }
}
