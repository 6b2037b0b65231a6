//! Cloudflare R2's events, as they stand in the queue that R2 notifies and as whoever consumes it sends
//! them on.
//!
//! Follows [Event notifications](https://developers.cloudflare.com/r2/buckets/event-notifications/#message-format).
//! One event a message; the key is not encoded, and every action changes what a key holds.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Ignored, ObjectHint};
use crate::time::rfc3339;

/// An event's envelope.
pub(super) struct Event {
    pub(super) action: String,
    pub(super) bucket: Option<String>,
    pub(super) object: Option<Box<RawValue>>,
    pub(super) time: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    key: Option<String>,
    size: Option<u64>,
}

impl Event {
    /// Reads it.
    ///
    /// # Errors
    /// Why it gives no hint.
    pub(super) fn read(self) -> Result<ObjectHint, Ignored> {
        let bucket = self.bucket.filter(|bucket| !bucket.is_empty());
        let object = self.object.as_ref().map_or("{}", |object| object.get());
        let object: Object = serde_json::from_slice(object.as_bytes()).unwrap_or_default();
        let key = object.key.filter(|key| !key.is_empty());
        let (Some(bucket), Some(key)) = (bucket.clone(), key.clone()) else {
            return Err(Ignored {
                bucket,
                key,
                reason: format!("The event {:?} names no bucket or no object.", self.action),
            });
        };
        Ok(ObjectHint {
            bucket,
            key,
            event: self.action,
            time: self.time.and_then(|time| rfc3339(&time)),
            version_id: None,
            size: object.size,
            sequencer: None,
        })
    }
}
