//! Commits: a borrowed view for reading, an owned value for building, and a fast path for walks.
//!
//! The format is `tree`, any number of `parent`, `author`, `committer`, further headers, an empty line and the
//! message. Whether a commit is one git would call sound is left to [`check`](crate::check).

use crate::header::{self, HeaderLine, HeaderLineRef, InvalidHeader, OddIds};
use crate::{CollisionDetected, DecodeError, Ident, IdentRef, Kind, ObjectFormat, ObjectId};
use bstr::{BStr, BString, ByteSlice};
use std::borrow::Cow;

/// A commit as it stands in its object. Every header is kept, in order and as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRef<'a> {
    raw: &'a [u8],
    tree: ObjectId,
    parents: Vec<ObjectId>,
    /// How many bytes the lines of tree and parents take.
    ids_len: usize,
    headers: Vec<HeaderLineRef<'a>>,
    message: Option<&'a BStr>,
}

impl<'a> CommitRef<'a> {
    /// Reads the content of a commit object.
    ///
    /// # Errors
    /// [`DecodeError`] when `tree` is not first, an id is not one of `format`, or a header line has no end.
    /// Author and committer may be missing or odd.
    pub fn parse(format: ObjectFormat, content: &'a [u8]) -> Result<Self, DecodeError> {
        let (links, rest) = Links::parse(format, content)?;
        let ids_len = content.len() - rest.len();
        let (headers, message) = header::rest(Kind::Commit, content, ids_len)?;
        let parents = links.parents().collect();
        Ok(CommitRef { raw: content, tree: links.tree, parents, ids_len, headers, message })
    }

    /// The content it was read from.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The id of the root tree.
    pub const fn tree(&self) -> ObjectId {
        self.tree
    }

    /// The ids of the parents, in order.
    pub fn parents(&self) -> &[ObjectId] {
        &self.parents
    }

    /// Who wrote the change; empty when there is no such header.
    pub fn author(&self) -> IdentRef<'a> {
        self.ident(b"author")
    }

    /// Who made the commit; empty when there is no such header.
    pub fn committer(&self) -> IdentRef<'a> {
        self.ident(b"committer")
    }

    /// The encoding of the message where it is not UTF-8.
    pub fn encoding(&self) -> Option<&'a BStr> {
        self.headers.iter().find(|h| h.name() == "encoding").map(HeaderLineRef::raw_value)
    }

    /// Every header behind the parents, in order, author and committer included.
    pub fn headers(&self) -> &[HeaderLineRef<'a>] {
        &self.headers
    }

    /// Every header but tree, parents, author and committer, in order.
    pub fn extra_headers(&self) -> impl Iterator<Item = HeaderLineRef<'a>> + '_ {
        self.headers.iter().copied().filter(|h| h.name() != "author" && h.name() != "committer")
    }

    /// The unfolded value of the first header of this name behind the parents: `gpgsig`, `mergetag`, ….
    pub fn header(&self, name: impl AsRef<[u8]>) -> Option<Cow<'a, BStr>> {
        let name = name.as_ref();
        self.headers.iter().find(|h| h.name() == name.as_bstr()).map(HeaderLineRef::value)
    }

    /// The message, in its own encoding.
    pub fn message(&self) -> &'a BStr {
        self.message.unwrap_or_default()
    }

    /// The first line of the message.
    pub fn summary(&self) -> &'a BStr {
        self.message().lines().next().unwrap_or_default().as_bstr()
    }

    /// The same, owned; encoding it gives the same bytes again.
    pub fn to_owned(&self) -> Commit {
        Commit {
            tree: self.tree,
            parents: self.parents.clone(),
            message: self.message().into(),
            headers: self.headers.iter().map(HeaderLineRef::to_owned).collect(),
            bare: self.message.is_none(),
            odd_ids: OddIds::keep([&[self.tree][..], &self.parents].concat(), &self.raw[..self.ids_len]),
        }
    }

    fn ident(&self, name: &[u8]) -> IdentRef<'a> {
        let line = self.headers.iter().find(|h| h.name() == name.as_bstr());
        IdentRef::parse(line.map(HeaderLineRef::raw_value).unwrap_or_default())
    }
}

