//! Files that BigQuery does not take: they go to quarantine, and the rest of their batch is loaded without them.

use std::sync::Arc;

use super::TableLoader;
use super::keys::{self, CHUNK};
use super::run::uris;
use crate::bigquery::RowError;
use crate::error::TransferError;
use crate::host::{Platform, Queue, Storage, ledger, put, to_json};
use crate::ledger::Record;
use crate::message::DeadLetter;
use crate::route::Route;
use crate::tables::{Job, Landed, Phase, bad_file, not_found_alone};

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// `job` has failed for what it loads. Those of its files that `errors` name go to quarantine; where they name none,
    /// it is cut in halves until one is left, or too many jobs were spent on that.
    pub(super) async fn bad(
        &self,
        job: &Job,
        route: &Arc<Route>,
        error: &TransferError,
        errors: &[RowError],
    ) -> Result<(), String> {
        // A file that was replaced or deleted meanwhile is not bad.
        if job.partition.is_some() && self.mirror(job, route).await?.content() != job.content {
            let now = self.platform.now();
            self.state
                .with(|loader| loader.goes_on(&job.run, Phase::Listing, now))?;
            return self.store().await;
        }
        let files = self.files(job).await?;
        let uris = uris(job, route, &files).unwrap_or_default();
        let about = |uri: &str| -> Vec<&RowError> {
            let errors = errors.iter();
            errors
                .filter(|row| row.uri.as_deref() == Some(uri))
                .collect()
        };
        let (mut bad, mut good) = (Vec::new(), Vec::new());
        for (place, landed) in files.into_iter().enumerate() {
            let found = uris.get(place).map(|uri| about(uri)).unwrap_or_default();
            if found.is_empty() {
                good.push(landed);
            } else {
                bad.push((bad_file(&landed.name, error, &found), landed));
            }
        }
        let is_found = !bad.is_empty();
        let is_alone = !is_found && (good.len() == 1 || job.partition.is_some());
        let jobs = if is_found { 1 } else { 2 };
        if !good.is_empty() && (is_alone || !self.state.with(|loader| loader.may_search(jobs))?) {
            let reason = match good.len() {
                1 if is_alone => error.clone(),
                _ => not_found_alone(error),
            };
            // Of a partition all are as bad: one stands for it.
            let letters = if job.partition.is_some() {
                1
            } else {
                usize::MAX
            };
            let rest = std::mem::take(&mut good).into_iter().take(letters);
            bad.extend(rest.map(|landed| (reason.clone(), landed)));
        }
        if bad.is_empty() && !good.is_empty() {
            return self.halve(job, good).await;
        }
        let error = bad.first().map_or(error, |(error, _)| error).clone();
        self.without(job, route, error, bad, good).await
    }

    /// Loads `good` without `bad`; if nothing is good, `job` ends with `error`.
    async fn without(
        &self,
        job: &Job,
        route: &Route,
        error: TransferError,
        bad: Vec<(TransferError, Landed)>,
        good: Vec<Landed>,
    ) -> Result<(), String> {
        let bucket = &route.destination.bucket;
        let receipts = bad
            .iter()
            .map(|(_, landed)| keys::receipt(bucket, &landed.name, landed.generation));
        let receipts: Vec<String> = receipts.collect();
        let refused = bad.len();
        self.refuse(bad).await?;
        // Without its receipt a version may be replayed. One that is left over after a crash is in quarantine alone.
        for receipts in receipts.chunks(CHUNK) {
            self.storage.replace(receipts.to_vec(), Vec::new()).await?;
        }
        let now = self.platform.now();
        if good.is_empty() {
            return self.end(job, route, Some(error)).await;
        }
        let entries = chunks_of(&job.run, &good);
        let keys = behind(job, entries.len());
        let chunks = u32::try_from(entries.len()).unwrap_or_default();
        let files = u32::try_from(good.len()).unwrap_or_default();
        self.state.with(|loader| {
            loader.counts.receipts = loader.counts.receipts.saturating_sub(refused as u64);
            loader.listed(&job.run, job.format, &job.content, true);
            loader.has(&job.run, files, chunks, now);
        })?;
        self.store_with(keys, entries).await
    }

    /// Cuts the files of `job` in halves, of which the second becomes a job of its own.
    async fn halve(&self, job: &Job, mut first: Vec<Landed>) -> Result<(), String> {
        let second = first.split_off(first.len() / 2);
        let now = self.platform.now();
        let count = |files: &[Landed]| u32::try_from(files.len()).unwrap_or_default();
        let run = format!("{:016x}", self.platform.random() >> 64);
        let mut entries = chunks_of(&job.run, &first);
        let keys = behind(job, entries.len());
        let (chunks, files) = (
            u32::try_from(entries.len()).unwrap_or_default(),
            count(&first),
        );
        let others = chunks_of(&run, &second);
        let mut other = Job::new(&run, &job.route, Phase::Naming, job.format, now);
        other.origin.clone_from(&job.origin);
        other.landing.clone_from(&job.landing);
        other.files = count(&second);
        other.chunks = u32::try_from(others.len()).unwrap_or_default();
        entries.extend(others);
        self.state.with(|loader| {
            loader.has(&job.run, files, chunks, now);
            loader.add(other);
        })?;
        self.store_with(keys, entries).await
    }

    /// Puts versions into quarantine, each with its reason; they are on their way there when this returns.
    pub(super) async fn refuse(&self, refused: Vec<(TransferError, Landed)>) -> Result<(), String> {
        if refused.is_empty() {
            return Ok(());
        }
        let now = self.platform.now();
        let letters = refused.iter().map(|(error, landed)| {
            let (text, deliveries) = (to_json(&landed.message), landed.message.returns + 1);
            to_json(&DeadLetter::new(&text, error.clone(), deliveries, now))
        });
        let letters: Vec<String> = letters.collect();
        put(&self.platform, Queue::DeadLetters, &letters).await?;
        let records = refused.iter().map(|(error, landed)| {
            let record = Record::failed(&landed.message, error, "load-refused", now);
            (landed.message.route.clone(), record)
        });
        ledger::record_all(&self.platform, records).await;
        self.state
            .with(|loader| loader.counts.refused += refused.len() as u64)
    }
}

/// The chunks of `job` from the `first` on.
pub(super) fn behind(job: &Job, first: usize) -> Vec<String> {
    let first = u32::try_from(first).unwrap_or(u32::MAX);
    (first..job.chunks)
        .map(|chunk| keys::chunk(&job.run, chunk))
        .collect()
}

/// `files` in chunks, as they are stored.
pub(super) fn chunks_of(run: &str, files: &[Landed]) -> Vec<(String, String)> {
    let chunks = (0..).zip(files.chunks(CHUNK));
    chunks
        .map(|(number, files)| (keys::chunk(run, number), to_json(&files)))
        .collect()
}
