//! From records to messages: which routes a hint takes.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Platform, log, to_json};
use crate::error::cut;
use crate::event::{Ignored, KEY_BYTES, ObjectHint, unusable};
use crate::message::HintMessage;
use crate::route::Routes;

/// The most bytes of messages that an event leads to: many routes may take each of many records.
const MESSAGES_BYTES: usize = 4 << 20;

/// How many messages an answer lists, and how many records without one.
const ACCEPTED: usize = 1_000;
const IGNORED: usize = 100;

/// The longest reason that is given, in bytes: some quote what a record says.
const REASON_BYTES: usize = 500;

/// An event's records, sorted.
#[derive(Debug, Default)]
pub struct Sorted {
    /// JSON texts for the queue.
    pub messages: Vec<String>,
    /// One entry a message, for the answer; the first of them.
    pub accepted: Vec<Value>,
    /// One entry a record without a message, with the reason; the first of them.
    pub ignored: Vec<Value>,
    /// How many records have none.
    ignored_records: usize,
    /// How long all messages are.
    bytes: usize,
}

/// Sorts `records` by `routes`: one message a hint and route. What came through a `topic` of SNS is for
/// the routes that name it.
///
/// # Errors
/// That there are more messages than are made of one event.
pub fn sort(
    records: Vec<Result<ObjectHint, Ignored>>,
    routes: &Routes,
    topic: Option<&str>,
    now: Timestamp,
) -> Result<Sorted, &'static str> {
    let mut sorted = Sorted::default();
    for record in records {
        match record {
            Ok(hint) => sorted.place(hint, routes, topic, now),
            Err(Ignored {
                bucket,
                key,
                reason,
            }) => sorted.ignore(bucket, key, reason),
        }
        if sorted.bytes > MESSAGES_BYTES {
            return Err("The event leads to more than 4 MiB of hints. Send fewer records at once.");
        }
    }
    Ok(sorted)
}

impl Sorted {
    /// How many are not listed, if any.
    #[must_use]
    pub fn not_listed(&self) -> Option<Value> {
        let accepted = self.messages.len() - self.accepted.len();
        let ignored = self.ignored_records - self.ignored.len();
        (accepted + ignored > 0).then(|| json!({"accepted": accepted, "ignored": ignored}))
    }

    /// Says in the log what leads nowhere: for senders that are not answered.
    pub fn log_ignored(&self, platform: &impl Platform) {
        for ignored in &self.ignored {
            log::info(platform, &log::with_fields("ignored", ignored));
        }
        if let Some(counts) = self.not_listed() {
            log::info(
                platform,
                &json!({"event": "ignored", "not_listed": counts["ignored"]}),
            );
        }
    }

    fn place(
        &mut self,
        mut hint: ObjectHint,
        routes: &Routes,
        topic: Option<&str>,
        now: Timestamp,
    ) {
        if let Some(reason) = unusable(&hint.key) {
            return self.ignore(Some(hint.bucket), Some(hint.key), reason.to_owned());
        }
        hint.bound();
        let takes = || routes.matching(&hint.bucket, &hint.key);
        let mut matched = false;
        for route in takes().filter(|route| topic.is_none_or(|topic| route.hears(topic))) {
            matched = true;
            self.send(&hint, &route.name, now);
        }
        if !matched {
            let reason = if takes().next().is_some() {
                "No route of this bucket and key names the topic that the event came through."
            } else if routes.has_source(&hint.bucket) {
                "No route of this bucket has a prefix that the key begins with."
            } else {
                "No route reads from this bucket."
            };
            self.ignore(Some(hint.bucket), Some(hint.key), reason.to_owned());
        }
    }

    /// Takes `hint` in for `route`.
    pub fn send(&mut self, hint: &ObjectHint, route: &str, now: Timestamp) {
        let message = to_json(&HintMessage::new(route, hint.clone(), now));
        self.bytes += message.len();
        self.messages.push(message);
        if self.accepted.len() < ACCEPTED {
            let ObjectHint { bucket, key, .. } = hint;
            let id = format!("{bucket}/{key}");
            self.accepted
                .push(json!({"id": id, "bucket": bucket, "key": key, "route": route}));
        }
    }

