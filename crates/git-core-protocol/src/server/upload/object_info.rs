//! v2: `object-info`, how large objects are.

use super::super::error::shown;
use super::super::mux::{Out, STEP};
use super::super::{ObjectInfoQuery, Question, ServerError};
use super::{Phase, Talk};
use crate::pkt_line;
use bstr::BStr;
use git_core_object::ObjectId;

/// The arguments of `object-info`, and then the question about them.
#[derive(Debug, Default)]
pub(super) struct ObjectInfo {
    ids: Vec<ObjectId>,
    size: bool,
}

impl ObjectInfo {
    pub(super) fn argument(&mut self, line: &BStr, talk: &Talk) -> Result<(), ServerError> {
        if line == "size" {
            self.size = true;
            return Ok(());
        }
        let Some(hex) = line.strip_prefix(b"oid ") else { return Err(ServerError::line(line)) };
        let bound = talk.options.limits.wants;
        if self.ids.len() >= bound {
            return Err(ServerError::Limit { what: "object ids", bound: bound as u64 });
        }
        let id = ObjectId::from_hex_of(talk.options.object_format, hex);
        self.ids.push(id.map_err(|source| ServerError::ObjectId { line: shown(hex), source })?);
        Ok(())
    }

    pub(super) fn ask(self, talk: &mut Talk) -> Result<Phase, ServerError> {
        talk.ask(Question::ObjectInfo(ObjectInfoQuery { ids: self.ids.clone() }));
        Ok(Phase::ObjectInfo(self))
    }

    pub(super) fn answered(self, sizes: Vec<Option<u64>>) -> Result<Phase, ServerError> {
        if sizes.len() != self.ids.len() {
            return Err(ServerError::MismatchedAnswer);
        }
        let head = self.size && !self.ids.is_empty();
        let lines = self.ids.into_iter().zip(sizes).collect::<Vec<_>>().into_iter();
        Ok(Phase::Sizes(Sizes { lines, size: self.size, head, ended: false }))
    }
}

/// An answer of which some lines were written.
#[derive(Debug)]
pub(super) struct Sizes {
    lines: std::vec::IntoIter<(ObjectId, Option<u64>)>,
    size: bool,
    /// The line that names what is told is still to be written.
    head: bool,
    ended: bool,
}

impl Sizes {
    /// Writes about [`STEP`] bytes more; `false` once the answer is complete. As in git, lines have no end.
    pub(super) fn step(&mut self, out: &mut Out) -> bool {
        if self.ended {
            return false;
        }
        let buffer = out.buffer();
        let mut line = |text: &str| pkt_line::write_data(buffer, text.as_bytes()).expect("it is short");
        if std::mem::take(&mut self.head) {
            line("size");
        }
        let mut written = 0;
        while written < STEP
            && let Some((id, size)) = self.lines.next()
        {
            let id = id.to_hex();
            written += id.len();
            match size {
                Some(size) if self.size => line(&format!("{id} {size}")),
                Some(_) => line(&id),
                None => line(&format!("{id} ")),
            }
        }
        if self.lines.as_slice().is_empty() {
            out.flush();
            self.ended = true;
        }
        true
    }
}
