//! A whole upload in one request: metadata and bytes as `multipart/related`.
//!
//! Follows [Uploads: multipart](https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object)
//! and [RFC 2387](https://www.rfc-editor.org/rfc/rfc2387).

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};

use super::{Object, ObjectAddress, Precondition, request};
use crate::error::TransferError;
use crate::exchange::Sink;

/// An upload through which the source's body is piped.
///
/// `seed` makes the boundary: whoever wrote the source's bytes must not be able to guess it.
///
/// # Errors
/// See [`ObjectAddress::get`].
pub fn multipart_upload(
    address: &ObjectAddress,
    object: &Object,
    precondition: Precondition,
    seed: u128,
) -> Result<Sink, TransferError> {
    let boundary = format!("causeway-{seed:032x}");
    let metadata =
        serde_json::to_string(&object.as_body()).expect("strings alone always become JSON");
    let media_type = object
        .content_type
        .as_deref()
        .unwrap_or("application/octet-stream");
    let prefix = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n--{boundary}\r\nContent-Type: {media_type}\r\n\r\n"
    );
    let mut request = request(
        Method::POST,
        &address.upload_url("multipart", object, precondition),
        (),
    )?;
    let content_type = HeaderValue::try_from(format!("multipart/related; boundary={boundary}"))
        .expect("a hexadecimal boundary is a header value");
    request.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(Sink {
        request,
        prefix: prefix.into(),
        suffix: format!("\r\n--{boundary}--\r\n").into(),
    })
}

/// The same upload of a body that is in memory.
///
/// # Errors
/// See [`ObjectAddress::get`].
pub fn buffered_upload(
    address: &ObjectAddress,
    object: &Object,
    precondition: Precondition,
    seed: u128,
    body: &[u8],
) -> Result<Request<Bytes>, TransferError> {
    let sink = multipart_upload(address, object, precondition, seed)?;
    let whole = [&sink.prefix[..], body, &sink.suffix[..]].concat();
    Ok(sink.request.map(|()| whole.into()))
}
