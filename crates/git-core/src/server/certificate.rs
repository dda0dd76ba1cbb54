//! Signed pushes, the side that checks: the nonce a certificate must bear, and what became known of one that came
//! (`git-receive-pack(1)`).

use crate::signing::{SigningPrograms, Verdict};
use bstr::BString;
use git_core_object::{ObjectFormat, ObjectId, hmac};
use git_core_protocol::certificate::SignedCertificate;
use git_core_protocol::server::Mode;
use std::fmt;

/// On which terms pushes may be signed.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedPushes {
    /// What nonces are made with, known to nobody else (`receive.certNonceSeed`).
    pub seed: BString,
    /// By how many seconds a nonce may be older, or newer, where the server remembers nothing between requests
    /// (`receive.certNonceSlop`).
    pub slop: u64,
    /// The repository as the server's program calls it; two with one seed have nonces of their own by it.
    pub place: BString,
}

impl fmt::Debug for SignedPushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedPushes").field("slop", &self.slop).finish_non_exhaustive()
    }
}

impl SignedPushes {
    /// Terms with this seed, and no slop.
    pub fn new(seed: impl Into<BString>) -> Self {
        SignedPushes { seed: seed.into(), slop: 0, place: ".".into() }
    }

    /// The nonce of a moment, in seconds since 1970: the moment, and proof that it was given out here.
    pub fn nonce(&self, format: ObjectFormat, seconds: i64) -> String {
        let key = [self.place.as_slice(), format!(":{seconds}").as_bytes()].concat();
        let mut nonce = format!("{seconds}-");
        for byte in hmac(format, &key, &self.seed).as_bytes() {
            nonce.push_str(&format!("{byte:02x}"));
        }
        nonce
    }

    /// What is to be thought of a nonce when `asked` is what this conversation asks for.
    fn check(&self, found: Option<&[u8]>, asked: &str, mode: Mode, format: ObjectFormat) -> NonceStatus {
        let Some(found) = found else { return NonceStatus::Missing };
        if found == asked.as_bytes() {
            return NonceStatus::Ok;
        }
        // Only where the server has forgotten what it said first may another one have come from here.
        let seconds = |nonce: &[u8]| -> Option<i64> {
            let digits = nonce.split(|byte| *byte == b'-').next()?;
            let all_digits = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
            std::str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()
        };
        let (Some(given), Some(now)) = (seconds(found), seconds(asked.as_bytes())) else {
            return NonceStatus::Bad;
        };
        if mode != Mode::StatelessRpc || !same(found, self.nonce(format, given).as_bytes()) {
            return NonceStatus::Bad;
        }
        let slop = now.saturating_sub(given);
        if slop.unsigned_abs() <= self.slop { NonceStatus::Ok } else { NonceStatus::Slop(slop) }
    }
}

/// Compares in a time that does not depend on where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

/// What is to be thought of the nonce in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonceStatus {
    /// There is one although none was asked for, or none and none was asked for.
    Unsolicited,
    /// There is none.
    Missing,
    /// It was never given out here, or not in this conversation.
    Bad,
    /// It is the one that was asked for, or near enough to it.
    Ok,
    /// It was given out here, so many seconds before.
    Slop(i64),
}

impl NonceStatus {
    /// The word for it in `GIT_PUSH_CERT_NONCE_STATUS`.
    pub const fn word(self) -> &'static str {
        match self {
            NonceStatus::Unsolicited => "UNSOLICITED",
            NonceStatus::Missing => "MISSING",
            NonceStatus::Bad => "BAD",
            NonceStatus::Ok => "OK",
            NonceStatus::Slop(_) => "SLOP",
        }
    }
}

/// A certificate that came with a push, and what is known of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PushedCertificate {
    /// The certificate as it came.
    pub certificate: SignedCertificate,
    /// The blob that keeps it, once it is stored.
    pub id: Option<ObjectId>,
    /// The nonce that was asked for, or the one in the certificate if that is near enough; none if none was asked for.
    pub nonce: Option<String>,
    /// What is to be thought of the nonce in it.
    pub nonce_status: NonceStatus,
    /// What is known of the signature.
    pub verdict: Verdict,
}

impl PushedCertificate {
    pub(super) fn of(
        certificate: SignedCertificate,
        signed: Option<(&SignedPushes, &str)>,
        mode: Mode,
        format: ObjectFormat,
    ) -> Self {
        let (mut nonce, mut nonce_status) = (None, NonceStatus::Unsolicited);
        if let Some((signed, asked)) = signed {
            let found = certificate.nonce();
            nonce_status = signed.check(found.map(|found| found.as_ref()), asked, mode, format);
            nonce = Some(match (nonce_status, found) {
                (NonceStatus::Ok, Some(found)) => found.to_string(),
                _ => asked.to_owned(),
            });
        }
        PushedCertificate { certificate, id: None, nonce, nonce_status, verdict: Verdict::default() }
    }

    /// Finds out about the signature.
    pub(super) fn verify(&mut self, programs: &SigningPrograms) {
        self.verdict = programs.verify(self.certificate.signed(), self.certificate.signature());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_those_of_git() {
        // As `git receive-pack ../dst` gave it out.
        let mut signed = SignedPushes::new("seed");
        signed.place = "../dst".into();
        let nonce = signed.nonce(ObjectFormat::Sha1, 1_795_290_273);
        assert_eq!(nonce, "1795290273-47a7af1404e39e8e31e40dda20abe85f94286780");
    }

    #[test]
    fn old_nonces_count_only_where_nothing_is_remembered() {
        let format = ObjectFormat::Sha256;
        let mut signed = SignedPushes::new("secret");
        let at = |seconds| SignedPushes::new("secret").nonce(format, seconds);
        let asked = at(1000);
        let status = |signed: &SignedPushes, found: Option<&str>, mode| {
            signed.check(found.map(str::as_bytes), &asked, mode, format)
        };
        for mode in [Mode::Stateful, Mode::StatelessRpc] {
            assert_eq!(status(&signed, Some(&asked), mode), NonceStatus::Ok);
            assert_eq!(status(&signed, None, mode), NonceStatus::Missing);
            let forged = SignedPushes::new("guess").nonce(format, 1000);
            for bad in [
                "",
                "-",
                "x",
                "1000",
                "1000-",
                "-1000-ab",
                &forged,
                &format!("{asked}0"),
                "99999999999999999999-a",
            ] {
                assert_eq!(status(&signed, Some(bad), mode), NonceStatus::Bad, "{bad}");
            }
        }
        assert_eq!(status(&signed, Some(&at(990)), Mode::Stateful), NonceStatus::Bad);
        assert_eq!(status(&signed, Some(&at(990)), Mode::StatelessRpc), NonceStatus::Slop(10));
        assert_eq!(status(&signed, Some(&at(1010)), Mode::StatelessRpc), NonceStatus::Slop(-10));
        signed.slop = 10;
        assert_eq!(status(&signed, Some(&at(990)), Mode::StatelessRpc), NonceStatus::Ok);
        assert_eq!(status(&signed, Some(&at(1010)), Mode::StatelessRpc), NonceStatus::Ok);
        assert_eq!(status(&signed, Some(&at(989)), Mode::StatelessRpc), NonceStatus::Slop(11));
        assert_eq!(status(&signed, Some(&at(990)), Mode::Stateful), NonceStatus::Bad);
    }
}
