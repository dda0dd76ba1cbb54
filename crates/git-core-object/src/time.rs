//! Moments as commits and tags record them: seconds since 1970 and the zone of whoever wrote them.
//!
//! Reading dates as people write them is left to `date`.

use std::fmt;

/// A moment and the zone it was recorded in, as in `1112911993 -0700`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub seconds: i64,
    /// The recorded distance of local time from UTC.
    pub zone: Zone,
}

/// A zone as it was written, such as `-0200`, `-0000` or the historic `+051800`; the text is kept as it came.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zone {
    text: [u8; Zone::MAX_LEN],
    len: u8,
    minutes: i32,
}

impl Zone {
    /// The longest text kept, in bytes.
    pub const MAX_LEN: usize = 11;

    /// `+0000`.
    pub fn utc() -> Self {
        Self::from_minutes(0)
    }

    /// The zone this many minutes east of UTC, written in the usual five characters.
    ///
    /// Distances beyond 99 hours are clamped to `±9959`.
    pub fn from_minutes(minutes: i32) -> Self {
        let bound = 99 * 60 + 59;
        let minutes = minutes.clamp(-bound, bound);
        let sign = if minutes < 0 { '-' } else { '+' };
        let absolute = minutes.unsigned_abs();
        let text = format!("{sign}{:02}{:02}", absolute / 60, absolute % 60);
        let mut zone = Zone { text: [0; Zone::MAX_LEN], len: 5, minutes };
        zone.text[..5].copy_from_slice(text.as_bytes());
        zone
    }

    /// Reads a sign and one to ten digits. The last two digits are minutes, whatever stands before them hours,
    /// which is how git reads them.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (sign, digits) = text.split_first()?;
        if !matches!(sign, b'+' | b'-')
            || digits.is_empty()
            || text.len() > Zone::MAX_LEN
            || !digits.iter().all(u8::is_ascii_digit)
        {
            return None;
        }
        let number = digits.iter().fold(0i64, |n, d| n * 10 + i64::from(d - b'0'));
        let minutes = number / 100 * 60 + number % 100;
        let minutes = i32::try_from(if *sign == b'-' { -minutes } else { minutes }).ok()?;
        let mut zone = Zone { text: [0; Zone::MAX_LEN], len: text.len() as u8, minutes };
        zone.text[..text.len()].copy_from_slice(text);
        Some(zone)
    }

    /// Minutes east of UTC.
    pub const fn minutes(&self) -> i32 {
        self.minutes
    }

    /// The text as it was written.
    pub fn text(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self::utc()
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.text()))
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Time {
    /// A moment, and how many minutes east of UTC it was recorded.
    pub fn new(seconds: i64, offset_minutes: i32) -> Self {
        Time { seconds, zone: Zone::from_minutes(offset_minutes) }
    }

    /// Reads the form that commits and tags store: seconds, blanks, zone. A missing zone reads as `+0000`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = text.trim_ascii();
        let end = text.iter().position(|b| b.is_ascii_whitespace()).unwrap_or(text.len());
        let seconds = parse_seconds(&text[..end])?;
        let zone = match text[end..].trim_ascii_start() {
            b"" => Zone::utc(),
            zone => Zone::parse(zone)?,
        };
        Some(Time { seconds, zone })
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.seconds, self.zone)
    }
}

/// An optional minus and decimal digits, nothing else; `None` when it does not fit.
fn parse_seconds(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_keep_their_text() {
        for (text, minutes) in
            [("+0000", 0), ("-0000", 0), ("-0200", -120), ("+0530", 330), ("+051800", 31_080), ("-7", -7)]
        {
            let zone = Zone::parse(text.as_bytes()).unwrap();
            assert_eq!((zone.minutes(), zone.to_string()), (minutes, text.to_owned()));
        }
        for text in ["", "+", "0200", "+02:00", "+12345678901", "+0a00"] {
            assert_eq!(Zone::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Zone::from_minutes(-150).to_string(), "-0230");
        assert_eq!(Zone::from_minutes(i32::MIN).to_string(), "-9959");
    }

    #[test]
    fn times_are_read_leniently() {
        assert_eq!(Time::parse(b"12 -0200"), Some(Time::new(12, -120)));
        assert_eq!(Time::parse(b" 12"), Some(Time::new(12, 0)));
        assert_eq!(Time::parse(b"99999999999999999999 +0000"), None);
        assert_eq!(Time::parse(b"1 UTC"), None);
        assert_eq!(Time::new(-5, 60).to_string(), "-5 +0100");
    }
}
