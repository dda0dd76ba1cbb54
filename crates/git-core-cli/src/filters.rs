//! Filters on the command line (`--filter`).

use crate::fail::Failure;
use bstr::BString;
use git_core::store::filter::FilterSpec;
use std::ffi::OsStr;

/// The text of a filter as a server is sent it; git's complaint about one that is none.
pub(crate) fn spec(text: &OsStr) -> Result<BString, Failure> {
    match FilterSpec::parse(text.as_encoded_bytes()) {
        Ok(spec) => Ok(spec.to_bytes().into()),
        Err(error) => Err(Failure::fatal(error)),
    }
}
