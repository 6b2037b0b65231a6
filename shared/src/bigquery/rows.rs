//! The rows that a job could not load, as BigQuery's messages tell of them.
//!
//! BigQuery gives a reason, perhaps the file, and a sentence that ends in what is known of the place:
//!
//! - `… Could not parse 'x' as INT64 …; line_number: 3 byte_offset_to_start_of_line: 24 column_index: 1
//!   column_name: "n" column_type: INT64 value: "x" File: gs://bucket/name`
//! - `… JSON parsing error in row starting at position 96: No such field: m. File: gs://bucket/name`
//! - `… in row starting at position 0: Only optional fields can be set to NULL. Field: a; Value: NULL`

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::cut;

/// The longest message that is kept, in bytes: it may quote a row of megabytes.
const MESSAGE_BYTES: usize = 500;

/// The longest column name that is kept, in bytes: BigQuery's own limit.
const COLUMN_BYTES: usize = 300;

/// The most errors that are kept of a job.
const MOST: usize = 100;

/// A row, or a file, that a job could not load.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RowError {
    /// The file, where BigQuery names it. Compare it with the job's own: it may be from inside a row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// The line in the file, from 1, for CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The offset of the row's first byte in the file, after decompression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// The column or field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// BigQuery's word: `invalid`.
    pub reason: String,
    /// BigQuery's sentence, cut to 500 bytes.
    pub message: String,
}

impl RowError {
    /// Those in `errors`, the list of a job's status; at most 100. The error `result`, which the job ended
    /// in and which stands in the list as well, is left out where others say more.
    pub(super) fn list(errors: &Value, result: &Value) -> Vec<Self> {
        let all = errors.as_array().map(Vec::as_slice).unwrap_or_default();
        let rows: Vec<_> = all.iter().filter(|error| *error != result).collect();
        if rows.is_empty() {
            return Some(result)
                .filter(|result| result.is_object())
                .map(Self::of)
                .into_iter()
                .collect();
        }
        rows.into_iter().take(MOST).map(Self::of).collect()
    }

    fn of(error: &Value) -> Self {
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        let (message, location) = (text("message"), text("location"));
        // Of what a file's owner has written as little as possible may come before these words.
        let (head, file) = match message.rsplit_once(" File: ") {
            Some((head, file)) if file.starts_with("gs://") => (head, Some(file)),
            _ => (message, None),
        };
        let uri = Some(location).filter(|uri| uri.starts_with("gs://"));
        let mut reason = text("reason").to_owned();
        cut(&mut reason, MESSAGE_BYTES);
        let mut message = message.to_owned();
        cut(&mut message, MESSAGE_BYTES);
        Self {
            uri: uri.or(file).map(str::to_owned),
            line: number(head, "line_number: "),
            position: number(head, "byte_offset_to_start_of_line: ")
                .or_else(|| number(head, "starting at position "))
                .or_else(|| number(head, "starting at position: ")),
            column: column(head),
            reason,
            message,
        }
    }
}

/// The number behind the first `word` of `text`.
fn number(text: &str, word: &str) -> Option<u64> {
    let (_, rest) = text.split_once(word)?;
    let digits = rest.split(|letter: char| !letter.is_ascii_digit()).next();
    digits?.parse().ok()
}

fn column(text: &str) -> Option<String> {
    let between = |before: &str, after: &str| {
        let (_, rest) = text.split_once(before)?;
        let (name, _) = rest.split_once(after)?;
        (1..=COLUMN_BYTES)
            .contains(&name.len())
            .then(|| name.to_owned())
    };
    let rest_of = |before: &str| {
        let (_, name) = text.split_once(before)?;
        let name = name.trim_end().trim_end_matches('.');
        (1..=COLUMN_BYTES)
            .contains(&name.len())
            .then(|| name.to_owned())
    };
    between("column_name: \"", "\"")
        .or_else(|| between(" Field: ", ";"))
        .or_else(|| between("for field ", " ("))
        .or_else(|| rest_of("No such field: "))
        .or_else(|| rest_of("Missing required field: "))
        .or_else(|| rest_of("for non-record field: "))
}
