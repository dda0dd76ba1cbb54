//! The report of a push (`report-status`, `report-status-v2`), written in steps.

use super::super::mux::{Out, STEP, write_line};
use super::super::{CommandStatus, Updated};
use super::Talk;
use crate::pkt_line;
use bstr::BString;
use git_core_object::{ObjectFormat, ObjectId};

/// Which report the client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReportStyle {
    /// None.
    Silent,
    /// `report-status`.
    V1,
    /// `report-status-v2`: with option lines.
    V2,
}

/// What became of the pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    Ok,
    Failed(String),
}

/// A report of which some lines were written.
#[derive(Debug)]
pub(super) struct Report {
    unpacked: Option<Unpacked>,
    lines: std::vec::IntoIter<(BString, CommandStatus)>,
    style: ReportStyle,
    format: ObjectFormat,
    ended: bool,
}

impl Report {
    pub(super) fn new(
        unpacked: Unpacked,
        lines: Vec<(BString, CommandStatus)>,
        style: ReportStyle,
        talk: &Talk,
    ) -> Self {
        let format = talk.options.object_format;
        Report { unpacked: Some(unpacked), lines: lines.into_iter(), style, format, ended: false }
    }

    /// Writes about [`STEP`] bytes more; `false` once the report is complete.
    pub(super) fn step(&mut self, out: &mut Out) -> bool {
        if self.ended {
            return false;
        }
        // The report's own packets are the content of the side-band's.
        let mut lines = Vec::new();
        if self.style != ReportStyle::Silent {
            match self.unpacked.take() {
                Some(Unpacked::Ok) => write_line(&mut lines, &[b"unpack ok"]),
                Some(Unpacked::Failed(reason)) => {
                    write_line(&mut lines, &[b"unpack ", &one_line(reason.as_bytes())])
                }
                None => {}
            }
            while lines.len() < STEP
                && let Some((name, status)) = self.lines.next()
            {
                self.status(&mut lines, &name, status);
            }
        }
        self.ended = self.style == ReportStyle::Silent || self.lines.as_slice().is_empty();
        if self.ended && self.style != ReportStyle::Silent {
            pkt_line::write_flush(&mut lines);
        }
        out.content(&lines);
        if self.ended {
            out.close_band();
        }
        true
    }

    fn status(&self, out: &mut Vec<u8>, name: &BString, status: CommandStatus) {
        let updated = match status {
            CommandStatus::Ok(updated) => updated,
            CommandStatus::Rejected(reason) => {
                return write_line(out, &[b"ng ", name, b" ", &one_line(&reason)]);
            }
        };
        self.updated(out, name, &updated);
        if self.style == ReportStyle::V2 {
            updated.further.iter().for_each(|further| self.updated(out, name, further));
        }
    }

    fn updated(&self, out: &mut Vec<u8>, name: &BString, updated: &Updated) {
        write_line(out, &[b"ok ", name]);
        if self.style != ReportStyle::V2 {
            return;
        }
        let mut hex = |label: &[u8], id: Option<ObjectId>| {
            if let Some(id) = id {
                write_line(out, &[b"option ", label, b" ", id.to_hex().as_bytes()]);
            }
        };
        hex(b"old-oid", updated.old);
        hex(b"new-oid", updated.new);
        debug_assert!(updated.old.is_none_or(|id| id.format() == self.format));
        if let Some(other) = &updated.name {
            write_line(out, &[b"option refname ", other.as_bytes()]);
        }
        if updated.forced {
            write_line(out, &[b"option forced-update"]);
        }
    }
}

/// A reason must not add lines to the report.
fn one_line(reason: &[u8]) -> Vec<u8> {
    reason.iter().map(|byte| if byte.is_ascii_control() { b' ' } else { *byte }).collect()
}
