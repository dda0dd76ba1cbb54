//! Depths: the lines `shallow`, `deepen…` and `filter`, which v0 has among the wants and v2 among the arguments of
//! `fetch`.

use super::super::error::shown;
use super::super::{Question, ServerError, ShallowQuery};
use super::Talk;
use super::wants::split_id;
use crate::{Deepen, ShallowUpdate};
use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::ObjectId;
use std::sync::Arc;

/// What a request has said of depths and filters.
#[derive(Debug, Default)]
pub(super) struct Scope {
    pub(super) client: Vec<ObjectId>,
    depth: Option<u32>,
    relative: bool,
    since: Option<i64>,
    not: Vec<BString>,
    pub(super) filter: Option<BString>,
}

impl Scope {
    /// Takes a line if it is one of these.
    pub(super) fn line(&mut self, line: &BStr, talk: &Talk) -> Result<bool, ServerError> {
        let Some((word, rest)) = line.split_once_str(" ") else { return Ok(false) };
        match word {
            b"shallow" => {
                bounded(self.client.len(), talk)?;
                self.client.push(split_id(talk.options.object_format, rest, line)?.0);
            }
            b"deepen" => self.depth = Some(number(rest, line)?),
            b"deepen-since" => self.since = Some(number(rest, line)?),
            b"deepen-not" => {
                bounded(self.not.len(), talk)?;
                self.not.push(rest.into());
            }
            b"filter" if !talk.options.filter => return Ok(false),
            b"filter" if self.filter.is_some() => return Err(ServerError::Filters),
            b"filter" => self.filter = Some(rest.into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The depth counts from where the client's history ends (`deepen-relative`).
    pub(super) fn relative(&mut self) {
        self.relative = true;
    }

    /// All lines are read: whether they can be together.
    pub(super) fn check(&self) -> Result<(), ServerError> {
        match self.depth.is_some() && (self.since.is_some() || !self.not.is_empty()) {
            true => Err(ServerError::DeepenTwice),
            false => Ok(()),
        }
    }

    /// Whether a depth is asked for.
    pub(super) fn deepens(&self) -> bool {
        self.depth.is_some() || self.since.is_some() || !self.not.is_empty()
    }

    pub(super) fn question(&self, wants: Arc<Vec<ObjectId>>) -> Question {
        let deepen = match (self.depth, self.relative) {
            (Some(depth), true) => Deepen::Further(depth),
            (Some(depth), false) => Deepen::Depth(depth),
            (None, _) if self.deepens() => Deepen::Limits { since: self.since, not: self.not.clone() },
            (None, _) => Deepen::No,
        };
        Question::Shallow(ShallowQuery { wants, client: self.client.clone(), deepen })
    }
}

/// The lines about what changes: without line ends, as git has them, since libgit2 takes no others.
pub(super) fn write(update: &ShallowUpdate, talk: &mut Talk) {
    for (word, ids) in [(&b"shallow "[..], &update.shallow), (b"unshallow ", &update.unshallow)] {
        ids.iter().for_each(|id| talk.out.bare_line(&[word, id.to_hex().as_bytes()]));
    }
}

fn bounded(count: usize, talk: &Talk) -> Result<(), ServerError> {
    let bound = talk.options.limits.shallow;
    match count < bound {
        true => Ok(()),
        false => Err(ServerError::Limit { what: "shallow lines", bound: bound as u64 }),
    }
}

/// A number above zero.
fn number<T: std::str::FromStr + PartialOrd + Default>(text: &[u8], line: &[u8]) -> Result<T, ServerError> {
    let number = text.to_str().ok().and_then(|text| text.parse().ok());
    number.filter(|number| *number > T::default()).ok_or_else(|| ServerError::Deepen(shown(line)))
}