    /// Takes in that there is no message for a record, and why.
    pub fn ignore(
        &mut self,
        mut bucket: Option<String>,
        mut key: Option<String>,
        mut reason: String,
    ) {
        self.ignored_records += 1;
        if self.ignored.len() < IGNORED {
            for name in [&mut bucket, &mut key].into_iter().flatten() {
                cut(name, KEY_BYTES);
            }
            cut(&mut reason, REASON_BYTES);
            self.ignored
                .push(json!({"bucket": bucket, "key": key, "reason": reason}));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::route::Route;

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
        let sorted = sort(records, &routes(), None, Timestamp::UNIX_EPOCH).unwrap();
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
            let sorted = sorted.unwrap();
            (sorted.accepted.len(), sorted.ignored.len())
        };
        assert_eq!(taken(Some(ours)), (1, 0));
        assert_eq!(taken(Some(other)), (2, 0));
        assert_eq!(taken(Some("arn:aws:sns:eu-west-1:1:c")), (0, 1));
        assert_eq!(taken(None), (3, 0));
    }

    #[test]
    fn what_no_store_can_be_asked_for_is_ignored_and_spoils_no_other() {
        let long = "é".repeat(513);
        let records = ["../1", "a/./b", &long, "b"].map(|key| Ok(hint("one", key)));
        let sorted = sort(records.into(), &routes(), None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(sorted.accepted.len(), 1);
        let reasons: Vec<_> = sorted
            .ignored
            .iter()
            .map(|entry| entry["reason"].as_str().unwrap())
            .collect();
        assert!(reasons[0].contains("segment") && reasons[1].contains("segment"));
        assert!(reasons[2].contains("1,024 bytes"));
        assert!(sorted.ignored[2]["key"].as_str().unwrap().len() <= KEY_BYTES);
    }

    #[test]
    fn a_message_fits_the_queue_whatever_the_record_says() {
        let records = vec![Ok(ObjectHint {
            event: "\u{1}".repeat(1 << 20),
            version_id: Some("\u{1}".repeat(1 << 20)),
            ..hint("one", &"\u{1}".repeat(KEY_BYTES))
        })];
        let sorted = sort(records, &routes(), None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(sorted.accepted.len(), 1);
        assert!(sorted.messages[0].len() < 20_000);
    }

    #[test]
    fn an_answer_lists_the_first_and_counts_the_others() {
        let records =
            |count, key: &str| -> Vec<_> { (0..count).map(|_| Ok(hint("two", key))).collect() };
        let sort = |records| sort(records, &routes(), None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(sort(records(IGNORED, "..")).not_listed(), None);
        let mut both = records(3000, "..");
        both.extend(records(1001, "in/a"));
        let sorted = sort(both);
        assert_eq!((sorted.accepted.len(), sorted.ignored.len()), (1000, 100));
        assert_eq!(sorted.messages.len(), 1001);
        let counts = json!({"accepted": 1, "ignored": 2900});
        assert_eq!(sorted.not_listed(), Some(counts));
    }

    #[test]
    fn what_many_routes_make_of_many_records_is_bounded() {
        let many = (0..50).map(|number| {
            let table = json!({"source": "s3://one", "destination": format!("gs://dst{number}")});
            Route::parse(&format!("ROUTE_R{number}"), table).unwrap()
        });
        let many = Routes::new(many).unwrap();
        let sort = |count| {
            let records = (0..count).map(|_| Ok(hint("one", &"k".repeat(KEY_BYTES))));
            sort(records.collect(), &many, None, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(sort(10).unwrap().messages.len(), 500);
        assert!(sort(5000).unwrap_err().contains("4 MiB"));
    }
}
