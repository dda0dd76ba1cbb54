//! Servers for tests: a small web server that runs an `http-backend` for each request, and a `daemon`.

// Each file of tests is a program of its own and uses a part of this.
#![allow(dead_code)]

use crate::common::{Program, command, git};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Serves the repositories of a folder over smart HTTP by git's `http-backend` or ours; pushes are let in.
pub(crate) struct Web {
    address: std::net::SocketAddr,
    ended: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Web {
    pub(crate) fn new(program: Program, root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let (root, until) = (root.to_path_buf(), ended.clone());
        let thread = std::thread::spawn(move || {
            for peer in listener.incoming() {
                if until.load(Ordering::SeqCst) {
                    break;
                }
                let root = root.clone();
                std::thread::spawn(move || answer(program, &root, peer.unwrap()));
            }
        });
        Web { address, ended, thread: Some(thread) }
    }

    /// The address of a repository in the folder.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.thread.take().map(std::thread::JoinHandle::join);
    }
}

/// One request, by the rules of CGI; the connection ends with it.
fn answer(program: Program, root: &PathBuf, mut peer: TcpStream) {
    let mut input = BufReader::new(peer.try_clone().unwrap());
    let mut line = String::new();
    if input.read_line(&mut line).unwrap_or(0) == 0 {
        return;
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    if let Some(file) = path.strip_prefix("/plain/") {
        while input.read_line(&mut line).is_ok_and(|length| length > 2) {}
        let found = std::fs::read(root.join(file));
        let (status, content) = found.map_or(("404 Not Found", Vec::new()), |content| ("200 OK", content));
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
        let _ = peer.write_all(&[head.as_bytes(), &content].concat());
        return;
    }
    let mut backend = command(program, root);
    backend.arg("http-backend");
    backend.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "somebody");
    backend.env("REQUEST_METHOD", &method).env("PATH_INFO", path).env("QUERY_STRING", query);
    backend.env("REMOTE_ADDR", "127.0.0.1").env("SERVER_PROTOCOL", "HTTP/1.1");
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "transfer-encoding" => chunked = value == "chunked",
            "expect" => peer.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap(),
            "content-type" => drop(backend.env("CONTENT_TYPE", value)),
            "content-encoding" => drop(backend.env("HTTP_CONTENT_ENCODING", value)),
            "git-protocol" => drop(backend.env("GIT_PROTOCOL", value)),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    input.read_exact(&mut body).unwrap();
    while chunked {
        let mut line = String::new();
        input.read_line(&mut line).unwrap();
        let mut chunk = vec![0; usize::from_str_radix(line.trim(), 16).unwrap() + 2];
        input.read_exact(&mut chunk).unwrap();
        chunk.truncate(chunk.len() - 2);
        chunked = !chunk.is_empty();
        body.extend(chunk);
    }
    if !chunked {
        backend.env("CONTENT_LENGTH", body.len().to_string());
    }
    backend.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = backend.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let said = child.wait_with_output().unwrap().stdout;
    feeder.join().unwrap();
    let end = said.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(said.len());
    let head = String::from_utf8_lossy(&said[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let head: String =
        head.lines().filter(|line| !line.starts_with("Status")).map(|line| format!("{line}\r\n")).collect();
    let content = said.get(end + 4..).unwrap_or_default();
    let length = content.len();
    let answer = format!("HTTP/1.1 {status}\r\n{head}Content-Length: {length}\r\nConnection: close\r\n\r\n");
    let _ = peer.write_all(&[answer.as_bytes(), content].concat());
}

/// A `daemon` of git or ours that serves a folder over git://; pushes are let in.
pub(crate) struct Daemon {
    child: Child,
    port: u16,
}

impl Daemon {
    pub(crate) fn new(program: Program, root: &Path, more: &[&str]) -> Self {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut daemon = match program {
                // The wrapper would leave the daemon behind when it ends.
                Program::Git => {
                    let path = git(root, &["--exec-path"]);
                    let mut daemon = command(program, root);
                    let environment: Vec<_> =
                        daemon.get_envs().map(|(n, v)| (n.to_owned(), v.unwrap().to_owned())).collect();
                    daemon = std::process::Command::new(Path::new(&path).join("git-daemon"));
                    daemon.current_dir(root).env_clear().envs(environment);
                    daemon
                }
                Program::Ours => {
                    let mut daemon = command(program, root);
                    daemon.arg("daemon");
                    daemon
                }
            };
            daemon.args(["--export-all", "--reuseaddr", "--enable=receive-pack", "--listen=127.0.0.1"]);
            daemon.arg(format!("--base-path={}", root.display())).arg(format!("--port={port}")).args(more);
            let mut child = daemon.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            loop {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Daemon { child, port };
                }
                if child.try_wait().unwrap().is_some() {
                    // The port was taken by another one in between.
                    break;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// The address of a repository in the folder.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("git://127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
