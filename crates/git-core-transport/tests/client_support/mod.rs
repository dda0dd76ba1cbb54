//! Repositories made by `git`, and `git http-backend` behind a small HTTP server.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use git_core_object::{ObjectFormat, ObjectId};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

pub fn git(dir: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for (who, name) in [("AUTHOR", "A U Thor"), ("COMMITTER", "C O Mitter")] {
        command.env(format!("GIT_{who}_NAME"), name).env(format!("GIT_{who}_EMAIL"), "a@example.com");
        command.env(format!("GIT_{who}_DATE"), "1112911993 -0700");
    }
    command.env_remove("GIT_DIR").env_remove("GIT_PROTOCOL");
    command
}

pub fn run_with(dir: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = git(dir)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub fn run(dir: &Path, args: &[&str]) -> String {
    String::from_utf8(run_with(dir, args, b"")).unwrap().trim_end().to_owned()
}

/// A bare repository with a line of commits, each with `size` bytes that do not compress.
pub fn repository(dir: &Path, name: &str, format: ObjectFormat, commits: usize, size: usize) -> PathBuf {
    let path = dir.join(name);
    run(dir, &["init", "-q", "--bare", "-b", "main", &format!("--object-format={format}"), name]);
    run(&path, &["config", "http.receivepack", "true"]);
    let mut stream = Vec::new();
    let mut state = 1u64;
    for number in 0..commits {
        let mut noise = vec![0u8; size];
        for byte in &mut noise {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 56) as u8;
        }
        stream.extend(
            format!(
                "commit refs/heads/main\ncommitter C <c@e> {} +0000\ndata 1\nx\n",
                1_000_000_000 + number
            )
            .bytes(),
        );
        stream.extend(format!("M 100644 inline file\ndata {}\n", noise.len()).bytes());
        stream.extend(noise);
        stream.push(b'\n');
    }
    run_with(&path, &["fast-import", "--quiet"], &stream);
    path
}

pub fn rev(dir: &Path, rev: &str) -> ObjectId {
    run(dir, &["rev-parse", rev]).parse().unwrap()
}

/// What one request was.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub line: String,
    pub headers: HashMap<String, String>,
    pub body: usize,
}

/// How the server behaves beside passing requests on to `git http-backend`.
#[derive(Clone, Default)]
pub struct Behaviour {
    /// `Authorization` that is required, for requests whose line contains the first text.
    pub password: Option<(&'static str, String)>,
    /// Requests whose path begins with the first text are redirected to the second and the rest.
    pub redirect: Option<(&'static str, String)>,
    /// What every request is answered with.
    pub answer: Option<&'static str>,
}

pub struct HttpServer {
    pub address: String,
    pub seen: Arc<Mutex<Vec<Seen>>>,
}

impl HttpServer {
    pub fn start(root: &Path, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (root, log) = (root.to_owned(), seen.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (root, log, behaviour) = (root.clone(), log.clone(), behaviour.clone());
                std::thread::spawn(move || serve(stream, &root, &log, &behaviour));
            }
        });
        HttpServer { address, seen }
    }
}

fn serve(mut stream: TcpStream, root: &Path, log: &Mutex<Vec<Seen>>, behaviour: &Behaviour) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let Some((seen, body)) = request(&mut reader) else { return };
        log.lock().unwrap().push(seen.clone());
        if let Some(answer) = behaviour.answer {
            let _ = stream.write_all(answer.as_bytes());
            return;
        }
        let target = seen.line.split(' ').nth(1).unwrap().to_owned();
        if let Some((text, expected)) = &behaviour.password
            && seen.line.contains(text)
            && seen.headers.get("authorization") != Some(expected)
        {
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
            continue;
        }
        if let Some((from, to)) = &behaviour.redirect
            && let Some(rest) = target.strip_prefix(from)
        {
            let answer = format!("HTTP/1.1 301 Moved\r\nLocation: {to}{rest}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            continue;
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let mut child = git(root)
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", seen.line.split(' ').next().unwrap())
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REMOTE_USER", "me")
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("CONTENT_TYPE", seen.headers.get("content-type").cloned().unwrap_or_default())
            .env("CONTENT_LENGTH", body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", seen.headers.get("content-encoding").cloned().unwrap_or_default())
            .env("GIT_PROTOCOL", seen.headers.get("git-protocol").cloned().unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(&body));
        let output = child.wait_with_output().unwrap().stdout;
        let _ = writer.join();
        let end = output.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let status = head.lines().find_map(|l| l.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
        let body = &output[end + 4..];
        let head = format!("HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\n\r\n", body.len());
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_err() {
            return;
        }
    }
}

fn request(reader: &mut impl BufRead) -> Option<(Seen, Vec<u8>)> {
    let mut seen = Seen::default();
    reader.read_line(&mut seen.line).ok().filter(|count| *count > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if seen.headers.contains_key("transfer-encoding") {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(length) = seen.headers.get("content-length") {
        body.resize(length.parse().ok()?, 0);
        reader.read_exact(&mut body).ok()?;
    }
    seen.body = body.len();
    Some((seen, body))
}
