//! What a GetObject reply's headers say about the object, as far as a copy needs it.

use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_TYPE, ETAG, LAST_MODIFIED,
};

use crate::error::{ErrorKind, TransferError};

/// An object at the source: its identity, its length, and what must arrive beside its bytes.
///
/// Header names are those of
/// [GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceObject {
    /// Length in bytes, as stored.
    pub size: u64,
    /// The ETag with its quotes.
    pub etag: String,
    /// The version id, where the bucket has versions.
    pub version_id: Option<String>,
    /// `Last-Modified`, as it stands (an HTTP date).
    pub last_modified: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as stored.
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// User metadata: names without `x-amz-meta-`, in the reply's order.
    pub metadata: Vec<(String, String)>,
    /// `x-amz-checksum-crc32c`: base64, perhaps with `-N` behind it.
    pub crc32c: Option<String>,
    /// `x-amz-checksum-type`: FULL_OBJECT or COMPOSITE.
    pub checksum_type: Option<String>,
    /// Encrypted with a KMS or customer key: the ETag is then no MD5.
    pub encrypted_with_key: bool,
}

impl SourceObject {
    /// Reads the headers of a 200 (or, for a range, 206) reply. `size` is the reply's length.
    ///
    /// # Errors
    /// [`ErrorKind::SourceLengthUnknown`] when there is no Content-Length: nothing could be told
    /// about a body that ends early then. [`ErrorKind::SourceUnexpected`] when there is no ETag.
    pub fn read(headers: &HeaderMap) -> Result<Self, TransferError> {
        let size = text(headers, CONTENT_LENGTH.as_str())
            .and_then(|length| length.parse().ok())
            .ok_or_else(|| {
                TransferError::new(
                    ErrorKind::SourceLengthUnknown,
                    "The source does not say how long the object is (no Content-Length).",
                    "An object is copied only when it can be known to be whole; use a store that sends its length.",
                )
            })?;
        let etag = text(headers, ETAG.as_str()).ok_or_else(|| {
            TransferError::new(
                ErrorKind::SourceUnexpected,
                "The source sent an object without an ETag.",
                "Without it a change during the copy would go unnoticed; use a store that sends ETags.",
            )
        })?;
        Ok(Self {
            size,
            etag,
            version_id: text(headers, "x-amz-version-id").filter(|version| version != "null"),
            last_modified: text(headers, LAST_MODIFIED.as_str()),
            content_type: text(headers, CONTENT_TYPE.as_str()),
            content_encoding: text(headers, CONTENT_ENCODING.as_str()),
            content_disposition: text(headers, CONTENT_DISPOSITION.as_str()),
            content_language: text(headers, CONTENT_LANGUAGE.as_str()),
            cache_control: text(headers, CACHE_CONTROL.as_str()),
            metadata: user_metadata(headers),
            crc32c: text(headers, "x-amz-checksum-crc32c"),
            checksum_type: text(headers, "x-amz-checksum-type"),
            encrypted_with_key: text(headers, "x-amz-server-side-encryption")
                .is_some_and(|method| method != "AES256")
                || headers.contains_key("x-amz-server-side-encryption-customer-algorithm"),
        })
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn user_metadata(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-amz-meta-")?;
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            Some((name.to_owned(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::try_from(*name).unwrap(),
                    HeaderValue::try_from(*value).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn reads_what_a_copy_needs() {
        let object = SourceObject::read(&headers(&[
            ("content-length", "5"),
            ("etag", "\"e\""),
            ("x-amz-version-id", "v"),
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("x-amz-meta-author", "Zoë"),
            ("x-amz-server-side-encryption", "aws:kms"),
        ]))
        .unwrap();
        assert_eq!(object.size, 5);
        assert_eq!(object.version_id.as_deref(), Some("v"));
        assert_eq!(object.content_encoding.as_deref(), Some("gzip"));
        assert_eq!(object.metadata, [("author".into(), "Zoë".into())]);
        assert!(object.encrypted_with_key);
    }

    #[test]
    fn s3s_own_key_is_no_obstacle_to_an_md5() {
        let object = SourceObject::read(&headers(&[
            ("content-length", "0"),
            ("etag", "\"e\""),
            ("x-amz-server-side-encryption", "AES256"),
        ]))
        .unwrap();
        assert!(!object.encrypted_with_key);
    }

    #[test]
    fn a_missing_length_or_etag_is_an_error_and_never_zero() {
        let no_length = SourceObject::read(&headers(&[("etag", "\"e\"")]));
        assert_eq!(no_length.unwrap_err().kind, ErrorKind::SourceLengthUnknown);
        let no_etag = SourceObject::read(&headers(&[("content-length", "0")]));
        assert_eq!(no_etag.unwrap_err().kind, ErrorKind::SourceUnexpected);
    }
}
