//! The JSON of an event notification.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.

use serde_json::{Value, json};

use super::service::form_encode;
use super::store::Change;

/// The version of the structure that S3 sends for these events.
const EVENT_VERSION: &str = "2.3";

/// A change as S3 notifies of it: one record. Removals carry neither size nor ETag; the key is
/// form-encoded.
#[must_use]
pub fn event_json(change: &Change) -> Value {
    let mut object = json!({
        "key": form_encode(&change.key),
        "sequencer": change.sequencer(),
    });
    if !change.kind.is_removal() {
        object["size"] = json!(change.size);
        object["eTag"] = json!(change.etag);
    }
    if let Some(version) = change.version_id.versioned() {
        object["versionId"] = json!(version);
    }
    let principal = json!({ "principalId": change.owner });
    json!({
        "Records": [{
            "eventVersion": EVENT_VERSION,
            "eventSource": "aws:s3",
            "awsRegion": change.region,
            "eventTime": format!("{:.3}", change.time),
            "eventName": change.kind.event_name(),
            "userIdentity": principal,
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": {
                "x-amz-request-id": format!("{:016X}", change.sequence),
                "x-amz-id-2": format!("embedded/{:x}", change.sequence),
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "embedded",
                "bucket": {
                    "name": change.bucket,
                    "ownerIdentity": principal,
                    "arn": format!("arn:aws:s3:::{}", change.bucket),
                },
                "object": object,
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::s3::store::{Attributes, Store, Versioning, WriteCondition};

    #[test]
    fn a_write_and_a_removal_look_like_s3s() {
        let store = Store::new("eu-west-1");
        let mut changes = store.subscribe();
        store.create_bucket("b").unwrap();
        store
            .configure("b", |settings| settings.versioning = Versioning::Enabled)
            .unwrap();
        let object = store
            .put("b", "a b/ü+%", "hello", Attributes::default())
            .unwrap();
        store
            .delete("b", "a b/ü+%", None, &WriteCondition::default())
            .unwrap();

        let put = &event_json(&changes.try_recv().unwrap())["Records"][0];
        assert_eq!(put["eventName"], "ObjectCreated:Put");
        assert_eq!(put["awsRegion"], "eu-west-1");
        assert_eq!(put["s3"]["bucket"]["arn"], "arn:aws:s3:::b");
        assert_eq!(put["s3"]["object"]["key"], "a+b/%C3%BC%2B%25");
        assert_eq!(put["s3"]["object"]["size"], 5);
        assert_eq!(put["s3"]["object"]["eTag"], object.etag.as_str());
        assert_eq!(
            put["s3"]["object"]["versionId"].as_str(),
            object.version_id.versioned()
        );
        let time = put["eventTime"].as_str().unwrap();
        assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"));

        let delete = &event_json(&changes.try_recv().unwrap())["Records"][0];
        assert_eq!(delete["eventName"], "ObjectRemoved:DeleteMarkerCreated");
        let object = delete["s3"]["object"].as_object().unwrap();
        assert!(!object.contains_key("size") && !object.contains_key("eTag"));
        assert!(object["sequencer"].as_str() > put["s3"]["object"]["sequencer"].as_str());
    }
}
