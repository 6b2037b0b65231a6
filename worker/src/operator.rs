//! The operator's part of the HTTP API: what the ledgers say, and what is to become of quarantine.
//!
//! Open only to who shows OPERATOR_TOKEN, and closed where there is none.

use causeway_shared::error::ErrorKind;
use causeway_shared::ledger::{Histogram, Ledger, Quarantined, Selector};
use causeway_shared::route::{Deletes, Place, Route};
use serde_json::{Value, json};
use web_sys::Request;
use worker::Env;

use crate::backfill::{self, Answer};
use crate::config::Config;
use crate::ingress::body;
use crate::ledger::{Handle, Page, Query, Taken};
use crate::platform;
use crate::quarantine::UNROUTED;
use crate::reply::Reply;

/// The most of a request's body that is read, in bytes: an id has a bucket and a key.
const BODY_LIMIT: usize = 16 * 1024;

/// Answers a request for a path below `/routes`; `path` is what follows that.
pub(crate) async fn answer(
    request: &Request,
    path: &str,
    query: &str,
    env: &Env,
    config: &Config,
) -> Reply {
    let Some(token) = &config.operator_token else {
        return Reply::problem(
            403,
            "The operator's API is closed. Open it with a token: npx wrangler secret put OPERATOR_TOKEN.",
        );
    };
    let authorization = request.headers().get("authorization").ok().flatten();
    if !token.is_shown_by(authorization.as_deref()) {
        return Reply::problem(
            401,
            "Send OPERATOR_TOKEN as `Authorization: Bearer <token>`.",
        )
        .header("www-authenticate", "Bearer realm=\"causeway\"");
    }
    let method = request.method();
    let segments: Vec<String> = path.split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let answer = match (method.as_str(), segments.as_slice()) {
        ("GET", [] | [""]) => all(env, config).await,
        ("GET", [route]) => one(route, env, config).await,
        ("GET", [route, "quarantine"]) => list(route, query, env, config).await,
        ("POST", [route, "quarantine", verb @ ("replay" | "drop")]) => {
            take(request, route, verb, env, config).await
        }
        ("GET" | "DELETE" | "POST", [route, "backfill"]) => {
            backfill(request, route, &method, env, config).await
        }
        (_, [] | [_] | [_, "quarantine"]) => Err(not_allowed("GET")),
        (_, [_, "backfill"]) => Err(not_allowed("GET, POST, DELETE")),
        (_, [_, "quarantine", "replay" | "drop"]) => Err(not_allowed("POST")),
        _ => Err(Reply::problem(
            404,
            "There is /routes, /routes/{route}, and below it /backfill, /quarantine, /quarantine/replay and /quarantine/drop.",
        )),
    };
    answer.unwrap_or_else(|problem| problem)
}

async fn all(env: &Env, config: &Config) -> Result<Reply, Reply> {
    let mut routes = Vec::new();
    for route in config.routes.iter() {
        routes.push(status(&route.name, Some(route), env).await?.1);
    }
    let (unrouted, shown) = status(UNROUTED, None, env).await?;
    if unrouted.quarantined > 0 {
        routes.push(shown);
    }
    Ok(Reply::json(200, json!({"routes": routes})))
}

async fn one(name: &str, env: &Env, config: &Config) -> Result<Reply, Reply> {
    let route = known(name, config)?;
    Ok(Reply::json(200, status(name, route, env).await?.1))
}

async fn list(name: &str, query: &str, env: &Env, config: &Config) -> Result<Reply, Reply> {
    known(name, config)?;
    let query = read_query(query)?;
    let Page { entries, next } = ledger(name, env)?
        .list(query)
        .await
        .map_err(|reason| silent(&reason))?;
    let entries: Vec<Value> = entries.iter().map(|(id, entry)| shown(id, entry)).collect();
    Ok(Reply::json(200, json!({"entries": entries, "next": next})))
}

async fn take(
    request: &Request,
    name: &str,
    verb: &str,
    env: &Env,
    config: &Config,
) -> Result<Reply, Reply> {
    known(name, config)?;
    let body = body::read(request, BODY_LIMIT).await;
    let body = body.map_err(|_| Reply::problem(400, "The body could not be read."))?;
    let selector: Selector = serde_json::from_slice(&body).map_err(|error| {
        let expected =
            "Send {\"id\": \"bucket/key\"}, {\"kind\": \"source-denied\"} or {\"all\": true}";
        Reply::problem(400, format!("{expected}: {error}."))
    })?;
    let handle = ledger(name, env)?;
    let (taken, done) = match verb {
        "replay" => (handle.replay(selector).await, "replayed"),
        _ => (handle.forget(selector).await, "dropped"),
    };
    let Taken { count, more } = taken.map_err(|reason| silent(&reason))?;
    Ok(Reply::json(200, json!({done: count, "more": more})))
}

