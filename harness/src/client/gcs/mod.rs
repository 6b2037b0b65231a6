//! A client for Google Cloud Storage's JSON API: upload, media, metadata, list, delete.
//!
//! See <https://cloud.google.com/storage/docs/json_api/v1>. Not here: buckets' own settings,
//! compose, preconditions; those are `causeway_shared::gcs`'s.

mod reply;
mod resumable;
mod token;

use bytes::Bytes;
use causeway_shared::sigv4::encode_query;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use reqwest::{Response, Url};
use tokio::io::AsyncWrite;

use self::reply::Resource;
pub use self::token::ServiceAccount;
use self::token::TokenSource;
use super::checksum::Verifier;
use super::source::{Prepared, Whole};
use super::transport::{connect, download, encode, parse_endpoint, read_text, send, with_retries};
use super::{Attributes, ClientError, ListOptions, ListPage, ObjectInfo, Progress, Source};

/// Where Google Cloud Storage is when nothing else is said.
pub const GOOGLE: &str = "https://storage.googleapis.com";

/// Longest JSON document read, in bytes: a page of 1,000 objects with 8 KiB of metadata each.
const LONGEST_DOCUMENT: usize = 32 << 20;

/// Where Google Cloud Storage is and who asks.
#[derive(Debug, Clone)]
pub struct GcsConfig {
    /// Base URL; [`GOOGLE`] but for emulators
    pub endpoint: String,
    /// Who asks; `None` sends no token, which only emulators and public buckets take
    pub service_account: Option<ServiceAccount>,
}

/// A client with its pool of connections. Cloning it is cheap and shares the pool and the token.
#[derive(Debug, Clone)]
pub struct GcsClient {
    http: reqwest::Client,
    endpoint: Url,
    tokens: Option<TokenSource>,
}

impl GcsClient {
    /// Prepares a client. Nothing is sent yet.
    ///
    /// # Errors
    /// `Input` when the endpoint is not an http or https URL or the service account's private key
    /// cannot be read; `Failed` when TLS cannot be set up.
    pub fn new(config: GcsConfig) -> Result<Self, ClientError> {
        let endpoint = parse_endpoint(&config.endpoint)?;
        let tokens = config.service_account.map(TokenSource::new);
        Ok(Self {
            http: connect(&endpoint)?,
            endpoint,
            tokens,
        })
    }

