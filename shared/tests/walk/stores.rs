//! Two stores that can be listed, as their HTTP APIs have it, behind a port that can do nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Bound;

use bytes::Bytes;
use causeway_shared::access::{Access, Endpoints, GcsAccess, S3Access};
use causeway_shared::gcs::Provenance;
use causeway_shared::port::{Digest, Digests, Leave, Lost, Port, REPLY_LIMIT, Sink};
use causeway_shared::route::Route;
use causeway_shared::sigv4::Credentials;
use http::{Request, Response, Uri};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

/// What stands under a name: so many bytes of so-and-so-many-eth content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) etag: u32,
    pub(crate) size: u64,
}

/// An object at the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Copied {
    /// What it is a copy of, if it is one of ours.
    pub(crate) of: Option<Content>,
    pub(crate) size: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Stores {
    pub(crate) source: BTreeMap<String, Content>,
    pub(crate) destination: BTreeMap<String, Copied>,
    /// More custom metadata of each object, in bytes.
    pub(crate) metadata: usize,
    pub(crate) requests: usize,
}

pub(crate) const NOW: Timestamp = Timestamp::UNIX_EPOCH;
pub(crate) const SOURCE_PREFIX: &str = "in/";
pub(crate) const DESTINATION_PREFIX: &str = "out/";

pub(crate) fn route(options: &Value) -> Route {
    let mut table = json!({
        "source": format!("s3://src/{SOURCE_PREFIX}"),
        "destination": format!("gs://dst/{DESTINATION_PREFIX}"),
    });
    let all = table.as_object_mut().unwrap();
    all.extend(options.as_object().unwrap().clone());
    Route::parse("ROUTE_R", table).unwrap()
}

pub(crate) fn access(route: &Route) -> Access {
    let endpoints = Endpoints {
        s3: Some("http://s3"),
        ..Endpoints::default()
    };
    let credentials = Credentials::new("AKID", "secret", None).unwrap();
    Access {
        s3: S3Access::new(&credentials, "us-east-1", endpoints, route).unwrap(),
        gcs: GcsAccess::new(None, Some("http://gcs")).unwrap().into(),
    }
}

impl Stores {
    fn list_source(&self, uri: &Uri) -> String {
        let asked = |name| parameter(uri, name);
        let (prefix, limit) = (asked("prefix").unwrap(), number(uri, "max-keys"));
        let after = asked("start-after").unwrap_or_default();
        let mut behind = self
            .source
            .range::<str, _>((Bound::Excluded(&*after), Bound::Unbounded))
            .filter(|(key, _)| key.starts_with(&prefix));
        let mut body = String::new();
        for (key, Content { etag, size }) in behind.by_ref().take(limit) {
            let key = utf8_percent_encode(key, NON_ALPHANUMERIC);
            write!(body, "<Contents><Key>{key}</Key><LastModified>1970-01-01T00:00:07.000Z</LastModified><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size></Contents>").unwrap();
        }
        let more = behind.next().is_some();
        format!(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{body}</ListBucketResult>"
        )
    }

    fn list_destination(&self, uri: &Uri) -> String {
        let (prefix, limit) = (parameter(uri, "prefix").unwrap(), number(uri, "maxResults"));
        let token = parameter(uri, "pageToken");
        let from = token.or(parameter(uri, "startOffset")).unwrap_or_default();
        let mut from = self.destination.range(from..);
        let mut items = Vec::new();
        let mut next = None;
        for (name, copied) in from.by_ref().filter(|(name, _)| name.starts_with(&prefix)) {
            if items.len() == limit {
                next = Some(name);
                break;
            }
            items.push(self.item(name, copied));
        }
        let items = serde_json::to_string(&items).unwrap();
        let next = serde_json::to_string(&next).unwrap();
        format!("{{\"items\": {items}, \"nextPageToken\": {next}}}")
    }

    fn item(&self, name: &str, copied: &Copied) -> Item<'_> {
        let mut metadata = BTreeMap::from([("own".to_owned(), "x".repeat(self.metadata))]);
        if let Some(Content { etag, size }) = copied.of {
            let rest = name.strip_prefix(DESTINATION_PREFIX).unwrap();
            let provenance = Provenance {
                bucket: "src".into(),
                key: format!("{SOURCE_PREFIX}{rest}"),
                etag: format!("\"{etag}\""),
                version_id: None,
                last_modified: Some("Thu, 01 Jan 1970 00:00:07 GMT".into()),
                size,
            };
            provenance.write(&mut metadata);
        }
        Item {
            name: name.to_owned(),
            generation: "7",
            size: copied.size.to_string(),
            metadata,
        }
    }
}

#[derive(Serialize)]
struct Item<'a> {
    name: String,
    generation: &'a str,
    size: String,
    metadata: BTreeMap<String, String>,
}

fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let mut pairs = uri
        .query()?
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(found, _)| *found == name)?;
    Some(
        percent_decode_str(value)
            .decode_utf8()
            .unwrap()
            .into_owned(),
    )
}

fn number(uri: &Uri, name: &str) -> usize {
    parameter(uri, name).unwrap().parse().unwrap()
}

/// A walk asks for pages and for nothing else.
impl Port for Stores {
    fn now(&self) -> Timestamp {
        NOW
    }

    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, Lost> {
        self.requests += 1;
        let body = match request.uri().host() {
            Some("s3") => self.list_source(request.uri()),
            _ => self.list_destination(request.uri()),
        };
        let mut body = Bytes::from(body);
        body.truncate(REPLY_LIMIT);
        Ok(Response::new(body))
    }

    async fn open(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, Lost> {
        panic!("no object is read: {request:?}")
    }

    async fn pipe(
        &mut self,
        sink: Sink,
        _: u64,
        _: Option<Digest>,
    ) -> Result<Response<Bytes>, Lost> {
        panic!("no object is written: {sink:?}")
    }

    async fn hold(&mut self, _: u64, _: Digest) -> Result<Digests, Lost> {
        panic!("no object is read")
    }

    async fn digest(&mut self, _: u64, _: Digest) -> Result<Digests, Lost> {
        panic!("no object is read")
    }

    async fn may_delete(&mut self, _: &Route) -> Result<Leave, String> {
        panic!("nothing is deleted")
    }

    async fn sign_rs256(&mut self, _: Vec<u8>) -> Result<Vec<u8>, String> {
        panic!("an emulator wants no token")
    }

    async fn wait_until(&mut self, time: Timestamp) {
        panic!("nothing is waited for until {time}")
    }
}
