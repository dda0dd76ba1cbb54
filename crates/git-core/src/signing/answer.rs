//! What the programs answer about a signature: the status lines of `gpg` and the sentences of `ssh-keygen`. Pure.

use bstr::{BStr, BString, ByteSlice as _};

/// What became known of a signature: the letters of `%G?` in `git-log(1)`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SignatureStatus {
    /// A good one.
    Good,
    /// One that does not fit.
    Bad,
    /// A good one that has expired.
    Expired,
    /// A good one by a key that has expired.
    ExpiredKey,
    /// A good one by a key that was revoked.
    RevokedKey,
    /// One that cannot be checked, as when the key is not there.
    Unchecked,
    /// None.
    #[default]
    None,
}

impl SignatureStatus {
    /// The letter of it.
    pub const fn letter(self) -> &'static str {
        match self {
            SignatureStatus::Good => "G",
            SignatureStatus::Bad => "B",
            SignatureStatus::Expired => "X",
            SignatureStatus::ExpiredKey => "Y",
            SignatureStatus::RevokedKey => "R",
            SignatureStatus::Unchecked => "E",
            SignatureStatus::None => "N",
        }
    }
}

/// What became known of a signature and of who made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it is good.
    pub status: SignatureStatus,
    /// Who made it, as far as is known.
    pub signer: BString,
    /// The key it was made with.
    pub key: BString,
}

/// Reads the status lines that `gpg --status-fd` writes (its `doc/DETAILS`).
pub(super) fn gpg(lines: &[u8]) -> Verdict {
    let unclear = Verdict { status: SignatureStatus::Unchecked, ..Verdict::default() };
    let mut found: Option<Verdict> = None;
    for line in lines.lines() {
        let Some(line) = line.strip_prefix(b"[GNUPG:] ") else { continue };
        let (word, rest) = line.split_once_str(" ").unwrap_or((line, b""));
        let status = match word {
            b"GOODSIG" => SignatureStatus::Good,
            b"BADSIG" => SignatureStatus::Bad,
            b"EXPSIG" => SignatureStatus::Expired,
            b"EXPKEYSIG" => SignatureStatus::ExpiredKey,
            b"REVKEYSIG" => SignatureStatus::RevokedKey,
            b"ERRSIG" => SignatureStatus::Unchecked,
            _ => match word.strip_prefix(b"TRUST_") {
                Some(b"UNDEFINED" | b"NEVER" | b"MARGINAL" | b"FULLY" | b"ULTIMATE") | None => continue,
                Some(_) => return unclear,
            },
        };
        if found.is_some() {
            // More than one verdict is none.
            return unclear;
        }
        let (key, signer) = rest.split_once_str(" ").unwrap_or((rest, b""));
        let signer = if word == b"ERRSIG" { b"" } else { signer };
        found = Some(Verdict { status, signer: signer.into(), key: key.into() });
    }
    found.unwrap_or_default()
}

/// Reads what `ssh-keygen -Y verify` and `-Y check-novalidate` say of a signature that is good:
/// `Good "git" signature for <principal> with <kind> key <fingerprint>`.
pub(super) fn ssh(said: &[u8]) -> Verdict {
    let bad = Verdict { status: SignatureStatus::Bad, ..Verdict::default() };
    let line = said.lines().next().unwrap_or_default();
    let Some(rest) = line.strip_prefix(b"Good \"git\" signature") else { return bad };
    let signer = match rest.strip_prefix(b" for ") {
        // The name may contain anything, even these words.
        Some(rest) => rest.rfind(b" with ").map(|end| &rest[..end]),
        None => rest.starts_with(b" with ").then_some(&b""[..]),
    };
    let (Some(signer), Some(key)) = (signer, rest.rfind(b"key ")) else { return bad };
    let key: &BStr = rest[key + 4..].as_bstr();
    Verdict { status: SignatureStatus::Good, signer: signer.into(), key: key.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> (&'static str, String, String) {
        let text: String = lines.iter().map(|line| format!("[GNUPG:] {line}\n")).collect();
        let found = gpg(format!("gpg: hello\n{text}").as_bytes());
        (found.status.letter(), found.key.to_string(), found.signer.to_string())
    }

    #[test]
    fn status_lines_are_read_as_git_reads_them() {
        for (word, letter) in
            [("GOODSIG", "G"), ("BADSIG", "B"), ("EXPSIG", "X"), ("EXPKEYSIG", "Y"), ("REVKEYSIG", "R")]
        {
            let line = format!("{word} 0123 A B <a@b>");
            assert_eq!(of(&[&line]), (letter, "0123".to_owned(), "A B <a@b>".to_owned()));
        }
        assert_eq!(of(&["ERRSIG 0123 1 2 00 123 9", "NO_PUBKEY 0123"]), ("E", "0123".into(), String::new()));
        assert_eq!(of(&["NO_PUBKEY 0123"]), ("N", String::new(), String::new()));
        assert_eq!(of(&[]), ("N", String::new(), String::new()));
        let good = "GOODSIG 0123 A";
        assert_eq!(of(&[good, good]), ("E", String::new(), String::new()));
        assert_eq!(of(&["BADSIG 0123 A", good]), ("E", String::new(), String::new()));
        assert_eq!(of(&[good, "VALIDSIG F 1", "TRUST_NEVER 0 pgp"]).0, "G");
        assert_eq!(of(&[good, "TRUST_WHAT 0 pgp"]), ("E", String::new(), String::new()));
    }

    #[test]
    fn what_ssh_keygen_says() {
        let found = ssh(b"Good \"git\" signature for a with key b with ED25519 key SHA256:x/y\nmore");
        assert_eq!((found.signer, found.key), ("a with key b".into(), "SHA256:x/y".into()));
        let found = ssh(b"Good \"git\" signature with ED25519 key SHA256:x\n");
        assert_eq!((found.status.letter(), found.signer, found.key), ("G", "".into(), "SHA256:x".into()));
        for text in [
            "",
            "Could not verify signature.",
            "Good \"git\" signature for",
            "Good \"file\" signature for a with R key k",
        ] {
            assert_eq!(ssh(text.as_bytes()).status, SignatureStatus::Bad, "{text}");
        }
    }
}
