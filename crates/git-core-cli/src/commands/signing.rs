//! `--signed` of `push` and `send-pack`, and what signing says to the person at the keyboard.

use crate::args::bytes;
use crate::fail::Failure;
use bstr::ByteSlice as _;
use git_core::config::Value;
use git_core::hooks::HookNotice;
use git_core::remote::SignPush;
use git_core::signing::{SignError, SigningPrograms};
use git_core::store::config::{Config, Origin};
use std::ffi::OsStr;
use std::sync::Arc;

/// Whether a push is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signed {
    No,
    IfAsked,
    Yes,
}

impl Signed {
    fn parse(text: &[u8]) -> Option<Self> {
        match Value::new(text).to_bool() {
            Ok(true) => Some(Signed::Yes),
            Ok(false) => Some(Signed::No),
            Err(_) if text.eq_ignore_ascii_case(b"if-asked") => Some(Signed::IfAsked),
            Err(_) => None,
        }
    }

    /// The same with the programs that this configuration names.
    pub(super) fn by(self, config: &Config) -> Result<SignPush, Failure> {
        if self == Signed::No {
            return Ok(SignPush::No);
        }
        let mut programs = SigningPrograms::of(config)?;
        programs.notice = HookNotice::new(|text| eprintln!("{text}"));
        Ok(match self {
            Signed::IfAsked => SignPush::IfAsked(Arc::new(programs)),
            _ => SignPush::Always(Arc::new(programs)),
        })
    }
}

/// What the option says, with its value if it has one.
pub(super) fn asked(value: Option<&OsStr>) -> Result<Signed, Failure> {
    let Some(value) = value else { return Ok(Signed::Yes) };
    let text = bytes(value);
    Signed::parse(&text)
        .ok_or_else(|| Failure::fatal(format_args!("bad signed argument: {}", text.as_bstr())))
}

/// What `push.gpgSign` says.
pub(super) fn configured(config: &Config) -> Result<Signed, Failure> {
    let Some(entry) = config.get("push.gpgSign") else { return Ok(Signed::No) };
    let found = match entry.to_bool() {
        Ok(true) => Some(Signed::Yes),
        Ok(false) => Some(Signed::No),
        Err(_) => entry.to_text().ok().and_then(|text| Signed::parse(text)),
    };
    found.ok_or_else(|| {
        let from = match entry.origin() {
            Origin::CommandLine => "from command-line config".to_owned(),
            Origin::File(path) => format!("in file '{}'", path.display()),
        };
        eprintln!("error: invalid value for 'push.gpgsign'");
        Failure::fatal(format_args!("unable to parse 'push.gpgsign' {from}"))
    })
}

/// Nothing was signed.
pub(super) fn failed(cause: &SignError) -> Failure {
    match cause {
        SignError::NoKey | SignError::Fingerprint(_) => Failure::fatal(cause),
        cause => {
            eprintln!("error: {}", crate::fail::chain(cause));
            Failure::fatal("failed to sign the push certificate")
        }
    }
}
