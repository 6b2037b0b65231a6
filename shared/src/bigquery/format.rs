//! The file formats that a load job reads.

use serde::{Deserialize, Serialize};

/// The format of a file. All files of one job have the same
/// ([Loading data](https://cloud.google.com/bigquery/docs/batch-loading-data)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// One JSON object a line.
    Ndjson,
    /// Comma-separated values, or another delimiter.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Apache Avro.
    Avro,
    /// Apache ORC.
    Orc,
}

impl Format {
    /// Every format, in the order of their names in the docs.
    pub const ALL: [Self; 5] = [
        Self::Ndjson,
        Self::Csv,
        Self::Parquet,
        Self::Avro,
        Self::Orc,
    ];

    /// As a route's `format` says it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Avro => "avro",
            Self::Orc => "orc",
        }
    }

    /// The format called `name`.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The format that a file's `name` ends in: `.json`, `.ndjson`, `.jsonl`, `.csv`, each possibly with
    /// `.gz` behind, `.parquet`, `.avro` or `.orc`, in upper or lower case. `None` for other names.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let (name, is_gzip) = without_gz(name);
        let (_, ending) = name.rsplit_once('.')?;
        let is = |known: &str| ending.eq_ignore_ascii_case(known);
        let format = match () {
            () if is("json") || is("ndjson") || is("jsonl") => Self::Ndjson,
            () if is("csv") => Self::Csv,
            () if is_gzip => return None,
            () => Self::ALL.into_iter().find(|format| is(format.name()))?,
        };
        Some(format)
    }

    /// The `sourceFormat` of a load job.
    #[must_use]
    pub fn source_format(self) -> &'static str {
        match self {
            Self::Ndjson => "NEWLINE_DELIMITED_JSON",
            Self::Csv => "CSV",
            Self::Parquet => "PARQUET",
            Self::Avro => "AVRO",
            Self::Orc => "ORC",
        }
    }

    /// Whether `name` is that of a compressed file. BigQuery takes compressed and plain files of CSV or
    /// JSON only in jobs of their own, and compressed ones of up to 4 GB
    /// ([limitations](https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-json#limitations)).
    #[must_use]
    pub fn is_compressed(name: &str) -> bool {
        without_gz(name).1
    }
}

fn without_gz(name: &str) -> (&str, bool) {
    let end = name.len().saturating_sub(3);
    match name.get(end..) {
        Some(ending) if ending.eq_ignore_ascii_case(".gz") => (&name[..end], true),
        _ => (name, false),
    }
}
