//! What is asked of BigQuery, byte by byte, and what its replies are taken for. The messages are those
//! that users of BigQuery have quoted in public.
#![allow(clippy::unwrap_used)]

mod jobs;
mod names;
mod options;
mod partitions;
mod refusals;

use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};

use super::*;

const URI: &str = "bigquery://my-project/logs/events";

fn table() -> TableId {
    TableId::parse(URI).unwrap()
}

fn job() -> JobId {
    JobId {
        project: "my-project".into(),
        location: "EU".into(),
        id: "causeway-1".into(),
    }
}

fn reply(status: u16, body: &impl ToString) -> Response<Bytes> {
    let reply = Response::builder().status(status);
    reply.body(Bytes::from(body.to_string())).unwrap()
}

/// An error as BigQuery writes it.
fn error(status: u16, reason: &str, message: &str) -> Response<Bytes> {
    let errors = json!([{"message": message, "domain": "global", "reason": reason}]);
    let error = json!({"code": status, "message": message, "errors": errors});
    reply(status, &json!({ "error": error }))
}
