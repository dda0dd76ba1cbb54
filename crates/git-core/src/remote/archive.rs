//! An archive from another repository.

use super::{Link, Remote, RemoteError};
use git_core_object::{BoxError, Context};
use git_core_protocol::Service;
use git_core_transport::client::fetch_archive;

impl Remote {
    /// Fetches the archive that these arguments of `git archive` ask for. Its bytes go to `sink` as they come, what
    /// the server says of it to `cx`.
    ///
    /// # Errors
    /// [`RemoteError`]; when the server cannot or will not, it has said why before.
    pub fn archive(
        &self,
        arguments: &[impl AsRef<[u8]>],
        link: Link,
        sink: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
        cx: &Context,
    ) -> Result<(), RemoteError> {
        let mut connection = link.open(self.url(), Service::UploadArchive, cx)?;
        Ok(fetch_archive(&mut connection, arguments, sink, cx)?)
    }
}
