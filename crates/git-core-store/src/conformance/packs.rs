//! Packs that are received.

use super::build::{Base, PackBuilder};
use super::{add_commit, all_ids, branch, build, content_of, cx};
use crate::{ObjectObserver, PackOptions, Quarantine, ReceiveError, Snapshot, Storage, Thin};
use git_core_object::{BoxError, ErrorKind, Kind, ObjectFormat, ObjectId, Objects as _};
use git_core_ref::RefTransaction;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a pack holds, once resolved.
type Expected = BTreeMap<ObjectId, (Kind, Vec<u8>)>;

/// A pack with entries of every kind.
fn sample(format: ObjectFormat) -> (Vec<u8>, Expected) {
    let mut pack = PackBuilder::new(format);
    let mut expected = Expected::new();
    for (kind, content) in build::commit(format, "packed") {
        let (id, _) = pack.whole(kind, &content);
        expected.insert(id, (kind, content));
    }
    let text = b"a base that two deltas are made of, which are bases themselves".to_vec();
    let (base, at) = pack.whole(Kind::Blob, &text);
    let mut add = |content: Vec<u8>| {
        let id = ObjectId::hash(format, Kind::Blob, &content).unwrap();
        expected.insert(id, (Kind::Blob, content));
        id
    };
    let by_offset = [&text[..20], b" by offset"].concat();
    let second = pack.delta(Base::At(at), text.len(), 20, b" by offset");
    let third = [&by_offset[..30], b", again"].concat();
    pack.delta(Base::At(second), by_offset.len(), 30, b", again");
    let by_id = [&text[..10], b" by id"].concat();
    pack.delta(Base::Id(base), text.len(), 10, b" by id");
    let forward = ObjectId::hash(format, Kind::Blob, b"a base that comes after its delta").unwrap();
    pack.delta(Base::Id(forward), 33, 6, b"!");
    pack.whole(Kind::Blob, b"a base that comes after its delta");
    for content in
        [text, by_offset, third, by_id, b"a base!".to_vec(), b"a base that comes after its delta".to_vec()]
    {
        add(content);
    }
    (pack.finish(), expected)
}

fn feed_all(quarantine: &mut dyn Quarantine, pack: &[u8], chunk: usize) -> Result<(), ReceiveError> {
    for piece in pack.chunks(chunk) {
        assert_eq!(quarantine.feed(piece, &cx())?, piece.len());
    }
    Ok(())
}

fn check(snapshot: &dyn Snapshot, expected: &Expected) {
    for (id, object) in expected {
        assert_eq!(content_of(snapshot, id).as_ref(), Some(object));
        let header = snapshot.header(id).unwrap().unwrap();
        assert_eq!((header.kind, header.size), (object.0, object.1.len() as u64));
    }
    let ids: Vec<ObjectId> = expected.keys().copied().collect();
    assert_eq!(all_ids(snapshot), ids);
}

pub(super) fn received(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let base = storage.snapshot().unwrap();
    let (pack, expected) = sample(format);
    let mut quarantine = storage.receive(&base).unwrap();
    quarantine.begin_pack(&PackOptions::default()).unwrap();
    assert!(!quarantine.is_complete());
    let with_rest = [&pack[..], b"what follows the pack"].concat();
    assert_eq!(quarantine.feed(&with_rest, &cx()).unwrap(), pack.len());
    assert!(quarantine.is_complete());
    let received = quarantine.finish_pack(&cx()).unwrap();
    assert_eq!((received.objects, received.bytes), (expected.len() as u64, pack.len() as u64));
    assert_eq!(received.checksum.as_bytes(), &pack[pack.len() - format.raw_len()..]);
    assert_eq!(all_ids(&*base), []);
    assert_eq!(all_ids(&*storage.snapshot().unwrap()), []);
    let waiting = quarantine.snapshot().unwrap();
    check(&*waiting, &expected);
    check_located(&*waiting, &expected);
    let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
    check(&*committed.snapshot, &expected);
    check_located(&*committed.snapshot, &expected);
    check(&*storage.snapshot().unwrap(), &expected);
    // What was received stays readable for whoever looked at it before.
    check(&*waiting, &expected);
}

