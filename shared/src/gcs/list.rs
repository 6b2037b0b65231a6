//! Listing what stands under a prefix, page by page, and deleting.
//!
//! Follows [Objects: list](https://cloud.google.com/storage/docs/json_api/v1/objects/list) and
//! [Objects: delete](https://cloud.google.com/storage/docs/json_api/v1/objects/delete).

use std::fmt::Write as _;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use super::{Generation, NAME, Object, ObjectAddress, object_fields, refusal, request};
use crate::error::{ErrorKind, TransferError};

/// Which page of a listing.
#[derive(Debug, Clone, Copy)]
pub struct ListQuery<'a> {
    /// Only names from this one on.
    pub from: Option<&'a str>,
    /// What asks for this page, if it is not the first.
    pub page: Option<&'a str>,
    /// At most so many objects.
    pub limit: u32,
}

/// One page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The objects, in the order of their names.
    pub objects: Vec<Object>,
    /// What asks for the next page, if there is one.
    pub next: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    kind: Option<String>,
    items: Option<Vec<Object>>,
    next_page_token: Option<String>,
}

/// What a listing says that it is.
const KIND: &str = "storage#objects";

impl ObjectAddress {
    /// Lists the objects of this bucket whose names begin with this name.
    ///
    /// # Errors
    /// See [`ObjectAddress::get`].
    pub fn list(&self, query: ListQuery<'_>) -> Result<Request<Bytes>, TransferError> {
        let Self {
            endpoint,
            bucket,
            name,
        } = self;
        let prefix = utf8_percent_encode(name, NAME);
        let mut url = format!(
            "{endpoint}/storage/v1/b/{bucket}/o?prefix={prefix}&maxResults={}&fields=kind,items({}),nextPageToken",
            query.limit,
            object_fields(),
        );
        for (name, value) in [("startOffset", query.from), ("pageToken", query.page)] {
            if let Some(value) = value {
                // Writing to a String cannot fail.
                let _ = write!(url, "&{name}={}", utf8_percent_encode(value, NAME));
            }
        }
        request(Method::GET, &url, Bytes::new())
    }

    /// Deletes the object, if `generation` is still what stands there.
    ///
    /// # Errors
    /// See [`ObjectAddress::get`].
    pub fn delete(&self, generation: Generation) -> Result<Request<Bytes>, TransferError> {
        let url = format!("{}?ifGenerationMatch={}", self.object_url(), generation.0);
        request(Method::DELETE, &url, Bytes::new())
    }

    /// Deletes this generation of the object for good. A bucket with versions would keep, and charge for, what is
    /// deleted without its generation
    /// ([deleting versioned objects](https://cloud.google.com/storage/docs/using-versioned-objects#delete)).
    ///
    /// # Errors
    /// See [`ObjectAddress::get`].
    pub fn delete_for_good(&self, generation: Generation) -> Result<Request<Bytes>, TransferError> {
        let url = format!("{}?generation={}", self.object_url(), generation.0);
        request(Method::DELETE, &url, Bytes::new())
    }
}

impl Page {
    /// Reads the 2xx reply to [`ObjectAddress::list`]. An empty listing must say that it is one.
    ///
    /// # Errors
    /// [`ErrorKind::DestinationUnavailable`] when it is none: what answers so, answers otherwise the next
    /// time. What [`refusal`] makes of an error in a 2xx.
    pub fn read(reply: &Response<Bytes>, bucket: &str) -> Result<Self, TransferError> {
        if let Some(code) = error_code(reply) {
            let mut bare = Response::new(reply.body().clone());
            *bare.status_mut() = code;
            return Err(refusal(&bare, bucket));
        }
        let unexpected = |reason: String| TransferError {
            status: Some(reply.status().as_u16()),
            ..TransferError::new(
                ErrorKind::DestinationUnavailable,
                format!("GCS answered a listing of {bucket} with something else: {reason}."),
                "It is tried again; if it stays so, check the GCS endpoint.",
            )
        };
        let body: Body =
            serde_json::from_slice(reply.body()).map_err(|error| unexpected(error.to_string()))?;
        let is_listing = body
            .kind
            .as_deref()
            .map_or(body.items.is_some(), |kind| kind == KIND);
        if !is_listing {
            return Err(unexpected(format!(
                "its kind is {:?}",
                body.kind.unwrap_or_default()
            )));
        }
        let objects = body.items.unwrap_or_default();
        for object in &objects {
            if object.generation() == Generation(0) {
                return Err(unexpected(format!("{:?} has no generation", object.name)));
            }
        }
        Ok(Self {
            objects,
            next: body.next_page_token.filter(|token| !token.is_empty()),
        })
    }
}

