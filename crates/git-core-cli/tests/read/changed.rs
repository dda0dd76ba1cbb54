//! `cat-file --filters`, `--textconv` and `--use-mailmap`, beside git.

use crate::common::{FORMATS, Program, Repo, git, output, run, same, same_lines};

/// Files with attributes of all kinds, and people with other names.
fn prepared(format: &'static str) -> Repo {
    let repo = Repo::empty(format);
    let write = |name: &str, content: &str| std::fs::write(repo.path.join(name), content).unwrap();
    std::fs::create_dir(repo.path.join("d")).unwrap();
    for (name, content) in [
        ("x.txt", "a\nb\n$Id$\n"),
        ("d/y.txt", "a\nb\n$Id$\n"),
        ("z.bin", "bin\0"),
        ("f.up", "up\n"),
        ("it's.up", "quoted\n"),
        ("f.bad", "bad\n"),
        ("f.req", "req\n"),
        ("f.opt", "opt\n"),
        (".gitattributes", "*.txt text eol=crlf ident diff=up\n*.up filter=up diff=up\n"),
        (
            ".mailmap",
            "# names\nProper Name <proper@x> <author@example.com>\n<new@x> C O Mitter <committer@example.com>\n",
        ),
    ] {
        write(name, content);
    }
    let more = "*.bad diff=bad\n*.req filter=req\n*.opt filter=opt\n";
    std::fs::write(repo.path.join(".git/info/attributes"), more).unwrap();
    std::os::unix::fs::symlink("x.txt", repo.path.join("link.txt")).unwrap();
    git(&repo.path, &["-c", "core.safecrlf=false", "add", "."]);
    git(&repo.path, &["commit", "-q", "-m", "one\n\nauthor A U Thor <author@example.com> 1 +0000"]);
    git(&repo.path, &["tag", "-a", "-m", "tag", "v1"]);
    for (name, value) in [
        ("filter.up.smudge", "tr a-z A-Z; echo %f"),
        ("filter.req.smudge", "false"),
        ("filter.req.required", "true"),
        ("filter.opt.smudge", "false"),
        ("diff.up.textconv", "tr a-z A-Z <"),
        ("diff.bad.textconv", "false"),
    ] {
        git(&repo.path, &["config", name, value]);
    }
    repo
}

