//! The cache-tree extension: which ranges of the index are known to be equal to which trees, so that a commit
//! need not build them again and a comparison can skip them.

use bstr::{BStr, BString, ByteSlice};
use git_core_object::{ObjectFormat, ObjectId};

/// What marks the extension.
pub(crate) const SIGNATURE: &[u8; 4] = b"TREE";

/// All directories of the index that are known, each before those in it; the root comes first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct CachedTrees {
    nodes: Vec<CachedTree>,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CachedTree {
    /// Its name in the directory above; empty for the root.
    pub name: BString,
    /// How many of its subdirectories are known; they follow, each with its own.
    pub subtrees: u32,
    /// The tree, and how many entries of the index it covers; nothing when an entry has changed since.
    pub known: Option<(u32, ObjectId)>,
}

impl CachedTrees {
    /// Takes the directories in the order that is said above.
    ///
    /// Answers nothing when the numbers of subdirectories do not add up to one root and what is below it.
    pub fn new(nodes: Vec<CachedTree>) -> Option<Self> {
        let mut open = 1usize;
        for (at, node) in nodes.iter().enumerate() {
            open = open.checked_sub(1)?.checked_add(node.subtrees as usize)?;
            if open == 0 && at + 1 < nodes.len() || node.name.is_empty() != (at == 0) {
                return None;
            }
        }
        (open == 0).then_some(CachedTrees { nodes })
    }

    /// All directories, each before those in it.
    pub fn nodes(&self) -> &[CachedTree] {
        &self.nodes
    }

    /// Reads the extension; what makes no sense is nothing, since nothing is lost by that.
    pub(crate) fn parse(format: ObjectFormat, mut bytes: &[u8], entries: usize) -> Option<Self> {
        let mut nodes = Vec::new();
        while !bytes.is_empty() {
            let (name, rest) = bytes.split_at(bytes.find_byte(0)?);
            let line_end = rest.find_byte(b'\n')?;
            let (count, subtrees) = rest[1..line_end].split_once_str(b" ")?;
            bytes = &rest[line_end + 1..];
            let known = match count {
                [b'-', ..] => None,
                count => {
                    let (raw, rest) = bytes.split_at_checked(format.raw_len())?;
                    bytes = rest;
                    let count = number(count).filter(|count| *count as usize <= entries)?;
                    Some((count, ObjectId::from_bytes(format, raw).ok()?))
                }
            };
            nodes.push(CachedTree { name: name.into(), subtrees: number(subtrees)?, known });
        }
        Self::new(nodes)
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        for node in &self.nodes {
            out.extend_from_slice(&node.name);
            let count = node.known.map_or("-1".to_owned(), |(count, _)| count.to_string());
            out.extend_from_slice(format!("\0{count} {}\n", node.subtrees).as_bytes());
            if let Some((_, id)) = &node.known {
                out.extend_from_slice(id.as_bytes());
            }
        }
    }

    /// Forgets the trees of all directories above `path`.
    pub(crate) fn invalidate(&mut self, path: &BStr) {
        let mut at = 0;
        let mut components = path.split_str(b"/").peekable();
        while let Some(node) = self.nodes.get_mut(at) {
            node.known = None;
            let subtrees = node.subtrees;
            let Some(name) = components.next() else { return };
            if components.peek().is_none() {
                return;
            }
            at += 1;
            let mut left = subtrees;
            while left > 0 && self.nodes[at].name != name {
                at = self.behind(at);
                left -= 1;
            }
            if left == 0 {
                return;
            }
        }
    }

    /// The position behind a directory and all that is below it.
    fn behind(&self, mut at: usize) -> usize {
        let mut open = 1usize;
        while open > 0 {
            open += self.nodes[at].subtrees as usize;
            open -= 1;
            at += 1;
        }
        at
    }
}

fn number(digits: &[u8]) -> Option<u32> {
    digits.to_str().ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, subtrees: u32) -> CachedTree {
        let id = ObjectId::empty_tree(ObjectFormat::Sha1);
        CachedTree { name: name.into(), subtrees, known: Some((1, id)) }
    }

    #[test]
    fn only_what_is_above_a_path_is_forgotten() {
        let mut trees =
            CachedTrees::new(vec![node("", 2), node("a", 1), node("b", 0), node("c", 1), node("b", 0)])
                .unwrap();
        trees.invalidate(b"c/b/file".as_bstr());
        let known: Vec<bool> = trees.nodes.iter().map(|node| node.known.is_some()).collect();
        assert_eq!(known, [false, true, true, false, false]);
        trees.invalidate(b"x/y".as_bstr());
        trees.invalidate(b"a".as_bstr());
        assert!(trees.nodes[1].known.is_some());
    }

    #[test]
    fn shapes_that_do_not_add_up_are_refused() {
        for nodes in [vec![], vec![node("", 1)], vec![node("", 0), node("a", 0)], vec![node("a", 0)]] {
            assert_eq!(CachedTrees::new(nodes), None);
        }
        let trees = CachedTrees::new(vec![node("", 1), node("a", 0)]).unwrap();
        let mut bytes = Vec::new();
        trees.encode(&mut bytes);
        assert_eq!(CachedTrees::parse(ObjectFormat::Sha1, &bytes, 1), Some(trees));
        assert_eq!(CachedTrees::parse(ObjectFormat::Sha1, &bytes, 0), None);
        for cut in 0..bytes.len() {
            assert_eq!(CachedTrees::parse(ObjectFormat::Sha1, &bytes[..cut], 1), None);
        }
    }
}
