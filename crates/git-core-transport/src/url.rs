//! The forms in which people name a repository: URLs, `host:path`, and local paths (`git-fetch(1)`, "GIT URLS").
//!
//! Rewriting by configuration (`url.<base>.insteadOf`) is left to others; so is opening what is named.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::ErrorKind;
use percent_encoding::percent_decode;
use std::fmt;

/// A repository's address, parsed and checked. `Display` and `Debug` never show a password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct GitUrl {
    scheme: Scheme,
    form: Form,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    path: BString,
}

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `http://`
    Http,
    /// `https://`
    Https,
    /// `git://`
    Git,
    /// `ssh://`, `git+ssh://`, `ssh+git://`, or `host:path`.
    Ssh,
    /// `file://`, or a path.
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Form {
    Url,
    /// `user@host:path`
    Scp,
    /// A path.
    Path,
}

/// Text that names no repository, or one in a way that is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It has no bytes.
    #[error("an empty address")]
    Empty,
    /// It contains a line end or another control byte.
    #[error("the address contains the control byte '{}'", .0.escape_ascii())]
    Control(u8),
    /// It needs a helper or a protocol that is not there.
    #[error("unable to find a transport for '{0}'")]
    Scheme(String),
    /// There is no host where one must be.
    #[error("the address has no host")]
    NoHost,
    /// There is no path where one must be.
    #[error("the address has no path")]
    NoPath,
    /// The port is no number from 1 to 65535.
    #[error("'{0}' is not a port")]
    Port(String),
    /// The user or host would be taken for an option of a program.
    #[error("strange hostname '{0}' blocked")]
    StrangeHost(String),
    /// The path would be taken for an option of a program.
    #[error("strange pathname '{0}' blocked")]
    StrangePath(String),
    /// The host contains what no host can, or is not UTF-8.
    #[error("'{0}' is not a host")]
    Host(String),
}

impl UrlError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            UrlError::StrangeHost(_) | UrlError::StrangePath(_) => ErrorKind::Denied,
            _ => ErrorKind::Invalid,
        }
    }
}

impl Scheme {
    /// The name in front of `://`.
    pub const fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::Git => "git",
            Scheme::Ssh => "ssh",
            Scheme::File => "file",
        }
    }

    /// The port that is used when none is named.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Scheme::Http => Some(80),
            Scheme::Https => Some(443),
            Scheme::Git => Some(9418),
            Scheme::Ssh => Some(22),
            Scheme::File => None,
        }
    }
}

impl GitUrl {
    /// Reads an address in any of git's forms.
    ///
    /// # Errors
    /// [`UrlError`].
    ///
    /// ```
    /// use git_core_transport::url::{GitUrl, Scheme};
    /// let url = GitUrl::parse("git@example.com:project.git")?;
    /// assert_eq!((url.scheme(), url.user(), url.host()), (Scheme::Ssh, Some("git"), "example.com"));
    /// # Ok::<(), git_core_transport::url::UrlError>(())
    /// ```
    pub fn parse(address: impl AsRef<[u8]>) -> Result<Self, UrlError> {
        let address = address.as_ref();
        if address.is_empty() {
            return Err(UrlError::Empty);
        }
        if let Some(byte) = address.iter().find(|b| b.is_ascii_control()) {
            return Err(UrlError::Control(*byte));
        }
        if let Some((scheme, rest)) = address.split_once_str("://")
            && scheme.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        {
            let scheme = match scheme.to_ascii_lowercase().as_slice() {
                b"http" => Scheme::Http,
                b"https" => Scheme::Https,
                b"git" => Scheme::Git,
                b"ssh" | b"git+ssh" | b"ssh+git" => Scheme::Ssh,
                b"file" => Scheme::File,
                other => return Err(UrlError::Scheme(other.to_str_lossy().into_owned())),
            };
            return Self::parse_url(scheme, rest);
        }
        let colon = address.find_byte(b':');
        let slash = address.find_byte(b'/');
        match colon {
            // `name::address` is for a helper program of that name.
            Some(colon)
                if address.get(colon + 1) == Some(&b':')
                    && address[..colon].iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-') =>
            {
                Err(UrlError::Scheme(address[..colon].to_str_lossy().into_owned()))
            }
            Some(colon) if slash.is_none_or(|slash| slash > colon) && !is_drive(address) => {
                Self::parse_scp(address)
            }
            _ => Ok(Self::local(address)),
        }
    }

    /// The address of a local path, whatever it looks like.
    pub fn local(path: impl AsRef<[u8]>) -> Self {
        GitUrl {
            scheme: Scheme::File,
            form: Form::Path,
            user: None,
            password: None,
            host: String::new(),
            port: None,
            path: path.as_ref().into(),
        }
    }

