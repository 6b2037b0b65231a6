//! Two stores that can be listed, as their HTTP APIs have it, behind a port that can do nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use causeway_shared::access::{Access, Endpoints, GcsAccess, S3Access};
use causeway_shared::gcs::Provenance;
use causeway_shared::port::{
    DeletePermit, Digest, Digests, Port, REPLY_LIMIT, Sink, TransportError,
};
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
    /// In what they are odd.
    pub(crate) oddities: Oddities,
}

/// How stores list that do it otherwise than S3 and GCS.
#[derive(Debug, Default, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a way of its own to be odd"
)]
pub(crate) struct Oddities {
    /// The source lists folders before what is called like them: `v1/a` before `v1.txt`.
    pub(crate) source_by_path: bool,
    /// So does the destination.
    pub(crate) destination_by_path: bool,
    /// `start-after` and tokens begin with the key that was had.
    pub(crate) repeats: bool,
    /// Each page of the source that has keys is followed by one that has none.
    pub(crate) blanks: bool,
    /// Tokens are good once, and then refused.
    pub(crate) forgets: bool,
    /// Pages are of 90 at least, whatever is asked for.
    pub(crate) gives_more: bool,
    /// The source goes back to its first page from the third.
    pub(crate) circles: bool,
    /// A space is written as `%20`, and a plus as it is.
    pub(crate) raw_plus: bool,
    /// Times of the listing have milliseconds, before those that objects show.
    pub(crate) milliseconds: bool,
    /// How keys that are no UTF-8 stand in the listing, each before the readable one that it names.
    pub(crate) unreadable: Vec<(String, &'static str)>,
    /// What was looked up by name at either side.
    pub(crate) looked_up: usize,
}

/// The key that orders names so that a folder comes before what is called like it.
fn by_path(name: &str) -> String {
    name.replace('/', "\0")
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
    fn list_source(&mut self, uri: &Uri) -> Result<String, ()> {
        let odd = &self.oddities;
        let asked = |name| parameter(uri, name);
        let (prefix, limit) = (asked("prefix").unwrap(), number(uri, "max-keys"));
        let limit = if odd.gives_more { limit.max(90) } else { limit };
        let token = asked("continuation-token").map(|token| decoded(&token));
        if odd.forgets && token.is_some() {
            return Err(());
        }
        let blank = token
            .as_deref()
            .and_then(|token| token.strip_prefix("blank "));
        let after = blank.or(token.as_deref()).map(str::to_owned);
        let after = after.or(asked("start-after")).unwrap_or_default();
        let after = if after == "the start" {
            String::new()
        } else {
            after
        };
        if odd.blanks && blank.is_none() && token.is_some() {
            return Ok(listing(true, &next_token(&format!("blank {after}"))));
        }
        let keys = in_order(&self.source, odd.source_by_path, &after);
        let below = keys.filter(|(key, _)| key.starts_with(&prefix));
        let mut behind = below
            .filter(|(key, _)| odd.repeats || **key != after)
            .peekable();
        let mut body = String::new();
        let mut last = String::new();
        for (key, Content { etag, size }) in behind.by_ref().take(limit) {
            for (_, bad) in odd.unreadable.iter().filter(|(before, _)| before == key) {
                write!(body, "<Contents><Key>{bad}</Key><Size>1</Size></Contents>").unwrap();
            }
            last.clone_from(key);
            let key = encoded(key);
            let key = if odd.raw_plus {
                key.replace("%2B", "+").replace("%2F", "/")
            } else {
                key
            };
            let time = if odd.milliseconds { "06.001" } else { "07.000" };
            write!(body, "<Contents><Key>{key}</Key><LastModified>1970-01-01T00:00:{time}Z</LastModified><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size></Contents>").unwrap();
        }
        let more = behind.peek().is_some();
        if odd.circles && !after.is_empty() {
            "the start".clone_into(&mut last);
        }
        if more {
            body.push_str(&next_token(&last));
        }
        Ok(listing(more, &body))
    }

    fn list_destination(&self, uri: &Uri) -> String {
        let (prefix, limit) = (parameter(uri, "prefix").unwrap(), number(uri, "maxResults"));
        let limit = if self.oddities.gives_more {
            limit.max(90)
        } else {
            limit
        };
        let token = parameter(uri, "pageToken");
        let from = token.or(parameter(uri, "startOffset")).unwrap_or_default();
        let names = in_order(&self.destination, self.oddities.destination_by_path, &from);
        let mut items = Vec::new();
        let mut next = None;
        for (name, copied) in names.filter(|(name, _)| name.starts_with(&prefix)) {
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

    /// What stands under a name, of which somebody asks.
    fn look(&mut self, request: &Request<Bytes>) -> (u16, String) {
        self.oddities.looked_up += 1;
        let (host, path) = (request.uri().host(), request.uri().path());
        let named = |prefix: &str| decoded(path.strip_prefix(prefix).unwrap());
        if host == Some("s3") {
            assert_eq!(request.method(), "HEAD");
            let is_there = self.source.contains_key(&named("/src/"));
            return (if is_there { 200 } else { 404 }, String::new());
        }
        let name = named("/storage/v1/b/dst/o/");
        match self.destination.get(&name) {
            Some(copied) => (
                200,
                serde_json::to_string(&self.item(&name, copied)).unwrap(),
            ),
            None => (404, String::new()),
        }
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

/// What is called `from`, and what comes after it.
fn in_order<'a, T>(
    all: &'a BTreeMap<String, T>,
    is_by_path: bool,
    from: &str,
) -> Box<dyn Iterator<Item = (&'a String, &'a T)> + 'a> {
    if !is_by_path {
        return Box::new(all.range(from.to_owned()..));
    }
    let from = by_path(from);
    let mut found: Vec<_> = all
        .iter()
        .filter(|(name, _)| by_path(name) >= from)
        .collect();
    found.sort_by_key(|(name, _)| by_path(name));
    Box::new(found.into_iter())
}

fn next_token(token: &str) -> String {
    format!(
        "<NextContinuationToken>{}</NextContinuationToken>",
        encoded(token)
    )
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8().unwrap().into_owned()
}

fn encoded(key: &str) -> String {
    utf8_percent_encode(key, NON_ALPHANUMERIC).to_string()
}

fn listing(more: bool, body: &str) -> String {
    format!(
        "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{body}</ListBucketResult>"
    )
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
    Some(decoded(value))
}

fn number(uri: &Uri, name: &str) -> usize {
    parameter(uri, name).unwrap().parse().unwrap()
}

/// A walk asks for pages and for nothing else.
impl Port for Stores {
    fn now(&self) -> Timestamp {
        NOW
    }

    async fn send(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        self.requests += 1;
        let is_listing = request
            .uri()
            .query()
            .is_some_and(|query| query.contains("prefix="));
        let (status, body) = match request.uri().host() {
            _ if !is_listing => self.look(&request),
            Some("s3") => match self.list_source(request.uri()) {
                Ok(body) => (200, body),
                Err(()) => (
                    400,
                    "<Error><Code>InvalidArgument</Code></Error>".to_owned(),
                ),
            },
            _ => (200, self.list_destination(request.uri())),
        };
        let mut body = Bytes::from(body);
        body.truncate(REPLY_LIMIT);
        Ok(Response::builder().status(status).body(body).unwrap())
    }

    async fn open(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        panic!("no object is read: {request:?}")
    }

    async fn pipe(
        &mut self,
        sink: Sink,
        _: u64,
        _: Option<Digest>,
    ) -> Result<Response<Bytes>, TransportError> {
        panic!("no object is written: {sink:?}")
    }

    async fn hold(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        panic!("no object is read")
    }

    async fn digest(&mut self, _: u64, _: Digest) -> Result<Digests, TransportError> {
        panic!("no object is read")
    }

    async fn may_delete(&mut self, _: &Route) -> Result<DeletePermit, String> {
        panic!("nothing is deleted")
    }

    async fn sign_rs256(&mut self, _: Vec<u8>) -> Result<Vec<u8>, String> {
        panic!("an emulator wants no token")
    }

    async fn wait_until(&mut self, time: Timestamp) {
        panic!("nothing is waited for until {time}")
    }
}
