//! What S3 answers: headers, listings, errors.

use std::collections::BTreeMap;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use percent_encoding::percent_decode_str;
use reqwest::Response;
use serde::Deserialize;

use crate::client::transport::read_text;
use crate::client::{Attributes, ClientError, ErrorKind, ListPage, ObjectInfo};

/// Longest document read: a page of 1,000 keys of 1,024 bytes, each byte percent-encoded.
const LONGEST_DOCUMENT: usize = 8 << 20;

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// An object from the headers of a reply to GET or HEAD.
pub(super) fn object(key: &str, headers: &HeaderMap) -> Result<ObjectInfo, ClientError> {
    let get = |name| text(headers, name);
    let metadata = headers.iter().filter_map(|(name, value)| {
        let name = name.as_str().strip_prefix("x-amz-meta-")?;
        Some((
            name.to_owned(),
            String::from_utf8_lossy(value.as_bytes()).into_owned(),
        ))
    });
    let attributes = Attributes {
        content_type: get("content-type"),
        cache_control: get("cache-control"),
        content_encoding: get("content-encoding"),
        content_disposition: get("content-disposition"),
        content_language: get("content-language"),
        metadata: metadata.collect(),
    };
    let size = match get("content-length") {
        Some(length) => length.parse().map_err(|_| {
            ClientError::failed(format!("S3 announces a length of {length:?} for {key:?}"))
        })?,
        None => {
            return Err(ClientError::failed(format!(
                "S3 announces no length for {key:?}"
            )));
        }
    };
    Ok(ObjectInfo {
        key: key.to_owned(),
        size,
        last_modified: get("last-modified")
            .and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(&date).ok()),
        etag: get("etag").as_deref().map(unquoted),
        version_id: get("x-amz-version-id"),
        storage_class: get("x-amz-storage-class"),
        checksums: checksums(headers),
        attributes,
        ..ObjectInfo::default()
    })
}

/// Checksums of parts' checksums are marked as such. For objects made of parts only S3's word that a
/// checksum is over the whole object counts: there are servers that leave the mark out.
fn checksums(headers: &HeaderMap) -> BTreeMap<String, String> {
    let of_parts = text(headers, "etag").is_some_and(|etag| etag.contains('-'));
    let composite = match text(headers, "x-amz-checksum-type").as_deref() {
        Some("FULL_OBJECT") => false,
        Some(_) => true,
        None => of_parts,
    };
    ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"]
        .into_iter()
        .filter_map(|name| {
            let mut value = text(headers, &format!("x-amz-checksum-{name}"))?;
            if composite && !value.contains('-') {
                value.push_str("-composite");
            }
            Some((name.to_owned(), value))
        })
        .collect()
}

/// What S3 says of an object that it has just stored.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) etag: Option<String>,
    pub(super) version_id: Option<String>,
}

/// From the headers of a reply to PUT.
pub(super) fn written(headers: &HeaderMap) -> Written {
    Written {
        etag: text(headers, "etag").as_deref().map(unquoted),
        version_id: text(headers, "x-amz-version-id"),
    }
}

