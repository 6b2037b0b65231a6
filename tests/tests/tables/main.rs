//! From an upload at S3 to rows in a table, through the built worker under its real runtime.
#![allow(clippy::unwrap_used)]

mod append;
mod refuse;
mod replace;

use std::collections::BTreeMap;

use causeway_harness::s3::store::Attributes;
use causeway_tests::{Lane, Seen, Stack};
use serde_json::{Value, json};

const PROJECT: &str = "local-project";

/// A stack of `lanes` whose routes end in tables of their own, with `options`.
async fn with_tables(lanes: usize, options: &Value) -> Stack {
    let routes = (0..lanes).map(|number| {
        let (variable, mut table) = Lane::table(number, options);
        table["landing"] = table["destination"].take();
        table["destination"] = json!(format!("bigquery://{PROJECT}/tests/lane{number:02}"));
        table["location"] = json!("EU");
        (variable, table)
    });
    let stack = Stack::start(lanes, routes.collect()).await;
    let state = stack.local.bigquery.state();
    let reference = json!({"projectId": PROJECT, "datasetId": "tests"});
    let dataset = json!({"datasetReference": reference, "location": "EU"});
    state
        .insert_dataset(PROJECT, dataset.as_object().unwrap())
        .unwrap();
    stack
}

/// A lane and its table.
struct Table<'a> {
    lane: Lane<'a>,
}

impl<'a> Table<'a> {
    /// Makes the table of `lane`: a word and a number, partitioned as `partitioning` says.
    fn of(lane: Lane<'a>, partitioning: &Value) -> Self {
        let field = |name: &str, of: &str| json!({"name": name, "type": of});
        let mut resource = json!({
            "tableReference": {"projectId": PROJECT, "datasetId": "tests", "tableId": lane.route},
            "schema": {"fields": [field("day", "DATE"), field("word", "STRING"), field("number", "INT64")]},
        });
        if partitioning.is_object() {
            resource["timePartitioning"] = partitioning.clone();
        }
        let state = lane.stack.local.bigquery.state();
        state
            .insert_table(PROJECT, "tests", resource.as_object().unwrap())
            .unwrap();
        Self { lane }
    }

    /// Writes a file of one row for each of `numbers`.
    fn put(&self, key: &str, day: &str, word: &str, numbers: &[i64]) {
        let rows = numbers.iter().map(|number| {
            let row = json!({"day": day, "word": word, "number": number});
            format!("{row}\n")
        });
        self.lane
            .put(key, rows.collect::<String>(), Attributes::default());
    }

    /// How often each word stands in the table.
    fn words(&self) -> BTreeMap<String, usize> {
        let state = self.lane.stack.local.bigquery.state();
        let data = state.table_data(PROJECT, "tests", &self.lane.route, &Default::default());
        let mut words = BTreeMap::new();
        for row in data.unwrap()["rows"].as_array().into_iter().flatten() {
            let word = row["f"][1]["v"].as_str().unwrap().to_owned();
            *words.entry(word).or_default() += 1;
        }
        words
    }

    /// Waits until the table has these words so often.
    async fn has(&self, expected: &[(&str, usize)]) {
        let expected: BTreeMap<String, usize> = expected
            .iter()
            .map(|(word, count)| ((*word).to_owned(), *count))
            .collect();
        let what = format!("{expected:?} in {}", self.lane.route);
        let stack = self.lane.stack;
        let has = |_: &Seen| (self.words() == expected).then_some(());
        stack.witness.until(&what, has).await;
    }

    /// The log's lines on loads of this route that have ended.
    async fn loads(&self, count: usize) -> Vec<Value> {
        let what = format!("{count} loads of {}", self.lane.route);
        let is_load = |line: &&Value| line["event"] == "load" && line["route"] == *self.lane.route;
        let look = |seen: &Seen| {
            let loads: Vec<Value> = seen.log.iter().filter(is_load).cloned().collect();
            (loads.len() >= count).then_some(loads)
        };
        self.lane.stack.witness.until(&what, look).await
    }
}
