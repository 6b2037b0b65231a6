//! Between the store's values and those of `s3s`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use s3s::dto::{self, ETag, ETagCondition, ServerSideEncryption, Tag, Timestamp, TimestampFormat};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::errors::invalid_argument;
use crate::s3::store::{BucketSettings, Object, Tags};

/// The key that KMS-encrypted objects claim to be encrypted with.
const KMS_KEY: &str = "alias/embedded";

pub(super) fn timestamp(time: jiff::Timestamp) -> Timestamp {
    let since_epoch = u64::try_from(time.as_millisecond()).unwrap_or(0);
    (SystemTime::UNIX_EPOCH + Duration::from_millis(since_epoch)).into()
}

pub(super) fn instant(time: &Timestamp) -> Option<jiff::Timestamp> {
    let mut text = Vec::new();
    time.format(TimestampFormat::DateTime, &mut text).ok()?;
    String::from_utf8(text).ok()?.parse().ok()
}

pub(super) fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

/// The tag of a condition, or `*`.
pub(super) fn condition_value(condition: &ETagCondition) -> &str {
    condition.as_etag().map_or("*", ETag::value)
}

/// A size or count as `s3s` has it.
pub(super) fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

/// `null` versions are not shown where a bucket never had versions.
pub(super) fn version_id(object: &Object, settings: &BucketSettings) -> Option<String> {
    let versioned = settings.versioning != crate::s3::store::Versioning::Off;
    (versioned || object.version_id.versioned().is_some()).then(|| object.version_id.to_string())
}

pub(super) fn encryption(kms: bool) -> (Option<ServerSideEncryption>, Option<String>) {
    if kms {
        let kind = ServerSideEncryption::from_static(ServerSideEncryption::AWS_KMS);
        (Some(kind), Some(KMS_KEY.to_owned()))
    } else {
        let kind = ServerSideEncryption::from_static(ServerSideEncryption::AES256);
        (Some(kind), None)
    }
}

pub(super) fn md5_of_header(value: &str) -> S3Result<[u8; 16]> {
    let bytes = BASE64.decode(value).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| {
            S3Error::with_message(
                S3ErrorCode::InvalidDigest,
                "The Content-MD5 you specified is not valid.",
            )
        })
}

/// What Java's URLEncoder leaves alone, and `/`: the form of keys in listings and events.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'*')
    .remove(b'_')
    .remove(b'/')
    .remove(b' ');

/// A key as S3 form-encodes it: a space is `+`, `/` stays.
pub(crate) fn form_encode(key: &str) -> String {
    utf8_percent_encode(key, FORM).to_string().replace(' ', "+")
}

/// The `x-amz-tagging` header: a query string.
pub(super) fn tags_of_header(header: Option<&str>) -> S3Result<Tags> {
    let mut tags = BTreeMap::new();
    for pair in header
        .unwrap_or_default()
        .split('&')
        .filter(|p| !p.is_empty())
    {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if tags
            .insert(form_decode(key)?, form_decode(value)?)
            .is_some()
        {
            return Err(invalid_argument("The header 'x-amz-tagging' repeats a key"));
        }
    }
    check_tags(tags)
}

fn form_decode(text: &str) -> S3Result<String> {
    percent_decode_str(&text.replace('+', " "))
        .decode_utf8()
        .map(Cow::into_owned)
        .map_err(|_| {
            invalid_argument(
                "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
            )
        })
}

pub(super) fn tags_of_set(set: Vec<Tag>) -> S3Result<Tags> {
    let mut tags = BTreeMap::new();
    for tag in set {
        let (Some(key), Some(value)) = (tag.key, tag.value) else {
            return Err(invalid_tag("a tag needs a key and a value"));
        };
        if tags.insert(key, value).is_some() {
            return Err(invalid_tag(
                "Cannot provide multiple Tags with the same key",
            ));
        }
    }
    check_tags(tags)
}

fn check_tags(tags: Tags) -> S3Result<Tags> {
    if tags.len() > 10 {
        return Err(S3Error::with_message(
            S3ErrorCode::InvalidTag,
            "Object tags cannot be greater than 10",
        ));
    }
    let fits = |text: &str, limit| text.chars().count() <= limit;
    if tags
        .iter()
        .all(|(key, value)| !key.is_empty() && fits(key, 128) && fits(value, 256))
    {
        Ok(tags)
    } else {
        Err(invalid_tag(
            "The TagKey or TagValue you have provided is invalid",
        ))
    }
}

fn invalid_tag(message: &'static str) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidTag, message)
}

