//! A client for S3 and what speaks its protocol: PUT, GET, HEAD, `ListObjectsV2`, DELETE, multipart
//! uploads.
//!
//! Signs with the project's own [`causeway_shared::sigv4`]. Not here: buckets' own settings,
//! copies, versions other than the current one.

mod multipart;
mod reply;
mod request;

use std::sync::Arc;

use bytes::Bytes;
use causeway_shared::sigv4::{Credentials, Signer};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::{Response, Url};
use tokio::io::AsyncWrite;

use self::reply::Written;
use super::checksum::Verifier;
use super::source::{Prepared, Whole};
use super::transport::{connect, download, parse_endpoint, send, with_retries};
use super::{
    Attributes, ClientError, ListOptions, ListPage, ObjectInfo, Progress, Source,
    refuse_unreachable_segments,
};

/// Where S3 is and who asks.
#[derive(Debug, Clone)]
pub struct S3Config {
    /// Base URL of an S3-compatible service, spoken to path-style; `None` for AWS itself in
    /// [`region`](Self::region), spoken to virtual-hosted-style (path-style for buckets with dots)
    pub endpoint: Option<String>,
    /// The region to sign for
    pub region: String,
    /// The keys to sign with
    pub credentials: Credentials,
}

/// A client with its pool of connections. Cloning it is cheap and shares the pool.
#[derive(Debug, Clone)]
pub struct S3Client {
    http: reqwest::Client,
    endpoint: Option<Url>,
    region: String,
    signer: Arc<Signer>,
}

impl S3Client {
    /// Prepares a client. Nothing is sent yet.
    ///
    /// # Errors
    /// `Input` when the endpoint is not an http or https URL or the region is not one; `Failed` when TLS cannot be set up.
    pub fn new(config: S3Config) -> Result<Self, ClientError> {
        let endpoint = config.endpoint.as_deref().map(parse_endpoint).transpose()?;
        let http = match &endpoint {
            Some(endpoint) => connect(endpoint)?,
            None => connect(&parse_endpoint("https://s3.amazonaws.com")?)?,
        };
        let region = config.region;
        let signer = Signer::s3(config.credentials, region.as_str())
            .map_err(|error| request::unsignable(&error))?;
        Ok(Self {
            http,
            endpoint,
            region,
            signer: Arc::new(signer),
        })
    }

