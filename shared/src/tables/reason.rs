//! Why a file is not loaded, in words.

use super::Landed;
use crate::bigquery::{RowError, URIS_LIMIT};
use crate::error::{ErrorKind, TransferError};

fn refused(message: String, advice: &str) -> TransferError {
    TransferError::new(ErrorKind::LoadRefused, message, advice)
}

/// `name` has a second version, and the route refuses those. The first one's generation is `first`; `load` is the run
/// that loads one of both, if any does.
#[must_use]
pub fn second_version(second: &Landed, first: &str, load: Option<&str>) -> TransferError {
    let name = &second.name;
    let generation = second.generation.0;
    let rows = match load {
        Some(load) => format!(
            "The load {load} has the first one, or this one if it came before the load read it."
        ),
        None => "The first one was replaced before it was loaded.".to_owned(),
    };
    TransferError::new(
        ErrorKind::OverwriteRefused,
        format!(
            "{name} was overwritten: generation {first} was told before, {generation} stands there now, and the route refuses a second version. {rows}"
        ),
        "Replay it to load this version as well; on_overwrite = \"append\" or \"replace\" makes that the rule.",
    )
}

/// BigQuery refused `name`; `errors` are those of its errors that are about it.
#[must_use]
pub fn bad_file(name: &str, error: &TransferError, errors: &[&RowError]) -> TransferError {
    let mut message = error.message.clone();
    for found in errors.iter().take(5) {
        message.push(' ');
        message.push_str(&found.message);
    }
    TransferError {
        message,
        ..refused(
            String::new(),
            &format!(
                "Mend {name} at the source; its new version is loaded by itself, or replay this one."
            ),
        )
    }
}

/// No job that has `name` succeeds, and BigQuery does not say which of its files is bad.
#[must_use]
pub fn not_found_alone(error: &TransferError) -> TransferError {
    refused(
        format!(
            "{} BigQuery names no file, and no more jobs are spent on finding it: it may be this one or another of the same batch.",
            error.message
        ),
        "Look at the files of the batch, mend the bad one, and replay the others.",
    )
}

/// Nothing says which format the file `name` has.
#[must_use]
pub fn no_format(name: &str) -> TransferError {
    refused(
        format!("{name} has no ending that says its format, and the route says none."),
        "Say format = \"ndjson\", \"csv\", \"parquet\", \"avro\" or \"orc\" in the route, and replay it.",
    )
}

/// The route's template fits no beginning of `name`.
#[must_use]
pub fn no_partition(template: &str, name: &str) -> TransferError {
    refused(
        format!("{name} belongs to no partition: the route's template is {template:?}."),
        "Change the template, or rename the object at the source, and replay it.",
    )
}

/// The file `name` is in another format than others of its partition.
#[must_use]
pub fn two_formats(name: &str, prefix: &str) -> TransferError {
    refused(
        format!(
            "{name} has another format, or compression, than the first file under {prefix:?}, and one job reads one."
        ),
        "Write all files of a partition in one format.",
    )
}

/// A partition is of more files than a job takes.
pub(super) fn too_many_files(bucket: &str, prefix: &str) -> TransferError {
    TransferError::new(
        ErrorKind::ConfigurationInvalid,
        format!(
            "gs://{bucket}/{prefix} holds more than {URIS_LIMIT} files, and one job takes no more."
        ),
        "Choose a partition template with smaller partitions, or write fewer and larger files.",
    )
}

/// The route loads another table by now.
#[must_use]
pub fn another_table(route: &str, table: &str) -> TransferError {
    TransferError::new(
        ErrorKind::RouteMissing,
        format!("The route {route:?} doesn't load {table} any more."),
        "Replay it to load it into the route's table of now, or drop it.",
    )
}
