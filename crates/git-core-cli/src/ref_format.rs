//! The format language of `for-each-ref`: text with fields such as `%(refname:short)` (`git-for-each-ref(1)`,
//! "Field names").

use crate::abbrev;
use crate::fail::Failure;
use bstr::ByteSlice as _;
use git_core::pretty::DateFormat;

/// What a field says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameForm {
    Full,
    Short,
    /// `lstrip`
    Left(i64),
    /// `rstrip`
    Right(i64),
}

/// How an id is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdForm {
    Full,
    Short,
    Digits(usize),
}

/// Whose name, address and date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    Author,
    Committer,
    Tagger,
    /// The committer of a commit, the tagger of a tag.
    Creator,
}

/// What of a person is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PersonPart {
    Line,
    Name,
    /// With the angle brackets.
    Email,
    EmailTrimmed,
    EmailLocalPart,
    Date(DateFormat),
}

/// What of a message is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MessagePart {
    Subject,
    SubjectSanitized,
    /// Without the subject and a signature.
    Body,
    /// Without the subject.
    BodyAndSignature,
    Signature,
    Whole,
    Size,
    Lines(usize),
}

/// Which field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    RefName(NameForm),
    Symref(NameForm),
    Upstream(NameForm),
    Head,
    ObjectName(IdForm),
    ObjectType,
    ObjectSize,
    DiskSize,
    DeltaBase,
    Tree(IdForm),
    Parent(IdForm),
    ParentCount,
    /// What a tag points to.
    Object,
    Type,
    Tag,
    Person(Person, PersonPart),
    Message(MessagePart),
}

impl Field {
    /// Whether it is found in the content of an object.
    pub(crate) fn needs_content(&self) -> bool {
        !matches!(
            self,
            Field::RefName(_)
                | Field::Symref(_)
                | Field::Upstream(_)
                | Field::Head
                | Field::ObjectName(_)
                | Field::ObjectType
                | Field::ObjectSize
                | Field::DiskSize
                | Field::DeltaBase
        )
    }

    /// Whether it is compared as a number.
    pub(crate) fn is_number(&self) -> bool {
        matches!(
            self,
            Field::ObjectSize
                | Field::DiskSize
                | Field::ParentCount
                | Field::Message(MessagePart::Size)
                | Field::Person(_, PersonPart::Date(_))
        )
    }
}

/// A field, of the object that a ref names or of the one that it peels to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Atom {
    pub(crate) peeled: bool,
    pub(crate) field: Field,
}

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    Atom(Atom),
}

/// Takes a format apart.
pub(crate) fn parse(format: &[u8], hex_len: usize) -> Result<Vec<Piece>, Failure> {
    let (mut pieces, mut text, mut rest) = (Vec::new(), Vec::new(), format);
    while let Some(at) = rest.find_byte(b'%') {
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.first() {
            Some(b'%') => {
                text.push(b'%');
                rest = &rest[1..];
            }
            Some(b'(') => {
                let end = rest.find_byte(b')').ok_or_else(|| {
                    Failure::error(129, format_args!("malformed format string %{}", rest.as_bstr()))
                })?;
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                pieces.push(Piece::Atom(parse_atom(&rest[1..end], hex_len)?));
                rest = &rest[end + 1..];
            }
            _ => {
                let byte = rest.get(..2).and_then(|hex| hex.to_str().ok());
                match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) => {
                        text.push(byte);
                        rest = &rest[2..];
                    }
                    None => text.push(b'%'),
                }
            }
        }
    }
    text.extend_from_slice(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    Ok(pieces)
}

/// Reads what stands between the parentheses.
pub(crate) fn parse_atom(text: &[u8], hex_len: usize) -> Result<Atom, Failure> {
    let (peeled, text) = match text.strip_prefix(b"*") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (name, argument) = match text.find_byte(b':') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let field = field(name, argument, hex_len)?
        .ok_or_else(|| Failure::fatal(format_args!("unknown field name: {}", text.as_bstr())))?;
    Ok(Atom { peeled, field })
}