/// Begins a backfill (POST), says how far it is (GET), or ends it (DELETE).
async fn backfill(
    request: &Request,
    name: &str,
    method: &str,
    env: &Env,
    config: &Config,
) -> Result<Reply, Reply> {
    if known(name, config)?.is_none() {
        return Err(Reply::problem(
            404,
            "What belongs to no route cannot be listed.",
        ));
    }
    let handle = backfill::Handle::new(env, name).map_err(|reason| Reply::problem(500, reason))?;
    let answer = match method {
        "POST" => {
            let body = body::read(request, BODY_LIMIT).await;
            let body = body.map_err(|_| Reply::problem(400, "The body could not be read."))?;
            let wish = serde_json::from_slice(&body).map_err(|error| {
                let expected =
                    "Send {\"prefix\": \"2026/\", \"rate\": 100, \"dry_run\": true}, or {}";
                Reply::problem(400, format!("{expected}: {error}."))
            })?;
            handle.start(name, wish).await
        }
        "DELETE" => handle.cancel().await,
        _ => handle.look().await,
    };
    let Answer { backfill, done } = answer.map_err(|reason| silent(&reason))?;
    let Some(backfill) = backfill else {
        return Err(Reply::problem(
            404,
            format!("There was no backfill of {name:?} yet."),
        ));
    };
    let shown = json!({
        "route": backfill.route, "request": backfill.request, "started_at": backfill.started_at,
        "keys": backfill.keys, "bytes": backfill.bytes, "last_key": backfill.last_key, "end": backfill.end,
    });
    Ok(match (method, done) {
        ("POST", true) => Reply::json(202, shown),
        ("POST", false) => {
            let detail =
                "A backfill of this route is under way: wait for its end, or DELETE it first.";
            Reply::problem(409, detail).member("backfill", shown)
        }
        _ => Reply::json(200, shown),
    })
}

async fn status(name: &str, route: Option<&Route>, env: &Env) -> Result<(Ledger, Value), Reply> {
    let mut ledger = ledger(name, env)?
        .status()
        .await
        .map_err(|reason| silent(&reason))?;
    let mirrored = route.filter(|route| route.deletes == Deletes::Propagate);
    let brake = mirrored.map(|route| {
        json!({
            "deletes": ledger.brake.deletes(&route.brake, platform::now()),
            "limit": route.brake.limit(ledger.objects),
            "window_s": route.brake.window,
        })
    });
    let shown = json!({
        "route": name,
        "source": route.map(|route| place("s3", &route.source)).unwrap_or_default(),
        "destination": route.map(|route| place("gs", &route.destination)).unwrap_or_default(),
        "since": ledger.since,
        "counts": ledger.counts,
        "bytes": ledger.bytes,
        "accepted_to_commit": delays(&ledger.accepted_to_commit),
        "event_to_commit": delays(&ledger.event_to_commit),
        "recent": ledger.recent,
        "quarantined": ledger.quarantined,
        "brake": brake,
    });
    Ok((ledger, shown))
}

fn place(scheme: &str, place: &Place) -> String {
    format!("{scheme}://{}/{}", place.bucket, place.prefix)
}

fn delays(histogram: &Histogram) -> Value {
    let steps: Vec<_> = histogram
        .steps()
        .map(|(end, count)| json!({"le_ms": end, "count": count}))
        .collect();
    json!({
        "count": histogram.count(),
        "p50_ms": histogram.quantile(0.5),
        "p99_ms": histogram.quantile(0.99),
        "max_ms": histogram.max(),
        "buckets": steps,
    })
}

fn shown(id: &str, entry: &Quarantined) -> Value {
    let (bucket, key) = entry.object().unwrap_or_default();
    let error = &entry.error;
    let mut shown = json!({
        "id": id, "bucket": bucket, "key": key,
        "kind": error.kind, "fault": error.kind.fault(),
        "message": error.message, "advice": error.advice,
        "deliveries": entry.deliveries, "failures": entry.failures,
        "first_failed_at": entry.first_failed_at, "last_failed_at": entry.last_failed_at,
    });
    if let Some(status) = error.status {
        shown["status"] = json!(status);
    }
    if let Some(request_id) = &error.request_id {
        shown["request_id"] = json!(request_id);
    }
    shown
}

/// The route called `name`; none for what belongs to no route.
fn known<'a>(name: &str, config: &'a Config) -> Result<Option<&'a Route>, Reply> {
    match config.route(name) {
        Ok(route) => Ok(Some(route)),
        Err(_) if name == UNROUTED => Ok(None),
        Err(_) => Err(Reply::problem(404, format!("There is no route {name:?}."))),
    }
}

fn ledger(name: &str, env: &Env) -> Result<Handle, Reply> {
    Handle::new(env, name).map_err(|reason| Reply::problem(500, reason))
}

fn silent(reason: &str) -> Reply {
    Reply::problem(
        503,
        format!("The ledger did not answer: {reason}. Ask again."),
    )
    .header("retry-after", "5")
}

fn not_allowed(allow: &'static str) -> Reply {
    Reply::problem(405, format!("This path takes {allow}.")).header("allow", allow)
}

fn read_query(query: &str) -> Result<Query, Reply> {
    let mut read = Query::default();
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        let value = decoded(&value.replace('+', " "));
        match name {
            "key" => read.key = Some(value),
            "after" => read.after = Some(value),
            "kind" => {
                let kind: Result<ErrorKind, _> = serde_json::from_value(json!(value));
                let unknown = |_| Reply::problem(400, format!("There is no kind {value:?}."));
                read.kind = Some(kind.map_err(unknown)?);
            }
            _ => {}
        }
    }
    Ok(read)
}

/// Percent-encoding taken out; what is none stays.
fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}
