//! Who is asked for a user name and a password, and told whether they were right.
//!
//! Helpers, prompts and files are left to whoever implements [`CredentialSource`].

use git_core_object::BoxError;
use std::fmt;

/// What credentials are needed for. None of the fields contains control bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CredentialRequest {
    /// `http` or `https`.
    pub protocol: String,
    /// The host, and the port if one is named.
    pub host: String,
    /// The path on the host, without a leading slash.
    pub path: String,
    /// The user, when the address names one.
    pub username: Option<String>,
}

/// A user name and a password, or a token in place of one. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The user name.
    pub username: String,
    /// The password or token.
    pub password: String,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Knows passwords, or asks for them.
pub trait CredentialSource: Send {
    /// The credential for this host, or `None` when there is none.
    ///
    /// # Errors
    /// Whatever hinders asking; it ends the connection.
    fn get(&mut self, request: &CredentialRequest) -> Result<Option<Credential>, BoxError>;

    /// The server took the credential.
    fn approve(&mut self, _request: &CredentialRequest, _credential: &Credential) {}

    /// The server refused the credential.
    fn reject(&mut self, _request: &CredentialRequest, _credential: &Credential) {}
}
