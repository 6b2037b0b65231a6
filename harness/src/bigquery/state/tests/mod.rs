//! The rules of the warehouse, each with a test that fails when it is broken.

mod jobs;
mod partitions;
mod quotas;
mod schemas;
mod tables;

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::*;
use crate::bigquery::files::GcsFiles;
use crate::gcs;

/// A warehouse with the dataset `d`, and the bucket `bkt` that its jobs read.
struct World {
    state: State,
    gcs: Arc<gcs::State>,
    jobs: u32,
}

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

impl World {
    fn new() -> Self {
        Self::with(Settings {
            stepped: true,
            ..Settings::default()
        })
    }

    fn with(settings: Settings) -> Self {
        let gcs = Arc::new(gcs::State::new(gcs::Settings::default()));
        gcs.create_bucket("bkt").unwrap();
        let files = Box::new(GcsFiles(Arc::clone(&gcs)));
        let state = State::new(settings, files);
        let mut world = Self {
            state,
            gcs,
            jobs: 0,
        };
        world.dataset("d", "US");
        world
    }

    fn dataset(&mut self, id: &str, location: &str) {
        let said = json!({ "datasetReference": { "datasetId": id }, "location": location });
        self.state.insert_dataset("p", &map(said)).unwrap();
    }

    /// Makes the table `d.t`; `more` is what it is told beside its schema.
    fn table(&self, fields: Value, more: Value) {
        let mut said = map(more);
        said.insert("tableReference".into(), json!({ "tableId": "t" }));
        said.insert("schema".into(), json!({ "fields": fields }));
        self.state.insert_table("p", "d", &said).unwrap();
    }

    fn put(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut body = self.gcs.body_writer();
        body.write(content.as_ref()).unwrap();
        let object = gcs::state::NewObject {
            bucket: "bkt".into(),
            name: name.into(),
            metadata: gcs::state::ObjectMetadata::default(),
            preconditions: gcs::state::Preconditions::default(),
            expected: gcs::state::Expected::default(),
        };
        self.gcs.insert(object, body.finish()).unwrap();
    }

    fn delete(&self, name: &str) {
        let any = gcs::state::Preconditions::default();
        self.gcs.delete("bkt", name, None, &any).unwrap();
    }

    /// Asks for a load of NDJSON into `d.t`; `more` comes over it.
    fn insert(&mut self, uris: &[&str], more: Value) -> Result<String, ApiError> {
        self.jobs += 1;
        let id = format!("j{}", self.jobs);
        self.insert_as(&id, uris, more, None).map(|_| id)
    }

    fn insert_as(
        &self,
        id: &str,
        uris: &[&str],
        more: Value,
        fault: Option<JobFault>,
    ) -> Result<Value, ApiError> {
        let uris: Vec<_> = uris.iter().map(|name| format!("gs://bkt/{name}")).collect();
        let mut load = map(json!({
            "sourceUris": uris,
            "sourceFormat": "NEWLINE_DELIMITED_JSON",
            "destinationTable": { "projectId": "p", "datasetId": "d", "tableId": "t" },
        }));
        load.extend(map(more));
        load.retain(|_, value| !value.is_null());
        let said = json!({ "jobReference": { "jobId": id }, "configuration": { "load": load } });
        self.state.insert_job("p", &map(said), "me", true, fault)
    }

    fn job(&self, id: &str) -> Value {
        self.state.get_job("p", id, Some("US")).unwrap()
    }

    /// Asks for a load and sees it through.
    fn load(&mut self, uris: &[&str], more: Value) -> Value {
        let id = self.insert(uris, more).unwrap();
        self.finish(&id)
    }

    fn finish(&self, id: &str) -> Value {
        while self.job(id)["status"]["state"] != "DONE" {
            assert!(self.state.step());
        }
        self.job(id)
    }

    /// What `t` has, each row as one text.
    fn rows(&self) -> Vec<String> {
        let (_, rows) = self.state.rows(&TableId::new("p", "d", "t")).unwrap();
        let shown = rows.iter().map(|row| {
            let cells: Vec<_> = row
                .iter()
                .map(|cell| cell.scalar().unwrap_or_else(|| format!("{cell:?}")))
                .collect();
            cells.join(",")
        });
        shown.collect()
    }
}

/// Reason and message of what a job failed for.
fn failure(job: &Value) -> (&str, &str) {
    let error = &job["status"]["errorResult"];
    assert_ne!(*error, Value::Null, "{job}");
    (
        error["reason"].as_str().unwrap(),
        error["message"].as_str().unwrap(),
    )
}

#[track_caller]
fn succeeded(job: &Value) {
    assert_eq!(job["status"]["state"], "DONE", "{job}");
    assert_eq!(job["status"]["errorResult"], Value::Null, "{job}");
}

fn ids() -> Value {
    json!([{ "name": "id", "type": "INTEGER" }])
}