/// A commit to be written.
///
/// ```
/// use git_core_object::{Commit, Ident, ObjectFormat, ObjectId, Time};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let me = Ident::new("A U Thor", "author@example.com", Time::new(1_700_000_000, 60))?;
/// let mut commit = Commit::new(ObjectId::empty_tree(ObjectFormat::Sha1), &me, &me, "first\n");
/// commit.push_header("encoding", "ISO-8859-1")?;
/// assert_eq!(commit.id()?.to_hex().len(), 40);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The id of the root tree; its format is the commit's.
    pub tree: ObjectId,
    /// The ids of the parents, in order.
    pub parents: Vec<ObjectId>,
    /// The message, in the encoding that the `encoding` header names.
    pub message: BString,
    headers: Vec<HeaderLine>,
    bare: bool,
    odd_ids: Option<Box<OddIds>>,
}

impl Commit {
    /// A commit without parents.
    pub fn new(tree: ObjectId, author: &Ident, committer: &Ident, message: impl AsRef<[u8]>) -> Self {
        let headers = vec![
            HeaderLine::plain("author", &author.to_line()),
            HeaderLine::plain("committer", &committer.to_line()),
        ];
        Commit {
            tree,
            parents: Vec::new(),
            message: message.as_ref().into(),
            headers,
            bare: false,
            odd_ids: None,
        }
    }

    /// The same commit with one more parent.
    #[must_use]
    pub fn with_parent(mut self, parent: ObjectId) -> Self {
        self.parents.push(parent);
        self
    }

    /// Who wrote the change.
    pub fn author(&self) -> IdentRef<'_> {
        self.ident("author")
    }

    /// Who made the commit.
    pub fn committer(&self) -> IdentRef<'_> {
        self.ident("committer")
    }

    /// Names another author.
    pub fn set_author(&mut self, author: &Ident) {
        self.set_ident("author", 0, author);
    }

    /// Names another committer.
    pub fn set_committer(&mut self, committer: &Ident) {
        let after_author = self.headers.iter().position(|h| h.name() == "author").map_or(0, |at| at + 1);
        self.set_ident("committer", after_author, committer);
    }

    /// Every header behind the parents, in order.
    pub fn headers(&self) -> &[HeaderLine] {
        &self.headers
    }

    /// Appends a header such as `encoding`, `gpgsig` or `mergetag`; the value may have several lines.
    ///
    /// # Errors
    /// [`InvalidHeader`] when it could not be read back, or when its name is one of the four fixed ones.
    pub fn push_header(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), InvalidHeader> {
        let name = name.as_ref();
        if matches!(name, b"tree" | b"parent" | b"author" | b"committer") {
            return Err(InvalidHeader::Name(name.into()));
        }
        self.headers.push(HeaderLine::new(name, value)?);
        Ok(())
    }

    /// Takes away every header of this name; says whether there was one.
    pub fn remove_header(&mut self, name: impl AsRef<[u8]>) -> bool {
        let (before, name) = (self.headers.len(), name.as_ref().as_bstr());
        self.headers.retain(|h| h.name() != name);
        self.headers.len() < before
    }

    /// Appends the content of the commit object to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let ids = std::iter::once(&self.tree).chain(&self.parents);
        if let Some(raw) = self.odd_ids.as_ref().and_then(|odd| odd.raw_of(ids)) {
            out.extend_from_slice(raw);
        } else {
            out.extend_from_slice(b"tree ");
            self.tree.write_hex(out);
            out.push(b'\n');
            for parent in &self.parents {
                out.extend_from_slice(b"parent ");
                parent.write_hex(out);
                out.push(b'\n');
            }
        }
        header::write_rest(&self.headers, &self.message, self.bare, out);
    }

    /// The content of the commit object.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// The id of the commit as it is now, in the format of its tree.
    ///
    /// # Errors
    /// [`CollisionDetected`] when the content bears the marks of a SHA-1 collision attack.
    pub fn id(&self) -> Result<ObjectId, CollisionDetected> {
        ObjectId::hash(self.tree.format(), Kind::Commit, &self.to_bytes())
    }

    fn ident(&self, name: &str) -> IdentRef<'_> {
        let line = self.headers.iter().find(|h| h.name() == name);
        IdentRef::parse(line.map(|h| h.as_ref().raw_value()).unwrap_or_default())
    }

    fn set_ident(&mut self, name: &str, place: usize, ident: &Ident) {
        let line = HeaderLine::plain(name, &ident.to_line());
        match self.headers.iter_mut().find(|h| h.name() == name) {
            Some(header) => *header = line,
            None => self.headers.insert(place, line),
        }
    }
}

