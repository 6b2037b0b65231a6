//! When and for what a signature holds: the time in the format of SigV4, and the credential scope.

use std::fmt;

use jiff::{Timestamp, tz::Offset};

use super::SigningError;
use super::encode::ascii;

/// A time as signatures write it: UTC in ISO 8601's basic format to the second, `20150830T123600Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AmzDate([u8; 16]);

impl AmzDate {
    /// Cuts `now` to the second.
    ///
    /// # Errors
    /// [`SigningError::Clock`] before 1970.
    pub fn new(now: Timestamp) -> Result<Self, SigningError> {
        if now < Timestamp::UNIX_EPOCH {
            return Err(SigningError::Clock { now });
        }
        let at = Offset::UTC.to_datetime(now);
        let mut text = *b"00000000T000000Z";
        put(&mut text[0..4], at.year().unsigned_abs());
        put(&mut text[4..6], at.month().unsigned_abs().into());
        put(&mut text[6..8], at.day().unsigned_abs().into());
        put(&mut text[9..11], at.hour().unsigned_abs().into());
        put(&mut text[11..13], at.minute().unsigned_abs().into());
        put(&mut text[13..15], at.second().unsigned_abs().into());
        Ok(Self(text))
    }

    /// The whole, for `x-amz-date`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// The day, for the scope: `20150830`.
    #[must_use]
    pub fn day(&self) -> &str {
        &self.as_str()[..8]
    }
}

/// Writes `number` in decimal over all of `digits`, leading zeros included.
fn put(digits: &mut [u8], mut number: u16) {
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).expect("below ten");
        number /= 10;
    }
}

/// The day, region and service that a [`SigningKey`](super::SigningKey) is good for:
/// `20150830/us-east-1/s3/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningScope(String);

impl SigningScope {
    /// The scope of the day of `date`.
    ///
    /// # Errors
    /// [`SigningError::ScopePart`] where the region or the service is empty or holds anything but letters, digits,
    /// `-` and `_`.
    pub fn new(date: &AmzDate, region: &str, service: &str) -> Result<Self, SigningError> {
        check_part("region", region)?;
        check_part("service", service)?;
        Ok(Self(format!(
            "{}/{region}/{service}/aws4_request",
            date.day()
        )))
    }

    /// The scope as it stands in a string to sign and behind the access key id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The day, `20150830`.
    #[must_use]
    pub fn day(&self) -> &str {
        &self.0[..8]
    }

    /// Day, region, service and the closing `aws4_request`: what a signing key is derived from, in that order.
    pub(super) fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }
}

impl fmt::Display for SigningScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `found` can stand between the slashes of a scope.
pub(super) fn check_part(part: &'static str, found: &str) -> Result<(), SigningError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if found.is_empty() || !found.bytes().all(fits) {
        let found = found.to_owned();
        return Err(SigningError::ScopePart { part, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn amz_date(seconds: i64, nanoseconds: i32) -> Result<AmzDate, SigningError> {
        AmzDate::new(Timestamp::new(seconds, nanoseconds).unwrap())
    }

    #[test]
    fn times_are_padded_and_cut_to_the_second() {
        assert_eq!(amz_date(0, 0).unwrap().as_str(), "19700101T000000Z");
        let last = amz_date(951_868_799, 999_999_999).unwrap();
        assert_eq!(last.as_str(), "20000229T235959Z");
        assert_eq!(last.day(), "20000229");
    }

    #[test]
    fn a_clock_before_1970_is_refused() {
        let error = amz_date(0, -1).unwrap_err();
        assert!(matches!(error, SigningError::Clock { .. }), "{error}");
        assert!(!error.is_configuration());
    }

    #[test]
    fn a_scope_names_day_region_and_service() {
        let date = amz_date(1_440_938_160, 0).unwrap();
        let scope = SigningScope::new(&date, "us-east-1", "s3").unwrap();
        assert_eq!(scope.as_str(), "20150830/us-east-1/s3/aws4_request");
        assert_eq!(scope.to_string(), scope.as_str());
        assert_eq!(scope.day(), "20150830");
    }

    #[test]
    fn a_region_that_breaks_the_scope_is_refused() {
        let date = amz_date(0, 0).unwrap();
        for region in ["", "us/east", "us east", "us-east-1\n"] {
            let error = SigningScope::new(&date, region, "s3").unwrap_err();
            assert!(error.is_configuration());
            assert!(error.to_string().contains("a region is"), "{error}");
        }
        let error = SigningScope::new(&date, "auto", "").unwrap_err();
        assert!(error.to_string().contains("a service is"), "{error}");
    }
}
