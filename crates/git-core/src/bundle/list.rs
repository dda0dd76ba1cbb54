//! Lists of bundles (`bundle-uri` in Git's technical documents): from a file, or from a server that tells of them.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_config::Document;
use git_core_object::ErrorKind;
use std::collections::HashMap;

/// More bundles than this are in no list.
const MOST: usize = 10_000;

/// A list of bundles.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleList {
    /// How many of them are needed.
    pub mode: BundleMode,
    /// Whether each says how new it is (`bundle.heuristic=creationToken`).
    pub by_token: bool,
    /// The bundles, in the order of the list.
    pub bundles: Vec<ListedBundle>,
}

/// How many bundles of a list are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleMode {
    /// All of them.
    All,
    /// Any one.
    Any,
}

/// A bundle of a list, or another list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedBundle {
    /// What the list calls it.
    pub id: BString,
    /// Where it is, as the list has it: it may be relative to the list.
    pub uri: BString,
    /// The greater, the newer.
    pub token: u64,
}

/// Why something is no list of bundles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BundleListError {
    /// It is neither a bundle nor configuration.
    #[error("it is neither a bundle nor a list of bundles")]
    Syntax,
    /// A version that is not known, or none.
    #[error("bundle list version '{0}' is not supported")]
    Version(BString),
    /// It does not say how many of its bundles are needed.
    #[error("bundle list has no mode, or one that is not known: '{0}'")]
    Mode(BString),
    /// It has too many bundles.
    #[error("bundle list has more than {MOST} bundles")]
    Long,
}

impl BundleListError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            BundleListError::Long => ErrorKind::Limit,
            _ => ErrorKind::Invalid,
        }
    }
}

impl BundleList {
    /// Reads a file in the form of configuration.
    ///
    /// # Errors
    /// [`BundleListError`].
    pub fn parse(text: &[u8]) -> Result<Self, BundleListError> {
        let document = Document::parse(text).map_err(|_| BundleListError::Syntax)?;
        let mut pairs = Vec::new();
        for entry in document.entries() {
            pairs.push((
                entry.key(),
                BString::from(entry.value().text().map(|text| text.to_vec()).unwrap_or_default()),
            ));
        }
        Self::of_pairs(pairs)
    }

    /// Reads what a server tells, `key=value` a line. Lines that are none are passed over.
    ///
    /// # Errors
    /// [`BundleListError`].
    pub fn of_lines<T: AsRef<[u8]>>(lines: impl IntoIterator<Item = T>) -> Result<Self, BundleListError> {
        let mut pairs = Vec::new();
        for line in lines {
            if let Some((key, value)) = line.as_ref().split_once_str("=") {
                pairs.push((BString::from(key), BString::from(value)));
            }
        }
        Self::of_pairs(pairs)
    }

    fn of_pairs(pairs: Vec<(BString, BString)>) -> Result<Self, BundleListError> {
        let (mut version, mut mode, mut by_token) = (BString::default(), BString::default(), false);
        let mut bundles: Vec<ListedBundle> = Vec::new();
        let mut places: HashMap<BString, usize> = HashMap::new();
        for (key, value) in pairs {
            let Some((section, rest)) = key.split_once_str(".") else { continue };
            if !section.eq_ignore_ascii_case(b"bundle") {
                continue;
            }
            let Some(dot) = rest.rfind_byte(b'.') else {
                match rest.to_ascii_lowercase().as_slice() {
                    b"version" => version = value,
                    b"mode" => mode = value,
                    b"heuristic" => by_token = value == "creationToken",
                    _ => {}
                }
                continue;
            };
            let (id, variable) = (rest[..dot].as_bstr(), rest[dot + 1..].to_ascii_lowercase());
            let at = match places.get(id) {
                Some(at) => *at,
                None if bundles.len() == MOST => return Err(BundleListError::Long),
                None => {
                    places.insert(id.to_owned(), bundles.len());
                    bundles.push(ListedBundle { id: id.to_owned(), ..ListedBundle::default() });
                    bundles.len() - 1
                }
            };
            match variable.as_slice() {
                b"uri" => bundles[at].uri = value,
                // One that makes no sense counts as none, as in git.
                b"creationtoken" => {
                    bundles[at].token = value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0);
                }
                _ => {}
            }
        }
        if version != "1" {
            return Err(BundleListError::Version(version));
        }
        let mode = match mode.as_slice() {
            b"all" => BundleMode::All,
            b"any" => BundleMode::Any,
            _ => return Err(BundleListError::Mode(mode)),
        };
        bundles.retain(|bundle| !bundle.uri.is_empty());
        Ok(BundleList { mode, by_token, bundles })
    }
}

