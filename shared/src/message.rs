//! What stands in the two queues: hints on their way, and hints that could not be carried out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::TransferError;
use crate::event::ObjectHint;

/// A message of the queue of hints: a hint and the route that it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HintMessage {
    /// The route's name.
    pub route: String,
    /// What may have changed.
    pub hint: ObjectHint,
    /// When the worker took it in.
    pub accepted_at: Timestamp,
}

/// A message of the dead-letter queue: everything needed to understand and to replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The message as it stood in the queue of hints.
    pub message: serde_json::Value,
    /// Why it is here.
    pub error: TransferError,
    /// How often it was delivered.
    pub deliveries: u32,
    /// When it was given up.
    pub failed_at: Timestamp,
}

/// Messages of one batch that one transfer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Their places in the batch; the last is the one whose hint is used.
    pub members: Vec<usize>,
}

impl Fold {
    /// The place of the message whose hint is used: the youngest by sequencer where both have one,
    /// else the later in the batch. It matters only for planning; the source says what is true.
    #[must_use]
    pub fn leader(&self) -> usize {
        self.members.last().copied().unwrap_or_default()
    }
}

/// Folds a batch: messages of one route and key become one transfer, in the order of the first.
#[must_use]
pub fn fold(messages: &[HintMessage]) -> Vec<Fold> {
    let mut folds: Vec<Fold> = Vec::new();
    let mut places: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        let hint = &message.hint;
        let key = (
            message.route.as_str(),
            hint.bucket.as_str(),
            hint.key.as_str(),
        );
        let place = *places.entry(key).or_insert_with(|| {
            folds.push(Fold {
                members: Vec::new(),
            });
            folds.len() - 1
        });
        let members = &mut folds[place].members;
        let is_older = members.last().is_some_and(|&leader| {
            matches!((&hint.sequencer, &messages[leader].hint.sequencer),
                (Some(ours), Some(leaders)) if ours < leaders)
        });
        let at = members.len() - usize::from(is_older);
        members.insert(at, index);
    }
    folds
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::event::Sequencer;

    fn message(route: &str, key: &str, sequencer: Option<&str>) -> HintMessage {
        HintMessage {
            route: route.into(),
            hint: ObjectHint {
                bucket: "b".into(),
                key: key.into(),
                event: "ObjectCreated:Put".into(),
                time: None,
                version_id: None,
                size: None,
                sequencer: sequencer.map(|text| Sequencer(text.into())),
            },
            accepted_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn one_transfer_a_route_and_key_led_by_the_youngest_hint() {
        let folds = fold(&[
            message("r", "a", Some("3")),
            message("r", "b", None),
            message("r", "a", Some("9")),
            message("s", "a", Some("1")),
            message("r", "a", Some("5")),
            message("r", "b", None),
        ]);
        let members: Vec<_> = folds.iter().map(|fold| fold.members.clone()).collect();
        assert_eq!(members, [vec![0, 4, 2], vec![1, 5], vec![3]]);
        assert_eq!(folds[0].leader(), 2);
    }

    #[test]
    fn every_message_is_in_exactly_one_fold() {
        let messages: Vec<_> = (0..50)
            .map(|n| message("r", &format!("k{}", n % 7), None))
            .collect();
        let mut places: Vec<_> = fold(&messages)
            .into_iter()
            .flat_map(|fold| fold.members)
            .collect();
        places.sort_unstable();
        assert_eq!(places, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_message_survives_the_queue() {
        let message = message("r", "a", Some("0A"));
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<HintMessage>(&text).unwrap(), message);
    }
}