fn field(name: &[u8], argument: Option<&[u8]>, hex_len: usize) -> Result<Option<Field>, Failure> {
    let odd = || unrecognized(name, argument.unwrap_or_default());
    let plain = |field: Field| if argument.is_none() { Ok(Some(field)) } else { Err(odd()) };
    match name {
        b"refname" => Ok(Some(Field::RefName(name_form(name, argument)?))),
        b"symref" => Ok(Some(Field::Symref(name_form(name, argument)?))),
        b"upstream" => Ok(Some(Field::Upstream(name_form(name, argument)?))),
        b"HEAD" => plain(Field::Head),
        b"objectname" => Ok(Some(Field::ObjectName(id_form(name, argument, hex_len)?))),
        b"objecttype" => plain(Field::ObjectType),
        b"objectsize" => match argument {
            None => Ok(Some(Field::ObjectSize)),
            Some(b"disk") => Ok(Some(Field::DiskSize)),
            Some(_) => Err(odd()),
        },
        b"deltabase" => plain(Field::DeltaBase),
        b"tree" => Ok(Some(Field::Tree(id_form(name, argument, hex_len)?))),
        b"parent" => Ok(Some(Field::Parent(id_form(name, argument, hex_len)?))),
        b"numparent" => plain(Field::ParentCount),
        b"object" => plain(Field::Object),
        b"type" => plain(Field::Type),
        b"tag" => plain(Field::Tag),
        b"subject" => match argument {
            None => Ok(Some(Field::Message(MessagePart::Subject))),
            Some(b"sanitize") => Ok(Some(Field::Message(MessagePart::SubjectSanitized))),
            Some(_) => Err(odd()),
        },
        b"body" => plain(Field::Message(MessagePart::BodyAndSignature)),
        b"contents" => {
            let lines = |count: &[u8]| {
                count.to_str().ok().and_then(|count| count.parse().ok()).ok_or_else(|| {
                    Failure::fatal(format_args!("positive value expected contents:lines={}", count.as_bstr()))
                })
            };
            Ok(Some(Field::Message(match argument {
                None => MessagePart::Whole,
                Some(b"subject") => MessagePart::Subject,
                Some(b"body") => MessagePart::Body,
                Some(b"signature") => MessagePart::Signature,
                Some(b"size") => MessagePart::Size,
                Some(other) => match other.strip_prefix(b"lines=") {
                    Some(count) => MessagePart::Lines(lines(count)?),
                    None => return Err(odd()),
                },
            })))
        }
        _ => person(name, argument),
    }
}

fn person(name: &[u8], argument: Option<&[u8]>) -> Result<Option<Field>, Failure> {
    const PEOPLE: [(&[u8], Person); 4] = [
        (b"author", Person::Author),
        (b"committer", Person::Committer),
        (b"tagger", Person::Tagger),
        (b"creator", Person::Creator),
    ];
    let found = PEOPLE.iter().find_map(|(word, person)| Some((*person, name.strip_prefix(*word)?)));
    let Some((person, part)) = found else { return Ok(None) };
    let part = match (part, argument) {
        (b"", None) => PersonPart::Line,
        (b"name", None) if person != Person::Creator => PersonPart::Name,
        (b"email", None) if person != Person::Creator => PersonPart::Email,
        (b"email", Some(b"trim")) if person != Person::Creator => PersonPart::EmailTrimmed,
        (b"email", Some(b"localpart")) if person != Person::Creator => PersonPart::EmailLocalPart,
        (b"date", None) => PersonPart::Date(DateFormat::Default),
        (b"date", Some(format)) => PersonPart::Date(
            DateFormat::from_name(format)
                .ok_or_else(|| Failure::fatal(format_args!("unknown date format {}", format.as_bstr())))?,
        ),
        (b"" | b"name" | b"email", Some(argument)) => return Err(unrecognized(name, argument)),
        _ => return Ok(None),
    };
    Ok(Some(Field::Person(person, part)))
}

fn unrecognized(name: &[u8], argument: &[u8]) -> Failure {
    Failure::fatal(format_args!("unrecognized %({}) argument: {}", name.as_bstr(), argument.as_bstr()))
}

fn name_form(name: &[u8], argument: Option<&[u8]>) -> Result<NameForm, Failure> {
    let Some(argument) = argument else { return Ok(NameForm::Full) };
    let number = |text: &[u8]| {
        text.to_str().ok().and_then(|text| text.parse::<i64>().ok()).ok_or_else(|| {
            Failure::fatal(format_args!("Integer value expected refname:{}", argument.as_bstr()))
        })
    };
    if argument == b"short" {
        return Ok(NameForm::Short);
    }
    if let Some(text) = argument.strip_prefix(b"lstrip=").or_else(|| argument.strip_prefix(b"strip=")) {
        return Ok(NameForm::Left(number(text)?));
    }
    match argument.strip_prefix(b"rstrip=") {
        Some(text) => Ok(NameForm::Right(number(text)?)),
        None => Err(unrecognized(name, argument)),
    }
}

fn id_form(name: &[u8], argument: Option<&[u8]>, hex_len: usize) -> Result<IdForm, Failure> {
    let Some(argument) = argument else { return Ok(IdForm::Full) };
    if argument == b"short" {
        return Ok(IdForm::Short);
    }
    let Some(text) = argument.strip_prefix(b"short=") else { return Err(unrecognized(name, argument)) };
    let digits = text.to_str().ok().and_then(|text| text.parse::<usize>().ok()).filter(|digits| *digits > 0);
    digits.map(|digits| IdForm::Digits(digits.clamp(abbrev::LEAST, hex_len))).ok_or_else(|| {
        Failure::fatal(format_args!("positive value expected '{}' in %({})", text.as_bstr(), name.as_bstr()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_taken_apart() {
        let pieces = parse(b"a%%%(refname:short)%0a%zz%(*objecttype)", 40).unwrap();
        assert_eq!(
            pieces,
            [
                Piece::Text(b"a%".to_vec()),
                Piece::Atom(Atom { peeled: false, field: Field::RefName(NameForm::Short) }),
                Piece::Text(b"\n%zz".to_vec()),
                Piece::Atom(Atom { peeled: true, field: Field::ObjectType }),
            ]
        );
        for bad in ["%(nope)", "%(refname", "%(refname:x)", "%(authordate:x)", "%(creatorname)"] {
            assert!(parse(bad.as_bytes(), 40).is_err(), "{bad}");
        }
    }
}
