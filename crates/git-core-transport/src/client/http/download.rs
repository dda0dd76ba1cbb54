//! A file from the web: one `GET`, redirects followed.

use super::bridge::Bridge;
use crate::client::{ConnectOptions, TransportError};
use git_core_object::{BoxError, Context};
use git_core_protocol::error::Excerpt;
use reqwest::{StatusCode, Url};

/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// Downloads a file by `http://` or `https://`; its bytes go to `sink` as they come.
///
/// # Errors
/// [`TransportError`]; [`TransportError::Caller`] when the sink failed.
pub fn download(
    url: &str,
    options: &ConnectOptions,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    cx: &Context,
) -> Result<(), TransportError> {
    let failed = |source: BoxError| TransportError::Connect { to: url.to_owned(), source };
    let mut at = Url::parse(url).map_err(|error| failed(error.into()))?;
    let bridge = Bridge::new(options.idle_timeout)?;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(options.connect_timeout)
        .user_agent(options.user_agent.as_str())
        .referer(false)
        .no_proxy()
        .build()
        .map_err(|error| failed(error.into()))?;
    for _ in 0..=REDIRECTS {
        let answer = bridge.ask(client.get(at.clone()), "waiting for a file", cx)?;
        let shown = at.to_string();
        if answer.status().is_redirection() {
            let location = answer.header("location").unwrap_or_default();
            let refused = |reason: &'static str| TransportError::Redirect {
                from: shown.clone(),
                to: location.to_owned(),
                reason,
            };
            let next = at.join(location).map_err(|_| refused("it is no address"))?;
            let safe = next.scheme() == "https" || next.scheme() == "http" && at.scheme() == "http";
            if !safe {
                return Err(refused("it leads to a less safe place"));
            }
            at = next;
            continue;
        }
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(TransportError::Unauthorized { url: shown }),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(TransportError::NotFound { url: shown }),
            status => {
                let message = Excerpt::new(b"");
                return Err(TransportError::Status { url: shown, status: status.as_u16(), message });
            }
        }
        while let Some(piece) = answer.read("receiving a file", cx)? {
            cx.check()?;
            sink(&piece).map_err(TransportError::Caller)?;
        }
        return Ok(());
    }
    Err(TransportError::Redirect {
        from: url.to_owned(),
        to: at.to_string(),
        reason: "there were too many before",
    })
}
