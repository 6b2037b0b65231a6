//! What a loader is told and asked, and what it answers.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::TableLoader;
use super::keys::{LOADS, load};
use crate::host::{Platform, Storage, from_json};
use crate::tables::{Job, Landed};

/// Loads a page.
const PAGE: u64 = 50;

/// What a loader is told.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Report {
    /// These have landed for the table called so; answered by nothing, once they are stored.
    Landed(String, Vec<Landed>),
    /// Which of these are not loaded into the table called so, and not on their way? They are taken as landed, unless it is
    /// only asked. Answered by their places.
    Compare(String, Vec<Landed>, bool),
    /// Which loads are there? Only those that ended before the one with this number, if one is given. Answered by JSON.
    Loads(Option<u64>),
    /// How far is the load with this id, or how did it end? Answered by its JSON, or `null`.
    Load(String),
}

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// The loads under way, and a page of those that ended, the last first; `before` is what asks for the next page.
    pub(super) async fn loads(&self, before: Option<u64>) -> Result<Value, String> {
        let now = self.platform.now();
        let last = self.state.with(|loader| loader.counts.loads)?;
        let end = before.unwrap_or(last).min(last);
        let start = end.saturating_sub(PAGE);
        let count = usize::try_from(end - start).unwrap_or_default();
        let mut ended = Vec::new();
        if count > 0 {
            let from = load(start);
            let found = self.storage.list(LOADS, Some(&from), Some(count)).await?;
            // Where older ones are forgotten, the list goes on with newer ones.
            let found = found.into_iter().rev().filter(|(key, _)| *key < load(end));
            for (_, text) in found {
                ended.push(from_json::<Value>(&text)?);
            }
        }
        let has_more = start > 0 && !ended.is_empty();
        self.state.with(|loader| {
            json!({
                "under_way": loader.jobs().iter().map(under_way).collect::<Vec<_>>(),
                "ended": ended,
                "before": has_more.then_some(start),
                "counts": loader.counts,
                "waits": loader.waits(),
                "blocked": loader.blocked(),
                "quota_until": loader.quota_until(),
                "jobs_left": loader.jobs_left(now),
            })
        })
    }

    /// The JSON of the load `id`, as long as it is under way or remembered.
    pub(super) async fn load(&self, id: &str) -> Result<String, String> {
        let job = self.state.with(|loader| {
            let mut jobs = loader.jobs().iter();
            jobs.find(|job| job.run == id).map(under_way)
        })?;
        if let Some(job) = job {
            return Ok(job.to_string());
        }
        let is_it = format!("{{\"id\":\"{id}\",");
        let all = self.storage.list(LOADS, None, None).await?;
        let mut texts = all.into_iter().rev().map(|(_, text)| text);
        let found = texts.find(|text| text.starts_with(&is_it));
        Ok(found.unwrap_or_else(|| "null".to_owned()))
    }
}

/// What is said of a load while it is under way: the members that it has once it has ended, and how far it is.
fn under_way(job: &Job) -> Value {
    let mut value = json!({
        "id": job.run,
        "job": job.id,
        "route": job.route,
        "began_at": job.began_at,
        "files": job.files,
        "rows": job.rows,
        "bad_rows": job.bad_rows,
        "format": job.format,
        "phase": job.phase,
        "next_at": job.at,
        "failures": job.failures,
    });
    if let Some(partition) = &job.partition {
        value["partition"] = partition.as_str().into();
    }
    value
}
