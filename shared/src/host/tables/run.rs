//! The steps of a job at the landing bucket and at BigQuery.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream;
use http::{Request, Response};

use super::bad::behind;
use super::keys::{self, CHUNK};
use super::settle::left;
use super::{Stop, TableLoader};
use crate::bigquery::{
    Asked, Format, JobId, JobState, LoadJob, Refused, Remedy, Write, source_uri,
};
use crate::client::Client;
use crate::composite::parts_folder;
use crate::error::{ErrorKind, TransferError};
use crate::gcs::Component;
use crate::host::{Platform, RouteAccess, Storage, from_json, to_json};
use crate::route::{Route, TableRoute};
use crate::tables::{Job, Landed, Phase, another_table, copy_version, job_name};

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// The files of `job`, chunk by chunk.
    pub(super) async fn files(&self, job: &Job) -> Result<Vec<Landed>, String> {
        let chunks = self
            .storage
            .list(&keys::chunks(&job.run), None, None)
            .await?;
        let mut files = Vec::new();
        for (_, text) in chunks {
            files.extend(from_json::<Vec<Landed>>(&text)?);
        }
        Ok(files)
    }

    /// Copies the files of one chunk of `job` to names of its own. Versions that are superseded are left out: whoever
    /// wrote the newer one tells of it.
    pub(super) async fn copy(&self, job: &Job, route: &Arc<Route>) -> Result<(), Stop> {
        let chunk = job.copied;
        let place = keys::chunk(&job.run, chunk);
        let text = self.storage.get(&place).await?;
        let files: Vec<Landed> = text.map_or_else(|| Ok(Vec::new()), |text| from_json(&text))?;
        let bucket = &route.destination.bucket;
        let first = usize::try_from(chunk).unwrap_or_default() * CHUNK;
        let copies = (first..).zip(files).map(async |(number, mut landed)| {
            let RouteAccess { access, mut port } = self.reach(route)?;
            let name = copy_name(job, route, number, &landed.name);
            let version = Component {
                name: landed.name.clone(),
                generation: landed.generation,
            };
            let seed = self.platform.random();
            let is_copied = copy_version(&mut port, &access, bucket, &version, &name, seed).await?;
            landed.copy = is_copied.then_some(name);
            Ok(landed)
        });
        let copies = stream::iter(copies).buffered(self.platform.connections());
        let copies: Vec<Result<Landed, TransferError>> = copies.collect().await;
        let copies = copies.into_iter().collect::<Result<Vec<_>, _>>()?;
        let (kept, superseded): (Vec<_>, Vec<_>) =
            copies.into_iter().partition(|landed| landed.copy.is_some());
        let superseded: Vec<String> = superseded
            .iter()
            .map(|landed| {
                let generation = landed.generation;
                keys::receipt(bucket, &landed.name, generation)
            })
            .collect();
        let is_last = chunk + 1 >= job.chunks;
        let phase = if is_last {
            Phase::Naming
        } else {
            Phase::Copying
        };
        let now = self.platform.now();
        self.state
            .with(|loader| loader.copied(&job.run, superseded.len(), phase, now))?;
        self.store_with(superseded, vec![(place, to_json(&kept))])
            .await?;
        Ok(())
    }

    /// Gives `job` the name that follows from its files.
    pub(super) async fn name(&self, job: &Job, route: &Arc<Route>) -> Result<(), Stop> {
        let files = self.files(job).await?;
        if files.is_empty() && job.partition.is_none() {
            let (left, now) = (left(job, route), self.platform.now());
            self.state
                .with(|loader| loader.dropped(&job.run, left, now))?;
            self.store_with(behind(job, 0), Vec::new()).await?;
            return Ok(());
        }
        let loads = table_of(route)?;
        let versions = files
            .iter()
            .map(|landed| (&*landed.name, landed.generation));
        // What is replaced may have to be replaced with the same once more.
        let run = job.partition.as_ref().map(|_| &job.run);
        let options = format!("{run:?}{:?}{:?}", job.partition, loads.options());
        let id = job_name(&loads.id, &options, versions, job.attempt);
        let now = self.platform.now();
        self.state
            .with(|loader| loader.inserts(&job.run, id, now))?;
        self.store().await?;
        Ok(())
    }

    /// Has BigQuery take `job`.
    pub(super) async fn insert(&self, job: &Job, route: &Arc<Route>) -> Result<(), Stop> {
        let loads = table_of(route)?;
        let files = self.files(job).await?;
        let uris = uris(job, route, &files)?;
        let decorator = Some(&*job.decorator).filter(|decorator| !decorator.is_empty());
        let id = id_of(job, loads);
        let insert = LoadJob {
            id: &id,
            table: &loads.id,
            partition: decorator,
            uris: &uris,
            format: job.format,
            options: &loads.options,
            write: match (&job.partition, decorator) {
                (None, _) => Write::Append,
                (Some(_), Some(_)) => Write::Truncate,
                (Some(_), None) => Write::TruncateData,
            },
        };
        let reach = self.reach(route)?;
        let request = insert.insert(reach.access.gcs.bigquery())?;
        let reply = self.ask(reach, &request).await?;
        let taken = JobState::read(&reply, Asked::Insert(&loads.id), &loads.id);
        if let Err(refused) = taken
            && refused.remedy != Remedy::Known
        {
            return Err(refused.into());
        }
        let now = self.platform.now();
        self.state.with(|loader| loader.runs(&job.run, now))?;
        self.store().await?;
        Ok(())
    }

    /// Asks BigQuery how `job` stands.
    pub(super) async fn poll(&self, job: &Job, route: &Arc<Route>) -> Result<(), Stop> {
        let loads = table_of(route)?;
        let id = id_of(job, loads);
        let reach = self.reach(route)?;
        let request = id.get(reach.access.gcs.bigquery())?;
        let reply = self.ask(reach, &request).await?;
        let state = JobState::read(&reply, Asked::Job(&id), &loads.id);
        let now = self.platform.now();
        self.state.with(|loader| {
            match state {
                Ok(JobState::Pending | JobState::Running) => loader.runs(&job.run, now),
                Ok(JobState::Done(Ok(loaded))) => {
                    loader.done(&job.run, loaded.rows, loaded.bad_rows, now);
                }
                Ok(JobState::Done(Err(failure))) => {
                    loader.job_failed(&job.run);
                    let failed = (failure.remedy, failure.error, failure.errors);
                    return Err(Stop::Refused(Box::new(failed)));
                }
                // The insertion that got no answer was none.
                Err(refused) if refused.remedy == Remedy::Missing => {
                    loader.goes_on(&job.run, Phase::Inserting, now);
                }
                Err(refused) => return Err(refused.into()),
            }
            Ok(())
        })??;
        self.store().await?;
        Ok(())
    }

    /// Sends `request` to BigQuery, once.
    pub(super) async fn ask(
        &self,
        reach: RouteAccess<P::Port>,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, Stop> {
        let RouteAccess { access, mut port } = reach;
        let seed = self.platform.random();
        let mut client = Client {
            port: &mut port,
            access: &access,
            seed,
        };
        client.ask(request).await.map_err(|error| match error.kind {
            ErrorKind::DestinationUnavailable => Refused::no_answer(&error.message).into(),
            _ => error.into(),
        })
    }

    pub(super) fn reach(&self, route: &Route) -> Result<RouteAccess<P::Port>, TransferError> {
        Ok(self.platform.reach(&route.name)?)
    }
}

