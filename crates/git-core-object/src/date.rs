//! Dates as people and scripts write them for `GIT_AUTHOR_DATE` and `GIT_COMMITTER_DATE`.
//!
//! Read are git's own form (`@1112911993 -0700`, the `@` may be left out), ISO 8601 and RFC 2822, with the
//! variants that `git-commit(1)` lists under "Date Formats". Relative dates are not.

use crate::{ErrorKind, Time, Zone};

/// Text that is none of the forms of a date.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid date format: {0}")]
pub struct InvalidDate(pub String);

impl InvalidDate {
    /// The class of the error.
    pub const fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

/// Reads a date; one that does not name a zone is taken to be in `local`. It needs a day and a time, and must
/// not be before 1970.
///
/// # Errors
/// [`InvalidDate`] when the text is none of the forms, or names a day or time that does not exist.
///
/// ```
/// use git_core_object::{Zone, parse_date};
/// let time = parse_date("Thu, 07 Apr 2005 22:13:13 +0200", Zone::utc()).unwrap();
/// assert_eq!(time.to_string(), "1112904793 +0200");
/// ```
pub fn parse_date(text: &str, local: Zone) -> Result<Time, InvalidDate> {
    let invalid = || InvalidDate(text.chars().take(80).collect());
    let trimmed = text.trim_ascii();
    if let Some(time) = stored_form(trimmed, local) {
        return time.ok_or_else(invalid);
    }
    let mut fields = Fields::default();
    for word in trimmed.split(|c: char| c.is_ascii_whitespace() || c == ',').filter(|w| !w.is_empty()) {
        fields.word(word).ok_or_else(invalid)?;
    }
    fields.time(local).ok_or_else(invalid)
}

/// `None` when the text is not meant to be seconds and a zone, `Some(None)` when it is and fails to be.
fn stored_form(text: &str, local: Zone) -> Option<Option<Time>> {
    let marked = text.strip_prefix('@');
    let rest = marked.unwrap_or(text);
    let (seconds, zone) = match rest.split_once(' ') {
        Some((seconds, zone)) => (seconds, Some(zone.trim_ascii())),
        None => (rest, None),
    };
    let is_number = !seconds.is_empty() && seconds.bytes().all(|b| b.is_ascii_digit());
    let is_zone = zone.is_none_or(|zone| zone.starts_with(['+', '-']));
    if marked.is_none() && !(is_number && is_zone && (zone.is_some() || seconds.len() > 8)) {
        return None;
    }
    let zone = match zone {
        Some(zone) => Zone::parse(zone.as_bytes()),
        None => Some(local),
    };
    Some(match (is_number.then(|| seconds.parse().ok()).flatten(), zone) {
        (Some(seconds), Some(zone)) => Some(Time { seconds, zone }),
        _ => None,
    })
}

#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<u32>,
    day: Option<u32>,
    clock: Option<(u32, u32, u32)>,
    zone: Option<Zone>,
}

impl Fields {
    /// Takes one word; `None` when it is no part of a date, or that part was there before.
    fn word(&mut self, word: &str) -> Option<()> {
        let first = word.chars().next()?;
        if matches!(first, '+' | '-') {
            return self.set_zone(parse_zone(word)?);
        }
        if first.is_ascii_alphabetic() {
            return self.name(word);
        }
        if let Some((date, clock)) = word.split_once(['T', 't']) {
            self.date(date)?;
            return self.clock_and_zone(clock);
        }
        if word.contains(':') {
            return self.clock_and_zone(word);
        }
        match word.parse::<u32>() {
            Ok(day) if word.len() <= 2 => set(&mut self.day, day),
            Ok(year) if word.len() == 4 => set(&mut self.year, i64::from(year)),
            _ => self.date(word),
        }
    }

    fn name(&mut self, word: &str) -> Option<()> {
        const MONTHS: [&str; 12] = [
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ];
        const DAYS: [&str; 7] =
            ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
        let word = word.to_ascii_lowercase();
        if matches!(&word[..], "z" | "utc" | "gmt") {
            return self.set_zone(Zone::utc());
        }
        if word.len() < 3 {
            return None;
        }
        if let Some(month) = MONTHS.iter().position(|m| m.starts_with(&word)) {
            return set(&mut self.month, month as u32 + 1);
        }
        DAYS.iter().any(|d| d.starts_with(&word)).then_some(())
    }

    /// `YYYY-MM-DD`, `YYYY.MM.DD`, `YYYY/MM/DD`, `MM/DD/YYYY`, `DD.MM.YYYY` or `YYYYMMDD`.
    fn date(&mut self, word: &str) -> Option<()> {
        let separator = word.chars().find(|c| !c.is_ascii_digit());
        let (year, month, day) = match separator {
            None if word.len() == 8 => (&word[..4], &word[4..6], &word[6..]),
            Some(c @ ('-' | '.' | '/')) => {
                let mut parts = word.split(c);
                let (a, b, c3) = (parts.next()?, parts.next()?, parts.next()?);
                if parts.next().is_some() {
                    return None;
                }
                match (a.len(), c) {
                    (4, _) => (a, b, c3),
                    (_, '/') => (c3, a, b),
                    (_, '.') => (c3, b, a),
                    _ => return None,
                }
            }
            _ => return None,
        };
        if year.len() != 4 {
            return None;
        }
        set(&mut self.year, i64::from(number(year)?))?;
        set(&mut self.month, number(month)?)?;
        set(&mut self.day, number(day)?)
    }

