//! Changing a configuration file, with everything else in it left as it stands.
//!
//! New text is laid out as `git config` lays it out, and lands where git puts it.

use crate::document::{Document, Piece, PieceKind, Wanted};
use crate::key::{InvalidKey, Key};
use bstr::{BStr, BString, ByteSlice};

/// Why a file was not changed. It is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The variable has more than one value, and one was to be replaced or removed.
    #[error("{key} has multiple values")]
    MultipleValues {
        /// The key.
        key: Key,
    },
    /// The variable has no value.
    #[error("there is no {key}")]
    NotFound {
        /// The key.
        key: Key,
    },
    /// There is no such section.
    #[error("no such section: {0}")]
    NoSuchSection(SectionName),
    /// The value has a NUL inside.
    #[error("the value for {key} has a NUL byte")]
    Nul {
        /// The key.
        key: Key,
    },
}

/// The name of a section: `section` or `section.subsection`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SectionName {
    section: BString,
    subsection: Option<BString>,
}

impl SectionName {
    /// Reads a name written with a dot before the subsection, which may have more of them.
    ///
    /// # Errors
    /// [`InvalidKey`] as [`Key::parse`] would for a variable of the section.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, InvalidKey> {
        let key = Key::parse([text.as_ref(), b".x"].concat())?;
        Ok(SectionName { section: key.section().into(), subsection: key.subsection().map(Into::into) })
    }

    fn prefix(&self) -> BString {
        let mut prefix = self.section.clone();
        prefix.make_ascii_lowercase();
        if let Some(subsection) = &self.subsection {
            prefix.push(b'.');
            prefix.extend_from_slice(subsection);
        }
        prefix
    }

    fn header(&self) -> Piece {
        let mut raw = vec![b'['];
        raw.extend_from_slice(&self.section);
        if let Some(subsection) = &self.subsection {
            raw.extend_from_slice(b" \"");
            for byte in subsection.iter() {
                if matches!(byte, b'"' | b'\\') {
                    raw.push(b'\\');
                }
                raw.push(*byte);
            }
            raw.push(b'"');
        }
        raw.extend_from_slice(b"]\n");
        Piece { kind: PieceKind::Section { prefix: self.prefix() }, raw: raw.into() }
    }
}

impl std::fmt::Display for SectionName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.prefix(), f)
    }
}

impl Document {
    /// Gives the variable this value, in the place of the one it has; adds it when it has none.
    ///
    /// # Errors
    /// [`EditError::MultipleValues`] when it has several.
    pub fn set(&mut self, key: &Key, value: impl AsRef<[u8]>) -> Result<(), EditError> {
        if self.matches(key).len() > 1 {
            return Err(EditError::MultipleValues { key: key.clone() });
        }
        self.replace_all(key, value)
    }

    /// Gives the variable this value only: the last one it has is replaced, the others are removed.
    ///
    /// # Errors
    /// [`EditError::Nul`] when the value has a NUL inside.
    pub fn replace_all(&mut self, key: &Key, value: impl AsRef<[u8]>) -> Result<(), EditError> {
        let entry = entry(key, value.as_ref())?;
        let mut matches = self.matches(key);
        let Some(last) = matches.pop() else {
            self.insert(key, entry);
            return Ok(());
        };
        self.pieces[last] = entry;
        self.end_line(last);
        for at in matches.into_iter().rev() {
            self.remove_entry(at);
        }
        Ok(())
    }

    /// Adds a value to those the variable has.
    ///
    /// # Errors
    /// [`EditError::Nul`] when the value has a NUL inside.
    pub fn add(&mut self, key: &Key, value: impl AsRef<[u8]>) -> Result<(), EditError> {
        let entry = entry(key, value.as_ref())?;
        self.insert(key, entry);
        Ok(())
    }

    /// Removes the one value of the variable, and its section if that leaves nothing in it.
    ///
    /// # Errors
    /// [`EditError::NotFound`] when it has none, [`EditError::MultipleValues`] when it has several.
    pub fn unset(&mut self, key: &Key) -> Result<(), EditError> {
        if self.matches(key).len() > 1 {
            return Err(EditError::MultipleValues { key: key.clone() });
        }
        self.unset_all(key)
    }

