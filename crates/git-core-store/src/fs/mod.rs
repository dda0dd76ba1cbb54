//! A repository on a file system, laid out as git does (`gitrepository-layout(5)`).
//!
//! [`FsStorage`] joins [`FsObjects`] (packs, loose objects, alternates) and [`refs::FilesRefs`]. Every change
//! goes through [`sys::Disk`].

mod alternates;
mod bitmap;
pub mod commit_graph;
pub mod init;
pub mod layout;
mod loose;
mod loose_reader;
mod map;
pub mod midx;
mod midx_chain;
mod midx_verify;
mod objects;
mod packs;
mod publish;
mod quarantine;
pub mod refs;
mod shallow;
pub mod sharing;
mod snapshot;
mod spool;
mod storage;
pub mod sys;

pub use alternates::alternates as alternate_directories;
pub use bitmap::{bitmap_of_pack, bitmap_options, bitmap_tips};
pub(crate) use loose::create_scratch;
pub use objects::{FsObjects, ObjectsOptions};
pub use packs::open_pack;
pub use storage::{FsOptions, FsStorage};
