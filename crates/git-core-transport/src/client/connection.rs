//! One conversation with one server, however it is reached.

use super::child::{Complaints, spawn};
use super::stateful::{Duplex, Stateful};
use super::{Advertisement, ConnectOptions, TransportError, drive, git, ssh};
use crate::url::{GitUrl, Scheme};
use bstr::BString;
use bytes::Bytes;
use git_core_object::Context;
use git_core_protocol::client::{self, ClientError, Handshake};
use git_core_protocol::pkt_line::{self, Packet};
use git_core_protocol::sideband::Band;
use git_core_protocol::trace::{PacketObserver, Seat, Tap, Way};
use git_core_protocol::{ProtocolVersion, Service};
use std::process::Command;
use std::sync::Arc;

/// A connection to a server that has introduced itself. [`ls_refs`](super::ls_refs), [`fetch`](super::fetch)
/// and [`push`](super::push) talk over it.
pub struct Connection {
    pub(super) carrier: Carrier,
    server: Advertisement,
    service: Service,
    session_id: Option<BString>,
    /// What watches the two directions, if somebody does.
    taps: Option<(Tap, Tap)>,
}

pub(super) enum Carrier {
    /// With the name of the program that carries it, if one does, and what that complained of.
    Stateful(Stateful, Option<(String, Complaints)>),
    #[cfg(feature = "http")]
    Http(Box<super::http::Http>),
}

/// What of the options counts once there is a connection.
struct Manners {
    limits: client::ClientLimits,
    session_id: Option<BString>,
    observer: Option<Arc<dyn PacketObserver>>,
}

impl Manners {
    fn of(options: &ConnectOptions) -> Self {
        Manners {
            limits: options.limits.clone(),
            session_id: options.session_id.clone(),
            observer: options.observer.clone(),
        }
    }
}

/// Connects to a server by `git://`, ssh or HTTP, and reads its greeting.
///
/// Local paths are for the caller to serve: see [`Connection::over`] and [`Connection::to_program`].
///
/// # Errors
/// [`TransportError`].
pub fn connect(
    url: &GitUrl,
    service: Service,
    options: ConnectOptions,
    cx: &Context,
) -> Result<Connection, TransportError> {
    let manners = Manners::of(&options);
    let carrier = match url.scheme() {
        Scheme::Git => Carrier::Stateful(git::connect(url, service, &options)?, None),
        Scheme::Ssh => {
            let (stateful, complaints) = ssh::connect(url, service, &options)?;
            Carrier::Stateful(stateful, Some(("ssh".to_owned(), complaints)))
        }
        #[cfg(feature = "http")]
        Scheme::Http | Scheme::Https => {
            Carrier::Http(Box::new(super::http::Http::connect(url, service, options, cx)?))
        }
        #[cfg(not(feature = "http"))]
        Scheme::Http | Scheme::Https => {
            return Err(TransportError::Unsupported {
                url: url.without_credentials(),
                reason: "it was built without HTTP",
            });
        }
        Scheme::File => {
            return Err(TransportError::Unsupported { url: url.clone(), reason: "it is local" });
        }
    };
    Connection::greet(carrier, service, manners, cx)
}

