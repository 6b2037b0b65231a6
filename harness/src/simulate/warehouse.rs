//! BigQuery: the warehouse and the API that the embedded one has, without connections and under the world's clock.
//! What is here is what only a simulation wants: files whose objects have no bytes, each row with the generation of
//! what it was read from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Response};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::fault::Fault;
use super::gcs::{BUCKET, Wire, decoded, parameter};
use super::s3::timestamp;
use super::tables::{Ailment, Bad, Tables, day_of, rows_of};
use super::world::World;
use crate::bigquery::types::{Cell, Row, Schema};
use crate::bigquery::{
    Api, BadFile, Files, Found, GcsFiles, JobFault, Reading, Refused, Settings, State, TableId,
};
use crate::gcs;

/// What the error of a file says of which BigQuery names none.
const UNNAMED: &str = "the input is invalid";

/// Of each copy, by its generation, what it is of.
pub(super) type Origins = Arc<Mutex<BTreeMap<u64, (String, u64)>>>;

pub(super) struct Warehouse {
    pub(super) api: Api,
    pub(super) origins: Origins,
    /// What a mutant calls jobs.
    pub(super) renamed: BTreeMap<String, String>,
}

/// The objects of the embedded GCS, with rows.
struct SymbolicFiles {
    objects: GcsFiles,
    tables: Arc<Tables>,
    origins: Origins,
}

impl Files for SymbolicFiles {
    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Found>, Refused> {
        self.objects.list(bucket, prefix)
    }

    fn find(&self, bucket: &str, name: &str) -> Result<Found, Refused> {
        self.objects.find(bucket, name)
    }

    fn schema(&self, _: &str, _: &str, _: &Reading) -> Result<Schema, BadFile> {
        Ok(Schema::default())
    }

    fn rows(
        &self,
        bucket: &str,
        name: &str,
        how: &Reading,
        _: &Schema,
    ) -> Result<Vec<Result<Row, String>>, BadFile> {
        let object = self.objects.0.object(bucket, name, None);
        let object = object.map_err(|_| BadFile("it is gone".to_owned()))?;
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let itself = (name.to_owned(), object.generation);
        let (name, generation) = origins.get(&object.generation).unwrap_or(&itself);
        let found = if how.format == crate::bigquery::Format::Csv {
            ".csv"
        } else {
            ".json"
        };
        let body = object.content.body.symbolic().unwrap_or_default();
        if body.length() > 0
            && self
                .tables
                .format(name)
                .is_none_or(|format| !format.starts_with(found))
        {
            return Err(BadFile("it has another format".to_owned()));
        }
        let day = day_of(name).map_or(Cell::Null, |day| {
            Cell::text(format!("{}-{}-{}", &day[..4], &day[4..6], &day[6..]))
        });
        let row = |row: u64| Ok(vec![Cell::text(format!("{generation}:{row}")), day.clone()]);
        match self.tables.bad(body.content()) {
            Bad::No => Ok((0..rows_of(*generation, body.length())).map(row).collect()),
            Bad::Named => Ok(vec![row(0), Err("Could not parse 'x' as INT64".to_owned())]),
            Bad::Unnamed => Err(BadFile(UNNAMED.to_owned())),
        }
    }
}

impl Warehouse {
    pub(super) fn new(tables: &Arc<Tables>, objects: Arc<gcs::State>) -> Self {
        let origins = Origins::default();
        let files = SymbolicFiles {
            objects: GcsFiles(objects),
            tables: Arc::clone(tables),
            origins: Arc::clone(&origins),
        };
        let settings = Settings {
            pending: SignedDuration::from_millis(i64::try_from(tables.waits).unwrap_or_default()),
            running: SignedDuration::from_millis(i64::try_from(tables.runs).unwrap_or_default()),
            ..Settings::default()
        };
        let state = State::new(settings, Box::new(files));
        state.set_time(timestamp(0));
        let dataset = json!({"datasetReference": {"datasetId": "logs"}, "location": "EU"});
        let dataset = dataset.as_object().expect("it is one");
        state
            .insert_dataset("simulated", dataset)
            .expect("it is good");
        let warehouse = Self {
            api: Api::new(Arc::new(state)),
            origins,
            renamed: BTreeMap::new(),
        };
        let is_missing = tables.ailment.as_ref();
        if is_missing.is_none_or(|(_, ailment)| *ailment != Ailment::Missing) {
            warehouse.create();
        }
        warehouse
    }

    /// Somebody creates the table.
    fn create(&self) {
        let table = json!({
            "tableReference": {"tableId": "events"},
            "schema": {"fields": [
                {"name": "version", "type": "STRING"},
                {"name": "day", "type": "DATE"},
            ]},
            "timePartitioning": {"type": "DAY", "field": "day"},
        });
        let table = table.as_object().expect("it is one");
        let created = self.api.state().insert_table("simulated", "logs", table);
        created.expect("it is good");
    }