/// What a walk needs of a commit: made without allocating, and without regard to how odd the rest may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links<'a> {
    format: ObjectFormat,
    /// The id of the root tree.
    pub tree: ObjectId,
    parents: &'a [u8],
    /// When the commit was made, in seconds since 1970; 0 when the commit does not say so in a way that can be
    /// read, as in git.
    pub time: i64,
}

/// Reads tree, parents and time from the content of a commit object.
///
/// # Errors
/// [`DecodeError`] when the `tree` line or a `parent` line is not as it must be. Nothing behind them matters.
pub fn links(format: ObjectFormat, content: &[u8]) -> Result<Links<'_>, DecodeError> {
    let (links, rest) = Links::parse(format, content)?;
    Ok(Links { time: committer_time(rest), ..links })
}

impl<'a> Links<'a> {
    /// The ids of the parents, in order.
    pub fn parents(&self) -> impl ExactSizeIterator<Item = ObjectId> + 'a {
        let format = self.format;
        self.parents.chunks_exact(b"parent \n".len() + format.hex_len()).map(move |line| {
            let hex = &line[b"parent ".len()..line.len() - 1];
            ObjectId::from_hex_of(format, hex).expect("checked when the links were read")
        })
    }

    /// Tree and parents, and what stands behind them; the time is not looked at.
    fn parse(format: ObjectFormat, content: &'a [u8]) -> Result<(Self, &'a [u8]), DecodeError> {
        let missing = DecodeError::MissingHeader { kind: Kind::Commit, header: "tree", offset: 0 };
        let (mut rest, hex) = header::expected(b"tree", content).map_err(|_| missing)?;
        let invalid = |header, offset| DecodeError::InvalidHeader { kind: Kind::Commit, header, offset };
        let tree = ObjectId::from_hex_of(format, hex).map_err(|_| invalid("tree", 0))?;
        let start = content.len() - rest.len();
        let mut end = start;
        while rest.starts_with(b"parent ") {
            let (next, hex) = header::expected(b"parent", rest)
                .map_err(|_| DecodeError::Unterminated { kind: Kind::Commit, offset: end })?;
            ObjectId::from_hex_of(format, hex).map_err(|_| invalid("parent", end))?;
            rest = next;
            end = content.len() - rest.len();
        }
        Ok((Links { format, tree, parents: &content[start..end], time: 0 }, rest))
    }
}

