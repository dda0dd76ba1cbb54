//! Bundles: files that hold refs and the pack they need, for repositories that cannot reach each other
//! (`gitformat-bundle(5)`).
//!
//! [`BundleFile`] reads one, [`BundlePlan`] makes one. A remote whose URL is the path of a bundle is fetched and cloned
//! from like any other.

mod read;
mod write;

pub use git_core_protocol::bundle::{BundleHeader, BundleVersion, BundledRef, Prerequisite};
pub use read::{BundleFile, BundleFileError};
pub use write::{BundleOptions, BundlePlan, BundleWriteError};
