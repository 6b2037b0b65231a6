//! What a GetObjectTagging reply says: an object's tags, or why there are none to see.
//!
//! See [GetObjectTagging](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectTagging.html).
//! S3 keeps at most ten tags an object; other stores may keep more, so that nothing is counted here.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;

use super::refusal::{Refusal, error_code, refusal, root};
use crate::error::{ErrorKind, TransferError};

/// An object's tags by their keys.
pub type Tags = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tagging {
    tag_set: TagSet,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TagSet {
    #[serde(default)]
    tag: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

/// Reads the reply to a GetObjectTagging for an object of `bucket` that was there a moment ago.
///
/// # Errors
/// [`ErrorKind::SourceChanged`] when the object is gone, [`ErrorKind::SourceDenied`] with the
/// permission that is missing, [`ErrorKind::SourceUnexpected`] from a store without tags, and what
/// [`refusal`] gives otherwise.
pub fn read_tags(reply: &Response<Bytes>, bucket: &str) -> Result<Tags, TransferError> {
    // A store may find out that it failed after it has said 200.
    if reply.status() != StatusCode::OK || !error_code(reply).is_empty() {
        return refused(reply, bucket);
    }
    let tagging: Option<Tagging> = std::str::from_utf8(reply.body())
        .ok()
        .filter(|text| root(text).as_deref() == Some("Tagging"))
        .and_then(|text| quick_xml::de::from_str(text).ok());
    let tags = tagging.ok_or_else(|| {
        TransferError::new(
            ErrorKind::SourceUnexpected,
            format!("S3 answered 200 for the tags of an object of {bucket}, but with no tag set."),
            NO_TAGS,
        )
    })?;
    Ok(tags
        .tag_set
        .tag
        .into_iter()
        .map(|tag| (tag.key, tag.value))
        .collect())
}

const NO_TAGS: &str =
    "If the store does not keep tags as S3 does, take `tags = true` from the route.";

fn refused(reply: &Response<Bytes>, bucket: &str) -> Result<Tags, TransferError> {
    let code = error_code(reply);
    // What some stores say of an object without tags.
    if code.starts_with("NoSuchTagSet") {
        return Ok(Tags::new());
    }
    let mut error = match refusal(reply, bucket) {
        Refusal::Failed(error) => error,
        Refusal::Gone => {
            return Err(TransferError::new(
                ErrorKind::SourceChanged,
                format!("The object of {bucket} went away before its tags were read."),
                "Nothing to do: it is looked at again.",
            ));
        }
    };
    let is_unknown = code == "NotImplemented" || matches!(reply.status().as_u16(), 405 | 501);
    if is_unknown {
        error.kind = ErrorKind::SourceUnexpected;
        error.is_final = code == "NotImplemented";
    }
    match error.kind {
        ErrorKind::SourceDenied if !error.is_final => {
            error.advice = format!(
                "The route asks for tags: allow s3:GetObjectTagging and, where the bucket has versions, s3:GetObjectVersionTagging on arn:aws:s3:::{bucket}/*; or take `tags = true` from the route."
            );
        }
        ErrorKind::SourceUnexpected => error.advice = NO_TAGS.into(),
        _ => {}
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reply(status: u16, body: &str) -> Response<Bytes> {
        Response::builder()
            .status(status)
            .body(Bytes::from(body.to_owned()))
            .unwrap()
    }

    fn read(tag_set: &str) -> Tags {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{tag_set}</Tagging>"
        );
        read_tags(&reply(200, &body), "photos").unwrap()
    }

    #[test]
    fn tags_are_read_as_they_are() {
        let tags = read(
            "<TagSet><Tag><Key>cost center</Key><Value> A &amp; B </Value></Tag>\
             <Tag><Key>Zoë/日</Key><Value></Value></Tag><Tag><Key>empty</Key></Tag></TagSet>",
        );
        let expected = [("Zoë/日", ""), ("cost center", " A & B "), ("empty", "")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(tags, Tags::from(expected));
    }

    #[test]
    fn no_tags_are_no_error() {
        assert_eq!(read("<TagSet></TagSet>"), Tags::new());
        assert_eq!(read("<TagSet/>"), Tags::new());
        let none = reply(404, "<Error><Code>NoSuchTagSet</Code></Error>");
        assert_eq!(read_tags(&none, "photos"), Ok(Tags::new()));
    }

    #[test]
    fn each_refusal_has_its_kind_and_says_what_to_do() {
        for (status, body, kind, advice) in [
            (
                403,
                "<Error><Code>AccessDenied</Code></Error>",
                ErrorKind::SourceDenied,
                "s3:GetObjectTagging",
            ),
            (
                404,
                "<Error><Code>NoSuchKey</Code></Error>",
                ErrorKind::SourceChanged,
                "again",
            ),
            (
                404,
                "<Error><Code>NoSuchVersion</Code></Error>",
                ErrorKind::SourceChanged,
                "again",
            ),
            (
                503,
                "<Error><Code>SlowDown</Code></Error>",
                ErrorKind::SourceUnavailable,
                "again",
            ),
            (
                501,
                "<Error><Code>NotImplemented</Code></Error>",
                ErrorKind::SourceUnexpected,
                "tags = true",
            ),
            (405, "", ErrorKind::SourceUnexpected, "tags = true"),
            (200, "<Other/>", ErrorKind::SourceUnexpected, "tags = true"),
            (
                200,
                "<Other><TagSet/></Other>",
                ErrorKind::SourceUnexpected,
                "tags = true",
            ),
            (
                200,
                "<html><TagSet></TagSet></html>",
                ErrorKind::SourceUnexpected,
                "tags = true",
            ),
            (
                200,
                "<Error><Code>InternalError</Code><TagSet/></Error>",
                ErrorKind::SourceUnavailable,
                "again",
            ),
            (200, "", ErrorKind::SourceUnexpected, "tags = true"),
        ] {
            let error = read_tags(&reply(status, body), "photos").unwrap_err();
            assert_eq!(error.kind, kind, "{status} {body}");
            assert!(error.advice.contains(advice), "{error}");
        }
    }
}
