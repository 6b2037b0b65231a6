//! Requests to S3: their URL, their headers, their signature.

use causeway_shared::sigv4::{PayloadHash, SigningError, encode_key, encode_query};
use http::{HeaderMap, Request, Uri};
use jiff::Timestamp;

use super::{Ask, S3Client, ascii, header_name};
use crate::client::{Attributes, ClientError};

/// The headers that store `attributes` with an object.
pub(super) fn attribute_headers(attributes: &Attributes) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    for (name, value) in attributes.headers() {
        headers.insert(name, ascii(value)?);
    }
    for (name, value) in &attributes.metadata {
        headers.insert(header_name(&format!("x-amz-meta-{name}"))?, ascii(value)?);
    }
    Ok(headers)
}

impl S3Client {
    /// The request, signed now. The body is not part of the signature: its checksum header is.
    pub(super) fn signed(&self, ask: Ask<'_>, has_body: bool) -> Result<Request<()>, ClientError> {
        let mut request = Request::new(());
        *request.method_mut() = ask.method;
        *request.uri_mut() = self.uri(ask.bucket, ask.key, ask.query)?;
        *request.headers_mut() = ask.headers;
        let payload = if has_body {
            PayloadHash::Unsigned
        } else {
            PayloadHash::Empty
        };
        self.signer
            .sign(&mut request, &payload, Timestamp::now())
            .map_err(|error| unsignable(&error))?;
        Ok(request)
    }

    /// Path-style for an endpoint of one's own. On AWS virtual-hosted-style, unless the bucket's
    /// name has dots, which its wildcard certificate does not cover.
    fn uri(
        &self,
        bucket: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Uri, ClientError> {
        check_bucket(bucket)?;
        let key = encode_key(key.unwrap_or_default());
        let region = &self.region;
        let suffix = if region.starts_with("cn-") {
            "amazonaws.com.cn"
        } else {
            "amazonaws.com"
        };
        let mut uri = match &self.endpoint {
            Some(endpoint) => {
                format!("{}/{bucket}/{key}", endpoint.as_str().trim_end_matches('/'))
            }
            None if bucket.contains('.') => format!("https://s3.{region}.{suffix}/{bucket}/{key}"),
            None => format!("https://{bucket}.s3.{region}.{suffix}/{key}"),
        };
        if !query.is_empty() {
            uri = format!("{uri}?{}", encode_query(query.iter().copied()));
        }
        uri.parse()
            .map_err(|error| ClientError::input(format!("unfit URL {uri:?}: {error}"), ""))
    }
}

pub(super) fn unsignable(error: &SigningError) -> ClientError {
    ClientError::input(error.to_string(), "")
}

/// A bucket's name stands in a host name or is a path segment: nothing may leave its place.
fn check_bucket(bucket: &str) -> Result<(), ClientError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if bucket.is_empty() || !bucket.bytes().all(fits) || matches!(bucket, "." | "..") {
        return Err(ClientError::input(
            format!("{bucket:?} is not the name of a bucket"),
            "bucket names have letters, digits, `-` and `.`",
        ));
    }
    Ok(())
}
