//! The JSON API over the model's state: requests read, replies written.

use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::super::body::Body;
use super::super::s3::{LISTED, timestamp};
use super::session::{Piece, Session, Status};
use super::{BUCKET, Gcs, NO_OBJECT, Object, Refusal, Said, invalid};
use crate::rng::mix;

/// A request on its way: its body is what is said before, bytes of objects, and what is said after.
#[derive(Debug, Clone)]
pub(in super::super) struct Wire {
    pub(in super::super) head: Request<()>,
    pub(in super::super) prefix: Bytes,
    pub(in super::super) body: Body,
    pub(in super::super) suffix: Bytes,
    /// Content-Length; `None` where the body is chunked and ends where it ends.
    pub(in super::super) length: Option<u64>,
    /// Its place among the requests with bytes to one session.
    pub(in super::super) ticket: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ComposeBody {
    source_objects: Vec<ComposeSource>,
    destination: Said,
}

#[derive(Deserialize)]
pub(super) struct ComposeSource {
    pub(super) name: String,
    #[serde(default, deserialize_with = "decimal")]
    pub(super) generation: Option<u64>,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: u64,
}

fn decimal<'de, D: Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(input)?;
    text.parse().map(Some).map_err(serde::de::Error::custom)
}

const INVALID: Refusal = invalid("The request makes no sense.");
const UNAUTHENTICATED: Refusal = Refusal(401, "authError", "Invalid Credentials");

/// What the account's key makes of `message`.
pub(in super::super) fn signature(message: &[u8]) -> Vec<u8> {
    let hash = message
        .iter()
        .fold(0, |hash, &byte| mix(hash ^ u64::from(byte)));
    hash.to_be_bytes().to_vec()
}

impl Wire {
    pub(in super::super) fn of(request: Request<Bytes>) -> Self {
        let (parts, prefix) = request.into_parts();
        Self {
            head: Request::from_parts(parts, ()),
            length: Some(prefix.len() as u64),
            prefix,
            body: Body::default(),
            suffix: Bytes::new(),
            ticket: 0,
        }
    }

    /// Whether its body has the length that it says.
    fn is_whole(&self) -> bool {
        let sent = (self.prefix.len() + self.suffix.len()) as u64 + self.body.length();
        self.length.is_none_or(|length| length == sent)
    }

    /// The session that it speaks to.
    pub(in super::super) fn session(&self) -> Option<u64> {
        let query = self.head.uri().query()?;
        parameter(query, "upload_id")?.parse().ok()
    }
}

impl Gcs {
    /// Answers `wire` at `now`; `None` where a body that broke off gets no answer.
    pub(in super::super) fn serve(&mut self, wire: &Wire, now: u64) -> Option<Response<Bytes>> {
        self.now = now;
        let answer = match wire.session() {
            Some(id) => self.serve_session(id, wire),
            None if !wire.is_whole() => return None,
            None => self
                .authenticate(wire.head.headers(), now)
                .and_then(|()| self.serve_object(wire)),
        };
        Some(answer.unwrap_or_else(|Refusal(status, reason, words)| error(status, reason, words)))
    }

    /// Whether `wire` writes where nothing may stand, or an object that no copy is.
    pub(in super::super) fn is_over_nothing(&self, wire: &Wire) -> bool {
        let if_generation = match wire.session() {
            Some(id) => self.sessions.get(&id).and_then(Session::if_generation),
            None => number(
                wire.head.uri().query().unwrap_or_default(),
                "ifGenerationMatch",
            ),
        };
        let is_foreign = |generation| {
            let mut objects = self.objects.values();
            objects.any(|object| object.generation == generation && object.metadata.is_empty())
        };
        if_generation.is_some_and(|generation| generation == 0 || is_foreign(generation))
    }

