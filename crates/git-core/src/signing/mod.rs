//! Signatures by the programs that a person has for it: `gpg`, `gpgsm` and `ssh-keygen`, run as git runs them
//! (`git-config(1)`, gpg; `gitformat-signature(5)`).
//!
//! Making signatures is in `sign`, finding out about them in `verify`; what the programs answer is read in `answer`.

mod answer;
mod sign;
mod verify;

pub use answer::{SignatureStatus, Verdict};
pub use sign::SignError;

use crate::hooks::HookNotice;
use bstr::BString;
use git_core_store::config::{Config, ConfigError};
use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The form of a signature, and with it the program that makes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureFormat {
    /// `gpg`.
    #[default]
    OpenPgp,
    /// `gpgsm`.
    X509,
    /// `ssh-keygen`.
    Ssh,
}

/// The programs that make signatures and check them, and what they are told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SigningPrograms {
    /// The form of signatures that are made (`gpg.format`).
    pub format: SignatureFormat,
    /// For [`SignatureFormat::OpenPgp`] (`gpg.openpgp.program`, `gpg.program`).
    pub openpgp: OsString,
    /// For [`SignatureFormat::X509`] (`gpg.x509.program`).
    pub x509: OsString,
    /// For [`SignatureFormat::Ssh`] (`gpg.ssh.program`).
    pub ssh: OsString,
    /// The key to sign with (`user.signingKey`): its name, or for ssh its file or `key::` and the key itself.
    pub key: Option<BString>,
    /// The command of the shell that gives such a key, for ssh (`gpg.ssh.defaultKeyCommand`).
    pub key_command: Option<OsString>,
    /// Whose ssh keys count (`gpg.ssh.allowedSignersFile`).
    pub allowed_signers: Option<PathBuf>,
    /// Which ssh keys no longer count (`gpg.ssh.revocationFile`).
    pub revoked: Option<PathBuf>,
    /// Where programs run; where this process does if none is given.
    pub directory: Option<PathBuf>,
    /// Takes warnings for the person who runs this program.
    pub notice: HookNotice,
    /// The file of `key`, for ssh, with `~` made whole.
    key_file: Option<PathBuf>,
}

impl SigningPrograms {
    /// Those that a configuration names.
    ///
    /// # Errors
    /// [`ConfigError`] when a variable makes no sense.
    pub fn of(config: &Config) -> Result<Self, ConfigError> {
        let format = match config.get("gpg.format") {
            None => SignatureFormat::OpenPgp,
            Some(entry) => match entry.to_text()? {
                text if text == "openpgp" => SignatureFormat::OpenPgp,
                text if text == "x509" => SignatureFormat::X509,
                text if text == "ssh" => SignatureFormat::Ssh,
                other => return Err(entry.bad(git_core_config::InvalidValue::Word(other.to_owned()))),
            },
        };
        let program = |keys: &[&str], usual: &str| -> Result<OsString, ConfigError> {
            for key in keys {
                if let Some(path) = config.path(key)? {
                    return Ok(path.into_os_string());
                }
            }
            Ok(usual.into())
        };
        let key = config.text("user.signingKey")?.map(BString::from);
        let key_file = match format {
            SignatureFormat::Ssh if key.is_some() => config.path("user.signingKey")?,
            _ => None,
        };
        Ok(SigningPrograms {
            format,
            openpgp: program(&["gpg.openpgp.program", "gpg.program"], "gpg")?,
            x509: program(&["gpg.x509.program"], "gpgsm")?,
            ssh: program(&["gpg.ssh.program"], "ssh-keygen")?,
            key,
            key_file,
            key_command: config.text("gpg.ssh.defaultKeyCommand")?.map(|text| crate::hooks::os_string(text)),
            allowed_signers: config.path("gpg.ssh.allowedSignersFile")?,
            revoked: config.path("gpg.ssh.revocationFile")?,
            directory: None,
            notice: HookNotice::default(),
        })
    }

    fn program(&self, format: SignatureFormat) -> &OsStr {
        match format {
            SignatureFormat::OpenPgp => &self.openpgp,
            SignatureFormat::X509 => &self.x509,
            SignatureFormat::Ssh => &self.ssh,
        }
    }

    /// Runs a program on this input, and gives what it said.
    fn run(&self, program: &OsStr, args: &[&OsStr], input: &[u8]) -> std::io::Result<Output> {
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        std::thread::scope(|scope| {
            // It may answer before it has read everything, or not read at all.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input)));
            child.wait_with_output()
        })
    }
}

/// A file of this content that goes away with what is returned.
fn scratch(prefix: &str, content: &[u8]) -> std::io::Result<tempfile::NamedTempFile> {
    let mut file = tempfile::Builder::new().prefix(prefix).tempfile()?;
    file.write_all(content)?;
    file.flush()?;
    Ok(file)
}
