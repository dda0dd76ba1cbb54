//! The serving side of every conversation, as machines without I/O: [`UploadPack`], [`ReceivePack`] and
//! [`UploadArchive`].
//!
//! A machine takes bytes and answers, and gives bytes and questions; it knows no socket, no clock, no thread
//! and no repository. Whoever drives one reads what [`Conversation::poll`] wants next, does it, and says so:
//! the drivers are in `git-core-transport`, the repository behind the questions is in `git-core`. Pack data
//! is opaque here: it is framed on its way out and never looked at on its way in.
//!
//! `gitprotocol-pack(5)`, `gitprotocol-v2(5)`, `gitprotocol-capabilities(5)` and `gitprotocol-common(5)` say
//! what is spoken.

mod archive;
mod conversation;
mod error;
mod input;
mod mux;
mod options;
mod question;
mod receive;
mod refs;
mod update;
mod upload;

pub use archive::{ArchiveRequest, UploadArchive};
pub use conversation::{Conversation, Mode, Outcome, Output};
pub use error::ServerError;
pub use options::{ReceivePackOptions, ServerLimits, UploadPackOptions, WantPolicy};
pub use question::{
    AdvertisedRef, Answer, Haves, HavesQuery, ObjectInfoQuery, PackRequest, Question, Refs, RefsPurpose,
    RefsQuery, ShallowQuery, WantRefsQuery, Wants, WantsQuery,
};
pub use receive::ReceivePack;
pub use update::{Command, CommandStatus, UpdateReport, UpdateRequest, Updated};
pub use upload::UploadPack;
