//! Connections that a child process carries: ssh, or a server program on this machine.

use super::TransportError;
use super::stateful::{Duplex, Stateful};
use git_core_protocol::error::Excerpt;
use std::io::Read;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a child process said on its standard error, so far.
#[derive(Clone, Default)]
pub(super) struct Complaints(Arc<Mutex<Vec<u8>>>);

impl Complaints {
    /// The end of it.
    pub(super) fn excerpt(&self) -> Excerpt {
        Excerpt::new(&self.0.lock().map(|text| text.clone()).unwrap_or_default())
    }

    fn collect(&self, mut from: ChildStderr) {
        let mut piece = [0; 1024];
        while let Ok(count @ 1..) = from.read(&mut piece) {
            let Ok(mut text) = self.0.lock() else { return };
            text.extend_from_slice(&piece[..count]);
            let excess = text.len().saturating_sub(Excerpt::MAX);
            text.drain(..excess);
        }
    }
}

/// Starts `command` and talks to its standard input and output. When the connection is dropped, the child has
/// a moment to end by itself and is killed otherwise.
pub(super) fn spawn(mut command: Command, idle: Duration) -> Result<(Stateful, Complaints), TransportError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| TransportError::Connect { to: program, source: source.into() })?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        unreachable!("all three were asked to be pipes");
    };
    let complaints = Complaints::default();
    let collector = complaints.clone();
    // Not worth failing for: without this thread only the text of an error is missing.
    let _ = std::thread::Builder::new()
        .name("git-core-stderr".to_owned())
        .spawn(move || collector.collect(stderr));
    let duplex = Duplex { reader: Box::new(stdout), writer: Box::new(stdin) };
    let stateful = Stateful::new(duplex, idle, Some(Box::new(move || end(child))))?;
    Ok((stateful, complaints))
}

fn end(mut child: Child) {
    for pause in [1, 5, 20, 100, 400] {
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        std::thread::sleep(Duration::from_millis(pause));
    }
    let _ = child.kill();
    let _ = child.wait();
}
