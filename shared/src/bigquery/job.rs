//! A load job, and the request that starts it
//! ([jobs.insert](https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert),
//! [JobConfigurationLoad](https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationLoad)).

use bytes::Bytes;
use http::{Method, Request};
use percent_encoding::utf8_percent_encode;
use serde_json::{Map, Value, json};

use super::{Format, JobId, LoadOptions, NAME, TableId, request};
use crate::error::{ErrorKind, TransferError};

/// The most URIs of one job.
pub const URIS_LIMIT: usize = 10_000;

/// What becomes of the rows that the table, or the partition, has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// They stay.
    Append,
    /// They go, all at once with the arrival of the new ones. Of a whole table the schema goes as well:
    /// use [`Self::TruncateData`] there.
    Truncate,
    /// They go; the table's schema and constraints stay.
    TruncateData,
}

impl Write {
    fn disposition(self) -> &'static str {
        match self {
            Self::Append => "WRITE_APPEND",
            Self::Truncate => "WRITE_TRUNCATE",
            Self::TruncateData => "WRITE_TRUNCATE_DATA",
        }
    }
}

/// A load job: what is loaded, where to, and how.
#[derive(Debug, Clone, Copy)]
pub struct LoadJob<'a> {
    /// Its id. The same id is the same job: BigQuery answers 409 to the second
    /// ([`Remedy::Known`](super::Remedy::Known)).
    pub id: &'a JobId,
    /// The table, which must exist: no job creates one.
    pub table: &'a TableId,
    /// The decorator of the only partition that rows may belong to.
    pub partition: Option<&'a str>,
    /// The files, as [`source_uri`] writes them; at most [`URIS_LIMIT`].
    pub uris: &'a [String],
    /// The files' format.
    pub format: Format,
    /// The route's options. Those of other formats are left out.
    pub options: &'a LoadOptions,
    /// What becomes of the rows that are there.
    pub write: Write,
}

impl LoadJob<'_> {
    /// The request that starts the job. The reply is for [`JobState::read`](super::JobState::read). Without
    /// a reply, send the same request again: the id makes that safe.
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`] for an endpoint or a project that cannot stand in a URL.
    pub fn insert(&self, endpoint: &str) -> Result<Request<Bytes>, TransferError> {
        let project = utf8_percent_encode(&self.id.project, NAME);
        let url = format!(
            "{endpoint}/bigquery/v2/projects/{project}/jobs?fields=status,statistics(load)"
        );
        let body = json!({
            "jobReference": {
                "projectId": self.id.project,
                "jobId": self.id.id,
                "location": self.id.location,
            },
            "configuration": {"load": self.configuration()},
        });
        request(Method::POST, &url, Bytes::from(body.to_string()))
    }

    fn configuration(&self) -> Value {
        let mut load = Map::new();
        self.options.write(self.format, &mut load);
        let table = self.table;
        let words = [
            ("sourceFormat", self.format.source_format()),
            ("createDisposition", "CREATE_NEVER"),
            ("writeDisposition", self.write.disposition()),
        ];
        for (name, word) in words {
            load.insert(name.to_owned(), word.into());
        }
        load.insert("sourceUris".to_owned(), self.uris.into());
        let destination = json!({
            "projectId": table.project,
            "datasetId": table.dataset,
            "tableId": table.decorated(self.partition),
        });
        load.insert("destinationTable".to_owned(), destination);
        load.into()
    }
}

/// The URI of the object `name` for a load job.
///
/// # Errors
/// [`ErrorKind::LoadRefused`] for a name that BigQuery would read as something else: a `*` stands for any
/// other names, and a number after the last `#` for a generation, which makes the job fail.
pub fn source_uri(bucket: &str, name: &str) -> Result<String, TransferError> {
    let generation = name.rsplit_once('#').map(|(_, digits)| digits);
    let is_generation = generation.is_some_and(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let reason = match () {
        () if name.contains('*') => "a \"*\", which stands for any other names",
        () if is_generation => "a \"#\" and a number at its end, which stand for a generation",
        () => return Ok(format!("gs://{bucket}/{name}")),
    };
    Err(TransferError::new(
        ErrorKind::LoadRefused,
        format!("gs://{bucket}/{name} cannot be loaded: BigQuery reads {reason} in a URI."),
        "Rename the object at the source.",
    ))
}
