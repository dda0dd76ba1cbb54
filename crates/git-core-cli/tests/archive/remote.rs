//! Archives from other repositories, over every transport, and what is refused.

use super::{git, repo, run};
use crate::common::{FORMATS, Program, command};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const OURS: &str = env!("CARGO_BIN_EXE_git-core");

/// The server's program, whose own complaints are not to get between the lines of the client's.
fn exec(server: &str) -> String {
    format!("--exec=2>/dev/null {server} upload-archive")
}

/// What an archive command gave: its output, its exit code, and what was said, in any order.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    bytes: usize,
    hash: u64,
    code: Option<i32>,
    said: Vec<String>,
}

fn archive(client: Program, directory: &Path, before: &[&str], args: &[&str]) -> Given {
    let args = [before, &["archive"], args].concat();
    let output = run(client, directory, &args, b"");
    let text = String::from_utf8_lossy(&output.stderr).replace("git-core archive", "git archive");
    // What the server's process says for itself arrives in between or not at all.
    let mut said: Vec<String> =
        text.lines().filter(|line| !line.starts_with("fatal: sent error")).map(str::to_owned).collect();
    said.sort();
    let hash = output
        .stdout
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    Given { bytes: output.stdout.len(), hash, code: output.status.code(), said }
}

const REQUESTS: &[&str] = &[
    "HEAD",
    "master docs",
    "v3",
    "@",
    "-v --prefix=a/ HEAD docs",
    "--format=zip -0 HEAD",
    "--format=tar.xz HEAD docs",
    "--worktree-attributes HEAD",
    "--mtime=2005-04-07T22:13:13 HEAD:docs",
    "--list",
    "HEAD~1",
    "HEAD^{tree}",
    "HEAD:nosuch",
    "nosuch",
    "HEAD nosuch",
    "--format=reversed HEAD",
    "--format=nosuch HEAD",
    "--list x",
    "-7 HEAD",
    "--bogus HEAD",
    "--add-virtual-file=a:b HEAD",
];

#[test]
fn archives_come_over_a_pipe() {
    for format in FORMATS {
        let repo = repo(format);
        let dir = repo.path.parent().unwrap();
        let ssh = dir.join("ssh");
        std::fs::write(&ssh, "#!/bin/sh\nfor last; do :; done\nexec sh -c \"$last\"\n").unwrap();
        std::fs::set_permissions(&ssh, std::fs::Permissions::from_mode(0o755)).unwrap();
        let over_ssh = format!("core.sshCommand={}", ssh.display());
        let before = ["-c", over_ssh.as_str()];
        let url = format!("--remote=ssh://host{}", repo.path.display());
        for request in REQUESTS {
            let asked: Vec<&str> = std::iter::once(url.as_str()).chain(request.split(' ')).collect();
            let quiet = exec("git");
            let theirs: Vec<&str> = std::iter::once(quiet.as_str()).chain(asked.iter().copied()).collect();
            let expected = archive(Program::Git, dir, &before, &theirs);
            for (client, server) in [(Program::Git, OURS), (Program::Ours, "git"), (Program::Ours, OURS)] {
                let exec = exec(server);
                let asked: Vec<&str> = std::iter::once(exec.as_str()).chain(asked.iter().copied()).collect();
                let given = archive(client, dir, &before, &asked);
                assert_eq!(given, expected, "{client:?} {server} {request}");
            }
        }
    }
}

