//! GCS: the store and the API that the embedded one has, without connections and under the world's clock.
//! What is here is what only a simulation wants: tokens that cost little, and what the judge looks at.
//!
//! The store is an independent judge: what a request says is read from the request alone, and preconditions
//! and checksums are looked at in the moment of the commit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use jiff::SignedDuration;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use tokio::sync::broadcast;

use super::body::Body;
use super::s3::{LISTED, timestamp};
use crate::gcs::state::{Chunk, ListQuery, NewObject, Object, Session, Status};
use crate::gcs::{Api, Commit, Permission, Settings, State, Unanswered};
use crate::rng::mix;

/// The bucket's name.
pub(super) const BUCKET: &str = "copies";
/// All buckets that there are: a route may lead to another for a while.
const BUCKETS: [&str; 2] = [BUCKET, "elsewhere"];

/// A request on its way: its body is what is said before, bytes of objects, and what is said after.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) head: Request<()>,
    pub(super) prefix: Bytes,
    pub(super) body: Body,
    pub(super) suffix: Bytes,
    /// Content-Length; `None` where the body is chunked and ends where it ends.
    pub(super) length: Option<u64>,
    /// Its place among the requests with bytes to one session.
    pub(super) ticket: u64,
}

impl Wire {
    pub(super) fn of(request: Request<Bytes>) -> Self {
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

    pub(super) fn query(&self) -> &str {
        self.head.uri().query().unwrap_or_default()
    }

    /// The session that it speaks to.
    pub(super) fn session(&self) -> Option<u64> {
        parameter(self.query(), "upload_id")?.parse().ok()
    }
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
    exp: u64,
}

pub(super) struct Gcs {
    api: Api,
    pub(super) state: Arc<State>,
    commits: broadcast::Receiver<Commit>,
    /// The names that sessions write to, the first session's first: also of those that the store has forgotten.
    targets: Vec<String>,
    /// Sessions that somebody may no longer know of, by no fault of ours: a reply or an isolate was lost.
    orphans: BTreeSet<u64>,
    /// How many requests with bytes each session has had: the newest owns it.
    tickets: BTreeMap<u64, u64>,
    /// From when until when each token is good, in seconds.
    tokens: BTreeMap<String, (u64, u64)>,
}

impl Gcs {
    pub(super) fn new(lets_delete: bool, is_strict_at_start: bool) -> Self {
        let state = State::new(Settings {
            strict_sessions: is_strict_at_start,
            write_interval: Some(SignedDuration::from_secs(1)),
            commit_backlog: Some(4),
            ..Settings::default()
        });
        state.set_time(timestamp(0));
        for bucket in BUCKETS {
            state.create_bucket(bucket).expect("its name is good");
            if !lets_delete {
                state.deny(bucket, Permission::Delete);
            }
        }
        let state = Arc::new(state);
        Self {
            commits: state.commits(),
            api: Api::new(Arc::clone(&state), LISTED as u64),
            state,
            targets: Vec::new(),
            orphans: BTreeSet::new(),
            tickets: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }

    /// Answers `wire` at `now`, and tells what was committed.
    pub(super) fn serve(
        &mut self,
        wire: &Wire,
        now: u64,
    ) -> (Result<Response<Bytes>, Unanswered>, Option<Commit>) {
        self.api.state().set_time(timestamp(now));
        let refused = match wire.session() {
            Some(id) => self
                .is_taken_over(id, wire)
                .then_some((503, "backendError")),
            None if self.knows_caller(wire.head.headers(), now) => None,
            None => Some((401, "authError")),
        };
        if let Some((status, reason)) = refused {
            return (Ok(Api::refusal(status, reason, "Refused.")), None);
        }
        let chunks = [
            wire.prefix.clone().into(),
            Chunk::Symbolic(wire.body.clone()),
            wire.suffix.clone().into(),
        ];
        let served = self.api.serve(&wire.head, chunks, wire.length);
        for id in self.targets.len() as u64..self.sessions() {
            let begun = self.session(id + 1);
            let target = begun.map(|session| session.target().name.clone());
            self.targets.push(target.unwrap_or_default());
        }
        (served, self.commits.try_recv().ok())
    }

    /// A later request with bytes to the session `id` has begun: whoever was sending before is pushed aside.
    fn is_taken_over(&self, id: u64, wire: &Wire) -> bool {
        let newest = self.tickets.get(&id).copied().unwrap_or_default();
        wire.body.length() > 0 && wire.ticket != newest && self.is_open(id)
    }

    /// Somebody else writes an object; gives what came of it.
    pub(super) fn write_foreign(&mut self, name: &str, body: Body, now: u64) -> Option<Commit> {
        self.api.state().set_time(timestamp(now));
        let new = NewObject {
            bucket: BUCKET.to_owned(),
            name: name.to_owned(),
            ..NewObject::default()
        };
        self.api.state().insert(new, body.into()).ok()?;
        self.commits.try_recv().ok()
    }

    /// Whether `wire` writes where nothing may stand, or an object that no copy is.
    pub(super) fn is_over_nothing(&self, wire: &Wire) -> bool {
        let in_query = parameter(wire.query(), "ifGenerationMatch");
        let in_query = in_query.and_then(|generation| generation.parse().ok());
        let session = wire.session().and_then(|id| self.session(id));
        let wanted = session.map_or(in_query, |session| {
            session.target().preconditions.generation_match
        });
        let is_foreign = |generation| {
            let mut objects = self.objects().into_iter();
            objects.any(|object| object.generation == generation && is_foreign(&object))
        };
        wanted.is_some_and(|generation| generation == 0 || is_foreign(generation))
    }

    /// The object `name` of the bucket.
    pub(super) fn object(&self, name: &str) -> Option<Arc<Object>> {
        self.api.state().object(BUCKET, name, None).ok()
    }

    /// What `commit` wrote.
    pub(super) fn written(&self, commit: &Commit) -> Option<Arc<Object>> {
        let (state, generation) = (self.api.state(), Some(commit.generation));
        state.object(&commit.bucket, &commit.name, generation).ok()
    }

    /// All objects.
    pub(super) fn objects(&self) -> Vec<Arc<Object>> {
        let all = ListQuery {
            limit: usize::MAX,
            ..ListQuery::default()
        };
        let in_bucket = |bucket| self.api.state().list(bucket, &all).ok();
        let listings = BUCKETS.into_iter().filter_map(in_bucket);
        listings.flat_map(|listing| listing.items).collect()
    }

    fn session(&self, id: u64) -> Option<Arc<Session>> {
        self.api.state().session(&id.to_string()).ok()
    }

    fn is_open(&self, id: u64) -> bool {
        let status = self.session(id).map(|session| session.status());
        matches!(status, Some(Ok(Status::Incomplete { .. })))
    }

    /// How many sessions have begun.
    pub(super) fn sessions(&self) -> u64 {
        self.api.sessions()
    }

    /// The name that the session `id` writes to.
    pub(super) fn target(&self, id: u64) -> Option<String> {
        let place = usize::try_from(id.checked_sub(1)?).ok()?;
        self.targets.get(place).cloned()
    }

    /// The names that open sessions write to of which somebody should know.
    pub(super) fn left_open(&self) -> impl Iterator<Item = String> {
        let known = (1..=self.sessions()).filter(|id| !self.orphans.contains(id));
        let open = known.filter(|&id| self.is_open(id));
        open.filter_map(|id| self.target(id))
    }

    /// It is no fault of ours if the session `id` is left open.
    pub(super) fn orphan(&mut self, id: u64) {
        self.orphans.insert(id);
    }

    /// Forgets the session `id`, if it is open.
    pub(super) fn expire(&self, id: u64) {
        if let Some(session) = self.session(id).filter(|_| self.is_open(id)) {
            session.expire();
        }
    }

    /// A request with bytes to the session `id` begins to arrive.
    pub(super) fn begin_piece(&mut self, id: u64) -> u64 {
        let ticket = self.tickets.entry(id).or_default();
        *ticket += 1;
        *ticket
    }

    /// No longer takes the token that `authorization` shows.
    pub(super) fn revoke(&mut self, authorization: &str) {
        self.tokens.insert(authorization.to_owned(), (0, 0));
    }

    /// The caller shows a token that its account's key signed, that is not from the future and has not
    /// ended.
    pub(super) fn knows_caller(&mut self, headers: &HeaderMap, now: u64) -> bool {
        let shown = headers.get("authorization");
        let Some(shown) = shown.and_then(|shown| shown.to_str().ok()) else {
            return false;
        };
        let known = self.tokens.get(shown).copied();
        let Some((issued, expires)) = known.or_else(|| read_token(shown)) else {
            return false;
        };
        if known.is_none() {
            self.tokens.insert(shown.to_owned(), (issued, expires));
        }
        let now = u64::try_from(timestamp(now).as_second()).unwrap_or_default();
        (issued..expires).contains(&now)
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

/// What the account's key makes of `message`.
pub(super) fn signature(message: &[u8]) -> Vec<u8> {
    let hash = message
        .iter()
        .fold(0, |hash, &byte| mix(hash ^ u64::from(byte)));
    hash.to_be_bytes().to_vec()
}

/// Whether somebody else wrote `object`.
pub(super) fn is_foreign(object: &Object) -> bool {
    object.metadata.custom.is_empty()
}

pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// The decoded value of the parameter `name`, or an empty text if the query does not have it.
pub(super) fn asked(query: &str, name: &str) -> String {
    decoded(parameter(query, name).unwrap_or_default())
}

pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(found, value)| (found == name).then_some(value))
}
