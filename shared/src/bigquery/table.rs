//! What a table is, and the deletion of a partition
//! ([Tables](https://cloud.google.com/bigquery/docs/reference/rest/v2/tables)).

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::Value;

use super::{Asked, Refused, TableId, refusal, request};
use crate::error::TransferError;

/// How a table is divided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioning {
    /// By time.
    Time {
        /// `HOUR`, `DAY`, `MONTH` or `YEAR`.
        unit: String,
        /// The column; `None` where it is the time of the load.
        field: Option<String>,
    },
    /// By ranges of an integer column.
    Range {
        /// The column.
        field: String,
    },
}

/// What is known of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableInfo {
    /// Its rows, without those in a streaming buffer.
    pub rows: u64,
    /// Its dataset's location: `EU`, `europe-west1`.
    pub location: String,
    /// How it is divided; `None` where it is not.
    pub partitioning: Option<Partitioning>,
}

impl TableInfo {
    /// Reads the reply to [`TableId::get`].
    ///
    /// # Errors
    /// What [`refusal`] makes of what is no table.
    pub fn read(reply: &Response<Bytes>, table: &TableId) -> Result<Self, Refused> {
        let json: Value = serde_json::from_slice(reply.body()).unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let Some(location) = text(&json["location"]).filter(|_| reply.status().is_success()) else {
            return Err(refusal(reply, Asked::Table(table)));
        };
        let (time, range) = (&json["timePartitioning"], &json["rangePartitioning"]);
        let time = text(&time["type"]).map(|unit| Partitioning::Time {
            unit,
            field: text(&time["field"]),
        });
        let range = text(&range["field"]).map(|field| Partitioning::Range { field });
        let rows = &json["numRows"];
        let rows = rows.as_str().and_then(|rows| rows.parse().ok());
        Ok(Self {
            rows: rows
                .or_else(|| json["numRows"].as_u64())
                .unwrap_or_default(),
            location,
            partitioning: time.or(range),
        })
    }
}

impl TableId {
    /// Asks what the table is
    /// ([tables.get](https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get)). The reply is for
    /// [`TableInfo::read`].
    ///
    /// # Errors
    /// [`ErrorKind::ConfigurationInvalid`](crate::error::ErrorKind::ConfigurationInvalid) for an endpoint
    /// that is no URL.
    pub fn get(&self, endpoint: &str) -> Result<Request<Bytes>, TransferError> {
        let url = self.url(endpoint, None);
        let url =
            format!("{url}?fields=numRows,location,timePartitioning,rangePartitioning(field)");
        request(Method::GET, &url, Bytes::new())
    }

    /// Deletes the partition with the decorator `partition`, with its rows
    /// ([tables.delete](https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/delete),
    /// [Delete a partition](https://cloud.google.com/bigquery/docs/managing-partitioned-tables#delete_a_partition)).
    /// The reply is a 204, or for [`refusal`] with [`Asked::Partition`].
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn delete_partition(
        &self,
        endpoint: &str,
        partition: &str,
    ) -> Result<Request<Bytes>, TransferError> {
        let url = self.url(endpoint, Some(partition));
        request(Method::DELETE, &url, Bytes::new())
    }
}
