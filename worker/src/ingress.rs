//! The door: events in, in every dialect, and hints into the queue.
//!
//! [`sender`] says who may, [`sns`] proves what SNS signed, [`oauth`] gives tokens; `host::hints` finds
//! the routes.
//! No storage request is made here: senders wait only seconds. The answer is given after the queue
//! has taken the hints, so what was answered with 2xx is not lost.

pub(crate) mod body;
pub(crate) mod guesses;
mod oauth;
mod sender;
mod sns;

use causeway_shared::error::{ConfigError, cut};
use causeway_shared::event::{self, EventError, KEY_BYTES, Notification};
use causeway_shared::host::hints::{self, Sorted};
use causeway_shared::host::{self, Queue};
use causeway_shared::sender::{Kind, name_of};
use serde_json::json;
use wasm_bindgen::JsValue;
use web_sys::{Request, Response};
use worker::Env;

use crate::api;
use crate::config::Config;
use crate::host::{Workerd, binding};
use crate::platform;
use crate::reply::Reply;
use sender::Shown;
use sns::Proven;

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
    let has_parameters = query.split('&').any(|parameter| !parameter.is_empty());
    let reply = match (path.as_str(), Config::of(env)) {
        ("/healthz" | "/openapi.json", _) if !matches!(method.as_str(), "GET" | "HEAD") => {
            Reply::not_allowed("GET, HEAD")
        }
        ("/healthz" | "/openapi.json" | "/events" | "/", _)
            if has_parameters && matches!(method.as_str(), "GET" | "HEAD") =>
        {
            takes_no_parameters()
        }
        ("/openapi.json", _) => api::document(),
        (_, Err(error)) => misconfigured(&error),
        ("/events", Ok(config)) if method == "POST" => {
            let taken = take_in(request, has_parameters, env, &config).await;
            match taken {
                Ok(reply) => reply,
                Err(refused) => guesses::counted(refused, request, env).await,
            }
        }
        ("/healthz", Ok(config)) => {
            let health = healthy(request, env, &config).await;
            health.unwrap_or_else(|refused| refused)
        }
        // MinIO asks so whether anybody is there, and RustFS at the root.
        ("/events" | "/", Ok(_)) if matches!(method.as_str(), "GET" | "HEAD") => {
            Reply::json(200, json!({"status": "ok"}))
        }
        ("/events", Ok(_)) => Reply::not_allowed("GET, HEAD, POST"),
        ("/oauth/token", Ok(config)) if method == "POST" => match guesses::check(request) {
            Ok(()) => {
                let now = platform::now();
                let answer = oauth::answer(request, has_parameters, &config, now).await;
                guesses::counted(answer, request, env).await
            }
            Err(refused) => refused,
        },
        ("/oauth/token", Ok(_)) => Reply::not_allowed("POST"),
        (path, Ok(config)) => match path.strip_prefix("/v1/") {
            Some(path) => api::answer(request, path, &query, env, &config).await,
            None => Reply::problem(404, "GET /openapi.json says what there is."),
        },
    };
    reply.into_response()
}

