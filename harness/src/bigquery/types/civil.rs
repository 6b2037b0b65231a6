//! DATE, TIME, DATETIME and TIMESTAMP
//! (<https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#date_type>).

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::MICROS;

/// `YYYY-[M]M-[D]D`.
pub(super) fn date(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?, 4..=4)?;
    let month = digits(parts.next()?, 1..=2)?;
    let day = digits(parts.next()?, 1..=2)?;
    if year < 1 {
        return None;
    }
    Date::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
    )
    .ok()
}

/// `[H]H:[M]M:[S]S[.F]`, up to six digits behind the point.
pub(super) fn time(text: &str) -> Option<Time> {
    let mut parts = text.splitn(3, ':');
    let hour = digits(parts.next()?, 1..=2)?;
    let minute = digits(parts.next()?, 1..=2)?;
    let seconds = parts.next()?;
    let (second, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let second = digits(second, 1..=2)?;
    let micros = digits(part, 1..=6)? * 10_i32.pow(6 - u32::try_from(part.len()).ok()?);
    // A leap second would be taken for the one before.
    Time::new(
        i8::try_from(hour).ok()?,
        i8::try_from(minute).ok()?,
        i8::try_from(second).ok()?,
        micros * 1000,
    )
    .ok()
}

/// A date, and behind ` ` or `T` a time.
pub(super) fn datetime(text: &str) -> Option<DateTime> {
    let Some((day, clock)) = text.split_once([' ', 'T', 't']) else {
        return Some(date(text)?.to_datetime(Time::midnight()));
    };
    Some(date(day)?.to_datetime(time(clock)?))
}

/// A DATETIME with an offset or `UTC` behind it, in UTC without; or seconds from 1970 on.
pub(super) fn timestamp(text: &str) -> Option<i64> {
    if let Some(micros) = epoch(text) {
        return Some(micros);
    }
    let (civil, offset) = split_offset(text)?;
    let at = TimeZone::fixed(offset)
        .to_timestamp(datetime(civil)?)
        .ok()?;
    in_range(at.as_microsecond())
}

fn split_offset(text: &str) -> Option<(&str, Offset)> {
    for utc in ["Z", "z", " UTC", "UTC"] {
        if let Some(civil) = text.strip_suffix(utc) {
            return Some((civil, Offset::UTC));
        }
    }
    // A sign of an offset stands behind the time; those of the date before it.
    let clock = text.find(':').unwrap_or(text.len());
    let Some(at) = text[clock..].find(['+', '-']).map(|at| clock + at) else {
        return Some((text, Offset::UTC));
    };
    let (civil, offset) = text.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset[1..].split_once(':').unwrap_or((&offset[1..], "0"));
    let hours = digits(hours, 1..=2)?;
    let minutes = digits(minutes, 1..=2)?;
    if hours > 14 || minutes > 59 {
        return None;
    }
    let offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()?;
    Some((civil.trim_end_matches(' '), offset))
}

fn epoch(text: &str) -> Option<i64> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole) || !plain(part) || part.len() > 6 {
        return None;
    }
    let part = format!("{part:0<6}").parse::<i64>().ok()?;
    let micros = whole
        .parse::<i64>()
        .ok()?
        .checked_mul(MICROS)?
        .checked_add(part)?;
    in_range(if text.starts_with('-') {
        -micros
    } else {
        micros
    })
}

/// From the first of January of the year 1 to the end of 9999.
fn in_range(micros: i64) -> Option<i64> {
    (-62_135_596_800_000_000..=253_402_300_799_999_999)
        .contains(&micros)
        .then_some(micros)
}

fn digits(text: &str, lengths: std::ops::RangeInclusive<usize>) -> Option<i32> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    (all && lengths.contains(&text.len())).then(|| text.parse().ok())?
}

/// The date that many days after 1970-01-01.
pub(crate) fn date_text(days: i64) -> Option<String> {
    let hours = days.checked_mul(24).filter(|hours| hours.abs() < 1 << 40)?;
    let date = Date::new(1970, 1, 1)
        .ok()?
        .checked_add(SignedDuration::from_hours(hours))
        .ok()?;
    (date.year() >= 1).then(|| date.to_string())
}

/// The time of day that many microseconds after midnight.
pub(crate) fn time_text(micros: i64) -> Option<String> {
    if !(0..86_400 * MICROS).contains(&micros) {
        return None;
    }
    let time = Time::midnight()
        .checked_add(SignedDuration::from_micros(micros))
        .ok()?;
    Some(clock(time))
}

/// The DATETIME that many microseconds after 1970-01-01 00:00:00.
pub(crate) fn datetime_text(micros: i64) -> Option<String> {
    let at = Timestamp::from_microsecond(in_range(micros)?).ok()?;
    Some(shown(TimeZone::UTC.to_datetime(at)))
}

/// As the API shows it.
pub(super) fn shown(at: DateTime) -> String {
    format!("{}T{}", at.date(), clock(at.time()))
}

/// As the API shows it: microseconds only where there are some.
pub(super) fn clock(time: Time) -> String {
    let micros = time.subsec_nanosecond() / 1000;
    let whole = format!(
        "{:02}:{:02}:{:02}",
        time.hour(),
        time.minute(),
        time.second()
    );
    if micros == 0 {
        whole
    } else {
        format!("{whole}.{micros:06}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_are_read_strictly() {
        for (text, wanted) in [
            ("2026-11-27", true),
            ("2026-1-2", true),
            ("2026-02-29", false),
            ("0000-01-01", false),
            ("26-01-01", false),
            ("2026-11-27 ", false),
            ("2026/11/27", false),
        ] {
            assert_eq!(date(text).is_some(), wanted, "{text}");
        }
        for (text, wanted) in [
            ("1:2:3", true),
            ("23:59:59.999999", true),
            ("24:00:00", false),
            ("23:59:60", false),
            ("12:00", false),
            ("12:00:00.1234567", false),
        ] {
            assert_eq!(time(text).is_some(), wanted, "{text}");
        }
    }

    #[test]
    fn timestamps_have_an_offset_or_are_in_utc() {
        let noon = Some(1_795_780_800_000_000);
        for text in [
            "2026-11-27 12:00:00",
            "2026-11-27T12:00:00Z",
            "2026-11-27 12:00:00 UTC",
            "2026-11-27T13:30:00+01:30",
            "2026-11-27 4:00:00-8",
            "1795780800",
            "1795780800.0",
        ] {
            assert_eq!(timestamp(text), noon, "{text}");
        }
        assert_eq!(timestamp("1969-12-31 23:59:59.5"), Some(-500_000));
        for text in [
            "",
            "now",
            "2026-11-27T12:00:00+15:00",
            "2026-11-27T12:00",
            "10000-01-01 00:00:00",
            "253402300800",
            "1.5e9",
        ] {
            assert_eq!(timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn counts_become_the_same_texts() {
        assert_eq!(date_text(-1).as_deref(), Some("1969-12-31"));
        assert_eq!(date_text(i64::MAX), None);
        assert_eq!(time_text(3_600_000_001).as_deref(), Some("01:00:00.000001"));
        assert_eq!(time_text(-1), None);
        assert_eq!(
            datetime_text(1_500_000).as_deref(),
            Some("1970-01-01T00:00:01.500000")
        );
    }
}
