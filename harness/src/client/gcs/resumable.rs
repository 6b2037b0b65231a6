//! Resumable uploads: a session, its chunks, and the question of what it has after a failure.
//!
//! See <https://cloud.google.com/storage/docs/performing-resumable-uploads>. The session's URI is a
//! secret of its own: no token is sent to it and no error shows it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use reqwest::Response;

use super::reply::{self, Resource};
use super::{GcsClient, unfit};
use crate::client::checksum::Crc32c;
use crate::client::source::{Part, Parts};
use crate::client::transport::{send, with_retries};
use crate::client::{Attributes, ClientError, Progress};

/// How often in a row a session may fail without a byte of progress.
const PATIENCE: u32 = 5;

/// A session.
struct Session<'a> {
    client: &'a GcsClient,
    bucket: &'a str,
    key: &'a str,
    uri: String,
}

/// What a session answered.
enum Status {
    /// It has this many bytes
    Persisted(u64),
    /// It has them all
    Complete(Box<Resource>),
}

impl GcsClient {
    pub(super) async fn put_parts(
        &self,
        bucket: &str,
        key: &str,
        mut parts: Parts,
        attributes: &Attributes,
        progress: &Progress,
    ) -> Result<Resource, ClientError> {
        let session = self.begin(bucket, key, attributes).await?;
        let mut whole = Crc32c::of(b"");
        while let Some(part) = parts.next().await? {
            let length = part.bytes.len() as u64;
            whole = whole.followed_by(part.crc32c, length);
            let done = session.store(&part, whole).await?;
            progress.add(i64::try_from(length).unwrap_or(i64::MAX));
            if let Some(resource) = done {
                return Ok(resource);
            }
        }
        Err(ClientError::failed(format!(
            "GCS took all of gs://{bucket}/{key} and did not finish it"
        )))
    }

    async fn begin<'a>(
        &'a self,
        bucket: &'a str,
        key: &'a str,
        attributes: &Attributes,
    ) -> Result<Session<'a>, ClientError> {
        let url = self.url("/upload", bucket, None, &[("uploadType", "resumable")])?;
        let resource = Bytes::from(Resource::to_write(key, attributes, None).json()?);
        let uri = with_retries(|| async {
            let mut request = Request::post(url.as_str())
                .header(header::CONTENT_TYPE, "application/json; charset=UTF-8");
            if let Some(kind) = &attributes.content_type {
                request = request.header("x-upload-content-type", kind);
            }
            if let Some(authorization) = self.authorization()? {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let request = request.body(resource.clone().into()).map_err(unfit)?;
            let response = send(&self.http, request, 0).await?;
            let response = reply::accepted(response, bucket, Some(key)).await?;
            let location = response.headers().get(header::LOCATION);
            location
                .and_then(|uri| uri.to_str().ok())
                .map(str::to_owned)
                .ok_or_else(|| {
                    ClientError::failed("GCS began an upload and gave no Location for it")
                })
        })
        .await?;
        Ok(Session {
            client: self,
            bucket,
            key,
            uri,
        })
    }
}

impl Session<'_> {
    /// Sends one part until the session has it; the resource when it was the last. `whole` is the
    /// checksum of everything up to the part's end.
    async fn store(&self, part: &Part, whole: Crc32c) -> Result<Option<Resource>, ClientError> {
        let end = part.offset + part.bytes.len() as u64;
        let mut at = part.offset;
        let mut failures = 0;
        loop {
            // After any failure the session is asked what it has before more is sent.
            let status = match self.send_from(part, at, whole).await {
                Err(error) if error.transient && failures < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(200 << failures)).await;
                    failures += 1;
                    self.query(part.last.then_some(end)).await?
                }
                other => other?,
            };
            match status {
                Status::Complete(resource) if part.last => return Ok(Some(*resource)),
                Status::Complete(_) => return Err(self.unexpected("finished before its last byte")),
                Status::Persisted(persisted) if persisted < at || persisted > end => {
                    return Err(self.unexpected(&format!(
                        "has {persisted} bytes, where {at} to {end} were expected"
                    )));
                }
                Status::Persisted(persisted) if persisted == end && !part.last => return Ok(None),
                Status::Persisted(persisted) => {
                    // Some of it arrived: go on from there. None of it: that counts as a failure.
                    failures = if persisted > at { 0 } else { failures + 1 };
                    at = persisted;
                    if failures > PATIENCE {
                        return Err(self.unexpected(&format!("does not get beyond byte {at}")));
                    }
                }
            }
        }
    }

    async fn send_from(&self, part: &Part, at: u64, whole: Crc32c) -> Result<Status, ClientError> {
        let skip = usize::try_from(at - part.offset).unwrap_or(usize::MAX);
        let bytes = part.bytes.slice(skip..);
        let end = at + bytes.len() as u64;
        let total = if part.last {
            end.to_string()
        } else {
            "*".to_owned()
        };
        let range = match bytes.len() {
            0 => format!("bytes */{total}"),
            _ => format!("bytes {at}-{}/{total}", end - 1),
        };
        let length = bytes.len() as u64;
        let mut request = Request::put(&self.uri)
            .header(header::CONTENT_RANGE, range)
            .header(header::CONTENT_LENGTH, length);
        if part.last {
            request = request.header("x-goog-hash", format!("crc32c={}", whole.encoded()));
        }
        let request = request.body(bytes.into()).map_err(|_| self.unfit())?;
        self.status(send(&self.client.http, request, length).await?)
            .await
    }

    async fn query(&self, total: Option<u64>) -> Result<Status, ClientError> {
        let total = total.map_or("*".to_owned(), |total| total.to_string());
        with_retries(|| async {
            let request = Request::put(&self.uri)
                .header(header::CONTENT_RANGE, format!("bytes */{total}"))
                .header(header::CONTENT_LENGTH, 0)
                .body(Bytes::new().into())
                .map_err(|_| self.unfit())?;
            self.status(send(&self.client.http, request, 0).await?)
                .await
        })
        .await
    }

    async fn status(&self, response: Response) -> Result<Status, ClientError> {
        if response.status() != StatusCode::PERMANENT_REDIRECT {
            let response = reply::accepted(response, self.bucket, Some(self.key)).await?;
            return Ok(Status::Complete(Box::new(Resource::read(response).await?)));
        }
        let Some(range) = response.headers().get(header::RANGE) else {
            return Ok(Status::Persisted(0));
        };
        // `bytes=0-N` has an inclusive end.
        let last = range
            .to_str()
            .ok()
            .and_then(|range| range.strip_prefix("bytes=0-"));
        match last
            .and_then(|last| last.parse::<u64>().ok())
            .and_then(|last| last.checked_add(1))
        {
            Some(persisted) => Ok(Status::Persisted(persisted)),
            None => Err(self.unexpected(&format!("answers with Range {range:?}"))),
        }
    }

    fn unexpected(&self, what: &str) -> ClientError {
        ClientError::failed(format!(
            "GCS's upload session for gs://{}/{} {what}",
            self.bucket, self.key
        ))
    }

    fn unfit(&self) -> ClientError {
        self.unexpected("has an address that is not a URL")
    }
}
