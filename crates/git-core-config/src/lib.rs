//! The grammar of files people write for Git: configuration, attributes, patterns.
//!
//! Everything here works on bytes that somebody else read, and writes bytes that somebody else stores: which
//! files there are, which of them wins, and where `~` leads are left to the callers.
#![forbid(unsafe_code)]

pub mod attributes;
mod document;
mod edit;
pub mod ignore;
mod key;
pub mod params;
pub mod pathspec;
mod scan;
mod value;
pub mod wildmatch;

pub use document::{Document, Entry, ParseError};
pub use edit::{EditError, SectionName};
pub use key::{InvalidKey, Key};
pub use value::{BoolOrInt, InvalidValue, Value, parse_bool, parse_int};
pub use wildmatch::{WildOptions, wildmatch};
