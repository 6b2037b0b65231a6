//! From records to messages: which routes a hint takes.

use causeway_shared::event::{Ignored, ObjectHint};
use causeway_shared::message::HintMessage;
use causeway_shared::route::Routes;
use jiff::Timestamp;
use serde_json::{Value, json};
use worker::Env;

use crate::outcome;
use crate::platform::{self, MESSAGE_BYTES, Queue, to_json};

/// An event's records, sorted.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// JSON texts for the queue.
    pub(crate) messages: Vec<String>,
    /// One entry a message, for the answer.
    pub(crate) accepted: Vec<Value>,
    /// One entry a record without a message, with the reason.
    pub(crate) ignored: Vec<Value>,
}

/// Sorts `records` by `routes`: one message a hint and route. What came through a `topic` of SNS is for
/// the routes that name it.
pub(crate) fn sort(
    records: Vec<Result<ObjectHint, Ignored>>,
    routes: &Routes,
    topic: Option<&str>,
    now: Timestamp,
) -> Sorted {
    let mut sorted = Sorted::default();
    for record in records {
        match record {
            Ok(hint) => sorted.place(&hint, routes, topic, now),
            Err(Ignored {
                bucket,
                key,
                reason,
            }) => sorted
                .ignored
                .push(json!({"bucket": bucket, "key": key, "reason": reason})),
        }
    }
    sorted
}

/// Puts `messages` into the queue of hints, which has them all when this returns.
///
/// # Errors
/// Why the queue took no more.
pub(crate) async fn put(messages: &[String], env: &Env) -> Result<(), String> {
    let queue = Queue::bound(env, "HINTS").map_err(|reason| format!("HINTS {reason}"))?;
    for batch in platform::batches(messages) {
        queue.put_all(&messages[batch]).await?;
    }
    Ok(())
}

impl Sorted {
    /// Says in the log what leads nowhere: for senders that are not answered.
    pub(crate) fn log_ignored(&self) {
        for ignored in &self.ignored {
            outcome::log_line(&outcome::with_fields("ignored", ignored));
        }
    }

    fn place(&mut self, hint: &ObjectHint, routes: &Routes, topic: Option<&str>, now: Timestamp) {
        let mut matched = false;
        let takes = routes.matching(&hint.bucket, &hint.key);
        for route in takes.filter(|route| topic.is_none_or(|topic| route.hears(topic))) {
            matched = true;
            if !self.send(hint, &route.name, now) {
                return;
            }
        }
        if !matched {
            let reason = if routes.matching(&hint.bucket, &hint.key).next().is_some() {
                "No route of this bucket and key names the topic that the event came through."
            } else if routes.has_source(&hint.bucket) {
                "No route of this bucket has a prefix that the key begins with."
            } else {
                "No route reads from this bucket."
            };
            self.ignore(hint, reason);
        }
    }

    /// Takes `hint` in for `route`; gives whether the queue can take it.
    pub(crate) fn send(&mut self, hint: &ObjectHint, route: &str, now: Timestamp) -> bool {
        let message = to_json(&HintMessage::new(route, hint.clone(), now));
        let fits = message.len() <= MESSAGE_BYTES;
        if fits {
            let ObjectHint { bucket, key, .. } = hint;
            let id = format!("{bucket}/{key}");
            self.messages.push(message);
            self.accepted
                .push(json!({"id": id, "bucket": bucket, "key": key, "route": route}));
        } else {
            let length = message.len();
            self.ignore(
                hint,
                &format!(
                    "The record makes a message of {length} bytes; the queue takes {MESSAGE_BYTES}."
                ),
            );
        }
        fits
    }

    pub(crate) fn ignore(&mut self, hint: &ObjectHint, reason: &str) {
        self.ignored
            .push(json!({"bucket": hint.bucket, "key": hint.key, "reason": reason}));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use causeway_shared::route::Route;

    fn routes() -> Routes {
        let route = |name: &str, source: &str| {
            Route::parse(name, json!({"source": source, "destination": "gs://dst"})).unwrap()
        };
        Routes::new([
            route("ROUTE_ALL", "s3://one"),
            route("ROUTE_SOME", "s3://one/in/"),
            route("ROUTE_TWO", "s3://two/in/"),
        ])
        .unwrap()
    }

    fn hint(bucket: &str, key: &str) -> ObjectHint {
        ObjectHint {
            bucket: bucket.into(),
            key: key.into(),
            event: "ObjectCreated:Put".into(),
            time: None,
            version_id: None,
            size: None,
            sequencer: None,
        }
    }

    #[test]
    fn a_hint_takes_every_route_and_one_without_says_why() {
        let ignored = Ignored {
            bucket: None,
            key: None,
            reason: "because".into(),
        };
        let records = vec![
            Ok(hint("one", "in/a")),
            Ok(hint("two", "a")),
            Ok(hint("three", "a")),
            Err(ignored),
        ];
        let sorted = sort(records, &routes(), None, Timestamp::UNIX_EPOCH);
        let taken: Vec<_> = sorted
            .accepted
            .iter()
            .map(|entry| entry["route"].as_str().unwrap())
            .collect();
        assert_eq!(taken, ["all", "some"]);
        let first: HintMessage = serde_json::from_str(&sorted.messages[0]).unwrap();
        assert_eq!(
            (first.route.as_str(), first.hint),
            ("all", hint("one", "in/a"))
        );
        let reasons: Vec<_> = sorted
            .ignored
            .iter()
            .map(|entry| entry["reason"].as_str().unwrap())
            .collect();
        assert!(
            reasons[0].contains("prefix")
                && reasons[1].contains("No route reads")
                && reasons[2] == "because"
        );
    }

    #[test]
    fn a_topic_speaks_only_to_the_routes_that_name_it() {
        let route = |name: &str, topics: &[&str]| {
            let table = json!({"source": "s3://one", "destination": format!("gs://{}", &name[6..]),
                "sns_topics": topics});
            Route::parse(name, table).unwrap()
        };
        let [ours, other] = ["arn:aws:sns:eu-west-1:1:a", "arn:aws:sns:eu-west-1:1:b"];
        let routes = Routes::new([
            route("ROUTE_ONE", &[ours, other]),
            route("ROUTE_TWO", &[other]),
            route("ROUTE_SIX", &[]),
        ]);
        let taken = |topic| {
            let records = vec![Ok(hint("one", "k"))];
            let sorted = sort(
                records,
                routes.as_ref().unwrap(),
                topic,
                Timestamp::UNIX_EPOCH,
            );
            (sorted.accepted.len(), sorted.ignored.len())
        };
        assert_eq!(taken(Some(ours)), (1, 0));
        assert_eq!(taken(Some(other)), (2, 0));
        assert_eq!(taken(Some("arn:aws:sns:eu-west-1:1:c")), (0, 1));
        assert_eq!(taken(None), (3, 0));
    }

    #[test]
    fn a_record_too_long_for_the_queue_is_ignored_and_spoils_no_other() {
        let records = vec![
            Ok(ObjectHint {
                event: "e".repeat(MESSAGE_BYTES),
                ..hint("one", "a")
            }),
            Ok(hint("one", "b")),
        ];
        let sorted = sort(records, &routes(), None, Timestamp::UNIX_EPOCH);
        assert_eq!((sorted.accepted.len(), sorted.ignored.len()), (1, 1));
    }
}
