//! Keys submitted by hand: hints like any others.

pub(super) use causeway_shared::event::KEY_BYTES;
use causeway_shared::event::{ObjectHint, unusable};
use causeway_shared::host::hints::Sorted;
use causeway_shared::route::Route;
use serde::Deserialize;

use super::{Call, parsed, unrouted};
use crate::ingress;
use crate::platform;
use crate::reply::Reply;

/// The most keys of a request.
const KEYS: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Submitted {
    keys: Vec<String>,
}

impl Call<'_> {
    /// Puts a hint for each key into the queue.
    pub(super) async fn submit(self, route: Option<&Route>, body: &[u8]) -> Result<Reply, Reply> {
        let route = route.ok_or_else(unrouted)?;
        let Submitted { keys } = parsed(body, r#"{"keys": ["2026/a.jpg"]}"#)?;
        let fits = |key: &String| (1..=KEY_BYTES).contains(&key.chars().count());
        if !(1..=KEYS).contains(&keys.len()) || !keys.iter().all(fits) {
            let reason = format!("Send 1 to {KEYS} keys of 1 to {KEY_BYTES} bytes each.");
            return Err(Reply::problem(400, reason));
        }
        let (mut sorted, now) = (Sorted::default(), platform::now());
        for key in keys {
            let hint = ObjectHint {
                bucket: route.source.bucket.clone(),
                key,
                event: "Submitted".to_owned(),
                time: None,
                version_id: None,
                size: None,
                sequencer: None,
            };
            let reason = match unusable(&hint.key) {
                None if hint.key.starts_with(&route.source.prefix) => {
                    sorted.send(&hint, &route.name, now);
                    continue;
                }
                None => "The key does not begin with the route's prefix.",
                Some(reason) => reason,
            };
            sorted.ignore(Some(hint.bucket), Some(hint.key), reason.to_owned());
        }
        Ok(ingress::enqueue(sorted, self.env).await)
    }
}
