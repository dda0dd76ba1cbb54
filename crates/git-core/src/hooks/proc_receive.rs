//! The hook `proc-receive`, which carries out commands in the place of receive-pack: what is said to it and what it
//! answers (`githooks(5)`). Pure: bytes in, verdicts out.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::{ObjectFormat, ObjectId};
use git_core_protocol::pkt_line::{self, Packet};
use git_core_protocol::server::{Command, Updated};
use git_core_ref::RefName;
use std::collections::HashMap;
use std::io::{self, Read};

/// What became of a command that a hook was to carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Processed {
    /// It was carried out, as these say; plainly, if there are none.
    Done(Vec<Updated>),
    /// It was refused, for this reason.
    Refused(BString),
    /// It is for the server to carry out.
    FallThrough,
    /// Nothing was said of it.
    Unreported,
}

/// The first thing that a hook reads: the version, and what the push can do.
pub(super) fn greeting(atomic: bool, push_options: bool) -> Vec<u8> {
    let mut features = Vec::new();
    if push_options {
        features.push("push-options");
    }
    if atomic {
        features.push("atomic");
    }
    let mut out = Vec::new();
    let line = match features.is_empty() {
        true => "version=1\n".to_owned(),
        false => format!("version=1\0{}\n", features.join(" ")),
    };
    pkt_line::write_data(&mut out, line.as_bytes()).expect("it is short");
    pkt_line::write_flush(&mut out);
    out
}

/// The commands, and the push options if the hook wants them.
pub(super) fn request(
    format: ObjectFormat,
    commands: &[Command],
    push_options: Option<&[BString]>,
) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let null = ObjectId::null(format);
    let too_long = |_| "a command is too long".to_owned();
    for command in commands {
        let (old, new) = (command.old.unwrap_or(null), command.new.unwrap_or(null));
        let line = [format!("{old} {new} ").as_bytes(), command.name.as_bytes()].concat();
        pkt_line::write_data(&mut out, &line).map_err(too_long)?;
    }
    pkt_line::write_flush(&mut out);
    if let Some(options) = push_options {
        for option in options {
            pkt_line::write_data(&mut out, option).map_err(too_long)?;
        }
        pkt_line::write_flush(&mut out);
    }
    Ok(out)
}

/// One packet of an answer; `None` is a flush packet.
pub(super) fn packet(read: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; 4];
    read.read_exact(&mut bytes)?;
    let bad = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let length = std::str::from_utf8(&bytes).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
    let length =
        length.filter(|length| *length <= pkt_line::MAX_PACKET).ok_or_else(|| bad("no packet".into()))?;
    if length > 4 {
        bytes.resize(length, 0);
        read.read_exact(&mut bytes[4..])?;
    }
    match pkt_line::decode(&bytes).map_err(|error| bad(error.to_string()))? {
        Some((Packet::Data(_), _)) => {
            let line = bytes[4..].strip_suffix(b"\n").unwrap_or(&bytes[4..]);
            Ok(Some(line.to_vec()))
        }
        Some((Packet::Flush, _)) => Ok(None),
        _ => Err(bad("an unexpected packet".into())),
    }
}

/// Reads the hook's greeting: whether it wants push options.
pub(super) fn read_greeting(read: &mut impl Read) -> io::Result<bool> {
    let bad = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let (mut known, mut wants) = (false, false);
    while let Some(line) = packet(read)? {
        let mut parts = line.splitn(2, |byte| *byte == 0);
        if let Some(version) = parts.next().and_then(|part| part.strip_prefix(b"version=")) {
            if version != b"1" {
                return Err(bad(format!("proc-receive version '{}' is not supported", version.as_bstr())));
            }
            known = true;
        }
        let features = parts.next().unwrap_or_default();
        wants |= features.split(|byte| *byte == b' ').any(|feature| feature == b"push-options");
    }
    if known { Ok(wants) } else { Err(bad("proc-receive version '0' is not supported".into())) }
}

