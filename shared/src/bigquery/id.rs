//! Names of tables and of jobs.

use std::fmt;

use bytes::Bytes;
use http::{Method, Request};
use percent_encoding::utf8_percent_encode;
use serde::{Deserialize, Serialize};

use super::{NAME, request};
use crate::error::TransferError;

/// How a table is written in a route.
const EXPECTED: &str = "is not \"bigquery://<project>/<dataset>/<table>\"";

/// The longest name of a dataset, and of a table, in bytes
/// ([datasets](https://cloud.google.com/bigquery/docs/datasets#dataset-naming),
/// [tables](https://cloud.google.com/bigquery/docs/tables#table_naming)).
const LONGEST: usize = 1024;

/// A table. `Display` writes it as BigQuery's messages do: `project.dataset.table`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId {
    /// The project, by its id. Load jobs run, and are billed, there too.
    pub project: String,
    /// The dataset.
    pub dataset: String,
    /// The table, without a partition decorator.
    pub table: String,
}

impl TableId {
    /// Reads `bigquery://project/dataset/table`.
    ///
    /// # Errors
    /// What is wrong with it, to be said after the option's name.
    pub fn parse(uri: &str) -> Result<Self, String> {
        let wrong = |reason: &str| format!("{EXPECTED}{reason}.");
        let names = uri.strip_prefix("bigquery://").ok_or_else(|| wrong(""))?;
        let mut names = names.split('/');
        let (Some(project), Some(dataset), Some(table), None) =
            (names.next(), names.next(), names.next(), names.next())
        else {
            return Err(wrong(""));
        };
        if !is_project(project) {
            return Err(wrong(
                ": a project's id has 6 to 30 lower-case letters, digits and hyphens",
            ));
        }
        let is_dataset_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=LONGEST).contains(&dataset.len()) || !dataset.bytes().all(is_dataset_byte) {
            return Err(wrong(
                ": a dataset's name has 1 to 1024 letters, digits and underscores",
            ));
        }
        // Beyond ASCII, BigQuery itself knows best what a letter is.
        let fits = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b' ') || !byte.is_ascii()
        };
        if !(1..=LONGEST).contains(&table.len()) || !table.bytes().all(fits) {
            return Err(wrong(
                ": a table's name has 1 to 1024 bytes of letters, digits, underscores, hyphens and spaces, and no $ or @",
            ));
        }
        Ok(Self {
            project: project.to_owned(),
            dataset: dataset.to_owned(),
            table: table.to_owned(),
        })
    }

    /// As a route has it: `bigquery://project/dataset/table`.
    #[must_use]
    pub fn uri(&self) -> String {
        let Self {
            project,
            dataset,
            table,
        } = self;
        format!("bigquery://{project}/{dataset}/{table}")
    }

    /// The table's name with the decorator of `partition`, if one is given: `events$20261127`
    /// ([partition decorators](https://cloud.google.com/bigquery/docs/managing-partitioned-table-data)).
    #[must_use]
    pub fn decorated(&self, partition: Option<&str>) -> String {
        match partition {
            None => self.table.clone(),
            Some(partition) => format!("{}${partition}", self.table),
        }
    }

    pub(super) fn url(&self, endpoint: &str, partition: Option<&str>) -> String {
        let table = self.decorated(partition);
        let [project, dataset, table] =
            [&self.project, &self.dataset, &table].map(|name| utf8_percent_encode(name, NAME));
        format!("{endpoint}/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{table}")
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.project, self.dataset, self.table)
    }
}

/// A project's id, possibly of a domain, as old ones are: `example.com:my-project`
/// ([Project ids](https://cloud.google.com/resource-manager/docs/creating-managing-projects#before_you_begin)).
fn is_project(id: &str) -> bool {
    let (domain, id) = id.split_once(':').unwrap_or(("x", id));
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_domain = |byte: u8| fits(byte) || byte == b'.';
    !domain.is_empty()
        && domain.bytes().all(is_domain)
        && (6..=30).contains(&id.len())
        && id.bytes().all(fits)
        && id.starts_with(|first: char| first.is_ascii_lowercase())
        && !id.ends_with('-')
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// The project that it runs in.
    pub project: String,
    /// Where it runs: the dataset's location. BigQuery does not find a job whose location is not named.
    pub location: String,
    /// The id that its owner has given it: 1 to 1,024 letters, digits, underscores and hyphens.
    pub id: String,
}

impl JobId {
    /// Asks how the job stands
    /// ([jobs.get](https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get)). The reply is for
    /// [`JobState::read`](super::JobState::read).
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`](crate::error::ErrorKind::ConfigurationInvalid) for an endpoint
    /// or a name that cannot stand in a URL.
    pub fn get(&self, endpoint: &str) -> Result<Request<Bytes>, TransferError> {
        let url = self.url(endpoint, "");
        request(
            Method::GET,
            &format!("{url}&fields=status,statistics(load)"),
            Bytes::new(),
        )
    }

    /// Asks for the job's end
    /// ([jobs.cancel](https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/cancel)). The reply says
    /// nothing of it: the job may still succeed.
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn cancel(&self, endpoint: &str) -> Result<Request<Bytes>, TransferError> {
        let url = self.url(endpoint, "/cancel");
        request(Method::POST, &format!("{url}&fields=kind"), Bytes::new())
    }

    fn url(&self, endpoint: &str, verb: &str) -> String {
        let [project, location, id] =
            [&self.project, &self.location, &self.id].map(|name| utf8_percent_encode(name, NAME));
        format!("{endpoint}/bigquery/v2/projects/{project}/jobs/{id}{verb}?location={location}")
    }
}

impl fmt::Display for JobId {
    /// As BigQuery's console and `bq` have it: `project:location.id`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}.{}", self.project, self.location, self.id)
    }
}
