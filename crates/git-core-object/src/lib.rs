//! Object ids, the encoding of blobs, trees, commits and tags, and the types every other crate shares.
//!
//! Nothing here touches a disk or a socket. [`Objects`] is how a reader of objects looks from outside,
//! [`Context`] is how a long operation is watched, bounded and stopped, and [`ErrorKind`] is what every
//! error of the workspace can say about itself.
#![forbid(unsafe_code)]

mod blob;
pub mod check;
pub mod commit;
mod context;
mod date;
mod decode;
mod error;
mod header;
mod id;
mod ident;
mod kind;
pub mod loose;
mod object;
mod objects;
pub mod path;
mod tag;
mod time;
pub mod tree;

pub use blob::{Blob, BlobError};
pub use commit::{Commit, CommitRef};
pub use context::{Cancel, Context, Limits, Phase, Progress, ProgressEvent, Stopped, Task};
pub use date::{InvalidDate, parse_date};
pub use decode::DecodeError;
pub use error::{BoxError, ErrorKind};
pub use git_core_hash::{CollisionDetected, ObjectFormat, hmac};
pub use header::{HeaderLine, HeaderLineRef, InvalidHeader};
pub use id::{IdPrefix, InvalidId, ObjectId};
pub use ident::{Ident, IdentRef, InvalidIdent};
pub use kind::{InvalidKind, Kind};
pub use object::{Object, ObjectRef};
pub use objects::{Header, Objects, ReadError};
pub use tag::{Tag, TagRef};
pub use time::{Time, Zone};
pub use tree::{EntryKind, EntryMode, Tree, TreeEntry, TreeEntryRef, TreeRef};
