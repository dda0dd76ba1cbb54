//! What a repository lets its peers do, and how much a machine takes from one.

use bstr::BString;
use git_core_object::{ObjectFormat, ObjectId};
use std::sync::Arc;

/// Which objects a client of protocol v0 and v1 may want. In v2 any object may be wanted, as the protocol has
/// it, unless the backend knows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WantPolicy {
    /// What the advertisement listed.
    #[default]
    Advertised,
    /// The tip of any ref, hidden ones too: `uploadpack.allowTipSHA1InWant`.
    Tip,
    /// What any ref reaches: `uploadpack.allowReachableSHA1InWant`.
    Reachable,
    /// Any object: `uploadpack.allowAnySHA1InWant`.
    Any,
}

/// How much a machine takes from its peer before it ends the conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Bytes of one request before its pack: commands, wants, haves and their framing. 64 MiB.
    pub request_bytes: u64,
    /// Bytes of a whole stateful conversation in v2, in which requests follow one another. 1 GiB.
    pub conversation_bytes: u64,
    /// Wants of one request. 1,048,576.
    pub wants: usize,
    /// Haves of one request or, in v0 and v1, of one conversation. 4,194,304.
    pub haves: usize,
    /// Capability lines of a v2 request, and push options. 256.
    pub capabilities: usize,
    /// Ref prefixes of `ls-refs`: beyond them all refs are listed, as the protocol allows. 65,536.
    pub ref_prefixes: usize,
    /// Ref updates of one push. 1,048,576.
    pub commands: usize,
    /// Commits at which a client's history ends, and refs that it is not to reach. 1,048,576.
    pub shallow: usize,
}

impl Default for ServerLimits {
    fn default() -> Self {
        ServerLimits {
            request_bytes: 64 << 20,
            conversation_bytes: 1 << 30,
            wants: 1 << 20,
            haves: 4 << 20,
            capabilities: 256,
            ref_prefixes: 1 << 16,
            commands: 1 << 20,
            shallow: 1 << 20,
        }
    }
}

/// What upload-pack offers for one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UploadPackOptions {
    /// The object format of the repository.
    pub object_format: ObjectFormat,
    /// Who the server says it is; without one it does not say. Printable ASCII without spaces.
    pub agent: Option<String>,
    /// What the server calls this session in its logs, told to the client when given.
    pub session_id: Option<String>,
    /// What may be wanted in v0 and v1.
    pub wants: WantPolicy,
    /// Whether a client may ask where an unborn `HEAD` points (v2): `lsrefs.unborn`.
    pub unborn: bool,
    /// Whether a client may leave objects out (`filter`): `uploadpack.allowFilter`.
    pub filter: bool,
    /// Whether a client may ask for the sizes of objects (v2): `transfer.advertiseObjectInfo`.
    pub object_info: bool,
    /// Whether a client may have all of an answer to `fetch` on side bands (v2): `uploadpack.allowSidebandAll`.
    pub sideband_all: bool,
    /// Whether a client may want refs by name (v2): `uploadpack.allowRefInWant`.
    pub ref_in_want: bool,
    /// What is said of bundles that may be had elsewhere (v2), `key=value` a line: the variables `bundle.*`, if
    /// `uploadpack.advertiseBundleURIs` says so.
    pub bundle_uris: Option<Arc<Vec<BString>>>,
    /// The commits at which the history of the repository ends, if it is shallow.
    pub shallow: Arc<Vec<ObjectId>>,
    /// How much is taken from the client.
    pub limits: ServerLimits,
}

impl Default for UploadPackOptions {
    fn default() -> Self {
        UploadPackOptions {
            object_format: ObjectFormat::default(),
            agent: Some(default_agent()),
            session_id: None,
            wants: WantPolicy::default(),
            unborn: true,
            filter: false,
            object_info: false,
            sideband_all: false,
            ref_in_want: false,
            bundle_uris: None,
            shallow: Arc::default(),
            limits: ServerLimits::default(),
        }
    }
}

/// What receive-pack offers for one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReceivePackOptions {
    /// The object format of the repository.
    pub object_format: ObjectFormat,
    /// Who the server says it is; without one it does not say. Printable ASCII without spaces.
    pub agent: Option<String>,
    /// What the server calls this session in its logs, told to the client when given.
    pub session_id: Option<String>,
    /// What a push certificate has to contain, if pushes may be signed: `receive.certNonceSeed`.
    pub push_cert_nonce: Option<String>,
    /// Whether a push may be all or nothing: `receive.advertiseAtomic`.
    pub atomic: bool,
    /// Whether push options are taken: `receive.advertisePushOptions`.
    pub push_options: bool,
    /// Whether deltas in the received pack may name their base by offset: `repack.useDeltaBaseOffset`.
    pub ofs_delta: bool,
    /// The commits at which the history of the repository ends, if it is shallow.
    pub shallow: Arc<Vec<ObjectId>>,
    /// How much is taken from the client.
    pub limits: ServerLimits,
}

impl Default for ReceivePackOptions {
    fn default() -> Self {
        ReceivePackOptions {
            object_format: ObjectFormat::default(),
            agent: Some(default_agent()),
            session_id: None,
            push_cert_nonce: None,
            atomic: true,
            push_options: false,
            ofs_delta: true,
            shallow: Arc::default(),
            limits: ServerLimits::default(),
        }
    }
}

fn default_agent() -> String {
    concat!("git-core/", env!("CARGO_PKG_VERSION")).to_owned()
}
