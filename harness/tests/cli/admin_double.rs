//! The API of the stand-in for the worker. No test stands here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::extract::{Path, Query, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use crate::worker_double::{Answer, problem};

/// Entries that one page or one call takes.
const BATCH: usize = 2;

/// What is in quarantine, by route, and what the API was asked.
pub(crate) struct Ledger {
    pub(crate) quarantine: BTreeMap<String, Vec<Value>>,
    /// `GET /path?query`, in the order of arrival
    pub(crate) calls: Vec<String>,
    /// What calls are answered instead, by their numbers in `calls`
    pub(crate) failures: BTreeMap<usize, StatusCode>,
    /// Whether the worker has an `ADMIN_TOKEN`
    pub(crate) open: bool,
    /// Whether what is replayed fails again at once
    pub(crate) fails_again: bool,
    /// What each look at the reconcile of `photos` finds, the last for ever
    pub(crate) walks: VecDeque<Value>,
}

/// Five entries in `photos`, one of which is in the bucket that it read from before; none in `ü?/%`.
impl Default for Ledger {
    fn default() -> Self {
        let keys = [
            ("bucket", "2025/a", "source-denied"),
            ("bucket", "2026/b c", "source-archived"),
            ("bucket", "2026/d\u{1b}", "source-denied"),
            ("bucket", "e?&=+#%", "source-denied"),
            ("older", "2025/a", "source-denied"),
        ];
        let entries = keys.map(|(bucket, key, kind)| entry(bucket, key, kind));
        Self {
            quarantine: BTreeMap::from([
                ("photos".to_owned(), entries.to_vec()),
                ("ü?/%".to_owned(), Vec::new()),
            ]),
            calls: Vec::new(),
            failures: BTreeMap::new(),
            open: true,
            fails_again: false,
            walks: VecDeque::new(),
        }
    }
}

