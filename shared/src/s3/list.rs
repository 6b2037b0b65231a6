//! What a ListObjectsV2 reply says: a page of keys, in the order of their bytes.
//!
//! See [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html). Asked
//! for with `encoding-type=url`, because a key may hold what XML cannot.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::refusal::{Refusal, refusal};
use crate::error::{ErrorKind, TransferError};
use crate::time::rfc3339;

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Listed>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// An object as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag, with its quotes.
    pub etag: Option<String>,
    /// When it was last written.
    pub last_modified: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Body {
    #[serde(default)]
    contents: Vec<Contents>,
    #[serde(default)]
    is_truncated: bool,
    encoding_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    key: String,
    size: u64,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Listing {
    /// Reads the reply to a ListObjectsV2 of `bucket`.
    ///
    /// # Errors
    /// [`ErrorKind::SourceDenied`] with the permission that is missing,
    /// [`ErrorKind::SourceBucketMissing`], [`ErrorKind::SourceUnexpected`] for what is no listing, and
    /// what else [`refusal`] gives.
    pub fn read(reply: &Response<Bytes>, bucket: &str) -> Result<Self, TransferError> {
        if reply.status() != StatusCode::OK {
            return Err(refused(reply, bucket));
        }
        let text = std::str::from_utf8(reply.body()).ok();
        let body: Option<Body> = text.and_then(|text| quick_xml::de::from_str(text).ok());
        let body = body.ok_or_else(|| unexpected(bucket, "no listing"))?;
        let is_encoded = body.encoding_type.as_deref() == Some("url");
        let objects = body.contents.into_iter().map(|listed| {
            let key = listed.key;
            let key = if is_encoded {
                let decoded = percent_decode_str(&key.replace('+', " "))
                    .decode_utf8()
                    .map(String::from);
                decoded.map_err(|_| unexpected(bucket, "a key that is no UTF-8"))?
            } else {
                key
            };
            Ok(Listed {
                key,
                size: listed.size,
                etag: listed.etag,
                last_modified: listed.last_modified.and_then(|time| rfc3339(&time)),
            })
        });
        let objects = objects.collect::<Result<Vec<_>, TransferError>>()?;
        if body.is_truncated && objects.is_empty() {
            return Err(unexpected(bucket, "no keys, and more behind them"));
        }
        Ok(Self {
            objects,
            more: body.is_truncated,
        })
    }
}

fn unexpected(bucket: &str, found: &str) -> TransferError {
    TransferError::new(
        ErrorKind::SourceUnexpected,
        format!("S3 answered 200 for a listing of {bucket}, but with {found}."),
        "Check the S3 endpoint.",
    )
}

fn refused(reply: &Response<Bytes>, bucket: &str) -> TransferError {
    let mut error = match refusal(reply, bucket) {
        Refusal::Failed(error) => error,
        Refusal::Gone => unexpected(bucket, "that there is no such key"),
    };
    if error.kind == ErrorKind::SourceDenied {
        error.advice = format!("Allow s3:ListBucket on arn:aws:s3:::{bucket}.");
    }
    error
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(status: u16, body: &str) -> Result<Listing, TransferError> {
        let reply = Response::builder().status(status);
        Listing::read(&reply.body(Bytes::from(body.to_owned())).unwrap(), "photos")
    }

    #[test]
    fn a_page_is_read_and_its_keys_are_decoded() {
        let contents = |key: &str, size: u64| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>{size}</Size></Contents>"
            )
        };
        let (a, b) = (contents("a%2Fb+c%26", 3), contents("Zo%C3%AB", 1 << 40));
        let page = format!(
            "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>photos</Name><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>{a}{b}</ListBucketResult>"
        );
        let page = read(200, &page).unwrap();
        assert!(page.more);
        let listed = |key: &str, size| Listed {
            key: key.into(),
            size,
            etag: Some("\"e\"".into()),
            last_modified: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        };
        assert_eq!(page.objects, [listed("a/b c&", 3), listed("Zoë", 1 << 40)]);
        let plain = format!(
            "<ListBucketResult>{}</ListBucketResult>",
            contents("a+b", 0)
        );
        assert_eq!(read(200, &plain).unwrap().objects, [listed("a+b", 0)]);
        let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert_eq!(read(200, empty).unwrap(), Listing::default());
    }

    #[test]
    fn what_is_no_page_has_its_reason() {
        let endless = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        for (status, body, kind, says) in [
            (200, "", ErrorKind::SourceUnexpected, "no listing"),
            (
                200,
                "<ListBucketResult><Contents>",
                ErrorKind::SourceUnexpected,
                "no listing",
            ),
            (200, endless, ErrorKind::SourceUnexpected, "more behind"),
            (
                403,
                "<Error><Code>AccessDenied</Code></Error>",
                ErrorKind::SourceDenied,
                "s3:ListBucket",
            ),
            (
                404,
                "<Error><Code>NoSuchBucket</Code></Error>",
                ErrorKind::SourceBucketMissing,
                "photos",
            ),
            (
                503,
                "<Error><Code>SlowDown</Code></Error>",
                ErrorKind::SourceUnavailable,
                "again",
            ),
        ] {
            let error = read(status, body).unwrap_err();
            assert_eq!(error.kind, kind, "{status} {body}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
