//! From an object's size and what S3 knows of its bytes to the way it is sent.

use serde::{Deserialize, Serialize};

use crate::error::{ErrorKind, TransferError};
use crate::integrity::{Checksum, Digest};
use crate::s3::StoredChecksums;

/// A resumable upload's chunks are a multiple of this, except the last.
/// [Resumable uploads](https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload)
pub const CHUNK_UNIT: u64 = 256 * 1024;

/// The largest object that GCS holds, in bytes (5 TiB).
pub const LARGEST_OBJECT: u64 = 5 << 40;

/// Up to this many bytes an object is read into memory where its checksum has to be computed: one
/// request instead of three. An isolate holds some dozens of them.
pub const BUFFERED_LIMIT: u64 = 1 << 20;

/// Above this many bytes an upload is resumable. Below, sending it again is cheaper than the extra
/// request that starts a session.
pub const SINGLE_REQUEST_LIMIT: u64 = 8 << 20;

/// The largest object that S3 takes in one request, in bytes (5 GiB). An object up to here whose
/// ETag is an MD5 goes in one stream, so that GCS can check that MD5: it proves only the whole.
pub const LARGEST_PUT: u64 = 5 << 30;

/// The most parts of an object: two levels of composing.
pub const MOST_PARTS: u64 = 1024;

/// How many parts an object is cut into where their length allows it: as many as one request composes
/// (32), less what would make a batch of the queue with two parts in it.
const PARTS: u64 = 30;

/// What one request of a session carries at most, in bytes. Between two of them a transfer can be
/// handed on to another message.
const SLICE: u64 = 1 << 30;
/// The same where a checksum is computed: what was sent and not acknowledged is read again.
const COMPUTED_SLICE: u64 = 256 << 20;

/// How an object is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// One multipart request, the body piped through it.
    Single,
    /// One multipart request, the body first read into memory for its checksums.
    Buffered(Digest),
    /// A resumable session.
    Session(Session),
    /// Parts side by side, composed at the end.
    Parts(Parts),
}

/// How a session carries an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Bytes a request, a multiple of [`CHUNK_UNIT`].
    pub slice: u64,
    /// The checksums that are computed on the way; the last piece then goes by itself, under them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// How an object is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// The object's size in bytes.
    pub total: u64,
    /// Each part's length in bytes, except the last, which has what is left.
    pub length: u64,
    /// The checksums that are computed on the way; none where GCS's own CRC32C of each part is
    /// enough to check S3's of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

impl Session {
    /// The slice at `start` of an object of `total` bytes: how many bytes are sent with it, and how
    /// many of it follow by themselves, the last piece where there is a digest.
    #[must_use]
    pub fn slice_at(self, start: u64, total: u64) -> (u64, u64) {
        let left = total - start;
        if left > self.slice {
            return (self.slice, 0);
        }
        let last = match self.digest {
            None => 0,
            Some(_) => left - (left - 1) / CHUNK_UNIT * CHUNK_UNIT,
        };
        (left - last, last)
    }
}

impl Parts {
    /// How many there are.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::try_from(self.total.div_ceil(self.length)).unwrap_or(u32::MAX)
    }

    /// First byte and length of part `number` (from 0).
    #[must_use]
    pub fn span(self, number: u32) -> (u64, u64) {
        let first = u64::from(number) * self.length;
        (first, self.length.min(self.total.saturating_sub(first)))
    }
}

/// Chooses how to send `size` bytes, of which S3 has the checksums `stored`. `parts_above` is the
/// size from which on parts are allowed, in bytes; `None` where they are not.
///
/// # Errors
/// [`ErrorKind::TooLarge`] above [`LARGEST_OBJECT`].
pub fn plan(
    size: u64,
    stored: &StoredChecksums,
    parts_above: Option<u64>,
) -> Result<Plan, TransferError> {
    if size > LARGEST_OBJECT {
        return Err(TransferError::new(
            ErrorKind::TooLarge,
            format!("The object has {size} bytes; GCS holds at most {LARGEST_OBJECT} (5 TiB)."),
            "Split it at the source, or leave it out of the route.",
        ));
    }
    if let Some(above) = parts_above.filter(|&above| size > above)
        && let Some(digest) = part_digest(size, stored)
    {
        let even = size.div_ceil(PARTS).clamp(above / 4, above * 4);
        let length = even.max(size.div_ceil(MOST_PARTS));
        return Ok(Plan::Parts(Parts {
            total: size,
            length: length.next_multiple_of(1 << 20),
            digest,
        }));
    }
    let digest = stored.digest();
    Ok(match stored.shared {
        Some(_) if size <= SINGLE_REQUEST_LIMIT => Plan::Single,
        Some(_) => Plan::Session(Session {
            slice: SLICE,
            digest: None,
        }),
        None if size <= BUFFERED_LIMIT => Plan::Buffered(digest),
        None => Plan::Session(Session {
            // What cannot be combined has to run over the whole at once.
            slice: if digest.is_combinable() {
                COMPUTED_SLICE
            } else {
                size.next_multiple_of(CHUNK_UNIT)
            },
            digest: Some(digest),
        }),
    })
}