#[test]
fn archives_come_from_a_path() {
    let repo = repo("sha1");
    // A server on this machine is no program of its own with us; git starts one.
    let quiet = exec("git");
    for request in REQUESTS.iter().chain(&["-o x.zip HEAD", "-o x.tar HEAD"]) {
        let asked: Vec<&str> = [quiet.as_str(), "--remote=."].into_iter().chain(request.split(' ')).collect();
        let expected = archive(Program::Git, &repo.path, &[], &asked);
        assert_eq!(archive(Program::Ours, &repo.path, &[], &asked), expected, "{request}");
    }
    let nowhere = [quiet.as_str(), "--remote=/nonexistent", "HEAD"];
    assert_eq!(
        archive(Program::Ours, &repo.path, &[], &nowhere),
        archive(Program::Git, &repo.path, &[], &nowhere)
    );
    // Only where the configuration says so is anything given that no ref names.
    git(&repo.path, &["config", "uploadarchive.allowUnreachable", "true"]);
    for request in ["HEAD~1", "HEAD^{tree}", "HEAD^{tree}:docs"] {
        let asked = ["--remote=.", "--mtime=2005-04-07T22:13:13", request];
        let expected = archive(Program::Git, &repo.path, &[], &asked);
        assert_eq!(expected.code, Some(0));
        assert_eq!(archive(Program::Ours, &repo.path, &[], &asked), expected, "{request}");
    }
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn daemon(program: Program, base: &Path, more: &[&str]) -> (Server, u16) {
    let port = free_port();
    let child = command(program, base)
        .args(["daemon", "--export-all", "--listen=127.0.0.1", &format!("--port={port}"), "--reuseaddr"])
        .arg(format!("--base-path={}", base.display()))
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server(child);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    (server, port)
}

#[test]
fn archives_come_over_the_git_protocol_where_it_is_enabled() {
    let repo = repo("sha1");
    let base = repo.path.parent().unwrap();
    let expected = archive(Program::Git, &repo.path, &[], &["HEAD"]);
    for server in [Program::Git, Program::Ours] {
        let (_off, port) = daemon(server, base, &[]);
        for client in [Program::Git, Program::Ours] {
            let given =
                archive(client, base, &[], &[&format!("--remote=git://127.0.0.1:{port}/repo"), "HEAD"]);
            let said =
                vec!["fatal: remote error: access denied or repository not exported: /repo".to_owned()];
            assert_eq!((given.code, given.said), (Some(128), said), "{client:?} {server:?}");
        }
        let (_on, port) = daemon(server, base, &["--enable=upload-archive"]);
        for client in [Program::Git, Program::Ours] {
            let url = format!("--remote=git://127.0.0.1:{port}/repo");
            assert_eq!(archive(client, base, &[], &[&url, "HEAD"]), expected, "{client:?} {server:?}");
            assert_eq!(archive(client, base, &[], &[&url, "HEAD~1"]).code, Some(1), "{client:?} {server:?}");
        }
    }
}

/// A web server that has `http-backend` answer each request; ends with the process.
fn web(program: Program, root: &Path) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let root = root.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(program, &root, stream.unwrap());
        }
    });
    port
}

fn answer(program: Program, root: &Path, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    if reader.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut backend = command(program, root);
    backend.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    backend.env("REQUEST_METHOD", method).env("PATH_INFO", path).env("QUERY_STRING", query);
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "content-type" => drop(backend.env("CONTENT_TYPE", value)),
            "content-encoding" => drop(backend.env("HTTP_CONTENT_ENCODING", value)),
            "git-protocol" => drop(backend.env("GIT_PROTOCOL", value)),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    backend.env("CONTENT_LENGTH", length.to_string());
    let mut child =
        backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(&body);
    let said = child.wait_with_output().unwrap().stdout;
    let text = String::from_utf8_lossy(&said);
    let status = text.lines().next().and_then(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut stream = stream;
    let _ = stream.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes());
    let _ = stream.write_all(&said);
}

#[test]
fn archives_come_over_http_where_it_is_enabled() {
    let repo = repo("sha1");
    let base = repo.path.parent().unwrap();
    let expected = archive(Program::Git, &repo.path, &[], &["HEAD"]);
    for server in [Program::Git, Program::Ours] {
        let url = format!("--remote=http://127.0.0.1:{}/repo", web(server, base));
        for client in [Program::Git, Program::Ours] {
            git(&repo.path, &["config", "http.uploadarchive", "true"]);
            assert_eq!(archive(client, base, &[], &[&url, "HEAD"]), expected, "{client:?} {server:?}");
            let refused = archive(client, base, &[], &[&url, "HEAD~1"]);
            assert!(refused.said.contains(&"remote: fatal: no such ref: HEAD~1        ".to_owned()));
            assert_eq!(refused.code, Some(1), "{client:?} {server:?}");
            git(&repo.path, &["config", "http.uploadarchive", "false"]);
            let forbidden = archive(client, base, &[], &[&url, "HEAD"]);
            assert_eq!((forbidden.code, forbidden.bytes), (Some(128), 0), "{client:?} {server:?}");
        }
    }
}

#[test]
fn our_own_server_makes_archives_when_it_is_told_to() {
    let repo = repo("sha1");
    let base = repo.path.parent().unwrap();
    let expected = archive(Program::Git, &repo.path, &[], &["HEAD"]);
    for (told, code) in [(true, 0), (false, 128)] {
        let mut serve = Command::new(OURS);
        serve.current_dir(base).args(["serve", "--http", "127.0.0.1:0", "--git", "127.0.0.1:0", "."]);
        if told {
            serve.arg("--archives");
        }
        let mut server = Server(serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
        let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map(Result::unwrap);
        let urls: Vec<String> = lines
            .by_ref()
            .take(3)
            .filter(|line| line.contains("://"))
            .map(|line| line.trim().to_owned())
            .collect();
        // What it says next is to be read, too.
        std::thread::spawn(move || lines.for_each(drop));
        assert_eq!(urls.len(), 2);
        for url in urls {
            for client in [Program::Git, Program::Ours] {
                let given = archive(client, base, &[], &[&format!("--remote={url}repo"), "HEAD"]);
                assert_eq!(given.code, Some(code), "{client:?} {url}");
                if told {
                    assert_eq!(given, expected, "{client:?} {url}");
                }
            }
        }
    }
}
