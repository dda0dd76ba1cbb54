//! Bundles: files that hold refs and the pack they need, for repositories that cannot reach each other
//! (`gitformat-bundle(5)`).
//!
//! [`BundleFile`] reads one, [`BundlePlan`] makes one. A remote whose URL is the path of a bundle is fetched and cloned
//! from like any other. Bundles at a URI, and lists of them, are taken in before a server is asked for the rest:
//! [`Repository::fetch_bundle_uri`](crate::Repository::fetch_bundle_uri).

mod list;
mod read;
mod uri;
mod write;

pub use git_core_protocol::bundle::{BundleHeader, BundleVersion, BundledRef, Prerequisite};
pub use list::{BundleList, BundleListError, BundleMode, ListedBundle};
pub use read::{BundleFile, BundleFileError};
pub(crate) use uri::remember;
pub use uri::{BundleSource, BundleUriError};
pub use write::{BundleOptions, BundlePlan, BundleWriteError};
