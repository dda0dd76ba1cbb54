//! Dates on the command line: those that commits take, and some that are said in words.

use crate::fail::Failure;
use git_core::object::{Zone, parse_date};
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970 for a date: in one of the forms of `git-commit(1)` with the local zone taken for UTC,
/// a day alone, `now`, `yesterday`, or `<n> <unit>s ago` with dots or blanks between.
pub(crate) fn parse(text: &str) -> Result<i64, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    if let Ok(seconds) = text.parse::<i64>()
        && seconds >= 0
    {
        return Ok(seconds);
    }
    if let Ok(time) = parse_date(text, Zone::utc()) {
        return Ok(time.seconds);
    }
    if let Ok(time) = parse_date(&format!("{text} 00:00:00"), Zone::utc()) {
        return Ok(time.seconds);
    }
    relative(text, now).ok_or_else(|| Failure::fatal(format_args!("invalid date '{text}'")))
}

/// The time before which things expire: `never`, `now`, `all`, or a date. What was changed at it or before is old.
pub(crate) fn expiry(text: &str) -> Result<i64, Failure> {
    match text {
        "never" | "false" => Ok(i64::MIN),
        "now" | "all" => Ok(i64::MAX),
        text => parse(text).map_err(|_| Failure::fatal(format_args!("malformed expiration date '{text}'"))),
    }
}

fn relative(text: &str, now: i64) -> Option<i64> {
    let words: Vec<String> =
        text.split([' ', '.', '_']).filter(|word| !word.is_empty()).map(str::to_ascii_lowercase).collect();
    match &words[..] {
        [word] if word == "now" => Some(now),
        [word] if word == "yesterday" => Some(now - 86_400),
        [number, unit, ago] if ago == "ago" => {
            let number: i64 = number.parse().ok()?;
            let unit = match unit.trim_end_matches('s') {
                "second" => 1,
                "minute" => 60,
                "hour" => 3600,
                "day" => 86_400,
                "week" => 7 * 86_400,
                "month" => 30 * 86_400,
                "year" => 365 * 86_400,
                _ => return None,
            };
            now.checked_sub(number.checked_mul(unit)?)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        assert_eq!(parse("1112911993").unwrap(), 1_112_911_993);
        assert_eq!(parse("2005-04-07T22:13:13Z").unwrap(), 1_112_911_993);
        assert_eq!(parse("2005-04-07").unwrap(), 1_112_832_000);
        assert_eq!(relative("2.weeks.ago", 10_000_000), Some(10_000_000 - 1_209_600));
        assert_eq!(relative("yesterday", 100_000), Some(13_600));
        assert!(parse("someday").is_err());
    }
}