async fn take_in(
    request: &Request,
    has_parameters: bool,
    env: &Env,
    config: &Config,
) -> Result<Reply, Reply> {
    let now = platform::now();
    guesses::check(request)?;
    let shown = sender::shown(&request.headers(), config, now)?;
    if let Shown::Token(sender) = &shown {
        admit(sender, 1, env).await?;
    }
    let body = body::read(request, BODY_LIMIT).await.map_err(unread)?;
    let (sender, topic, body) = match shown {
        Shown::Token(sender) => (sender, None, body),
        Shown::Signature(signature) => {
            let secret = sender::check_signature(&signature, &body, config, now)?;
            let sender = name_of(&format!("webhook {secret}"));
            admit(&sender, 1, env).await?;
            (sender, None, body)
        }
        Shown::Nothing if has_parameters && sns::kind_of(&body).is_none() => {
            return Err(sender::unknown());
        }
        // Not after a subscription is confirmed of which nothing would be taken.
        Shown::Nothing if has_parameters => return Err(takes_no_parameters()),
        Shown::Nothing => match sns::prove(request, &body, config, env, now).await? {
            Proven::Event { topic, event } => {
                let sender = name_of(&topic);
                admit(&sender, 1, env).await?;
                (sender, Some(topic), event.into_bytes())
            }
            Proven::Answered(reply) => return Ok(reply),
        },
    };
    if has_parameters {
        return Err(takes_no_parameters());
    }
    match event::parse(&body) {
        Ok(Notification::Test { mut bucket }) => {
            cut(&mut bucket, KEY_BYTES);
            let note = format!(
                "The test event of the bucket {bucket:?} arrived; there is nothing to copy."
            );
            let taken = Reply::json(202, json!({"accepted": [], "ignored": []}));
            Ok(taken.member("note", note))
        }
        Ok(Notification::Records(records)) => {
            // One is counted already.
            admit(&sender, records.len().saturating_sub(1), env).await?;
            let sorted = hints::sort(records, &config.routes, topic.as_deref(), now);
            let sorted = sorted.map_err(|reason| Reply::problem(413, reason))?;
            Ok(enqueue(sorted, env).await)
        }
        Err(error @ EventError::TooMany) => Err(Reply::problem(413, error.to_string())),
        // SNS shows a token where its URL has one, even with what only its signature proves.
        Err(error) => {
            let kind = sns::kind_of(&body).filter(|_| error == EventError::NotS3);
            if kind.is_some_and(|kind| kind != Kind::Notification)
                && let Proven::Answered(reply) =
                    sns::prove(request, &body, config, env, now).await?
            {
                return Ok(reply);
            }
            Err(Reply::problem(400, error.to_string()))
        }
    }
}

/// What is not in docs/openapi.yaml is refused; its text may be somebody's secret.
fn takes_no_parameters() -> Reply {
    Reply::problem(
        400,
        "This path takes no parameters. Leave out `?` and what follows it.",
    )
}

/// Whether a proven sender sends no more than is its share, with `events` more. The platform counts one a
/// call ([Rate limiting](https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/)), and
/// answers without leaving its machine.
async fn admit(sender: &str, events: usize, env: &Env) -> Result<(), Reply> {
    for _ in 0..events {
        if !platform::is_within_limit(env, "EVENTS_LIMIT", sender).await {
            let reason = "This sender sent more within a minute than is its share. Send it again in the next one.";
            return Err(Reply::problem(429, reason).header("retry-after", "60"));
        }
    }
    Ok(())
}

fn unread(reason: body::Unread) -> Reply {
    match reason {
        body::Unread::TooLong => Reply::problem(
            413,
            format!("The body is longer than {BODY_LIMIT} bytes. Send fewer records at once."),
        ),
        body::Unread::Broken(reason) => {
            Reply::problem(400, format!("The body broke off: {reason}."))
        }
    }
}

/// Answers once the queue has every hint. Hints that it took before it failed are sent again with
/// the rest: twice does no harm.
pub(crate) async fn enqueue(sorted: Sorted, env: &Env) -> Reply {
    let (platform, name) = (Workerd::new(env), binding(Queue::Hints));
    if let Err(reason) = platform::Queue::bound(env, name) {
        return misconfigured(&ConfigError::new(name, reason));
    }
    if let Err(reason) = host::put(&platform, Queue::Hints, &sorted.messages).await {
        let line = json!({"event": "queue-refused", "message": &reason});
        web_sys::console::error_1(&line.to_string().into());
        return Reply::problem(
            503,
            format!("The queue did not take the event: {reason}. Send it again."),
        )
        .header("retry-after", QUEUE_PAUSE);
    }
    let not_listed = sorted.not_listed();
    let taken = json!({"accepted": sorted.accepted, "ignored": sorted.ignored});
    let reply = Reply::json(202, taken);
    match not_listed {
        Some(counts) => reply.member("not_listed", counts),
        None => reply,
    }
}

/// That the worker is configured; to an administrator also what it is.
async fn healthy(request: &Request, env: &Env, config: &Config) -> Result<Reply, Reply> {
    let reply = Reply::json(200, json!({"status": "ok"}));
    if !guesses::shows(request) {
        return Ok(reply);
    }
    api::admit(request, env, config).await?;
    let routes: Vec<_> = config.routes.iter().map(|route| &*route.name).collect();
    let reply = reply.member("version", env!("CARGO_PKG_VERSION"));
    Ok(reply.member("routes", routes))
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