    fn serve_object(&mut self, wire: &Wire) -> Result<Response<Bytes>, Refusal> {
        let (uri, method) = (wire.head.uri(), wire.head.method());
        let query = uri.query().unwrap_or_default();
        let if_generation = number(query, "ifGenerationMatch");
        let uploaded = uri.path().strip_prefix("/upload");
        let path = uploaded
            .unwrap_or(uri.path())
            .strip_prefix("/storage/v1/b/");
        let (bucket, rest) = path
            .and_then(|path| path.split_once("/o"))
            .ok_or(NO_OBJECT)?;
        if uploaded.is_some() && method == Method::POST {
            return match parameter(query, "uploadType") {
                Some("multipart") => self.upload(wire, bucket, if_generation),
                _ => self.begin_session(wire, bucket, if_generation),
            };
        }
        let (name, verb) = rest.rsplit_once('/').unwrap_or((rest, ""));
        let called = |name: &str| in_bucket(bucket, &decoded(name));
        match (method, name, verb) {
            (&Method::GET, "", "") => Ok(self.list(bucket, query)),
            (&Method::GET, "", name) => {
                let object = self.objects.get(&called(name)).ok_or(NO_OBJECT)?;
                Ok(resource(object))
            }
            (&Method::DELETE, "", name) => {
                let generation = number(query, "generation");
                self.delete(&called(name), generation, if_generation)?;
                Ok(bare(204))
            }
            (&Method::POST, name, "compose") => {
                let mut body: ComposeBody =
                    serde_json::from_slice(&wire.prefix).map_err(|_| INVALID)?;
                for source in &mut body.source_objects {
                    source.name = in_bucket(bucket, &source.name);
                }
                let said = Said {
                    name: called(name.trim_start_matches('/')),
                    ..body.destination
                };
                let composed = self.compose(&said, &body.source_objects, if_generation);
                Ok(resource(&*composed?))
            }
            _ => {
                self.unknown.push(format!("{method} {uri}"));
                Err(INVALID)
            }
        }
    }

    fn upload(
        &mut self,
        wire: &Wire,
        bucket: &str,
        if_generation: Option<u64>,
    ) -> Result<Response<Bytes>, Refusal> {
        let mut said = read_multipart(wire).ok_or(INVALID)?;
        said.name = in_bucket(bucket, &said.name);
        let object = self.commit(&said, wire.body.clone(), if_generation, false)?;
        Ok(resource(&object))
    }

    fn begin_session(
        &mut self,
        wire: &Wire,
        bucket: &str,
        if_generation: Option<u64>,
    ) -> Result<Response<Bytes>, Refusal> {
        let mut said: Said = serde_json::from_slice(&wire.prefix).map_err(|_| INVALID)?;
        said.name = in_bucket(bucket, &said.name);
        let total = header(wire.head.headers(), "x-upload-content-length");
        let total = total.and_then(|total| total.parse().ok()).ok_or(INVALID)?;
        let id = self.start_session(said, total, if_generation)?;
        let mut reply = bare(200);
        let location = format!(
            "http://gcs/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}"
        );
        let location = location.parse().map_err(|_| INVALID)?;
        reply.headers_mut().insert("location", location);
        Ok(reply)
    }

    fn serve_session(&mut self, id: u64, wire: &Wire) -> Result<Response<Bytes>, Refusal> {
        if wire.head.method() == Method::DELETE {
            self.cancel_session(id)?;
            return Ok(bare(499));
        }
        let range = header(wire.head.headers(), "content-range").ok_or(INVALID)?;
        let (span, total) = range
            .strip_prefix("bytes ")
            .and_then(|range| range.split_once('/'))
            .ok_or(INVALID)?;
        let total: u64 = total.parse().map_err(|_| INVALID)?;
        if span == "*" {
            return self
                .session_status(id, total)
                .map(|status| progress(&status));
        }
        let (first, last) = span.split_once('-').ok_or(INVALID)?;
        let (first, last): (u64, u64) = (
            first.parse().map_err(|_| INVALID)?,
            last.parse().map_err(|_| INVALID)?,
        );
        let piece = Piece {
            first,
            length: last + 1 - first,
            total,
        };
        if wire.length.is_some_and(|length| length != piece.length) {
            return Err(INVALID);
        }
        let hash = header(wire.head.headers(), "x-goog-hash");
        let crc32c = hash
            .and_then(|hash| hash.strip_prefix("crc32c="))
            .map(str::to_owned);
        let status = self.append(id, piece, &wire.body, wire.ticket, crc32c)?;
        Ok(progress(&status))
    }

