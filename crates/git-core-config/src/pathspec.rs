//! Pathspecs: which paths a command is about, as `gitglossary(7)` describes them.
//!
//! `attr` is the one magic word that is not known here: what attributes a path has is known elsewhere.

use crate::wildmatch::{Pattern, WildOptions};
use bstr::{BString, ByteSlice as _};

/// What is said of all pathspecs at once: `--literal-pathspecs` and its like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PathspecDefaults {
    /// Nothing is magic, and no character a wildcard (`GIT_LITERAL_PATHSPECS`).
    pub literal: bool,
    /// Wildcards do not match `/` (`GIT_GLOB_PATHSPECS`).
    pub glob: bool,
    /// There are no wildcards (`GIT_NOGLOB_PATHSPECS`).
    pub no_glob: bool,
    /// Letters match without regard to ASCII case (`GIT_ICASE_PATHSPECS`).
    pub ignore_case: bool,
}

/// Why something is no pathspec, in git's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathspecError {
    /// A word between `:(` and `)` that is none.
    #[error("Invalid pathspec magic '{word}' in '{text}'")]
    Word {
        /// The word.
        word: BString,
        /// The pathspec.
        text: BString,
    },
    /// A character behind `:` that means nothing.
    #[error("Unimplemented pathspec magic '{character}' in '{text}'")]
    Character {
        /// The character.
        character: char,
        /// The pathspec.
        text: BString,
    },
    /// `:(` without `)`.
    #[error("Missing ')' at the end of pathspec magic in '{0}'")]
    Open(BString),
    /// `literal` and `glob` at once.
    #[error("{0}: 'literal' and 'glob' are incompatible")]
    Incompatible(BString),
    /// It leads out of the tree.
    #[error("{0}: '{0}' is outside repository")]
    Outside(BString),
    /// Nothing at all.
    #[error("empty string is not a valid pathspec. please use . instead if you meant to match all paths")]
    Empty,
}

/// The pathspecs of a command. None at all match everything.
#[derive(Clone, Debug, Default)]
pub struct Pathspec {
    items: Vec<Item>,
    /// Whether some item says what is meant, rather than what is not.
    any_positive: bool,
    /// What is meant when all items only say what is not: everything below here.
    prefix: BString,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    File,
    Directory,
}

#[derive(Clone, Debug)]
struct Item {
    /// The path from the top, without magic.
    path: BString,
    /// How much of it has no wildcard.
    plain: usize,
    exclude: bool,
    ignore_case: bool,
    /// What the whole path must match, where there are wildcards.
    pattern: Option<Pattern>,
    /// It ends with a slash: only what is below matches, and a directory of that name.
    directory: bool,
}

impl Pathspec {
    /// Reads pathspecs that were written in the directory `prefix` of the tree: empty at the top, else with a `/`
    /// at its end.
    ///
    /// # Errors
    /// [`PathspecError`].
    pub fn parse<T: AsRef<[u8]>>(
        texts: impl IntoIterator<Item = T>,
        prefix: &[u8],
        defaults: PathspecDefaults,
    ) -> Result<Self, PathspecError> {
        let mut items = Vec::new();
        for text in texts {
            items.push(item(text.as_ref(), prefix, defaults)?);
        }
        let any_positive = items.iter().any(|item| !item.exclude);
        Ok(Pathspec { items, any_positive, prefix: prefix.into() })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether the path of a file or link is meant.
    pub fn matches(&self, path: &[u8]) -> bool {
        self.means(path, Is::File)
    }

    /// Whether the path of a submodule is meant, of which nothing else is known.
    pub fn matches_directory(&self, path: &[u8]) -> bool {
        self.means(path, Is::Directory)
    }

    fn means(&self, path: &[u8], is: Is) -> bool {
        if self.items.is_empty() {
            return true;
        }
        let positive = match self.any_positive {
            true => self.items.iter().any(|item| !item.exclude && item.matches(path, is)),
            false => path.starts_with(&self.prefix),
        };
        positive && !self.items.iter().any(|item| item.exclude && item.matches(path, is))
    }

    /// Whether something below a directory may be meant; its path has no `/` at its end. `false` is certain.
    pub fn may_match_below(&self, directory: &[u8]) -> bool {
        let covered =
            |item: &Item| item.exclude && item.pattern.is_none() && item.matches(directory, Is::Directory);
        if self.items.iter().any(covered) {
            return false;
        }
        match self.any_positive {
            true => self.items.iter().any(|item| !item.exclude && item.may_match_below(directory)),
            false => true,
        }
    }
}

impl Item {
    fn matches(&self, path: &[u8], is: Is) -> bool {
        if self.path.is_empty() {
            return true;
        }
        let leads = self.begins(path, &self.path)
            && match path.get(self.path.len()) {
                None => is == Is::Directory || !self.directory,
                Some(next) => *next == b'/',
            };
        leads || self.pattern.as_ref().is_some_and(|pattern| pattern.matches(path))
    }

