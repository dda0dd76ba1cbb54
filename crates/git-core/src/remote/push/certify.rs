//! Signed pushes, the side that signs: whether a certificate is sent, and what stands in it.

use super::super::{Remote, RemoteError};
use crate::signing::{SignError, SigningPrograms};
use bstr::{BString, ByteSlice as _};
use git_core_protocol::certificate::{PushCertificate, SignedCertificate};
use git_core_transport::client::{Advertisement, ClientError, Command, TransportError};
use git_core_transport::url::GitUrl;
use std::sync::Arc;

/// Makes the signatures of push certificates.
pub trait CertificateSigner: Send + Sync {
    /// The name of the key, as certificates bear it. `committer` is the name and address of who pushes.
    ///
    /// # Errors
    /// [`SignError`] when there is no key.
    fn key_name(&self, committer: &[u8]) -> Result<BString, SignError>;

    /// The signature of a text, in a form that `git-receive-pack(1)` knows.
    ///
    /// # Errors
    /// [`SignError`].
    fn sign(&self, text: &[u8], committer: &[u8]) -> Result<Vec<u8>, SignError>;

    /// The remote takes no certificates, and the push goes on without one.
    fn unasked(&self) {}
}

impl CertificateSigner for SigningPrograms {
    fn key_name(&self, committer: &[u8]) -> Result<BString, SignError> {
        SigningPrograms::key_name(self, committer)
    }

    fn sign(&self, text: &[u8], committer: &[u8]) -> Result<Vec<u8>, SignError> {
        SigningPrograms::sign(self, text, committer)
    }

    fn unasked(&self) {
        self.notice.say(
            "warning: not sending a push certificate since the receiving end does not support --signed push",
        );
    }
}

/// Whether the commands of a push are signed.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum SignPush {
    /// They are not.
    #[default]
    No,
    /// They are if the remote takes certificates.
    IfAsked(Arc<dyn CertificateSigner>),
    /// They are; the push fails where the remote takes none.
    Always(Arc<dyn CertificateSigner>),
}

impl std::fmt::Debug for SignPush {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            SignPush::No => "No",
            SignPush::IfAsked(_) => "IfAsked",
            SignPush::Always(_) => "Always",
        })
    }
}

impl SignPush {
    /// Who signs, if anything is signed for this server.
    pub(super) fn agreed(
        &self,
        server: &Advertisement,
    ) -> Result<Option<&Arc<dyn CertificateSigner>>, RemoteError> {
        let takes = server.capabilities.has("push-cert");
        match self {
            SignPush::No => Ok(None),
            SignPush::IfAsked(signer) | SignPush::Always(signer) if takes => Ok(Some(signer)),
            SignPush::IfAsked(signer) => {
                signer.unasked();
                Ok(None)
            }
            SignPush::Always(_) => {
                Err(TransportError::from(ClientError::Unsupported("--signed push")).into())
            }
        }
    }
}

/// Has the certificate of a push signed.
pub(super) fn certificate(
    signer: &Arc<dyn CertificateSigner>,
    remote: &Remote,
    server: &Advertisement,
    push_options: &[BString],
    commands: &[Command],
) -> Result<SignedCertificate, RemoteError> {
    let line = remote.repository.committer_line().unwrap_or_default();
    // Name and address; time and zone are the last two words.
    let committer = line.rsplitn_str(3, " ").nth(2).unwrap_or_default().to_vec();
    let now = crate::repository::now().to_string();
    let pusher = [signer.key_name(&committer)?.as_slice(), b" ", now.as_bytes()].concat();
    let certificate = PushCertificate {
        pusher: &pusher,
        pushee: &pushee(remote.push_url()),
        nonce: server.capabilities.get("push-cert").map_or(b"", |nonce| nonce.as_bytes()),
        push_options,
        commands,
    };
    let mut bytes = certificate.to_text(server.format);
    let signature = signer.sign(&bytes, &committer)?;
    bytes.extend_from_slice(&signature);
    Ok(SignedCertificate::parse(bytes).expect("there is an empty line in it"))
}

/// Where it is pushed to, without who pushes; a repository on the web ends in a slash, as git has it.
fn pushee(url: &[u8]) -> Vec<u8> {
    let mut shown: Vec<u8> = match GitUrl::parse(url) {
        Ok(parsed) if url.contains_str("://") => parsed.without_credentials().to_string().into(),
        _ => url.to_vec(),
    };
    if url.starts_with(b"http") && url.contains_str("://") && !shown.ends_with(b"/") {
        shown.push(b'/');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::pushee;

    #[test]
    fn addresses_in_certificates_name_nobody() {
        for (url, shown) in [
            ("https://me:secret@host/p", "https://host/p/"),
            ("http://host/p/", "http://host/p/"),
            ("ssh://me@host/p", "ssh://host/p"),
            ("../dst", "../dst"),
            ("host:p", "host:p"),
        ] {
            assert_eq!(pushee(url.as_bytes()), shown.as_bytes(), "{url}");
        }
    }
}
