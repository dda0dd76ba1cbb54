//! The `fetch` command of version 2 (`gitprotocol-v2(5)`): each request says everything anew, and the answer
//! comes in sections.

use super::super::ls_refs::{About, write_command};
use super::super::{Ack, AckStatus, Advertisement, ClientError, FetchOptions, negotiation::Negotiation};
use super::{PackUri, State, Step, WantedRef, scope, unexpected, write_ids};
use crate::pkt_line::{self, Packet};
use bstr::ByteSlice as _;
use git_core_object::{ObjectFormat, ObjectId};
use git_core_ref::RefName;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub(super) struct Dialect {
    format: ObjectFormat,
    /// The beginning of each request: everything but haves.
    prefix: Vec<u8>,
    ready: bool,
    /// Lines, too, come on side-band 1.
    pub(super) all_bands: bool,
    takes_uris: bool,
    /// What is wanted by name and has not been told yet.
    unnamed: BTreeSet<RefName>,
}

impl Dialect {
    pub(super) fn new(
        server: &Advertisement,
        wants: &[ObjectId],
        options: &FetchOptions,
    ) -> Result<Self, ClientError> {
        if !server.capabilities.has("fetch") {
            return Err(ClientError::Unsupported("fetch"));
        }
        scope::check(server, options)?;
        let mut prefix = Vec::new();
        let about = About { agent: &options.agent, session_id: options.session_id.as_ref() };
        write_command(&mut prefix, "fetch", server, &about, &options.server_options)?;
        let all_bands = server.capabilities.has_feature("fetch", "sideband-all");
        for (wanted, argument) in [
            (options.thin_pack, "thin-pack"),
            (!options.progress, "no-progress"),
            (options.include_tag, "include-tag"),
            (options.ofs_delta, "ofs-delta"),
            (all_bands, "sideband-all"),
        ] {
            if wanted {
                pkt_line::write_text(&mut prefix, argument.as_bytes())?;
            }
        }
        let takes_uris =
            !options.uri_protocols.is_empty() && server.capabilities.has_feature("fetch", "packfile-uris");
        if takes_uris {
            let list = bstr::join(",", &options.uri_protocols);
            pkt_line::write_parts(&mut prefix, &[b"packfile-uris ", &list, b"\n"])?;
        }
        scope::write(&mut prefix, server, options)?;
        let mut unnamed = BTreeSet::new();
        for name in &options.want_refs {
            if unnamed.insert(name.clone()) {
                pkt_line::write_parts(&mut prefix, &[b"want-ref ", name.as_bytes(), b"\n"])?;
            }
        }
        write_ids(&mut prefix, b"want ", wants)?;
        Ok(Dialect { format: server.format, prefix, ready: false, all_bands, takes_uris, unnamed })
    }

    pub(super) fn request(
        &mut self,
        out: &mut Vec<u8>,
        negotiation: &Negotiation,
        done: bool,
    ) -> Result<(), ClientError> {
        out.extend_from_slice(&self.prefix);
        write_ids(out, b"have ", negotiation.common())?;
        write_ids(out, b"have ", &negotiation.batch)?;
        if done {
            pkt_line::write_text(out, b"done")?;
        }
        pkt_line::write_flush(out);
        Ok(())
    }

    pub(super) fn packet(&mut self, state: State, packet: Packet<'_>) -> Result<Step, ClientError> {
        match (state, packet) {
            // The server has told `ready`, and goes on to the pack in the same answer.
            (State::Acks, Packet::Delim) if self.ready => Ok(Step::To(State::Section)),
            (State::Acks, Packet::Flush) => Ok(Step::Round),
            (State::Acks, Packet::Data(_)) => self.acknowledgment(packet.text().unwrap_or_default()),
            (State::Section, Packet::Data(_)) => match &**packet.text().unwrap_or_default() {
                b"packfile" => Ok(Step::To(State::Banded)),
                b"packfile-uris" if self.takes_uris => Ok(Step::To(State::PackUris)),
                b"shallow-info" => Ok(Step::To(State::ShallowInfo)),
                b"wanted-refs" => Ok(Step::To(State::WantedRefs)),
                other => Err(unexpected("packfile", other)),
            },
            (State::WantedRefs, Packet::Delim) => Ok(Step::To(State::Section)),
            (State::WantedRefs, Packet::Data(_)) => {
                self.wanted_ref(packet.text().unwrap_or_default()).map(Step::Wanted)
            }
            (State::PackUris, Packet::Delim) => Ok(Step::To(State::Section)),
            (State::PackUris, Packet::Data(_)) => {
                let line = packet.text().unwrap_or_default();
                let unexpected = || unexpected("the address of a pack", line);
                let (hex, uri) = line.split_once_str(" ").ok_or_else(unexpected)?;
                let checksum = ObjectId::from_hex_of(self.format, hex).map_err(|_| unexpected())?;
                if uri.is_empty() || uri.iter().any(u8::is_ascii_control) {
                    return Err(unexpected());
                }
                Ok(Step::Uri(PackUri { checksum, uri: uri.into() }))
            }
            (State::ShallowInfo, Packet::Delim) => Ok(Step::To(State::Section)),
            (State::ShallowInfo, Packet::Data(_)) => {
                Ok(Step::Bound(scope::Line::parse(packet, self.format)?))
            }
            _ => Err(unexpected("the next section of the server's answer", b"")),
        }
    }

    /// A server tells each ref once, and none that was not asked for.
    fn wanted_ref(&mut self, line: &[u8]) -> Result<WantedRef, ClientError> {
        let bad = || unexpected("wanted-ref", line);
        let (hex, name) = line.split_once_str(" ").ok_or_else(bad)?;
        let id = ObjectId::from_hex_of(self.format, hex).map_err(|_| bad())?;
        let name = RefName::new(name).map_err(|_| bad())?;
        match self.unnamed.remove(&name) {
            true => Ok(WantedRef { name, id }),
            false => Err(unexpected("a ref that is wanted", line)),
        }
    }

    fn acknowledgment(&mut self, line: &[u8]) -> Result<Step, ClientError> {
        if let Some(hex) = line.strip_prefix(b"ACK ") {
            let id = ObjectId::from_hex_of(self.format, hex)
                .map_err(|_| unexpected("an acknowledgement", line))?;
            return Ok(Step::Ack(Ack { id, status: AckStatus::Common }));
        }
        match line {
            b"acknowledgments" | b"NAK" => Ok(Step::Stay),
            b"ready" => {
                self.ready = true;
                Ok(Step::Ready)
            }
            other => Err(unexpected("an acknowledgement", other)),
        }
    }
}
