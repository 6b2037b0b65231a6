//! Cloudflare R2's events, as they stand in the queue that R2 notifies and as whoever consumes it sends
//! them on.
//!
//! Follows [Event notifications](https://developers.cloudflare.com/r2/buckets/event-notifications/#message-format).
//! One event a message; the key is not encoded, and every action changes what a key holds.

use serde_json::value::RawValue;

use super::{Ignored, ObjectHint};
use crate::json::{members_of, size, text};
use crate::time::rfc3339;

/// An event's envelope.
pub(super) struct Event<'a> {
    pub(super) action: String,
    pub(super) bucket: Option<String>,
    pub(super) object: Option<&'a RawValue>,
    pub(super) time: Option<&'a RawValue>,
}

impl Event<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// Why it gives no hint.
    pub(super) fn read(self) -> Result<ObjectHint, Ignored> {
        let [key, object_size] = members_of(self.object, ["key", "size"]);
        let (bucket, key) = (self.bucket, text(key));
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
            time: text(self.time).and_then(|time| rfc3339(&time)),
            version_id: None,
            size: size(object_size),
            sequencer: None,
        })
    }
}
