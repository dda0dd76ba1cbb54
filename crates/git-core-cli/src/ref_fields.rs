//! What the fields of [`ref_format`](crate::ref_format) say of one ref.

use crate::abbrev;
use crate::fail::Failure;
use crate::names::{Ambiguity, shorten, strip_left, strip_right};
use crate::ondisk;
use crate::ref_format::{Atom, Field, IdForm, MessagePart, NameForm, Person, PersonPart};
use bstr::ByteSlice as _;
use git_core::Repository;
use git_core::object::{Header, IdentRef, Kind, ObjectId, ObjectRef, ReadError};
use git_core::pretty::DateFormat;
use git_core::refs::RefName;
use git_core::store::Snapshot;
use git_core::store::walk::peel;

/// A ref that is to be shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) name: RefName,
    pub(crate) id: ObjectId,
    /// The name that a symbolic ref holds.
    pub(crate) symref: Option<RefName>,
}

/// Answers for the fields of refs; remembers the objects of the ref it was last asked about.
pub(crate) struct Fields<'a> {
    repository: &'a Repository,
    snapshot: &'a dyn Snapshot,
    head: Option<RefName>,
    digits: usize,
    own: Loaded,
    peeled: Loaded,
    /// What the own object peels to; the inner `None` when it is no tag.
    target: Option<(ObjectId, Option<ObjectId>)>,
}

/// An object as far as it has been read.
#[derive(Default)]
struct Loaded {
    id: Option<ObjectId>,
    header: Option<Header>,
    content: Option<Vec<u8>>,
}

impl Loaded {
    fn choose(&mut self, id: ObjectId) {
        if self.id != Some(id) {
            *self = Loaded { id: Some(id), header: None, content: None };
        }
    }

    fn header(&mut self, snapshot: &dyn Snapshot, name: &RefName) -> Result<Header, Failure> {
        if let (Some(id), None) = (self.id, self.header) {
            self.header = snapshot.header(&id)?;
        }
        self.header.ok_or_else(|| missing(self.id, name))
    }

    fn content(&mut self, snapshot: &dyn Snapshot, name: &RefName) -> Result<&[u8], Failure> {
        if let (Some(id), None) = (self.id, &self.content) {
            let mut content = Vec::new();
            snapshot.read(&id, &mut content)?.ok_or_else(|| missing(self.id, name))?;
            self.content = Some(content);
        }
        Ok(self.content.as_deref().unwrap_or_default())
    }
}

fn missing(id: Option<ObjectId>, name: &RefName) -> Failure {
    let id = id.map(|id| id.to_string()).unwrap_or_default();
    Failure::fatal(format_args!("missing object {id} for {name}"))
}

impl<'a> Fields<'a> {
    pub(crate) fn new(
        repository: &'a Repository,
        snapshot: &'a dyn Snapshot,
        head: Option<RefName>,
    ) -> Result<Self, Failure> {
        let digits = abbrev::default_digits(repository, snapshot)?;
        Ok(Fields {
            repository,
            snapshot,
            head,
            digits,
            own: Loaded::default(),
            peeled: Loaded::default(),
            target: None,
        })
    }

