//! What a signature says about the body: its SHA-256, or that it is not signed.

use http::HeaderValue;
use sha2::{Digest, Sha256};

use super::encode::Hex;
use super::headers::ascii_value;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The last line of the canonical request, which S3 also wants in `x-amz-content-sha256`.
///
/// See <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadHash {
    /// The body is not part of the signature. S3 only, and only wise over TLS.
    Unsigned,
    /// There is no body.
    Empty,
    /// The SHA-256 of the body, as its 32 bytes.
    Sha256([u8; 32]),
}

impl PayloadHash {
    /// The hash of a body that is in memory.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        if body.is_empty() {
            Self::Empty
        } else {
            Self::Sha256(Sha256::digest(body).into())
        }
    }

    /// Appends the hash as it stands in the canonical request.
    pub(super) fn push_to(&self, out: &mut String) {
        match self {
            Self::Unsigned => out.push_str(UNSIGNED),
            Self::Empty => out.push_str(EMPTY),
            Self::Sha256(digest) => out.push_str(Hex::new(digest).as_str()),
        }
    }

    /// The value of `x-amz-content-sha256`.
    pub(super) fn header_value(&self) -> HeaderValue {
        match self {
            Self::Unsigned => HeaderValue::from_static(UNSIGNED),
            Self::Empty => HeaderValue::from_static(EMPTY),
            Self::Sha256(digest) => ascii_value(Hex::new(digest).as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_body_hashes_like_an_empty_one() {
        assert_eq!(PayloadHash::of(b""), PayloadHash::Empty);
        let hashed = PayloadHash::Sha256(Sha256::digest(b"").into());
        assert_eq!(
            hashed.header_value(),
            PayloadHash::Empty.header_value(),
            "the constant is the hash of nothing"
        );
    }
}
