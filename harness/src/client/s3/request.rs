//! Requests to S3: their URL, their headers, their signature.

use causeway_shared::aws;
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
        let host = aws::host("s3", &self.region);
        let mut uri = match &self.endpoint {
            Some(endpoint) => {
                format!("{}/{bucket}/{key}", endpoint.as_str().trim_end_matches('/'))
            }
            None if bucket.contains('.') => format!("https://{host}/{bucket}/{key}"),
            None => format!("https://{bucket}.{host}/{key}"),
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use causeway_shared::sigv4::Credentials;

    use super::*;
    use crate::client::{ErrorKind, S3Config};

    fn client(endpoint: &str) -> S3Client {
        S3Client::new(S3Config {
            endpoint: Some(endpoint.to_owned()),
            region: "eu-west-1".to_owned(),
            credentials: Credentials::new("AK", "secret", None).unwrap(),
        })
        .unwrap()
    }

    #[test]
    fn an_endpoint_is_spoken_to_path_style() {
        for endpoint in ["http://127.0.0.1:9000", "http://127.0.0.1:9000/"] {
            let uri = client(endpoint).uri("b", Some("/a b//c+"), &[]).unwrap();
            assert_eq!(uri.to_string(), "http://127.0.0.1:9000/b//a%20b//c%2B");
        }
        let uri = client("http://h:80/base")
            .uri("b", None, &[("prefix", "a/b")])
            .unwrap();
        assert_eq!(uri.to_string(), "http://h/base/b/?prefix=a%2Fb");
    }

    #[test]
    fn a_bucket_is_a_host_on_aws_unless_it_has_dots() {
        let mut client = client("http://unused");
        client.endpoint = None;
        let uri = |bucket| client.uri(bucket, Some("k"), &[]).unwrap().to_string();
        assert_eq!(uri("bucket"), "https://bucket.s3.eu-west-1.amazonaws.com/k");
        assert_eq!(uri("a.b"), "https://s3.eu-west-1.amazonaws.com/a.b/k");
    }

    #[test]
    fn a_bucket_cannot_lead_elsewhere() {
        for bucket in ["", "..", "a/b", "a@evil", "a?b", "a#b", "ü"] {
            let error = client("http://h").uri(bucket, Some("k"), &[]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Input, "{bucket}");
        }
    }

    #[test]
    fn values_that_no_header_carries_are_refused() {
        let headers = |value: &str| {
            attribute_headers(&Attributes {
                metadata: [("owner".to_owned(), value.to_owned())].into(),
                ..Attributes::default()
            })
        };
        assert_eq!(headers("me").unwrap()["x-amz-meta-owner"], "me");
        assert_eq!(headers("ü").unwrap_err().kind, ErrorKind::Input);
        assert_eq!(headers("a\r\nb").unwrap_err().kind, ErrorKind::Input);
    }
}