/// BigQuery's name of `job`.
fn id_of(job: &Job, loads: &TableRoute) -> JobId {
    JobId {
        project: loads.id.project.clone(),
        location: loads.location.clone(),
        id: job.id.clone(),
    }
}

/// The table of `route`, which was looked up by it.
pub(super) fn table_of(route: &Route) -> Result<&TableRoute, TransferError> {
    route
        .table
        .as_deref()
        .ok_or_else(|| another_table(&route.name, ""))
}

/// The name of the copy of the `number`th file of `job`. BigQuery tells compressed files by their names.
pub(super) fn copy_name(job: &Job, route: &Route, number: usize, name: &str) -> String {
    let (folder, run) = (parts_folder(&route.destination), &job.origin);
    let gz = if Format::is_compressed(name) {
        ".gz"
    } else {
        ""
    };
    format!("{folder}{run}/{number:04}-{run}-0{gz}")
}

/// What `job` reads, in the order of `files`.
pub(super) fn uris(
    job: &Job,
    route: &Route,
    files: &[Landed],
) -> Result<Vec<String>, TransferError> {
    let bucket = &route.destination.bucket;
    if files.is_empty() {
        return Ok(vec![source_uri(bucket, &copy_name(job, route, 0, ""))?]);
    }
    let names = files.iter().map(|landed| {
        let name = landed.copy.as_ref().unwrap_or(&landed.name);
        source_uri(bucket, name)
    });
    names.collect()
}