    /// Uploads an object, replacing what is there: in one request up to
    /// [`SINGLE_REQUEST_LIMIT`](super::SINGLE_REQUEST_LIMIT), else in pieces, several at a time. S3
    /// checks a CRC32C over the whole object before it shows it.
    ///
    /// Gives what is known of the new object without asking for it: no time, no storage class.
    ///
    /// # Errors
    /// `Input` for keys that cannot be named, attributes that are not visible ASCII and sources
    /// that cannot be read; otherwise what S3 says. Pieces of a failed upload are removed.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        source: Source,
        attributes: &Attributes,
        progress: &Progress,
    ) -> Result<ObjectInfo, ClientError> {
        refuse_unreachable_segments(key)?;
        let headers = request::attribute_headers(attributes)?;
        let (size, crc32c, reply) = match source.prepare().await? {
            Prepared::Whole(whole) => {
                let reply = self
                    .put_whole(bucket, key, &whole, &headers, progress)
                    .await?;
                (whole.length, whole.crc32c, reply)
            }
            Prepared::Parts(parts) => {
                self.put_parts(bucket, key, parts, &headers, progress)
                    .await?
            }
        };
        Ok(ObjectInfo {
            key: key.to_owned(),
            size,
            etag: reply.etag,
            version_id: reply.version_id,
            checksums: [("crc32c".to_owned(), crc32c.encoded())].into(),
            attributes: attributes.clone(),
            ..ObjectInfo::default()
        })
    }

    async fn put_whole(
        &self,
        bucket: &str,
        key: &str,
        whole: &Whole,
        headers: &HeaderMap,
        progress: &Progress,
    ) -> Result<Written, ClientError> {
        with_retries(|| async {
            let attempt = progress.attempt();
            let mut headers = headers.clone();
            headers.insert("x-amz-checksum-crc32c", ascii(&whole.crc32c.encoded())?);
            let body = whole.body(Bytes::new(), Bytes::new(), &attempt).await?;
            let ask = Ask {
                method: Method::PUT,
                bucket,
                key: Some(key),
                query: &[],
                headers,
            };
            let response = self.ask(ask, Some((body, whole.length))).await?;
            attempt.keep();
            Ok(reply::written(response.headers()))
        })
        .await
    }

    /// Streams an object to `sink` and checks its length, and its checksum where S3 has one over
    /// the whole object. What `sink` holds after an error is not to be used.
    ///
    /// # Errors
    /// `NotFound`, `Refused`, `Unreachable`; `Failed` when the bytes are not what S3 announced or
    /// `sink` cannot be written.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        sink: &mut (impl AsyncWrite + Unpin),
        progress: &Progress,
    ) -> Result<ObjectInfo, ClientError> {
        let response = with_retries(|| self.look(Method::GET, bucket, key)).await?;
        let info = reply::object(key, response.headers())?;
        download(response, sink, Verifier::new(&info), progress).await?;
        Ok(info)
    }

    /// An object's bytes and what S3 says about it, checked as in [`get`](Self::get).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_bytes(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<(ObjectInfo, Bytes), ClientError> {
        with_retries(|| async {
            let mut bytes = Vec::new();
            let response = self.look(Method::GET, bucket, key).await?;
            let info = reply::object(key, response.headers())?;
            download(
                response,
                &mut bytes,
                Verifier::new(&info),
                &Progress::default(),
            )
            .await?;
            Ok((info, bytes.into()))
        })
        .await
    }

    /// What S3 says about an object, its stored checksums included.
    ///
    /// # Errors
    /// `NotFound`, `Refused` (also for a missing object, where listing is not allowed),
    /// `Unreachable`, `Failed`.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, ClientError> {
        let response = with_retries(|| self.look(Method::HEAD, bucket, key)).await?;
        reply::object(key, response.headers())
    }

    async fn look(&self, method: Method, bucket: &str, key: &str) -> Result<Response, ClientError> {
        refuse_unreachable_segments(key)?;
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-checksum-mode", HeaderValue::from_static("ENABLED"));
        self.ask(
            Ask {
                method,
                bucket,
                key: Some(key),
                query: &[],
                headers,
            },
            None,
        )
        .await
    }

    /// One page of a listing.
    ///
    /// # Errors
    /// `NotFound` for a missing bucket, `Refused`, `Unreachable`, `Failed`.
    pub async fn list(&self, bucket: &str, what: &ListOptions) -> Result<ListPage, ClientError> {
        let page_size = what.page_size.map(|size| size.to_string());
        // Url-encoded, because XML cannot hold every character that a key can.
        let mut query = vec![
            ("encoding-type", "url"),
            ("list-type", "2"),
            ("prefix", &what.prefix),
        ];
        if what.folded {
            query.push(("delimiter", "/"));
        }
        if let Some(token) = &what.page_token {
            query.push(("continuation-token", token));
        }
        if let Some(size) = &page_size {
            query.push(("max-keys", size));
        }
        with_retries(|| async {
            let headers = HeaderMap::new();
            let ask = Ask {
                method: Method::GET,
                bucket,
                key: None,
                query: &query,
                headers,
            };
            reply::list_page(self.ask(ask, None).await?).await
        })
        .await
    }

    /// Deletes an object (in a versioned bucket: puts a delete marker over it). S3 does not say
    /// whether it was there.
    ///
    /// # Errors
    /// `NotFound` for a missing bucket, `Refused`, `Unreachable`, `Failed`.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), ClientError> {
        refuse_unreachable_segments(key)?;
        with_retries(|| async {
            let headers = HeaderMap::new();
            let ask = Ask {
                method: Method::DELETE,
                bucket,
                key: Some(key),
                query: &[],
                headers,
            };
            self.ask(ask, None).await.map(drop)
        })
        .await
    }

    /// Signs and sends one request, and makes an error of any reply but success.
    async fn ask(
        &self,
        ask: Ask<'_>,
        body: Option<(reqwest::Body, u64)>,
    ) -> Result<Response, ClientError> {
        let (method, bucket, key) = (ask.method.clone(), ask.bucket, ask.key);
        let signed = self.signed(ask, body.is_some())?;
        let length = body.as_ref().map_or(0, |(_, length)| *length);
        let mut request = signed.map(|()| match body {
            Some((body, _)) => body,
            None => reqwest::Body::from(Bytes::new()),
        });
        if matches!(method, Method::PUT | Method::POST) {
            request
                .headers_mut()
                .insert(http::header::CONTENT_LENGTH, length.into());
        }
        let response = send(&self.http, request, length).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(reply::refusal(response, bucket, key, &self.region).await)
    }
}

/// What is asked of S3, before it is signed.
struct Ask<'a> {
    method: Method,
    bucket: &'a str,
    key: Option<&'a str>,
    query: &'a [(&'a str, &'a str)],
    headers: HeaderMap,
}

/// A header's value. S3 would give anything but ASCII back in another form than it took it.
fn ascii(value: &str) -> Result<HeaderValue, ClientError> {
    let checked = HeaderValue::from_str(value)
        .ok()
        .filter(|_| value.is_ascii());
    checked.ok_or_else(|| {
        ClientError::input(
            format!("{value:?} cannot travel in an HTTP header, which takes visible ASCII"),
            "encode it, for example percent-encoded",
        )
    })
}

fn header_name(name: &str) -> Result<HeaderName, ClientError> {
    name.parse().map_err(|_| {
        ClientError::input(
            format!("{name:?} is not a header name"),
            "use letters, digits and - in the names of metadata",
        )
    })
}
