//! From an object's size to the way it is sent.
//!
//! Parallel parts of large objects are not planned here yet: one stream carries any size.

use crate::error::{ErrorKind, TransferError};

/// A resumable upload's chunks are a multiple of this, except the last.
/// [Resumable uploads](https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload)
pub const CHUNK_UNIT: u64 = 256 * 1024;

/// The largest object that GCS holds, in bytes (5 TiB).
pub const LARGEST_OBJECT: u64 = 5 << 40;

/// Above this many bytes an upload is resumable. Below, sending it again is cheaper than the extra
/// request that starts a session.
pub const SINGLE_REQUEST_LIMIT: u64 = 8 << 20;

/// How an object is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// One multipart request, the body piped through it.
    Single,
    /// One multipart request, the body first read into memory for its checksum.
    Buffered,
    /// A resumable session, all bytes in one request.
    Resumable,
    /// A resumable session in two pieces, so that the computed checksum can go with the last one.
    ResumableComputed {
        /// The first piece's length, a multiple of [`CHUNK_UNIT`], in bytes.
        first: u64,
        /// The last piece's length: 1 byte to [`CHUNK_UNIT`].
        last: u64,
    },
}

/// Chooses how to send `size` bytes of which S3 has, or has not, a checksum that GCS can check.
///
/// # Errors
/// [`ErrorKind::TooLarge`] above [`LARGEST_OBJECT`].
pub fn plan(size: u64, has_shared_checksum: bool) -> Result<Plan, TransferError> {
    if size > LARGEST_OBJECT {
        return Err(TransferError::new(
            ErrorKind::TooLarge,
            format!("The object has {size} bytes; GCS holds at most {LARGEST_OBJECT} (5 TiB)."),
            "Split it at the source, or leave it out of the route.",
        ));
    }
    Ok(match (has_shared_checksum, size) {
        (true, ..=SINGLE_REQUEST_LIMIT) => Plan::Single,
        (true, _) => Plan::Resumable,
        (false, ..=CHUNK_UNIT) => Plan::Buffered,
        (false, _) => {
            let first = (size - 1) / CHUNK_UNIT * CHUNK_UNIT;
            Plan::ResumableComputed {
                first,
                last: size - first,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_boundaries() {
        assert_eq!(plan(0, true).unwrap(), Plan::Single);
        assert_eq!(plan(SINGLE_REQUEST_LIMIT, true).unwrap(), Plan::Single);
        assert_eq!(
            plan(SINGLE_REQUEST_LIMIT + 1, true).unwrap(),
            Plan::Resumable
        );
        assert_eq!(plan(LARGEST_OBJECT, true).unwrap(), Plan::Resumable);
        assert_eq!(
            plan(LARGEST_OBJECT + 1, true).unwrap_err().kind,
            ErrorKind::TooLarge
        );
        assert_eq!(plan(0, false).unwrap(), Plan::Buffered);
        assert_eq!(plan(CHUNK_UNIT, false).unwrap(), Plan::Buffered);
    }

    #[test]
    fn a_computed_checksum_leaves_a_last_piece_of_one_byte_to_one_unit() {
        for size in [
            CHUNK_UNIT + 1,
            2 * CHUNK_UNIT,
            2 * CHUNK_UNIT + 1,
            LARGEST_OBJECT,
        ] {
            let Plan::ResumableComputed { first, last } = plan(size, false).unwrap() else {
                panic!("{size}")
            };
            assert_eq!(first + last, size);
            assert_eq!(first % CHUNK_UNIT, 0);
            assert!((1..=CHUNK_UNIT).contains(&last), "{size}");
        }
    }
}
