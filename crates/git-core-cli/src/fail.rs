//! How a command fails: what it prints to standard error, and its exit code.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

/// The end of a command that did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    text: String,
}

impl Failure {
    /// `fatal: …`, exit code 128: git's usual way to end.
    pub(crate) fn fatal(text: impl std::fmt::Display) -> Self {
        Failure { code: 128, text: format!("fatal: {text}") }
    }

    /// `error: …` with an exit code.
    pub(crate) fn error(code: u8, text: impl std::fmt::Display) -> Self {
        Failure { code, text: format!("error: {text}") }
    }

    /// A text that says all by itself.
    pub(crate) fn plain(code: u8, text: impl std::fmt::Display) -> Self {
        Failure { code, text: text.to_string() }
    }

    /// An exit code alone: the command has said what there is to say.
    pub(crate) fn silent(code: u8) -> Self {
        Failure { code, text: String::new() }
    }

    /// The same, and a line more: what could not be done because of it.
    pub(crate) fn and(self, line: &str) -> Self {
        Failure { text: format!("{}\n{line}", self.text), ..self }
    }

    /// Arguments that make no sense: exit code 129, with the command's usage.
    pub(crate) fn usage(text: impl std::fmt::Display, usage: &str) -> Self {
        let text = text.to_string();
        let text = if text.is_empty() { text } else { format!("error: {text}\n") };
        Failure { code: 129, text: format!("{text}usage: {}", usage.trim_end()) }
    }

    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        self.code
    }

    /// What it prints, if anything; remote text in it cannot reach the terminal as control sequences.
    pub(crate) fn shown(&self) -> Option<String> {
        let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '?' } else { c };
        (!self.text.is_empty()).then(|| self.text.chars().map(shown).collect())
    }

    /// Prints it.
    pub(crate) fn report(&self) -> ExitCode {
        if let Some(shown) = self.shown() {
            let _ = writeln!(std::io::stderr(), "{shown}");
        }
        ExitCode::from(self.code)
    }
}

/// An error with everything that caused it, in one line: `what: why: why that`.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure::fatal(chain(&error))
    }
}
