//! S3's dialect: requests, replies, refusals, events.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use http::{HeaderMap, Method, Request, Response};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{BUCKET, Change, Checksums, LISTED, Parts, Readable, S3, SKEW, Version, timestamp};
use crate::simulate::body::Body;
use crate::simulate::gcs::{asked, decoded, parameter};

impl S3 {
    /// Answers `request` at `now`; the body of what is read comes beside the reply. What answers a HEAD
    /// has none, a refusal included.
    pub(in crate::simulate) fn serve(
        &self,
        request: &Request<()>,
        now: u64,
    ) -> (Response<Bytes>, Option<Body>) {
        let (mut reply, body) = self.get(request, now);
        if request.method() == Method::HEAD {
            *reply.body_mut() = Bytes::new();
            return (reply, None);
        }
        (reply, body)
    }

    fn get(&self, request: &Request<()>, now: u64) -> (Response<Bytes>, Option<Body>) {
        let refused = |status, code| (error(status, code), None);
        if let Some((status, code)) = refuse_caller(request.headers(), now) {
            return refused(status, code);
        }
        let path = request.uri().path().strip_prefix('/');
        let Some((bucket, key)) = path.and_then(|path| path.split_once('/')) else {
            return refused(404, "NoSuchBucket");
        };
        if bucket != BUCKET {
            // There is nothing in it.
            return Self::default().get_in(request, key);
        }
        self.get_in(request, key)
    }

    fn get_in(&self, request: &Request<()>, key: &str) -> (Response<Bytes>, Option<Body>) {
        let refused = |status, code| (error(status, code), None);
        let query = request.uri().query().unwrap_or_default();
        if key.is_empty() {
            return (self.list(query), None);
        }
        let key = decoded(key);
        let is_of_tags = query.starts_with("tagging");
        let asked = parameter(query, "versionId").filter(|_| self.versioned && !is_of_tags);
        let current = self.current(&key);
        let found = match (asked, self.readable) {
            (None, _) => current,
            (Some(_), Readable::Nothing) => return refused(403, "AccessDenied"),
            (Some(id), readable) => {
                let mut versions = self.past(&key).map(|(_, version)| version);
                let found = versions.find(|version| version.id == id);
                let kept =
                    |version: &&Version| readable == Readable::All || Some(*version) == current;
                match found.filter(kept) {
                    Some(version) => Some(version),
                    None => return refused(404, "NoSuchVersion"),
                }
            }
        };
        let Some(version) = found else {
            let (mut reply, body) = refused(404, "NoSuchKey");
            if self.versioned && self.keys.contains_key(&key) {
                let marker = http::HeaderValue::from_static("true");
                reply.headers_mut().insert("x-amz-delete-marker", marker);
            }
            return (reply, body);
        };
        if is_of_tags {
            return (self.tagging(&key, query), None);
        }
        if query.starts_with("attributes") && self.parts != Parts::Ignored {
            return (self.attributes(version, request.headers()), None);
        }
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if header("if-match").is_some_and(|etag| etag != version.etag) {
            return refused(412, "PreconditionFailed");
        }
        match header("range").map(|range| read_range(range, version.put.size)) {
            Some(None) => refused(416, "InvalidRange"),
            Some(Some(span)) => self.object(version, Some(span)),
            None => self.object(version, None),
        }
    }

    /// A page, of no more keys than make another one likely.
    fn list(&self, query: &str) -> Response<Bytes> {
        let (prefix, after) = (asked(query, "prefix"), asked(query, "start-after"));
        let all = self.keys.range(after.clone()..).filter_map(|(key, _)| {
            let is_asked = *key > after && key.starts_with(&prefix);
            Some((key, self.current(key).filter(|_| is_asked)?))
        });
        let found: Vec<_> = all.take(LISTED + 1).collect();
        let contents: String = found
            .iter()
            .take(LISTED)
            .map(|(key, version)| {
                let key = utf8_percent_encode(key, NON_ALPHANUMERIC);
                let (etag, size) = (version.etag.replace('"', "&quot;"), version.put.size);
                let modified = timestamp(version.modified).strftime("%Y-%m-%dT%H:%M:%S.000Z");
                format!("<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>{etag}</ETag><Size>{size}</Size></Contents>")
            })
            .collect();
        let more = found.len() > LISTED;
        let body = format!(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{contents}</ListBucketResult>"
        );
        Response::new(body.into())
    }

