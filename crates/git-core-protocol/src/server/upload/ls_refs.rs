//! v2: `ls-refs`.

use super::super::refs::{Listing, Prefixes, Style};
use super::super::{Question, RefsPurpose, RefsQuery, ServerError};
use super::{Phase, Talk};
use bstr::{BStr, BString, ByteSlice as _};

/// The arguments of `ls-refs`.
#[derive(Debug, Default)]
pub(super) struct LsRefs {
    prefixes: Vec<BString>,
    /// Too many prefixes came, so that none counts.
    all: bool,
    symrefs: bool,
    peel: bool,
    unborn: bool,
}

impl LsRefs {
    pub(super) fn argument(&mut self, line: &BStr, talk: &Talk) -> Result<(), ServerError> {
        match line.as_bytes() {
            b"symrefs" => self.symrefs = true,
            b"peel" => self.peel = true,
            b"unborn" if talk.options.unborn => self.unborn = true,
            other => match other.strip_prefix(b"ref-prefix ") {
                Some(prefix) if self.prefixes.len() < talk.options.limits.ref_prefixes => {
                    self.prefixes.push(prefix.into());
                }
                Some(_) => self.all = true,
                None => return Err(ServerError::line(line)),
            },
        }
        Ok(())
    }

    pub(super) fn ask(mut self, server_options: Vec<BString>, talk: &mut Talk) -> Result<Phase, ServerError> {
        if self.all {
            self.prefixes.clear();
        }
        let query = RefsQuery {
            prefixes: self.prefixes,
            symrefs: self.symrefs,
            peel: self.peel,
            unborn: self.unborn,
            server_options,
            ..RefsQuery::all(RefsPurpose::Fetch)
        };
        let style = Style::LsRefs { prefixes: Prefixes::of(&query) };
        talk.ask(Question::Refs(query.clone()));
        Ok(Phase::List(Listing::new(query, style, talk.options.object_format)))
    }
}