/// Every object is in the one pack, at the place that `locate` says.
fn check_located(snapshot: &dyn Snapshot, expected: &Expected) {
    assert_eq!(snapshot.packs().len(), 1);
    let stored = &snapshot.packs()[0];
    assert!(stored.local && !stored.kept && !stored.promisor);
    for id in expected.keys() {
        let location = snapshot.locate(id).unwrap().unwrap();
        assert_eq!(location.pack, 0);
        assert_eq!(stored.pack.find(id).unwrap(), Some(location.offset));
    }
}

pub(super) fn byte_by_byte(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (pack, expected) = sample(format);
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    quarantine.begin_pack(&PackOptions::default()).unwrap();
    feed_all(&mut *quarantine, &pack, 1).unwrap();
    quarantine.finish_pack(&cx()).unwrap();
    let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
    check(&*committed.snapshot, &expected);
}

pub(super) fn unpacked(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (pack, expected) = sample(format);
    for (unpack_below, packs) in [(expected.len() as u64 + 1, 0), (expected.len() as u64, 1)] {
        let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
        quarantine.begin_pack(&PackOptions { unpack_below, ..PackOptions::default() }).unwrap();
        feed_all(&mut *quarantine, &pack, 100).unwrap();
        let received = quarantine.finish_pack(&cx()).unwrap();
        assert_eq!(received.objects, expected.len() as u64);
        check(&*quarantine.snapshot().unwrap(), &expected);
        let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
        assert_eq!(committed.snapshot.packs().len(), packs);
        check(&*committed.snapshot, &expected);
    }
}

/// A pack of a delta whose base is in the repository, and the object it gives.
fn thin_pack(storage: &dyn Storage) -> (Vec<u8>, ObjectId) {
    let format = storage.format();
    let text = "a base that is in the repository";
    add_commit(storage, text);
    let base = ObjectId::hash(format, Kind::Blob, text.as_bytes()).unwrap();
    let mut pack = PackBuilder::new(format);
    pack.delta(Base::Id(base), text.len(), 7, b"of a thin pack");
    let result = ObjectId::hash(format, Kind::Blob, b"a base of a thin pack").unwrap();
    (pack.finish(), result)
}

pub(super) fn thin(make: &dyn Fn() -> Arc<dyn Storage>, _: ObjectFormat) {
    let storage = make();
    let (pack, result) = thin_pack(&*storage);
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    quarantine.begin_pack(&PackOptions::default()).unwrap();
    feed_all(&mut *quarantine, &pack, 9).unwrap();
    let received = quarantine.finish_pack(&cx()).unwrap();
    assert_eq!(received.objects, 1);
    let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
    let expected = Some((Kind::Blob, b"a base of a thin pack".to_vec()));
    assert_eq!(content_of(&*committed.snapshot, &result), expected);
    // The pack holds its bases itself.
    let mut content = Vec::new();
    let stored = &committed.snapshot.packs()[0];
    assert_eq!(
        (stored.pack.count(), stored.pack.read(&result, &mut content).unwrap()),
        (2, Some(Kind::Blob))
    );
    assert_eq!(all_ids(&*committed.snapshot).len(), 4);
}

pub(super) fn thin_refused(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (pack, _) = thin_pack(&*storage);
    let mut nowhere = PackBuilder::new(format);
    nowhere.delta(Base::Id(ObjectId::hash(format, Kind::Blob, b"nowhere").unwrap()), 7, 5, b"x");
    for (pack, thin) in [(pack, Thin::Refuse), (nowhere.finish(), Thin::Complete)] {
        let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
        quarantine.begin_pack(&PackOptions { thin, ..PackOptions::default() }).unwrap();
        feed_all(&mut *quarantine, &pack, 1000).unwrap();
        let error = quarantine.finish_pack(&cx()).unwrap_err();
        assert!(matches!(error, ReceiveError::BadPack(_)), "{error}");
        assert_eq!(all_ids(&*quarantine.snapshot().unwrap()).len(), 3);
    }
}

