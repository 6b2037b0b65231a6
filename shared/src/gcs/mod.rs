//! The writing side: requests to Google Cloud Storage's JSON API, and what its replies say.
//!
//! Nothing is sent here, and no request carries its credential yet: [`crate::access`] adds it.

mod multipart;
mod object;
mod provenance;
mod refusal;
mod resumable;
mod token;

pub use multipart::{buffered_upload, multipart_upload};
pub use object::{CUSTOM_METADATA_LIMIT, Generation, Object, Precondition, object_fields};
pub use provenance::Provenance;
pub use refusal::refusal;
pub use resumable::{
    ContentRange, ResumableSession, ResumableUploadStatus, finish, resume, start_session,
    upload_status,
};
pub use token::{AccessToken, Assertion, ServiceAccount};

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

impl ObjectAddress {
    /// `GET` of the object's resource, cut to the fields that Causeway reads
    /// ([Objects: get](https://cloud.google.com/storage/docs/json_api/v1/objects/get)).
    ///
    /// # Errors
    /// [`ErrorKind::DestinationRefused`] for a name that cannot stand in a URL.
    pub fn get(&self) -> Result<Request<Bytes>, TransferError> {
        let Self {
            endpoint, bucket, ..
        } = self;
        let name = utf8_percent_encode(&self.name, NAME);
        request(
            Method::GET,
            &format!(
                "{endpoint}/storage/v1/b/{bucket}/o/{name}?fields={}",
                object_fields()
            ),
            Bytes::new(),
        )
    }

    fn upload_url(&self, upload_type: &str, object: &Object, precondition: Precondition) -> String {
        let Self {
            endpoint, bucket, ..
        } = self;
        let kms_key = object
            .kms_key_name
            .as_deref()
            .map_or_else(String::new, |key| {
                format!("&kmsKeyName={}", utf8_percent_encode(key, NAME))
            });
        format!(
            "{endpoint}/upload/storage/v1/b/{bucket}/o?uploadType={upload_type}&ifGenerationMatch={}&fields={}{kms_key}",
            precondition.generation(),
            object_fields()
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