    /// Removes every value of the variable, and sections in which that leaves nothing.
    ///
    /// # Errors
    /// [`EditError::NotFound`] when it has none.
    pub fn unset_all(&mut self, key: &Key) -> Result<(), EditError> {
        let matches = self.matches(key);
        if matches.is_empty() {
            return Err(EditError::NotFound { key: key.clone() });
        }
        let prefix = Wanted::new(key.as_ref()).prefix;
        for at in matches.into_iter().rev() {
            // The section may have gone already, with a value of the same variable behind this one.
            if self.pieces.get(at).is_some_and(|p| matches!(p.kind, PieceKind::Entry { .. })) {
                match self.emptied_section(at, &prefix) {
                    Some(range) => {
                        self.pieces.drain(range.clone());
                        self.end_line(range.start);
                    }
                    None => self.remove_entry(at),
                }
            }
        }
        Ok(())
    }

    /// Gives the one value of the variable that `wanted` takes another text; adds the text when there is none.
    ///
    /// # Errors
    /// [`EditError::MultipleValues`] when several are taken.
    pub fn set_where(
        &mut self,
        key: &Key,
        value: impl AsRef<[u8]>,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<(), EditError> {
        let entry = entry(key, value.as_ref())?;
        match self.matches_where(key, wanted).as_slice() {
            [] => self.insert(key, entry),
            [only] => {
                self.pieces[*only] = entry;
                self.end_line(*only);
            }
            _ => return Err(EditError::MultipleValues { key: key.clone() }),
        }
        Ok(())
    }

    /// Removes those values of the variable that `wanted` takes.
    ///
    /// # Errors
    /// [`EditError::NotFound`] when it takes none.
    pub fn unset_where(&mut self, key: &Key, wanted: impl Fn(&[u8]) -> bool) -> Result<(), EditError> {
        let matches = self.matches_where(key, wanted);
        if matches.is_empty() {
            return Err(EditError::NotFound { key: key.clone() });
        }
        if matches.len() == self.matches(key).len() {
            return self.unset_all(key);
        }
        for at in matches.into_iter().rev() {
            self.remove_entry(at);
        }
        Ok(())
    }

    fn matches_where(&self, key: &Key, wanted: impl Fn(&[u8]) -> bool) -> Vec<usize> {
        let taken = |at: &usize| match &self.pieces[*at].kind {
            PieceKind::Entry { value, .. } => wanted(value.as_ref().map_or(&[], |value| value.as_slice())),
            _ => false,
        };
        self.matches(key).into_iter().filter(taken).collect()
    }

    /// Gives every section of the name `from` the name `to`. Sections are found as for reading, that is without
    /// regard to the case of their names, where `git config --rename-section` wants it as it is written.
    ///
    /// # Errors
    /// [`EditError::NoSuchSection`] when there is none.
    pub fn rename_section(&mut self, from: &SectionName, to: &SectionName) -> Result<(), EditError> {
        let mut found = false;
        for at in 0..self.pieces.len() {
            if self.is_section(at, from) {
                found = true;
                let alone = self.pieces[at].raw.ends_with(b"\n");
                self.pieces[at] = to.header();
                // What stood behind the header on its line gets a line of its own.
                if let Some(next) = self.pieces.get_mut(at + 1).filter(|_| !alone) {
                    let text = next.raw.trim_start_with(|c| c == ' ' || c == '\t');
                    next.raw = match next.kind {
                        PieceKind::Blank => BString::default(),
                        _ => [b"\t", text].concat().into(),
                    };
                }
            }
        }
        self.pieces.retain(|piece| !piece.raw.is_empty());
        if found { Ok(()) } else { Err(EditError::NoSuchSection(from.clone())) }
    }

    /// Removes every section of this name with everything in it, comments included.
    ///
    /// # Errors
    /// [`EditError::NoSuchSection`] when there is none.
    pub fn remove_section(&mut self, name: &SectionName) -> Result<(), EditError> {
        let before = self.pieces.len();
        let keep: Vec<bool> = (0..before)
            .scan(true, |keep, at| {
                if matches!(self.pieces[at].kind, PieceKind::Section { .. }) {
                    *keep = !self.is_section(at, name);
                }
                Some(*keep)
            })
            .collect();
        let mut keep = keep.into_iter();
        self.pieces.retain(|_| keep.next().unwrap_or(true));
        if self.pieces.len() < before { Ok(()) } else { Err(EditError::NoSuchSection(name.clone())) }
    }

    fn is_section(&self, at: usize, name: &SectionName) -> bool {
        let PieceKind::Section { prefix } = &self.pieces[at].kind else { return false };
        *prefix == name.prefix()
    }

    /// The places of the variable's entries.
    fn matches(&self, key: &Key) -> Vec<usize> {
        let wanted = Wanted::new(key.as_ref());
        let mut current = BStr::new(b"");
        let mut found = Vec::new();
        for (at, piece) in self.pieces.iter().enumerate() {
            match &piece.kind {
                PieceKind::Section { prefix } => current = prefix.as_bstr(),
                PieceKind::Entry { name, .. } if wanted.matches(current, name.as_bstr()) => found.push(at),
                _ => {}
            }
        }
        found
    }

    /// Puts an entry behind the last one of its section, behind the header if there is none, or into a new
    /// section at the end.
    fn insert(&mut self, key: &Key, entry: Piece) {
        let wanted = Wanted::new(key.as_ref()).prefix;
        let mut place = None;
        let mut inside = false;
        for (at, piece) in self.pieces.iter().enumerate() {
            match &piece.kind {
                PieceKind::Section { prefix } => inside = *prefix == wanted,
                PieceKind::Entry { .. } => {}
                _ => continue,
            }
            if inside {
                place = Some(at + 1);
            }
        }
        let place = place.unwrap_or_else(|| {
            let end = self.pieces.len();
            self.end_line(end);
            let name =
                SectionName { section: key.section().into(), subsection: key.subsection().map(Into::into) };
            self.pieces.push(name.header());
            self.pieces.len()
        });
        self.pieces.insert(place, entry);
        self.end_line(place);
    }

    /// Takes an entry away.
    fn remove_entry(&mut self, at: usize) {
        self.pieces.remove(at);
        self.end_line(at);
    }

    /// Makes the piece before `at` end in a newline, one that does not continue a value.
    fn end_line(&mut self, at: usize) {
        let Some(before) = at.checked_sub(1).and_then(|at| self.pieces.get_mut(at)) else { return };
        if !before.raw.ends_with(b"\n") && before.raw != "\u{feff}" {
            before.raw.push(b'\n');
        }
        let continues = before.raw.ends_with(b"\\\n") || before.raw.ends_with(b"\\\r\n");
        if continues && matches!(before.kind, PieceKind::Entry { .. }) {
            let probe = [&before.raw[..], b"x\n"].concat();
            if crate::scan::pieces(&probe).is_ok_and(|pieces| pieces.len() == 1) {
                before.raw.push(b'\n');
            }
        }
    }

    /// What to remove so that no empty section is left when the entry goes: the run of sections of the same name
    /// round it, unless it has another entry, or a comment that may be about it.
    fn emptied_section(&self, at: usize, wanted: &BString) -> Option<std::ops::Range<usize>> {
        let current = |at: usize| {
            self.pieces[..=at].iter().rev().find_map(|p| match &p.kind {
                PieceKind::Section { prefix } => Some(prefix),
                _ => None,
            })
        };
        let mut start = at;
        let mut seen_header = false;
        while start > 0 {
            match &self.pieces[start - 1].kind {
                PieceKind::Comment => return None,
                PieceKind::Entry { .. } if current(start - 1) == Some(wanted) => return None,
                PieceKind::Section { prefix } if prefix == wanted => seen_header = true,
                PieceKind::Entry { .. } | PieceKind::Section { .. } => break,
                PieceKind::Blank if self.pieces[start - 1].raw == "\u{feff}" => break,
                PieceKind::Blank => {}
            }
            start -= 1;
        }
        let mut end = at + 1;
        while let Some(piece) = self.pieces.get(end) {
            match &piece.kind {
                PieceKind::Comment | PieceKind::Entry { .. } => return None,
                PieceKind::Section { prefix } if prefix != wanted => break,
                PieceKind::Section { .. } | PieceKind::Blank => end += 1,
            }
        }
        seen_header.then_some(start..end)
    }
}

/// `name = value` on a line of its own, quoted and escaped so that it is read back as it is.
fn entry(key: &Key, value: &[u8]) -> Result<Piece, EditError> {
    if value.contains(&0) {
        return Err(EditError::Nul { key: key.clone() });
    }
    let quoted = value.starts_with(b" ")
        || value.ends_with(b" ")
        || value.iter().any(|b| matches!(b, b';' | b'#' | b'\r'));
    let mut raw = vec![b'\t'];
    raw.extend_from_slice(key.name());
    raw.extend_from_slice(b" = ");
    if quoted {
        raw.push(b'"');
    }
    for byte in value {
        match byte {
            b'\n' => raw.extend_from_slice(b"\\n"),
            b'\t' => raw.extend_from_slice(b"\\t"),
            b'"' | b'\\' => raw.extend_from_slice(&[b'\\', *byte]),
            _ => raw.push(*byte),
        }
    }
    if quoted {
        raw.push(b'"');
    }
    raw.push(b'\n');
    let name = key.name().to_ascii_lowercase().into();
    Ok(Piece { kind: PieceKind::Entry { name, value: Some(value.into()) }, raw: raw.into() })
}