    /// The rows that are there: the generation of what each was read from, its number, and its day.
    pub(super) fn rows(&self) -> Vec<(u64, u64, Option<String>)> {
        let table = TableId::new("simulated", "logs", "events");
        let rows = self.api.state().rows(&table).map(|(_, rows)| rows);
        let rows = rows.into_iter().flatten().map(|row| {
            let version = row[0].scalar().unwrap_or_default();
            let (generation, number) = version.split_once(':').unwrap_or_default();
            let day = row[1].scalar().map(|day| day.replace('-', ""));
            (
                generation.parse().unwrap_or_default(),
                number.parse().unwrap_or_default(),
                day,
            )
        });
        rows.collect()
    }

    /// `wire` has copied an object of GCS's to one of `generation`.
    pub(super) fn note_copy(&self, wire: &Wire, generation: u64) {
        let path = wire.head.uri().path();
        let source = path
            .split_once("/rewriteTo/")
            .and_then(|(source, _)| source.rsplit_once("/o/"));
        let version = parameter(wire.query(), "ifSourceGenerationMatch");
        let version = version.and_then(|version| version.parse().ok());
        if let Some(((_, name), version)) = source.zip(version) {
            let mut origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
            origins.insert(generation, (decoded(name), version));
        }
    }

    /// Whether `generation` is that of a copy.
    pub(super) fn is_copy(&self, generation: u64) -> bool {
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        origins.contains_key(&generation)
    }

    /// The URI of what `uri` is a copy of.
    pub(super) fn original(&self, gcs: &super::gcs::Gcs, uri: &str) -> Option<String> {
        let copy = gcs.object(uri.strip_prefix("gs://")?.split_once('/')?.1)?;
        let origins = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        let (name, _) = origins.get(&copy.generation)?;
        Some(format!("gs://{BUCKET}/{name}"))
    }
}

impl World {
    /// Jobs go on by themselves.
    pub(super) fn begin_jobs(&self) {
        if let Some((span, Ailment::Missing)) = self
            .scenario
            .tables
            .as_ref()
            .and_then(|tables| tables.ailment.as_ref())
        {
            self.after(span.end, |world| {
                world.tell(9, format_args!("somebody creates the table"));
                world
                    .warehouse
                    .borrow()
                    .as_ref()
                    .inspect(|warehouse| warehouse.create());
            });
        }
    }

    /// BigQuery's answer to `wire`.
    pub(super) fn serve_table(&self, wire: &Wire) -> Option<Response<Bytes>> {
        let (now, tables) = (self.now(), self.scenario.tables.as_ref()?);
        let is_insert = wire.head.method() == Method::POST;
        let ails = |ailment| is_insert && tables.ails(now, ailment);
        if !self.gcs.borrow_mut().knows_caller(wire.head.headers(), now) {
            return Some(Api::refusal(401, "authError", "Refused."));
        }
        if ails(Ailment::Denied) {
            return Some(Api::refusal(403, "accessDenied", "Access Denied."));
        }
        if ails(Ailment::Quota) {
            return Some(Api::refusal(403, "quotaExceeded", "Quota exceeded."));
        }
        let fault = is_insert.then(|| self.job_fault()).flatten();
        let warehouse = self.warehouse.borrow();
        let api = &warehouse.as_ref()?.api;
        api.state().set_time(timestamp(now));
        let reply = api.serve(&wire.head, &wire.prefix, fault);
        drop(warehouse);
        if is_insert {
            self.jobs_go_on();
        }
        Some(without_names(reply))
    }

    fn job_fault(&self) -> Option<JobFault> {
        let minutes = self.rng.borrow_mut().between(1, 30);
        Some(match self.strike_at(super::fault::JOB)? {
            Fault::JobSlow => JobFault::Takes(SignedDuration::from_mins(minutes.try_into().ok()?)),
            Fault::JobRateLimited => JobFault::fails("jobRateLimitExceeded"),
            Fault::JobQuotaExceeded => JobFault::fails("quotaExceeded"),
            Fault::JobDenied => JobFault::fails("accessDenied"),
            _ => JobFault::fails("backendError"),
        })
    }

    /// Jobs do what is due, and something happens when more is.
    fn jobs_go_on(&self) {
        let warehouse = self.warehouse.borrow();
        let Some(due) = warehouse
            .as_ref()
            .and_then(|warehouse| warehouse.api.state().next_due())
        else {
            return;
        };
        let wait = due.duration_since(timestamp(self.now())).as_millis();
        self.after(u64::try_from(wait).unwrap_or_default(), |world| {
            let now = timestamp(world.now());
            world
                .warehouse
                .borrow()
                .as_ref()
                .inspect(|warehouse| warehouse.api.state().set_time(now));
            world.jobs_go_on();
        });
    }
}

/// `reply`, but for what it says of the place where BigQuery names no file.
fn without_names(reply: Response<Bytes>) -> Response<Bytes> {
    let text = String::from_utf8_lossy(reply.body());
    if !text.contains(UNNAMED) {
        return reply;
    }
    let mut job: Value = serde_json::from_str(&text).unwrap_or_default();
    let hide = |error: &mut Value| {
        if error.is_object() {
            *error = json!({"reason": "invalid", "message": UNNAMED});
        }
    };
    hide(&mut job["status"]["errorResult"]);
    job["status"]["errors"]
        .as_array_mut()
        .into_iter()
        .flatten()
        .for_each(hide);
    reply.map(|_| job.to_string().into())
}
