//! Bundles and lists of bundles that are taken in before a server is asked, filtered bundles among them: what git makes
//! of them with itself is what comes of it with the program on either side.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use common::{Program, command, git, output, run};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A repository, and bundles of parts of its history beside it: `1.bundle`, `2.bundle`, `3.bundle`, each of which builds
/// on the one before.
fn world() -> tempfile::TempDir {
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    git(dir, &["init", "-q", "-b", "main", "src"]);
    let src = dir.join("src");
    for n in 1..=6 {
        std::fs::write(src.join("file"), format!("{n}\n").repeat(n * 10)).unwrap();
        git(&src, &["add", "."]);
        git(&src, &["commit", "-q", "-m", &n.to_string()]);
        match n {
            2 => drop(git(&src, &["bundle", "create", "-q", "../1.bundle", "main"])),
            4 => {
                git(&src, &["branch", "side"]);
                git(&src, &["tag", "four"]);
                git(&src, &["bundle", "create", "-q", "../2.bundle", "main", "side", "four", "^main~2"]);
            }
            5 => drop(git(&src, &["bundle", "create", "-q", "../3.bundle", "main", "^main~1"])),
            _ => {}
        }
    }
    scratch
}

fn list(dir: &Path, name: &str, head: &str, bundles: &[(&str, &str, u32)]) {
    let mut text = format!("[bundle]\n\tversion = 1\n{head}");
    for (id, uri, token) in bundles {
        text.push_str(&format!("[bundle \"{id}\"]\n\turi = {uri}\n\tcreationToken = {token}\n"));
    }
    std::fs::write(dir.join(name), text).unwrap();
}

/// What became of a clone: its refs, what it remembers of bundles, how many objects a fetch would have had to bring.
fn state(repo: &Path) -> String {
    let refs = git(repo, &["for-each-ref", "--format=%(objectname) %(refname) %(symref)"]);
    let config = run(Program::Git, repo, &["config", "--get-regexp", "^fetch\\."], b"");
    let sound = run(Program::Git, repo, &["fsck", "--full", "--strict"], b"");
    format!("{refs}\n{}\nsound: {}", String::from_utf8_lossy(&config.stdout), sound.status.success())
}

/// Clones with each program on either side; all are to end as git does with itself.
fn clones_agree(dir: &Path, before: &[&str], more: &[&str]) -> String {
    let mut first = None;
    for (nth, (client, server)) in [
        (Program::Git, Program::Git),
        (Program::Ours, Program::Git),
        (Program::Git, Program::Ours),
        (Program::Ours, Program::Ours),
    ]
    .into_iter()
    .enumerate()
    {
        let target = format!("clone{nth}");
        let _ = std::fs::remove_dir_all(dir.join(&target));
        let upload = match server {
            Program::Git => "git-upload-pack".to_owned(),
            Program::Ours => format!("{} upload-pack", env!("CARGO_BIN_EXE_git-core")),
        };
        let url = format!("ssh://host{}", dir.join("src").display());
        let ssh = "core.sshCommand=f() { for last; do :; done; exec sh -c \"$last\"; }; f";
        let args: Vec<&str> = ["-c", ssh, "-c", "ssh.variant=ssh"]
            .iter()
            .chain(before)
            .copied()
            .chain(["clone", "-u", &upload])
            .chain(more.iter().copied())
            .chain([url.as_str(), target.as_str()])
            .collect();
        let done = run(client, dir, &args, b"");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{client:?} {server:?} {more:?}: {said}");
        // git also says what could not be had of a list of which something else was.
        let counts = |line: &&str| line.starts_with("warning:") && !line.contains("failed to download");
        let warned: Vec<&str> = said.lines().filter(counts).collect();
        let state = format!("{}\n{}", state(&dir.join(&target)), warned.join("\n"));
        match &first {
            None => first = Some(state),
            Some(expected) => assert_eq!(&state, expected, "{client:?} {server:?} {more:?}"),
        }
    }
    first.unwrap()
}