/// What is computed over each part; `None` where S3's checksum proves only the whole in one stream.
#[expect(clippy::option_option, reason = "no parts, or parts with or without")]
fn part_digest(size: u64, stored: &StoredChecksums) -> Option<Option<Digest>> {
    match stored.shared {
        Some(Checksum::Crc32c(_)) => Some(None),
        Some(Checksum::Md5(_)) => (size > LARGEST_PUT).then_some(Some(Digest::default())),
        None => {
            let digest = stored.digest();
            digest.is_combinable().then_some(Some(digest))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::integrity::{Algorithm, SourceChecksum};
    use crate::route::PARTS_ABOVE;
    use crate::s3::Origin;

    const CRC32C: StoredChecksums = StoredChecksums {
        shared: Some(Checksum::Crc32c(1)),
        full: None,
        from: Origin::Stored,
    };
    const MD5: StoredChecksums = StoredChecksums {
        shared: Some(Checksum::Md5([0; 16])),
        full: None,
        from: Origin::Stored,
    };
    const NONE: StoredChecksums = StoredChecksums {
        shared: None,
        full: None,
        from: Origin::Stored,
    };

    fn of(algorithm: Algorithm) -> StoredChecksums {
        StoredChecksums {
            shared: None,
            full: Some(SourceChecksum {
                algorithm,
                value: vec![0; algorithm.length()],
            }),
            from: Origin::Stored,
        }
    }

    #[test]
    fn one_stream_up_to_the_threshold() {
        let plan = |size, stored| plan(size, stored, Some(PARTS_ABOVE)).unwrap();
        assert_eq!(plan(0, &CRC32C), Plan::Single);
        assert_eq!(plan(SINGLE_REQUEST_LIMIT, &MD5), Plan::Single);
        let whole = Plan::Session(Session {
            slice: SLICE,
            digest: None,
        });
        assert_eq!(plan(SINGLE_REQUEST_LIMIT + 1, &CRC32C), whole);
        assert_eq!(plan(PARTS_ABOVE, &CRC32C), whole);
        let digest = Digest::default();
        assert_eq!(plan(0, &NONE), Plan::Buffered(digest));
        assert_eq!(plan(BUFFERED_LIMIT, &NONE), Plan::Buffered(digest));
        assert!(matches!(plan(BUFFERED_LIMIT + 1, &NONE), Plan::Session(_)));
    }

    #[test]
    fn above_it_parts_where_the_proof_can_be_put_together() {
        let in_parts =
            |size, stored: &StoredChecksums| match plan(size, stored, Some(PARTS_ABOVE)).unwrap() {
                Plan::Parts(parts) => Some(parts.digest),
                _ => None,
            };
        let size = PARTS_ABOVE + 1;
        assert_eq!(in_parts(size, &CRC32C), Some(None));
        assert_eq!(in_parts(size, &NONE), Some(Some(Digest::default())));
        let crc64 = in_parts(size, &of(Algorithm::Crc64Nvme)).unwrap();
        assert_eq!(crc64.unwrap().other, Some(Algorithm::Crc64Nvme));
        assert_eq!(in_parts(size, &of(Algorithm::Sha256)), None);
        assert_eq!(in_parts(LARGEST_PUT, &MD5), None);
        assert_eq!(
            in_parts(LARGEST_PUT + 1, &MD5),
            Some(Some(Digest::default()))
        );
        assert!(!matches!(plan(size, &CRC32C, None), Ok(Plan::Parts(_))));
    }

    #[test]
    fn more_than_gcs_holds_is_refused_with_the_reason() {
        assert!(plan(LARGEST_OBJECT, &CRC32C, None).is_ok());
        let error = plan(LARGEST_OBJECT + 1, &CRC32C, None).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
        assert!(error.message.contains("5 TiB"));
    }

    #[test]
    fn the_pieces_of_a_session_cover_the_object_and_leave_a_last_piece_to_a_digest() {
        for size in [
            BUFFERED_LIMIT + 1,
            BUFFERED_LIMIT + CHUNK_UNIT,
            BUFFERED_LIMIT + CHUNK_UNIT + 1,
            COMPUTED_SLICE,
            COMPUTED_SLICE + 1,
            SLICE + 1,
            LARGEST_OBJECT,
        ] {
            for stored in [NONE, of(Algorithm::Sha1)] {
                let Plan::Session(session) = plan(size, &stored, None).unwrap() else {
                    panic!("{size}")
                };
                let mut start = 0;
                while size - start > session.slice {
                    assert_eq!(session.slice_at(start, size), (session.slice, 0));
                    start += session.slice;
                }
                let (sent, last) = session.slice_at(start, size);
                assert_eq!(start + sent + last, size);
                assert_eq!(sent % CHUNK_UNIT, 0);
                assert!((1..=CHUNK_UNIT).contains(&last), "{size}: {last}");
            }
        }
    }

    #[test]
    fn one_request_composes_an_object_as_long_as_its_parts_are_neither_short_nor_long() {
        let parts = |size| match plan(size, &CRC32C, Some(PARTS_ABOVE)).unwrap() {
            Plan::Parts(parts) => (parts.count(), parts.length >> 20),
            other => panic!("{other:?}"),
        };
        assert_eq!(parts(PARTS_ABOVE + 1), (5, 16));
        assert_eq!(parts(4 << 30), (30, 137));
        assert_eq!(parts(100 << 30), (400, 256));
        assert_eq!(parts(5 << 40), (1024, 5120));
    }

    #[test]
    fn parts_cover_the_object_without_gap_or_overlap() {
        for size in [
            PARTS_ABOVE + 1,
            PARTS_ABOVE * 3 + 12_345,
            1 << 40,
            LARGEST_OBJECT,
        ] {
            let Plan::Parts(parts) = plan(size, &CRC32C, Some(PARTS_ABOVE)).unwrap() else {
                panic!("{size}")
            };
            let count = parts.count();
            assert!(u64::from(count) <= MOST_PARTS, "{count}");
            let mut next = 0;
            for number in 0..count {
                let (first, length) = parts.span(number);
                assert_eq!(first, next);
                assert!(length > 0);
                next += length;
            }
            assert_eq!(next, size);
        }
    }
}
