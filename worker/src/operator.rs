//! The operator's part of the HTTP API: what the ledgers say, what is to become of quarantine, and the
//! walks. What the Durable Objects answer is passed on as it is.
//!
//! Open only to who shows ADMIN_TOKEN, and closed where there is none.

use causeway_shared::error::ErrorKind;
use causeway_shared::route::Route;
use causeway_shared::walk::Kind;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use web_sys::Request;
use worker::Env;

use crate::config::Config;
use crate::ingress::body;
use crate::ledger::{Handle, Query};
use crate::platform;
use crate::quarantine::UNROUTED;
use crate::reply::Reply;
use crate::walk::{self, Answer};

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
    let Some(tokens) = &config.admin_tokens else {
        return Reply::problem(
            403,
            "The operator's API is closed. Open it with a token: npx wrangler secret put ADMIN_TOKEN.",
        );
    };
    let authorization = request.headers().get("authorization").ok().flatten();
    if !tokens.are_shown_by(authorization.as_deref()) {
        return Reply::problem(401, "Send ADMIN_TOKEN as `Authorization: Bearer <token>`.")
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
            walk(request, route, Kind::Backfill, env, config).await
        }
        ("GET" | "DELETE" | "POST", [route, "reconcile"]) => {
            walk(request, route, Kind::Reconcile, env, config).await
        }
        (_, [] | [_] | [_, "quarantine"]) => Err(not_allowed("GET")),
        (_, [_, "backfill" | "reconcile"]) => Err(not_allowed("GET, POST, DELETE")),
        (_, [_, "quarantine", "replay" | "drop"]) => Err(not_allowed("POST")),
        _ => Err(Reply::problem(
            404,
            "There is /routes, /routes/{route}, and below it /backfill, /reconcile, /quarantine, /quarantine/replay and /quarantine/drop.",
        )),
    };
    answer.unwrap_or_else(|problem| problem)
}

async fn all(env: &Env, config: &Config) -> Result<Reply, Reply> {
    let mut routes = Vec::new();
    for route in config.routes.iter() {
        routes.push(status(&route.name, env).await?);
    }
    let unrouted = status(UNROUTED, env).await?;
    if platform::from_json(&unrouted).is_ok_and(|Unrouted { quarantined }| quarantined > 0) {
        routes.push(unrouted);
    }
    let routes = routes.join(",");
    Ok(Reply::text(200, format!("{{\"routes\":[{routes}]}}")))
}

/// What is looked at of what belongs to no route.
#[derive(Deserialize)]
struct Unrouted {
    quarantined: u64,
}

async fn one(name: &str, env: &Env, config: &Config) -> Result<Reply, Reply> {
    known(name, config)?;
    Ok(Reply::text(200, status(name, env).await?))
}

async fn status(name: &str, env: &Env) -> Result<String, Reply> {
    let status = ledger(name, env)?.status(name).await;
    status.map_err(|reason| silent(&reason))
}

async fn list(name: &str, query: &str, env: &Env, config: &Config) -> Result<Reply, Reply> {
    known(name, config)?;
    let query = read_query(query)?;
    let entries = ledger(name, env)?.list(query).await;
    Ok(Reply::text(200, entries.map_err(|reason| silent(&reason))?))
}

async fn take(
    request: &Request,
    name: &str,
    verb: &str,
    env: &Env,
    config: &Config,
) -> Result<Reply, Reply> {
    known(name, config)?;
    let selector = read(
        request,
        "{\"id\": \"bucket/key\"}, {\"kind\": \"source-denied\"} or {\"all\": true}",
    )
    .await?;
    let handle = ledger(name, env)?;
    let taken = match verb {
        "replay" => handle.replay(selector).await,
        _ => handle.forget(selector).await,
    };
    Ok(Reply::text(200, taken.map_err(|reason| silent(&reason))?))
}

/// The request's body; `expected` says what it may be.
async fn read<T: DeserializeOwned>(request: &Request, expected: &str) -> Result<T, Reply> {
    let body = body::read(request, BODY_LIMIT).await;
    let body = body.map_err(|_| Reply::problem(400, "The body could not be read."))?;
    serde_json::from_slice(&body)
        .map_err(|error| Reply::problem(400, format!("Send {expected}: {error}.")))
}

/// Begins a walk (POST), says how far the last one is (GET), or ends it (DELETE).
async fn walk(
    request: &Request,
    name: &str,
    kind: Kind,
    env: &Env,
    config: &Config,
) -> Result<Reply, Reply> {
    if known(name, config)?.is_none() {
        return Err(Reply::problem(
            404,
            "What belongs to no route cannot be listed.",
        ));
    }
    let handle =
        walk::Handle::new(env, kind, name).map_err(|reason| Reply::problem(500, reason))?;
    let method = request.method();
    let seen = match method.as_str() {
        "POST" => {
            let expected = "{\"prefix\": \"2026/\", \"rate\": 100, \"dry_run\": true}, or {}";
            handle.start(read(request, expected).await?).await
        }
        "DELETE" => handle.cancel().await,
        _ => handle.look().await,
    };
    let (answer, walk) = seen.map_err(|reason| silent(&reason))?;
    let kind = kind.name();
    let Some(walk) = walk else {
        return Err(Reply::problem(
            404,
            format!("There was no {kind} of {name:?} yet."),
        ));
    };
    if answer == Answer::Underway {
        return Err(Reply::problem(
            409,
            format!("A {kind} of {name:?} is under way: wait for its end, or DELETE it first."),
        ));
    }
    let status = if method == "POST" { 202 } else { 200 };
    Ok(Reply::text(status, walk.get().to_owned()))
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
        format!("The route's Durable Object did not answer: {reason}. Ask again."),
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
                let kind: Result<ErrorKind, _> = platform::from_json(&platform::to_json(&value));
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
