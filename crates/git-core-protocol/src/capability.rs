//! Lists of capabilities: one line in versions 0 and 1, one line each in version 2.
//!
//! `gitprotocol-capabilities(5)` says what they mean; which are asked for is left to the machines.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::{ErrorKind, ObjectFormat};

/// Capabilities in the order they came, each with its value if it has one. Names may repeat (`symref`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    entries: Vec<(BString, Option<BString>)>,
}

/// A list of capabilities that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// A control byte in a list.
    #[error("the byte '{}' in a list of capabilities", .0.escape_ascii())]
    Byte(u8),
    /// A line without a name.
    #[error("a capability without a name")]
    Empty,
    /// `object-format` names a hash that is not known here.
    #[error("the other side uses the unknown object format '{0}'")]
    ObjectFormat(crate::error::Excerpt),
}

impl CapabilityError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            CapabilityError::Byte(_) | CapabilityError::Empty => ErrorKind::Corrupt,
            CapabilityError::ObjectFormat(_) => ErrorKind::Invalid,
        }
    }
}

impl Capabilities {
    /// No capabilities.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the list of version 0 and 1: names and `name=value`, separated by single spaces.
    ///
    /// # Errors
    /// [`CapabilityError::Byte`] for a control byte.
    pub fn parse_list(list: &[u8]) -> Result<Self, CapabilityError> {
        check(list)?;
        let entries = list.split(|b| *b == b' ').filter(|word| !word.is_empty()).map(split).collect();
        Ok(Capabilities { entries })
    }

    /// Adds the capability of one line of version 2, without its line end; a value may contain spaces.
    ///
    /// # Errors
    /// [`CapabilityError`] for a control byte, or no name.
    pub fn parse_line(&mut self, line: &[u8]) -> Result<(), CapabilityError> {
        check(line)?;
        let (name, value) = split(line);
        if name.is_empty() {
            return Err(CapabilityError::Empty);
        }
        self.entries.push((name, value));
        Ok(())
    }

    /// Adds a capability without a value.
    pub fn add(&mut self, name: impl AsRef<[u8]>) -> &mut Self {
        self.entries.push((name.as_ref().into(), None));
        self
    }

    /// Adds a capability with a value.
    pub fn add_value(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> &mut Self {
        self.entries.push((name.as_ref().into(), Some(value.as_ref().into())));
        self
    }

    /// Takes away all of this name.
    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.entries.retain(|(n, _)| n != name);
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&BStr, Option<&BStr>)> {
        self.entries.iter().map(|(name, value)| (name.as_bstr(), value.as_ref().map(|v| v.as_bstr())))
    }

    /// Whether there is one of this name, with a value or without.
    pub fn has(&self, name: &str) -> bool {
        self.iter().any(|(n, _)| n == name)
    }

    /// The value of the first of this name that has one.
    pub fn get(&self, name: &str) -> Option<&BStr> {
        self.iter().find_map(|(n, value)| value.filter(|_| n == name))
    }

