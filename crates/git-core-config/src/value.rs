//! What values mean: booleans, numbers with units, paths.

use bstr::{BStr, BString, ByteSlice};
use std::path::{Path, PathBuf};

/// The value of a variable: some text, or none where the variable stands without a `=`, which means `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value<'a>(Option<&'a BStr>);

/// Either of two types, as `core.abbrev` or `receive.autogc` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoolOrInt {
    /// A word that stands for a boolean.
    Bool(bool),
    /// A number.
    Int(i64),
}

/// Text that does not mean what it has to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidValue {
    /// The variable stands without a `=`, and a boolean is not what is needed.
    #[error("missing value")]
    Missing,
    /// No word for a boolean, nor a number.
    #[error("bad boolean config value '{0}'")]
    Bool(BString),
    /// No number, or one behind which something other than `k`, `m` or `g` stands.
    #[error("bad numeric config value '{0}': invalid unit")]
    Int(BString),
    /// A number that does not fit.
    #[error("bad numeric config value '{0}': out of range")]
    Range(BString),
    /// A path that begins with `~`, of a user or home nobody knows.
    #[error("failed to expand user dir in: '{0}'")]
    Home(BString),
    /// A word that is none of those the variable knows.
    #[error("invalid value '{0}'")]
    Word(BString),
    /// A path that the platform cannot name.
    #[error("not a path on this platform: '{0}'")]
    Path(BString),
}

impl<'a> Value<'a> {
    /// A value of this text.
    pub fn new(text: &'a (impl AsRef<[u8]> + ?Sized)) -> Self {
        Value(Some(text.as_ref().as_bstr()))
    }

    /// The value of a variable without a `=`.
    pub const fn implicit() -> Self {
        Value(None)
    }

    /// The text; `None` when there is no `=`.
    pub const fn text(self) -> Option<&'a BStr> {
        self.0
    }

    /// The text of a variable that needs one.
    ///
    /// # Errors
    /// [`InvalidValue::Missing`] when there is no `=`.
    pub fn require(self) -> Result<&'a BStr, InvalidValue> {
        self.0.ok_or(InvalidValue::Missing)
    }

    /// `true`, `yes`, `on` or no `=`; `false`, `no`, `off` or the empty text; or a number, where only 0 is false.
    ///
    /// # Errors
    /// [`InvalidValue::Bool`] for anything else.
    pub fn to_bool(self) -> Result<bool, InvalidValue> {
        match self.0 {
            None => Ok(true),
            Some(text) => parse_bool(text),
        }
    }

    /// A number, with a unit of 1024 (`k`), its square (`m`) or cube (`g`).
    ///
    /// # Errors
    /// [`InvalidValue`] when there is no `=`, no number, or one that does not fit.
    pub fn to_int(self) -> Result<i64, InvalidValue> {
        parse_int(self.require()?)
    }

    /// A word for a boolean, or a number.
    ///
    /// # Errors
    /// [`InvalidValue`] when it is neither.
    pub fn to_bool_or_int(self) -> Result<BoolOrInt, InvalidValue> {
        match self.0 {
            None => Ok(BoolOrInt::Bool(true)),
            Some(text) => match word(text) {
                Some(value) => Ok(BoolOrInt::Bool(value)),
                None => parse_int(text).map(BoolOrInt::Int),
            },
        }
    }

    /// A path; `~/` at its beginning stands for `home`. `~user/` is not expanded, since that needs the system.
    ///
    /// # Errors
    /// [`InvalidValue`] when there is no `=`, or when a home is needed that is not known.
    pub fn to_path(self, home: Option<&Path>) -> Result<PathBuf, InvalidValue> {
        let text = self.require()?;
        let path = |bytes: &'a [u8]| bytes.to_path().map_err(|_| InvalidValue::Path(text.into()));
        match text.strip_prefix(b"~") {
            None => path(text).map(Path::to_owned),
            Some(rest) if rest.is_empty() || rest[0] == b'/' => {
                let home = home.ok_or_else(|| InvalidValue::Home(text.into()))?;
                Ok(match rest.get(1..) {
                    None | Some(b"") => home.to_owned(),
                    Some(rest) => home.join(path(rest.trim_start_with(|c| c == '/'))?),
                })
            }
            Some(_) => Err(InvalidValue::Home(text.into())),
        }
    }
}

