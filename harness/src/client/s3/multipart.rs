//! Uploads in pieces, several at a time.
//!
//! Each piece carries its CRC32C, the completion the one of the whole object, so S3 shows the object
//! only if every byte arrived. See
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::reply::{Written, error_document, explain, unquoted};
use super::{Ask, S3Client, ascii};
use crate::client::checksum::Crc32c;
use crate::client::source::{Part, Parts};
use crate::client::transport::{read_text, with_retries};
use crate::client::{ClientError, Progress};

/// Pieces under way at once, each held in memory.
const AT_ONCE: usize = 4;

const LONGEST_REPLY: usize = 1 << 20;

/// An upload under way.
struct Upload {
    client: S3Client,
    bucket: String,
    key: String,
    id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Initiated {
    upload_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Completed {
    #[serde(rename = "ETag")]
    etag: Option<String>,
}

#[derive(Serialize)]
#[serde(rename = "CompleteMultipartUpload")]
struct Complete<'a> {
    #[serde(rename = "@xmlns")]
    namespace: &'static str,
    #[serde(rename = "Part")]
    parts: &'a [UploadedPart],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UploadedPart {
    #[serde(rename = "ETag")]
    etag: String,
    #[serde(rename = "ChecksumCRC32C")]
    checksum: String,
    part_number: u32,
    #[serde(skip)]
    crc32c: Crc32c,
    #[serde(skip)]
    length: u64,
}

impl S3Client {
    /// Uploads `parts`: the object's size, its checksum, and what S3 said of it.
    pub(super) async fn put_parts(
        &self,
        bucket: &str,
        key: &str,
        parts: Parts,
        headers: &HeaderMap,
        progress: &Progress,
    ) -> Result<(u64, Crc32c, Written), ClientError> {
        let upload = self.initiate(bucket, key, headers).await?;
        match upload.run(parts, progress).await {
            Ok(done) => Ok(done),
            Err(mut error) => {
                if let Err(left) = upload.abort().await {
                    error.advice = format!(
                        "{} The pieces sent so far are still stored and could not be removed: {left}",
                        error.advice
                    );
                }
                Err(error)
            }
        }
    }

    async fn initiate(
        &self,
        bucket: &str,
        key: &str,
        headers: &HeaderMap,
    ) -> Result<Arc<Upload>, ClientError> {
        let mut headers = headers.clone();
        headers.insert(
            "x-amz-checksum-algorithm",
            HeaderValue::from_static("CRC32C"),
        );
        headers.insert(
            "x-amz-checksum-type",
            HeaderValue::from_static("FULL_OBJECT"),
        );
        let document = with_retries(|| async {
            let query = &[("uploads", "")];
            let headers = headers.clone();
            let ask = Ask {
                method: Method::POST,
                bucket,
                key: Some(key),
                query,
                headers,
            };
            read_text(self.ask(ask, None).await?, LONGEST_REPLY).await
        })
        .await?;
        let Initiated { upload_id: id } = parse(&document)?;
        let (client, bucket, key) = (self.clone(), bucket.to_owned(), key.to_owned());
        Ok(Arc::new(Upload {
            client,
            bucket,
            key,
            id,
        }))
    }
}

impl Upload {
    async fn run(
        self: &Arc<Self>,
        mut parts: Parts,
        progress: &Progress,
    ) -> Result<(u64, Crc32c, Written), ClientError> {
        let mut uploading = JoinSet::new();
        let mut uploaded: Vec<UploadedPart> = Vec::new();
        while let Some(part) = parts.next().await? {
            if uploading.len() == AT_ONCE {
                uploaded.extend(finished(&mut uploading).await?);
            }
            let (upload, progress) = (Arc::clone(self), progress.clone());
            uploading.spawn(async move { upload.upload(part, &progress).await });
        }
        while let Some(part) = finished(&mut uploading).await? {
            uploaded.push(part);
        }
        uploaded.sort_unstable_by_key(|part| part.part_number);
        let (size, crc32c) = uploaded
            .iter()
            .fold((0, Crc32c::of(b"")), |(size, crc), part| {
                (
                    size + part.length,
                    crc.followed_by(part.crc32c, part.length),
                )
            });
        let written = self.complete(&uploaded, size, crc32c).await?;
        Ok((size, crc32c, written))
    }