    /// Appends the value of a field to `out`.
    pub(crate) fn write(&mut self, atom: &Atom, shown: &Shown, out: &mut Vec<u8>) -> Result<(), Failure> {
        match atom.field {
            Field::RefName(form) => {
                self.name(shown.name.as_bytes(), form, out)?;
                if atom.peeled {
                    out.extend_from_slice(b"^{}");
                }
                return Ok(());
            }
            Field::Symref(form) => {
                return match &shown.symref {
                    Some(name) => self.name(name.as_bytes(), form, out),
                    None => Ok(()),
                };
            }
            Field::Upstream(form) => {
                return match self.upstream(&shown.name)? {
                    Some(name) => self.name(name.as_bytes(), form, out),
                    None => Ok(()),
                };
            }
            Field::Head => {
                out.push(if self.head.as_ref() == Some(&shown.name) { b'*' } else { b' ' });
                return Ok(());
            }
            _ => {}
        }
        self.own.choose(shown.id);
        let (snapshot, repository, digits) = (self.snapshot, self.repository, self.digits);
        let loaded = if atom.peeled {
            let target = match self.target {
                Some((of, target)) if of == shown.id => target,
                _ => {
                    let target = peel(snapshot, shown.id, &mut Vec::new(), &mut Vec::new())?.0;
                    let target = Some(target).filter(|target| *target != shown.id);
                    self.target = Some((shown.id, target));
                    target
                }
            };
            let Some(target) = target else { return Ok(()) };
            self.peeled.choose(target);
            &mut self.peeled
        } else {
            &mut self.own
        };
        let id = loaded.id.unwrap_or(shown.id);
        if !atom.field.needs_content() {
            match atom.field {
                Field::ObjectName(form) => {
                    if form != IdForm::Full {
                        // An id that leads nowhere is not shortened by git either without looking.
                        loaded.header(snapshot, &shown.name)?;
                    }
                    write_id(snapshot, &id, form, digits, out)?;
                }
                Field::ObjectType => {
                    out.extend_from_slice(loaded.header(snapshot, &shown.name)?.kind.name().as_bytes());
                }
                Field::ObjectSize => {
                    out.extend_from_slice(loaded.header(snapshot, &shown.name)?.size.to_string().as_bytes());
                }
                Field::DiskSize => {
                    let stored = ondisk::stored(repository, snapshot, &id)?;
                    out.extend_from_slice(stored.size.to_string().as_bytes());
                }
                _ => {
                    let base = ondisk::stored(repository, snapshot, &id)?.base;
                    base.unwrap_or_else(|| ObjectId::null(id.format())).write_hex(out);
                }
            }
            return Ok(());
        }
        let kind = loaded.header(snapshot, &shown.name)?.kind;
        if matches!(kind, Kind::Tree | Kind::Blob) {
            return Ok(());
        }
        let content = loaded.content(snapshot, &shown.name)?;
        let object = ObjectRef::parse(id.format(), kind, content)
            .map_err(|error| ReadError::corrupt(format_args!("{kind} {id}"), error))?;
        let ids = |ids: &[ObjectId], form: IdForm, out: &mut Vec<u8>| -> Result<(), Failure> {
            for (at, id) in ids.iter().enumerate() {
                if at > 0 {
                    out.push(b' ');
                }
                write_id(snapshot, id, form, digits, out)?;
            }
            Ok(())
        };
        match (&object, atom.field) {
            (ObjectRef::Commit(commit), Field::Tree(form)) => ids(&[commit.tree()], form, out)?,
            (ObjectRef::Commit(commit), Field::Parent(form)) => ids(commit.parents(), form, out)?,
            (ObjectRef::Commit(commit), Field::ParentCount) => {
                out.extend_from_slice(commit.parents().len().to_string().as_bytes());
            }
            (ObjectRef::Tag(tag), Field::Object) => ids(&[tag.target()], IdForm::Full, out)?,
            (ObjectRef::Tag(tag), Field::Type) => out.extend_from_slice(tag.target_kind().name().as_bytes()),
            (ObjectRef::Tag(tag), Field::Tag) => out.extend_from_slice(tag.name()),
            (object, Field::Person(person, part)) => {
                let ident = match (object, person) {
                    (ObjectRef::Commit(commit), Person::Author) => Some(commit.author()),
                    (ObjectRef::Commit(commit), Person::Committer | Person::Creator) => {
                        Some(commit.committer())
                    }
                    (ObjectRef::Tag(tag), Person::Tagger | Person::Creator) => tag.tagger(),
                    _ => None,
                };
                if let Some(ident) = ident {
                    write_person(&ident, part, out);
                }
            }
            (ObjectRef::Commit(commit), Field::Message(part)) => write_message(commit.message(), part, out),
            (ObjectRef::Tag(tag), Field::Message(part)) => write_message(tag.message(), part, out),
            _ => {}
        }
        Ok(())
    }

    fn name(&self, name: &[u8], form: NameForm, out: &mut Vec<u8>) -> Result<(), Failure> {
        match form {
            NameForm::Full => out.extend_from_slice(name),
            NameForm::Short => out.extend_from_slice(&shorten(self.snapshot, name, Ambiguity::Strict)?),
            NameForm::Left(count) => out.extend_from_slice(strip_left(name, count)),
            NameForm::Right(count) => out.extend_from_slice(strip_right(name, count)),
        }
        Ok(())
    }

    /// The ref that follows the branch's upstream here.
    fn upstream(&self, name: &RefName) -> Result<Option<RefName>, Failure> {
        let Some(branch) = name.as_bytes().strip_prefix(b"refs/heads/") else { return Ok(None) };
        let config = self.repository.config();
        let key = |variable: &[u8]| [b"branch.", branch, b".", variable].concat();
        let (Some(remote), Some(merge)) = (config.text(key(b"remote"))?, config.text(key(b"merge"))?) else {
            return Ok(None);
        };
        let Ok(merge) = RefName::new(merge) else { return Ok(None) };
        if remote == "." {
            return Ok(Some(merge));
        }
        let remote = self.repository.remote(remote)?;
        Ok(git_core::refs::refspec::tracking(remote.fetch_specs(), &merge))
    }
}

fn write_id(
    snapshot: &dyn Snapshot,
    id: &ObjectId,
    form: IdForm,
    digits: usize,
    out: &mut Vec<u8>,
) -> Result<(), Failure> {
    match form {
        IdForm::Full => id.write_hex(out),
        IdForm::Short => out.extend_from_slice(abbrev::abbreviate(snapshot, id, digits)?.as_bytes()),
        IdForm::Digits(digits) => out.extend_from_slice(abbrev::abbreviate(snapshot, id, digits)?.as_bytes()),
    }
    Ok(())
}

