//! Smart HTTP (`gitprotocol-http(5)`): the greeting by `GET`, each request by `POST`, one after the other.
//!
//! The HTTP client is asynchronous and runs on a private runtime with one thread; `bridge` passes bytes between
//! that and the blocking caller. Redirects are followed by the first request only, and what it led to becomes
//! the base of the others (`redirect`).

mod body;
mod bridge;
mod download;
mod redirect;

pub use download::download;

use super::options::ConnectOptions;
use super::{Credential, CredentialRequest, TransportError};
use crate::url::{GitUrl, Scheme};

use body::Upload;
use bridge::{Answer, Bridge};
use bytes::Bytes;
use git_core_object::Context;
use git_core_protocol::error::Excerpt;
use git_core_protocol::{ProtocolVersion, Service};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue, PRAGMA};
use reqwest::{Method, StatusCode, Url};
use std::io::Write as _;

/// Smaller bodies are sent as they are; as in git.
const COMPRESS_ABOVE: usize = 1024;
/// How often a credential is asked for after one was refused.
const ATTEMPTS: usize = 3;

/// A server reached by HTTP, the request being put together and the answer being read.
pub(super) struct Http {
    bridge: Bridge,
    client: reqwest::Client,
    base: Base,
    service: Service,
    options: ConnectOptions,
    credential: Option<Credential>,
    /// Whether the server has taken the credential already.
    approved: bool,
    upload: Upload,
    answer: Option<Answer>,
}

/// Where the repository is: everything before `/info/refs`. Never contains credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Base(String);

impl Base {
    fn greeting(&self, service: Service) -> Result<Url, TransportError> {
        let service = greeting_of(service);
        let mark = if self.0.contains('?') { '&' } else { '?' };
        self.parse(format!("{}/info/refs{mark}service={}", self.0, service.name()))
    }

    fn post(&self, service: Service) -> Result<Url, TransportError> {
        self.parse(format!("{}/{}", self.0, service.name()))
    }

    fn parse(&self, url: String) -> Result<Url, TransportError> {
        Url::parse(&url)
            .map_err(|source| TransportError::Connect { to: self.0.clone(), source: source.into() })
    }
}

/// Which service is asked to introduce itself: one that makes archives does not.
fn greeting_of(service: Service) -> Service {
    if service == Service::UploadArchive { Service::UploadPack } else { service }
}