    fn parse_url(scheme: Scheme, rest: &[u8]) -> Result<Self, UrlError> {
        let split = rest.find_byte(b'/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(split);
        let raw = matches!(scheme, Scheme::Http | Scheme::Https);
        let path = if raw { path.into() } else { decode(path) };
        if let Some(byte) = path.iter().find(|b| b.is_ascii_control()) {
            return Err(UrlError::Control(*byte));
        }
        if scheme == Scheme::File {
            if path.is_empty() {
                return Err(UrlError::NoPath);
            }
            return Ok(GitUrl { form: Form::Url, ..Self::local(path) });
        }
        let (user, password, server) = credentials(authority)?;
        let (host, port) = host_and_port(server)?;
        if path.is_empty() && !raw {
            return Err(UrlError::NoPath);
        }
        // `ssh://host/~user/x` means the path `~user/x`, which the remote shell expands.
        let path = match path.strip_prefix(b"/") {
            Some(home) if home.starts_with(b"~") && !raw => home.into(),
            _ => path,
        };
        GitUrl { scheme, form: Form::Url, user, password, host, port, path }.checked()
    }

    /// `[user@]host:path`, where brackets may hold an IPv6 address or a host with its port.
    fn parse_scp(address: &[u8]) -> Result<Self, UrlError> {
        let open = address.find_byte(b'[').filter(|at| *at == 0 || address[at - 1] == b'@');
        let (server, path, bracketed) = match open {
            Some(open) => {
                let close = address.find(b"]:").ok_or_else(|| UrlError::Host(shown(address)))?;
                let inner = [&address[..open], &address[open + 1..close]].concat();
                (inner, &address[close + 2..], true)
            }
            None => {
                let (server, path) = address.split_once_str(":").ok_or(UrlError::NoPath)?;
                (server.to_vec(), path, false)
            }
        };
        if path.is_empty() {
            return Err(UrlError::NoPath);
        }
        let (user, server) = match server.rsplit_once_str("@") {
            Some((user, server)) => (Some(text(user)?), server),
            None => (None, server.as_slice()),
        };
        let (host, port) = match bracketed && server.iter().filter(|b| **b == b':').count() == 1 {
            true => host_and_port(server)?,
            false => (text(server)?, None),
        };
        let path = path.into();
        GitUrl { scheme: Scheme::Ssh, form: Form::Scp, user, password: None, host, port, path }.checked()
    }

    fn checked(self) -> Result<Self, UrlError> {
        if self.host.is_empty() {
            return Err(UrlError::NoHost);
        }
        let strange = |text: &str| text.starts_with('-');
        if strange(&self.host) || self.user.as_deref().is_some_and(strange) {
            return Err(UrlError::StrangeHost(self.host));
        }
        if self.scheme == Scheme::Ssh && self.path.starts_with(b"-") {
            return Err(UrlError::StrangePath(shown(&self.path)));
        }
        let known = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        if !self.host.chars().all(known) {
            return Err(UrlError::Host(self.host));
        }
        for part in [&self.user, &self.password].into_iter().flatten() {
            if let Some(byte) = part.bytes().find(u8::is_ascii_control) {
                return Err(UrlError::Control(byte));
            }
        }
        Ok(self)
    }

    /// How the repository is reached.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Who asks, percent-decoded.
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, percent-decoded.
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// The host, an IPv6 address without its brackets; empty for a local path.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, if one is named.
    pub const fn port(&self) -> Option<u16> {
        self.port
    }

    /// The path: percent-decoded, but for HTTP, where it is kept as written, query included.
    pub fn path(&self) -> &BStr {
        self.path.as_bstr()
    }

    /// Whether it was written as `host:path`.
    pub fn is_scp_like(&self) -> bool {
        self.form == Form::Scp
    }

    /// Whether it was written as a path, without a scheme.
    pub fn is_path(&self) -> bool {
        self.form == Form::Path
    }

    /// The host as URLs and `host=` spell it, with brackets and port where needed.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }

    /// The same address without user and password.
    pub fn without_credentials(&self) -> Self {
        GitUrl { user: None, password: None, ..self.clone() }
    }
}

fn is_drive(address: &[u8]) -> bool {
    cfg!(windows) && address.len() > 1 && address[0].is_ascii_alphabetic() && address[1] == b':'
}

fn decode(text: &[u8]) -> BString {
    percent_decode(text).collect::<Vec<_>>().into()
}

fn text(bytes: &[u8]) -> Result<String, UrlError> {
    bytes.to_str().map(str::to_owned).map_err(|_| UrlError::Host(shown(bytes)))
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(200)].to_str_lossy().into_owned()
}

type Credentials<'a> = (Option<String>, Option<String>, &'a [u8]);

fn credentials(authority: &[u8]) -> Result<Credentials<'_>, UrlError> {
    let Some((who, server)) = authority.rsplit_once_str("@") else { return Ok((None, None, authority)) };
    let (user, password) = match who.split_once_str(":") {
        Some((user, password)) => (user, Some(password)),
        None => (who, None),
    };
    Ok((Some(text(&decode(user))?), password.map(|p| text(&decode(p))).transpose()?, server))
}

