//! Annotated tags: a borrowed view for reading and an owned value for building.
//!
//! The format is `object`, `type`, `tag`, an optional `tagger`, further headers, an empty line and the message,
//! at whose end a signature may stand. Signatures are kept as they are and never verified here.

use crate::header::{self, HeaderLine, HeaderLineRef, InvalidHeader, OddIds};
use crate::{CollisionDetected, DecodeError, Ident, IdentRef, Kind, ObjectFormat, ObjectId};
use bstr::{BStr, BString, ByteSlice};

/// A tag as it stands in its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRef<'a> {
    raw: &'a [u8],
    target: ObjectId,
    target_kind: Kind,
    name: &'a BStr,
    headers: Vec<HeaderLineRef<'a>>,
    message: Option<&'a BStr>,
}

impl<'a> TagRef<'a> {
    /// Reads the content of a tag object.
    ///
    /// # Errors
    /// [`DecodeError`] when `object`, `type` and `tag` do not come first and in this order, the id is not one of
    /// `format`, the kind is unknown, or a header line has no end. The tagger may be missing or odd.
    pub fn parse(format: ObjectFormat, content: &'a [u8]) -> Result<Self, DecodeError> {
        let kind = Kind::Tag;
        let missing = |header, rest: &[u8]| DecodeError::MissingHeader {
            kind,
            header,
            offset: content.len() - rest.len(),
        };
        let invalid = |header, rest: &[u8]| DecodeError::InvalidHeader {
            kind,
            header,
            offset: content.len() - rest.len(),
        };
        let (at_type, hex) = header::expected(b"object", content).map_err(|_| missing("object", content))?;
        let target = ObjectId::from_hex_of(format, hex).map_err(|_| invalid("object", content))?;
        let (at_tag, name) = header::expected(b"type", at_type).map_err(|_| missing("type", at_type))?;
        let target_kind = Kind::from_name(name).map_err(|_| invalid("type", at_type))?;
        let (rest, name) = header::expected(b"tag", at_tag).map_err(|_| missing("tag", at_tag))?;
        let (headers, message) = header::rest(kind, content, content.len() - rest.len())?;
        Ok(TagRef { raw: content, target, target_kind, name: name.as_bstr(), headers, message })
    }

    /// The content it was read from.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The id of what is tagged.
    pub const fn target(&self) -> ObjectId {
        self.target
    }

    /// The kind of what is tagged.
    pub const fn target_kind(&self) -> Kind {
        self.target_kind
    }

    /// The name of the tag, without `refs/tags/`.
    pub const fn name(&self) -> &'a BStr {
        self.name
    }

    /// Who tagged; historic tags do not say.
    pub fn tagger(&self) -> Option<IdentRef<'a>> {
        let line = self.headers.iter().find(|h| h.name() == "tagger")?;
        Some(IdentRef::parse(line.raw_value()))
    }

    /// Every header behind `tag`, in order, the tagger included.
    pub fn headers(&self) -> &[HeaderLineRef<'a>] {
        &self.headers
    }

    /// Everything behind the empty line, the signature included.
    pub fn message(&self) -> &'a BStr {
        self.message.unwrap_or_default()
    }

    /// The message without the signature at its end.
    pub fn body(&self) -> &'a BStr {
        let message = self.message();
        message[..signature_start(message).unwrap_or(message.len())].as_bstr()
    }

    /// The signature at the end of the message, as it stands. What it covers is everything before it.
    pub fn signature(&self) -> Option<&'a BStr> {
        let message = self.message();
        signature_start(message).map(|start| message[start..].as_bstr())
    }

    /// The same, owned; encoding it gives the same bytes again.
    pub fn to_owned(&self) -> Tag {
        Tag {
            target: self.target,
            target_kind: self.target_kind,
            name: self.name.into(),
            message: self.message().into(),
            headers: self.headers.iter().map(HeaderLineRef::to_owned).collect(),
            bare: self.message.is_none(),
            odd_ids: OddIds::keep(
                vec![self.target],
                &self.raw[..b"object \n".len() + self.target.format().hex_len()],
            ),
        }
    }
}

/// Where the last line that begins a signature starts.
fn signature_start(message: &[u8]) -> Option<usize> {
    const BEGINNINGS: [&[u8]; 4] = [
        b"-----BEGIN PGP SIGNATURE-----",
        b"-----BEGIN PGP MESSAGE-----",
        b"-----BEGIN SSH SIGNATURE-----",
        b"-----BEGIN SIGNED MESSAGE-----",
    ];
    let mut offset = 0;
    let mut found = None;
    for line in message.lines_with_terminator() {
        if BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) {
            found = Some(offset);
        }
        offset += line.len();
    }
    found
}

/// A tag to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// The id of what is tagged; its format is the tag's.
    pub target: ObjectId,
    /// The kind of what is tagged.
    pub target_kind: Kind,
    /// The message, a signature at its end included.
    pub message: BString,
    name: BString,
    headers: Vec<HeaderLine>,
    bare: bool,
    odd_ids: Option<Box<OddIds>>,
}

