//! Sources, destinations, routes and their state, and all of it for Prometheus.

use causeway_shared::api::{Destination, Source, metrics};
use causeway_shared::host::ledger::Report;
use causeway_shared::host::{from_json, tables, to_json};
use causeway_shared::route::UNROUTED;
use serde::Deserialize;

use super::Call;
use super::query::{self, Query};
use crate::reply::Reply;

/// What is looked at of a ledger's state.
#[derive(Deserialize)]
struct Left {
    quarantined: u64,
}

impl Call<'_> {
    pub(super) fn sources(self, query: &Query) -> Reply {
        let all = Source::all(&self.config.routes);
        let items = all.iter().map(|place| (place.uri.clone(), to_json(place)));
        query::page(query, "sources", &items.collect::<Vec<_>>())
    }

    pub(super) fn destinations(self, query: &Query) -> Reply {
        let all = Destination::all(&self.config.routes);
        let items = all.iter().map(|place| (place.uri.clone(), to_json(place)));
        query::page(query, "destinations", &items.collect::<Vec<_>>())
    }

    /// A page of routes, in the order of their names, with those that were renamed or removed and have
    /// something in quarantine; on the last one, what belongs to no route, if there is any.
    pub(super) async fn routes(self, query: &Query) -> Result<Reply, Reply> {
        let after = query.after.as_deref().unwrap_or_default();
        let names = self.names().await?.into_iter();
        let names = names.filter(|name| after != UNROUTED && name.as_str() > after);
        let mut routes = Vec::new();
        let mut next = None;
        let mut count = 0;
        for name in names.take(query.limit) {
            routes.extend(self.shown(&name).await?);
            next = Some(name);
            count += 1;
        }
        if count < query.limit {
            next = None;
            routes.extend(self.is_left(UNROUTED).await?);
        }
        let (routes, next) = (routes.join(","), to_json(&next));
        Ok(Reply::text(
            200,
            format!("{{\"routes\":[{routes}],\"next\":{next}}}"),
        ))
    }

    /// The names of all routes, and of those that have left something in quarantine.
    async fn names(self) -> Result<Vec<String>, Reply> {
        let left = self.told(UNROUTED, &Report::Ledgers).await?;
        let mut names: Vec<String> = from_json(&left).unwrap_or_default();
        names.extend(self.config.routes.iter().map(|route| route.name.clone()));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// The state of the route `name`; none of one that is gone and has left nothing.
    async fn shown(self, name: &str) -> Result<Option<String>, Reply> {
        let status = self.status(name).await?;
        let is_route = self.config.routes.get(name).is_some();
        let has_left = has_left(&status);
        if is_route && has_left {
            // Once more: it may have been there before names were kept.
            let report = Report::Register(name.to_owned());
            self.told(UNROUTED, &report).await?;
        }
        Ok((is_route || has_left).then_some(status))
    }

    /// The state of the ledger `name`, if it has something in quarantine.
    pub(super) async fn is_left(self, name: &str) -> Result<Option<String>, Reply> {
        let status = self.status(name).await?;
        Ok(has_left(&status).then_some(status))
    }

    async fn status(self, name: &str) -> Result<String, Reply> {
        self.told(name, &Report::Status(name.to_owned())).await
    }

    pub(super) async fn metrics(self) -> Result<Reply, Reply> {
        let mut samples = Vec::new();
        for name in self.names().await?.into_iter().chain([UNROUTED.into()]) {
            let report = Report::Metrics(name.clone());
            samples.push(self.told(&name, &report).await?);
        }
        let tables = self.tables_counted().await?;
        let text = metrics::exposition(&samples, &tables);
        Ok(Reply::of(200, metrics::CONTENT_TYPE, text))
    }

    /// The samples of each table that a route ends in.
    async fn tables_counted(self) -> Result<Vec<String>, Reply> {
        let routes = self.config.routes.iter();
        let tables = routes.filter_map(|route| route.table.as_ref());
        let mut names: Vec<String> = tables.map(|table| table.id.to_string()).collect();
        names.sort_unstable();
        names.dedup();
        let mut samples = Vec::new();
        for name in names {
            // No load ended before the first one: only the counts.
            let report = tables::Report::Loads(Some(0));
            let answer = self.of_loader(&name, &report).await?;
            let loads = from_json(&answer).unwrap_or_default();
            samples.push(metrics::table_samples(&name, &loads));
        }
        Ok(samples)
    }
}

/// Whether a ledger of this state has something in quarantine.
fn has_left(status: &str) -> bool {
    from_json(status).is_ok_and(|Left { quarantined }| quarantined > 0)
}
