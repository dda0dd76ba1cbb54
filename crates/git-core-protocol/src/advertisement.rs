//! What a server says first: refs and capabilities in versions 0 and 1, capabilities in version 2; and the
//! lines by which `ls-refs` shows refs.
//!
//! [`Reader`] takes packets one by one and is done at the flush packet; where they come from is left to the
//! handshake. The serving side formats the same lines in [`server`](crate::server).

use crate::capability::{Capabilities, CapabilityError};
use crate::error::Excerpt;
use crate::pkt_line::Packet;
pub use crate::server::AdvertisedRef;
use crate::{ProtocolVersion, Service};
use bstr::{BStr, ByteSlice as _};
use git_core_object::{ErrorKind, InvalidId, ObjectFormat, ObjectId};
use git_core_ref::RefName;

/// What a server said first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Advertisement {
    /// The version the server chose.
    pub version: ProtocolVersion,
    /// What it can do.
    pub capabilities: Capabilities,
    /// The hash that names its objects.
    pub format: ObjectFormat,
    /// Its refs, in its order. Empty in version 2, where they have to be asked for.
    pub refs: Vec<AdvertisedRef>,
    /// `.have` lines: objects it has by way of other repositories. Of use to a push.
    pub haves: Vec<ObjectId>,
    /// `shallow` lines: commits whose parents it does not have.
    pub shallow: Vec<ObjectId>,
    /// How many refs were passed over because no ref can be called so.
    pub skipped: usize,
}

impl Advertisement {
    /// Whether the server can be asked for refs by name (`ref-in-want`).
    pub fn takes_want_refs(&self) -> bool {
        self.version == ProtocolVersion::V2 && self.capabilities.has_feature("fetch", "ref-in-want")
    }

    /// Whether the server can leave objects out of a pack (`filter`).
    pub fn can_filter(&self) -> bool {
        match self.version {
            ProtocolVersion::V2 => self.capabilities.has_feature("fetch", "filter"),
            ProtocolVersion::V0 | ProtocolVersion::V1 => self.capabilities.has("filter"),
        }
    }
}

/// A first word of a server that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdvertisementError {
    /// A line that does not belong there.
    #[error("unexpected line in the server's greeting: '{0}'")]
    Line(Excerpt),
    /// A special packet that does not belong there.
    #[error("unexpected packet in the server's greeting")]
    Packet,
    /// An object id that is none, or of another object format than the server said.
    #[error("'{line}' does not begin with an object id")]
    Id {
        /// The line.
        line: Excerpt,
        /// What is wrong with it.
        source: InvalidId,
    },
    /// A version of the protocol that is not known here.
    #[error("the server speaks the unknown protocol version '{0}'")]
    Version(Excerpt),
    /// The answer is for another service than was asked.
    #[error("the server answers for '{0}'")]
    Service(Excerpt),
    /// A list of capabilities that cannot be.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// More refs than the limit allows.
    #[error("the server's refs take up more than {bound} bytes")]
    TooLarge {
        /// The limit.
        bound: u64,
    },
}

impl AdvertisementError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            AdvertisementError::Capability(error) => error.kind(),
            AdvertisementError::TooLarge { .. } => ErrorKind::Limit,
            AdvertisementError::Version(_) => ErrorKind::Invalid,
            _ => ErrorKind::Corrupt,
        }
    }
}

/// Reads an advertisement packet by packet.
#[derive(Clone, Debug)]
pub struct Reader {
    service: Service,
    state: State,
    found: Advertisement,
    bytes: u64,
    bound: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first packet: a service line, a version, or the first ref.
    First,
    /// The flush packet after a service line.
    ServiceEnd,
    /// A version, or the first ref.
    Version,
    /// The first ref, which carries the capabilities.
    FirstRef,
    Refs,
    /// The capabilities of version 2.
    Lines,
    Done,
}

impl Reader {
    /// Reads what a server of `service` says, taking at most `bound` bytes of it.
    pub fn new(service: Service, bound: u64) -> Self {
        Reader { service, state: State::First, found: Advertisement::default(), bytes: 0, bound }
    }

    /// Whether the advertisement is whole.
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Whether nothing was taken yet.
    pub fn is_fresh(&self) -> bool {
        self.state == State::First
    }

