//! Whether a signature is good, by the program that its first line calls for.

use super::answer::{self, Verdict};
use super::{SignatureFormat, SigningPrograms, scratch};
use bstr::ByteSlice as _;
use std::ffi::OsStr;
use std::io;

impl SigningPrograms {
    /// What is known of a signature of this text. What cannot be found out counts as no signature.
    pub fn verify(&self, text: &[u8], signature: &[u8]) -> Verdict {
        let Some(format) = format_of(signature) else { return Verdict::default() };
        let verdict = match format {
            SignatureFormat::Ssh => self.verify_ssh(text, signature),
            _ => self.verify_gpg(format, text, signature),
        };
        verdict.unwrap_or_else(|error| {
            let program = self.program(format).to_string_lossy().into_owned();
            self.notice.say(&format!("error: cannot run '{program}': {error}"));
            Verdict::default()
        })
    }

    fn verify_gpg(&self, format: SignatureFormat, text: &[u8], signature: &[u8]) -> io::Result<Verdict> {
        let file = scratch(".git_vtag_tmp", signature)?;
        let mut args: Vec<&OsStr> = Vec::new();
        if format == SignatureFormat::OpenPgp {
            args.push(OsStr::new("--keyid-format=long"));
        }
        args.extend([
            OsStr::new("--status-fd=1"),
            OsStr::new("--verify"),
            file.path().as_os_str(),
            OsStr::new("-"),
        ]);
        Ok(answer::gpg(&self.run(self.program(format), &args, text)?.stdout))
    }

    fn verify_ssh(&self, text: &[u8], signature: &[u8]) -> io::Result<Verdict> {
        let Some(allowed) = &self.allowed_signers else {
            self.notice.say(
                "error: gpg.ssh.allowedSignersFile needs to be configured and exist for ssh signature verification",
            );
            return Ok(Verdict::default());
        };
        let file = scratch(".git_vtag_tmp", signature)?;
        let (allowed, file) = (allowed.as_os_str(), file.path().as_os_str());
        let revoked = self.revoked.as_ref().filter(|path| {
            let there =
                self.directory.as_ref().map_or_else(|| path.to_path_buf(), |dir| dir.join(path)).exists();
            if !there {
                let path = path.display();
                self.notice
                    .say(&format!("warning: ssh signing revocation file configured but not found: {path}"));
            }
            there
        });
        let word = OsStr::new;
        let find = [word("-Y"), word("find-principals"), word("-f"), allowed, word("-s"), file];
        let found = self.run(&self.ssh, &find, b"")?;
        if !found.status.success() || found.stdout.is_empty() {
            // Nobody is known by that key: whether the signature fits can be said all the same.
            let check = [word("-Y"), word("check-novalidate"), word("-n"), word("git"), word("-s"), file];
            return Ok(answer::ssh(&self.run(&self.ssh, &check, text)?.stdout));
        }
        let mut verdict = answer::ssh(b"");
        for principal in found.stdout.lines().filter(|line| !line.is_empty()) {
            let principal = crate::hooks::os_string(principal);
            let mut args = vec![word("-Y"), word("verify"), word("-n"), word("git"), word("-f"), allowed];
            args.extend([word("-I"), &principal, word("-s"), file]);
            if let Some(revoked) = revoked {
                args.extend([word("-r"), revoked.as_os_str()]);
            }
            let said = self.run(&self.ssh, &args, text)?;
            verdict = answer::ssh(&said.stdout);
            if said.status.success() {
                break;
            }
            verdict = answer::ssh(b"");
        }
        Ok(verdict)
    }
}

/// The form of a signature, by how it begins.
fn format_of(signature: &[u8]) -> Option<SignatureFormat> {
    let begins = |text: &str| signature.starts_with(text.as_bytes());
    match () {
        () if begins("-----BEGIN PGP SIGNATURE-----") || begins("-----BEGIN PGP MESSAGE-----") => {
            Some(SignatureFormat::OpenPgp)
        }
        () if begins("-----BEGIN SIGNED MESSAGE-----") => Some(SignatureFormat::X509),
        () if begins("-----BEGIN SSH SIGNATURE-----") => Some(SignatureFormat::Ssh),
        () => None,
    }
}
