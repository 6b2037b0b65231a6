//! The worker's API, for whoever operates it: how its routes do, what is to be done by hand, what became
//! of it, what is in quarantine, and what is to become of that.
//!
//! It is docs/openapi.yaml; its JSON is `causeway_shared::api` and `causeway_shared::walk`. Lists come in
//! pages, which are followed here.

use std::fmt::Write as _;

use causeway_shared::api::{Entries, Load, Loads, RouteStatus, Taken, Transfer, Transfers};
use causeway_shared::walk::{Kind, Request, Walk};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::events::TakenIn;
use super::transport::encode;
use super::{ClientError, ErrorKind, WorkerClient};

/// Which entries to list: all of those set must fit.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this kind
    pub kind: Option<String>,
    /// Whose keys begin so
    pub key: Option<String>,
}

/// Which entries to act on. A kind is as its person wrote it: the worker knows which there are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// The one with this id
    Id(String),
    /// Those of this kind
    Kind(String),
    /// Every one: `true`
    All(bool),
}

/// What is to become of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send their keys down the road again
    Replay {
        /// Deletes among them are meant, whatever the reason that they are there for
        release: bool,
    },
    /// Forget them
    Drop,
}

/// A client of one worker's API.
#[derive(Debug, Clone)]
pub struct AdminClient(WorkerClient);

/// Each fails as HTTP does: `Refused` with another token than the worker's `ADMIN_TOKEN`, or where
/// it has none; `NotFound` without such a route; `Input` where the worker says that the request is wrong
/// (400); `Unreachable`; `Failed` otherwise.
#[allow(clippy::missing_errors_doc)]
impl AdminClient {
    /// For the worker at `url`.
    pub fn new(url: &str, token: &str) -> Result<Self, ClientError> {
        WorkerClient::new(url, token).map(Self)
    }

    /// The same through Cloudflare Access, as the service `id`.
    pub fn through_access(self, id: &str, secret: &str) -> Result<Self, ClientError> {
        self.0.through_access(id, secret).map(Self)
    }

    /// All routes.
    pub async fn routes(&self) -> Result<Vec<RouteStatus>, ClientError> {
        #[derive(Deserialize)]
        struct Routes {
            routes: Vec<RouteStatus>,
            next: Option<String>,
        }
        let mut all = Vec::new();
        let mut path = "/v1/routes".to_owned();
        loop {
            let page: Result<Routes, _> = self.0.get(&path).await;
            let page = page.map_err(|error| {
                let here = "check CAUSEWAY_URL: nothing there tells of routes";
                advised(error, here)
            })?;
            all.extend(page.routes);
            let Some(next) = page.next else {
                return Ok(all);
            };
            path = format!("/v1/routes?after={}", encode(&next));
        }
    }

    /// Submits keys, a hundred at most, of 1 to 1,024 bytes each.
    pub async fn submit(&self, route: &str, keys: &[String]) -> Result<TakenIn, ClientError> {
        let body = json!({ "keys": keys }).to_string();
        let answer = self.0.post(&path(route, "/events")?, body).await;
        answer.map_err(of_route)
    }

    /// The last transfers, the newest first.
    pub async fn transfers(&self, route: &str) -> Result<Vec<Transfer>, ClientError> {
        let mut all = Vec::new();
        let mut path = path(route, "/transfers")?;
        loop {
            let page: Transfers = self.0.get(&path).await.map_err(of_route)?;
            all.extend(page.transfers);
            let Some(next) = page.next else {
                return Ok(all);
            };
            path = self::path(route, &format!("/transfers?after={}", encode(&next)))?;
        }
    }

    /// What became of the key that `id`, `bucket/key`, means; `NotFound` if nothing is remembered.
    pub async fn transfer(&self, route: &str, id: &str) -> Result<Transfer, ClientError> {
        let path = path(route, &format!("/transfers/{}", encode(id)))?;
        self.0.get(&path).await.map_err(of_route)
    }

