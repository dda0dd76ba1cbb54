//! What receiving a pack has in common for all storages: options and errors on their way to the indexer.

use crate::{ObjectObserver, PackOptions, ReceiveError, Thin};
use git_core_object::{BoxError, Kind, ObjectId, Objects};
use git_core_pack::{IndexError, IndexOptions, Observer};
use std::sync::Arc;

/// How the indexer is to take in a pack for a repository that has `existing` objects already.
pub(crate) fn index_options(options: &PackOptions, existing: Arc<dyn Objects>) -> IndexOptions {
    let thin = match options.thin {
        Thin::Complete => git_core_pack::Thin::Complete,
        Thin::Refuse => git_core_pack::Thin::Refuse,
    };
    let observer = options.observer.clone().map(|observer| Arc::new(Show(observer)) as Arc<dyn Observer>);
    IndexOptions { thin, observer, existing: Some(existing), ..IndexOptions::default() }
}

/// The indexer's verdict in the words of a storage that keeps the pack at `location`.
pub(crate) fn from_index(error: IndexError, location: &dyn std::fmt::Display) -> ReceiveError {
    let reason = |error: &dyn std::error::Error| {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        text
    };
    match error {
        IndexError::Observer { id, source } => ReceiveError::Refused { id, reason: reason(&*source) },
        IndexError::Collision { id } => ReceiveError::Refused {
            id,
            reason: "the repository has an object of this id with other content".to_owned(),
        },
        IndexError::Spool(source) => ReceiveError::unavailable(location, source),
        IndexError::Read(error) => error.into(),
        IndexError::Stopped(stopped) => stopped.into(),
        IndexError::PackTooLarge { bound } => {
            git_core_object::Stopped::Limit { name: "pack_bytes", bound }.into()
        }
        IndexError::TooManyObjects { bound, .. } => {
            git_core_object::Stopped::Limit { name: "pack_objects", bound }.into()
        }
        IndexError::ObjectTooLarge { bound, .. } => {
            git_core_object::Stopped::Limit { name: "object_bytes", bound }.into()
        }
        other => ReceiveError::BadPack(reason(&other)),
    }
}

struct Show(Arc<dyn ObjectObserver>);

impl Observer for Show {
    fn object(&self, id: &ObjectId, kind: Kind, content: &[u8]) -> Result<(), BoxError> {
        self.0.object(id, kind, Some(content))
    }

    fn large_blob(&self, id: &ObjectId, _size: u64) -> Result<(), BoxError> {
        self.0.object(id, Kind::Blob, None)
    }
}