pub(super) fn damaged(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (pack, expected) = sample(format);
    let receive = |bytes: &[u8]| {
        let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
        quarantine.begin_pack(&PackOptions::default()).unwrap();
        let fed = quarantine.feed(bytes, &cx());
        let result = fed.and_then(|_| quarantine.finish_pack(&cx()));
        (result, quarantine)
    };
    for at in (0..pack.len()).step_by(17) {
        let mut flipped = pack.clone();
        flipped[at] ^= 0x10;
        for bytes in [&flipped[..], &pack[..at]] {
            let (result, quarantine) = receive(bytes);
            let error = result.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Limit), "{at}: {error}");
            assert_eq!(all_ids(&*quarantine.snapshot().unwrap()), []);
            drop(quarantine);
        }
    }
    assert_eq!(all_ids(&*storage.snapshot().unwrap()), []);
    // A quarantine is of use after a pack was refused.
    let (result, mut quarantine) = receive(&pack[..40]);
    assert!(result.is_err());
    quarantine.begin_pack(&PackOptions::default()).unwrap();
    feed_all(&mut *quarantine, &pack, 4096).unwrap();
    quarantine.finish_pack(&cx()).unwrap();
    check(&*quarantine.snapshot().unwrap(), &expected);
}

#[derive(Default)]
struct Log {
    seen: Mutex<Expected>,
    refuse: Option<ObjectId>,
}

impl ObjectObserver for Log {
    fn object(&self, id: &ObjectId, kind: Kind, content: Option<&[u8]>) -> Result<(), BoxError> {
        if self.refuse == Some(*id) {
            return Err("it is not wanted".into());
        }
        self.seen.lock().unwrap().insert(*id, (kind, content.unwrap().to_vec()));
        Ok(())
    }
}

pub(super) fn observed(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (pack, expected) = sample(format);
    let receive = |log: Arc<Log>| {
        let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
        let observer: Option<Arc<dyn ObjectObserver>> = Some(log);
        quarantine.begin_pack(&PackOptions { observer, ..PackOptions::default() }).unwrap();
        quarantine.feed(&pack, &cx()).and_then(|_| quarantine.finish_pack(&cx()))
    };
    let log = Arc::new(Log::default());
    receive(log.clone()).unwrap();
    assert_eq!(*log.seen.lock().unwrap(), expected);
    for unwanted in expected.keys() {
        let error = receive(Arc::new(Log { refuse: Some(*unwanted), ..Log::default() })).unwrap_err();
        match error {
            ReceiveError::Refused { id, reason } => {
                assert_eq!(id, *unwanted);
                assert!(reason.contains("it is not wanted"), "{reason}");
            }
            other => panic!("{other}"),
        }
    }
}

pub(super) fn twice(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let (pack, mut expected) = sample(format);
    for _ in 0..2 {
        let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
        for _ in 0..2 {
            quarantine.begin_pack(&PackOptions::default()).unwrap();
            feed_all(&mut *quarantine, &pack, 512).unwrap();
            quarantine.finish_pack(&cx()).unwrap();
        }
        let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
        check(&*committed.snapshot, &expected);
        assert_eq!(committed.snapshot.packs().len(), 1);
    }
    // Two quarantines, and refs, in one commit.
    let base = storage.snapshot().unwrap();
    let (mut one, mut two) = (storage.receive(&base).unwrap(), storage.receive(&base).unwrap());
    let mut other = PackBuilder::new(format);
    let mut tip = None;
    for (kind, content) in build::commit(format, "another") {
        let (id, _) = other.whole(kind, &content);
        expected.insert(id, (kind, content));
        tip = Some(id);
    }
    one.begin_pack(&PackOptions::default()).unwrap();
    feed_all(&mut *one, &other.finish(), 4096).unwrap();
    one.finish_pack(&cx()).unwrap();
    let lone = two.write(Kind::Blob, b"lone").unwrap();
    expected.insert(lone, (Kind::Blob, b"lone".to_vec()));
    let mut refs = RefTransaction::new();
    refs.create(branch("main"), tip.unwrap(), None);
    let committed = storage.commit(vec![one, two], &refs, &cx()).unwrap();
    check(&*committed.snapshot, &expected);
    assert_eq!(committed.snapshot.packs().len(), 2);
    assert!(committed.snapshot.packs().iter().all(|stored| !stored.kept));
    check(&*storage.snapshot().unwrap(), &expected);
}