    /// The loads of the table that a route ends in: those under way, and a page of those that ended, from before the
    /// one that a page's `before` says; `NotFound` where it ends in none.
    pub async fn loads(&self, route: &str, before: Option<u64>) -> Result<Loads, ClientError> {
        let query = before.map(|before| format!("?before={before}"));
        let path = path(route, &format!("/loads{}", query.unwrap_or_default()))?;
        self.0.get(&path).await.map_err(of_table)
    }

    /// One load; `NotFound` if none of that id is under way or remembered.
    pub async fn load(&self, route: &str, id: &str) -> Result<Load, ClientError> {
        let path = path(route, &format!("/loads/{}", encode(id)))?;
        self.0.get(&path).await.map_err(of_table)
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
    ) -> Result<Entries, ClientError> {
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

    /// Begins a walk; `Failed` while another of its kind is under way.
    pub async fn begin_walk(
        &self,
        kind: Kind,
        route: &str,
        request: &Request,
    ) -> Result<Walk, ClientError> {
        let body = json!(request).to_string();
        let answer = self.0.post(&walk_path(kind, route)?, body).await;
        answer.map_err(of_route)
    }

    /// How far the last one is.
    pub async fn walk(&self, kind: Kind, route: &str) -> Result<Walk, ClientError> {
        let answer = self.0.get(&walk_path(kind, route)?).await;
        answer.map_err(of_route)
    }

    /// Ends one that is under way.
    pub async fn end_walk(&self, kind: Kind, route: &str) -> Result<Walk, ClientError> {
        let path = format!("{}/cancel", walk_path(kind, route)?);
        self.0.post(&path, String::new()).await.map_err(of_route)
    }

    /// Acts on a page of the entries selected, of those after `after`. Call it again with the page's `next`.
    pub async fn act(
        &self,
        action: Action,
        route: &str,
        selection: &Selection,
        after: Option<&str>,
    ) -> Result<Taken, ClientError> {
        let below = match action {
            Action::Replay { .. } => "/quarantine/replay",
            Action::Drop => "/quarantine/drop",
        };
        let mut body = json!(selection);
        if action == (Action::Replay { release: true }) {
            body["release"] = json!(true);
        }
        if let Some(after) = after {
            body["after"] = json!(after);
        }
        let body = body.to_string();
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
    Ok(format!("/v1/routes/{}{below}", encode(route)))
}

fn walk_path(kind: Kind, route: &str) -> Result<String, ClientError> {
    path(route, &format!("/{}", kind.name()))
}

fn of_route(error: ClientError) -> ClientError {
    advised(error, "`causeway status` shows the routes")
}

fn of_table(error: ClientError) -> ClientError {
    let not_found =
        "`causeway status ROUTE` shows where a route ends, `causeway loads ROUTE` its loads";
    advised(error, not_found)
}

/// With what to do about it; `not_found` is the advice on a 404.
fn advised(mut error: ClientError, not_found: &str) -> ClientError {
    if error.status == Some(400) {
        error.kind = ErrorKind::Input;
    }
    let advice = match error.status {
        Some(401) => "check CAUSEWAY_ADMIN_TOKEN",
        Some(403) => "give the worker a token: `npx wrangler secret put ADMIN_TOKEN`",
        Some(404) => not_found,
        Some(429) => "ask less often: the worker answers so many requests a minute",
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

    #[test]
    fn a_routes_name_is_encoded_and_leads_nowhere_else() {
        let path = |route| path(route, "/quarantine");
        assert_eq!(path("photos").unwrap(), "/v1/routes/photos/quarantine");
        assert_eq!(
            path("a/../b?ü").unwrap(),
            "/v1/routes/a%2F..%2Fb%3F%C3%BC/quarantine"
        );
        for name in ["", ".", ".."] {
            assert_eq!(path(name).unwrap_err().kind, ErrorKind::Input);
        }
    }
}
