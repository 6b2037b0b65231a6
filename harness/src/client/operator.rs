//! The worker's operator API: how its routes do, what is in quarantine, and what is to become of it.
//!
//! The types are the API's own JSON, docs/http-api.md; what a newer worker adds is left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::transport::encode;
use super::{ClientError, WorkerClient};

/// What a route has done, and what it has in quarantine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteStatus {
    /// Its name
    pub route: String,
    /// `s3://bucket/prefix`
    pub source: String,
    /// `gs://bucket/prefix`
    pub destination: String,
    /// Since when is counted; `None` before anything was
    pub since: Option<Timestamp>,
    /// How often each outcome was
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// Bytes copied
    #[serde(default)]
    pub bytes: u64,
    /// From the worker's taking the event in to the commit
    pub accepted_to_commit: Histogram,
    /// From the event's own time to the commit
    pub event_to_commit: Histogram,
    /// The last outcomes, newest first
    #[serde(default)]
    pub recent: Vec<Recent>,
    /// Entries that are in quarantine now
    #[serde(default)]
    pub quarantined: u64,
    /// The brake on deletes, where the route propagates them
    pub brake: Option<Brake>,
}

/// How long something took, over all times that it was done.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// How many times
    pub count: u64,
    /// The median, in milliseconds
    pub p50_ms: Option<f64>,
    /// What 99 of 100 do not exceed, in milliseconds
    pub p99_ms: Option<f64>,
    /// The longest, in milliseconds
    pub max_ms: Option<f64>,
    /// In the order of their bounds
    #[serde(default)]
    pub buckets: Vec<Bucket>,
}

/// The times above the bucket before and up to this one's bound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The bound in milliseconds; the last bucket has none
    pub le_ms: Option<u64>,
    /// How many times
    pub count: u64,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recent {
    /// When
    pub at: Timestamp,
    /// The source bucket
    pub bucket: String,
    /// The key
    pub key: String,
    /// `copied`, `identical`, `quarantined`, …
    pub outcome: String,
    /// The object's size
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How long the transfer took, in milliseconds
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// The error's kind, where there was one
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// How near a route is to its brake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Brake {
    /// Deletes within the window
    pub deletes: u64,
    /// How many go within a window
    pub limit: u64,
    /// The window, in seconds
    pub window_s: u64,
}

/// A key that could not be brought in step, with everything known of why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// `bucket/key`
    pub id: String,
    /// The source bucket
    pub bucket: String,
    /// The key
    pub key: String,
    /// The error's kind
    pub kind: String,
    /// Whose it is
    pub fault: String,
    /// What happened
    pub message: String,
    /// What to do
    pub advice: String,
    /// The last answer's HTTP status
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The last answer's request id
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// How often the message was delivered
    pub deliveries: u64,
    /// How often the key came here
    pub failures: u64,
    /// When it first did
    pub first_failed_at: Timestamp,
    /// When it last did
    pub last_failed_at: Timestamp,
}

/// A page of the quarantine.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Page {
    /// In the order of their ids
    pub entries: Vec<Entry>,
    /// What to give as `after` for the next page; `None` at the end
    pub next: Option<String>,
}

/// Which entries to list: all of those set must fit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this kind
    pub kind: Option<String>,
    /// Whose keys begin so
    pub key: Option<String>,
}

/// Which entries to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The one with this id
    Id(String),
    /// Those of this kind
    Kind(String),
    /// Every one
    All,
}

impl Selection {
    fn json(&self) -> Value {
        match self {
            Self::Id(id) => json!({ "id": id }),
            Self::Kind(kind) => json!({ "kind": kind }),
            Self::All => json!({ "all": true }),
        }
    }
}

/// What is to become of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send their keys down the road again
    Replay,
    /// Forget them
    Drop,
}

/// What one call did: some hundred entries at most.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Batch {
    /// Entries replayed or dropped
    #[serde(alias = "replayed", alias = "dropped")]
    pub done: u64,
    /// Whether there are more
    pub more: bool,
}

/// What a backfill is to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillRequest {
    /// Only keys that begin with this, behind the route's own prefix
    pub prefix: String,
    /// At most so many keys a second; 0: as fast as they can be listed
    pub rate: u32,
    /// Only list and count
    pub dry_run: bool,
}

/// A backfill, as far as it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backfill {
    /// The route's name
    pub route: String,
    /// What was asked for
    pub request: BackfillRequest,
    /// When it began
    pub started_at: Timestamp,
    /// Keys so far
    pub keys: u64,
    /// Their bytes
    pub bytes: u64,
    /// The last key
    pub last_key: Option<String>,
    /// How it ended, once it has: `outcome` is `done`, `cancelled` or `failed`, `error` a time or the
    /// error
    pub end: Option<Value>,
}

/// A client of one worker's operator API.
#[derive(Debug, Clone)]
pub struct OperatorClient(WorkerClient);

/// Each fails as HTTP does: `Refused` with another token than the worker's `OPERATOR_TOKEN`, or where
/// it has none; `NotFound` without such a route; `Unreachable`; `Failed` otherwise.
#[allow(clippy::missing_errors_doc)]
impl OperatorClient {
    /// For the worker at `url`.
    pub fn new(url: &str, token: &str) -> Result<Self, ClientError> {
        WorkerClient::new(url, token).map(Self)
    }