    /// `HH:MM`, `HH:MM:SS`, either with a fraction that is ignored, or `HHMMSS`; a zone may follow at once.
    fn clock_and_zone(&mut self, word: &str) -> Option<()> {
        let end = word.find(['+', '-', 'Z', 'z']).unwrap_or(word.len());
        let (clock, zone) = word.split_at(end);
        match zone {
            "" => {}
            "Z" | "z" => self.set_zone(Zone::utc())?,
            zone => self.set_zone(parse_zone(zone)?)?,
        }
        let whole = clock.split_once('.').map_or(clock, |(whole, _)| whole);
        let (hour, minute, second) = match whole.split(':').collect::<Vec<_>>()[..] {
            [compact] if compact.len() == 6 && compact.is_ascii() => {
                (&compact[..2], &compact[2..4], &compact[4..])
            }
            [hour, minute] => (hour, minute, "0"),
            [hour, minute, second] => (hour, minute, second),
            _ => return None,
        };
        let clock = (number(hour)?, number(minute)?, number(second)?);
        (clock.0 < 24 && clock.1 < 60 && clock.2 <= 60).then_some(())?;
        set(&mut self.clock, clock)
    }

    fn set_zone(&mut self, zone: Zone) -> Option<()> {
        set(&mut self.zone, zone)
    }

    fn time(&self, local: Zone) -> Option<Time> {
        let (year, month, day) = (self.year?, self.month?, self.day?);
        let (hour, minute, second) = self.clock?;
        let zone = self.zone.unwrap_or(local);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let days_in_month = match month {
            2 => 28 + u32::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (1..=days_in_month).contains(&day).then_some(())?;
        let of_day = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
        let seconds = days_since_1970(year, month, day) * 86_400 + of_day - i64::from(zone.minutes()) * 60;
        (year >= 1970 && seconds >= 0).then_some(Time { seconds, zone })
    }
}

fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    match field.replace(value) {
        None => Some(()),
        Some(_) => None,
    }
}

/// One to four digits.
fn number(text: &str) -> Option<u32> {
    let sound = (1..=4).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

/// `+HHMM`, `+HH:MM` or `+HH`.
fn parse_zone(text: &str) -> Option<Zone> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    match digits.len() {
        3 => Zone::parse(format!("{digits}00").as_bytes()),
        5 => Zone::parse(digits.as_bytes()),
        _ => None,
    }
    .filter(|zone| zone.minutes().abs() < 24 * 60)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; years are counted from March, so that the day a leap
/// year adds comes last.
fn days_since_1970(year: i64, month: u32, day: u32) -> i64 {
    let year = if month < 3 { year - 1 } else { year };
    let months = i64::from((month + 9) % 12);
    let day_of_year = (153 * months + 2) / 5 + i64::from(day) - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_reads_the_same() {
        let local = Zone::from_minutes(180);
        // Recorded from `TZ=UTC-3 git var GIT_AUTHOR_IDENT`, git 2.47.3.
        for (text, expected) in [
            ("@123 +0100", "123 +0100"),
            ("1234567890", "1234567890 +0300"),
            ("1234567890 +0100", "1234567890 +0100"),
            ("2005-04-07T22:13:13", "1112901193 +0300"),
            ("2005-04-07 22:13:13 +0200", "1112904793 +0200"),
            ("2005-04-07T22:13:13Z", "1112911993 +0000"),
            ("2005-04-07T22:13:13.019-04:00", "1112926393 -0400"),
            ("Thu, 07 Apr 2005 22:13:13 +0200", "1112904793 +0200"),
            ("7 Apr 2005 22:13:13 GMT", "1112911993 +0000"),
            ("2005.04.07 22:13:13", "1112901193 +0300"),
            ("04/07/2005 22:13:13", "1112901193 +0300"),
            ("07.04.2005 22:13:13", "1112901193 +0300"),
            ("2005-04-07T22:13", "1112901180 +0300"),
            ("20050407T221313", "1112901193 +0300"),
            ("2005-04-07T22:13:13+02", "1112904793 +0200"),
            ("Thu Apr 7 22:13:13 2005 +0200", "1112904793 +0200"),
        ] {
            assert_eq!(parse_date(text, local).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "@",
            "@x +0000",
            "@1 0100",
            "2005-04-07",
            "22:13:13",
            "2005-02-29 00:00:00",
            "2005-13-01 00:00:00",
            "1969-01-01 00:00:00 Z",
            "2005-04-07 24:00:00",
            "2005-04-07 22:13:13 +0200 +0200",
            "yesterday",
            "2005-04-07T22:13:13é",
            "1970-01-01 00:00:00 +0100",
            "@99999999999999999999 +0000",
            "Tééé",
        ] {
            assert_eq!(parse_date(text, Zone::utc()), Err(InvalidDate(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn days_are_counted_right_over_centuries() {
        assert_eq!(days_since_1970(1970, 1, 1), 0);
        assert_eq!(days_since_1970(2000, 2, 29), 11_016);
        assert_eq!(days_since_1970(2000, 3, 1), 11_017);
        assert_eq!(days_since_1970(2400, 12, 31), 157_419);
    }
}
