//! `git://`: a TCP connection and one line that says what is asked for.

use super::stateful::{Duplex, Stateful};
use super::{ConnectOptions, TransportError};
use crate::url::GitUrl;
use git_core_protocol::client::ClientError;
use git_core_protocol::{ProtocolVersion, Service, pkt_line};
use std::net::{Shutdown, TcpStream, ToSocketAddrs as _};

const DEFAULT_PORT: u16 = 9418;

pub(super) fn connect(
    url: &GitUrl,
    service: Service,
    options: &ConnectOptions,
) -> Result<Stateful, TransportError> {
    let failed =
        |source: std::io::Error| TransportError::Connect { to: url.authority(), source: source.into() };
    let stream = dial(url, options).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.set_write_timeout(Some(options.idle_timeout)).map_err(failed)?;
    let (reader, closer) = (stream.try_clone().map_err(failed)?, stream.try_clone().map_err(failed)?);
    let duplex = Duplex { reader: Box::new(reader), writer: Box::new(stream) };
    let close = move || {
        let _ = closer.shutdown(Shutdown::Both);
    };
    let mut connection = Stateful::new(duplex, options.idle_timeout, Some(Box::new(close)))?;
    connection.send(&request(url, service, options.version)?)?;
    connection.flush()?;
    Ok(connection)
}

/// The first line: `git-upload-pack /path\0host=example.com\0\0version=2\0`.
fn request(url: &GitUrl, service: Service, version: ProtocolVersion) -> Result<Vec<u8>, TransportError> {
    let mut line =
        [service.name().as_bytes(), b" ", url.path(), b"\0host=", url.authority().as_bytes(), b"\0"].concat();
    if version != ProtocolVersion::V0 {
        line.extend_from_slice(format!("\0version={}\0", version.number()).as_bytes());
    }
    let mut out = Vec::new();
    pkt_line::write_data(&mut out, &line).map_err(ClientError::from)?;
    Ok(out)
}

/// Tries all addresses of the host, sharing the time between them.
fn dial(url: &GitUrl, options: &ConnectOptions) -> std::io::Result<TcpStream> {
    let addresses = (url.host(), url.port().unwrap_or(DEFAULT_PORT)).to_socket_addrs()?.collect::<Vec<_>>();
    let share = options.connect_timeout / u32::try_from(addresses.len().max(1)).unwrap_or(1);
    let mut last = std::io::Error::other("the host has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_line() {
        let url = GitUrl::parse("git://myserver.com/project.git").unwrap();
        assert_eq!(
            request(&url, Service::UploadPack, ProtocolVersion::V0).unwrap(),
            b"0033git-upload-pack /project.git\0host=myserver.com\0"
        );
        assert_eq!(
            request(&url, Service::UploadPack, ProtocolVersion::V1).unwrap(),
            b"003egit-upload-pack /project.git\0host=myserver.com\0\0version=1\0"
        );
    }
}
