//! How connections are made.

use super::credentials::CredentialSource;
use bstr::BString;
use git_core_protocol::ProtocolVersion;
use git_core_protocol::client::{ClientLimits, DEFAULT_AGENT};
use git_core_protocol::trace::PacketObserver;
use std::ffi::OsString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a connection is made; [`Default`] suits a command.
#[non_exhaustive]
pub struct ConnectOptions {
    /// The version to ask the server for; it may choose a lower one.
    pub version: ProtocolVersion,
    /// How long making a connection may take.
    pub connect_timeout: Duration,
    /// How long the other side may be silent; counting and compressing on a large server take their time.
    pub idle_timeout: Duration,
    /// How much of what a server says first is kept.
    pub limits: ClientLimits,
    /// How ssh is started.
    pub ssh: SshProgram,
    /// The names of the programs on the other side of ssh, where they are not the usual ones.
    pub upload_pack: OsString,
    /// See [`upload_pack`](Self::upload_pack).
    pub receive_pack: OsString,
    /// See [`upload_pack`](Self::upload_pack).
    pub upload_archive: OsString,
    /// What an HTTP client calls itself.
    pub user_agent: String,
    /// What this session is called in the client's logs, told to servers that tell theirs (`transfer.advertiseSID`).
    pub session_id: Option<BString>,
    /// Headers that go with each HTTP request; dropped when a redirect leads to another host.
    pub extra_headers: Vec<(String, String)>,
    /// Who is asked for a user name and password; nobody if none.
    pub credentials: Option<Box<dyn CredentialSource>>,
    /// A larger request body is sent in chunks while it is made, instead of being put together first.
    pub post_buffer: usize,
    /// Is shown every packet of the conversation.
    pub observer: Option<Arc<dyn PacketObserver>>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            version: ProtocolVersion::V2,
            connect_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(600),
            limits: ClientLimits::default(),
            ssh: SshProgram::default(),
            upload_pack: "git-upload-pack".into(),
            receive_pack: "git-receive-pack".into(),
            upload_archive: "git-upload-archive".into(),
            user_agent: DEFAULT_AGENT.to_owned(),
            session_id: None,
            extra_headers: Vec::new(),
            credentials: None,
            post_buffer: 1 << 20,
            observer: None,
        }
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("version", &self.version)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("ssh", &self.ssh)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

/// Which program is ssh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SshProgram {
    /// A program that is started with OpenSSH's arguments (`GIT_SSH`).
    Program(OsString),
    /// A command line for the shell, to which the arguments are added (`GIT_SSH_COMMAND`, `core.sshCommand`).
    Shell(OsString),
}

impl Default for SshProgram {
    fn default() -> Self {
        SshProgram::Program("ssh".into())
    }
}
