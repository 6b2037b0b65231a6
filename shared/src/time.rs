//! Times as others write them: RFC 3339, which stores, events and what we stored ourselves have, and HTTP's.
//!
//! Jiff reads more than these, and says at length what is wrong with a time; nobody asks here, and that
//! alone would be a fortieth of what deploys. What is no time is `None`.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ::http::header::DATE;
use ::http::{Response, StatusCode};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// Seconds by which another's clock may differ from the one that a request is signed with: AWS takes
/// five minutes at most, S3 fifteen.
const TOLERATED: i64 = 240;

/// What another's clock shows, as far as its refusals tell: seconds from ours to it. Requests are signed
/// with its time, as AWS's own clients do.
#[derive(Debug, Default)]
pub struct Clock(AtomicI64);

impl Clock {
    /// How far it is before ours, in seconds.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Its time at `now`.
    #[must_use]
    pub fn time(&self, now: Timestamp) -> Timestamp {
        let offset = SignedDuration::from_secs(self.offset());
        now.checked_add(offset).unwrap_or(now)
    }

    /// Whether `reply`, which came at `now` to a request that was signed at `offset`, is a refusal that
    /// its Date explains: the request is worth signing again.
    pub fn explains<B>(&self, reply: &Response<B>, now: Timestamp, offset: i64) -> bool {
        let is_refusal = matches!(
            reply.status(),
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        );
        let date = reply.headers().get(DATE).filter(|_| is_refusal);
        let date = date.and_then(|date| http(date.to_str().ok()?));
        let found = date.map(|date| date.as_second() - now.as_second());
        let found = found.filter(|found| (found - offset).abs() >= TOLERATED);
        if let Some(found) = found {
            self.0.store(found, Ordering::Relaxed);
        }
        found.is_some()
    }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];
const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Reads `2026-01-02T03:04:05Z`, with a fraction or an offset where it has one
/// ([RFC 3339, section 5.6](https://www.rfc-editor.org/rfc/rfc3339#section-5.6)).
#[must_use]
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    let (date, rest) = text.split_once('T')?;
    let (time, offset) = if let Some(time) = rest.strip_suffix('Z') {
        (time, 0)
    } else {
        let (time, zone) = rest.split_at(rest.rfind(['+', '-'])?);
        // With a colon, and no other letter.
        (time, offset(zone).filter(|_| zone.contains(':'))?)
    };
    let mut parts = date.split('-');
    let mut part = |length| number(parts.next()?, length);
    let date = (part(4)?, part(2)?, part(2)?);
    parts.next().is_none().then_some(())?;
    at(date, time, offset)
}

/// Reads a time as a store may write it, in a header or in a listing: [`rfc3339`], or [`http()`].
#[must_use]
pub fn any(text: &str) -> Option<Timestamp> {
    rfc3339(text).or_else(|| http(text))
}

/// Reads `Fri, 02 Jan 2026 03:04:05 GMT`, whatever the day is called, HTTP's two older forms
/// ([RFC 9110, section 5.6.7](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7)), and what stores
/// make of them: an offset in the zone's place, a day of one digit, a date in digits, no zone at all.
/// Without a zone it is UTC.
#[must_use]
pub fn http(text: &str) -> Option<Timestamp> {
    let (mut day, mut month, mut year, mut time, mut zone) = (None, None, None, None, None);
    // `2026-01-02T03:04:05` is two words, too.
    let byte = |at| text.as_bytes().get(at);
    let is_joined = byte(4) == Some(&b'-') && matches!(byte(10), Some(b'T' | b't'));
    let text = if is_joined {
        text.replacen(['T', 't'], " ", 1)
    } else {
        text.to_owned()
    };
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        if word.starts_with(['+', '-']) {
            zone = Some(offset(word)?);
        } else if word.contains(':') {
            let end = word.find(['Z', 'z', '+', '-']).unwrap_or(word.len());
            let (clock, behind) = word.split_at(end);
            if !behind.is_empty() {
                zone = Some(offset(behind)?);
            }
            once(&mut time, clock.to_owned())?;
        } else if let [first, middle, last] = word.split('-').collect::<Vec<_>>()[..] {
            let is_iso = first.len() == 4;
            let (years, days) = if is_iso { (first, last) } else { (last, first) };
            let number_of_month = if is_iso {
                digits(middle)
            } else {
                named(middle)
            };
            once(&mut month, number_of_month?)?;
            once(&mut day, digits(days)?)?;
            let short = (years.len() == 2).then(|| digits(years)).flatten();
            let whole = |year| year + if year < 70 { 2000 } else { 1900 };
            once(&mut year, short.map(whole).or_else(|| number(years, 4))?)?;
        } else if let Some(number_of_month) = named(word) {
            once(&mut month, number_of_month)?;
        } else if let Some(number) = number(word, 4) {
            once(&mut year, number)?;
        } else if let Some(number) = digits(word) {
            once(&mut day, number)?;
        } else if matches!(word, "GMT" | "UTC" | "UT" | "Z") {
            zone.get_or_insert(0);
        } else if !DAYS.iter().any(|day| word.starts_with(day)) {
            return None;
        }
    }
    at((year?, month?, day?), &time?, zone.unwrap_or_default())
}

