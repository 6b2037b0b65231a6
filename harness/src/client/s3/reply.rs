//! What S3 answers: headers, listings, errors.

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

fn checksums(headers: &HeaderMap) -> std::collections::BTreeMap<String, String> {
    let composite = text(headers, "x-amz-checksum-type").as_deref() == Some("COMPOSITE");
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
