//! The services of the wire protocol and its three versions, as both sides name them.
//!
//! What a version means for a conversation is left to the machines; how the request for one travels
//! (an environment variable, a header, a field of the git:// request) is left to the drivers.

use std::fmt;

/// What a client asks a server for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// `git-upload-pack`: the server sends, the client clones or fetches.
    UploadPack,
    /// `git-receive-pack`: the server receives, the client pushes.
    ReceivePack,
    /// `git-upload-archive`: the server sends an archive of a tree.
    UploadArchive,
}

impl Service {
    /// The full name, as in a git:// request, in a URL, or as a program: `git-upload-pack`.
    pub const fn name(self) -> &'static str {
        match self {
            Service::UploadPack => "git-upload-pack",
            Service::ReceivePack => "git-receive-pack",
            Service::UploadArchive => "git-upload-archive",
        }
    }

    /// The name without `git-`, as messages bear it: `upload-pack`.
    pub const fn short_name(self) -> &'static str {
        match self {
            Service::UploadPack => "upload-pack",
            Service::ReceivePack => "receive-pack",
            Service::UploadArchive => "upload-archive",
        }
    }

    /// The service of this full name, if there is one.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"git-upload-pack" => Some(Service::UploadPack),
            b"git-receive-pack" => Some(Service::ReceivePack),
            b"git-upload-archive" => Some(Service::UploadArchive),
            _ => None,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The version of the wire protocol a conversation is held in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProtocolVersion {
    /// The server speaks first and advertises every ref: `gitprotocol-pack(5)`.
    V0,
    /// V0 after a line that says `version 1`.
    V1,
    /// The server answers commands: `gitprotocol-v2(5)`.
    #[default]
    V2,
}

impl ProtocolVersion {
    /// The number of the version.
    pub const fn number(self) -> u8 {
        match self {
            ProtocolVersion::V0 => 0,
            ProtocolVersion::V1 => 1,
            ProtocolVersion::V2 => 2,
        }
    }

    /// The highest known version among the keys of a `GIT_PROTOCOL` variable, a `Git-Protocol` header or the
    /// extra parameters of a git:// request, which are separated by colons: `version=2:other`. Version 0 when
    /// none is asked for; unknown keys and values are passed over, as git does.
    pub fn from_request(keys: &[u8]) -> Self {
        keys.split(|byte| *byte == b':')
            .filter_map(|key| match key {
                b"version=0" => Some(ProtocolVersion::V0),
                b"version=1" => Some(ProtocolVersion::V1),
                b"version=2" => Some(ProtocolVersion::V2),
                _ => None,
            })
            .max()
            .unwrap_or(ProtocolVersion::V0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_known_version_is_taken() {
        assert_eq!(ProtocolVersion::from_request(b""), ProtocolVersion::V0);
        assert_eq!(ProtocolVersion::from_request(b"version=1"), ProtocolVersion::V1);
        assert_eq!(ProtocolVersion::from_request(b"foo:version=2:version=1"), ProtocolVersion::V2);
        assert_eq!(ProtocolVersion::from_request(b"version=3"), ProtocolVersion::V0);
        assert_eq!(ProtocolVersion::from_request(b"version=22"), ProtocolVersion::V0);
    }

    #[test]
    fn names_round_trip() {
        for service in [Service::UploadPack, Service::ReceivePack, Service::UploadArchive] {
            assert_eq!(Service::from_name(service.name().as_bytes()), Some(service));
            assert_eq!(service.name(), format!("git-{}", service.short_name()));
        }
        assert_eq!(Service::from_name(b"git-upload-something"), None);
    }
}
