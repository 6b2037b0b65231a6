//! Routes that end in tables, and their rows.

use std::collections::BTreeMap;

use causeway_harness::bigquery::state::RowQuery;
use causeway_harness::s3::store::Attributes;
use serde_json::{Value, json};

use crate::{Lane, Seen, Stack};

const PROJECT: &str = "local-project";

/// A stack of `lanes` whose routes end in tables of their own, with `options`.
///
/// # Panics
/// When it cannot be started.
pub async fn with_tables(lanes: usize, options: &Value) -> Stack {
    let routes = (0..lanes).map(|number| into_table(number, options));
    let stack = Stack::start(lanes, routes.collect()).await;
    make_dataset(&stack);
    stack
}

/// The variable of the route of lane `number` into a table of its own, and what it says, with `options`.
#[must_use]
pub fn into_table(number: usize, options: &Value) -> (String, Value) {
    let (variable, mut table) = Lane::table(number, options);
    table["landing"] = table["destination"].take();
    table["destination"] = json!(format!("bigquery://{PROJECT}/tests/lane{number:02}"));
    table["location"] = json!("EU");
    (variable, table)
}

/// Makes the dataset of the tables of `stack`.
///
/// # Panics
/// When there is one already.
pub fn make_dataset(stack: &Stack) {
    let state = stack.local.bigquery.state();
    let dataset = json!({
        "datasetReference": {"projectId": PROJECT, "datasetId": "tests"}, "location": "EU",
    });
    let dataset = dataset.as_object().expect("it is an object");
    let made = state.insert_dataset(PROJECT, dataset);
    made.expect("there is none yet");
}

/// A lane and its table.
pub struct Table<'a> {
    /// The lane.
    pub lane: Lane<'a>,
}

impl<'a> Table<'a> {
    /// Makes the table of `lane`: a word and a number, partitioned as `partitioning` says.
    ///
    /// # Panics
    /// When there is one already.
    #[must_use]
    pub fn of(lane: Lane<'a>, partitioning: &Value) -> Self {
        let field = |name: &str, of: &str| json!({"name": name, "type": of});
        let mut resource = json!({
            "tableReference": {"projectId": PROJECT, "datasetId": "tests", "tableId": lane.route},
            "schema": {"fields": [field("day", "DATE"), field("word", "STRING"), field("number", "INT64")]},
        });
        if partitioning.is_object() {
            resource["timePartitioning"] = partitioning.clone();
        }
        let state = lane.stack.local.bigquery.state();
        let resource = resource.as_object().expect("it is an object");
        let made = state.insert_table(PROJECT, "tests", resource);
        made.expect("there is none yet");
        Self { lane }
    }

    /// Writes a file of one row for each of `numbers`.
    ///
    /// # Panics
    /// When the source does not take it.
    pub fn put(&self, key: &str, day: &str, word: &str, numbers: &[i64]) {
        let rows = numbers.iter().map(|number| {
            let row = json!({"day": day, "word": word, "number": number});
            format!("{row}\n")
        });
        self.lane
            .put(key, rows.collect::<String>(), Attributes::default());
    }

    /// How often each word stands in the table.
    ///
    /// # Panics
    /// When there is no such table.
    #[must_use]
    pub fn words(&self) -> BTreeMap<String, usize> {
        let state = self.lane.stack.local.bigquery.state();
        let data = state.table_data(PROJECT, "tests", &self.lane.route, &RowQuery::default());
        let mut words = BTreeMap::new();
        let data = data.expect("there is a table");
        for row in data["rows"].as_array().into_iter().flatten() {
            let word = row["f"][1]["v"].as_str();
            let word = word.expect("each row has a word").to_owned();
            *words.entry(word).or_default() += 1;
        }
        words
    }

    /// Waits until the table has these words so often.
    pub async fn has(&self, expected: &[(&str, usize)]) {
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
    pub async fn loads(&self, count: usize) -> Vec<Value> {
        let what = format!("{count} loads of {}", self.lane.route);
        let is_load = |line: &&Value| line["event"] == "load" && line["route"] == *self.lane.route;
        let look = |seen: &Seen| {
            let loads: Vec<Value> = seen.log.iter().filter(is_load).cloned().collect();
            (loads.len() >= count).then_some(loads)
        };
        self.lane.stack.witness.until(&what, look).await
    }
}