fn word(text: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    if is(&["true", "yes", "on"]) {
        Some(true)
    } else if is(&["", "false", "no", "off"]) {
        Some(false)
    } else {
        None
    }
}

/// Reads text as a boolean; see [`Value::to_bool`].
///
/// # Errors
/// [`InvalidValue::Bool`] when it is none.
pub fn parse_bool(text: impl AsRef<[u8]>) -> Result<bool, InvalidValue> {
    let text = text.as_ref();
    let number = || parse_int(text).ok().and_then(|n| i32::try_from(n).ok()).map(|n| n != 0);
    word(text).or_else(number).ok_or_else(|| InvalidValue::Bool(text.into()))
}

/// Reads text as a number, decimal, octal (`0…`) or hexadecimal (`0x…`), with a unit; see [`Value::to_int`].
///
/// # Errors
/// [`InvalidValue`] when it is none, or does not fit.
pub fn parse_int(text: impl AsRef<[u8]>) -> Result<i64, InvalidValue> {
    let text = text.as_ref();
    let range = || InvalidValue::Range(text.into());
    let rest = text.trim_start_with(|c| c.is_ascii_whitespace() || c == '\x0b');
    let (negative, rest) = match rest {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match rest {
        [b'0', b'x' | b'X', digits @ ..] if digits.first().is_some_and(u8::is_ascii_hexdigit) => (16, digits),
        [b'0', ..] => (8, rest),
        _ => (10, rest),
    };
    let len = digits.iter().position(|d| !char::from(*d).is_digit(radix)).unwrap_or(digits.len());
    let unit = match digits[len..].to_ascii_lowercase()[..] {
        [] => 1,
        [b'k'] => 1i128 << 10,
        [b'm'] => 1 << 20,
        [b'g'] => 1 << 30,
        _ => return Err(InvalidValue::Int(text.into())),
    };
    if len == 0 {
        return Err(InvalidValue::Int(text.into()));
    }
    let digits = std::str::from_utf8(&digits[..len]).unwrap_or_default();
    let number = i128::from(u64::from_str_radix(digits, radix).map_err(|_| range())?);
    i64::try_from(if negative { -number } else { number } * unit).map_err(|_| range())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_mean_what_they_mean_to_git() {
        // Recorded from `git -c a.x=… config --type=…`, git 2.47.3.
        for (text, bool, int) in [
            ("", Some(false), None),
            ("TRUE", Some(true), None),
            ("off", Some(false), None),
            ("2", Some(true), Some(2)),
            ("-1", Some(true), Some(-1)),
            ("1K", Some(true), Some(1024)),
            ("10m", Some(true), Some(10 << 20)),
            ("1g", Some(true), Some(1 << 30)),
            ("0x10", Some(true), Some(16)),
            ("010", Some(true), Some(8)),
            ("1 k", None, None),
            (" 1", Some(true), Some(1)),
            ("1kk", None, None),
            ("k", None, None),
            ("99999999999", None, Some(99_999_999_999)),
            ("9999999999999g", None, None),
            ("-5k", Some(true), Some(-5120)),
            ("tru", None, None),
            ("0", Some(false), Some(0)),
            ("08", None, None),
        ] {
            assert_eq!(parse_bool(text).ok(), bool, "{text:?}");
            assert_eq!(parse_int(text).ok(), int, "{text:?}");
        }
        assert_eq!(Value::implicit().to_bool(), Ok(true));
        assert_eq!(Value::implicit().to_int(), Err(InvalidValue::Missing));
        assert_eq!(Value::new("on").to_bool_or_int(), Ok(BoolOrInt::Bool(true)));
        assert_eq!(Value::new("1").to_bool_or_int(), Ok(BoolOrInt::Int(1)));
        assert!(matches!(parse_int("9223372036854775808"), Err(InvalidValue::Range(_))));
        assert_eq!(parse_int("-9223372036854775808"), Ok(i64::MIN));
    }

    #[test]
    fn home_is_what_the_caller_says() {
        let home = Path::new("/home/me");
        let path = |text: &'static str, home| Value::new(text).to_path(home);
        assert_eq!(path("~/a/b", Some(home)), Ok("/home/me/a/b".into()));
        assert_eq!(path("~", Some(home)), Ok("/home/me".into()));
        assert_eq!(path("/x/~", None), Ok("/x/~".into()));
        assert!(path("~/a", None).is_err());
        assert!(path("~you/a", Some(home)).is_err());
    }
}
