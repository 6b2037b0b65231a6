//! `causeway demo`: shows the whole road at work on this machine.

use std::path::PathBuf;

use clap::Args;

use super::Report;
use super::failure::{Code, Failure};
use super::output::{Output, log_file};
use crate::demo::{DemoOptions, run};

const AFTER_HELP: &str = "\
Starts an embedded S3 (which checks signatures), an embedded GCS, and the built worker under
workerd with wrangler.toml; uploads some 300 files to S3; lets S3's notifications reach the worker;
and reads every object back from GCS: bytes, headers and metadata must be equal. Then some fifty
files of NDJSON, CSV and Parquet go the same way and on into a table of an embedded BigQuery, one
of them twice and one with a bad row: every row must be there once. Nothing leaves this machine.

Examples:
  cargo demo
  cargo demo --folder ~/Pictures
  cargo demo --json | jq .event_to_commit_ms

Exits with 0 only if every object, and every row, is there and equal.

With --json: {\"objects\", \"bytes\", \"copied\", \"verified\", \"failed\", \"event_to_commit_ms\": {\"p50\",
\"p99\"}, \"first_commit_s\", \"elapsed_s\", \"bytes_per_s\", \"failures\": {key: reason}, \"tables\":
{\"files\", \"rows_expected\", \"rows_loaded\", \"rows_wrong\", \"jobs\", \"quarantined\"}}";

/// Copy some 300 files from an embedded S3 to an embedded GCS, and prove every byte
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Demo {
    /// Upload the files of this folder instead
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Write the worker's log to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

impl Demo {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        if let Some(folder) = self.folder.as_deref().filter(|folder| !folder.is_dir()) {
            let what = format!("{} is no folder", folder.display());
            return Err(Failure::usage(what, "give --folder a folder with files"));
        }
        let log = self.log.as_deref().map(log_file).transpose()?;
        let summary = run(DemoOptions {
            folder: self.folder,
            visible: !output.is_json(),
            log: log.unwrap_or_default(),
        })
        .await
        .map_err(|error| Failure::from_setup(&error))?;
        for line in summary.lines() {
            output.line(&line);
        }
        let failure = (summary.failed > 0).then(|| {
            Failure::new(
                Code::Failed,
                format!(
                    "{} of {} objects are not at GCS as they are at S3",
                    summary.failed, summary.objects
                ),
                "the reasons stand above; --log FILE keeps what the worker said",
            )
        });
        let wrong = summary.tables.as_ref().filter(|tables| !tables.is_right());
        let failure = failure.or(wrong.map(|tables| {
            Failure::new(
                Code::Failed,
                format!(
                    "the table has {} of {} rows, {} of them wrong",
                    tables.rows_loaded, tables.rows_expected, tables.rows_wrong
                ),
                "--log FILE keeps what the worker said",
            )
        }));
        let json = serde_json::to_value(&summary)
            .map_err(|error| Failure::new(Code::Failed, error.to_string(), ""))?;
        Ok(Report { json, failure })
    }
}