/// That the pages of `bucket` lead back to one that there was.
#[must_use]
pub fn goes_in_circles(bucket: &str) -> TransferError {
    TransferError::new(
        ErrorKind::DestinationUnexpected,
        format!("GCS lists {bucket} in circles: a page asks for itself again (nextPageToken)."),
        "Check the GCS endpoint.",
    )
}

/// The status that an error has in the body of a 2xx.
fn error_code(reply: &Response<Bytes>) -> Option<StatusCode> {
    let body: serde_json::Value = serde_json::from_slice(reply.body()).ok()?;
    let code = body
        .get("error")?
        .get("code")
        .and_then(serde_json::Value::as_u64);
    let code = code.and_then(|code| u16::try_from(code).ok());
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    Some(
        code.filter(|code| !code.is_success())
            .unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(body: &'static str) -> Result<Page, TransferError> {
        Page::read(&Response::new(Bytes::from(body)), "copies")
    }

    #[test]
    fn a_page_is_read() {
        let page = read(r#"{"items": [{"name": "a", "generation": "5"}], "nextPageToken": "t"}"#);
        let page = page.unwrap();
        assert_eq!(page.objects[0].generation(), Generation(5));
        assert_eq!(page.next.as_deref(), Some("t"));
        assert_eq!(
            read(r#"{"kind": "storage#objects"}"#).unwrap(),
            Page::default()
        );
        assert_eq!(
            read(r#"{"items": [], "nextPageToken": ""}"#).unwrap(),
            Page::default()
        );
    }

    #[test]
    fn what_is_no_listing_is_never_an_empty_one() {
        for body in [
            "",
            "[]",
            "{}",
            "<html></html>",
            "null",
            r#"{"kind": "storage#object", "name": "a", "generation": "5"}"#,
            r#"{"kind": "storage#buckets", "items": []}"#,
            r#"{"items": [{"name": "a", "generation": "x"}]}"#,
            r#"{"error": {"code": 503, "message": "later"}}"#,
            r#"{"error": {"message": "later"}, "items": []}"#,
            r#"{"error": "later"}"#,
        ] {
            let error = read(body).unwrap_err();
            assert_eq!(error.kind, ErrorKind::DestinationUnavailable, "{body}");
        }
        let denied =
            r#"{"error": {"code": 403, "message": "no", "errors": [{"reason": "forbidden"}]}}"#;
        assert_eq!(read(denied).unwrap_err().kind, ErrorKind::DestinationDenied);
    }

    #[test]
    fn names_and_tokens_cannot_break_out_of_the_url() {
        let address = ObjectAddress {
            endpoint: "http://gcs".into(),
            bucket: "b".into(),
            name: "a/&x=".into(),
        };
        let query = ListQuery {
            from: Some("a/&y"),
            page: Some("t&u"),
            limit: 7,
        };
        let list = address.list(query).unwrap().uri().to_string();
        assert!(list.contains("prefix=a%2F%26x%3D&maxResults=7&"), "{list}");
        assert!(
            list.ends_with("&startOffset=a%2F%26y&pageToken=t%26u"),
            "{list}"
        );
        let delete = address.delete(Generation(9)).unwrap();
        assert!(delete.uri().to_string().ends_with("?ifGenerationMatch=9"));
    }
}
