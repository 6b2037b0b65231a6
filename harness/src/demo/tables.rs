//! The second route of the demo: files go into S3, their rows come out of a table.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::trips::{self, TripFile};
use crate::bigquery::state::{ApiError, RowQuery};
use crate::client::{Attributes, Progress, S3Client, Source};
use crate::runtime::LogLine;
use crate::stack::LocalStack;

const PROJECT: &str = "causeway-demo";
const DATASET: &str = "demo";
const TABLE: &str = "trips";
const BUCKET: &str = "causeway-demo-trips";
const LANDING: &str = "causeway-demo-landing";

/// With nothing loaded for this long, what is missing is not waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What came of the files.
#[derive(Debug, Default, Serialize)]
pub struct Tables {
    /// Files uploaded, a second version and a bad one included.
    pub files: usize,
    /// Rows that the table should have.
    pub rows_expected: usize,
    /// Rows that it has.
    pub rows_loaded: usize,
    /// Rows that it should have and has not, or has and should not.
    pub rows_wrong: usize,
    /// Load jobs.
    pub jobs: usize,
    /// Files in quarantine.
    pub quarantined: usize,
}

impl Tables {
    /// Whether the table has what it should.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.rows_wrong == 0 && self.rows_loaded == self.rows_expected && self.quarantined == 1
    }
}

/// The lines of the worker's log that are about tables.
pub(super) struct Loads(UnboundedReceiver<Value>);

impl Loads {
    /// What takes a line of the log, and what gives those on loads.
    pub(super) fn channel() -> (impl Fn(&LogLine) + Send + Sync + 'static, Self) {
        let (sender, receiver): (UnboundedSender<Value>, _) = unbounded_channel();
        let take = move |line: &LogLine| {
            let value: Value = serde_json::from_str(&line.message).unwrap_or_default();
            if matches!(value["event"].as_str(), Some("load" | "quarantined")) {
                // Nobody listens once all is loaded.
                let _ = sender.send(value);
            }
        };
        (take, Self(receiver))
    }
}

/// The variable of the route, and the buckets that it needs.
pub(super) fn route() -> (Map<String, Value>, [&'static str; 2]) {
    let table = json!({
        "source": format!("s3://{BUCKET}/trips/"),
        "destination": format!("bigquery://{PROJECT}/{DATASET}/{TABLE}"),
        "landing": format!("gs://{LANDING}/trips/"),
        "location": "EU",
        "on_overwrite": "append",
        "skip_leading_rows": 1,
    });
    (
        Map::from_iter([("ROUTE_TRIPS".to_owned(), table)]),
        [BUCKET, LANDING],
    )
}

/// Uploads the files and waits for their rows. `say` tells of each load.
///
/// # Errors
/// When the table cannot be made or a file cannot be uploaded. Rows that are missing are no error: they are counted.
pub(super) async fn run(
    stack: &LocalStack,
    s3: &S3Client,
    mut loads: Loads,
    say: impl Fn(&str),
) -> anyhow::Result<Tables> {
    make_table(stack)?;
    let mut files = trips::files()?;
    files.push(trips::bad());
    let mut tables = Tables::default();
    for file in &files {
        upload(s3, file).await?;
    }
    let good = files.len() - 1;
    tables.wait(&mut loads, good, &say).await;
    // Both versions of a file are rows of the table.
    let second = trips::overwritten()?;
    upload(s3, &second).await?;
    tables.wait(&mut loads, 1, &say).await;
    files.push(second);
    tables.files = files.len();
    tables.compare(stack, &files)?;
    Ok(tables)
}

fn make_table(stack: &LocalStack) -> anyhow::Result<()> {
    let state = stack.bigquery.state();
    let object = |value: Value| value.as_object().cloned().unwrap_or_default();
    let dataset = json!({
        "datasetReference": {"projectId": PROJECT, "datasetId": DATASET}, "location": "EU",
    });
    state
        .insert_dataset(PROJECT, &object(dataset))
        .map_err(|error| refused(&error))?;
    let table = json!({
        "tableReference": {"projectId": PROJECT, "datasetId": DATASET, "tableId": TABLE},
        "schema": trips::schema(),
    });
    state
        .insert_table(PROJECT, DATASET, &object(table))
        .map_err(|error| refused(&error))?;
    Ok(())
}

fn refused(error: &ApiError) -> anyhow::Error {
    anyhow::anyhow!("the embedded BigQuery refused: {error:?}")
}

async fn upload(s3: &S3Client, file: &TripFile) -> anyhow::Result<()> {
    let source = Source::Bytes(file.bytes.clone());
    let (attributes, progress) = (Attributes::default(), Progress::default());
    let put = s3
        .put(BUCKET, &file.key, source, &attributes, &progress)
        .await;
    put.map_err(|error| anyhow::anyhow!("uploading {:?}: {}", file.key, error.what))?;
    Ok(())
}

impl Tables {
    /// Waits until `files` more are loaded.
    async fn wait(&mut self, loads: &mut Loads, files: usize, say: &impl Fn(&str)) {
        let mut loaded = 0;
        let is_all = |tables: &Self, loaded| loaded >= files && tables.quarantined > 0;
        while !is_all(self, loaded) {
            let Ok(Some(line)) = tokio::time::timeout(PATIENCE, loads.0.recv()).await else {
                return;
            };
            if line["event"] == "quarantined" {
                self.quarantined += 1;
                let key = line["message"]["hint"]["key"].as_str().unwrap_or_default();
                let reason = line["error"]["message"].as_str().unwrap_or_default();
                say(&format!("not loaded: {key}: {reason}"));
                continue;
            }
            self.jobs += usize::from(line["job"].as_str().is_some_and(|job| !job.is_empty()));
            if line["error"].is_null() {
                let count = |name: &str| line[name].as_u64().unwrap_or_default();
                loaded += usize::try_from(count("files")).unwrap_or_default();
                let (files, rows) = (count("files"), count("rows"));
                say(&format!("loaded {rows:>5} rows of {files:>2} files"));
            }
        }
    }

    /// Holds the rows of the table against those of `files`.
    fn compare(&mut self, stack: &LocalStack, files: &[TripFile]) -> anyhow::Result<()> {
        let mut counts: BTreeMap<String, i64> = BTreeMap::new();
        for row in files.iter().flat_map(|file| &file.rows) {
            *counts.entry(row.clone()).or_default() += 1;
            self.rows_expected += 1;
        }
        let state = stack.bigquery.state();
        loop {
            let query = RowQuery {
                start: self.rows_loaded,
                ..RowQuery::default()
            };
            let page = state
                .table_data(PROJECT, DATASET, TABLE, &query)
                .map_err(|error| refused(&error))?;
            let rows = page["rows"].as_array().map_or(&[][..], Vec::as_slice);
            for row in rows {
                let cells = row["f"].as_array().into_iter().flatten();
                let cells: Vec<&Value> = cells.map(|cell| &cell["v"]).collect();
                *counts.entry(json!(cells).to_string()).or_default() -= 1;
            }
            self.rows_loaded += rows.len();
            if page["pageToken"].is_null() {
                break;
            }
        }
        let wrong = counts.values().map(|count| count.unsigned_abs());
        self.rows_wrong = usize::try_from(wrong.sum::<u64>())?;
        Ok(())
    }
}
