//! Events as S3 sends them.

use causeway_harness::s3::event_json;
use causeway_harness::s3::store::Change;
use serde_json::{Value, json};

/// One notification that tells of all `changes`.
#[must_use]
pub fn event<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Value {
    let records: Vec<Value> = changes
        .into_iter()
        .map(|change| event_json(change)["Records"][0].clone())
        .collect();
    json!({ "Records": records })
}

/// A notification of `key`, which needs no encoding, as far as a worker must be told.
#[must_use]
pub fn decoded_event(bucket: &str, key: &str, size: Option<u64>) -> Value {
    let mut object = json!({ "key": key });
    if let Some(size) = size {
        object["size"] = json!(size);
    }
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": { "bucket": { "name": bucket }, "object": object },
    }] })
}
