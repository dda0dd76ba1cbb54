//! What a client says of depths and filters, and how it reads the answer: the same lines in all versions.

use super::super::{Advertisement, ClientError, FetchOptions};
use super::{unexpected, write_ids};
use crate::pkt_line::{self, Packet};
use crate::{Deepen, ProtocolVersion};
use git_core_object::{ObjectFormat, ObjectId};

/// The words with which a request asks for a depth.
pub(super) fn words(deepen: &Deepen) -> impl Iterator<Item = &'static str> {
    let (relative, since, not) = match deepen {
        Deepen::No | Deepen::Depth(_) => (false, false, false),
        Deepen::Further(_) => (true, false, false),
        Deepen::Limits { since, not } => (false, since.is_some(), !not.is_empty()),
    };
    [(relative, "deepen-relative"), (since, "deepen-since"), (not, "deepen-not")]
        .into_iter()
        .filter_map(|(wanted, name)| wanted.then_some(name))
}

/// Whether the server can do what is asked of it.
pub(super) fn check(server: &Advertisement, options: &FetchOptions) -> Result<(), ClientError> {
    let asked = !options.shallow.is_empty() || options.deepen.is_asked();
    if options.shallow.iter().any(|id| id.format() != server.format) {
        return Err(ClientError::Request("a shallow commit of another object format than the server's"));
    }
    if server.version == ProtocolVersion::V2 {
        return match asked && !server.capabilities.has_feature("fetch", "shallow") {
            true => Err(ClientError::Unsupported("shallow requests")),
            false => Ok(()),
        };
    }
    if asked && !server.capabilities.has("shallow") {
        return Err(ClientError::Unsupported("shallow clients"));
    }
    match words(&options.deepen).find(|name| !server.capabilities.has(name)) {
        Some(missing) => Err(ClientError::Unsupported(missing)),
        None => Ok(()),
    }
}

/// Appends the lines about depths, and the one about a filter if the server knows filters.
pub(super) fn write(
    out: &mut Vec<u8>,
    server: &Advertisement,
    options: &FetchOptions,
) -> Result<(), ClientError> {
    write_ids(out, b"shallow ", &options.shallow)?;
    match &options.deepen {
        Deepen::No => {}
        Deepen::Depth(depth) | Deepen::Further(depth) => {
            pkt_line::write_text(out, format!("deepen {depth}").as_bytes())?;
            // Versions 0 and 1 have this among the capabilities.
            if server.version == ProtocolVersion::V2 && matches!(options.deepen, Deepen::Further(_)) {
                pkt_line::write_text(out, b"deepen-relative")?;
            }
        }
        Deepen::Limits { since, not } => {
            if let Some(since) = since {
                pkt_line::write_text(out, format!("deepen-since {since}").as_bytes())?;
            }
            for name in not {
                pkt_line::write_text(out, &[b"deepen-not ", name.as_slice()].concat())?;
            }
        }
    }
    if let Some(filter) = options.filter.as_ref().filter(|_| server.can_filter()) {
        pkt_line::write_text(out, &[b"filter ", filter.as_slice()].concat())?;
    }
    Ok(())
}

/// A line of the answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Line {
    /// The history ends here.
    Shallow(ObjectId),
    /// It does no longer.
    Unshallow(ObjectId),
}

impl Line {
    pub(super) fn parse(packet: Packet<'_>, format: ObjectFormat) -> Result<Self, ClientError> {
        let line = packet.text().unwrap_or_default();
        let id =
            |hex| ObjectId::from_hex_of(format, hex).map_err(|_| unexpected("shallow or unshallow", line));
        match (line.strip_prefix(b"shallow "), line.strip_prefix(b"unshallow ")) {
            (Some(hex), _) => Ok(Line::Shallow(id(hex)?)),
            (_, Some(hex)) => Ok(Line::Unshallow(id(hex)?)),
            _ => Err(unexpected("shallow or unshallow", line)),
        }
    }
}
