//! Smart HTTP as a `tower` service, for any server that speaks `http` and `http-body`.

use super::super::connection::{Connection, Inflow as _};
use super::super::log::log;
use super::super::stdio::machine;
use super::super::workers::Workers;
use super::super::{Backend, BoxFuture, Carrier, Refusal, Request, ServeError, Served, ServerOptions};
use super::auth::basic;
use super::body::{FromRequest, Piece, ResponseBody, ToResponse};
use super::cgi::challenge;
use super::inflate::Inflater;
use super::route::{Head, NO_CACHE, Route, Unroutable, route};
use bytes::Bytes;
use git_core_object::{BoxError, Context as Cx};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body::Body;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::mpsc;

/// Put this into the extensions of a request to tell the service where the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddr(pub SocketAddr);

/// Put this into the extensions of a request to tell the service who the peer is, where something in front of it
/// has made sure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteUser(pub String);

/// Serves `GET /<repository>/info/refs?service=…` and `POST /<repository>/git-upload-pack` and
/// `…/git-receive-pack`. Must be called within a tokio runtime with time.
///
/// Bodies are streamed in both directions. Clones share their limits.
#[derive(Clone)]
pub struct HttpService {
    backend: Arc<dyn Backend>,
    options: Arc<ServerOptions>,
    workers: Workers,
}

impl HttpService {
    /// A service over a backend. Limits on connections, and how long and how slowly the socket itself is waited
    /// for, are the listener's.
    pub fn new(backend: Arc<dyn Backend>, options: ServerOptions) -> Self {
        let workers = Workers::new(&options);
        HttpService { backend, options: Arc::new(options), workers }
    }

    async fn respond<B>(self, request: http::Request<B>) -> Response<ResponseBody>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let start = Instant::now();
        let (parts, body) = request.into_parts();
        let text = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let head = Head {
            method: parts.method.as_str(),
            path: parts.uri.path().as_bytes(),
            encoded: true,
            query: parts.uri.query().unwrap_or_default(),
            content_type: text(header::CONTENT_TYPE),
        };
        let route = match route(head) {
            Ok(route) => route,
            Err(unroutable) => return unroutable_response(&unroutable),
        };
        let inflater = match text(header::CONTENT_ENCODING).unwrap_or("identity") {
            "gzip" | "x-gzip" => Some(Inflater::new(self.options.inflated_bytes)),
            "identity" | "" => None,
            _ => {
                let message = "unsupported content encoding".to_owned();
                return unroutable_response(&Unroutable { status: 415, message, allow: None });
            }
        };
        let mut request = Request::new(route.service, route.path.clone(), Carrier::Http);
        let asked = parts.headers.get("git-protocol").map_or(&b""[..], HeaderValue::as_bytes);
        request.version = route.version(asked);
        request.host = match text(header::HOST) {
            Some(host) => Some(host.to_owned()),
            None => parts.uri.authority().map(|authority| authority.as_str().to_owned()),
        };
        request.peer = parts.extensions.get().map(|PeerAddr(address)| *address);
        request.user = parts.extensions.get().map(|RemoteUser(user)| user.clone());
        request.credentials =
            parts.headers.get(header::AUTHORIZATION).and_then(|value| basic(value.as_bytes()));
        let session = match self.backend.open(&request).await {
            Ok(session) => session,
            Err(refusal) => {
                let response = refusal_response(&refusal, &self.options);
                log::<()>(&request, Served::default(), &Err(refusal.into()), start);
                return response;
            }
        };
        let machine = machine(session.as_ref(), route.service, request.version, route.mode);
        let prelude = route.prelude(request.version);
        let (pieces, mut response) = mpsc::channel(1);
        let io = (FromRequest::new(body, inflater), ToResponse(pieces));
        let connection = Connection::new(machine, session, io, self.workers, self.options.clone(), Cx::new());
        let idle = self.options.idle_timeout;
        tokio::spawn(async move {
            let (mut inflow, outflow, served, result) = connection.run().await;
            // A protocol error has been told to the client within the body; a broken carrier breaks the body off.
            if !matches!(result, Err(ServeError::Read(_) | ServeError::Write(_) | ServeError::TimedOut(_))) {
                let _ = tokio::time::timeout(idle, outflow.0.send(Piece::End)).await;
            }
            log(&request, served, &result, start);
            drop(outflow);
            // What the client still sends is read, so that it comes to read what it was told.
            let drain = async {
                let mut scratch = Vec::new();
                while inflow.read(&mut scratch).await.is_ok_and(|count| count > 0) {
                    scratch.clear();
                }
            };
            let _ = tokio::time::timeout(idle, drain).await;
        });
        // The status is decided when the first bytes are there, or the conversation broke off before any.
        let mut first = prelude;
        let body = match response.recv().await {
            Some(Piece::Bytes(bytes)) => {
                first.extend_from_slice(&bytes);
                ResponseBody::stream(first.into(), response)
            }
            Some(Piece::End) => ResponseBody::whole(first),
            None => {
                let message = "the request broke off".to_owned();
                return unroutable_response(&Unroutable { status: 400, message, allow: None });
            }
        };
        ok_response(&route, body)
    }
}

impl<B> tower_service::Service<http::Request<B>> for HttpService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(request).await) })
    }
}

fn ok_response(route: &Route, body: ResponseBody) -> Response<ResponseBody> {
    let mut response = Response::new(body);
    set(response.headers_mut(), header::CONTENT_TYPE, &route.content_type());
    no_cache(response.headers_mut());
    response
}

fn unroutable_response(unroutable: &Unroutable) -> Response<ResponseBody> {
    let mut response = plain(unroutable.status, &unroutable.message);
    if let Some(allow) = unroutable.allow {
        set(response.headers_mut(), header::ALLOW, allow);
    }
    response
}

fn refusal_response(refusal: &Refusal, options: &ServerOptions) -> Response<ResponseBody> {
    let mut response = plain(refusal.http_status(), refusal.message());
    if refusal.http_status() == 401 {
        set(response.headers_mut(), header::WWW_AUTHENTICATE, &challenge(&options.realm));
    }
    if let Some(after) = refusal.retry_after() {
        set(response.headers_mut(), header::RETRY_AFTER, &after.as_secs().max(1).to_string());
    }
    response
}

fn plain(status: u16, message: &str) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::whole(format!("{message}\n")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    set(response.headers_mut(), header::CONTENT_TYPE, "text/plain; charset=utf-8");
    no_cache(response.headers_mut());
    response
}

fn no_cache(headers: &mut HeaderMap) {
    for (name, value) in NO_CACHE {
        headers.insert(
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_static(value),
        );
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
