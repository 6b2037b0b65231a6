//! Listing what stands under a prefix, page by page, and deleting.
//!
//! Follows [Objects: list](https://cloud.google.com/storage/docs/json_api/v1/objects/list) and
//! [Objects: delete](https://cloud.google.com/storage/docs/json_api/v1/objects/delete).

use std::fmt::Write as _;

use bytes::Bytes;
use http::{Method, Request, Response};
use percent_encoding::utf8_percent_encode;
use serde::Deserialize;

use super::{Generation, NAME, Object, ObjectAddress, object_fields, request};
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
    #[serde(default)]
    items: Vec<Object>,
    next_page_token: Option<String>,
}

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
            "{endpoint}/storage/v1/b/{bucket}/o?prefix={prefix}&maxResults={}&fields=items({}),nextPageToken",
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
}

impl Page {
    /// Reads the 2xx reply to [`ObjectAddress::list`].
    ///
    /// # Errors
    /// [`ErrorKind::DestinationUnexpected`] when it is none.
    pub fn read(reply: &Response<Bytes>) -> Result<Self, TransferError> {
        let unexpected = |reason: String| {
            TransferError::new(
                ErrorKind::DestinationUnexpected,
                format!("GCS answered a listing with something else: {reason}."),
                "Check the GCS endpoint.",
            )
        };
        let body: Body =
            serde_json::from_slice(reply.body()).map_err(|error| unexpected(error.to_string()))?;
        for object in &body.items {
            if object.generation() == Generation(0) {
                return Err(unexpected(format!("{:?} has no generation", object.name)));
            }
        }
        Ok(Self {
            objects: body.items,
            next: body.next_page_token,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_page_is_read_and_anything_else_is_refused() {
        let read = |body: &'static str| Page::read(&Response::new(Bytes::from(body)));
        let page = read(r#"{"items": [{"name": "a", "generation": "5"}], "nextPageToken": "t"}"#);
        let page = page.unwrap();
        assert_eq!(page.objects[0].generation(), Generation(5));
        assert_eq!(page.next.as_deref(), Some("t"));
        assert_eq!(read("{}").unwrap(), Page::default());
        for body in ["", "[]", r#"{"items": [{"name": "a", "generation": "x"}]}"#] {
            let error = read(body).unwrap_err();
            assert_eq!(error.kind, ErrorKind::DestinationUnexpected, "{body}");
        }
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
