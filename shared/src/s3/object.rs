//! What a GetObject reply's headers say about the object, as far as a copy needs it.

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};

use super::validator::validator;
use super::{Composite, StoredChecksums, Tags, decode_words};
use crate::error::{ErrorKind, TransferError};

const AWS_CHUNKED: &str = "aws-chunked";

/// An object at the source: its identity, its length, and what must arrive beside its bytes.
///
/// Header names are those of
/// [GetObject](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceObject {
    /// Length in bytes, as stored.
    pub size: u64,
    /// The ETag with its quotes; empty where the store says none.
    pub etag: String,
    /// The version id, where the bucket has versions.
    pub version_id: Option<String>,
    /// `Last-Modified`, as it stands (an HTTP date).
    pub last_modified: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as stored, without what some stores leave of the upload's framing.
    pub content_encoding: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Expires`, as it stands.
    pub expires: Option<String>,
    /// `x-amz-website-redirect-location`.
    pub website_redirect_location: Option<String>,
    /// User metadata by its names without `x-amz-meta-`; encoded words are decoded.
    pub metadata: BTreeMap<String, String>,
    /// `x-amz-missing-meta`: how many entries S3 keeps and cannot show in a header.
    pub missing_metadata: u32,
    /// Headers of the above that are none of it: their values are no UTF-8, or they have no name
    /// behind `x-amz-meta-`.
    pub unreadable: Vec<String>,
    /// The tags. No header says them: empty until they are asked for.
    pub tags: Tags,
    /// The checksums of the whole object that S3 has.
    pub checksums: StoredChecksums,
    /// The checksum of its parts' checksums that S3 has, until those were asked for.
    pub composite: Option<Composite>,
}

impl SourceObject {
    /// Reads the headers of a 200 (or, for a range, 206) reply. `size` is the reply's length; of a
    /// 206, the checksums are those of who knows what.
    ///
    /// # Errors
    /// [`ErrorKind::SourceLengthUnknown`] when there is no Content-Length: nothing could be told
    /// about a body that ends early then. [`ErrorKind::SourceUnexpected`] when there is neither an ETag nor
    /// a time, unless the object is empty.
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
        check_unframed(headers, size)?;
        let etag = text(headers, ETAG.as_str()).unwrap_or_default();
        let last_modified = text(headers, LAST_MODIFIED.as_str());
        if etag.is_empty() && last_modified.is_none() && size > 0 {
            return Err(no_validator());
        }
        let checksums = StoredChecksums::read(headers, &etag);
        Ok(Self {
            size,
            etag,
            version_id: text(headers, "x-amz-version-id").filter(|version| version != "null"),
            last_modified,
            content_type: readable(headers, CONTENT_TYPE.as_str()),
            content_encoding: content_encoding(headers),
            content_disposition: readable(headers, CONTENT_DISPOSITION.as_str()),
            content_language: readable(headers, CONTENT_LANGUAGE.as_str()),
            cache_control: readable(headers, CACHE_CONTROL.as_str()),
            expires: readable(headers, EXPIRES.as_str()),
            website_redirect_location: readable(headers, WEBSITE_REDIRECT_LOCATION),
            metadata: user_metadata(headers),
            missing_metadata: text(headers, "x-amz-missing-meta")
                .and_then(|count| count.parse().ok())
                .unwrap_or_default(),
            unreadable: unreadable(headers),
            tags: Tags::new(),
            checksums,
            composite: Composite::read(headers),
        })
    }

    /// What tells it from another object of its key.
    #[must_use]
    pub fn validator(&self) -> String {
        validator(&self.etag, self.last_modified.as_deref())
    }
}

/// An object that nothing tells from another of its key.
pub(crate) fn no_validator() -> TransferError {
    TransferError::new(
        ErrorKind::SourceUnexpected,
        "The source sent an object with neither an ETag nor a Last-Modified.",
        "Without either a change during the copy would go unnoticed; use a store that sends one.",
    )
}

/// What a reply's headers tell the object by; empty where they do not.
pub(super) fn read_validator(headers: &HeaderMap) -> String {
    let etag = text(headers, ETAG.as_str()).unwrap_or_default();
    let time = text(headers, LAST_MODIFIED.as_str());
    validator(&etag, time.as_deref())
}

pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A reply that names another decoded length than its own still has the upload's framing (chunk
/// sizes and signatures) between the object's bytes.
fn check_unframed(headers: &HeaderMap, size: u64) -> Result<(), TransferError> {
    match text(headers, "x-amz-decoded-content-length") {
        Some(decoded) if decoded.parse() != Ok(size) => Err(TransferError::new(
            ErrorKind::SourceUnexpected,
            format!(
                "The source sent {size} bytes of which only {decoded} are the object's: it kept the framing of a chunked upload (aws-chunked)."
            ),
            "What it sends is not the object; write it again, or use a store that takes chunked uploads apart.",
        )),
        _ => Ok(()),
    }
}

/// `aws-chunked` says how a writer sent the bytes, not how they are stored; AWS takes it out, other
/// stores may not
/// ([Chunked uploads](https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html)).
fn content_encoding(headers: &HeaderMap) -> Option<String> {
    let stored = readable(headers, CONTENT_ENCODING.as_str())?;
    let is_framing = |token: &str| token.trim().eq_ignore_ascii_case(AWS_CHUNKED);
    if !stored.split(',').any(is_framing) {
        return Some(stored);
    }
    let rest: Vec<_> = stored
        .split(',')
        .filter(|token| !is_framing(token))
        .map(str::trim)
        .filter(|token| !token.is_empty())
        .collect();
    (!rest.is_empty()).then(|| rest.join(", "))
}

const USER_METADATA: &str = "x-amz-meta-";
const WEBSITE_REDIRECT_LOCATION: &str = "x-amz-website-redirect-location";

/// What stands for bytes that are no UTF-8. The runtime has put it there before we see them.
const REPLACEMENT: char = '\u{fffd}';

fn readable(headers: &HeaderMap, name: &str) -> Option<String> {
    text(headers, name).filter(|value| !value.contains(REPLACEMENT))
}

fn unreadable(headers: &HeaderMap) -> Vec<String> {
    let carried = [
        CONTENT_TYPE.as_str(),
        CONTENT_ENCODING.as_str(),
        CONTENT_DISPOSITION.as_str(),
        CONTENT_LANGUAGE.as_str(),
        CACHE_CONTROL.as_str(),
        EXPIRES.as_str(),
        WEBSITE_REDIRECT_LOCATION,
    ];
    let mut names: Vec<String> = headers
        .iter()
        .filter(|(name, _)| {
            name.as_str().starts_with(USER_METADATA) || carried.contains(&name.as_str())
        })
        .filter(|(name, value)| {
            name.as_str() == USER_METADATA
                || String::from_utf8_lossy(value.as_bytes()).contains(REPLACEMENT)
        })
        .map(|(name, _)| name.as_str().to_owned())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// Headers of the same name are joined as S3 joins them: by a comma.
fn user_metadata(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut metadata = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(USER_METADATA) else {
            continue;
        };
        let value = String::from_utf8_lossy(value.as_bytes());
        metadata
            .entry(name.to_owned())
            .and_modify(|joined| *joined = format!("{joined},{value}"))
            .or_insert_with(|| value.into_owned());
    }
    metadata.retain(|name, value| !name.is_empty() && !value.contains(REPLACEMENT));
    for value in metadata.values_mut() {
        *value = decode_words(value).into_owned();
    }
    metadata
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
            ("x-amz-checksum-crc32c", "yZRlqg=="),
        ]))
        .unwrap();
        assert_eq!(object.size, 5);
        assert_eq!(object.version_id.as_deref(), Some("v"));
        assert_eq!(object.content_encoding.as_deref(), Some("gzip"));
        assert_eq!(
            object.metadata,
            BTreeMap::from([("author".into(), "Zoë".into())])
        );
        assert!(object.checksums.shared.is_some());
    }

    #[test]
    fn user_metadata_is_joined_and_decoded() {
        let object = SourceObject::read(&headers(&[
            ("content-length", "0"),
            ("etag", "\"e\""),
            ("x-amz-meta-word", "=?UTF-8?B?5pel?= =?UTF-8?B?5pys?="),
            ("x-amz-meta-twice", "one"),
            ("x-amz-meta-twice", "=?UTF-8?Q?zw=C3=B6lf?="),
            ("x-amz-missing-meta", "2"),
            ("expires", "0"),
            ("x-amz-website-redirect-location", "/elsewhere"),
        ]))
        .unwrap();
        assert_eq!(object.metadata["word"], "日本");
        assert_eq!(object.metadata["twice"], "one,zwölf");
        assert_eq!(object.missing_metadata, 2);
        assert_eq!(object.expires.as_deref(), Some("0"));
        let redirect = object.website_redirect_location.as_deref();
        assert_eq!(redirect, Some("/elsewhere"));
        assert_eq!(object.unreadable, [""; 0]);
    }

    #[test]
    fn what_is_no_utf8_is_named_and_not_shown() {
        let mut headers = headers(&[
            ("content-length", "0"),
            ("etag", "\"e\""),
            ("x-amz-meta-", "nameless"),
            ("x-amz-meta-fine", "fine"),
        ]);
        for name in ["x-amz-meta-author", "content-disposition", "server"] {
            let value = HeaderValue::from_bytes(b"Zo\xEB").unwrap();
            headers.insert(HeaderName::from_static(name), value);
        }
        let object = SourceObject::read(&headers).unwrap();
        let unreadable = ["content-disposition", "x-amz-meta-", "x-amz-meta-author"];
        assert_eq!(object.unreadable, unreadable);
        assert_eq!(object.content_disposition, None);
        assert_eq!(
            object.metadata,
            BTreeMap::from([("fine".into(), "fine".into())])
        );
    }

    #[test]
    fn the_framing_of_an_upload_is_no_encoding_of_the_object() {
        for (stored, left) in [
            ("aws-chunked", None),
            ("AWS-Chunked,", None),
            ("aws-chunked,gzip", Some("gzip")),
            ("gzip, aws-chunked", Some("gzip")),
            ("br,aws-chunked , gzip", Some("br, gzip")),
            ("gzip,br", Some("gzip,br")),
            ("x-aws-chunked", Some("x-aws-chunked")),
        ] {
            let object = SourceObject::read(&headers(&[
                ("content-length", "5"),
                ("etag", "\"e\""),
                ("content-encoding", stored),
            ]));
            let encoding = object.unwrap().content_encoding;
            assert_eq!(encoding.as_deref(), left, "{stored}");
        }
    }

    #[test]
    fn a_body_that_still_has_its_framing_is_not_the_object() {
        let read = |decoded| {
            SourceObject::read(&headers(&[
                ("content-length", "90"),
                ("etag", "\"e\""),
                ("x-amz-decoded-content-length", decoded),
            ]))
        };
        assert!(read("90").is_ok());
        for decoded in ["5", "", "x"] {
            let error = read(decoded).unwrap_err();
            assert_eq!(error.kind, ErrorKind::SourceUnexpected, "{decoded}");
        }
    }

    #[test]
    fn a_missing_length_or_validator_is_an_error_and_never_zero() {
        let no_length = SourceObject::read(&headers(&[("etag", "\"e\"")]));
        assert_eq!(no_length.unwrap_err().kind, ErrorKind::SourceLengthUnknown);
        let no_etag = SourceObject::read(&headers(&[("content-length", "1")]));
        assert_eq!(no_etag.unwrap_err().kind, ErrorKind::SourceUnexpected);
    }

    #[test]
    fn without_an_etag_an_object_is_told_by_its_time_and_nothing_by_being_nothing() {
        let time = ("last-modified", "Fri, 02 Jan 2026 03:04:05 GMT");
        let object = SourceObject::read(&headers(&[("content-length", "1"), time])).unwrap();
        assert_eq!(object.etag, "");
        assert_eq!(object.validator(), format!("last-modified {}", time.1));
        let empty = SourceObject::read(&headers(&[("content-length", "0")])).unwrap();
        assert_eq!(empty.validator(), "");
    }
}