/// Whether two times may be the same one, of which a store shows the second at one place and more at
/// another, rounded or cut. What cannot be read tells nothing.
#[must_use]
pub fn agree(one: Option<Timestamp>, other: Option<Timestamp>) -> bool {
    one.zip(other)
        .is_none_or(|(one, other)| one.duration_since(other).abs() <= SignedDuration::from_secs(1))
}

/// Sets what was not set.
fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

/// The month that is called so.
fn named(word: &str) -> Option<i16> {
    let mut months = (1..).zip(MONTHS);
    Some(months.find(|(_, name)| *name == word)?.0)
}

/// One digit or two.
fn digits(word: &str) -> Option<i16> {
    number(word, 1).or_else(|| number(word, 2))
}

/// Seconds east of Greenwich: `Z`, `+05:30` or `+0530`.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z") {
        return Some(0);
    }
    let digits = text.get(1..)?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(both) => both,
        None => digits.split_at_checked(2)?,
    };
    let within = |part, most| number(part, 2).filter(|number| *number <= most);
    let (hours, minutes) = (within(hours, 23)?, within(minutes, 59)?);
    let seconds = i64::from(hours) * 3600 + i64::from(minutes) * 60;
    Some(if text.starts_with('-') {
        -seconds
    } else {
        seconds
    })
}

/// The time of `date` (year, month, day) and `time`, so many seconds east of Greenwich.
fn at((year, month, day): (i16, i16, i16), time: &str, offset: i64) -> Option<Timestamp> {
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = fraction.get(..9).unwrap_or(fraction);
    let is_fraction = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanoseconds: i32 = format!("{digits:0<9}")
        .parse()
        .ok()
        .filter(|_| is_fraction)?;
    let mut parts = time.split(':');
    let mut part = || i8::try_from(number(parts.next()?, 2)?).ok();
    // A leap second is the one before.
    let (hour, minute, second) = (part()?, part()?, part()?);
    let second = if second == 60 { 59 } else { second };
    parts.next().is_none().then_some(())?;
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let local = DateTime::new(year, month, day, hour, minute, second, nanoseconds).ok()?;
    let time = Offset::UTC.to_timestamp(local).ok()?;
    Timestamp::new(time.as_second() - offset, time.subsec_nanosecond()).ok()
}

/// `length` digits.
fn number(text: &str, length: usize) -> Option<i16> {
    let is_number = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// Reads a stored time.
///
/// # Errors
/// What is no time.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    rfc3339(&text).ok_or_else(|| D::Error::custom("no time"))
}

/// Reads a stored time that may be missing.
///
/// # Errors
/// What is no time.
pub(crate) fn read_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let time = text.map(|text| rfc3339(&text).ok_or_else(|| D::Error::custom("no time")));
    time.transpose()
}

/// Whole milliseconds from `began` to `ended`; 0 where that is earlier.
pub(crate) fn milliseconds(began: Timestamp, ended: Timestamp) -> u64 {
    u64::try_from(ended.duration_since(began).as_millis()).unwrap_or_default()
}