    /// Takes the next packet.
    ///
    /// # Errors
    /// [`AdvertisementError`].
    pub fn packet(&mut self, packet: Packet<'_>) -> Result<(), AdvertisementError> {
        let line = match packet {
            Packet::Data(payload) => {
                self.bytes += payload.len() as u64;
                if self.bytes > self.bound {
                    return Err(AdvertisementError::TooLarge { bound: self.bound });
                }
                crate::pkt_line::text(payload)
            }
            Packet::Flush => return self.flush(),
            Packet::Delim | Packet::ResponseEnd => return Err(AdvertisementError::Packet),
        };
        match self.state {
            State::First if line.starts_with(b"# ") => {
                match line.strip_prefix(b"# service=") {
                    Some(name) if Service::from_name(name) == Some(self.service) => {}
                    name => return Err(AdvertisementError::Service(Excerpt::new(name.unwrap_or(line)))),
                }
                self.state = State::ServiceEnd;
                Ok(())
            }
            State::First | State::Version => self.version(line),
            State::FirstRef => self.first_ref(line),
            State::Refs => self.other(line),
            State::Lines => Ok(self.found.capabilities.parse_line(line)?),
            State::ServiceEnd | State::Done => Err(AdvertisementError::Line(Excerpt::new(line))),
        }
    }

    fn flush(&mut self) -> Result<(), AdvertisementError> {
        self.state = match self.state {
            State::ServiceEnd => State::Version,
            // A server without refs and without a word about its capabilities: very old, but allowed.
            State::First | State::Version | State::FirstRef | State::Refs => State::Done,
            State::Lines => {
                self.found.format = self.found.capabilities.object_format()?;
                State::Done
            }
            State::Done => return Err(AdvertisementError::Packet),
        };
        Ok(())
    }

    fn version(&mut self, line: &BStr) -> Result<(), AdvertisementError> {
        let Some(version) = line.strip_prefix(b"version ") else { return self.first_ref(line) };
        (self.found.version, self.state) = match version {
            b"0" => (ProtocolVersion::V0, State::FirstRef),
            b"1" => (ProtocolVersion::V1, State::FirstRef),
            b"2" => (ProtocolVersion::V2, State::Lines),
            other => return Err(AdvertisementError::Version(Excerpt::new(other))),
        };
        Ok(())
    }

    fn first_ref(&mut self, line: &BStr) -> Result<(), AdvertisementError> {
        if self.state != State::FirstRef {
            self.found.version = ProtocolVersion::V0;
        }
        let (line, list) = line.split_once_str("\0").unwrap_or((line, b""));
        self.found.capabilities = Capabilities::parse_list(list)?;
        self.found.format = self.found.capabilities.object_format()?;
        self.state = State::Refs;
        self.other(line.as_bstr())
    }

    fn other(&mut self, line: &BStr) -> Result<(), AdvertisementError> {
        if let Some(id) = line.strip_prefix(b"shallow ") {
            let id = parse_id(self.found.format, id, line)?;
            self.found.shallow.push(id);
            return Ok(());
        }
        let (id, name) =
            line.split_once_str(" ").ok_or_else(|| AdvertisementError::Line(Excerpt::new(line)))?;
        let id = parse_id(self.found.format, id, line)?;
        match name {
            b"capabilities^{}" if id.is_null() => {}
            b".have" => self.found.haves.push(id),
            _ => match name.strip_suffix(b"^{}") {
                Some(tag) => match self.found.refs.last_mut() {
                    Some(last) if last.name.as_bytes() == tag => last.peeled = Some(id),
                    _ => {}
                },
                None => match RefName::new(name) {
                    Ok(name) => {
                        let entry = AdvertisedRef { name, id: Some(id), peeled: None, symref: None };
                        self.found.refs.push(entry);
                    }
                    Err(_) => self.found.skipped += 1,
                },
            },
        }
        Ok(())
    }

    /// What the server said, once [`is_done`](Self::is_done).
    pub fn finish(mut self) -> Advertisement {
        for (name, target) in self.found.capabilities.symrefs() {
            if let Ok(target) = RefName::new(target)
                && let Some(entry) = self.found.refs.iter_mut().find(|entry| entry.name.as_bytes() == name)
            {
                entry.symref = Some(target);
            }
        }
        self.found
    }
}

fn parse_id(format: ObjectFormat, hex: &[u8], line: &[u8]) -> Result<ObjectId, AdvertisementError> {
    ObjectId::from_hex_of(format, hex)
        .map_err(|source| AdvertisementError::Id { line: Excerpt::new(line), source })
}

