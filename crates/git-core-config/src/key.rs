//! The name of a variable: `section.name` or `section.subsection.name`.

use bstr::{BStr, BString, ByteSlice};
use std::fmt;
use std::hash::{Hash, Hasher};

/// A checked key. Compared as git does: section and name without regard to case, the subsection as it is. The
/// case it was written in is kept for what is written to files.
#[derive(Clone)]
pub struct Key {
    text: BString,
    first_dot: usize,
    last_dot: usize,
}

/// Text that cannot be the key of a variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// There is no dot, or nothing before it.
    #[error("key does not contain a section: {0}")]
    NoSection(BString),
    /// Nothing stands behind the last dot.
    #[error("key does not contain variable name: {0}")]
    NoName(BString),
    /// Section or name have a character other than letters, digits and `-`, or the name begins with no letter.
    #[error("invalid key: {0}")]
    Character(BString),
    /// The subsection has a newline or NUL inside.
    #[error("invalid key (newline): {0}")]
    Newline(BString),
}

impl Key {
    /// Reads a key written with dots; the subsection is what stands between the first and the last.
    ///
    /// # Errors
    /// [`InvalidKey`] as git has it.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, InvalidKey> {
        let text = BString::from(text.as_ref());
        let (Some(first_dot @ 1..), Some(last_dot)) = (text.find_byte(b'.'), text.rfind_byte(b'.')) else {
            return Err(InvalidKey::NoSection(text));
        };
        if last_dot + 1 == text.len() {
            return Err(InvalidKey::NoName(text));
        }
        let plain = |part: &[u8]| part.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
        let name = &text[last_dot + 1..];
        if !plain(&text[..first_dot]) || !plain(name) || !name[0].is_ascii_alphabetic() {
            return Err(InvalidKey::Character(text));
        }
        if text[first_dot..last_dot].iter().any(|b| matches!(b, b'\n' | 0)) {
            return Err(InvalidKey::Newline(text));
        }
        Ok(Key { text, first_dot, last_dot })
    }

    /// A key of these parts.
    ///
    /// # Errors
    /// [`InvalidKey`] as [`parse`](Self::parse).
    pub fn new(section: &str, subsection: Option<&[u8]>, name: &str) -> Result<Self, InvalidKey> {
        let mut text = section.as_bytes().to_vec();
        if let Some(subsection) = subsection {
            text.push(b'.');
            text.extend_from_slice(subsection);
        }
        text.push(b'.');
        text.extend_from_slice(name.as_bytes());
        if section.contains('.') || name.contains('.') {
            return Err(InvalidKey::Character(text.into()));
        }
        Key::parse(text)
    }

    /// The section, as it was written.
    pub fn section(&self) -> &BStr {
        self.text[..self.first_dot].as_bstr()
    }

    /// The subsection.
    pub fn subsection(&self) -> Option<&BStr> {
        (self.first_dot < self.last_dot).then(|| self.text[self.first_dot + 1..self.last_dot].as_bstr())
    }

    /// The name, as it was written.
    pub fn name(&self) -> &BStr {
        self.text[self.last_dot + 1..].as_bstr()
    }

    /// The form in which keys are compared and shown: section and name in lower case.
    pub fn canonical(&self) -> BString {
        let mut text = self.text.clone();
        text[..self.first_dot].make_ascii_lowercase();
        text[self.last_dot..].make_ascii_lowercase();
        text
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.canonical() == other.canonical()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.canonical().hash(state);
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.canonical(), f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_and_compared_as_git_does() {
        let key = Key::parse("Remote.My.Fork.URL").unwrap();
        assert_eq!((key.section(), key.name()), ("Remote".into(), "URL".into()));
        assert_eq!(key.subsection(), Some("My.Fork".into()));
        assert_eq!(key, Key::parse("remote.My.Fork.url").unwrap());
        assert_ne!(key, Key::parse("remote.my.fork.url").unwrap());
        assert_eq!(Key::new("a", Some(b""), "b").unwrap().to_string(), "a..b");
        assert_eq!(Key::parse("1.b").unwrap().subsection(), None);
        assert!(matches!(Key::parse("a"), Err(InvalidKey::NoSection(_))));
        assert!(matches!(Key::parse(".a"), Err(InvalidKey::NoSection(_))));
        assert!(matches!(Key::parse("a."), Err(InvalidKey::NoName(_))));
        for bad in ["a.1b", "a.b_", "a_.b", "a.-b", "a b.c"] {
            assert!(matches!(Key::parse(bad), Err(InvalidKey::Character(_))), "{bad}");
        }
        assert!(matches!(Key::parse("a.x\ny.b"), Err(InvalidKey::Newline(_))));
        assert!(Key::new("a.b", None, "c").is_err());
    }
}