    /// The values of all of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a BStr> {
        self.iter().filter(move |(n, _)| *n == name).filter_map(|(_, value)| value)
    }

    /// Whether the value of `name` lists `feature` among its words: `fetch=shallow filter`.
    pub fn has_feature(&self, name: &str, feature: &str) -> bool {
        self.all(name).any(|value| value.split(|b| *b == b' ').any(|word| word == feature.as_bytes()))
    }

    /// The pairs of `symref=HEAD:refs/heads/main`: the symbolic ref, and what it points at.
    pub fn symrefs(&self) -> impl Iterator<Item = (&BStr, &BStr)> {
        self.all("symref").filter_map(|value| {
            let (name, target) = value.split_once_str(":")?;
            Some((name.as_bstr(), target.as_bstr()))
        })
    }

    /// The program on the other side, for messages only.
    pub fn agent(&self) -> Option<&BStr> {
        self.get("agent")
    }

    /// The id of this session of the other side, for logs only.
    pub fn session_id(&self) -> Option<&BStr> {
        self.get("session-id")
    }

    /// The object format of the other side: `object-format`, or SHA-1 when it says nothing.
    ///
    /// # Errors
    /// [`CapabilityError::ObjectFormat`] for one that is not known.
    pub fn object_format(&self) -> Result<ObjectFormat, CapabilityError> {
        let Some(name) = self.get("object-format") else { return Ok(ObjectFormat::Sha1) };
        let known = name.to_str().ok().and_then(|name| name.parse().ok());
        known.ok_or_else(|| CapabilityError::ObjectFormat(crate::error::Excerpt::new(name)))
    }

    /// Appends the list of version 0 and 1, separated by single spaces.
    pub fn write_list(&self, out: &mut Vec<u8>) {
        for (at, entry) in self.entries.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            write_entry(out, entry);
        }
    }

    /// The lines of version 2, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = Vec<u8>> {
        self.entries.iter().map(|entry| {
            let mut line = Vec::new();
            write_entry(&mut line, entry);
            line
        })
    }
}

/// A value of `agent` or `session-id` as it may go over the wire: spaces, control bytes and what is not ASCII
/// become dots, as in git.
pub fn sanitize(value: &[u8]) -> Vec<u8> {
    value.trim_ascii().iter().map(|b| if b.is_ascii_graphic() { *b } else { b'.' }).collect()
}

fn write_entry(out: &mut Vec<u8>, (name, value): &(BString, Option<BString>)) {
    out.extend_from_slice(name);
    if let Some(value) = value {
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

fn split(word: &[u8]) -> (BString, Option<BString>) {
    match word.split_once_str("=") {
        Some((name, value)) => (name.into(), Some(value.into())),
        None => (word.into(), None),
    }
}

fn check(line: &[u8]) -> Result<(), CapabilityError> {
    match line.iter().find(|b| b.is_ascii_control()) {
        Some(byte) => Err(CapabilityError::Byte(*byte)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_version_0() {
        let list = b"multi_ack symref=HEAD:refs/heads/main symref=A:B object-format=sha256 agent=git/2.47.3";
        let caps = Capabilities::parse_list(list).unwrap();
        assert!(caps.has("multi_ack") && !caps.has("multi_ack_detailed"));
        assert_eq!(
            caps.symrefs().collect::<Vec<_>>(),
            [("HEAD".into(), "refs/heads/main".into()), ("A".into(), "B".into())]
        );
        assert_eq!(caps.object_format(), Ok(ObjectFormat::Sha256));
        assert_eq!(caps.agent().unwrap(), "git/2.47.3");
        let mut out = Vec::new();
        caps.write_list(&mut out);
        assert_eq!(out, list);
        assert_eq!(Capabilities::parse_list(b" a  b ").unwrap().iter().count(), 2);
        assert!(Capabilities::parse_list(b"a\nb").is_err());
    }

    #[test]
    fn the_lines_of_version_2() {
        let mut caps = Capabilities::new();
        for line in
            ["agent=git/2", "ls-refs=unborn", "fetch=shallow wait-for-done filter", "server-option", "x="]
        {
            caps.parse_line(line.as_bytes()).unwrap();
        }
        assert!(caps.has_feature("fetch", "filter") && !caps.has_feature("fetch", "wait"));
        assert!(caps.has_feature("ls-refs", "unborn") && caps.has("server-option"));
        assert_eq!(caps.get("x").unwrap(), "");
        assert_eq!(caps.object_format(), Ok(ObjectFormat::Sha1));
        assert_eq!(caps.lines().nth(2).unwrap(), b"fetch=shallow wait-for-done filter");
        assert!(caps.parse_line(b"=x").is_err());
        caps.parse_line(b"object-format=md5").unwrap();
        assert!(caps.object_format().is_err());
    }

    #[test]
    fn sanitized_values() {
        assert_eq!(sanitize(b" git core\n1\xff "), b"git.core.1.");
    }
}
