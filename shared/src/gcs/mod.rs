//! The writing side: requests to Google Cloud Storage's JSON API, and what its replies say.
//!
//! Nothing is sent here, and no request carries its credential yet: [`crate::access`] adds it.

mod compose;
mod list;
mod multipart;
mod object;
mod provenance;
mod refusal;
mod resumable;
mod rewrite;
mod token;

pub(crate) use crate::google::is_page;
pub use compose::{COMPOSE_LIMIT, Component};
pub use list::{ListQuery, Page, goes_in_circles};
pub use multipart::{buffered_upload, multipart_upload};
pub use object::{
    CUSTOM_METADATA_LIMIT, CUSTOM_NAME_LIMIT, CUSTOM_VALUE_LIMIT, Generation, HEADER_FIELDS,
    Object, Precondition, object_fields,
};
pub use provenance::Provenance;
pub use refusal::refusal;
pub(crate) use refusal::{is_absent, is_lost_race};
pub use resumable::{
    ContentRange, ResumableSession, ResumableUploadStatus, finish, resume, start_session,
    upload_status,
};
pub use rewrite::Rewrite;
pub use token::{AccessToken, Assertion, SCOPE, ServiceAccount};

use bytes::Bytes;
use http::{Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::error::{ErrorKind, TransferError};

/// Everything but the unreserved characters of
/// [RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3) is encoded in
/// object names, `/` included.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An object's address: the API's base URL, bucket and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectAddress {
    /// `https://storage.googleapis.com`, or an emulator's address; no slash at the end.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// The object's name.
    pub name: String,
}

/// Whether GCS takes an object called `name`; what it asks of names, if not
/// ([Object names](https://cloud.google.com/storage/docs/objects#naming)).
///
/// # Errors
/// What it asks of names.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("has at least one byte"),
        "." | ".." => Err("is not \".\" or \"..\""),
        _ if name.len() > 1024 => Err("has at most 1024 bytes"),
        _ if name.contains(['\r', '\n']) => Err("has no line breaks"),
        _ if name.starts_with(".well-known/acme-challenge/") => {
            Err("does not begin with .well-known/acme-challenge/")
        }
        _ => Ok(()),
    }
}

impl ObjectAddress {
    /// `GET` of the object's resource, cut to the fields that Causeway reads
    /// ([Objects: get](https://cloud.google.com/storage/docs/json_api/v1/objects/get)).
    ///
    /// # Errors
    /// [`ErrorKind::DestinationRefused`] for a name that cannot stand in a URL.
    pub fn get(&self) -> Result<Request<Bytes>, TransferError> {
        let url = format!(
            "{}?fields={},{HEADER_FIELDS}",
            self.object_url(),
            object_fields()
        );
        request(Method::GET, &url, Bytes::new())
    }

    fn object_url(&self) -> String {
        let Self {
            endpoint,
            bucket,
            name,
        } = self;
        let name = utf8_percent_encode(name, NAME);
        format!("{endpoint}/storage/v1/b/{bucket}/o/{name}")
    }

    /// What every write says of itself: over what it is made, what its reply is to hold, and which
    /// key encrypts it.
    fn write_parameters(object: &Object, precondition: Precondition) -> String {
        let kms_key = object
            .kms_key_name
            .as_deref()
            .map_or_else(String::new, |key| {
                format!("&kmsKeyName={}", utf8_percent_encode(key, NAME))
            });
        format!(
            "ifGenerationMatch={}&fields={}{kms_key}",
            precondition.generation(),
            object_fields()
        )
    }

    fn upload_url(&self, upload_type: &str, object: &Object, precondition: Precondition) -> String {
        let Self {
            endpoint, bucket, ..
        } = self;
        format!(
            "{endpoint}/upload/storage/v1/b/{bucket}/o?uploadType={upload_type}&{}",
            Self::write_parameters(object, precondition)
        )
    }
}

/// A request, or the reason why `url` is none: names come from events and may hold anything.
fn request<B>(method: Method, url: &str, body: B) -> Result<Request<B>, TransferError> {
    let uri: Uri = url.parse().map_err(|error: http::uri::InvalidUri| {
        TransferError::new(
            ErrorKind::DestinationRefused,
            format!("The destination's address is not a URL: {error}."),
            "Check the route's destination and STORAGE_EMULATOR_HOST.",
        )
    })?;
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    Ok(request)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_are_those_that_gcs_takes() {
        let long = "n".repeat(1024);
        for name in ["a", "...", "a/./b", ".well-known/x", "\u{85}", &long] {
            assert_eq!(check_name(name), Ok(()), "{name:?}");
        }
        let longer = format!("{long}n");
        let challenge = ".well-known/acme-challenge/x";
        for name in ["", ".", "..", "a\nb", "a\r", challenge, &longer] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_key_stands_in_the_url_of_every_write_and_in_no_body() {
        let address = ObjectAddress {
            endpoint: "http://gcs".into(),
            bucket: "b".into(),
            name: "n".into(),
        };
        let object = Object {
            name: "n".into(),
            kms_key_name: Some("projects/p/k".into()),
            ..Object::default()
        };
        let new = Precondition::DoesNotExist;
        let sink = multipart_upload(&address, &object, new, 7).unwrap();
        let start = start_session(&address, &object, 1, new).unwrap();
        let component = Component {
            name: "c".into(),
            generation: Generation(1),
        };
        let compose = address.compose([&component], &object, new).unwrap();
        for (uri, body) in [
            (sink.request.uri(), &sink.prefix),
            (start.uri(), start.body()),
            (compose.uri(), compose.body()),
        ] {
            let query = uri.query().unwrap();
            assert!(query.ends_with("&kmsKeyName=projects%2Fp%2Fk"), "{query}");
            let body = std::str::from_utf8(body).unwrap();
            assert!(
                body.contains("\"n\"") && !body.contains("projects"),
                "{body}"
            );
        }
    }
}