#[test]
fn clones_take_bundles_in_first() {
    let scratch = world();
    let dir = scratch.path();
    let all = [("one", "1.bundle", 1), ("two", "2.bundle", 2), ("three", "3.bundle", 3)];
    list(dir, "tokens", "\tmode = all\n\theuristic = creationToken\n", &all);
    list(dir, "all", "\tmode = all\n", &[all[2], all[0], all[1]]);
    list(dir, "any", "\tmode = any\n", &[("gone", "nosuch", 1), all[0]]);
    list(dir, "nested", "\tmode = all\n", &[("inner", "all", 1)]);
    for (what, expected) in [
        ("1.bundle", "refs/bundles/main"),
        ("tokens", "fetch.bundlecreationtoken 3"),
        ("all", "refs/bundles/side"),
        ("any", "refs/bundles/main"),
    ] {
        for form in [dir.join(what).display().to_string(), format!("file://{}", dir.join(what).display())] {
            let state = clones_agree(dir, &[], &[&format!("--bundle-uri={form}")]);
            assert!(state.contains(expected), "{form}: {state}");
        }
    }
    // git gives up earlier on lists within lists; those that never end are given up here, too.
    let clone = |uri: &str, target: &str| {
        let uri = format!("--bundle-uri={}", dir.join(uri).display());
        let url = format!("file://{}", dir.join("src").display());
        let done = run(Program::Ours, dir, &["clone", &uri, &url, target], b"");
        assert!(done.status.success());
        (state(&dir.join(target)), String::from_utf8_lossy(&done.stderr).into_owned())
    };
    assert!(clone("nested", "nested-clone").0.contains("refs/bundles/side"));
    list(dir, "endless", "\tmode = all\n", &[("again", "endless", 1)]);
    let (endless, said) = clone("endless", "endless-clone");
    assert!(!endless.contains("refs/bundles"));
    assert!(said.contains("exceeded bundle URI recursion limit (4)"), "{said}");
    // What is of no use is said, and the clone comes from the server.
    let state = clones_agree(dir, &[], &["--bundle-uri=/nonexistent"]);
    assert!(state.contains("failed to fetch objects from bundle URI '/nonexistent'"), "{state}");
    // A bundle that builds on what is not here is passed over.
    let lacking = format!("--bundle-uri={}", dir.join("3.bundle").display());
    assert!(!clones_agree(dir, &[], &[&lacking]).contains("refs/bundles"));
    let depth = run(Program::Ours, dir, &["clone", "--depth=1", &lacking, "src", "x"], b"");
    assert_eq!(depth.status.code(), Some(128));
}

#[test]
fn servers_tell_of_bundles_to_who_asks() {
    let scratch = world();
    let dir = scratch.path();
    let src = dir.join("src");
    let one = dir.join("1.bundle").display().to_string();
    for (key, value) in [
        ("uploadpack.advertiseBundleURIs", "true"),
        ("bundle.version", "1"),
        ("bundle.mode", "all"),
        ("bundle.heuristic", "creationToken"),
        ("bundle.one.uri", &format!("file://{one}")),
        ("bundle.one.creationToken", "1"),
        ("bundle.two.uri", &format!("file://{}", dir.join("2.bundle").display())),
        ("bundle.two.creationToken", "2"),
    ] {
        git(&src, &["config", key, value]);
    }
    let state = clones_agree(dir, &["-c", "transfer.bundleURI=true"], &[]);
    assert!(state.contains("refs/bundles/side") && state.contains("bundlecreationtoken 2"), "{state}");
    assert!(!clones_agree(dir, &[], &[]).contains("refs/bundles"));
    git(&src, &["config", "bundle.version", "2"]);
    let run = run(Program::Ours, dir, &["-c", "transfer.bundleURI=true", "clone", "src", "other"], b"");
    assert!(run.status.success());
}

/// A web server for files; ends with the process. What was asked for is noted.
fn web(root: PathBuf) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = asked.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            let _ = reader.read_line(&mut line);
            let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).unwrap_or(0) <= 2 {
                    break;
                }
            }
            notes.lock().unwrap().push(path.clone());
            let moved = path.strip_prefix("/moved/");
            let answer = match (moved, std::fs::read(root.join(path.trim_start_matches('/')))) {
                (Some(to), _) => format!("HTTP/1.1 302 Found\r\nLocation: /{to}\r\nContent-Length: 0\r\n"),
                (None, Ok(body)) => {
                    let _ = stream.write_all(
                        format!(
                            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                            body.len()
                        )
                        .as_bytes(),
                    );
                    let _ = stream.write_all(&body);
                    continue;
                }
                (None, Err(_)) => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n".to_owned(),
            };
            let _ = stream.write_all(format!("{answer}Connection: close\r\n\r\n").as_bytes());
        }
    });
    (port, asked)
}

