//! Objects one by one.

use super::{add_commit, all_ids, branch, content_of, cx, write_commit};
use crate::{CommitError, ReceiveError, Storage};
use git_core_object::{ErrorKind, Header, IdPrefix, Kind, ObjectFormat, ObjectId, Objects as _, ReadError};
use git_core_ref::RefTransaction;
use std::ops::ControlFlow;
use std::sync::Arc;

pub(super) fn come_back(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    assert_eq!(storage.format(), format);
    let before = storage.snapshot().unwrap();
    let mut quarantine = storage.receive(&before).unwrap();
    let large = vec![b'x'; 300_000];
    let objects: Vec<(Kind, &[u8])> = vec![
        (Kind::Blob, b""),
        (Kind::Blob, b"blob"),
        (Kind::Tree, b""),
        (Kind::Tag, b"any bytes: a storage does not look into them"),
        (Kind::Commit, b"the same"),
        (Kind::Blob, &large),
    ];
    let mut ids = Vec::new();
    for (kind, content) in &objects {
        let id = quarantine.write(*kind, content).unwrap();
        assert_eq!(id, ObjectId::hash(format, *kind, content).unwrap());
        assert!(!before.contains(&id).unwrap(), "invisible before the commit");
        assert!(!storage.snapshot().unwrap().contains(&id).unwrap(), "invisible before the commit");
        assert!(quarantine.snapshot().unwrap().contains(&id).unwrap(), "visible in the quarantine");
        ids.push(id);
    }
    let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
    assert!(committed.rejected.is_empty());
    for snapshot in [committed.snapshot, storage.snapshot().unwrap()] {
        for (id, (kind, content)) in ids.iter().zip(&objects) {
            assert_eq!(content_of(&*snapshot, id), Some((*kind, content.to_vec())));
            let header = Header { kind: *kind, size: content.len() as u64 };
            assert_eq!(snapshot.header(id).unwrap(), Some(header));
            assert!(snapshot.contains(id).unwrap());
            let mut streamed = Vec::new();
            let found = snapshot.stream(id, &mut |seen, piece| {
                assert_eq!(seen, header);
                streamed.extend_from_slice(piece);
                ControlFlow::Continue(())
            });
            assert_eq!(found.unwrap(), Some(header));
            assert!(streamed == *content);
        }
        let mut sorted = ids.clone();
        sorted.sort();
        assert_eq!(all_ids(&*snapshot), sorted);
        let absent = ObjectId::hash(format, Kind::Blob, b"absent").unwrap();
        assert_eq!(content_of(&*snapshot, &absent), None);
        assert_eq!(snapshot.header(&absent).unwrap(), None);
        assert!(!snapshot.contains(&absent).unwrap());
        assert_eq!(snapshot.locate(&absent).unwrap(), None);
        assert_eq!(snapshot.stream(&absent, &mut |_, _| ControlFlow::Continue(())).unwrap(), None);
        let missing = snapshot.require(&absent, &mut Vec::new()).unwrap_err();
        assert!(matches!(missing, ReadError::Missing { id } if id == absent));
        let other = match format {
            ObjectFormat::Sha1 => ObjectFormat::Sha256,
            _ => ObjectFormat::Sha1,
        };
        assert!(!snapshot.contains(&ObjectId::empty_blob(other)).unwrap(), "an id of another format");
        assert_eq!(snapshot.shallow(), []);
    }
}

pub(super) fn prefixes(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let mut quarantine = storage.receive(&storage.snapshot().unwrap()).unwrap();
    for n in 0..400 {
        quarantine.write(Kind::Blob, format!("{n}").as_bytes()).unwrap();
    }
    let waiting = quarantine.snapshot().unwrap();
    check_prefixes(&*waiting, format);
    let committed = storage.commit(vec![quarantine], &RefTransaction::new(), &cx()).unwrap();
    check_prefixes(&*committed.snapshot, format);
}

fn check_prefixes(snapshot: &dyn crate::Snapshot, format: ObjectFormat) {
    let ids = all_ids(snapshot);
    assert_eq!(ids.len(), 400);
    for id in ids.iter().step_by(7) {
        for digits in [1, 2, 3, 4, 10, format.hex_len()] {
            let prefix = IdPrefix::from_hex(format, &id.to_hex().as_bytes()[..digits]).unwrap();
            let expected: Vec<ObjectId> = ids.iter().filter(|id| prefix.matches(id)).copied().collect();
            for limit in [1, 2, usize::MAX] {
                let mut found = Vec::new();
                snapshot.find_prefix(&prefix, limit, &mut found).unwrap();
                assert_eq!(found, expected[..expected.len().min(limit)]);
            }
        }
    }
}

