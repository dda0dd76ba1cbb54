//! git's own servers: `git daemon` for each connection, and `git http-backend` behind a small HTTP server.

use super::isolate;
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Serves all below a folder by `git daemon --inetd`; gives the address.
pub fn git_daemon(root: &Path) -> String {
    accept(root, |stream, root| {
        let mut command = Command::new("git");
        isolate(&mut command);
        command.args(["daemon", "--inetd", "--export-all", "--enable=receive-pack"]);
        command.arg(format!("--base-path={}", root.display()));
        command.stdin(Stdio::from(OwnedFd::from(stream.try_clone().unwrap())));
        command.stdout(Stdio::from(OwnedFd::from(stream))).stderr(Stdio::null());
        let _ = command.status();
    })
}

/// Serves all below a folder by `git http-backend`, which takes pushes; gives the address.
pub fn http_backend(root: &Path) -> String {
    accept(root, |stream, root| while serve_one(&stream, root).is_some() {})
}

fn accept(root: &Path, serve: fn(TcpStream, &Path)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let root: PathBuf = root.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let root = root.clone();
            std::thread::spawn(move || serve(stream, &root));
        }
    });
    address
}

/// One request as CGI has it; none when the connection is at its end.
fn serve_one(stream: &TcpStream, root: &Path) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|value| value == "chunked") {
        loop {
            line.clear();
            reader.read_line(&mut line).ok()?;
            let size = u64::from_str_radix(line.trim_end(), 16).ok()?;
            reader.by_ref().take(size).read_to_end(&mut body).ok()?;
            reader.read_line(&mut line).ok()?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = headers.get("content-length") {
        reader.by_ref().take(length.parse().ok()?).read_to_end(&mut body).ok()?;
    }

    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut command = Command::new("git");
    isolate(&mut command);
    command.arg("http-backend").env("REQUEST_METHOD", method).env("PATH_INFO", path);
    command.env("QUERY_STRING", query).env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REMOTE_USER", "tester").env("REMOTE_ADDR", "127.0.0.1");
    command.env("CONTENT_LENGTH", body.len().to_string());
    for (header, variable) in [
        ("content-type", "CONTENT_TYPE"),
        ("content-encoding", "HTTP_CONTENT_ENCODING"),
        ("git-protocol", "HTTP_GIT_PROTOCOL"),
    ] {
        if let Some(value) = headers.get(header) {
            command.env(variable, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let mut stdin = child.stdin.take()?;
    let writer = std::thread::spawn(move || drop(stdin.write_all(&body)));
    let output = child.wait_with_output().ok()?;
    let _ = writer.join();
    let split = output.stdout.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, content) = (&output.stdout[..split], &output.stdout[split + 4..]);
    let head = String::from_utf8_lossy(head);
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", content.len());
    head.lines().filter(|line| !line.starts_with("Status:")).for_each(|line| {
        answer.push_str(line);
        answer.push_str("\r\n");
    });
    answer.push_str("\r\n");
    let mut stream = stream;
    stream.write_all(answer.as_bytes()).ok()?;
    stream.write_all(content).ok()
}