impl Tag {
    /// A tag of `target`. Whether `name` can be the name of a ref is left to `git-core-ref`.
    ///
    /// # Errors
    /// [`InvalidHeader`] when the name is empty or has a newline or NUL inside.
    pub fn new(
        target: ObjectId,
        target_kind: Kind,
        name: impl AsRef<[u8]>,
        tagger: &Ident,
        message: impl AsRef<[u8]>,
    ) -> Result<Self, InvalidHeader> {
        let name = name.as_ref();
        if name.is_empty() || name.iter().any(|b| matches!(b, b'\n' | 0)) {
            return Err(InvalidHeader::Value("tag".into()));
        }
        Ok(Tag {
            target,
            target_kind,
            message: message.as_ref().into(),
            name: name.into(),
            headers: vec![HeaderLine::plain("tagger", &tagger.to_line())],
            bare: false,
            odd_ids: None,
        })
    }

    /// The name of the tag.
    pub fn name(&self) -> &BStr {
        self.name.as_bstr()
    }

    /// Who tagged.
    pub fn tagger(&self) -> Option<IdentRef<'_>> {
        let line = self.headers.iter().find(|h| h.name() == "tagger")?;
        Some(IdentRef::parse(line.as_ref().raw_value()))
    }

    /// Every header behind `tag`, in order.
    pub fn headers(&self) -> &[HeaderLine] {
        &self.headers
    }

    /// Appends a header; the value may have several lines.
    ///
    /// # Errors
    /// [`InvalidHeader`] when it could not be read back, or when its name is one of the four fixed ones.
    pub fn push_header(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidHeader> {
        let name = name.as_ref();
        if matches!(name, b"object" | b"type" | b"tag" | b"tagger") {
            return Err(InvalidHeader::Name(name.into()));
        }
        self.headers.push(HeaderLine::new(name, value)?);
        Ok(())
    }

    /// Appends the content of the tag object to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let ids = std::iter::once(&self.target);
        if let Some(raw) = self.odd_ids.as_ref().and_then(|odd| odd.raw_of(ids)) {
            out.extend_from_slice(raw);
        } else {
            out.extend_from_slice(b"object ");
            self.target.write_hex(out);
            out.push(b'\n');
        }
        out.extend_from_slice(b"type ");
        out.extend_from_slice(self.target_kind.name().as_bytes());
        out.extend_from_slice(b"\ntag ");
        out.extend_from_slice(&self.name);
        out.push(b'\n');
        header::write_rest(&self.headers, &self.message, self.bare, out);
    }

    /// The content of the tag object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The id of the tag as it is now, in the format of its target.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
    pub fn id(&self) -> Result<ObjectId, CollisionDetected> {
        ObjectId::hash(self.target.format(), Kind::Tag, &self.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    #[test]
    fn whatever_parses_is_written_again_byte_by_byte() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            let id = "0123456789".repeat(7)[..format.hex_len()].to_owned();
            for rest in
                ["", "\n", "tagger x\n", "tagger A <b> 1 +0000\ngpgsig-sha256 a\n b\n\nm\n", "\nold\n"]
            {
                let content = format!("object {id}\ntype commit\ntag \n{rest}");
                let tag = TagRef::parse(format, content.as_bytes()).unwrap();
                assert_eq!(tag.to_owned().to_bytes(), content.as_bytes());
                assert_eq!((tag.target().to_hex(), tag.target_kind()), (id.clone(), Kind::Commit));
            }
        }
    }

    #[test]
    fn an_id_in_upper_case_is_kept_until_it_changes() {
        let content = format!("object {}\ntype blob\ntag x\n\nm", "AB".repeat(20));
        let mut tag = TagRef::parse(ObjectFormat::Sha1, content.as_bytes()).unwrap().to_owned();
        assert_eq!(tag.to_bytes(), content.as_bytes());
        tag.target = ObjectId::empty_blob(ObjectFormat::Sha1);
        assert!(!tag.to_bytes().contains(&b'A'));
    }

    #[test]
    fn the_last_signature_counts() {
        let me = Ident::new("Me", "", Time::new(1, 0)).unwrap();
        let blob = ObjectId::empty_blob(ObjectFormat::Sha1);
        let pgp = "-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n";
        let mut tag = Tag::new(blob, Kind::Blob, "v1", &me, format!("one\n{pgp}two\n{pgp}")).unwrap();
        tag.push_header("x", "y").unwrap();
        let content = tag.to_bytes();
        let read = TagRef::parse(ObjectFormat::Sha1, &content).unwrap();
        assert_eq!(read.signature().unwrap(), pgp);
        assert!(read.body().ends_with(b"two\n"));
        assert_eq!(read.tagger().unwrap().name, "Me");
        assert_eq!(read.headers().len(), 2);
    }

    #[test]
    fn order_and_values_are_checked() {
        let id = "a".repeat(40);
        for bad in [
            format!("type blob\nobject {id}\ntag x\n"),
            format!("object {id}\ntype glob\ntag x\n"),
            format!("object {id}\ntype blob\ntag x"),
            format!("object {id}\ntype blob\n"),
            format!("object {id}aa\ntype blob\ntag x\n"),
        ] {
            assert!(TagRef::parse(ObjectFormat::Sha1, bad.as_bytes()).is_err(), "{bad}");
        }
        let me = Ident::new("Me", "", Time::new(1, 0)).unwrap();
        let blob = ObjectId::empty_blob(ObjectFormat::Sha1);
        assert!(Tag::new(blob, Kind::Blob, "a\nb", &me, "").is_err());
    }
}
