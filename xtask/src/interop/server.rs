//! Starting a server of either side over a folder of repositories, and stopping it again.

use super::cgi;
use super::lab::Lab;
use super::matrix::Serving;
use super::measure;
use crate::Outcome;
use crate::run::{Running, tail};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long a server may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that listens; dropping it ends it.
pub(crate) struct Server {
    /// What stands in front of the name of a repository.
    base: String,
    /// For a local path and git as client.
    pub(crate) services: Option<[String; 2]>,
    process: Option<Running>,
    _web: Option<cgi::Server>,
}

impl Server {
    /// Serves the repositories in `folder`; what the server says goes to the file `log`, and what git as a
    /// server sees of packets to `trace`.
    pub(crate) fn start(
        lab: &Lab,
        serving: Serving,
        folder: &Path,
        log: &Path,
        trace: Option<&Path>,
    ) -> Outcome<Server> {
        match serving {
            Serving::ServeHttp => serve(lab, folder, log, "http://"),
            Serving::ServeGit => serve(lab, folder, log, "git://"),
            Serving::Daemon => {
                let mut command = lab.ours(folder);
                command.arg("daemon");
                daemon(command, folder, log)
            }
            Serving::GitDaemon => {
                // Not through `git daemon`, which would leave the daemon behind when it is killed.
                let mut command = lab.clean.command(lab.libexec.join("git-daemon"));
                if let Some(trace) = trace {
                    command.env("GIT_TRACE_PACKET", trace);
                }
                daemon(command, folder, log)
            }
            Serving::Backend => web(lab, lab.ours.clone(), Some("http-backend"), folder, None),
            Serving::GitBackend => web(lab, lab.libexec.join("git-http-backend"), None, folder, trace),
            Serving::Path => {
                let ours = lab.ours.display();
                Ok(Server {
                    base: format!("{}/", folder.display()),
                    services: Some([format!("{ours} upload-pack"), format!("{ours} receive-pack")]),
                    process: None,
                    _web: None,
                })
            }
        }
    }

    /// The address of a repository.
    pub(crate) fn url(&self, repo: &str) -> String {
        format!("{}{repo}", self.base)
    }

    /// Ends the server and answers the seconds of processor time of its whole life, children included, where the
    /// server is a process and the system tells. No other child of ours may be waited for meanwhile.
    pub(crate) fn stop(mut self) -> Option<f64> {
        let process = self.process.take()?;
        // What a server has not waited for yet would not count.
        let start = Instant::now();
        while measure::has_children(process.0.id()) && start.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let before = measure::spent()?;
        drop(process);
        Some(measure::spent()? - before)
    }

    /// The process to watch, where the server is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.0.id())
    }
}

/// `git-core serve` says itself where it listens.
fn serve(lab: &Lab, folder: &Path, log: &Path, scheme: &str) -> Outcome<Server> {
    let mut command = lab.ours(folder);
    command.arg("serve").arg(folder).args([
        "--http",
        "127.0.0.1:0",
        "--git",
        "127.0.0.1:0",
        "--create-on-push",
    ]);
    command.stdout(Stdio::piped()).stderr(File::create(log)?);
    let mut process = Running(command.spawn().map_err(|error| format!("git-core serve: {error}"))?);
    let stdout = process.0.stdout.take().ok_or("git-core serve has no output")?;
    let (send, lines) = mpsc::channel();
    let mut copy = File::options().append(true).open(log)?;
    std::thread::spawn(move || {
        // The server must never wait for us, so its output is read to the end.
        for line in BufReader::new(stdout).lines() {
            let Ok(line) = line else { return };
            let _ = writeln!(copy, "{line}");
            let _ = send.send(line);
        }
    });
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                if let Some(base) = address(&line, scheme) {
                    return Ok(Server { base, services: None, process: Some(process), _web: None });
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
    }
    Err(format!("git-core serve does not say where it listens: {}", last_words(log)).into())
}

/// The first address of this scheme in the line, with its port and one slash at the end.
fn address(line: &str, scheme: &str) -> Option<String> {
    let rest = &line[line.find(scheme)? + scheme.len()..];
    let end = rest.find(|char: char| !char.is_ascii_alphanumeric() && !".:[]-".contains(char));
    let host = &rest[..end.unwrap_or(rest.len())];
    let (_, port) = host.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    Some(format!("{scheme}{host}/"))
}

/// Both daemons take the same options and listen where they are told.
fn daemon(command: Command, folder: &Path, log: &Path) -> Outcome<Server> {
    // Another process may take the port before the daemon does; then one more attempt finds another.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut attempt = again(&command);
        attempt.arg(format!("--base-path={}", folder.display()));
        attempt.args(["--export-all", "--enable=receive-pack", "--listen=127.0.0.1", "--reuseaddr"]);
        attempt.arg(format!("--port={port}")).arg(folder).stdout(File::create(log)?);
        attempt.stderr(File::options().append(true).open(log)?);
        let mut process = Running(attempt.spawn().map_err(|error| format!("daemon: {error}"))?);
        let start = Instant::now();
        while start.elapsed() < PATIENCE && process.0.try_wait()?.is_none() {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                let base = format!("git://127.0.0.1:{port}/");
                return Ok(Server { base, services: None, process: Some(process), _web: None });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Err(format!("the daemon does not listen: {}", last_words(log)).into())
}

/// The same command once more.
fn again(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args()).env_clear().stdin(Stdio::null());
    copy.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        copy.current_dir(folder);
    }
    copy
}

fn web(
    lab: &Lab,
    program: PathBuf,
    argument: Option<&'static str>,
    folder: &Path,
    trace: Option<&Path>,
) -> Outcome<Server> {
    let (clean, folder, trace) = (lab.clean.clone(), folder.to_path_buf(), trace.map(Path::to_path_buf));
    let web = cgi::Server::start(move || {
        let mut command = clean.command(&program);
        command.args(argument).current_dir(&folder);
        command.env("GIT_PROJECT_ROOT", &folder).env("GIT_HTTP_EXPORT_ALL", "1");
        if let Some(trace) = &trace {
            command.env("GIT_TRACE_PACKET", trace);
        }
        // What a backend says beside its answer reaches the client as a status; the rest is for a web server's log.
        command.stderr(Stdio::null());
        command
    })?;
    Ok(Server { base: format!("http://{}/", web.address()), services: None, process: None, _web: Some(web) })
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    if text.trim().is_empty() { "it said nothing".into() } else { tail(&text, 5) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_what_a_server_prints() {
        let line = "serving repos on http://127.0.0.1:8080/ and git://127.0.0.1:9418/";
        assert_eq!(address(line, "http://").unwrap(), "http://127.0.0.1:8080/");
        assert_eq!(address(line, "git://").unwrap(), "git://127.0.0.1:9418/");
        assert_eq!(address("HTTP  http://[::1]:80", "http://").unwrap(), "http://[::1]:80/");
        assert_eq!(address("git clone http://example.org/x", "http://"), None);
        assert_eq!(address("nothing", "http://"), None);
    }
}
