//! Configuration given to a command: the value of `GIT_CONFIG_PARAMETERS`, which carries `-c key=value` to child
//! processes.
//!
//! A list of quoted words parted by blanks. The form written today is `'key'='value'`, with nothing behind the
//! `=` for a variable without one; the older form is `'key=value'`, or `'key'`. Reading the environment is left to
//! the program.

use crate::key::{InvalidKey, Key};
use bstr::{BString, ByteSlice};

/// A variable given on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Which one.
    pub key: Key,
    /// Its value; `None` without a `=`, which means `true`.
    pub value: Option<BString>,
}

/// Text that is no list of parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParamsError {
    /// The quoting is broken at this byte.
    #[error("bogus format in GIT_CONFIG_PARAMETERS at byte {offset}")]
    Format {
        /// Where, in bytes from the start.
        offset: usize,
    },
    /// There is a `=` with no key before it.
    #[error("bogus config parameter: {0}")]
    EmptyKey(BString),
    /// A key cannot be.
    #[error(transparent)]
    Key(#[from] InvalidKey),
}

impl Parameter {
    /// Reads `key=value` or `key`, as `-c` takes it.
    ///
    /// # Errors
    /// [`ParamsError`] when there is no key, or one that cannot be.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, ParamsError> {
        let text = text.as_ref();
        // A subsection may have a `=`, the value too; git takes the first one.
        let (key, value) = match text.find_byte(b'=') {
            Some(at) => (&text[..at], Some(text[at + 1..].into())),
            None => (text, None),
        };
        if key.is_empty() {
            return Err(ParamsError::EmptyKey(text.into()));
        }
        Ok(Parameter { key: Key::parse(key.trim_ascii())?, value })
    }
}

/// Reads a list of parameters.
///
/// # Errors
/// [`ParamsError`] when the quoting is broken or a key cannot be.
pub fn parse(text: impl AsRef<[u8]>) -> Result<Vec<Parameter>, ParamsError> {
    let text = text.as_ref();
    let mut out = Vec::new();
    let mut at = 0;
    let blank = |at: usize| text.get(at).is_none_or(u8::is_ascii_whitespace);
    while at < text.len() {
        let word = unquote(text, &mut at)?;
        if blank(at) {
            out.push(Parameter::parse(&word)?);
        } else if text[at] == b'=' {
            at += 1;
            let value = if blank(at) { None } else { Some(unquote(text, &mut at)?) };
            if !blank(at) {
                return Err(ParamsError::Format { offset: at });
            }
            if word.is_empty() {
                return Err(ParamsError::EmptyKey(word));
            }
            out.push(Parameter { key: Key::parse(&word)?, value });
        } else {
            return Err(ParamsError::Format { offset: at });
        }
        while at < text.len() && blank(at) {
            at += 1;
        }
    }
    Ok(out)
}

/// Writes a list of parameters in the form of today.
pub fn format<'a>(parameters: impl IntoIterator<Item = &'a Parameter>) -> BString {
    let mut out = Vec::new();
    for parameter in parameters {
        if !out.is_empty() {
            out.push(b' ');
        }
        quote(parameter.key.as_ref(), &mut out);
        out.push(b'=');
        if let Some(value) = &parameter.value {
            quote(value, &mut out);
        }
    }
    out.into()
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'\'');
    for byte in text {
        match byte {
            b'\'' | b'!' => out.extend_from_slice(&[b'\'', b'\\', *byte, b'\'']),
            _ => out.push(*byte),
        }
    }
    out.push(b'\'');
}

/// Reads one quoted word at `at` and moves behind it.
fn unquote(text: &[u8], at: &mut usize) -> Result<BString, ParamsError> {
    if text.get(*at) != Some(&b'\'') {
        return Err(ParamsError::Format { offset: *at });
    }
    *at += 1;
    let mut word = Vec::new();
    loop {
        let rest = &text[*at..];
        let end = rest.find_byte(b'\'').ok_or(ParamsError::Format { offset: text.len() })?;
        word.extend_from_slice(&rest[..end]);
        *at += end + 1;
        match &text[*at..] {
            [b'\\', escaped @ (b'\'' | b'!'), b'\'', ..] => {
                word.push(*escaped);
                *at += 3;
            }
            _ => return Ok(word.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<(String, Option<String>)>, ParamsError> {
        let shown = |p: Parameter| (p.key.to_string(), p.value.map(|v| v.to_string()));
        Ok(parse(text)?.into_iter().map(shown).collect())
    }

    #[test]
    fn both_forms_are_read_as_git_reads_them() {
        // Recorded from `GIT_CONFIG_PARAMETERS=… git config --list`, git 2.47.3.
        let pair = |key: &str, value: Option<&str>| (key.to_owned(), value.map(str::to_owned));
        for (text, expected) in [
            ("", vec![]),
            ("'a.b=1'", vec![pair("a.b", Some("1"))]),
            ("'A.b'='1' 'c.d'", vec![pair("a.b", Some("1")), pair("c.d", None)]),
            ("'a.b'=", vec![pair("a.b", None)]),
            ("'a.b'='x'\\''y'", vec![pair("a.b", Some("x'y"))]),
            ("'a.b'='x'\\!'y'", vec![pair("a.b", Some("x!y"))]),
            ("'a.b'='1'\n'c.d=2'", vec![pair("a.b", Some("1")), pair("c.d", Some("2"))]),
            ("'a.b=x'\\''y'", vec![pair("a.b", Some("x'y"))]),
            ("'a.x=y.b'='1'", vec![pair("a.x=y.b", Some("1"))]),
        ] {
            assert_eq!(shown(text), Ok(expected), "{text}");
        }
        for bad in
            ["'a.b'='", "a.b=1", " 'a.b'='1'", "'a.b'x", "'a.b'='1'x", "''='1'", "'a'='1'", "'=foo'", "'"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let list = [
            Parameter { key: Key::parse("a.it's!.c").unwrap(), value: Some("''!\\ \n=".into()) },
            Parameter { key: Key::parse("a.b").unwrap(), value: None },
            Parameter { key: Key::parse("a.b").unwrap(), value: Some("".into()) },
        ];
        let text = format(&list);
        assert_eq!(parse(&text).unwrap(), list);
        assert!(text.starts_with(b"'a.it'\\''s'\\!'.c'='"));
    }
}