fn write_person(ident: &IdentRef<'_>, part: PersonPart, out: &mut Vec<u8>) {
    match part {
        PersonPart::Line => out.extend_from_slice(ident.line),
        PersonPart::Name => out.extend_from_slice(ident.name),
        PersonPart::Email => {
            out.push(b'<');
            out.extend_from_slice(ident.email);
            out.push(b'>');
        }
        PersonPart::EmailTrimmed => out.extend_from_slice(ident.email),
        PersonPart::EmailLocalPart => {
            let end = ident.email.find_byte(b'@').unwrap_or(ident.email.len());
            out.extend_from_slice(&ident.email[..end]);
        }
        PersonPart::Date(format) => {
            if let Some(time) = ident.time() {
                out.extend_from_slice(format.show(&time).as_bytes());
            }
        }
    }
}

/// A message taken apart as git does it.
struct Message<'m> {
    subject: &'m [u8],
    body: &'m [u8],
    signature: &'m [u8],
    /// Where the signature begins.
    unsigned: &'m [u8],
}

impl<'m> Message<'m> {
    fn of(message: &'m [u8]) -> Self {
        let start = message.find_not_byteset(b"\n").unwrap_or(message.len());
        let message = &message[start..];
        let sign_at = signature_start(message);
        let unsigned = &message[..sign_at];
        // The subject ends at the first empty line.
        let end = unsigned.find(b"\n\n").unwrap_or(unsigned.len());
        let subject = unsigned[..end].trim_end_with(|c| c == '\n');
        let rest = &message[end..];
        let body_at = rest.find_not_byteset(b"\n").unwrap_or(rest.len());
        let body = &rest[body_at..];
        Message { subject, body, signature: &message[sign_at..], unsigned }
    }
}

/// Where a signature begins in a message, or its end.
fn signature_start(message: &[u8]) -> usize {
    const MARKS: [&[u8]; 4] = [
        b"-----BEGIN PGP SIGNATURE-----",
        b"-----BEGIN PGP MESSAGE-----",
        b"-----BEGIN SIGNED MESSAGE-----",
        b"-----BEGIN SSH SIGNATURE-----",
    ];
    let (mut at, mut found) = (0, message.len());
    while at < message.len() {
        let line = &message[at..];
        if MARKS.iter().any(|mark| line.starts_with(mark)) {
            found = at;
        }
        at += line.find_byte(b'\n').map_or(line.len(), |end| end + 1);
    }
    found
}

fn write_message(message: &[u8], part: MessagePart, out: &mut Vec<u8>) {
    let parts = Message::of(message);
    match part {
        MessagePart::Subject => {
            out.extend(parts.subject.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }));
        }
        MessagePart::SubjectSanitized => sanitize(parts.subject, out),
        MessagePart::Body => {
            let end = parts.body.len().saturating_sub(parts.signature.len());
            out.extend_from_slice(&parts.body[..end]);
        }
        MessagePart::BodyAndSignature => out.extend_from_slice(parts.body),
        MessagePart::Signature => out.extend_from_slice(parts.signature),
        MessagePart::Whole => {
            let start = message.find_not_byteset(b"\n").unwrap_or(message.len());
            out.extend_from_slice(&message[start..]);
        }
        MessagePart::Size => {
            let start = message.find_not_byteset(b"\n").unwrap_or(message.len());
            out.extend_from_slice((message.len() - start).to_string().as_bytes());
        }
        MessagePart::Lines(count) => {
            for (at, line) in parts.unsigned.lines().take(count).enumerate() {
                if at > 0 {
                    out.extend_from_slice(b"\n    ");
                }
                out.extend_from_slice(line);
            }
        }
    }
}

/// A subject as part of a file's name: dashes stand for runs of what does not belong into one.
fn sanitize(subject: &[u8], out: &mut Vec<u8>) {
    let (start, mut gap) = (out.len(), false);
    for byte in subject {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_') {
            if gap && out.len() > start {
                out.push(b'-');
            }
            gap = false;
            if !(*byte == b'.' && out.last() == Some(&b'.') && out.len() > start) {
                out.push(*byte);
            }
        } else {
            gap = true;
        }
    }
    while out.len() > start && matches!(out.last(), Some(b'.' | b'-')) {
        out.pop();
    }
}

/// The date of a person in seconds, for sorting.
pub(crate) fn as_sort_key(atom: &Atom) -> Atom {
    match atom.field {
        Field::Person(person, PersonPart::Date(_)) => {
            Atom { field: Field::Person(person, PersonPart::Date(DateFormat::Unix)), ..*atom }
        }
        _ => *atom,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(message: &str, part: MessagePart) -> String {
        let mut out = Vec::new();
        write_message(message.as_bytes(), part, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn messages_are_taken_apart() {
        let signed =
            "one\ntwo\n\nbody\nmore\n-----BEGIN PGP SIGNATURE-----\nxx\n-----END PGP SIGNATURE-----\n";
        assert_eq!(part(signed, MessagePart::Subject), "one two");
        assert_eq!(part(signed, MessagePart::Body), "body\nmore\n");
        assert!(part(signed, MessagePart::Signature).starts_with("-----BEGIN"));
        assert_eq!(part("\n\nlate\n", MessagePart::Whole), "late\n");
        assert_eq!(part("a b..c!d.\n", MessagePart::SubjectSanitized), "a-b.c-d");
        assert_eq!(part("one\n", MessagePart::Body), "");
    }
}
