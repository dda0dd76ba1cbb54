//! Dates as git prints them (`--date=` in `git-log(1)`).

use git_core_object::Time;
use std::time::{SystemTime, UNIX_EPOCH};

/// A form of dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateFormat {
    /// `Thu Apr 7 15:13:13 2005 -0700`
    #[default]
    Default,
    /// `1112911993 -0700`
    Raw,
    /// `1112911993`
    Unix,
    /// `2005-04-07 15:13:13 -0700`
    Iso,
    /// `2005-04-07T15:13:13-07:00`
    IsoStrict,
    /// `2005-04-07`
    Short,
    /// `Thu, 7 Apr 2005 15:13:13 -0700`
    Rfc,
    /// `4 weeks ago`
    Relative,
}

const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl DateFormat {
    /// The form of this name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"default" => DateFormat::Default,
            b"raw" => DateFormat::Raw,
            b"unix" => DateFormat::Unix,
            b"iso" | b"iso8601" => DateFormat::Iso,
            b"iso-strict" | b"iso8601-strict" => DateFormat::IsoStrict,
            b"short" => DateFormat::Short,
            b"rfc" | b"rfc2822" => DateFormat::Rfc,
            _ => return None,
        })
    }

    /// The date, in the zone it was recorded in.
    pub fn show(self, time: &Time) -> String {
        let minutes = i64::from(time.zone.minutes());
        let local = time.seconds.saturating_add(minutes * 60);
        let (days, of_day) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let weekday = DAYS[(days + 4).rem_euclid(7) as usize];
        let month_name = MONTHS[month as usize - 1];
        let sign = if minutes < 0 { '-' } else { '+' };
        let (zone_hour, zone_minute) = (minutes.abs() / 60, minutes.abs() % 60);
        let zone = format!("{sign}{zone_hour:02}{zone_minute:02}");
        match self {
            DateFormat::Raw => format!("{} {zone}", time.seconds),
            DateFormat::Unix => time.seconds.to_string(),
            DateFormat::Default => {
                format!("{weekday} {month_name} {day} {hour:02}:{minute:02}:{second:02} {year} {zone}")
            }
            DateFormat::Iso => {
                format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {zone}")
            }
            DateFormat::IsoStrict => {
                let zone = if minutes == 0 {
                    "Z".to_owned()
                } else {
                    format!("{sign}{zone_hour:02}:{zone_minute:02}")
                };
                format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}")
            }
            DateFormat::Short => format!("{year:04}-{month:02}-{day:02}"),
            DateFormat::Relative => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
                relative(now.cast_signed() - time.seconds)
            }
            DateFormat::Rfc => {
                format!("{weekday}, {day} {month_name} {year} {hour:02}:{minute:02}:{second:02} {zone}")
            }
        }
    }
}

/// How long ago something was, in words.
fn relative(seconds: i64) -> String {
    let ago = |count: i64, unit: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {unit}{plural} ago")
    };
    if seconds < 0 {
        return "in the future".to_owned();
    }
    if seconds < 90 {
        return ago(seconds, "second");
    }
    let minutes = (seconds + 30) / 60;
    if minutes < 90 {
        return ago(minutes, "minute");
    }
    let hours = (minutes + 30) / 60;
    if hours < 36 {
        return ago(hours, "hour");
    }
    let days = (hours + 12) / 24;
    match days {
        ..14 => ago(days, "day"),
        14..70 => ago((days + 3) / 7, "week"),
        70..365 => ago((days + 15) / 30, "month"),
        365..1825 => {
            let months = (days * 24 + 365) / 730;
            let (years, months) = (months / 12, months % 12);
            if months == 0 {
                return ago(years, "year");
            }
            let plural = if years == 1 { "" } else { "s" };
            format!("{years} year{plural}, {}", ago(months, "month"))
        }
        _ => ago((days + 183) / 365, "year"),
    }
}

/// Year, month and day of a number of days after 1970-01-01. Years are counted from March.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_read_as_git_writes_them() {
        let time = Time::new(1_112_911_993, -420);
        for (name, expected) in [
            ("default", "Thu Apr 7 15:13:13 2005 -0700"),
            ("raw", "1112911993 -0700"),
            ("unix", "1112911993"),
            ("iso", "2005-04-07 15:13:13 -0700"),
            ("iso-strict", "2005-04-07T15:13:13-07:00"),
            ("short", "2005-04-07"),
            ("rfc", "Thu, 7 Apr 2005 15:13:13 -0700"),
        ] {
            assert_eq!(DateFormat::from_name(name.as_bytes()).unwrap().show(&time), expected);
        }
        assert_eq!(DateFormat::Iso.show(&Time::new(951_782_400, 0)), "2000-02-29 00:00:00 +0000");
    }
}
