//! Who wrote something, and when: `name <email> seconds zone`.
//!
//! Reading is lenient, since histories hold every kind of line; building is strict.

use crate::{ErrorKind, Time};
use bstr::{BStr, BString, ByteSlice};

/// An identity line as it stands in an object. Every line can be looked at; parts that are not there are empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentRef<'a> {
    /// The whole line, without the name of its header.
    pub line: &'a BStr,
    /// What stands before the first `<`, without blanks around it.
    pub name: &'a BStr,
    /// What stands between the first `<` and the `>` that follows it.
    pub email: &'a BStr,
    /// What stands behind the last `>`, without blanks around it: seconds and zone in sound objects.
    pub date: &'a BStr,
}

impl<'a> IdentRef<'a> {
    /// Takes a line apart. Never fails: see the fields for what is taken as what.
    pub fn parse(line: &'a [u8]) -> Self {
        let open = line.find_byte(b'<').unwrap_or(line.len());
        let rest = line.get(open + 1..).unwrap_or_default();
        let email = &rest[..rest.find_byte(b'>').unwrap_or(rest.len())];
        let date = line.rfind_byte(b'>').map_or(&b""[..], |close| &line[close + 1..]);
        IdentRef {
            line: line.as_bstr(),
            name: line[..open].trim_ascii().as_bstr(),
            email: email.trim_ascii().as_bstr(),
            date: date.trim_ascii().as_bstr(),
        }
    }

    /// The moment, where there is one that can be read.
    pub fn time(&self) -> Option<Time> {
        Time::parse(self.date)
    }

    /// An owned identity of the same parts, if they make a sound one.
    ///
    /// # Errors
    /// [`InvalidIdent`] as [`Ident::new`] has it, or [`InvalidIdent::Date`].
    pub fn to_owned(&self) -> Result<Ident, InvalidIdent> {
        Ident::new(self.name.as_bytes(), self.email.as_bytes(), self.time().ok_or(InvalidIdent::Date)?)
    }
}

/// A sound identity, to be written into a commit or tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ident {
    name: BString,
    email: BString,
    time: Time,
}

/// Text of which no sound identity can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidIdent {
    /// Nothing is left of the name once blanks and punctuation around it are taken away.
    #[error("an identity needs a name")]
    EmptyName,
    /// The name or the email has a `<`, `>`, newline or NUL inside.
    #[error("'{}' cannot stand in an identity", .0.escape_ascii())]
    Character(u8),
    /// The line has no moment that can be read.
    #[error("the identity has no valid date")]
    Date,
}

impl InvalidIdent {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl Ident {
    /// Blanks, control characters and the punctuation `, : ; < > " \ '` around name and email are taken away,
    /// as git does; the email may be empty.
    ///
    /// # Errors
    /// [`InvalidIdent`] when no name is left, or when one of `<`, `>`, newline, NUL stands inside.
    pub fn new(name: impl AsRef<[u8]>, email: impl AsRef<[u8]>, time: Time) -> Result<Self, InvalidIdent> {
        let name = sound(name.as_ref())?;
        if name.is_empty() {
            return Err(InvalidIdent::EmptyName);
        }
        Ok(Ident { name: name.into(), email: sound(email.as_ref())?.into(), time })
    }

    /// The name.
    pub fn name(&self) -> &BStr {
        self.name.as_bstr()
    }

    /// The email, without brackets.
    pub fn email(&self) -> &BStr {
        self.email.as_bstr()
    }

    /// The moment.
    pub const fn time(&self) -> Time {
        self.time
    }

    /// The same person at another moment.
    pub fn at(&self, time: Time) -> Self {
        Ident { time, ..self.clone() }
    }

    /// Appends `name <email> seconds zone` to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.name);
        out.extend_from_slice(b" <");
        out.extend_from_slice(&self.email);
        out.extend_from_slice(b"> ");
        out.extend_from_slice(self.time.seconds.to_string().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.time.zone.text());
    }

    /// The line that commits and tags hold, without the name of its header.
    pub fn to_line(&self) -> BString {
        let mut line = Vec::new();
        self.write(&mut line);
        line.into()
    }
}

/// Takes away what git takes away at both ends, and refuses what would break the line.
fn sound(text: &[u8]) -> Result<&[u8], InvalidIdent> {
    let crud = |b: u8| b <= b' ' || b",:;<>\"\\'".contains(&b);
    let start = text.iter().position(|b| !crud(*b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !crud(*b)).map_or(start, |last| last + 1);
    let text = &text[start..end];
    match text.iter().find(|b| matches!(b, b'<' | b'>' | b'\n' | 0)) {
        Some(bad) => Err(InvalidIdent::Character(*bad)),
        None => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_lines_come_apart_and_together() {
        let line = b"A U Thor <a@example.com> 1112911993 -0700";
        let parsed = IdentRef::parse(line);
        assert_eq!((parsed.name, parsed.email), ("A U Thor".into(), "a@example.com".into()));
        assert_eq!(parsed.time(), Some(Time::new(1_112_911_993, -420)));
        assert_eq!(parsed.to_owned().unwrap().to_line(), line.as_bstr());
    }

    #[test]
    fn odd_lines_are_looked_at_without_failing() {
        for (line, name, email, seconds) in [
            ("", "", "", None),
            ("nobody", "nobody", "", None),
            ("<> 1 +0000", "", "", Some(1)),
            ("a <b", "a", "b", None),
            ("a <b> <c> 5 +051800", "a", "b", Some(5)),
            ("a <<b>> 5 -0000", "a", "<b", Some(5)),
            ("a b> 7", "a b> 7", "", Some(7)),
        ] {
            let parsed = IdentRef::parse(line.as_bytes());
            let got = (parsed.name.to_string(), parsed.email.to_string(), parsed.time().map(|t| t.seconds));
            assert_eq!(got, (name.to_owned(), email.to_owned(), seconds), "{line}");
        }
    }

    #[test]
    fn building_is_strict() {
        let time = Time::new(0, 0);
        let ident = Ident::new(" 'Dr. Who.' ", "<who@example.com>", time).unwrap();
        assert_eq!(ident.to_line(), "Dr. Who. <who@example.com> 0 +0000");
        assert_eq!(Ident::new("a\nb", "", time), Err(InvalidIdent::Character(b'\n')));
        assert_eq!(Ident::new("a", "b\0c", time), Err(InvalidIdent::Character(0)));
        assert_eq!(Ident::new(" ,;", "x", time), Err(InvalidIdent::EmptyName));
        assert_eq!(Ident::new("a", "", time).unwrap().to_line(), "a <> 0 +0000");
    }
}
