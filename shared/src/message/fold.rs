//! Messages of a batch that one transfer answers.

use std::collections::BTreeMap;

use super::HintMessage;

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

    /// The message that the transfer is of: the leader of `messages`, released if any member is, with the
    /// failures of all, and followed if it goes on with an upload for which the sides were looked at before
    /// another came.
    #[must_use]
    pub fn message(&self, messages: &[HintMessage]) -> HintMessage {
        let leader = &messages[self.leader()];
        let members = || self.members.iter().map(|&member| &messages[member]);
        let came_later = |member: &HintMessage| member.session.is_none() || member.followed;
        HintMessage {
            released: members().any(|member| member.released),
            followed: leader.session.is_some() && members().any(came_later),
            failures: members()
                .map(|member| member.failures)
                .max()
                .unwrap_or_default(),
            first_failed_at: members().filter_map(|member| member.first_failed_at).min(),
            ..leader.clone()
        }
    }
}

/// Folds a batch: messages of one route and key become one transfer, in the order of the first. One
/// that carries a session leads, so that what it has sent is not sent again.
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
            let leader = &messages[leader];
            match (&message.session, &leader.session) {
                (None, Some(_)) => true,
                (Some(_), None) => false,
                _ => matches!((&hint.sequencer, &leader.hint.sequencer),
                    (Some(ours), Some(leaders)) if ours < leaders),
            }
        });
        let at = members.len() - usize::from(is_older);
        members.insert(at, index);
    }
    folds
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::Timestamp;

    use super::*;
    use crate::message::tests::{message, session};

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
    fn what_is_folded_with_a_replay_has_its_failures() {
        let mut replayed = message("r", "a", Some("1"));
        replayed.failures = 3;
        replayed.first_failed_at = Some(Timestamp::UNIX_EPOCH);
        let messages = [replayed, message("r", "a", Some("2"))];
        let folded = fold(&messages)[0].message(&messages);
        assert_eq!(
            (folded.failures, folded.first_failed_at),
            (3, Some(Timestamp::UNIX_EPOCH))
        );
        let text = serde_json::to_vec(&folded).unwrap();
        assert_eq!(
            serde_json::from_slice::<HintMessage>(&text).unwrap(),
            folded
        );
    }

    #[test]
    fn a_carried_session_leads_whatever_came_after_it() {
        let mut carrying = message("r", "a", Some("1"));
        carrying.session = Some(Box::new(session()));
        let folds = fold(&[
            message("r", "a", Some("3")),
            carrying,
            message("r", "a", Some("9")),
        ]);
        assert_eq!(folds[0].leader(), 1);
        assert_eq!(folds[0].members.len(), 3);
    }

    #[test]
    fn what_is_folded_behind_an_upload_has_both_sides_looked_at_after_it() {
        let plain = message("r", "a", Some("3"));
        let mut carrying = message("r", "a", Some("1"));
        carrying.session = Some(Box::new(session()));
        let mut followed = carrying.clone();
        followed.followed = true;
        let is_followed = |messages: &[HintMessage]| fold(messages)[0].message(messages).followed;
        assert!(is_followed(&[plain.clone(), carrying.clone()]));
        assert!(is_followed(&[followed.clone()]) && is_followed(&[followed, carrying.clone()]));
        assert!(!is_followed(&[carrying.clone(), carrying]));
        assert!(!is_followed(&[plain.clone(), plain]));
    }

    #[test]
    fn what_a_person_released_is_released_whoever_leads() {
        let mut released = message("r", "a", Some("1"));
        released.released = true;
        let messages = [
            released,
            message("r", "a", Some("9")),
            message("r", "b", None),
        ];
        let folded: Vec<_> = fold(&messages)
            .iter()
            .map(|fold| fold.message(&messages))
            .collect();
        let mut leader = messages[1].clone();
        leader.released = true;
        assert_eq!(folded, [leader, messages[2].clone()]);
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
}