pub(super) fn unquoted(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListBucketResult {
    #[serde(default)]
    is_truncated: bool,
    next_continuation_token: Option<String>,
    encoding_type: Option<String>,
    #[serde(default)]
    contents: Vec<Contents>,
    #[serde(default)]
    common_prefixes: Vec<CommonPrefix>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Contents {
    #[serde(default)]
    key: String,
    size: u64,
    last_modified: Option<Timestamp>,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    storage_class: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CommonPrefix {
    #[serde(default)]
    prefix: String,
}

pub(super) async fn list_page(response: Response) -> Result<ListPage, ClientError> {
    parse_list(&read_text(response, LONGEST_DOCUMENT).await?)
}

fn parse_list(document: &str) -> Result<ListPage, ClientError> {
    let listing: ListBucketResult = quick_xml::de::from_str(document)
        .map_err(|error| ClientError::failed(format!("S3's listing cannot be read: {error}")))?;
    let encoded = listing.encoding_type.as_deref() == Some("url");
    let decode = |name: String| if encoded { form_decoded(&name) } else { name };
    let objects = listing.contents.into_iter().map(|object| ObjectInfo {
        key: decode(object.key),
        size: object.size,
        last_modified: object.last_modified,
        etag: object.etag.as_deref().map(unquoted),
        storage_class: object.storage_class,
        ..ObjectInfo::default()
    });
    let next = listing
        .next_continuation_token
        .filter(|_| listing.is_truncated);
    if listing.is_truncated && next.is_none() {
        return Err(ClientError::failed(
            "S3 says that its listing goes on, but not where (no NextContinuationToken)",
        ));
    }
    Ok(ListPage {
        objects: objects.collect(),
        prefixes: listing
            .common_prefixes
            .into_iter()
            .map(|prefix| decode(prefix.prefix))
            .collect(),
        next,
    })
}

/// S3 encodes names in listings the way HTML forms do: a space is `+`.
fn form_decoded(name: &str) -> String {
    percent_decode_str(&name.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses>
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct ErrorDocument {
    pub(super) code: String,
    pub(super) message: String,
}

/// An error document's code and message, where `document` is one.
pub(super) fn error_document(document: &str) -> Option<ErrorDocument> {
    let error: ErrorDocument = quick_xml::de::from_str(document).ok()?;
    (!error.code.is_empty()).then_some(error)
}

/// The error that a reply stands for.
pub(super) async fn refusal(
    response: Response,
    bucket: &str,
    key: Option<&str>,
    region: &str,
) -> ClientError {
    let status = response.status();
    let home = text(response.headers(), "x-amz-bucket-region").filter(|home| home != region);
    let document = read_text(response, LONGEST_DOCUMENT)
        .await
        .unwrap_or_default();
    let error = error_document(&document).unwrap_or_default();
    explain(status, &error, &name(bucket, key), home.as_deref())
}

fn name(bucket: &str, key: Option<&str>) -> String {
    format!("s3://{bucket}/{}", key.unwrap_or_default())
}

pub(super) fn explain(
    status: StatusCode,
    error: &ErrorDocument,
    name: &str,
    home: Option<&str>,
) -> ClientError {
    let kind = match error.code.as_str() {
        "ExpiredToken" | "InvalidToken" => ErrorKind::Refused,
        _ => ClientError::kind_of(status),
    };
    let what = match (kind, error.code.as_str()) {
        (_, "NoSuchBucket") => format!("there is no bucket for {name}"),
        (ErrorKind::NotFound, _) => format!("there is no {name}"),
        (_, "") => format!("S3 answered {status} for {name}"),
        (_, code) => format!("S3 answered {status} for {name}: {code}: {}", error.message),
    };
    let advice = match (status.as_u16(), error.code.as_str()) {
        _ if home.is_some() => {
            format!(
                "the bucket is in another region: set AWS_REGION={}",
                home.unwrap_or_default()
            )
        }
        (_, "SignatureDoesNotMatch") => {
            "check AWS_SECRET_ACCESS_KEY, AWS_REGION and the endpoint".to_owned()
        }
        (_, "InvalidAccessKeyId") => "check AWS_ACCESS_KEY_ID and the endpoint".to_owned(),
        (_, "RequestTimeTooSkewed") => "set this machine's clock".to_owned(),
        (_, "ExpiredToken" | "InvalidToken") => {
            "the session token has expired or does not belong to this key: get new credentials"
                .to_owned()
        }
        (403, _) => {
            "the credentials may not do this; without s3:ListBucket S3 answers the same for \
                     a missing object"
                .to_owned()
        }
        (404, _) => "check the name; `causeway ls` shows what is there".to_owned(),
        (500.., _) => "the service has trouble: try again later".to_owned(),
        _ => String::new(),
    };
    ClientError::new(kind, what, advice).status(status)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn an_object_is_read_from_its_headers() {
        let info = object(
            "k",
            &headers(&[
                ("content-length", "12"),
                ("last-modified", "Mon, 23 Nov 2026 21:04:55 GMT"),
                ("etag", "\"abc\""),
                ("x-amz-checksum-crc64nvme", "rosUhgp5mIg="),
                ("x-amz-checksum-type", "FULL_OBJECT"),
                ("x-amz-meta-owner", "me"),
                ("content-encoding", "gzip"),
            ]),
        );
        let info = info.unwrap();
        assert_eq!((info.size, info.etag.as_deref()), (12, Some("abc")));
        assert_eq!(
            info.last_modified.unwrap().to_string(),
            "2026-11-23T21:04:55Z"
        );
        assert_eq!(info.checksums["crc64nvme"], "rosUhgp5mIg=");
        assert_eq!(info.attributes.metadata["owner"], "me");
        assert_eq!(info.attributes.content_encoding.as_deref(), Some("gzip"));
    }

    #[test]
    fn a_missing_length_is_not_nothing() {
        assert!(object("k", &headers(&[("etag", "\"abc\"")])).is_err());
    }

    #[test]
    fn checksums_of_parts_are_told_apart() {
        for (etag, kind, marked) in [
            ("\"abc-2\"", None, true),
            ("\"abc-2\"", Some("FULL_OBJECT"), false),
            ("\"abc-2\"", Some("COMPOSITE"), true),
            ("\"abc\"", None, false),
        ] {
            let mut all = headers(&[("x-amz-checksum-crc32c", "8HsSxQ==")]);
            all.insert("etag", etag.parse().unwrap());
            if let Some(kind) = kind {
                all.insert("x-amz-checksum-type", kind.parse().unwrap());
            }
            assert_eq!(
                checksums(&all)["crc32c"].contains('-'),
                marked,
                "{etag} {kind:?}"
            );
        }
    }

    #[test]
    fn listed_keys_are_decoded_and_keep_their_spaces() {
        let page = parse_list(
            r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name>
            <EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>
            <NextContinuationToken>1/a+b==</NextContinuationToken>
            <Contents><Key>+a%2Bb%00%20</Key><Size>3</Size>
              <LastModified>2026-11-23T21:04:55.000Z</LastModified><ETag>&quot;abc&quot;</ETag></Contents>
            <Contents><Key>x</Key><Size>4</Size></Contents>
            <CommonPrefixes><Prefix>%C3%BC/</Prefix></CommonPrefixes></ListBucketResult>"#,
        );
        let page = page.unwrap();
        let keys: Vec<_> = page
            .objects
            .iter()
            .map(|object| object.key.as_str())
            .collect();
        assert_eq!(keys, [" a+b\0 ", "x"]);
        assert_eq!(page.objects[0].etag.as_deref(), Some("abc"));
        assert_eq!(page.prefixes, ["ü/"]);
        assert_eq!(page.next.as_deref(), Some("1/a+b=="));
    }

    #[test]
    fn an_empty_listing_and_a_broken_one() {
        let empty = "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
        assert!(parse_list(empty).unwrap().objects.is_empty());
        let endless = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
        assert!(
            parse_list(endless)
                .unwrap_err()
                .what
                .contains("NextContinuationToken")
        );
    }

    #[test]
    fn errors_say_whose_and_what_next() {
        let document = "<Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>";
        let error = error_document(document).unwrap();
        let explained = explain(StatusCode::FORBIDDEN, &error, "s3://b/k", None);
        assert_eq!(explained.kind, ErrorKind::Refused);
        assert!(explained.advice.contains("AWS_SECRET_ACCESS_KEY"));
        let elsewhere = explain(
            StatusCode::MOVED_PERMANENTLY,
            &ErrorDocument::default(),
            "s3://b/k",
            Some("eu-west-1"),
        );
        assert!(elsewhere.advice.contains("AWS_REGION=eu-west-1"));
        let slow = explain(
            StatusCode::SERVICE_UNAVAILABLE,
            &ErrorDocument::default(),
            "s3://b/",
            None,
        );
        assert!(slow.transient);
        assert!(error_document("<html>").is_none());
    }
}