fn host_and_port(server: &[u8]) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match server.strip_prefix(b"[") {
        Some(rest) => {
            let (host, rest) = rest.split_once_str("]").ok_or_else(|| UrlError::Host(shown(server)))?;
            match rest.split_first() {
                None => (host, None),
                Some((b':', port)) => (host, Some(port)),
                Some(_) => return Err(UrlError::Host(shown(server))),
            }
        }
        None => match server.rsplit_once_str(":") {
            Some((host, port)) => (host, Some(port)),
            None => (server, None),
        },
    };
    let port = match port {
        None | Some(b"") => None,
        Some(digits) => {
            let number = digits.to_str().ok().filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
            let number = number.and_then(|d| d.parse().ok()).filter(|port| *port > 0);
            Some(number.ok_or_else(|| UrlError::Port(shown(digits)))?)
        }
    };
    Ok((text(host)?, port))
}

impl fmt::Display for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.form == Form::Path {
            return write!(f, "{}", self.path);
        }
        if self.form == Form::Url {
            write!(f, "{}://", self.scheme.name())?;
        }
        if let Some(user) = &self.user {
            f.write_str(user)?;
            f.write_str(if self.password.is_some() { ":<redacted>@" } else { "@" })?;
        }
        match self.form {
            Form::Scp if self.port.is_some() => write!(f, "[{}]:{}", self.authority(), self.path),
            Form::Scp => write!(f, "{}:{}", self.authority(), self.path),
            _ if self.path.starts_with(b"~") => write!(f, "{}/{}", self.authority(), self.path),
            _ => write!(f, "{}{}", self.authority(), self.path),
        }
    }
}

impl fmt::Debug for GitUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let parts = |address: &str| {
            let url = GitUrl::parse(address).unwrap();
            (
                url.scheme(),
                url.user().map(str::to_owned),
                url.host().to_owned(),
                url.port(),
                url.path().to_string(),
            )
        };
        let some = |text: &str| Some(text.to_owned());
        for (address, scheme, user, host, port, path) in [
            ("https://example.com/a%20b.git?x=1", Scheme::Https, None, "example.com", None, "/a%20b.git?x=1"),
            ("http://u@h:81/p", Scheme::Http, some("u"), "h", Some(81), "/p"),
            ("https://h", Scheme::Https, None, "h", None, ""),
            ("git://h/a%20b", Scheme::Git, None, "h", None, "/a b"),
            ("git://[::1]:99/p", Scheme::Git, None, "::1", Some(99), "/p"),
            ("ssh://u@h:22/~bob/p", Scheme::Ssh, some("u"), "h", Some(22), "~bob/p"),
            ("git+ssh://h/p", Scheme::Ssh, None, "h", None, "/p"),
            ("u@h:p/q", Scheme::Ssh, some("u"), "h", None, "p/q"),
            ("h:/p", Scheme::Ssh, None, "h", None, "/p"),
            ("[u@h:2222]:p", Scheme::Ssh, some("u"), "h", Some(2222), "p"),
            ("u@[::1]:p", Scheme::Ssh, some("u"), "::1", None, "p"),
            ("file:///a%20b", Scheme::File, None, "", None, "/a b"),
            ("/a/b:c", Scheme::File, None, "", None, "/a/b:c"),
            ("./a:b", Scheme::File, None, "", None, "./a:b"),
            ("dir", Scheme::File, None, "", None, "dir"),
        ] {
            assert_eq!(parts(address), (scheme, user, host.to_owned(), port, path.to_owned()), "{address}");
        }
    }

    #[test]
    fn what_is_refused() {
        for bad in [
            "",
            "https://h/a\nb",
            "git://h/a%0ab",
            "https://u%0a@h/",
            "ext::sh -c x",
            "foo://h/p",
            "ssh:///p",
            "ssh://h",
            "git://h",
            "h:",
            "ssh://-oProxyCommand=x/p",
            "-oProxyCommand=x:p",
            "ssh://-x@h/p",
            "h:-x",
            "git://h:0/p",
            "git://h:99999/p",
            "git://h:+1/p",
            "ssh://h h/p",
            "https://h;x/p",
            "[h:p",
        ] {
            assert!(GitUrl::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        let url = GitUrl::parse("https://me:s%65cret@h/p").unwrap();
        assert_eq!(url.password(), Some("secret"));
        assert_eq!(url.to_string(), "https://me:<redacted>@h/p");
        assert!(!format!("{url:?}").contains("secret"));
        assert_eq!(url.without_credentials().to_string(), "https://h/p");
        for same in ["u@h:p", "ssh://h/~u/p", "git://[::1]:9/p", "/a/b", "[h:22]:p"] {
            assert_eq!(GitUrl::parse(same).unwrap().to_string(), same);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
            let _ = GitUrl::parse(&bytes);
        }

        #[test]
        fn what_is_shown_is_read_again(address in "(https|git|ssh)://([a-z]{1,3}@)?[a-z]{1,4}(:[1-9][0-9]{0,3})?/[a-z~/]{0,8}") {
            let url = GitUrl::parse(&address).unwrap();
            proptest::prop_assert_eq!(GitUrl::parse(url.to_string()).unwrap(), url);
        }
    }
}