/// Where something is that a list says is at `uri`, the list itself being at `base`: a file of a directory, or for
/// what a server tells of the repository, as a directory. A list from the web leads to the web only; `None` for others.
pub(super) fn resolve(base: &BStr, uri: &BStr) -> Option<BString> {
    let web = |uri: &[u8]| uri.starts_with(b"http://") || uri.starts_with(b"https://");
    if uri.contains_str("://") {
        return (web(uri) || !web(base)).then(|| uri.to_owned());
    }
    let (root, path) = match base.find(b"://") {
        Some(at) => {
            let slash = base[at + 3..].find_byte(b'/').map_or(base.len(), |slash| at + 3 + slash);
            base.split_at(slash)
        }
        None => (&b""[..], base.as_bytes()),
    };
    if uri.starts_with(b"/") {
        // On the web it is of the same host; files have one root.
        return Some([if web(base) { root } else { b"" }, uri].concat().into());
    }
    let absolute = path.starts_with(b"/") || !root.is_empty();
    let mut parts: Vec<&[u8]> = path.split(|b| *b == b'/').filter(|part| !part.is_empty()).collect();
    for part in uri.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    let slash: &[u8] = if absolute { b"/" } else { b"" };
    Some([root, slash, &parts.join(&b'/')].concat().into())
}

/// The directory of a file at a URI.
pub(super) fn directory(uri: &BStr) -> BString {
    let start = uri.find(b"://").map_or(0, |at| at + 3);
    uri[start..].rfind_byte(b'/').map_or_else(BString::default, |slash| uri[..start + slash].into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        let text = b"[bundle]\n version = 1\n mode = all\n heuristic = creationToken\n\
                     [bundle \"a\"]\n uri = x\n creationToken = 7\n[bundle \"B\"]\n uri = y\n creationToken = z\n";
        let list = BundleList::parse(text).unwrap();
        assert!(list.by_token && list.mode == BundleMode::All);
        let ids: Vec<_> = list.bundles.iter().map(|one| (one.id.to_string(), one.token)).collect();
        assert_eq!(ids, [("a".to_owned(), 7), ("B".to_owned(), 0)]);
        let told = ["bundle.version=1", "bundle.mode=any", "bundle.a.uri=x=y", "other.a.uri=z", "junk"];
        let list = BundleList::of_lines(told).unwrap();
        assert_eq!((list.bundles.len(), list.bundles[0].uri.to_string()), (1, "x=y".to_owned()));
        assert!(matches!(BundleList::of_lines(["bundle.mode=all"]), Err(BundleListError::Version(_))));
        assert!(matches!(BundleList::of_lines(["bundle.version=1"]), Err(BundleListError::Mode(_))));
        assert_eq!(BundleList::parse(b"[x"), Err(BundleListError::Syntax));
    }

    #[test]
    fn places_are_relative_to_the_list() {
        for (base, uri, expected) in [
            ("https://h/a/b", "c", Some("https://h/a/b/c")),
            ("https://h/a/b", "../c", Some("https://h/a/c")),
            ("https://h/a/b", "/c", Some("https://h/c")),
            ("https://h/a", "../../c", None),
            ("https://h/a", "file:///etc/x", None),
            ("https://h/a", "http://i/x", Some("http://i/x")),
            ("file:///a/b", "c", Some("file:///a/b/c")),
            ("file:///a/b", "https://h/c", Some("https://h/c")),
            ("/a/b", "../c", Some("/a/c")),
            ("a/b", "c", Some("a/b/c")),
        ] {
            assert_eq!(resolve(base.into(), uri.into()), expected.map(Into::into), "{base} {uri}");
        }
        assert_eq!(directory(b"https://h/a/list".as_bstr()), "https://h/a");
        assert_eq!(directory(b"list".as_bstr()), "");
    }
}
