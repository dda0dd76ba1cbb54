//! `GIT_TRACE_PACKET`: every packet of a conversation, where the environment asks for it.

use crate::globals::Globals;
use git_core::protocol::trace::{Content, PacketObserver, Place, Way};
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where lines of a trace go.
#[derive(Clone)]
enum Sink {
    Stderr,
    File(Arc<Mutex<File>>),
}

/// Writes packets as git does.
struct PacketTrace {
    sink: Sink,
    /// Who speaks: the command, or the server.
    name: String,
}

/// The observer that the environment asks for, of a program of this name.
pub(crate) fn packets(globals: &Globals, name: &str) -> Option<Arc<dyn PacketObserver>> {
    let sink = sink(globals, "GIT_TRACE_PACKET")?;
    Some(Arc::new(PacketTrace { sink, name: name.to_owned() }))
}

/// Where a variable of the kind of `GIT_TRACE` sends its lines: standard error, another open file by its number, or a
/// file by its absolute path.
fn sink(globals: &Globals, variable: &str) -> Option<Sink> {
    let value = globals.var(variable)?;
    let text = value.to_str().unwrap_or("");
    match text {
        "" | "0" => return None,
        _ if text.eq_ignore_ascii_case("false") => return None,
        "1" | "2" => return Some(Sink::Stderr),
        _ if text.eq_ignore_ascii_case("true") => return Some(Sink::Stderr),
        _ => {}
    }
    let path = match text.as_bytes() {
        [digit @ b'3'..=b'9'] => format!("/dev/fd/{}", char::from(*digit)).into(),
        _ => std::path::PathBuf::from(value),
    };
    if !path.is_absolute() {
        eprintln!(
            "warning: unknown trace value for '{variable}': {text}\n         If you want to trace into a file, then \
             please set {variable}\n         to an absolute pathname (starting with /)"
        );
        return None;
    }
    match OpenOptions::new().append(true).create(true).open(&path) {
        Ok(file) => Some(Sink::File(Arc::new(Mutex::new(file)))),
        Err(error) => {
            eprintln!("warning: could not open '{}' for tracing: {error}", path.display());
            None
        }
    }
}

impl PacketObserver for PacketTrace {
    fn packet(&self, way: Way, place: Place, content: Content<'_>) {
        let name = if place == Place::SideBand { "sideband" } else { &self.name };
        let arrow = if way == Way::Sent { '>' } else { '<' };
        let mut line = format!("{:<40}packet: {name:>12}{arrow} ", stamp());
        match content {
            Content::Line(text) => escape(text, &mut line),
            Content::Flush => line.push_str("0000"),
            Content::Delim => line.push_str("0001"),
            Content::ResponseEnd => line.push_str("0002"),
            Content::Pack => line.push_str("PACK ..."),
        }
        line.push('\n');
        // One write for each line, since others trace into the same file.
        let _ = match &self.sink {
            Sink::Stderr => std::io::stderr().write_all(line.as_bytes()),
            Sink::File(file) => {
                file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes())
            }
        };
    }
}

/// The time of day in UTC, and where in git's own sources the line would come from.
fn stamp() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let day = now.as_secs() % 86_400;
    let (hours, minutes, seconds) = (day / 3600, day / 60 % 60, day % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}.{:06} trace.rs:1 ", now.subsec_micros())
}

/// Line ends are left out, and what cannot be printed is written in octal.
fn escape(text: &[u8], line: &mut String) {
    for byte in text {
        match byte {
            b'\n' => {}
            0x20..=0x7e => line.push(char::from(*byte)),
            other => line.push_str(&format!("\\{other:o}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_hold_one_packet() {
        let mut line = String::new();
        escape(b"a\tb\0c\n\xff", &mut line);
        assert_eq!(line, "a\\11b\\0c\\377");
    }
}
