//! The end of a job: what was loaded is written down.

use std::sync::Arc;

use super::TableLoader;
use super::bad::behind;
use super::keys;
use crate::composite::parts_folder;
use crate::error::TransferError;
use crate::host::{Platform, Storage, from_json, ledger, log, to_json};
use crate::ledger::Record;
use crate::route::{OnOverwrite, Route};
use crate::tables::{Job, Landed, Load};

/// Loads that are remembered.
const REMEMBERED: u64 = 1000;

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// Writes a chunk of what `job` has loaded down, or, behind the last one, the load itself.
    pub(super) async fn settle(&self, job: &Job, route: &Arc<Route>) -> Result<(), String> {
        let chunks = keys::chunks(&job.run);
        let found = self.storage.list(&chunks, None, Some(1)).await?;
        let Some((key, text)) = found.into_iter().next() else {
            return self.end(job, route, None).await;
        };
        let now = self.platform.now();
        if job.partition.is_none() {
            let files: Vec<Landed> = from_json(&text)?;
            let records = files.iter().map(|landed| {
                (
                    landed.message.route.clone(),
                    Record::loaded(&landed.message, now).since(job.began_at),
                )
            });
            ledger::record_all(&self.platform, records).await;
        }
        self.storage.replace(vec![key], Vec::new()).await
    }

    /// `job` has ended, with `error` if it failed.
    pub(super) async fn end(
        &self,
        job: &Job,
        route: &Route,
        error: Option<TransferError>,
    ) -> Result<(), String> {
        let now = self.platform.now();
        let is_replaced = error.is_none();
        let load = Load {
            id: job.run.clone(),
            job: job.id.clone(),
            route: job.route.clone(),
            partition: job.partition.clone(),
            began_at: job.began_at,
            ended_at: now,
            files: job.files,
            rows: job.rows,
            bad_rows: job.bad_rows,
            error,
        };
        log::load(&self.platform, &load);
        let number = self.state.with(|loader| loader.counts.loads)?;
        let mut entries = vec![(keys::load(number), to_json(&load))];
        let mut keys = behind(job, 0);
        keys.extend(number.checked_sub(REMEMBERED).map(keys::load));
        if let Some(partition) = job.partition.as_ref().filter(|_| is_replaced) {
            let content = if job.is_partial { "" } else { &job.content };
            entries.push((keys::replaced(partition), content.to_owned()));
        }
        let left = left(job, route);
        self.state
            .with(|loader| loader.ended(&job.run, left, &load, now))?;
        self.store_with(keys, entries).await
    }
}

/// Bucket and prefix of what `job` leaves at the landing place, if it writes there.
pub(super) fn left(job: &Job, route: &Route) -> Option<(String, String)> {
    let loads = route.table.as_ref()?;
    let place = &route.destination;
    let prefix = format!("{}{}/", parts_folder(place), job.origin);
    (loads.on_overwrite != OnOverwrite::Refuse).then(|| (place.bucket.clone(), prefix))
}
