//! Fetching single objects that a partial clone has left out: all in one request, without negotiation.

use super::{Link, Remote, RemoteError};
use git_core_object::{BoxError, Context, ObjectId};
use git_core_protocol::Service;
use git_core_protocol::client::NoHistory;
use git_core_ref::RefTransaction;
use git_core_store::{PackOptions, Snapshot};
use git_core_transport::client::{FetchOptions as WireOptions, fetch};
use std::sync::Arc;

/// Fetches these objects into the remote's repository, as a pack that the remote has promised.
///
/// # Errors
/// [`RemoteError`]; nothing has changed then.
pub(crate) fn fetch_promised(
    remote: &Remote,
    ids: &[ObjectId],
    snapshot: &Arc<dyn Snapshot>,
    link: Link,
) -> Result<(), RemoteError> {
    let cx = Context::new();
    let mut connection = link.open(&remote.url, Service::UploadPack, &cx)?;
    let storage = remote.repository.storage();
    let mut quarantine = storage.receive(snapshot)?;
    let mut pack = PackOptions::default();
    pack.promisor = Some(String::new());
    quarantine.begin_pack(&pack)?;
    let mut options = WireOptions::default();
    options.include_tag = false;
    options.progress = false;
    options.shallow = snapshot.shallow().to_vec();
    // What a tree leads to is fetched when that is needed.
    options.filter = Some("blob:none".into());
    let mut sink = |bytes: &[u8]| -> Result<(), BoxError> {
        match quarantine.feed(bytes, &cx)? {
            taken if taken < bytes.len() => Err("the server sent more than a pack".into()),
            _ => Ok(()),
        }
    };
    fetch(&mut connection, ids.iter().copied(), &options, &mut NoHistory, &mut sink, &cx)?;
    quarantine.finish_pack(&cx)?;
    storage.commit(vec![quarantine], &RefTransaction::new(), &cx)?;
    Ok(())
}