impl Ledger {
    /// The ids that `route` has in quarantine.
    pub(crate) fn ids(&self, route: &str) -> Vec<String> {
        let entries = self.quarantine[route].iter();
        entries
            .map(|entry| entry["id"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn entry(bucket: &str, key: &str, kind: &str) -> Value {
    let mut entry = json!({
        "id": format!("{bucket}/{key}"),
        "bucket": bucket,
        "key": key,
        "kind": kind,
        "fault": "configuration",
        "message": format!("S3 said no to {key}"),
        "advice": "Allow it.",
        "deliveries": 4,
        "failures": 2,
        "first_failed_at": "2026-07-01T00:00:00Z",
        "last_failed_at": "2026-07-02T03:04:05.678Z",
    });
    if kind == "source-denied" {
        entry["status"] = 403.into();
        entry["request_id"] = "R3QU35T".into();
    }
    entry
}

type Shared = Arc<Mutex<Ledger>>;

pub(crate) fn router(ledger: &Shared) -> Router {
    Router::new()
        .route("/v1/routes", get(routes))
        .route("/v1/routes/{route}", get(route))
        .route("/v1/routes/photos/reconcile", get(walk).post(walk))
        .route("/v1/routes/photos/{kind}/cancel", post(walk))
        .route("/v1/routes/{route}/events", post(submit))
        .route("/v1/routes/{route}/transfers", get(transfers))
        .route("/v1/routes/{route}/transfers/{id}", get(transfer))
        .route("/v1/routes/{route}/loads", get(loads))
        .route("/v1/routes/{route}/loads/{id}", get(load))
        .route("/v1/routes/{route}/quarantine", get(list))
        .route("/v1/routes/{route}/quarantine/{action}", post(act))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(ledger),
            guard,
        ))
        .with_state(Arc::clone(ledger))
}

/// Notes the call, and refuses it where it has to be.
async fn guard(State(ledger): State<Shared>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    let shows = |name: &str, value: &str| headers.get(name).is_some_and(|shown| shown == value);
    let is_service =
        shows("cf-access-client-id", "id.access") && shows("cf-access-client-secret", "hush");
    let refusal = {
        let mut ledger = ledger.lock().unwrap();
        let nth = ledger.calls.len();
        let call = format!("{} {}", request.method(), request.uri());
        ledger.calls.push(call);
        if !ledger.open {
            Some(problem(StatusCode::FORBIDDEN, "ADMIN_TOKEN is not set."))
        } else if !is_service && !shows("authorization", "Bearer 0perat0r") {
            Some(problem(StatusCode::UNAUTHORIZED, "Send ADMIN_TOKEN."))
        } else {
            let failure = ledger.failures.get(&nth);
            failure.map(|status| problem(*status, "The ledger does not answer."))
        }
    };
    match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

async fn routes(
    State(ledger): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Json<Value> {
    let ledger = ledger.lock().unwrap();
    let after = query.get("after").map_or("", String::as_str);
    let mut rest = ledger
        .quarantine
        .iter()
        .filter(|(route, _)| route.as_str() > after);
    // A page has one.
    let page = rest.next();
    let next = rest.next().and(page).map(|(route, _)| route);
    let routes: Vec<_> = page
        .iter()
        .map(|(route, entries)| status(route, entries))
        .collect();
    Json(json!({ "routes": routes, "next": next }))
}

/// Two of `photos`, a page each, beside what is in quarantine.
async fn transfers(
    State(ledger): State<Shared>,
    Path(route): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let ledger = ledger.lock().unwrap();
    let Some(entries) = ledger.quarantine.get(&route) else {
        return no_route(&route);
    };
    let mut recent = status(&route, entries)["recent"]
        .as_array()
        .unwrap()
        .clone();
    for record in &mut recent {
        let (bucket, key) = (
            record["bucket"].as_str().unwrap(),
            record["key"].as_str().unwrap(),
        );
        record["id"] = format!("{bucket}/{key}").into();
    }
    let after: usize = query.get("after").map_or(0, |after| after.parse().unwrap());
    let next = (after + 1 < recent.len()).then(|| (after + 1).to_string());
    let page: Vec<_> = recent.into_iter().skip(after).take(1).collect();
    (
        StatusCode::OK,
        Json(json!({ "transfers": page, "next": next })),
    )
}

async fn transfer(
    State(ledger): State<Shared>,
    Path((route, id)): Path<(String, String)>,
) -> Answer {
    let ledger = ledger.lock().unwrap();
    let Some(entries) = ledger.quarantine.get(&route) else {
        return no_route(&route);
    };
    let Some(entry) = entries.iter().find(|entry| entry["id"] == *id) else {
        return problem(
            StatusCode::NOT_FOUND,
            format!("Nothing is remembered of {id:?}."),
        );
    };
    let transfer = json!({
        "id": id, "at": entry["last_failed_at"], "bucket": entry["bucket"], "key": entry["key"],
        "outcome": "quarantined", "kind": entry["kind"], "quarantine": entry,
    });
    (StatusCode::OK, Json(transfer))
}

/// The load with this number: the second has failed.
fn ended(number: u64) -> Value {
    let mut load = json!({
        "id": format!("{number:016x}"), "job": format!("causeway_{number}_0"), "route": "photos",
        "began_at": "2026-07-01T00:00:00Z", "ended_at": "2026-07-01T00:00:02Z",
        "files": 3, "rows": 400, "bad_rows": 1,
    });
    if number == 2 {
        load["error"] =
            json!({"kind": "load-refused", "message": "Row 7\u{1b}.", "advice": "Mend it."});
    }
    load
}

/// Three, two a page, of `photos`; no other route ends in a table.
async fn loads(Path(route): Path<String>, Query(query): Query<BTreeMap<String, String>>) -> Answer {
    if route != "photos" {
        return no_table(&route);
    }
    let last = query
        .get("before")
        .map_or(3, |before| before.parse().unwrap());
    let first = u64::saturating_sub(last, 2) + 1;
    let page: Vec<_> = (first..=last).rev().map(ended).collect();
    let before = (first > 1).then_some(first - 1);
    let answer = json!({
        "under_way": [], "ended": page, "before": before, "waits": true, "jobs_left": 60,
        "counts": {"loads": 3, "jobs": 4, "files": 6, "rows": 800, "bad_rows": 2, "refused": 3,
            "receipts": 6},
        "blocked": null, "quota_until": "2026-07-01T00:10:00Z",
    });
    (StatusCode::OK, Json(answer))
}

async fn load(Path((route, id)): Path<(String, String)>) -> Answer {
    let number = u64::from_str_radix(&id, 16).unwrap_or_default();
    match number {
        _ if route != "photos" => no_table(&route),
        1..=3 => (StatusCode::OK, Json(ended(number))),
        _ => problem(StatusCode::NOT_FOUND, format!("There is no load {id:?}.")),
    }
}

fn no_table(route: &str) -> Answer {
    let reason = format!("The route {route:?} ends in no table: it loads nothing.");
    problem(StatusCode::NOT_FOUND, reason)
}

/// Takes the keys in that begin with `in/`.
async fn submit(Path(route): Path<String>, Json(body): Json<Value>) -> Answer {
    let (mut accepted, mut ignored) = (Vec::new(), Vec::new());
    for key in body["keys"].as_array().unwrap() {
        let key = key.as_str().unwrap();
        if key.starts_with("in/") {
            let id = format!("bucket/{key}");
            accepted.push(json!({"id": id, "bucket": "bucket", "key": key, "route": route}));
        } else {
            ignored.push(json!({"bucket": "bucket", "key": key, "reason": "not below in/"}));
        }
    }
    let answer = json!({ "accepted": accepted, "ignored": ignored });
    (StatusCode::ACCEPTED, Json(answer))
}

async fn route(State(ledger): State<Shared>, Path(route): Path<String>) -> Answer {
    match ledger.lock().unwrap().quarantine.get(&route) {
        Some(entries) => (StatusCode::OK, Json(status(&route, entries))),
        None => no_route(&route),
    }
}

fn no_route(route: &str) -> Answer {
    problem(
        StatusCode::NOT_FOUND,
        format!("There is no route {route:?}."),
    )
}

/// A source or a destination.
fn place(kind: &str, uri: &str) -> Value {
    let (bucket, prefix) = uri.split_once("://").unwrap().1.split_once('/').unwrap();
    json!({"kind": kind, "uri": uri, "bucket": bucket, "prefix": prefix})
}

/// `photos` has done something, any other route nothing.
fn status(route: &str, entries: &[Value]) -> Value {
    let nothing =
        json!({"count": 0, "p50_ms": null, "p99_ms": null, "max_ms": null, "buckets": []});
    if route != "photos" {
        return json!({
            "route": route, "source": place("s3", "s3://other/"), "destination": place("gcs", "gs://other/"), "since": null,
            "counts": {}, "bytes": 0, "accepted_to_commit": nothing, "event_to_commit": nothing,
            "recent": [], "quarantined": entries.len(), "objects": null, "brake": null,
        });
    }
    json!({
        "route": route,
        "source": place("s3", "s3://bucket/in/"),
        "destination": place("gcs", "gs://copy/"),
        "since": "2026-07-01T00:00:00Z",
        "counts": {"copied": 12, "identical": 3, "deleted": 0, "source-gone": 1},
        "bytes": 1_572_864,
        "accepted_to_commit": nothing,
        "event_to_commit": {
            "count": 12, "p50_ms": 80, "p99_ms": 2500, "max_ms": 2600,
            "buckets": [
                {"le_ms": 10, "count": 0}, {"le_ms": 100, "count": 8}, {"le_ms": 1000, "count": 0},
                {"le_ms": null, "count": 4},
            ],
        },
        "recent": [
            {"at": "2026-07-02T03:04:05Z", "bucket": "bucket", "key": "in/x\n", "outcome": "copied",
                "bytes": 2048, "ms": 120},
            {"at": "2026-07-02T03:04:04Z", "bucket": "bucket", "key": "in/y",
                "outcome": "quarantined", "kind": "source-denied"},
        ],
        "quarantined": entries.len(),
        "objects": 1234,
        "walks": [{
            "kind": "reconcile", "route": route, "started_at": "2026-07-02T00:00:00Z", "expected": 1230,
            "request": {"prefix": "", "rate": 0, "dry_run": true},
            "parity": {"source": {"keys": 1234, "bytes": 5}, "missing": {"keys": 7, "bytes": 5}},
            "sent": 0, "differences": [], "last_key": "z", "failures": 0,
            "end": {"outcome": "done", "at": "2026-07-02T00:01:00Z"},
        }],
        "brake": {"deletes": 3, "limit": 1000, "window_s": 3600},
    })
}

async fn walk(State(ledger): State<Shared>) -> Answer {
    let mut ledger = ledger.lock().unwrap();
    let Some(walk) = ledger.walks.pop_front() else {
        return problem(StatusCode::NOT_FOUND, "There was no reconcile yet.");
    };
    if ledger.walks.is_empty() {
        ledger.walks.push_back(walk.clone());
    }
    (StatusCode::OK, Json(walk))
}

async fn list(
    State(ledger): State<Shared>,
    Path(route): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Answer {
    let ledger = ledger.lock().unwrap();
    let Some(entries) = ledger.quarantine.get(&route) else {
        return no_route(&route);
    };
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let mut fitting = entries.iter().filter(|entry| {
        let is = |name: &str, fits: &dyn Fn(&str) -> bool| {
            query.get(name).is_none_or(|value| fits(value))
        };
        is("kind", &|kind| text(entry, "kind") == kind)
            && is("key", &|prefix| text(entry, "key").starts_with(prefix))
            && is("after", &|id| text(entry, "id").as_str() > id)
    });
    let page: Vec<_> = fitting.by_ref().take(BATCH).collect();
    let next = fitting.next().and(page.last()).map(|entry| &entry["id"]);
    (
        StatusCode::OK,
        Json(json!({ "entries": page, "next": next })),
    )
}

async fn act(
    State(ledger): State<Shared>,
    Path((route, action)): Path<(String, String)>,
    Json(mut which): Json<Value>,
) -> Answer {
    let mut ledger = ledger.lock().unwrap();
    let fails_again = ledger.fails_again && action == "replay";
    let Some(entries) = ledger.quarantine.get_mut(&route) else {
        return no_route(&route);
    };
    let after = which.as_object_mut().unwrap().remove("after");
    let after = after.as_ref().and_then(Value::as_str).unwrap_or_default();
    let id = |entry: &Value| entry["id"].as_str().unwrap().to_owned();
    let mut behind = entries.iter().map(id).filter(|id| after < id.as_str());
    let page: Vec<_> = match which["id"].as_str() {
        Some(id) => vec![id.to_owned()],
        None => behind.by_ref().take(BATCH).collect(),
    };
    let is_last = which.get("id").is_some() || behind.next().is_none();
    let next = page.last().filter(|_| !is_last);
    let selected = |entry: &Value| {
        page.contains(&id(entry))
            && (which == json!({ "all": true })
                || which == json!({ "id": entry["id"] })
                || which == json!({ "kind": entry["kind"] }))
    };
    let (taken, left): (Vec<_>, Vec<_>) = entries.clone().into_iter().partition(selected);
    let answer = json!({ "count": taken.len(), "more": !is_last, "next": next });
    if !fails_again {
        *entries = left;
    }
    (StatusCode::OK, Json(answer))
}
