//! Push certificates: what a client signs, as it travels and as it is kept (`gitprotocol-pack(5)`, "Push
//! Certificate").
//!
//! Signing, and finding out whether a signature is good, is left to whoever owns the keys.

use bstr::{BStr, BString, ByteSlice as _};
use git_core_object::{ErrorKind, ObjectFormat, ObjectId};

use crate::server::Command;

/// What a client signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushCertificate<'a> {
    /// Whose key signs, with time and zone: `C O Mitter <c@example.com> 1112912053 -0700`.
    pub pusher: &'a [u8],
    /// Where it is pushed to; no credentials.
    pub pushee: &'a [u8],
    /// What the server wants to find in it, so that it cannot be used twice.
    pub nonce: &'a [u8],
    /// The push options, in their order.
    pub push_options: &'a [BString],
    /// The commands, in their order.
    pub commands: &'a [Command],
}

impl PushCertificate<'_> {
    /// The text that is signed.
    pub fn to_text(&self, format: ObjectFormat) -> Vec<u8> {
        let mut text = b"certificate version 0.1\n".to_vec();
        let mut header = |name: &[u8], value: &[u8]| {
            text.extend_from_slice(name);
            text.push(b' ');
            text.extend_from_slice(value);
            text.push(b'\n');
        };
        header(b"pusher", self.pusher);
        if !self.pushee.is_empty() {
            header(b"pushee", self.pushee);
        }
        if !self.nonce.is_empty() {
            header(b"nonce", self.nonce);
        }
        self.push_options.iter().for_each(|option| header(b"push-option", option));
        text.push(b'\n');
        let null = ObjectId::null(format);
        for command in self.commands {
            command.old.unwrap_or(null).write_hex(&mut text);
            text.push(b' ');
            command.new.unwrap_or(null).write_hex(&mut text);
            text.push(b' ');
            text.extend_from_slice(command.name.as_bytes());
            text.push(b'\n');
        }
        text
    }
}

/// How a signature begins, by the program that makes it.
const SIGNATURES: [&[u8]; 4] = [
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
];

/// A certificate with its signature, byte for byte as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedCertificate {
    bytes: BString,
    /// Where the headers end, and the commands begin.
    headers: usize,
    commands: usize,
    /// Where the signature begins; the end of all if there is none.
    signature: usize,
}

/// Bytes that are no push certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed push certificate {0}")]
pub struct InvalidCertificate(crate::error::Excerpt);

impl InvalidCertificate {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl SignedCertificate {
    /// Finds the parts of a certificate: headers up to an empty line, commands, and the last signature in it.
    ///
    /// # Errors
    /// [`InvalidCertificate`] for bytes without an empty line.
    pub fn parse(bytes: impl Into<BString>) -> Result<Self, InvalidCertificate> {
        let bytes = bytes.into();
        let mut signature = bytes.len();
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if SIGNATURES.iter().any(|begin| line.starts_with(begin)) {
                signature = at;
            }
            at += line.len();
        }
        match bytes.find(b"\n\n") {
            Some(blank) => {
                let headers = (blank + 1).min(signature);
                let commands = (blank + 2).min(signature);
                Ok(SignedCertificate { bytes, headers, commands, signature })
            }
            None => Err(InvalidCertificate(crate::error::Excerpt::new(&bytes))),
        }
    }

    /// All of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is signed.
    pub fn signed(&self) -> &[u8] {
        &self.bytes[..self.signature]
    }

    /// The signature; nothing if there is none.
    pub fn signature(&self) -> &[u8] {
        &self.bytes[self.signature..]
    }

    /// The values of the headers of this name, in their order.
    pub fn headers<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a BStr> {
        self.bytes[..self.headers].lines().filter_map(move |line| {
            let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b" ")?;
            Some(value.as_bstr())
        })
    }

    /// The nonce, if it has one.
    pub fn nonce(&self) -> Option<&BStr> {
        self.headers("nonce").next()
    }

    /// The lines of the commands.
    pub(crate) fn command_lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = &self.bytes[self.commands..self.signature];
        lines.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git_core_ref::RefName;

    const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n";

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(
            options in proptest::collection::vec("[ -~]{0,20}", 0..4),
            names in proptest::collection::vec("[a-z]{1,8}", 0..5),
            nonce in "[0-9]{0,8}",
            sha256: bool,
        ) {
            let format = if sha256 { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 };
            let options: Vec<BString> = options.into_iter().map(BString::from).collect();
            let commands: Vec<Command> = names
                .iter()
                .map(|name| Command {
                    name: RefName::branch(name).unwrap(),
                    old: None,
                    new: Some(ObjectId::empty_tree(format)),
                })
                .collect();
            let certificate = PushCertificate {
                pusher: b"A <a@b> 1 +0000",
                pushee: b"../there",
                nonce: nonce.as_bytes(),
                push_options: &options,
                commands: &commands,
            };
            let text = certificate.to_text(format);
            let signed = SignedCertificate::parse([&text, SIGNATURE].concat()).unwrap();
            proptest::prop_assert_eq!(signed.signed(), &text);
            proptest::prop_assert_eq!(signed.signature(), SIGNATURE);
            proptest::prop_assert_eq!(signed.nonce().unwrap_or_default(), nonce.as_str());
            proptest::prop_assert!(signed.headers("push-option").eq(options.iter().map(|o| o.as_bstr())));
            let lines: Vec<_> = signed.command_lines().map(|line| line.to_str_lossy().into_owned()).collect();
            let expected = |command: &Command| {
                format!("{} {} {}", ObjectId::null(format), command.new.unwrap(), command.name)
            };
            proptest::prop_assert_eq!(lines, commands.iter().map(expected).collect::<Vec<_>>());
        }

        #[test]
        fn no_bytes_do_harm(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            if let Ok(found) = SignedCertificate::parse(bytes) {
                let _ = (found.command_lines().count(), found.nonce(), found.signed(), found.signature());
            }
        }
    }

    #[test]
    fn odd_certificates() {
        assert!(SignedCertificate::parse("certificate").is_err());
        // The empty line of the signature is not that of the certificate.
        let odd =
            SignedCertificate::parse([b"certificate version 0.1\nnonce 1\n", SIGNATURE].concat()).unwrap();
        assert_eq!((odd.command_lines().count(), odd.nonce().unwrap()), (0, "1".into()));
        let bare = SignedCertificate::parse("certificate version 0.1\n\na b c\n").unwrap();
        assert_eq!((bare.command_lines().count(), bare.signature()), (1, &b""[..]));
    }
}