pub(super) fn dropped_quarantine(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let base = storage.snapshot().unwrap();
    let mut quarantine = storage.receive(&base).unwrap();
    let path = quarantine.path().map(std::path::Path::to_path_buf);
    let ids = write_commit(&mut *quarantine, format, "dropped");
    assert!(path.as_ref().is_none_or(|path| path.is_dir()));
    drop(quarantine);
    assert!(path.is_none_or(|path| !path.exists()));
    let after = storage.snapshot().unwrap();
    assert_eq!(all_ids(&*after), []);
    assert!(ids.iter().all(|id| !base.contains(id).unwrap() && !after.contains(id).unwrap()));
}

pub(super) fn stored_once(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let commit = add_commit(&*storage, "once");
    assert_eq!(add_commit(&*storage, "once"), commit);
    let base = storage.snapshot().unwrap();
    let (mut one, mut two) = (storage.receive(&base).unwrap(), storage.receive(&base).unwrap());
    write_commit(&mut *one, format, "twice");
    write_commit(&mut *two, format, "twice");
    write_commit(&mut *two, format, "once");
    let committed = storage.commit(vec![one, two], &RefTransaction::new(), &cx()).unwrap();
    let mut count = 0;
    committed
        .snapshot
        .for_each_id(&mut |_| {
            count += 1;
            if count == 6 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((count, all_ids(&*committed.snapshot).len()), (6, 6));
}

pub(super) fn foreign_quarantine(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let (ours, theirs) = (make(), make());
    let mut quarantine = theirs.receive(&theirs.snapshot().unwrap()).unwrap();
    write_commit(&mut *quarantine, format, "foreign");
    let error = ours.commit(vec![quarantine], &RefTransaction::new(), &cx()).err().unwrap();
    assert!(matches!(error, CommitError::Receive(ReceiveError::Misuse(_))), "{error}");
    let unfinished = {
        let mut quarantine = ours.receive(&ours.snapshot().unwrap()).unwrap();
        assert!(matches!(quarantine.feed(b"x", &cx()), Err(ReceiveError::Misuse(_))));
        assert!(matches!(quarantine.finish_pack(&cx()), Err(ReceiveError::Misuse(_))));
        quarantine.begin_pack(&crate::PackOptions::default()).unwrap();
        assert!(matches!(
            quarantine.begin_pack(&crate::PackOptions::default()),
            Err(ReceiveError::Misuse(_))
        ));
        ours.commit(vec![quarantine], &RefTransaction::new(), &cx()).err().unwrap()
    };
    assert!(matches!(unfinished, CommitError::Receive(ReceiveError::Misuse(_))), "{unfinished}");
}

pub(super) fn shallow(make: &dyn Fn() -> Arc<dyn Storage>, format: ObjectFormat) {
    let storage = make();
    let before = storage.snapshot().unwrap();
    let mut quarantine = storage.receive(&before).unwrap();
    let [_, _, commit] = write_commit(&mut *quarantine, format, "cut off");
    quarantine.set_shallow(vec![commit]);
    assert_eq!(quarantine.snapshot().unwrap().shallow(), [commit]);
    assert_eq!(storage.snapshot().unwrap().shallow(), []);
    // Somebody else who began at the same time comes too late.
    let mut late = storage.receive(&before).unwrap();
    late.set_shallow(vec![ObjectId::empty_tree(format)]);

    let mut edits = RefTransaction::new();
    edits.create(branch("main"), commit, None);
    let committed = storage.commit(vec![quarantine], &edits, &cx()).unwrap();
    assert_eq!(committed.snapshot.shallow(), [commit]);
    assert_eq!(before.shallow(), []);
    let error = storage.commit(vec![late], &RefTransaction::new(), &cx()).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(storage.snapshot().unwrap().shallow(), [commit]);

    // What nobody speaks of stays.
    let other = add_commit(&*storage, "other");
    let now = storage.snapshot().unwrap();
    assert!(now.contains(&other).unwrap() && now.shallow() == [commit]);
    let mut whole = storage.receive(&now).unwrap();
    whole.set_shallow(Vec::new());
    storage.commit(vec![whole], &RefTransaction::new(), &cx()).unwrap();
    assert_eq!(storage.snapshot().unwrap().shallow(), []);
}
