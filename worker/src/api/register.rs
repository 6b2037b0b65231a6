//! Sources, destinations, routes and their state, and all of it for Prometheus.

use causeway_shared::api::{Destination, Source, metrics};
use serde::Deserialize;

use super::Call;
use super::query::Query;
use crate::ledger::Report;
use crate::platform::{from_json, to_json};
use crate::quarantine::UNROUTED;
use crate::reply::Reply;

/// What is looked at of what belongs to no route.
#[derive(Deserialize)]
struct Unrouted {
    quarantined: u64,
}

impl Call<'_> {
    pub(super) fn sources(self, query: &Query) -> Reply {
        let all = Source::all(&self.config.routes);
        let items = all.iter().map(|place| (place.uri.clone(), to_json(place)));
        query.page("sources", &items.collect::<Vec<_>>())
    }

    pub(super) fn destinations(self, query: &Query) -> Reply {
        let all = Destination::all(&self.config.routes);
        let items = all.iter().map(|place| (place.uri.clone(), to_json(place)));
        query.page("destinations", &items.collect::<Vec<_>>())
    }

    /// A page of routes, in the order of their names; on the last one, what belongs to no route, if
    /// there is any.
    pub(super) async fn routes(self, query: &Query) -> Result<Reply, Reply> {
        let after = query.after.as_deref().unwrap_or_default();
        let names = self.config.routes.iter().map(|route| &route.name);
        let mut names = names.filter(|name| after != UNROUTED && name.as_str() > after);
        let mut routes = Vec::new();
        let mut next = None;
        for name in names.by_ref().take(query.limit) {
            routes.push(self.status(name).await?);
            next = Some(name);
        }
        if routes.len() < query.limit {
            next = None;
            let unrouted = self.status(UNROUTED).await?;
            if from_json(&unrouted).is_ok_and(|Unrouted { quarantined }| quarantined > 0) {
                routes.push(unrouted);
            }
        }
        let (routes, next) = (routes.join(","), to_json(&next));
        Ok(Reply::text(
            200,
            format!("{{\"routes\":[{routes}],\"next\":{next}}}"),
        ))
    }

    async fn status(self, name: &str) -> Result<String, Reply> {
        self.told(name, &Report::Status(name.to_owned())).await
    }

    pub(super) async fn metrics(self) -> Result<Reply, Reply> {
        let mut samples = Vec::new();
        let routes = self.config.routes.iter().map(|route| &*route.name);
        for name in routes.chain([UNROUTED]) {
            let report = Report::Metrics(name.to_owned());
            samples.push(self.told(name, &report).await?);
        }
        let text = metrics::exposition(&samples);
        Ok(Reply::of(200, metrics::CONTENT_TYPE, text))
    }
}