    fn list(&self, bucket: &str, query: &str) -> Response<Bytes> {
        let prefix = in_bucket(bucket, &asked(query, "prefix"));
        let from = in_bucket(bucket, &asked(query, "startOffset"));
        let after = asked(query, "pageToken");
        let mut found = self
            .objects
            .range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix));
        let page: Vec<_> = found
            .by_ref()
            .filter(|(name, _)| **name > after && **name >= from)
            .take(LISTED)
            .collect();
        let items: Vec<_> = page.iter().map(|(_, object)| object.shown()).collect();
        let mut body = json!({"items": items});
        if let (Some(_), Some((last, _))) = (found.next(), page.last()) {
            body["nextPageToken"] = json!(last);
        }
        Response::new(body.to_string().into())
    }

    /// The caller shows a token that its account's key signed, that is not from the future and has not
    /// ended.
    fn authenticate(&mut self, headers: &HeaderMap, now: u64) -> Result<(), Refusal> {
        let shown = header(headers, "authorization").ok_or(UNAUTHENTICATED)?;
        if self.revoked.iter().any(|token| token == shown) {
            return Err(UNAUTHENTICATED);
        }
        let (issued, expires) = if let Some(&span) = self.tokens.get(shown) {
            span
        } else {
            let span = read_token(shown).ok_or(UNAUTHENTICATED)?;
            self.tokens.insert(shown.to_owned(), span);
            span
        };
        let now = u64::try_from(timestamp(now).as_second()).unwrap_or_default();
        if issued > now || expires <= now {
            return Err(UNAUTHENTICATED);
        }
        Ok(())
    }
}

fn read_token(shown: &str) -> Option<(u64, u64)> {
    let token = shown.strip_prefix("Bearer ")?;
    let (signed, found) = token.rsplit_once('.')?;
    let (_, claims) = signed.split_once('.')?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    let found = BASE64_URL_SAFE_NO_PAD.decode(found).ok()?;
    (found == signature(signed.as_bytes())).then_some((claims.iat, claims.exp))
}

/// The resource in a `multipart/related` body; `None` if the body is none
/// ([RFC 2387](https://www.rfc-editor.org/rfc/rfc2387)).
fn read_multipart(wire: &Wire) -> Option<Said> {
    let kind = header(wire.head.headers(), "content-type")?;
    let boundary = kind.strip_prefix("multipart/related; boundary=")?;
    let text = std::str::from_utf8(&wire.prefix).ok()?;
    let rest = text
        .strip_prefix("--")?
        .strip_prefix(boundary)?
        .strip_prefix("\r\n")?;
    let (headers, rest) = rest.split_once("\r\n\r\n")?;
    if !headers
        .to_ascii_lowercase()
        .starts_with("content-type: application/json")
    {
        return None;
    }
    let end = format!("\r\n--{boundary}");
    let (resource, media) = rest.split_once(&end)?;
    let (_, held) = media.split_once("\r\n\r\n")?;
    let close = format!("\r\n--{boundary}--\r\n");
    // Bytes in memory are taken for nothing but an empty object.
    if !(held.is_empty() && wire.suffix == close.as_bytes()
        || wire.suffix.is_empty() && held == close)
    {
        return None;
    }
    serde_json::from_str(resource).ok()
}

/// What the object `name` of `bucket` is called among all.
fn in_bucket(bucket: &str, name: &str) -> String {
    match bucket {
        BUCKET => name.to_owned(),
        _ => format!("{bucket}//{name}"),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

pub(in super::super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The decoded value of the parameter `name`, or an empty text if the query does not have it.
pub(in super::super) fn asked(query: &str, name: &str) -> String {
    decoded(parameter(query, name).unwrap_or_default())
}

pub(in super::super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(found, value)| (found == name).then_some(value))
}

fn number(query: &str, name: &str) -> Option<u64> {
    parameter(query, name)?.parse().ok()
}

fn bare(status: u16) -> Response<Bytes> {
    let reply = Response::builder().status(status).body(Bytes::new());
    reply.expect("a status is a reply")
}

fn resource(object: &Object) -> Response<Bytes> {
    let body = serde_json::to_vec(&object.shown()).expect("strings become JSON");
    Response::new(body.into())
}

fn progress(status: &Status) -> Response<Bytes> {
    let persisted = match status {
        Status::Complete(object) => return resource(&Rc::clone(object)),
        Status::Incomplete(persisted) => *persisted,
    };
    let mut reply = bare(308);
    if let Some(last) = persisted.checked_sub(1) {
        let range = format!("bytes=0-{last}")
            .parse()
            .expect("digits are a header");
        reply.headers_mut().insert("range", range);
    }
    reply
}

/// A refusal in the JSON API's own words.
pub(in super::super) fn error(status: u16, reason: &str, words: &str) -> Response<Bytes> {
    let body = json!({"error": {"code": status, "message": words,
        "errors": [{"message": words, "domain": "global", "reason": reason}]}});
    let reply = Response::builder()
        .status(status)
        .body(body.to_string().into());
    reply.expect("a status and a body are a reply")
}
