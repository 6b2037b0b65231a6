//! Whether the reply to a ranged read carries the bytes that were asked for.

use bytes::Bytes;
use http::header::CONTENT_RANGE;
use http::{Response, StatusCode};

use super::object::text;
use super::{Refusal, SourceObject, is_same, refusal};
use crate::error::{ErrorKind, TransferError};

/// Some bytes of one very object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<'a> {
    /// The first byte.
    pub start: u64,
    /// How many; not 0.
    pub length: u64,
    /// Of how many in all.
    pub total: u64,
    /// The object's validator.
    pub etag: &'a str,
}

impl Span<'_> {
    /// Whether `reply`, to a read of these bytes in `bucket`, carries them.
    ///
    /// # Errors
    /// [`ErrorKind::SourceChanged`] when the object is gone or another, [`ErrorKind::SourceBroken`]
    /// when the bytes are others, or what [`refusal()`] makes of a refusal.
    pub fn check(self, reply: &Response<Bytes>, bucket: &str) -> Result<(), TransferError> {
        if !reply.status().is_success() {
            return Err(match refusal(reply, bucket) {
                Refusal::Gone => changed("it was deleted"),
                Refusal::Failed(error) => error,
            });
        }
        let found = SourceObject::read(reply.headers())?;
        let validator = found.validator();
        if !is_same(&validator, self.etag) {
            return Err(changed(&format!("{} is now {validator}", self.etag)));
        }
        check_range(reply, self.start, self.length, self.total)?;
        if found.size != self.length {
            let (found, length) = (found.size, self.length);
            return Err(changed(&format!("{found} bytes are left of {length}")));
        }
        Ok(())
    }
}

fn changed(how: &str) -> TransferError {
    TransferError::new(
        ErrorKind::SourceChanged,
        format!("The object changed while it was read: {how}."),
        "Nothing to do: the new one is copied instead.",
    )
}

/// Whether `reply`, a 200 or 206, has exactly `length` bytes from `start` on of an object of `total`
/// bytes ([RFC 9110, section 14.4](https://www.rfc-editor.org/rfc/rfc9110#section-14.4)). That its
/// Content-Length is `length`, too, is for the caller to compare.
///
/// # Errors
/// [`ErrorKind::SourceBroken`] when it has others, or does not say.
fn check_range<B>(
    reply: &Response<B>,
    start: u64,
    length: u64,
    total: u64,
) -> Result<(), TransferError> {
    let found = text(reply.headers(), CONTENT_RANGE.as_str());
    let is_all = start == 0 && length == total;
    let expected = (length > 0).then(|| format!("bytes {start}-{}/{total}", start + length - 1));
    match reply.status() {
        StatusCode::OK if is_all => return Ok(()),
        StatusCode::PARTIAL_CONTENT if expected.is_some() && found == expected => return Ok(()),
        _ => {}
    }
    Err(TransferError::new(
        ErrorKind::SourceBroken,
        format!(
            "S3 was asked for {} and answered {} with {}.",
            expected.as_deref().unwrap_or("no bytes"),
            reply.status().as_u16(),
            found.as_deref().unwrap_or("no Content-Range"),
        ),
        "It starts over; with a store that reads no ranges, each break costs the whole object again.",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reply(status: u16, range: Option<&str>) -> Response<()> {
        let mut reply = Response::builder().status(status);
        if let Some(range) = range {
            reply = reply.header(CONTENT_RANGE, range);
        }
        reply.body(()).unwrap()
    }

    #[test]
    fn only_the_very_bytes_that_were_asked_for_will_do() {
        let check = |status, range| check_range(&reply(status, range), 5, 3, 10);
        assert_eq!(check(206, Some("bytes 5-7/10")), Ok(()));
        for (status, range) in [
            (206, None),
            (200, None),
            (200, Some("bytes 5-7/10")),
            (206, Some("bytes 5-7/*")),
            (206, Some("bytes 5-7/11")),
            (206, Some("bytes 5-8/10")),
            (206, Some("bytes 0-2/10")),
            (206, Some("")),
        ] {
            let error = check(status, range).unwrap_err();
            assert_eq!(error.kind, ErrorKind::SourceBroken, "{status} {range:?}");
        }
    }

    #[test]
    fn the_whole_object_is_a_range_too() {
        assert_eq!(check_range(&reply(200, None), 0, 10, 10), Ok(()));
        assert_eq!(check_range(&reply(200, None), 0, 0, 0), Ok(()));
        assert!(check_range(&reply(200, None), 0, 9, 10).is_err());
        let range = Some("bytes 0-9/10");
        assert_eq!(check_range(&reply(206, range), 0, 10, 10), Ok(()));
        assert!(check_range(&reply(206, None), 0, 0, 0).is_err());
    }
}
