//! Making a signature: which key, and the program's part in it.

use super::{SignatureFormat, SigningPrograms, scratch};
use bstr::{BString, ByteSlice as _};
use git_core_object::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::Output;

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The program could not be run.
    #[error("cannot run '{}'", .program.display())]
    Program {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file for the program could not be written or read.
    #[error("cannot use a temporary file")]
    Scratch(#[source] io::Error),
    /// The program did not sign; what it said.
    #[error("gpg failed to sign the data:\n{0}")]
    Gpg(BString),
    /// `ssh-keygen` did not sign; what it said.
    #[error("{0}")]
    Ssh(BString),
    /// No ssh key is configured, and nobody is known otherwise.
    #[error("either user.signingkey or gpg.ssh.defaultKeyCommand needs to be configured")]
    NoKey,
    /// The fingerprint of the key cannot be had.
    #[error("failed to get the ssh fingerprint for key '{0}'")]
    Fingerprint(BString),
}

impl SignError {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            SignError::NoKey => ErrorKind::NotFound,
            _ => ErrorKind::Unavailable,
        }
    }
}

impl SigningPrograms {
    /// The name of the key that signs, as a certificate bears it: that of the configuration, the fingerprint of an
    /// ssh key, or else `committer`, a name and an address.
    ///
    /// # Errors
    /// [`SignError`] when there is none.
    pub fn key_name(&self, committer: &[u8]) -> Result<BString, SignError> {
        if self.format != SignatureFormat::Ssh {
            return Ok(self.key.clone().unwrap_or_else(|| committer.into()));
        }
        let key = self.ssh_key()?;
        let failed = || SignError::Fingerprint(key.clone());
        let program = OsStr::new("ssh-keygen");
        let said = match literal(&key) {
            Some(literal) => self.run(program, &[OsStr::new("-lf"), OsStr::new("-")], literal),
            None => self.run(program, &[OsStr::new("-lf"), self.key_path(&key).as_os_str()], b""),
        };
        let said = said.map_err(|_| failed())?;
        // Length, fingerprint, comment. git takes the blank along.
        let fingerprint = said.stdout.splitn(3, |byte| *byte == b' ').nth(1);
        match fingerprint.filter(|_| said.status.success()) {
            Some(fingerprint) => Ok([fingerprint, b" "].concat().into()),
            None => {
                self.notice.say(said.stderr.trim_ascii_end().to_str_lossy().as_ref());
                Err(failed())
            }
        }
    }

    /// The signature of a text; `committer` names the key where the configuration does not.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, text: &[u8], committer: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = match self.format {
            SignatureFormat::Ssh => self.sign_ssh(text)?,
            format => {
                let key = self.key.as_ref().map_or(committer, |key| key.as_bytes());
                let key = crate::hooks::os_string(key);
                let args = [OsStr::new("--status-fd=2"), OsStr::new("-bsau"), &key];
                let said = self.ran(self.program(format), &args, text)?;
                let created = said.stderr.lines().any(|line| line.starts_with(b"[GNUPG:] SIG_CREATED "));
                if !said.status.success() || !created {
                    let text = if said.stderr.is_empty() { b"(no gpg output)" } else { &said.stderr[..] };
                    return Err(SignError::Gpg(text.into()));
                }
                said.stdout
            }
        };
        Ok(signature.replace("\r\n", "\n"))
    }

    fn sign_ssh(&self, text: &[u8]) -> Result<Vec<u8>, SignError> {
        let key = self.ssh_key()?;
        let buffer = scratch(".git_signing_buffer_tmp", text).map_err(SignError::Scratch)?;
        let mut args = [OsStr::new("-Y"), OsStr::new("sign"), OsStr::new("-n"), OsStr::new("git")].to_vec();
        args.push(OsStr::new("-f"));
        let (file, path);
        match literal(&key) {
            Some(literal) => {
                file = scratch(".git_signing_key_tmp", literal).map_err(SignError::Scratch)?;
                // The key itself is with the agent.
                args.extend([file.path().as_os_str(), OsStr::new("-U")]);
            }
            None => {
                path = self.key_path(&key);
                args.push(path.as_os_str());
            }
        }
        args.push(buffer.path().as_os_str());
        let said = self.ran(&self.ssh, &args, b"")?;
        if !said.status.success() {
            return Err(SignError::Ssh(said.stderr.into()));
        }
        let mut made = buffer.path().as_os_str().to_owned();
        made.push(".sig");
        let made = PathBuf::from(made);
        let signature = std::fs::read(&made).map_err(SignError::Scratch)?;
        let _ = std::fs::remove_file(&made);
        Ok(signature)
    }

    fn ran(&self, program: &OsStr, args: &[&OsStr], input: &[u8]) -> Result<Output, SignError> {
        self.run(program, args, input)
            .map_err(|source| SignError::Program { program: PathBuf::from(program), source })
    }

    fn key_path(&self, key: &BString) -> PathBuf {
        match &self.key_file {
            Some(file) if self.key.as_ref() == Some(key) => file.clone(),
            _ => PathBuf::from(crate::hooks::os_string(key)),
        }
    }

    /// The ssh key that is configured, or that the command for it gives.
    fn ssh_key(&self) -> Result<BString, SignError> {
        if let Some(key) = self.key.clone().filter(|key| !key.is_empty()) {
            return Ok(key);
        }
        let command = self.key_command.as_ref().ok_or(SignError::NoKey)?;
        let mut line = OsString::from("exec ");
        line.push(command);
        let said = self.ran(OsStr::new("sh"), &[OsStr::new("-c"), &line], b"")?;
        let (out, err) = (said.stdout.to_str_lossy(), said.stderr.to_str_lossy());
        let failed = |what: &str| {
            self.notice.say(&format!("warning: gpg.ssh.defaultKeyCommand {what}: {err} {out}"));
            Err(SignError::NoKey)
        };
        match said.stdout.lines().next() {
            _ if !said.status.success() => failed("failed"),
            Some(key) if literal(key).is_some() => Ok(key.into()),
            _ => failed("succeeded but returned no keys"),
        }
    }
}

/// An ssh key that is written out rather than named by its file.
fn literal(key: &[u8]) -> Option<&[u8]> {
    key.strip_prefix(b"key::").or_else(|| key.starts_with(b"ssh-").then_some(key))
}