    /// Uploads an object, replacing what is there: in one request up to
    /// [`SINGLE_REQUEST_LIMIT`](super::SINGLE_REQUEST_LIMIT), else in a resumable session. GCS checks
    /// a CRC32C over the whole object before it shows it.
    ///
    /// # Errors
    /// `Input` for names that cannot be and sources that cannot be read; otherwise what GCS says.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        source: Source,
        attributes: &Attributes,
        progress: &Progress,
    ) -> Result<ObjectInfo, ClientError> {
        check_key(key)?;
        let resource = match source.prepare().await? {
            Prepared::Whole(whole) => {
                self.put_whole(bucket, key, &whole, attributes, progress)
                    .await?
            }
            Prepared::Parts(parts) => {
                self.put_parts(bucket, key, parts, attributes, progress)
                    .await?
            }
        };
        resource.into_info()
    }

    /// One `multipart/related` request: the resource, then the media.
    /// <https://cloud.google.com/storage/docs/uploading-objects#rest-upload-objects>
    async fn put_whole(
        &self,
        bucket: &str,
        key: &str,
        whole: &Whole,
        attributes: &Attributes,
        progress: &Progress,
    ) -> Result<Resource, ClientError> {
        let resource = Resource::to_write(key, attributes, Some(whole.crc32c)).json()?;
        let boundary = boundary()?;
        let media_type = attributes
            .content_type
            .as_deref()
            .unwrap_or("application/octet-stream");
        media_type
            .parse::<HeaderValue>()
            .map_err(|_| ClientError::input(format!("{media_type:?} is not a content type"), ""))?;
        let before = Bytes::from(format!(
            "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{resource}\r\n\
             --{boundary}\r\nContent-Type: {media_type}\r\n\r\n"
        ));
        let after = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        let length = before.len() as u64 + whole.length + after.len() as u64;
        let url = self.url("/upload", bucket, None, &[("uploadType", "multipart")])?;
        with_retries(|| async {
            let attempt = progress.attempt();
            let mut request = Request::post(url.as_str())
                .header(
                    header::CONTENT_TYPE,
                    format!("multipart/related; boundary={boundary}"),
                )
                .header(header::CONTENT_LENGTH, length);
            if let Some(authorization) = self.authorization()? {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let body = whole.body(before.clone(), after.clone(), &attempt).await?;
            let request = request.body(body).map_err(unfit)?;
            let response = send(&self.http, request, length).await?;
            let response = reply::accepted(response, bucket, Some(key)).await?;
            attempt.keep();
            Resource::read(response).await
        })
        .await
    }

    /// Streams an object's bytes as they are stored to `sink` (gzip-encoded ones stay so) and
    /// checks their length and CRC32C. What `sink` holds after an error is not to be used.
    ///
    /// # Errors
    /// `NotFound` (also when the object was replaced between the look at it and the read),
    /// `Refused`, `Unreachable`; `Failed` when the bytes are not what GCS announced or `sink` cannot
    /// be written.
    pub async fn get(
        &self,
        bucket: &str,
        key: &str,
        sink: &mut (impl AsyncWrite + Unpin),
        progress: &Progress,
    ) -> Result<ObjectInfo, ClientError> {
        check_key(key)?;
        let (info, response) = with_retries(|| self.open(bucket, key)).await?;
        download(response, sink, Verifier::new(&info), progress).await?;
        Ok(info)
    }

    /// Looks at an object, then asks for the content of the generation seen.
    async fn open(&self, bucket: &str, key: &str) -> Result<(ObjectInfo, Response), ClientError> {
        let info = self.look(bucket, key).await?;
        let generation = info.generation.unwrap_or_default().to_string();
        let mut query = vec![("alt", "media")];
        if info.generation.is_some() {
            query.push(("generation", &generation));
        }
        let response = self.ask(Method::GET, bucket, Some(key), &query).await?;
        Ok((info, response))
    }

    /// An object's bytes as they are stored and what GCS says about it, checked as in
    /// [`get`](Self::get).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn get_bytes(
        &self,
        bucket: &str,
        key: &str,
    ) -> Result<(ObjectInfo, Bytes), ClientError> {
        check_key(key)?;
        with_retries(|| async {
            let mut bytes = Vec::new();
            let (info, response) = self.open(bucket, key).await?;
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

    /// What GCS says about an object.
    ///
    /// # Errors
    /// `NotFound`, `Refused`, `Unreachable`, `Failed`.
    pub async fn head(&self, bucket: &str, key: &str) -> Result<ObjectInfo, ClientError> {
        check_key(key)?;
        with_retries(|| self.look(bucket, key)).await
    }

    async fn look(&self, bucket: &str, key: &str) -> Result<ObjectInfo, ClientError> {
        let response = self.ask(Method::GET, bucket, Some(key), &[]).await?;
        Resource::read(response).await?.into_info()
    }

    /// One page of a listing. GCS tells all about each object.
    ///
    /// # Errors
    /// `NotFound` for a missing bucket, `Refused`, `Unreachable`, `Failed`.
    pub async fn list(&self, bucket: &str, what: &ListOptions) -> Result<ListPage, ClientError> {
        let page_size = what.page_size.map(|size| size.to_string());
        let mut query = vec![("prefix", what.prefix.as_str())];
        if what.folded {
            query.push(("delimiter", "/"));
        }
        if let Some(token) = &what.page_token {
            query.push(("pageToken", token));
        }
        if let Some(size) = &page_size {
            query.push(("maxResults", size));
        }
        with_retries(|| async {
            let response = self.ask(Method::GET, bucket, None, &query).await?;
            reply::list_page(&read_text(response, LONGEST_DOCUMENT).await?)
        })
        .await
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// `NotFound`, `Refused`, `Unreachable`, `Failed`.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), ClientError> {
        check_key(key)?;
        with_retries(|| async {
            self.ask(Method::DELETE, bucket, Some(key), &[])
                .await
                .map(drop)
        })
        .await
    }

    /// Sends a request without a body, and makes an error of any reply but success.
    async fn ask(
        &self,
        method: Method,
        bucket: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<Response, ClientError> {
        let url = self.url("", bucket, Some(key.unwrap_or_default()), query)?;
        let mut request = Request::new(reqwest::Body::from(Bytes::new()));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().map_err(unfit)?;
        let headers: &mut HeaderMap = request.headers_mut();
        // Without it GCS decompresses what is stored gzip-encoded.
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(authorization) = self.authorization()? {
            headers.insert(header::AUTHORIZATION, authorization);
        }
        let response = send(&self.http, request, 0).await?;
        reply::accepted(response, bucket, key).await
    }

    /// `key`: `None` for the bucket's collection of objects in an upload, empty in a listing.
    fn url(
        &self,
        before: &str,
        bucket: &str,
        key: Option<&str>,
        query: &[(&str, &str)],
    ) -> Result<String, ClientError> {
        if bucket.is_empty() || matches!(bucket, "." | "..") {
            return Err(ClientError::input(
                format!("{bucket:?} is not the name of a bucket"),
                "",
            ));
        }
        let endpoint = self.endpoint.as_str().trim_end_matches('/');
        let mut url = format!("{endpoint}{before}/storage/v1/b/{}/o", encode(bucket));
        if let Some(key) = key.filter(|key| !key.is_empty()) {
            url = format!("{url}/{}", encode(key));
        }
        if !query.is_empty() {
            url = format!("{url}?{}", encode_query(query.iter().copied()));
        }
        Ok(url)
    }

    fn authorization(&self) -> Result<Option<HeaderValue>, ClientError> {
        self.tokens
            .as_ref()
            .map(TokenSource::authorization)
            .transpose()
    }
}

/// Names that GCS does not take, or that no URL can carry.
/// <https://cloud.google.com/storage/docs/objects#naming>
fn check_key(key: &str) -> Result<(), ClientError> {
    if matches!(key, "" | "." | "..") {
        return Err(ClientError::input(
            format!("{key:?} cannot be the name of an object"),
            "choose another name",
        ));
    }
    Ok(())
}

fn unfit(error: impl std::fmt::Display) -> ClientError {
    ClientError::input(format!("unfit request: {error}"), "")
}

/// A line that no content holds but by a chance of 2^-128.
fn boundary() -> Result<String, ClientError> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random)
        .map_err(|_| ClientError::failed("the system gives no random bytes"))?;
    Ok(format!("causeway-{:032x}", u128::from_be_bytes(random)))
}