    fn may_match_below(&self, directory: &[u8]) -> bool {
        let plain = &self.path[..self.plain];
        let inside = |outer: &[u8], inner: &[u8]| {
            self.begins(inner, outer) && (inner.len() == outer.len() || inner[outer.len()] == b'/')
        };
        // Either the directory is on the way to what is meant, or within it.
        if self.pattern.is_none() {
            return plain.is_empty() || inside(plain, directory) || inside(directory, plain);
        }
        let shared = plain.len().min(directory.len());
        self.begins(&directory[..shared], &plain[..shared])
    }

    fn begins(&self, text: &[u8], with: &[u8]) -> bool {
        text.len() >= with.len()
            && match self.ignore_case {
                true => text[..with.len()].eq_ignore_ascii_case(with),
                false => text.starts_with(with),
            }
    }
}

fn item(text: &[u8], prefix: &[u8], defaults: PathspecDefaults) -> Result<Item, PathspecError> {
    if text.is_empty() {
        return Err(PathspecError::Empty);
    }
    let mut magic = Magic { ignore_case: defaults.ignore_case, ..Magic::default() };
    let rest = if defaults.literal { text } else { magic.read(text)? };
    if magic.literal && magic.glob {
        return Err(PathspecError::Incompatible(text.into()));
    }
    let literal = defaults.literal || magic.literal || defaults.no_glob && !magic.glob;
    let glob = magic.glob || defaults.glob && !magic.literal;
    let path = resolve(if magic.top { b"" } else { prefix }, rest)
        .ok_or_else(|| PathspecError::Outside(text.into()))?;
    let directory = path.ends_with(b"/");
    let path: BString = path.strip_suffix(b"/").unwrap_or(&path).into();
    // What the prefix brought is never a wildcard.
    let fixed = if magic.top { 0 } else { prefix.len().min(path.len()) };
    let wild = (!literal)
        .then(|| path[fixed..].iter().position(|b| matches!(b, b'*' | b'?' | b'[' | b'\\')))
        .flatten()
        .map(|at| fixed + at);
    let pattern = wild.map(|_| {
        let mut escaped = Vec::new();
        for &byte in &path[..fixed] {
            if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
                escaped.push(b'\\');
            }
            escaped.push(byte);
        }
        escaped.extend_from_slice(&path[fixed..]);
        let options = WildOptions { pathname: glob, ignore_case: magic.ignore_case };
        Pattern::new(&escaped, options)
    });
    let plain = wild.unwrap_or(path.len());
    let (exclude, ignore_case) = (magic.exclude, magic.ignore_case);
    Ok(Item { plain, exclude, ignore_case, pattern, directory, path }.settled())
}

impl Item {
    /// A wildcard pattern with a slash at its end only means what is below what it matches.
    fn settled(mut self) -> Self {
        if self.directory && self.pattern.is_some() {
            self.pattern = None;
        }
        self
    }
}

#[derive(Default)]
struct Magic {
    top: bool,
    exclude: bool,
    ignore_case: bool,
    literal: bool,
    glob: bool,
}

impl Magic {
    /// Reads `:(word,…)` or `:/!^`; gives what stands behind.
    fn read<'a>(&mut self, text: &'a [u8]) -> Result<&'a [u8], PathspecError> {
        let Some(behind) = text.strip_prefix(b":") else { return Ok(text) };
        if let Some(long) = behind.strip_prefix(b"(") {
            let end = long.find_byte(b')').ok_or_else(|| PathspecError::Open(text.into()))?;
            for word in long[..end].split(|b| *b == b',').filter(|word| !word.is_empty()) {
                match word {
                    b"top" => self.top = true,
                    b"exclude" => self.exclude = true,
                    b"icase" => self.ignore_case = true,
                    b"literal" => self.literal = true,
                    b"glob" => self.glob = true,
                    word if word.starts_with(b"prefix:") => {}
                    word => return Err(PathspecError::Word { word: word.into(), text: text.into() }),
                }
            }
            return Ok(&long[end + 1..]);
        }
        let mut rest = behind;
        while let Some((&byte, after)) = rest.split_first() {
            match byte {
                b':' => return Ok(after),
                b'/' => self.top = true,
                b'!' | b'^' => self.exclude = true,
                // Characters that are neither magic nor able to be it begin the path.
                byte if byte.is_ascii_alphanumeric() || !is_magic(byte) => return Ok(rest),
                byte => {
                    let character = char::from(byte);
                    return Err(PathspecError::Character { character, text: text.into() });
                }
            }
            rest = after;
        }
        Ok(rest)
    }
}