#[test]
fn bundles_come_from_the_web() {
    let scratch = world();
    let dir = scratch.path();
    let (port, asked) = web(dir.to_owned());
    let tokens = [("one", "1.bundle", 1), ("two", "/moved/2.bundle", 2)];
    list(dir, "list", "\tmode = all\n\theuristic = creationToken\n", &tokens);
    let url = format!("file://{}", dir.join("src").display());
    let uri = format!("--bundle-uri=http://127.0.0.1:{port}/list");
    output(Program::Ours, dir, &["clone", "-q", &uri, &url, "clone"], b"");
    let clone = dir.join("clone");
    let first = state(&clone);
    assert!(first.contains("refs/bundles/side") && first.contains("sound: true"), "{first}");
    assert!(first.contains(&format!("fetch.bundleuri http://127.0.0.1:{port}/list")), "{first}");
    assert_eq!(
        *asked.lock().unwrap(),
        ["/list", "/moved/2.bundle", "/2.bundle", "/1.bundle"],
        "the newest first"
    );
    // A later fetch takes only what is new.
    asked.lock().unwrap().clear();
    list(
        dir,
        "list",
        "\tmode = all\n\theuristic = creationToken\n",
        &[tokens[0], tokens[1], ("three", "3.bundle", 3)],
    );
    output(Program::Ours, &clone, &["fetch", "-q"], b"");
    assert_eq!(*asked.lock().unwrap(), ["/list", "/3.bundle"]);
    assert_eq!(
        git(&clone, &["rev-parse", "refs/bundles/main"]),
        git(&dir.join("src"), &["rev-parse", "main~1"])
    );
    assert!(state(&clone).contains("bundlecreationtoken 3"));
    // From the web, no list leads to files of this machine.
    let file = format!("file://{}", dir.join("1.bundle").display());
    list(dir, "sly", "\tmode = all\n", &[("one", &file, 1)]);
    let sly = format!("--bundle-uri=http://127.0.0.1:{port}/sly");
    let done = run(Program::Ours, dir, &["clone", &sly, &url, "wary"], b"");
    assert!(done.status.success());
    assert!(!state(&dir.join("wary")).contains("refs/bundles"));
    let gone = format!("--bundle-uri=http://127.0.0.1:{port}/nosuch");
    let done = run(Program::Ours, dir, &["clone", &gone, &url, "gone"], b"");
    assert!(String::from_utf8_lossy(&done.stderr).contains("failed to fetch objects from bundle URI"));
}

#[test]
fn filtered_bundles_are_made_and_read() {
    let scratch = world();
    let dir = scratch.path();
    let src = dir.join("src");
    std::fs::create_dir(src.join("d")).unwrap();
    std::fs::write(src.join("d/large"), "x".repeat(5000)).unwrap();
    git(&src, &["add", "."]);
    git(&src, &["commit", "-q", "-m", "more"]);
    let pack = |path: &Path| {
        let mut bytes = Vec::new();
        std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        let at = bytes.windows(6).position(|window| window == b"\n\nPACK").unwrap() + 2;
        let count = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        (String::from_utf8_lossy(&bytes[..at]).into_owned(), count)
    };
    for arguments in [
        "--filter=blob:none main",
        "--filter=blob:limit=1k --all",
        "--filter=tree:1 main",
        "--filter=combine:blob:none+tree:2 --all",
        "--filter=blob:none --filter=tree:3 main",
        "--filter=object:type=commit main",
        "--filter=blob:none main~2..main",
        "main --filter=blob:none",
        "--filter=blob:none --no-filter main",
    ] {
        let mut made = Vec::new();
        for (program, name) in [(Program::Git, "theirs"), (Program::Ours, "ours")] {
            let args =
                [&["bundle", "create", "-q", name], &arguments.split(' ').collect::<Vec<_>>()[..]].concat();
            output(program, &src, &args, b"");
            made.push(pack(&src.join(name)));
            for reader in [Program::Git, Program::Ours] {
                let verified = run(reader, &src, &["bundle", "verify", name], b"");
                assert!(verified.status.success(), "{reader:?} {arguments}");
            }
        }
        assert_eq!(made[0], made[1], "{arguments}");
    }
    for args in ["--version=2 x --filter=blob:none main", "x --filter=bogus main"] {
        let args = [&["bundle", "create"], &args.split(' ').collect::<Vec<_>>()[..]].concat();
        let (theirs, ours) = (run(Program::Git, &src, &args, b""), run(Program::Ours, &src, &args, b""));
        assert_eq!(theirs.status.code(), ours.status.code(), "{args:?}");
        assert_eq!(
            String::from_utf8_lossy(&theirs.stderr),
            String::from_utf8_lossy(&ours.stderr),
            "{args:?}"
        );
    }
    // Taken in, what is missing is known to have been promised.
    output(Program::Git, &src, &["bundle", "create", "-q", "theirs", "--filter=blob:none", "main"], b"");
    output(Program::Ours, &src, &["bundle", "create", "-q", "ours", "--filter=blob:none", "main"], b"");
    for (program, name) in [(Program::Git, "ours"), (Program::Ours, "theirs"), (Program::Ours, "ours")] {
        let target = format!("target-{program:?}-{name}");
        git(dir, &["init", "-q", &target]);
        let target = dir.join(target);
        output(program, &target, &["bundle", "unbundle", src.join(name).to_str().unwrap()], b"");
        let promised = std::fs::read_dir(target.join(".git/objects/pack")).unwrap();
        assert!(
            promised.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "promisor")),
            "{program:?} {name}"
        );
        // Whoever clones such a bundle would have nobody to ask.
        let clone = run(program, dir, &["clone", src.join(name).to_str().unwrap(), "never"], b"");
        assert_eq!(clone.status.code(), Some(128));
        let said = String::from_utf8_lossy(&clone.stderr).into_owned();
        assert!(said.contains("fatal: cannot clone from filtered bundle"), "{said}");
        assert!(!dir.join("never").exists());
    }
    assert!(command(Program::Git, &src).args(["fsck", "--full"]).status().unwrap().success());
}
