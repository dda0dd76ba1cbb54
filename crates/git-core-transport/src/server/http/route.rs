//! Which repository and which half of a conversation an HTTP request is for, or why it is for none.

use bstr::ByteSlice as _;
use git_core_protocol::server::Mode;
use git_core_protocol::{ProtocolVersion, Service, pkt_line};
use percent_encoding::percent_decode;

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) service: Service,
    /// [`Mode::Advertise`] or [`Mode::StatelessRpc`].
    pub(crate) mode: Mode,
    /// The repository, percent-decoded, with its leading slash.
    pub(crate) path: Vec<u8>,
}

/// A request that is answered with a status and a line of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unroutable {
    pub(crate) status: u16,
    pub(crate) message: String,
    /// The method that would be right, when that is the matter.
    pub(crate) allow: Option<&'static str>,
}

/// As much of a request as decides where it goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// The path, percent-encoded or not.
    pub(crate) path: &'a [u8],
    pub(crate) encoded: bool,
    pub(crate) query: &'a str,
    pub(crate) content_type: Option<&'a str>,
}

pub(crate) fn route(head: Head<'_>) -> Result<Route, Unroutable> {
    let path = match head.encoded {
        true => percent_decode(head.path).collect(),
        false => head.path.to_vec(),
    };
    let not_found = || unroutable(404, "not found");
    if path.contains(&0) {
        return Err(not_found());
    }
    if let Some(repository) = path.strip_suffix(b"/info/refs") {
        let service = query_value(head.query, "service").ok_or_else(not_found)?;
        // A server that makes archives does not introduce itself.
        let service = Service::from_name(&service)
            .filter(|service| *service != Service::UploadArchive)
            .ok_or_else(|| unroutable(403, format!("unsupported service: '{}'", service.escape_ascii())))?;
        if head.method != "GET" {
            return Err(Unroutable { allow: Some("GET"), ..unroutable(405, "method not allowed") });
        }
        return Ok(Route { service, mode: Mode::Advertise, path: repository.to_vec() });
    }
    let (repository, last) = path.rsplit_once_str("/").ok_or_else(not_found)?;
    let service = Service::from_name(last).ok_or_else(not_found)?;
    if head.method != "POST" {
        return Err(Unroutable { allow: Some("POST"), ..unroutable(405, "method not allowed") });
    }
    let expected = format!("application/x-{service}-request");
    if head.content_type != Some(expected.as_str()) {
        return Err(unroutable(415, format!("unsupported media type: expected '{expected}'")));
    }
    Ok(Route { service, mode: Mode::StatelessRpc, path: repository.to_vec() })
}

fn unroutable(status: u16, message: impl Into<String>) -> Unroutable {
    Unroutable { status, message: message.into(), allow: None }
}

/// The first value of this name in a query string, decoded.
fn query_value(query: &str, name: &str) -> Option<Vec<u8>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| *key == name)?;
    Some(percent_decode(value.as_bytes()).collect())
}

impl Route {
    /// The version of the conversation: what is asked for, where there is such a one.
    pub(crate) fn version(&self, git_protocol: &[u8]) -> ProtocolVersion {
        match (self.service, ProtocolVersion::from_request(git_protocol)) {
            (Service::ReceivePack, ProtocolVersion::V2) => ProtocolVersion::V0,
            (_, version) => version,
        }
    }

    /// The media type of the response.
    pub(crate) fn content_type(&self) -> String {
        match self.mode {
            Mode::Advertise => format!("application/x-{}-advertisement", self.service),
            _ => format!("application/x-{}-result", self.service),
        }
    }

    /// What precedes the machine's own bytes: an advertisement before v2 names its service first.
    pub(crate) fn prelude(&self, version: ProtocolVersion) -> Vec<u8> {
        let mut out = Vec::new();
        if self.mode == Mode::Advertise && version != ProtocolVersion::V2 {
            let line = format!("# service={}", self.service);
            pkt_line::write_text(&mut out, line.as_bytes()).expect("a short line");
            pkt_line::write_flush(&mut out);
        }
        out
    }
}

/// Nothing of a conversation may come from a cache: the headers that say so, as git's own server sends them.
pub(crate) const NO_CACHE: [(&str, &str); 3] = [
    ("Expires", "Fri, 01 Jan 1980 00:00:00 GMT"),
    ("Pragma", "no-cache"),
    ("Cache-Control", "no-cache, max-age=0, must-revalidate"),
];

/// The words behind a status.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, path: &str, query: &str, content_type: Option<&str>) -> Result<Route, u16> {
        route(Head { method, path: path.as_bytes(), encoded: true, query, content_type })
            .map_err(|e| e.status)
    }

    #[test]
    fn routes() {
        let get = of("GET", "/a%20b/c.git/info/refs", "x=y&service=git-upload-pack", None).unwrap();
        assert_eq!(get.path, b"/a b/c.git");
        assert_eq!((get.service, get.mode), (Service::UploadPack, Mode::Advertise));
        assert_eq!(get.prelude(ProtocolVersion::V1), b"001e# service=git-upload-pack\n0000");
        assert!(get.prelude(ProtocolVersion::V2).is_empty());
        assert_eq!(get.content_type(), "application/x-git-upload-pack-advertisement");
        let post =
            of("POST", "/r/git-receive-pack", "", Some("application/x-git-receive-pack-request")).unwrap();
        assert_eq!((post.service, post.mode), (Service::ReceivePack, Mode::StatelessRpc));
        assert_eq!(post.version(b"version=2"), ProtocolVersion::V0);
        assert_eq!(post.version(b"version=1"), ProtocolVersion::V1);
    }

    #[test]
    fn what_leads_nowhere() {
        assert_eq!(of("GET", "/r/info/refs", "", None), Err(404));
        assert_eq!(of("GET", "/r/info/refs", "service=git-upload-archive", None), Err(403));
        assert_eq!(of("POST", "/r/info/refs", "service=git-upload-pack", None), Err(405));
        assert_eq!(of("GET", "/r/git-upload-pack", "", None), Err(405));
        assert_eq!(of("POST", "/r/git-upload-pack", "", Some("text/plain")), Err(415));
        assert_eq!(of("POST", "/r/git-upload-pack", "", None), Err(415));
        assert_eq!(of("GET", "/r/HEAD", "", None), Err(404));
        assert_eq!(of("GET", "/r%00/info/refs", "service=git-upload-pack", None), Err(404));
        assert_eq!(of("GET", "", "", None), Err(404));
    }
}