/// Characters that are kept for magic to come.
fn is_magic(byte: u8) -> bool {
    matches!(byte, b'!' | b'"' | b'#' | b'%' | b'&' | b'\'' | b',' | b'-' | b'/' | b':' | b';' | b'<' | b'=')
        || matches!(byte, b'>' | b'@' | b'_' | b'`' | b'~' | b'^')
}

/// The path from the top, without `.` and `..`; a `/` at the end stays. `None` when it leads out of the top.
fn resolve(prefix: &[u8], path: &[u8]) -> Option<Vec<u8>> {
    if path.starts_with(b"/") {
        return None;
    }
    let mut parts: Vec<&[u8]> = prefix.split(|b| *b == b'/').filter(|part| !part.is_empty()).collect();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let mut whole = parts.join(&b'/');
    let slash = path.ends_with(b"/") || path.ends_with(b"/.");
    if slash && !whole.is_empty() {
        whole.push(b'/');
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(texts: &[&str]) -> Pathspec {
        Pathspec::parse(texts, b"", PathspecDefaults::default()).unwrap()
    }

    #[test]
    fn paths_are_matched_as_git_does() {
        for (texts, path, expected) in [
            (&["d"][..], "d/e/f", true),
            (&["d/"], "d/e/f", true),
            (&["d/"], "d", false),
            (&["d"], "de", false),
            (&["*.c"], "a/b.c", true),
            (&[":(glob)*.c"], "a/b.c", false),
            (&[":(glob)**/*.c"], "a/b.c", true),
            (&[":(literal)*.c"], "b.c", false),
            (&[":(icase)D/E"], "d/e/f", true),
            (&[":(icase)*.C"], "x.c", true),
            (&["d", ":!d/e"], "d/e/f", false),
            (&["d", ":^d/e"], "d/f", true),
            (&[":(exclude)d"], "x", true),
            (&[":(exclude)d"], "d/x", false),
            (&["."], "x/y", true),
            (&["./d/../x"], "x", true),
            (&[":/x"], "x", true),
            (&[], "x", true),
        ] {
            assert_eq!(spec(texts).matches(path.as_bytes()), expected, "{texts:?} {path}");
        }
    }

    #[test]
    fn what_cannot_match_is_not_entered() {
        for (texts, directory, expected) in [
            (&["d/e/f"][..], "d", true),
            (&["d/e/f"], "d/x", false),
            (&["d"], "d/e", true),
            (&["d/e*"], "d/ex/y", true),
            (&["d/e*"], "x", false),
            (&["*.c"], "x", true),
            (&["d", ":!d/e"], "d/e", false),
        ] {
            assert_eq!(spec(texts).may_match_below(directory.as_bytes()), expected, "{texts:?} {directory}");
        }
    }

    #[test]
    fn what_is_no_pathspec_is_said() {
        let parse = |text: &str| Pathspec::parse([text], b"d/", PathspecDefaults::default());
        assert!(matches!(parse(":(bogus)x"), Err(PathspecError::Word { .. })));
        assert!(matches!(parse(":(top"), Err(PathspecError::Open(_))));
        assert!(matches!(parse(":%x"), Err(PathspecError::Character { character: '%', .. })));
        assert!(matches!(parse("../../x"), Err(PathspecError::Outside(_))));
        assert!(matches!(parse(""), Err(PathspecError::Empty)));
        assert!(parse("../x").unwrap().matches(b"x"));
        assert!(parse("x").unwrap().matches(b"d/x"));
    }

    proptest::proptest! {
        #[test]
        fn pruning_loses_nothing(
            texts in proptest::collection::vec("[:!^]{0,2}[ab*?/]{1,5}", 0..4),
            path in "[ab]{1,2}(/[ab]{1,2}){0,3}",
        ) {
            let Ok(spec) = Pathspec::parse(&texts, b"", PathspecDefaults::default()) else { return Ok(()) };
            if spec.matches(path.as_bytes()) {
                for (at, _) in path.match_indices('/') {
                    assert!(spec.may_match_below(&path.as_bytes()[..at]), "{texts:?} {path}");
                }
            }
        }
    }
}
