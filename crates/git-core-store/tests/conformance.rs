//! The suite that every storage passes, on the storages of this crate.
#![allow(clippy::unwrap_used, reason = "a test that fails is a panic")]

use git_core_object::ObjectFormat;
use git_core_ref::RefName;
use git_core_store::fs::refs::{LogUpdates, RefsOptions};
use git_core_store::fs::sys::{Flush, RealDisk};
use git_core_store::fs::{FsOptions, FsStorage};
use git_core_store::memory::{MemoryOptions, MemoryStorage};
use git_core_store::{Storage, conformance};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn on_disk(root: &Path, format: ObjectFormat, flush: Flush) -> Arc<dyn Storage> {
    let dir = tempfile::Builder::new().tempdir_in(root).unwrap().keep();
    for sub in ["objects/pack", "objects/info", "refs/heads", "refs/tags"] {
        std::fs::create_dir_all(dir.join(sub)).unwrap();
    }
    std::fs::write(dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let mut refs = RefsOptions::default();
    refs.logs = LogUpdates::Usual;
    refs.lock_wait = Duration::from_secs(10);
    let mut options = FsOptions::default();
    options.format = format;
    options.refs = refs;
    options.disk = Arc::new(RealDisk { flush });
    Arc::new(FsStorage::open(&dir, &dir, options).unwrap())
}

#[test]
fn memory() {
    conformance::run(&|format| {
        let mut options = MemoryOptions::default();
        options.format = format;
        options.head = RefName::branch("main").unwrap();
        options.logs = LogUpdates::Usual;
        Arc::new(MemoryStorage::new(options))
    });
}

#[test]
fn file_system() {
    let root = tempfile::tempdir().unwrap();
    conformance::run(&|format| on_disk(root.path(), format, Flush::Never));
}

#[test]
fn file_system_that_flushes() {
    let root = tempfile::tempdir().unwrap();
    conformance::run(&|format| on_disk(root.path(), format, Flush::Full));
}