#[test]
fn s01_cat_file_changes_what_it_shows() {
    for format in FORMATS {
        let repo = prepared(format);
        let lines = "cat-file --filters HEAD:x.txt
            cat-file --filters HEAD:d/y.txt
            cat-file --textconv HEAD:x.txt
            cat-file --textconv HEAD:d/y.txt
            cat-file --filters HEAD:f.up
            cat-file --textconv HEAD:f.up
            cat-file --filters --path=f.up HEAD:x.txt
            cat-file --path=d/y.txt --filters HEAD:z.bin
            cat-file --filters --path x.txt HEAD:f.up
            cat-file --filters --path=x.txt --no-path HEAD:f.up
            cat-file --textconv HEAD:f.bad
            cat-file --textconv HEAD:z.bin
            cat-file --filters HEAD:z.bin
            cat-file --filters HEAD:f.req
            cat-file --filters HEAD:f.opt
            cat-file --filters HEAD:link.txt
            cat-file --textconv HEAD:link.txt
            cat-file --filters HEAD
            cat-file --textconv v1
            cat-file --textconv HEAD:
            cat-file --textconv HEAD:d
            cat-file --filters --path=x.txt HEAD
            cat-file --filters HEAD:nope
            cat-file --filters nope
            cat-file --path=x.txt blob HEAD:x.txt
            cat-file --path=x.txt --batch
            cat-file --filters --textconv HEAD:x.txt
            cat-file --filters -p HEAD:x.txt
            cat-file -e --textconv HEAD:x.txt
            cat-file --filters
            cat-file --filters a b
            cat-file --batch --batch-all-objects --filters
            cat-file --use-mailmap commit HEAD
            cat-file --use-mailmap -p HEAD
            cat-file --mailmap -s HEAD
            cat-file --use-mailmap tag v1
            cat-file --use-mailmap commit v1
            cat-file --use-mailmap -t v1
            cat-file --use-mailmap -p HEAD:x.txt
            cat-file --use-mailmap -s HEAD:x.txt
            cat-file --no-use-mailmap commit HEAD
            cat-file --use-mailmap --no-mailmap commit HEAD
            -c mailmap.blob=HEAD:.mailmap cat-file --use-mailmap commit HEAD
            -c mailmap.file=nope cat-file --use-mailmap commit HEAD";
        same_lines(&repo.path, lines);
        let named = std::fs::read_to_string(repo.path.join(".mailmap")).unwrap();
        std::fs::write(repo.path.join(".git/names"), "Another <author@example.com>\n").unwrap();
        same(&repo.path, &["-c", "mailmap.file=.git/names", "cat-file", "--use-mailmap", "-p", "HEAD"], b"");
        assert!(!named.is_empty());
        same(&repo.path.join("d"), &["cat-file", "--filters", "--path=y.txt", "HEAD:x.txt"], b"");
        // Each of them is said as git says it.
        for args in [
            &["cat-file", "--filters", "HEAD"][..],
            &["cat-file", "--textconv", "HEAD:f.bad"],
            &["cat-file", "--filters", "--textconv", "HEAD:x.txt"],
        ] {
            let said =
                [Program::Git, Program::Ours].map(|program| run(program, &repo.path, args, b"").stderr);
            assert_eq!(said[1], said[0], "{args:?}");
        }
        let bare = repo.path.parent().unwrap().join("bare.git");
        git(&repo.path, &["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
        same_lines(&bare, "cat-file --filters HEAD:x.txt\ncat-file --use-mailmap commit HEAD");
        // It changes something.
        let shown = output(Program::Ours, &repo.path, &["cat-file", "--filters", "HEAD:x.txt"], b"");
        assert!(shown.starts_with(b"a\r\nb\r\n$Id: "));
    }
}

#[test]
fn s01_cat_file_changes_many() {
    for format in FORMATS {
        let repo = prepared(format);
        let id = git(&repo.path, &["rev-parse", "HEAD:x.txt"]);
        let names =
            format!("{id} x.txt\n{id} f.up\nHEAD:z.bin z.bin\nnope x\nHEAD x\n{id} it's.up\n{id} d/y.txt\n");
        for args in [
            &["cat-file", "--batch", "--filters"][..],
            &["cat-file", "--batch", "--textconv"],
            &["cat-file", "--batch", "--textconv", "--buffer"],
            &["cat-file", "--batch=%(objectname) %(rest)", "--filters"],
            &["cat-file", "--batch-check", "--filters"],
            &["cat-file", "--batch", "--use-mailmap"],
            &["cat-file", "--batch-check", "--use-mailmap"],
            &["cat-file", "--batch", "--path=x", "--filters"],
        ] {
            same(&repo.path, args, names.as_bytes());
            same(&repo.path, args, b"HEAD\nv1\nHEAD:x.txt\n");
            same(&repo.path, args, format!("{id}\n{id} x.txt\n").as_bytes());
            same(&repo.path, args, format!("{id} f.bad\n{id} x.txt\n").as_bytes());
        }
        for args in [
            &["cat-file", "--batch-command", "--use-mailmap"][..],
            &["cat-file", "--batch-command", "--filters"],
        ] {
            same(
                &repo.path,
                args,
                format!("info HEAD\ncontents HEAD\ncontents {id} x.txt\ninfo v1\n").as_bytes(),
            );
        }
        same(&repo.path, &["cat-file", "--batch-all-objects", "--batch", "--use-mailmap"], b"");
    }
}