    /// All routes.
    pub async fn routes(&self) -> Result<Vec<RouteStatus>, ClientError> {
        #[derive(Deserialize)]
        struct Routes {
            routes: Vec<RouteStatus>,
        }
        let answer: Result<Routes, _> = self.0.get("/routes").await;
        answer.map(|all| all.routes).map_err(|error| {
            let here = "check CAUSEWAY_URL: nothing there tells of routes";
            advised(error, here)
        })
    }

    /// One route.
    pub async fn route(&self, route: &str) -> Result<RouteStatus, ClientError> {
        self.0.get(&path(route, "")?).await.map_err(of_route)
    }

    /// A page of the entries that `filter` lets through, from behind the id `after`.
    pub async fn quarantine(
        &self,
        route: &str,
        filter: &Filter,
        after: Option<&str>,
    ) -> Result<Page, ClientError> {
        let mut path = path(route, "/quarantine")?;
        let parameters = [
            ("kind", filter.kind.as_deref()),
            ("key", filter.key.as_deref()),
            ("after", after),
        ];
        let set = parameters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)));
        for (nth, (name, value)) in set.enumerate() {
            let mark = if nth == 0 { '?' } else { '&' };
            // Writing to a String cannot fail.
            let _ = write!(path, "{mark}{name}={}", encode(value));
        }
        self.0.get(&path).await.map_err(of_route)
    }

    /// Begins a backfill; `Failed` while another is under way.
    pub async fn backfill(
        &self,
        route: &str,
        request: &BackfillRequest,
    ) -> Result<Backfill, ClientError> {
        let body = json!(request).to_string();
        let answer = self.0.post(&path(route, "/backfill")?, body).await;
        answer.map_err(of_route)
    }

    /// How far the last one is.
    pub async fn backfilled(&self, route: &str) -> Result<Backfill, ClientError> {
        self.0
            .get(&path(route, "/backfill")?)
            .await
            .map_err(of_route)
    }

    /// Ends one that is under way.
    pub async fn end_backfill(&self, route: &str) -> Result<Backfill, ClientError> {
        self.0
            .delete(&path(route, "/backfill")?)
            .await
            .map_err(of_route)
    }

    /// Acts on some of the entries selected. Call it again while there are more.
    pub async fn act(
        &self,
        action: Action,
        route: &str,
        selection: &Selection,
    ) -> Result<Batch, ClientError> {
        let below = match action {
            Action::Replay => "/quarantine/replay",
            Action::Drop => "/quarantine/drop",
        };
        let body = selection.json().to_string();
        let answer = self.0.post(&path(route, below)?, body).await;
        answer.map_err(of_route)
    }
}

/// A route's path; `below` begins with `/`.
fn path(route: &str, below: &str) -> Result<String, ClientError> {
    // A URL's parser would take the dots for steps in the path.
    if matches!(route, "" | "." | "..") {
        return Err(ClientError::input(
            format!("{route:?} is no route's name"),
            "`causeway status` shows the routes",
        ));
    }
    Ok(format!("/routes/{}{below}", encode(route)))
}

fn of_route(error: ClientError) -> ClientError {
    advised(error, "`causeway status` shows the routes")
}

/// With what to do about it; `not_found` is the advice on a 404.
fn advised(mut error: ClientError, not_found: &str) -> ClientError {
    let advice = match error.status {
        Some(401) => "check CAUSEWAY_OPERATOR_TOKEN",
        Some(403) => "give the worker a token: `npx wrangler secret put OPERATOR_TOKEN`",
        Some(404) => not_found,
        Some(500..) => "try again in a moment; `npx wrangler tail` shows the worker's log",
        _ => return error,
    };
    advice.clone_into(&mut error.advice);
    error
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::client::ErrorKind;

    #[test]
    fn a_routes_name_is_encoded_and_leads_nowhere_else() {
        let path = |route| path(route, "/quarantine");
        assert_eq!(path("photos").unwrap(), "/routes/photos/quarantine");
        assert_eq!(
            path("a/../b?ü").unwrap(),
            "/routes/a%2F..%2Fb%3F%C3%BC/quarantine"
        );
        for name in ["", ".", ".."] {
            assert_eq!(path(name).unwrap_err().kind, ErrorKind::Input);
        }
    }

    #[test]
    fn what_a_worker_leaves_out_is_nothing_and_what_it_adds_is_no_error() {
        let status: RouteStatus = serde_json::from_value(json!({
            "route": "r", "source": "s3://b/", "destination": "gs://b/", "since": null,
            "accepted_to_commit": {"count": 0, "p50_ms": null, "p99_ms": null, "max_ms": null},
            "event_to_commit": {"count": 0}, "brake": null, "moon": "full",
        }))
        .unwrap();
        assert!(status.counts.is_empty() && status.quarantined == 0);
        let batch: Batch = serde_json::from_value(json!({"dropped": 3, "more": true})).unwrap();
        assert_eq!(
            batch,
            Batch {
                done: 3,
                more: true
            }
        );
    }
}
