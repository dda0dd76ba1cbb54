//! Objects and packs to feed a storage with, made without any of the code that reads them.

use git_core_hash::Checksum;
use git_core_idx::PackOffset;
use git_core_object::{Kind, ObjectFormat, ObjectId};
use git_core_pack::{EntryHeader, EntryKind, pack_header};

/// A blob, the tree that holds it, and a commit of that tree.
pub(super) fn commit(format: ObjectFormat, text: &str) -> [(Kind, Vec<u8>); 3] {
    let blob = text.as_bytes().to_vec();
    let mut tree = b"100644 file\0".to_vec();
    tree.extend_from_slice(ObjectId::hash(format, Kind::Blob, &blob).unwrap().as_bytes());
    let tree_id = ObjectId::hash(format, Kind::Tree, &tree).unwrap();
    let who = "A U Thor <author@example.com> 1112911993 -0700";
    let commit = format!("tree {tree_id}\nauthor {who}\ncommitter {who}\n\n{text}\n");
    [(Kind::Blob, blob), (Kind::Tree, tree), (Kind::Commit, commit.into_bytes())]
}

/// A pack that is put together entry by entry.
pub(super) struct PackBuilder {
    format: ObjectFormat,
    count: u32,
    body: Vec<u8>,
}

impl PackBuilder {
    pub(super) fn new(format: ObjectFormat) -> Self {
        PackBuilder { format, count: 0, body: Vec::new() }
    }

    /// Adds a whole object; gives its id and where its entry begins.
    pub(super) fn whole(&mut self, kind: Kind, content: &[u8]) -> (ObjectId, PackOffset) {
        let at = self.entry(EntryKind::Whole(kind), content);
        (ObjectId::hash(self.format, kind, content).unwrap(), at)
    }

    /// Adds a blob as a delta: the first `copied` bytes of a base of `base_len`, then `added`.
    pub(super) fn delta(&mut self, base: Base, base_len: usize, copied: u8, added: &[u8]) -> PackOffset {
        assert!(added.len() < 128 && copied > 0);
        let mut delta = Vec::new();
        for mut size in [base_len, usize::from(copied) + added.len()] {
            while size >= 0x80 {
                delta.push(size as u8 | 0x80);
                size >>= 7;
            }
            delta.push(size as u8);
        }
        delta.extend_from_slice(&[0x90, copied, added.len() as u8]);
        delta.extend_from_slice(added);
        let kind = match base {
            Base::Id(base) => EntryKind::RefDelta { base },
            Base::At(at) => EntryKind::OfsDelta { distance: 12 + self.body.len() as u64 - at.0 },
        };
        self.entry(kind, &delta)
    }

    pub(super) fn finish(self) -> Vec<u8> {
        let mut pack = pack_header(self.count).to_vec();
        pack.extend_from_slice(&self.body);
        let mut checksum = Checksum::new(self.format);
        checksum.update(&pack);
        pack.extend_from_slice(checksum.finish().as_bytes());
        pack
    }

    fn entry(&mut self, kind: EntryKind, content: &[u8]) -> PackOffset {
        let at = PackOffset(12 + self.body.len() as u64);
        EntryHeader { kind, size: content.len() as u64 }.write(&mut self.body);
        zlib(content, &mut self.body);
        self.count += 1;
        at
    }
}

/// The base of a delta.
pub(super) enum Base {
    Id(ObjectId),
    At(PackOffset),
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951).
fn zlib(content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0x78, 0x01]);
    let mut blocks = content.chunks(0xffff).peekable();
    if blocks.peek().is_none() {
        out.extend_from_slice(&[1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        out.push(u8::from(blocks.peek().is_none()));
        out.extend_from_slice(&(block.len() as u16).to_le_bytes());
        out.extend_from_slice(&(!(block.len() as u16)).to_le_bytes());
        out.extend_from_slice(block);
    }
    let (mut a, mut b) = (1u32, 0u32);
    for byte in content {
        a = (a + u32::from(*byte)) % 65521;
        b = (b + a) % 65521;
    }
    out.extend_from_slice(&(b << 16 | a).to_be_bytes());
}
