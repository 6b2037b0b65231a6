//! The HTTP API under `/v1`: what routes do, what is to be done by hand, and what became of it, as
//! docs/openapi.yaml says. What the Durable Objects answer is passed on as it is.
//!
//! Open to who shows ADMIN_TOKEN or an assertion of Cloudflare Access, and closed where there is
//! neither.

mod caller;
mod events;
mod ledgers;
mod loads;
mod query;
mod register;
mod walks;

use causeway_shared::host::Class;
use causeway_shared::host::ledger::{self, Report};
use causeway_shared::json::without_bom;
use causeway_shared::route::{Route, UNROUTED};
use causeway_shared::walk::Kind;
use serde::de::DeserializeOwned;
use web_sys::Request;
use worker::Env;

use crate::config::Config;
use crate::host::{self, Workerd};
use crate::ingress::body::{self, Unread};
use crate::reply::Reply;
use query::decoded;
use walks::Wanted;

/// docs/openapi.yaml as JSON.
const DOCUMENT: &str = include_str!(concat!(env!("OUT_DIR"), "/openapi.json"));

/// The most of a request's body that is read, in bytes: a hundred keys of 1,024 bytes.
const BODY_LIMIT: usize = 128 * 1024;

/// The longest name of a route, in bytes: one that was removed has a ledger to be asked for.
const LONGEST_NAME: usize = 256;

/// A request below `/v1`, and what answers it.
#[derive(Clone, Copy)]
struct Call<'a> {
    request: &'a Request,
    env: &'a Env,
    config: &'a Config,
}

/// `GET /openapi.json`.
pub(crate) fn document() -> Reply {
    Reply::text(200, DOCUMENT.to_owned())
}

/// Lets an administrator in.
///
/// # Errors
/// The answer to anybody else.
pub(crate) async fn admit(request: &Request, env: &Env, config: &Config) -> Result<(), Reply> {
    let call = Call {
        request,
        env,
        config,
    };
    call.admit().await
}

/// Answers a request for a path below `/v1/`; `path` is what follows that.
pub(crate) async fn answer(
    request: &Request,
    path: &str,
    query: &str,
    env: &Env,
    config: &Config,
) -> Reply {
    let call = Call {
        request,
        env,
        config,
    };
    let answer = call.answer(path, query).await;
    answer.unwrap_or_else(|problem| problem)
}

impl<'a> Call<'a> {
    async fn answer(self, path: &str, query: &str) -> Result<Reply, Reply> {
        let segments: Vec<String> = path.split('/').map(decoded).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let method = self.request.method();
        let allowed = match segments[..] {
            ["sources" | "destinations" | "routes" | "metrics"]
            | ["routes", _]
            | ["routes", _, "transfers" | "quarantine" | "loads"]
            | ["routes", _, "transfers" | "loads", _] => "GET, HEAD",
            ["routes", _, "backfill" | "reconcile"] => "GET, HEAD, POST",
            ["routes", _, "events"]
            | ["routes", _, "backfill" | "reconcile", "cancel"]
            | ["routes", _, "quarantine", "replay" | "drop"] => "POST",
            _ => return Err(Reply::problem(404, "GET /openapi.json says what there is.")),
        };
        if !allowed.split(", ").any(|allowed| allowed == method) {
            return Err(Reply::not_allowed(allowed));
        }
        self.admit().await?;
        let (names, known): (&[&str], _) = match segments[..] {
            ["sources" | "destinations" | "routes"] => (&["limit", "after"], None),
            ["routes", name, "transfers"] => (&["limit", "after"], Some(name)),
            ["routes", name, "quarantine"] => (&["limit", "after", "kind", "key"], Some(name)),
            ["routes", name, "loads"] => (&["before"], Some(name)),
            ["routes", name, ..] => (&[], Some(name)),
            _ => (&[], None),
        };
        let query = query::read(query, names)?;
        let route = match known {
            Some(name) => self.route(name).await?,
            None => None,
        };
        let body = match method.as_str() {
            "POST" => self.body().await?,
            _ => Vec::new(),
        };
        match segments[..] {
            ["sources"] => Ok(self.sources(&query)),
            ["destinations"] => Ok(self.destinations(&query)),
            ["metrics"] => self.metrics().await,
            ["routes"] => self.routes(&query).await,
            ["routes", _, "events"] => self.submit(route, &body).await,
            ["routes", _, "loads", ref id @ ..] => {
                self.loads(route, id.first().copied(), &query).await
            }
            ["routes", _, kind @ ("backfill" | "reconcile"), ref end @ ..] => {
                let kind = match kind {
                    "backfill" => Kind::Backfill,
                    _ => Kind::Reconcile,
                };
                let wanted = match (end, method.as_str()) {
                    ([], "POST") => Wanted::Begin(&body),
                    ([], _) => Wanted::Look,
                    _ => Wanted::Cancel,
                };
                self.walk(route, kind, wanted).await
            }
            _ => {
                let (name, path) = (known.unwrap_or_default(), &segments[2..]);
                self.of_ledger(name, path, query, &body).await
            }
        }
    }

    /// The route called `name`; none for what belongs to no route, or to one that was renamed or removed
    /// and has something in quarantine.
    async fn route(self, name: &str) -> Result<Option<&'a Route>, Reply> {
        if let Some(route) = self.config.routes.get(name) {
            return Ok(Some(route));
        }
        if name == UNROUTED || name.len() <= LONGEST_NAME && self.is_left(name).await?.is_some() {
            return Ok(None);
        }
        Err(Reply::problem(404, format!("There is no route {name:?}.")))
    }

    /// What the ledger of the route `name` answers to `report`.
    async fn told(self, name: &str, report: &Report) -> Result<String, Reply> {
        host::object(self.env, Class::RouteLedger, name)
            .map_err(|reason| Reply::problem(500, reason))?;
        let answer = ledger::tell(&Workerd::new(self.env), name, report).await;
        answer.map_err(silent)
    }

    /// The request's body.
    async fn body(self) -> Result<Vec<u8>, Reply> {
        let body = body::read(self.request, BODY_LIMIT).await;
        body.map_err(|unread| match unread {
            Unread::TooLong => {
                Reply::problem(413, format!("The body is longer than {BODY_LIMIT} bytes."))
            }
            Unread::Broken(reason) => Reply::problem(400, format!("The body broke off: {reason}.")),
        })
    }
}

/// Reads `body`; `expected` says what it may be.
fn parsed<T: DeserializeOwned>(body: &[u8], expected: &str) -> Result<T, Reply> {
    let body = without_bom(body);
    // A list would be read as an object's members in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Reply::problem(400, format!("Send {expected}.")));
    }
    serde_json::from_slice(body)
        .map_err(|error| Reply::problem(400, format!("Send {expected}: {error}.")))
}

/// What a Durable Object that did not answer makes of a request.
#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn silent(reason: String) -> Reply {
    Reply::problem(
        503,
        format!("The route's Durable Object did not answer: {reason}. Ask again."),
    )
    .header("retry-after", "5")
}

/// What only a route has was asked of what belongs to none.
fn unrouted() -> Reply {
    Reply::problem(404, "What belongs to no route has only a quarantine.")
}