    async fn upload(&self, part: Part, progress: &Progress) -> Result<UploadedPart, ClientError> {
        let number = part.number.to_string();
        let query = [
            ("partNumber", number.as_str()),
            ("uploadId", self.id.as_str()),
        ];
        let length = part.bytes.len() as u64;
        let etag = with_retries(|| async {
            let mut headers = HeaderMap::new();
            headers.insert("x-amz-checksum-crc32c", ascii(&part.crc32c.encoded())?);
            let ask = self.ask(Method::PUT, &query, headers);
            let body = reqwest::Body::from(part.bytes.clone());
            let response = self.client.ask(ask, Some((body, length))).await?;
            super::reply::written(response.headers())
                .etag
                .ok_or_else(|| {
                    ClientError::failed(format!(
                        "S3 gave no ETag for part {number} of {}",
                        self.key
                    ))
                })
        })
        .await?;
        progress.add(i64::try_from(length).unwrap_or(i64::MAX));
        let checksum = part.crc32c.encoded();
        Ok(UploadedPart {
            etag,
            checksum,
            part_number: part.number,
            crc32c: part.crc32c,
            length,
        })
    }

    async fn complete(
        &self,
        parts: &[UploadedPart],
        size: u64,
        crc32c: Crc32c,
    ) -> Result<Written, ClientError> {
        let list = Complete {
            namespace: "http://s3.amazonaws.com/doc/2006-03-01/",
            parts,
        };
        let body = quick_xml::se::to_string(&list).map_err(|error| {
            ClientError::failed(format!("cannot write the list of parts: {error}"))
        })?;
        let body = Bytes::from(body);
        let query = [("uploadId", self.id.as_str())];
        with_retries(|| async {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static("application/xml"));
            headers.insert("x-amz-checksum-crc32c", ascii(&crc32c.encoded())?);
            headers.insert(
                "x-amz-checksum-type",
                HeaderValue::from_static("FULL_OBJECT"),
            );
            headers.insert("x-amz-mp-object-size", ascii(&size.to_string())?);
            let ask = self.ask(Method::POST, &query, headers);
            let length = body.len() as u64;
            let response = self
                .client
                .ask(ask, Some((body.clone().into(), length)))
                .await?;
            let version_id = super::reply::written(response.headers()).version_id;
            // S3 may begin its 200 before it knows how the completion ends.
            let document = read_text(response, LONGEST_REPLY).await?;
            if let Some(error) = error_document(&document) {
                let name = format!("s3://{}/{}", self.bucket, self.key);
                let status = http::StatusCode::INTERNAL_SERVER_ERROR;
                return Err(explain(status, &error, &name, None));
            }
            let Completed { etag } = parse(&document)?;
            Ok(Written {
                etag: etag.as_deref().map(unquoted),
                version_id,
            })
        })
        .await
    }

    async fn abort(&self) -> Result<(), ClientError> {
        let query = [("uploadId", self.id.as_str())];
        with_retries(|| async {
            let ask = self.ask(Method::DELETE, &query, HeaderMap::new());
            self.client.ask(ask, None).await.map(drop)
        })
        .await
    }

    fn ask<'q>(
        &'q self,
        method: Method,
        query: &'q [(&'q str, &'q str)],
        headers: HeaderMap,
    ) -> Ask<'q> {
        Ask {
            method,
            bucket: &self.bucket,
            key: Some(&self.key),
            query,
            headers,
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(document: &str) -> Result<T, ClientError> {
    quick_xml::de::from_str(document)
        .map_err(|error| ClientError::failed(format!("S3's reply cannot be read: {error}")))
}

/// Waits for one of the pieces under way; `None` when there is none.
async fn finished(
    uploading: &mut JoinSet<Result<UploadedPart, ClientError>>,
) -> Result<Option<UploadedPart>, ClientError> {
    match uploading.join_next().await {
        None => Ok(None),
        Some(Ok(part)) => part.map(Some),
        Some(Err(error)) => Err(ClientError::failed(format!(
            "an upload's task ended: {error}"
        ))),
    }
}