/// What an answer says of each command, and what was wrong with the answer, one text for each complaint.
pub(super) fn read_report(
    read: &mut impl Read,
    format: ObjectFormat,
    commands: &[Command],
) -> io::Result<(Vec<Processed>, Vec<String>)> {
    let places: HashMap<&[u8], usize> =
        commands.iter().enumerate().map(|(at, command)| (command.name.as_bytes(), at)).collect();
    let mut verdicts = vec![Processed::Unreported; commands.len()];
    let (mut complaints, mut current, mut once) = (Vec::new(), None, false);
    while let Some(line) = packet(read)? {
        let line = line.as_bstr();
        let Some((head, rest)) = line.split_once_str(" ") else {
            complaints.push(format!("proc-receive reported incomplete status line: '{line}'"));
            continue;
        };
        match head {
            b"ok" | b"ng" => {
                let (name, reason) = rest.split_once_str(" ").unwrap_or((rest, b""));
                current = places.get(name).copied();
                once = false;
                let Some(at) = current else {
                    complaints
                        .push(format!("proc-receive reported status on unknown ref: {}", name.as_bstr()));
                    continue;
                };
                match (head, &mut verdicts[at]) {
                    (b"ng", verdict) => {
                        let reason: &[u8] = if reason.is_empty() { b"failed" } else { reason };
                        *verdict = Processed::Refused(reason.into());
                        current = None;
                    }
                    (_, Processed::Done(_)) => {}
                    (_, verdict) => *verdict = Processed::Done(Vec::new()),
                }
            }
            b"option" => match current {
                Some(at) => option(&mut verdicts[at], &mut once, rest.as_bstr(), format),
                None => complaints
                    .push("proc-receive reported 'option' without a matching 'ok/ng' directive".to_owned()),
            },
            _ => complaints.push(format!(
                "proc-receive reported bad status '{}' on ref '{}'",
                head.as_bstr(),
                rest.as_bstr()
            )),
        }
    }
    Ok((verdicts, complaints))
}

/// Takes one option; the first behind an `ok` begins a report of its own.
fn option(verdict: &mut Processed, once: &mut bool, option: &BStr, format: ObjectFormat) {
    let (key, value) = option.split_once_str(" ").unwrap_or((option, b""));
    if key == b"fall-through" {
        *verdict = Processed::FallThrough;
        return;
    }
    let Processed::Done(reports) = verdict else { return };
    if !std::mem::replace(once, true) {
        reports.push(Updated::default());
    }
    let Some(report) = reports.last_mut() else { return };
    match key {
        b"refname" => report.name = RefName::new(value).ok(),
        b"old-oid" => report.old = ObjectId::from_hex_of(format, value).ok(),
        b"new-oid" => report.new = ObjectId::from_hex_of(format, value).ok(),
        b"forced-update" => report.forced = true,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        lines.iter().for_each(|line| pkt_line::write_data(&mut out, line.as_bytes()).unwrap());
        pkt_line::write_flush(&mut out);
        out
    }

    #[test]
    fn every_kind_of_answer_is_understood() {
        let format = ObjectFormat::Sha1;
        let name = |name: &str| RefName::new(name).unwrap();
        let command = |at: &str| Command { name: name(at), old: None, new: None };
        let commands = ["refs/for/a", "refs/for/b", "refs/for/c", "refs/for/d"].map(command);
        let id = "1".repeat(40);
        let answer = lines(&[
            "ok refs/for/a\n",
            "option refname refs/pull/1",
            &format!("option new-oid {id}"),
            "ok refs/for/a",
            "option refname refs/pull/2",
            "option forced-update",
            "ng refs/for/b not so",
            "ok refs/for/c",
            "option fall-through",
            "ok refs/for/x",
            "nonsense",
        ]);
        let (verdicts, complaints) = read_report(&mut &answer[..], format, &commands).unwrap();
        let first = Updated { name: Some(name("refs/pull/1")), new: id.parse().ok(), ..Updated::default() };
        let second = Updated { name: Some(name("refs/pull/2")), forced: true, ..Updated::default() };
        assert_eq!(
            verdicts,
            [
                Processed::Done(vec![first, second]),
                Processed::Refused("not so".into()),
                Processed::FallThrough,
                Processed::Unreported
            ]
        );
        assert_eq!(complaints.len(), 2, "{complaints:?}");
        for cut in 0..answer.len() {
            assert!(read_report(&mut &answer[..cut], format, &commands).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_hook_says_its_version_first() {
        assert!(!read_greeting(&mut &lines(&["version=1"])[..]).unwrap());
        assert!(read_greeting(&mut &lines(&["version=1\0push-options atomic\n"])[..]).unwrap());
        assert!(read_greeting(&mut &lines(&["version=2"])[..]).is_err());
        assert!(read_greeting(&mut &lines(&[])[..]).is_err());
        assert_eq!(greeting(true, true), lines(&["version=1\0push-options atomic\n"]));
    }
}