impl Connection {
    /// Talks to a server at the other end of `duplex`, which speaks first.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn over(
        duplex: Duplex,
        service: Service,
        options: &ConnectOptions,
        cx: &Context,
    ) -> Result<Self, TransportError> {
        let carrier = Carrier::Stateful(Stateful::new(duplex, options.idle_timeout, None)?, None);
        Self::greet(carrier, service, Manners::of(options), cx)
    }

    /// Starts a server program (`git-upload-pack /path`, say) and talks to its standard input and output.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn to_program(
        mut command: Command,
        service: Service,
        options: &ConnectOptions,
        cx: &Context,
    ) -> Result<Self, TransportError> {
        match options.version {
            ProtocolVersion::V0 => command.env_remove("GIT_PROTOCOL"),
            version => command.env("GIT_PROTOCOL", format!("version={}", version.number())),
        };
        let program = command.get_program().to_string_lossy().into_owned();
        let (stateful, complaints) = spawn(command, options.idle_timeout)?;
        let carrier = Carrier::Stateful(stateful, Some((program, complaints)));
        Self::greet(carrier, service, Manners::of(options), cx)
    }

    fn greet(
        carrier: Carrier,
        service: Service,
        manners: Manners,
        cx: &Context,
    ) -> Result<Self, TransportError> {
        let Manners { limits, session_id, observer } = manners;
        let tap = |way| move |observer| Tap::new(observer, Seat::Client, way);
        let taps = observer.map(|one| (tap(Way::Sent)(one.clone()), tap(Way::Received)(one)));
        let mut connection =
            Connection { carrier, server: Advertisement::default(), service, session_id, taps };
        if service == Service::UploadArchive {
            // Such a server waits to be asked.
            return Ok(connection);
        }
        let mut machine = Handshake::new(service, &limits);
        drive::drive(&mut connection, &mut machine, &mut drive::NoOwner, cx)?;
        connection.server = machine.finish()?;
        Ok(connection)
    }

    /// What the server said of itself; in versions 0 and 1 that includes its refs.
    pub const fn advertisement(&self) -> &Advertisement {
        &self.server
    }

    /// What the server was asked for.
    pub const fn service(&self) -> Service {
        self.service
    }

    /// What this session is called in the logs of the client, if servers are told.
    pub const fn session_id(&self) -> Option<&BString> {
        self.session_id.as_ref()
    }

    /// Whether the server remembers what was said before.
    pub const fn kind(&self) -> client::Connection {
        match &self.carrier {
            Carrier::Stateful(..) => client::Connection::Stateful,
            #[cfg(feature = "http")]
            Carrier::Http(_) => client::Connection::Stateless,
        }
    }

    /// Takes leave of a server from which nothing is wanted after all. Dropping the connection is enough for
    /// all but the server's log.
    pub fn hang_up(mut self) {
        if let Carrier::Stateful(stateful, _) = &mut self.carrier {
            if let Some((sent, _)) = &mut self.taps {
                sent.bytes(b"0000");
            }
            if stateful.send(b"0000").is_ok() {
                let _ = stateful.flush();
            }
            stateful.finish();
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8], cx: &Context) -> Result<(), TransportError> {
        if let Some((sent, _)) = &mut self.taps {
            sent.bytes(bytes);
        }
        let sent = match &mut self.carrier {
            Carrier::Stateful(stateful, _) => {
                cx.check()?;
                stateful.send(bytes)
            }
            #[cfg(feature = "http")]
            Carrier::Http(http) => http.send(bytes, cx),
        };
        sent.map_err(|error| self.reason(error))
    }

    pub(super) fn end_request(&mut self, cx: &Context) -> Result<(), TransportError> {
        let ended = match &mut self.carrier {
            Carrier::Stateful(stateful, _) => stateful.flush(),
            #[cfg(feature = "http")]
            Carrier::Http(http) => {
                if let Some((sent, received)) = &mut self.taps {
                    sent.restart();
                    received.restart();
                }
                http.end_request(cx)
            }
        };
        ended.map_err(|error| self.reason(error))
    }

    pub(super) fn read(&mut self, cx: &Context) -> Result<Option<Bytes>, TransportError> {
        let read = match &mut self.carrier {
            Carrier::Stateful(stateful, _) => stateful.read(cx),
            #[cfg(feature = "http")]
            Carrier::Http(http) => http.read(cx),
        };
        if let (Ok(Some(bytes)), Some((_, received))) = (&read, &mut self.taps) {
            received.bytes(bytes);
        }
        read
    }

    /// A server that stops listening has usually said why.
    fn reason(&mut self, error: TransportError) -> TransportError {
        let Carrier::Stateful(stateful, _) = &mut self.carrier else { return error };
        if !matches!(error, TransportError::Broken { .. }) {
            return error;
        }
        match last_message(&stateful.last_words()) {
            Some(message) => ClientError::Remote(message).into(),
            None => self.blame(ClientError::HungUp, Some(error)),
        }
    }

    /// When the carrying program has complained, that says more than the conversation's end.
    pub(super) fn blame(&self, error: ClientError, instead: Option<TransportError>) -> TransportError {
        if let (ClientError::HungUp, Carrier::Stateful(_, Some((program, complaints)))) =
            (&error, &self.carrier)
        {
            // What is on its way on another pipe gets a moment to arrive.
            std::thread::sleep(std::time::Duration::from_millis(50));
            let message = complaints.excerpt();
            if !message.as_bytes().is_empty() {
                return TransportError::Program { program: program.clone(), message, source: error };
            }
        }
        instead.unwrap_or(TransportError::Protocol(error))
    }
}

/// The last message among packets that nobody read: an `ERR` packet, or side band 3.
fn last_message(mut words: &[u8]) -> Option<git_core_protocol::error::Excerpt> {
    let mut found = None;
    while let Ok(Some((packet, length))) = pkt_line::decode(words) {
        if let Some(message) = packet.error() {
            found = Some(git_core_protocol::error::Excerpt::new(message));
        } else if let Packet::Data(payload) = packet
            && let Ok(Band::Error(message)) = Band::demux(payload)
        {
            found = Some(git_core_protocol::error::Excerpt::new(message));
        }
        words = &words[length..];
    }
    found
}