    fn tagging(&self, key: &str, query: &str) -> Response<Bytes> {
        let asked = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("versionId="));
        let mut versions = self.past(key).rev().map(|(_, version)| version);
        let found = versions.find(|version| asked.is_none_or(|id| id == version.id));
        let Some(version) = found else {
            return error(404, "NoSuchVersion");
        };
        let tag = version.tag.map_or_else(String::new, |tag| {
            format!("<Tag><Key>kind</Key><Value>{tag}</Value></Tag>")
        });
        Response::new(format!("<Tagging><TagSet>{tag}</TagSet></Tagging>").into())
    }

    /// A page of one part.
    fn attributes(&self, version: &Version, headers: &HeaderMap) -> Response<Bytes> {
        match self.parts {
            Parts::Denied => return error(403, "AccessDenied"),
            Parts::Unknown => return error(501, "NotImplemented"),
            Parts::Told | Parts::Ignored => {}
        }
        let marker = headers.get("x-amz-part-number-marker");
        let is_second = marker.is_some_and(|marker| marker == "1");
        let part = &version.parts()[usize::from(is_second)];
        let crc32c = BASE64_STANDARD.encode(part.crc32c().to_be_bytes());
        let body = format!(
            "<GetObjectAttributesResponse><ETag>{}</ETag><ObjectParts><IsTruncated>{}</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker><Part><Size>{}</Size><ChecksumCRC32C>{crc32c}</ChecksumCRC32C></Part></ObjectParts></GetObjectAttributesResponse>",
            version.etag.trim_matches('"'),
            !is_second,
            part.length(),
        );
        Response::new(body.into())
    }

    fn object(
        &self,
        version: &Version,
        span: Option<(u64, u64)>,
    ) -> (Response<Bytes>, Option<Body>) {
        let (start, length) = span.unwrap_or((0, version.put.size));
        let modified = timestamp(version.modified).strftime("%a, %d %b %Y %H:%M:%S GMT");
        let mut reply = Response::builder()
            .header("content-length", length)
            .header("etag", &version.etag)
            .header("last-modified", modified.to_string())
            .header("content-type", format!("text/x-{}", version.put.label))
            .header("x-amz-meta-label", version.put.label);
        if self.versioned {
            reply = reply.header("x-amz-version-id", &version.id);
        }
        if span.is_some() {
            let last = start + length - 1;
            let range = format!("bytes {start}-{last}/{}", version.put.size);
            reply = reply.status(206).header("content-range", range);
        } else {
            for (name, value) in version.checksum_headers() {
                reply = reply.header(name, value);
            }
        }
        let reply = reply
            .body(Bytes::new())
            .expect("a reply of well-formed headers");
        (reply, Some(version.body.slice(start, length)))
    }
}

impl Version {
    fn checksum_headers(&self) -> Vec<(&'static str, String)> {
        let base64 = |bytes: &[u8]| BASE64_STANDARD.encode(bytes);
        let crc32c = || base64(&self.body.crc32c().to_be_bytes());
        let composite = || {
            let of_parts = self.parts().map(|part| part.crc32c().to_be_bytes());
            let crc = crc_fast::checksum(CrcAlgorithm::Crc32Iscsi, of_parts.as_flattened());
            base64(&crc.to_be_bytes()[4..])
        };
        let crc64 = || base64(&self.body.crc64().to_be_bytes());
        let full = ("x-amz-checksum-type", "FULL_OBJECT".to_owned());
        let kms = ("x-amz-server-side-encryption", "aws:kms".to_owned());
        match self.put.checksums {
            Checksums::Md5 | Checksums::PartsCrc64 => {
                vec![full, ("x-amz-checksum-crc64nvme", crc64())]
            }
            Checksums::Crc32c | Checksums::PartsCrc32c => {
                vec![full, ("x-amz-checksum-crc32c", crc32c())]
            }
            Checksums::Crc64 => vec![full, kms, ("x-amz-checksum-crc64nvme", crc64())],
            Checksums::Sha256 => {
                vec![
                    full,
                    kms,
                    ("x-amz-checksum-sha256", base64(&self.body.sha256())),
                ]
            }
            Checksums::Composite => vec![
                ("x-amz-checksum-type", "COMPOSITE".to_owned()),
                ("x-amz-checksum-crc32c", format!("{}-2", composite())),
            ],
            Checksums::Nothing => Vec::new(),
        }
    }
}

/// A request must be signed, and by a clock that is about right.
fn refuse_caller(headers: &HeaderMap, now: u64) -> Option<(u16, &'static str)> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if !text("authorization").is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 ")) {
        return Some((403, "AccessDenied"));
    }
    let signed = text("x-amz-date")
        .and_then(|date| Timestamp::strptime("%Y%m%dT%H%M%SZ%z", format!("{date}+0000")).ok());
    let Some(signed) = signed else {
        return Some((403, "AccessDenied"));
    };
    let apart = signed.duration_since(timestamp(now)).unsigned_abs();
    (apart.as_millis() > u128::from(SKEW)).then_some((403, "RequestTimeTooSkewed"))
}

/// First byte and length of `bytes=a-b` in an object of `size` bytes.
fn read_range(range: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let last = last.min(size.checked_sub(1)?);
    (first <= last).then(|| (first, last - first + 1))
}

/// A refusal in S3's own words.
pub(in crate::simulate) fn error(status: u16, code: &str) -> Response<Bytes> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Simulated.</Message><RequestId>R</RequestId></Error>"
    );
    let reply = Response::builder().status(status).body(body.into());
    reply.expect("a status and a body are a reply")
}

/// The event that notifies of `change`
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
pub(in crate::simulate) fn event(change: &Change) -> String {
    use std::fmt::Write as _;
    let key = form_encoded(&change.key);
    let mut object = format!(
        "\"key\":\"{key}\",\"sequencer\":\"{:016X}\"",
        change.sequence
    );
    if let Some(size) = change.size {
        let _ = write!(object, ",\"size\":{size}");
    }
    if let Some(version) = &change.version {
        let _ = write!(object, ",\"versionId\":\"{version}\"");
    }
    format!(
        "{{\"Records\":[{{\"eventVersion\":\"2.3\",\"eventSource\":\"aws:s3\",\"awsRegion\":\"us-east-1\",\"eventTime\":\"{}\",\"eventName\":\"{}\",\"s3\":{{\"s3SchemaVersion\":\"1.0\",\"bucket\":{{\"name\":\"{BUCKET}\"}},\"object\":{{{object}}}}}}}]}}",
        timestamp(change.time),
        change.event
    )
}

fn form_encoded(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}
