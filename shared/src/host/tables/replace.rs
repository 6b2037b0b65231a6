//! Partitions, and whole tables, that are loaded again from what the landing place holds.

use std::sync::Arc;

use super::bad::{behind, chunks_of};
use super::keys::{self, CHUNK};
use super::run::{copy_name, table_of};
use super::{Stop, TableLoader};
use crate::bigquery::{Asked, Format, Remedy, refusal};
use crate::event::ObjectHint;
use crate::host::{Platform, RouteAccess, Storage};
use crate::message::{HintMessage, RECONCILE};
use crate::route::Route;
use crate::tables::{Job, Landed, Mirror, mirror, two_formats, write_nothing};

impl<P: Platform, S: Storage> TableLoader<P, S> {
    /// Lists what the partition of `job` is replaced with. One that is as it was when it was replaced last is left.
    pub(super) async fn list(&self, job: &Job, route: &Arc<Route>) -> Result<(), Stop> {
        let prefix = job.partition.as_deref().unwrap_or_default();
        let held = self.mirror(job, route).await?;
        let (content, now) = (held.content(), self.platform.now());
        let key = keys::replaced(prefix);
        let before = self.storage.get(&key).await?;
        if before.as_deref() == Some(&*content) || before.is_none() && held.files.is_empty() {
            self.state
                .with(|loader| loader.dropped(&job.run, None, now))?;
            self.store().await?;
            return Ok(());
        }
        let loads = table_of(route)?;
        let format = held
            .files
            .iter()
            .find_map(|(name, _)| loads.format_of(name));
        let format = format.unwrap_or(job.format);
        let (mut files, mut refused) = (Vec::new(), Vec::new());
        let is_compressed = held
            .files
            .first()
            .is_some_and(|(name, _)| Format::is_compressed(name));
        for (name, generation) in held.files {
            let Some(found) = loads.format_of(&name) else {
                continue;
            };
            let hint = ObjectHint::of(
                &route.source.bucket,
                route.source_key(&name).unwrap_or_default(),
                RECONCILE,
            );
            let message = HintMessage::new(&route.name, hint, now);
            let landed = Landed::new(name, generation, message);
            if found == format && Format::is_compressed(&landed.name) == is_compressed {
                files.push(landed);
            } else {
                refused.push((two_formats(&landed.name, prefix), landed));
            }
        }
        let is_partial = !refused.is_empty();
        self.refuse(refused).await?;
        let mut entries = chunks_of(&job.run, &files);
        entries.push((key, String::new()));
        for entries in entries.chunks(CHUNK) {
            self.storage.put(entries.to_vec()).await?;
        }
        if files.is_empty() {
            return self.empty(job, route, &content, is_partial).await;
        }
        let chunks = files.len().div_ceil(CHUNK);
        let count = u32::try_from(files.len()).unwrap_or_default();
        self.state.with(|loader| {
            loader.listed(&job.run, format, &content, is_partial);
            loader.has(
                &job.run,
                count,
                u32::try_from(chunks).unwrap_or_default(),
                now,
            );
        })?;
        self.store_with(behind(job, chunks), Vec::new()).await?;
        Ok(())
    }

    /// What it holds. Whatever changes from now on, the loader is told of it, and then lists it again: what the job
    /// reads may be newer than what is listed, and is not taken for the last word.
    pub(super) async fn mirror(&self, job: &Job, route: &Route) -> Result<Mirror, Stop> {
        let RouteAccess { access, mut port } = self.reach(route)?;
        let place = &route.destination;
        let prefix = job.partition.as_deref().unwrap_or_default();
        let prefix = format!("{}{prefix}", place.prefix);
        let random = self.platform.random();
        Ok(mirror(&mut port, &access, &place.bucket, &prefix, random).await?)
    }

    /// Nothing is left of it: the partition goes. A whole table stays, and is loaded with an empty file.
    async fn empty(
        &self,
        job: &Job,
        route: &Arc<Route>,
        content: &str,
        is_partial: bool,
    ) -> Result<(), Stop> {
        let loads = table_of(route)?;
        let now = self.platform.now();
        let reach = self.reach(route)?;
        if job.decorator.is_empty() {
            let RouteAccess { access, mut port } = reach;
            let bucket = &route.destination.bucket;
            let name = copy_name(job, route, 0, "");
            let random = self.platform.random();
            write_nothing(&mut port, &access, bucket, &name, random).await?;
            self.state.with(|loader| {
                loader.listed(&job.run, Format::Ndjson, content, is_partial);
                loader.has(&job.run, 0, 0, now);
            })?;
            self.store_with(behind(job, 0), Vec::new()).await?;
            return Ok(());
        }
        let decorator = &job.decorator;
        let request = loads
            .id
            .delete_partition(reach.access.gcs.bigquery(), decorator)?;
        let reply = self.ask(reach, &request).await?;
        if !reply.status().is_success() {
            let refused = refusal(&reply, Asked::Partition(&loads.id));
            if refused.remedy != Remedy::Missing {
                return Err(refused.into());
            }
        }
        self.state.with(|loader| {
            loader.listed(&job.run, job.format, content, is_partial);
            loader.has(&job.run, 0, 0, now);
            loader.done(&job.run, 0, 0, now);
        })?;
        self.store_with(behind(job, 0), Vec::new()).await?;
        Ok(())
    }
}