/// Reads a line of the answer to `ls-refs`, without its end: `<id>|unborn <name>` and attributes, of which
/// unknown ones are passed over. `None` for a ref whose name cannot be.
///
/// # Errors
/// [`AdvertisementError`] for another line.
pub fn parse_ls_refs_line(
    format: ObjectFormat,
    line: &BStr,
) -> Result<Option<AdvertisedRef>, AdvertisementError> {
    let mut words = line.split(|b| *b == b' ');
    let (Some(id), Some(name)) = (words.next(), words.next()) else {
        return Err(AdvertisementError::Line(Excerpt::new(line)));
    };
    let id = match id {
        b"unborn" => None,
        hex => Some(parse_id(format, hex, line)?),
    };
    let Ok(name) = RefName::new(name) else { return Ok(None) };
    let mut entry = AdvertisedRef { name, id, peeled: None, symref: None };
    for word in words {
        if let Some(target) = word.strip_prefix(b"symref-target:") {
            entry.symref = RefName::new(target).ok();
        } else if let Some(hex) = word.strip_prefix(b"peeled:") {
            entry.peeled = Some(parse_id(format, hex, line)?);
        }
    }
    Ok(Some(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(service: Service, lines: &[&str]) -> Result<Advertisement, AdvertisementError> {
        let mut reader = Reader::new(service, 10_000);
        for line in lines {
            match *line {
                "0000" => reader.packet(Packet::Flush)?,
                line => reader.packet(Packet::Data(line.as_bytes()))?,
            }
        }
        assert!(reader.is_done());
        Ok(reader.finish())
    }

    #[test]
    fn version_0_with_everything() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let found = read(
            Service::UploadPack,
            &[
                "# service=git-upload-pack\n",
                "0000",
                &format!("{a} HEAD\0multi_ack symref=HEAD:refs/heads/main agent=x"),
                &format!("{a} refs/heads/main\n"),
                &format!("{a} refs/heads/bad..name\n"),
                &format!("{b} refs/tags/t"),
                &format!("{a} refs/tags/t^{{}}"),
                &format!("{b} .have"),
                &format!("shallow {b}"),
                "0000",
            ],
        )
        .unwrap();
        assert_eq!(found.version, ProtocolVersion::V0);
        assert_eq!((found.refs.len(), found.haves.len(), found.shallow.len(), found.skipped), (3, 1, 1, 1));
        assert_eq!(found.refs[0].symref, Some(RefName::branch("main").unwrap()));
        assert_eq!(found.refs[2].peeled.unwrap().to_hex(), a);
    }

    #[test]
    fn empty_repositories_and_versions() {
        let zero = "0".repeat(64);
        let found = read(
            Service::ReceivePack,
            &["version 1", &format!("{zero} capabilities^{{}}\0report-status object-format=sha256"), "0000"],
        )
        .unwrap();
        assert_eq!((found.version, found.format), (ProtocolVersion::V1, ObjectFormat::Sha256));
        assert!(found.refs.is_empty());
        let found =
            read(Service::UploadPack, &["version 2\n", "agent=x\n", "fetch=shallow\n", "0000"]).unwrap();
        assert_eq!(found.version, ProtocolVersion::V2);
        assert!(found.capabilities.has_feature("fetch", "shallow"));
        assert_eq!(read(Service::UploadPack, &["0000"]).unwrap().refs.len(), 0);
    }

    #[test]
    fn what_cannot_be() {
        let a = "a".repeat(40);
        for lines in [
            &["version 3"][..],
            &["# service=git-receive-pack"],
            &["hello"],
            &["<html>\n"],
            &[&format!("{a}0 HEAD")],
            &[&format!("{a} HEAD\0object-format=md5")],
            &[&format!("{a} HEAD"), &"b".repeat(64)],
            &[&"x".repeat(10_001)],
        ] {
            assert!(read(Service::UploadPack, lines).is_err(), "{lines:?}");
        }
    }

    #[test]
    fn lines_of_ls_refs() {
        let (format, a) = (ObjectFormat::Sha1, "a".repeat(40));
        let line = format!("{a} refs/tags/t peeled:{a} future:x");
        let entry = parse_ls_refs_line(format, line.as_bytes().as_bstr()).unwrap().unwrap();
        assert_eq!(entry.peeled, entry.id);
        let entry = parse_ls_refs_line(format, b"unborn HEAD symref-target:refs/heads/main".as_bstr());
        let entry = entry.unwrap().unwrap();
        assert_eq!((entry.id, entry.symref), (None, Some(RefName::branch("main").unwrap())));
        assert_eq!(parse_ls_refs_line(format, format!("{a} a..b").as_bytes().as_bstr()), Ok(None));
        assert!(parse_ls_refs_line(format, b"x".as_bstr()).is_err());
        assert!(parse_ls_refs_line(format, b"xyz HEAD".as_bstr()).is_err());
    }
}