/// So long after `now`. The sum of both would bring jiff's error texts into what deploys.
pub(crate) fn later(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait)
        .ok()
        .and_then(|wait| now.checked_add(wait).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_refusals_date_explains_it_where_the_clocks_differ() {
        let clock = Clock::default();
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let reply = |status: u16, date: &str| {
            let reply = Response::builder().status(status).header(DATE, date);
            reply.body(()).unwrap()
        };
        for (status, date) in [
            (403, "Fri, 02 Jan 2026 03:04:09 GMT"),
            (503, "Fri, 02 Jan 2026 04:04:05 GMT"),
            (200, "Fri, 02 Jan 2026 04:04:05 GMT"),
            (403, "soon"),
        ] {
            assert!(!clock.explains(&reply(status, date), now, 0), "{date}");
            assert_eq!(clock.time(now), now);
        }
        let behind = reply(403, "Fri, 02 Jan 2026 02:04:05 GMT");
        assert!(clock.explains(&behind, now, 0));
        assert_eq!(clock.offset(), -3600);
        assert_eq!(clock.time(now).to_string(), "2026-01-02T02:04:05Z");
        // Whoever signed before that was known signs again, too; whoever knew it does not.
        assert!(clock.explains(&behind, now, 0));
        assert!(!clock.explains(&behind, now, -3600));
    }

    #[test]
    fn an_offset_and_a_second_beyond_the_clock_are_none() {
        for wrong in [
            "2026-01-02T03:04:05+30:00",
            "2026-01-02T03:04:05+24:00",
            "2026-01-02T03:04:05-01:60",
            "2026-01-02T03:04:61Z",
            "2026-01-02T03:60:05Z",
            "2026-01-02T24:04:05Z",
        ] {
            assert_eq!(rfc3339(wrong), None, "{wrong}");
        }
        assert_eq!(
            rfc3339("2016-12-31T23:59:60+23:59"),
            "2016-12-31T23:59:59+23:59".parse().ok()
        );
    }

    #[test]
    fn what_others_write_is_read() {
        for (text, expected) in [
            ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z"),
            ("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z"),
            (
                "2014-10-02T15:01:23.045123456Z",
                "2014-10-02T15:01:23.045123456Z",
            ),
            (
                "2014-10-02T15:01:23.0451234567Z",
                "2014-10-02T15:01:23.045123456Z",
            ),
            ("2014-10-02T15:01:23+05:30", "2014-10-02T09:31:23Z"),
            ("2014-10-02T15:01:23.5-08:00", "2014-10-02T23:01:23.5Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(text).unwrap().to_string(), expected, "{text}");
        }
        let date = http("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(date.to_string(), "1994-11-06T08:49:37Z");
    }

    #[test]
    fn what_stores_make_of_a_date_is_read() {
        for (text, expected) in [
            ("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Sunday, 06-Nov-2094 08:49:37 GMT", "2094-11-06T08:49:37Z"),
            ("Friday, 02-Jan-26 03:04:05 UTC", "2026-01-02T03:04:05Z"),
            ("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z"),
            ("Sun, 06 Nov 1994 08:49:37 +00:00", "1994-11-06T08:49:37Z"),
            ("Sun, 06 Nov 1994 08:49:37 +0000", "1994-11-06T08:49:37Z"),
            ("Sun, 06 Nov 1994 08:49:37 -0130", "1994-11-06T10:19:37Z"),
            ("Sun, 6 Nov 1994 08:49:37 UT ", "1994-11-06T08:49:37Z"),
            ("06 Nov 1994 08:49:37 Z", "1994-11-06T08:49:37Z"),
            ("1994-11-06T08:49:37", "1994-11-06T08:49:37Z"),
            ("1994-11-06t08:49:37.25z", "1994-11-06T08:49:37.25Z"),
            ("1994-11-06T08:49:37+0000", "1994-11-06T08:49:37Z"),
            ("1994-11-06 08:49:37 +0000 UTC", "1994-11-06T08:49:37Z"),
            ("Tue, 01 Nov 1994 08:49:37 GMT", "1994-11-01T08:49:37Z"),
        ] {
            assert_eq!(
                any(text).as_ref().map(ToString::to_string).as_deref(),
                Some(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn times_agree_within_a_second_or_where_one_is_unknown() {
        let at = |text: &str| any(text);
        let header = at("Fri, 02 Jan 2026 03:04:05 GMT");
        for (listed, agrees) in [
            ("2026-01-02T03:04:04.001Z", true),
            ("2026-01-02T03:04:05.999Z", true),
            ("2026-01-02T03:04:04.000Z", true),
            ("2026-01-02T03:04:03.999Z", false),
            ("2026-01-02T03:04:06.001Z", false),
            ("the other day", true),
        ] {
            assert_eq!(agree(header, at(listed)), agrees, "{listed}");
        }
        assert!(agree(None, header) && agree(None, None));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "T",
            "TZ",
            "2026-01-02",
            "2026-01-02T03:04Z",
            "2026-13-02T03:04:05Z",
            "2026-02-30T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:04:05",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05.-1Z",
            "26-1-2T3:4:5Z",
            "2026-01-02T03:04:05+5",
            "2026-01-02T03:04:05é",
            "+026-01-02T03:04:05Z",
            "2026-01-02-03T03:04:05Z",
            "2026-01-02T03:04:05:06Z",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
        for text in [
            "",
            ", ",
            "Sun, 06 Nov 1994",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 +25:00",
            "Sun, 06 Nov 1994 08:49:37 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "1994-Nov-06 08:49:37",
            "06-11-1994 08:49:37",
            "06 Nov 1994",
            "éééééééééé",
        ] {
            assert_eq!(http(text), None, "{text}");
        }
    }
}
