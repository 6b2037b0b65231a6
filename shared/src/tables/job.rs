//! One load of a table: which files, how far it is.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bigquery::{Format, TableId};
use crate::gcs::Generation;

/// One load. The list of its files is stored apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its place in storage, and its id for people: 16 hexadecimal digits.
    pub run: String,
    /// The run that its files were gathered for, which is another where that was cut in halves. Copies are in a folder
    /// called so.
    pub origin: String,
    /// The route whose files it has.
    pub route: String,
    /// The bucket and the prefix where they landed.
    #[serde(default)]
    pub landing: String,
    /// Where those waited.
    pub place: String,
    /// What the names of the files of the partition that it replaces begin with, behind the landing prefix; empty for
    /// the whole table, and `None` where it adds rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// What follows the table's name and a `$`; empty for the whole table.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub decorator: String,
    /// The format of its files.
    pub format: Format,
    /// How far it is.
    pub phase: Phase,
    /// How many of its chunks are copied.
    pub copied: u32,
    /// BigQuery's name of it; empty before it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// How many names it has had: another once BigQuery says that a job failed, and once files are listed again.
    pub attempt: u32,
    /// What of it failed in a row.
    pub failures: u32,
    /// Not before then.
    #[serde(deserialize_with = "crate::time::read")]
    pub at: Timestamp,
    /// When it began.
    #[serde(deserialize_with = "crate::time::read")]
    pub began_at: Timestamp,
    /// How many files.
    pub files: u32,
    /// In how many chunks they are stored.
    pub chunks: u32,
    /// What the partition's files were when they were listed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub content: String,
    /// Whether some of those files were refused: what is loaded is not all of the content.
    #[serde(default)]
    pub is_partial: bool,
    /// The rows that it has loaded.
    pub rows: u64,
    /// Those that BigQuery left out.
    pub bad_rows: u64,
}

impl Job {
    /// A load of `route` called `run`.
    #[must_use]
    pub fn new(run: &str, route: &str, phase: Phase, format: Format, now: Timestamp) -> Self {
        Self {
            run: run.to_owned(),
            origin: run.to_owned(),
            route: route.to_owned(),
            landing: String::new(),
            place: String::new(),
            partition: None,
            decorator: String::new(),
            format,
            phase,
            copied: 0,
            id: String::new(),
            attempt: 0,
            failures: 0,
            at: now,
            began_at: now,
            files: 0,
            chunks: 0,
            content: String::new(),
            is_partial: false,
            rows: 0,
            bad_rows: 0,
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Its files are taken from those that wait.
    Gathering,
    /// Each is copied to a name of this job's own.
    Copying,
    /// The partition's files are listed.
    Listing,
    /// It gets the name that follows from what it loads.
    Naming,
    /// BigQuery is to take it.
    Inserting,
    /// BigQuery has it.
    Running,
    /// It is done; what was loaded is written down.
    Settling,
}

/// The name of the job that loads `files` into `table` for the `attempt`th time (from 0): the same for the same files
/// and options, so that a job whose insertion got no answer is never a second one.
#[must_use]
pub fn job_name<'a>(
    table: &TableId,
    options: &str,
    files: impl IntoIterator<Item = (&'a str, Generation)>,
    attempt: u32,
) -> String {
    let mut hash = Sha256::new();
    hash.update(table.to_string());
    hash.update("\n");
    hash.update(options);
    for (name, generation) in files {
        hash.update("\n");
        hash.update(name);
        hash.update("\n");
        hash.update(generation.0.to_string());
    }
    format!("causeway_{}_{attempt}", digest(hash))
}

/// The first half of `hash`, as 32 hexadecimal digits.
pub(super) fn digest(hash: Sha256) -> String {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    format!("{:032x}", u128::from_be_bytes(half))
}
