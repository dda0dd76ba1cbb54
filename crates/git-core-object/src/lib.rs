//! Object ids, the encoding of blobs, trees, commits and tags, and the types every other crate shares.
//!
//! Nothing here touches a disk or a socket. [`Objects`] is how a reader of objects looks from outside,
//! [`Context`] is how a long operation is watched, bounded and stopped, and [`ErrorKind`] is what every
//! error of the workspace can say about itself.
#![forbid(unsafe_code)]

mod context;
mod error;
mod id;
mod kind;
mod objects;

pub use context::{Cancel, Context, Limits, Phase, Progress, ProgressEvent, Stopped, Task};
pub use error::{BoxError, ErrorKind};
pub use git_core_hash::{CollisionDetected, ObjectFormat};
pub use id::{IdPrefix, InvalidId, ObjectId};
pub use kind::{InvalidKind, Kind};
pub use objects::{Header, Objects, ReadError};
