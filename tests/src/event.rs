//! Events as S3 sends them.

use causeway_harness::s3::event_json;
use causeway_harness::s3::store::Change;
use reqwest::Url;
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

/// A notification of a write of `key`, with no more in it than a worker needs.
///
/// # Panics
/// Never: any text can be a parameter.
#[must_use]
pub fn write_event(bucket: &str, key: &str, size: Option<u64>) -> Value {
    let encoded = Url::parse_with_params("x:", [("", key)]).expect("any text can be a parameter");
    let encoded = encoded.query().unwrap_or_default().trim_start_matches('=');
    let mut object = json!({ "key": encoded });
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
