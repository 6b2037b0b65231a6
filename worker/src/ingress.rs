//! The HTTP API: events in, hints into the queue.
//!
//! No storage request is made here: senders wait only seconds. The answer is given after the queue
//! has taken the hints, so what was answered with 2xx is not lost.

pub(crate) mod body;
mod hints;
mod token;

pub(crate) use hints::Sorted;
pub(crate) use token::Tokens;

use causeway_shared::error::ConfigError;
use causeway_shared::event::{self, Notification};
use serde_json::json;
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};
use worker::Env;

use crate::api;
use crate::config::Config;
use crate::platform::{self, Queue};
use crate::reply::Reply;

/// The most of an event's body that is read, in bytes. S3's own messages have some kilobytes.
const BODY_LIMIT: usize = 1024 * 1024;

/// How long a sender should wait when the queue takes nothing, in seconds.
const QUEUE_PAUSE: &str = "5";

/// Answers a request.
///
/// # Errors
/// What the platform throws when the answer cannot be made.
pub(crate) async fn answer(request: &Request, env: &Env) -> Result<Response, JsValue> {
    let (path, query) = path_and_query(&request.url());
    let method = request.method();
    let reply = match (path.as_str(), Config::of(env)) {
        ("/healthz" | "/openapi.json", _) if !matches!(method.as_str(), "GET" | "HEAD") => {
            Reply::not_allowed("GET, HEAD")
        }
        ("/openapi.json", _) => api::document(),
        (_, Err(error)) => misconfigured(&error),
        ("/healthz", Ok(config)) => healthy(&config),
        ("/events", Ok(config)) if method == "POST" => take_in(request, env, &config).await,
        ("/events", Ok(_)) => Reply::not_allowed("POST"),
        (path, Ok(config)) => match path.strip_prefix("/v1/") {
            Some(path) => api::answer(request, path, &query, env, &config).await,
            None => Reply::problem(404, "GET /openapi.json says what there is."),
        },
    };
    reply.into_response()
}

async fn take_in(request: &Request, env: &Env, config: &Config) -> Reply {
    let authorization = request.headers().get("authorization").ok().flatten();
    if !config.events_tokens.are_shown_by(authorization.as_deref()) {
        return Reply::problem(
            401,
            "Send the token of EVENTS_TOKEN as `Authorization: Bearer <token>`.",
        )
        .header("www-authenticate", "Bearer realm=\"causeway\"");
    }
    let body = match body::read(request, BODY_LIMIT).await {
        Ok(body) => body,
        Err(body::Unread::TooLong) => {
            return Reply::problem(
                413,
                format!("The body is longer than {BODY_LIMIT} bytes. Send fewer records at once."),
            );
        }
        Err(body::Unread::Broken(reason)) => {
            return Reply::problem(400, format!("The body broke off: {reason}."));
        }
    };
    match event::parse(&body) {
        Ok(Notification::Test { bucket }) => {
            Reply::json(202, json!({"accepted": [], "ignored": []})).member(
                "note",
                format!(
                    "The test event of the bucket {bucket:?} arrived; there is nothing to copy."
                ),
            )
        }
        Ok(Notification::Records(records)) => {
            enqueue(hints::sort(records, &config.routes, platform::now()), env).await
        }
        Err(error) => Reply::problem(400, error.to_string()),
    }
}

/// Answers once the queue has every hint. Hints that it took before it failed are sent again with
/// the rest: twice does no harm.
pub(crate) async fn enqueue(sorted: Sorted, env: &Env) -> Reply {
    let queue = match Queue::bound(env, "HINTS") {
        Ok(queue) => queue,
        Err(reason) => return misconfigured(&ConfigError::new("HINTS", reason)),
    };
    for batch in platform::batches(&sorted.messages) {
        if let Err(reason) = queue.put_all(&sorted.messages[batch]).await {
            web_sys::console::error_1(
                &json!({"event": "queue-refused", "message": &reason})
                    .to_string()
                    .into(),
            );
            return Reply::problem(
                503,
                format!("The queue did not take the event: {reason}. Send it again."),
            )
            .header("retry-after", QUEUE_PAUSE);
        }
    }
    Reply::json(
        202,
        json!({"accepted": sorted.accepted, "ignored": sorted.ignored}),
    )
}

fn healthy(config: &Config) -> Reply {
    let routes: Vec<_> = config.routes.iter().map(|route| &route.name).collect();
    Reply::json(
        200,
        json!({"status": "ok", "version": env!("CARGO_PKG_VERSION"), "routes": routes}),
    )
}

fn misconfigured(error: &ConfigError) -> Reply {
    Reply::problem(500, format!("The worker is not configured: {error}"))
        .member("variable", error.variable.clone())
        .member("message", error.message.clone())
}

/// The path of an absolute URL, and what follows its `?`, as they stand.
fn path_and_query(url: &str) -> (String, String) {
    url.parse::<http::Uri>()
        .map(|uri| {
            (
                uri.path().to_owned(),
                uri.query().unwrap_or_default().to_owned(),
            )
        })
        .unwrap_or_default()
}