pub(super) fn tag_set(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        })
        .collect()
}

pub(super) fn owner(settings: &BucketSettings) -> dto::Owner {
    dto::Owner {
        display_name: None,
        id: Some(settings.owner.clone()),
    }
}

/// Puts a checksum, base64, into the one of an output's five fields that it belongs in.
macro_rules! set_checksum {
    ($output:expr, $algorithm:expr, $value:expr) => {
        match $algorithm {
            crate::s3::store::Algorithm::Crc32 => $output.checksum_crc32 = Some($value),
            crate::s3::store::Algorithm::Crc32c => $output.checksum_crc32c = Some($value),
            crate::s3::store::Algorithm::Crc64Nvme => $output.checksum_crc64nvme = Some($value),
            crate::s3::store::Algorithm::Sha1 => $output.checksum_sha1 = Some($value),
            crate::s3::store::Algorithm::Sha256 => $output.checksum_sha256 = Some($value),
        }
    };
}
pub(super) use set_checksum;

/// Shows a stored checksum and what it covers, where there is one.
macro_rules! show_checksum {
    ($output:expr, $checksum:expr) => {
        if let Some(checksum) = &$checksum {
            $output.checksum_type = Some(s3s::dto::ChecksumType::from_static(checksum.kind.name()));
            crate::s3::service::convert::set_checksum!(
                $output,
                checksum.algorithm,
                checksum.value.clone()
            );
        }
    };
}
pub(super) use show_checksum;

/// The one checksum among an input's five fields, if any.
macro_rules! given_checksum {
    ($input:expr) => {{
        use crate::s3::store::Algorithm;
        let given = [
            (Algorithm::Crc32, $input.checksum_crc32.clone()),
            (Algorithm::Crc32c, $input.checksum_crc32c.clone()),
            (Algorithm::Crc64Nvme, $input.checksum_crc64nvme.clone()),
            (Algorithm::Sha1, $input.checksum_sha1.clone()),
            (Algorithm::Sha256, $input.checksum_sha256.clone()),
        ];
        let mut given = given
            .into_iter()
            .filter_map(|(algorithm, value)| Some((algorithm, value?)));
        match (given.next(), given.next()) {
            (_, Some(_)) => Err(crate::s3::service::errors::invalid_request(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            )),
            (one, None) => Ok(one),
        }
    }};
}
pub(super) use given_checksum;

/// Reads the headers that describe an object out of an input that has them.
macro_rules! attributes_of {
    ($input:expr) => {
        crate::s3::store::Attributes {
            content_type: $input
                .content_type
                .clone()
                .filter(|value| !value.is_empty()),
            cache_control: $input.cache_control.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_encoding: crate::s3::service::convert::stored_encoding(
                $input.content_encoding.as_deref(),
            ),
            content_language: $input.content_language.clone(),
            expires: $input
                .expires
                .as_ref()
                .and_then(crate::s3::service::convert::instant),
            website_redirect_location: $input.website_redirect_location.clone(),
            metadata: $input
                .metadata
                .clone()
                .unwrap_or_default()
                .into_iter()
                .collect(),
            storage_class: $input
                .storage_class
                .as_ref()
                .map(|class| class.as_str().to_owned()),
            tags: crate::s3::service::convert::tags_of_header($input.tagging.as_deref())?,
        }
    };
}
pub(super) use attributes_of;

/// `aws-chunked` says how the request travelled, not what the object is.
pub(super) fn stored_encoding(header: Option<&str>) -> Option<String> {
    let kept: Vec<_> = header?
        .split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty() && !token.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_form_encoded_but_for_slashes() {
        assert_eq!(
            form_encode("a b/c+d%e~f*g-h_i.j/ü"),
            "a+b/c%2Bd%25e%7Ef*g-h_i.j/%C3%BC"
        );
    }

    #[test]
    fn aws_chunked_is_not_kept() {
        assert_eq!(stored_encoding(Some("aws-chunked")), None);
        assert_eq!(
            stored_encoding(Some("gzip, AWS-Chunked")).as_deref(),
            Some("gzip")
        );
        assert_eq!(
            stored_encoding(Some("aws-chunked,br")).as_deref(),
            Some("br")
        );
        assert_eq!(stored_encoding(None), None);
    }

    #[test]
    fn a_time_survives_the_way_through_s3s() {
        let time = jiff::Timestamp::from_second(1_790_000_000).ok();
        assert_eq!(time.and_then(|time| instant(&timestamp(time))), time);
    }
}