/// The seconds of the committer line among these headers, or 0.
fn committer_time(headers: &[u8]) -> i64 {
    for line in headers.split(|b| *b == b'\n') {
        if line.is_empty() {
            break;
        }
        if let Some(line) = line.strip_prefix(b"committer ") {
            let date = line.rfind_byte(b'>').map_or(&b""[..], |close| &line[close + 1..]).trim_ascii_start();
            let digits = date.iter().position(|b| !b.is_ascii_digit()).unwrap_or(date.len());
            return std::str::from_utf8(&date[..digits]).ok().and_then(|d| d.parse().ok()).unwrap_or(0);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    const ODD: &str =
        "author \ncommitter A <b> <c>  12x\nnot a known one\nodd\ngpgsig -----BEGIN\n \n  x\n -----END\n";

    fn content(format: ObjectFormat, rest: &str) -> Vec<u8> {
        let id = "a".repeat(format.hex_len());
        format!("tree {id}\nparent {id}\nparent {id}\n{rest}").into_bytes()
    }

    #[test]
    fn whatever_parses_is_written_again_byte_by_byte() {
        for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
            for rest in ["", "\n", "\n\nx", "author a\n", &format!("{ODD}\nmessage\0\n"), ODD] {
                let content = content(format, rest);
                let commit = CommitRef::parse(format, &content).unwrap();
                assert_eq!(commit.to_owned().to_bytes(), content);
                assert_eq!(commit.parents().len(), 2);
            }
        }
    }

    #[test]
    fn ids_in_upper_case_are_kept_until_they_change() {
        let content = content(ObjectFormat::Sha1, "\nm").to_ascii_uppercase();
        let content = content.replace("TREE", "tree").replace("PARENT", "parent");
        let mut commit = CommitRef::parse(ObjectFormat::Sha1, &content).unwrap().to_owned();
        assert_eq!(commit.to_bytes(), content);
        commit.parents.pop();
        assert!(commit.to_bytes().starts_with(b"tree aaaa"));
    }

    #[test]
    fn odd_headers_are_seen_in_order_and_unfolded() {
        let content = content(ObjectFormat::Sha1, &format!("{ODD}\nmessage\nmore"));
        let commit = CommitRef::parse(ObjectFormat::Sha1, &content).unwrap();
        let names: Vec<_> = commit.extra_headers().map(|h| h.name().to_string()).collect();
        assert_eq!(names, ["not", "odd", "gpgsig"]);
        assert_eq!(commit.header("gpgsig").unwrap().as_ref(), "-----BEGIN\n\n x\n-----END");
        assert_eq!((commit.author().name, commit.committer().email), ("".into(), "b".into()));
        assert_eq!(commit.summary(), "message");
        let links = links(ObjectFormat::Sha1, &content).unwrap();
        assert_eq!((links.time, links.parents().len()), (12, 2));
    }

    #[test]
    fn walks_do_not_care_for_odd_identities() {
        for (rest, time) in [
            ("", 0),
            ("author", 0),
            ("committer x 5 +0000\n\n", 0),
            ("committer <x> 99999999999999999999999 +0\n\n", 0),
            ("committer <x> -4 +0000\n\n", 0),
            ("\ncommitter <x> 4 +0000\n", 0),
            ("foo\ncommitter <x> 4\n", 4),
        ] {
            let content = content(ObjectFormat::Sha256, rest);
            assert_eq!(links(ObjectFormat::Sha256, &content).unwrap().time, time, "{rest}");
        }
    }

    #[test]
    fn what_a_walk_needs_must_be_there() {
        let id = "a".repeat(40);
        for bad in [
            "",
            "tree",
            "tree x\n",
            &format!("tree {id}"),
            &format!("parent {id}\n"),
            &format!("tree {id}\nparent {id}a\n"),
        ] {
            assert!(links(ObjectFormat::Sha1, bad.as_bytes()).is_err(), "{bad}");
            assert!(CommitRef::parse(ObjectFormat::Sha1, bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn identities_and_headers_can_be_replaced() {
        let me = Ident::new("Me", "me@example.com", Time::new(1, 0)).unwrap();
        let mut commit = Commit::new(ObjectId::empty_tree(ObjectFormat::Sha1), &me, &me, "m");
        commit.set_committer(&me.at(Time::new(2, 90)));
        commit.push_header("gpgsig", "one\ntwo\n").unwrap();
        assert!(commit.push_header("parent", "x").is_err());
        let bytes = commit.to_bytes();
        assert!(
            bytes.ends_with(b"<me@example.com> 2 +0130\ngpgsig one\n two\n \n\nm"),
            "{}",
            bytes.as_bstr()
        );
        assert!(commit.remove_header("gpgsig") && !commit.remove_header("gpgsig"));
    }
}
