//! Which redirects are followed: to an address that ends as the request did, never from TLS to none.

use super::{Base, TransportError, Url};

/// As many as git follows.
const MAX_REDIRECTS: usize = 20;

pub(super) struct Next {
    pub(super) base: Base,
    /// Credentials and extra headers were meant for somebody else.
    pub(super) host_changed: bool,
}

/// Where the redirect of a request for `from` to `location` leads, being the `count`th in a row.
pub(super) fn follow(from: &Url, location: &str, base: &Base, count: usize) -> Result<Next, TransportError> {
    let refused = |reason| TransportError::Redirect {
        from: base.0.clone(),
        to: location.chars().filter(|c| !c.is_control()).take(500).collect(),
        reason,
    };
    if count > MAX_REDIRECTS {
        return Err(refused("there were too many before it"));
    }
    let mut to = from.join(location).map_err(|_| refused("that is no address"))?;
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err(refused("it leads from TLS to none")),
        _ => return Err(refused("it leads out of HTTP")),
    }
    // Nobody but the user says who the user is.
    let _ = to.set_username("");
    let _ = to.set_password(None);
    to.set_fragment(None);
    let tail = &from.as_str()[base.0.len().min(from.as_str().len())..];
    let tail = if from.as_str().starts_with(&base.0) { tail } else { request_tail(from) };
    let Some(kept) = to.as_str().strip_suffix(tail) else {
        return Err(refused("it does not end as the request does"));
    };
    let host_changed = from.origin() != to.origin();
    Ok(Next { base: Base(kept.to_owned()), host_changed })
}

/// `/info/refs?service=…`, where the base was normalised on its way into the request.
fn request_tail(from: &Url) -> &str {
    let text = from.as_str();
    text.rfind("/info/refs").map_or(text, |at| &text[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(from: &str, to: &str) -> Result<(String, bool), TransportError> {
        let from_base = Base(from.to_owned());
        let url = Url::parse(&format!("{from}/info/refs?service=git-upload-pack")).unwrap();
        follow(&url, to, &from_base, 1).map(|next| (next.base.0, next.host_changed))
    }

    #[test]
    fn what_is_followed() {
        let tail = "/info/refs?service=git-upload-pack";
        let follow = |to: &str| base("http://h/a", &format!("{to}{tail}")).unwrap();
        assert_eq!(follow("/b"), ("http://h/b".to_owned(), false));
        assert_eq!(follow("http://h:80/b"), ("http://h/b".to_owned(), false));
        assert_eq!(follow("https://h/a"), ("https://h/a".to_owned(), true));
        assert_eq!(follow("http://other/a"), ("http://other/a".to_owned(), true));
        assert_eq!(follow("http://h:81/a"), ("http://h:81/a".to_owned(), true));
        assert_eq!(follow("http://u:p@h/a"), ("http://h/a".to_owned(), false));
        for (from, to) in [
            ("https://h/a", format!("http://h/a{tail}")),
            ("http://h/a", format!("ftp://h/a{tail}")),
            ("http://h/a", format!("file:///a{tail}")),
            ("http://h/a", "http://h/login".to_owned()),
            ("http://h/a", "http://h/a/info/refs?service=git-receive-pack".to_owned()),
            ("http://h/a", String::new()),
        ] {
            match base(from, &to) {
                Err(TransportError::Redirect { .. }) => {}
                // An empty location leads back to the same address; the count ends that.
                Ok((same, false)) if to.is_empty() => assert_eq!(same, from),
                other => panic!("{to}: {other:?}"),
            }
        }
        let url = Url::parse("http://h/a/info/refs").unwrap();
        assert!(follow_count(&url));
    }

    fn follow_count(url: &Url) -> bool {
        super::follow(url, url.as_str(), &Base("http://h/a".to_owned()), 21).is_err()
    }
}