impl Http {
    /// Asks for the greeting, which is then [`read`](Self::read).
    pub(super) fn connect(
        url: &GitUrl,
        service: Service,
        options: ConnectOptions,
        cx: &Context,
    ) -> Result<Self, TransportError> {
        let failed =
            |source: git_core_object::BoxError| TransportError::Connect { to: url.authority(), source };
        if url.scheme() == Scheme::Https && !cfg!(feature = "tls") {
            let url = url.without_credentials();
            return Err(TransportError::Unsupported { url, reason: "it was built without TLS" });
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .user_agent(options.user_agent.as_str())
            .referer(false)
            .no_proxy()
            .build()
            .map_err(|error| failed(error.into()))?;
        let path = std::str::from_utf8(url.path()).map_err(|error| failed(error.into()))?;
        let base = format!("{}://{}{}", url.scheme().name(), url.authority(), path.trim_end_matches('/'));
        let credential = url.user().zip(url.password()).map(|(username, password)| Credential {
            username: username.to_owned(),
            password: password.to_owned(),
        });
        let mut http = Http {
            bridge: Bridge::new(options.idle_timeout)?,
            client,
            base: Base(base),
            service,
            options,
            credential,
            approved: false,
            upload: Upload::default(),
            answer: None,
        };
        http.greet(url.user(), cx)?;
        Ok(http)
    }

    fn greet(&mut self, user: Option<&str>, cx: &Context) -> Result<(), TransportError> {
        let (mut refused, mut redirects) = (0, 0);
        loop {
            let url = self.base.greeting(self.service)?;
            let request = self.request(Method::GET, url.clone())?.header(PRAGMA, "no-cache");
            let answer = self.bridge.ask(request, "waiting for the server's greeting", cx)?;
            if answer.status().is_redirection() {
                redirects += 1;
                self.follow(&url, &answer, redirects)?;
                continue;
            }
            if answer.status() == StatusCode::UNAUTHORIZED && refused < ATTEMPTS {
                refused += 1;
                self.refused(user)?;
                continue;
            }
            self.check(&answer, greeting_of(self.service), "advertisement", cx)?;
            self.answer = Some(answer);
            return Ok(());
        }
    }

    /// Goes where a redirect leads, if that may be.
    fn follow(&mut self, from: &Url, answer: &Answer, count: usize) -> Result<(), TransportError> {
        let location = answer.header("location").unwrap_or_default();
        let next = redirect::follow(from, location, &self.base, count)?;
        if next.host_changed {
            self.credential = None;
            self.approved = false;
            self.options.extra_headers.clear();
        }
        self.base = next.base;
        Ok(())
    }

    fn request(&self, method: Method, url: Url) -> Result<reqwest::RequestBuilder, TransportError> {
        let mut request = self.client.request(method, url);
        if self.options.version != ProtocolVersion::V0 {
            request = request.header("Git-Protocol", format!("version={}", self.options.version.number()));
        }
        for (name, value) in &self.options.extra_headers {
            let header = HeaderName::try_from(name.as_str()).ok().zip(HeaderValue::from_str(value).ok());
            let Some((name, value)) = header else {
                return Err(TransportError::Caller(
                    format!("'{}' is not an HTTP header", name.escape_debug()).into(),
                ));
            };
            request = request.header(name, value);
        }
        if let Some(credential) = &self.credential {
            request = request.basic_auth(&credential.username, Some(&credential.password));
        }
        Ok(request)
    }

    /// Status 401: whoever knows passwords is asked for one, or for another one.
    fn refused(&mut self, user: Option<&str>) -> Result<(), TransportError> {
        let unauthorized = TransportError::Unauthorized { url: self.base.0.clone() };
        let url = self.base.greeting(self.service)?;
        let repository = self.base.0.splitn(4, '/').nth(3).unwrap_or_default();
        let request = CredentialRequest {
            protocol: url.scheme().to_owned(),
            host: match url.port() {
                Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
                None => url.host_str().unwrap_or_default().to_owned(),
            },
            path: repository.to_owned(),
            username: user.map(str::to_owned),
        };
        let Some(source) = &mut self.options.credentials else { return Err(unauthorized) };
        if let Some(credential) = self.credential.take() {
            source.reject(&request, &credential);
        }
        match source.get(&request).map_err(TransportError::Caller)? {
            Some(credential) => {
                self.credential = Some(credential);
                Ok(())
            }
            None => Err(unauthorized),
        }
    }

    /// Whether an answer is what was asked for: status 200, and the content type of the smart protocol.
    fn check(
        &mut self,
        answer: &Answer,
        service: Service,
        what: &str,
        cx: &Context,
    ) -> Result<(), TransportError> {
        let status = answer.status();
        let url = self.base.0.clone();
        if status != StatusCode::OK {
            let text = answer.content_type().starts_with("text/plain");
            let message = Excerpt::new(&if text { answer.beginning(Excerpt::MAX, cx) } else { Vec::new() });
            return Err(match status.as_u16() {
                401 => TransportError::Unauthorized { url },
                403 => TransportError::Forbidden { url, message },
                404 | 410 => TransportError::NotFound { url },
                300..=399 => TransportError::Redirect {
                    from: url,
                    to: answer.header("location").unwrap_or_default().to_owned(),
                    reason: "only the first request follows redirects",
                },
                status => TransportError::Status { url, status, message },
            });
        }
        let expected = format!("application/x-{}-{what}", service.name());
        if answer.content_type() != expected {
            return Err(TransportError::NotSmart { url, content_type: answer.content_type() });
        }
        if !self.approved
            && let Some(credential) = &self.credential
            && let Some(source) = &mut self.options.credentials
        {
            self.approved = true;
            let parsed = self.base.0.split_once("://").unwrap_or_default();
            let (host, path) = parsed.1.split_once('/').unwrap_or((parsed.1, ""));
            let request = CredentialRequest {
                protocol: parsed.0.to_owned(),
                host: host.to_owned(),
                path: path.to_owned(),
                username: None,
            };
            source.approve(&request, credential);
        }
        Ok(())
    }

    /// Adds to the request; a large push starts to be sent before it is whole.
    pub(super) fn send(&mut self, bytes: &[u8], cx: &Context) -> Result<(), TransportError> {
        if self.upload.add(bytes, &self.bridge, cx)? <= self.options.post_buffer
            || self.service != Service::ReceivePack
        {
            return Ok(());
        }
        // What has begun to flow cannot be repeated, so an empty request finds out first whether it may.
        self.post(Bytes::from_static(b"0000"), cx)?;
        let request = self.request(Method::POST, self.base.post(self.service)?)?;
        let request = self.typed(request);
        self.upload.start(request, &self.bridge, cx)
    }

    fn typed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let name = self.service.name();
        request
            .header(CONTENT_TYPE, format!("application/x-{name}-request"))
            .header(ACCEPT, format!("application/x-{name}-result"))
    }

    /// The request is whole: it is posted, and its answer awaited.
    pub(super) fn end_request(&mut self, cx: &Context) -> Result<(), TransportError> {
        self.answer = None;
        let answer = match self.upload.finish(&self.bridge, cx)? {
            body::Finished::Whole(body) => self.post(body, cx)?,
            body::Finished::Streamed(answer) => {
                self.check(&answer, self.service, "result", cx)?;
                answer
            }
        };
        self.answer = Some(answer);
        Ok(())
    }

    /// Posts a body that is held whole, again with credentials if they turn out to be needed.
    fn post(&mut self, body: Bytes, cx: &Context) -> Result<Answer, TransportError> {
        let url = self.base.post(self.service)?;
        let (body, compressed) = match body.len() > COMPRESS_ABOVE {
            true => (gzip(&body)?, true),
            false => (body, false),
        };
        let mut refused = 0;
        loop {
            let mut request = self.typed(self.request(Method::POST, url.clone())?);
            if compressed {
                request = request.header(CONTENT_ENCODING, "gzip");
            }
            let answer =
                self.bridge.ask(request.body(body.clone()), "waiting for the server's answer", cx)?;
            if answer.status() == StatusCode::UNAUTHORIZED && refused < ATTEMPTS {
                refused += 1;
                self.refused(None)?;
                continue;
            }
            self.check(&answer, self.service, "result", cx)?;
            return Ok(answer);
        }
    }

    /// The next bytes of the answer, or `None` at its end.
    pub(super) fn read(&mut self, cx: &Context) -> Result<Option<Bytes>, TransportError> {
        match &self.answer {
            Some(answer) => answer.read("receiving", cx),
            None => Ok(None),
        }
    }
}

fn gzip(body: &[u8]) -> Result<Bytes, TransportError> {
    let failed = |error: std::io::Error| TransportError::Broken {
        during: "compressing a request",
        source: error.into(),
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).map_err(failed)?;
    Ok(encoder.finish().map_err(failed)?.into())
}
