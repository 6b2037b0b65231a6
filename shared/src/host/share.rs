//! Shares of a batch. Few requests of an invocation may wait for their answers, and the buckets are far away: a batch
//! of more hints than that is dealt out to objects, each of which has as many connections again.
//!
//! A share's answer says what becomes of each of its messages. Where no answer comes, all of them come again.

use futures::future::join_all;
use serde::{Deserialize, Serialize};

use super::batch::{self, Done};
use super::settle::{Delivery, Verdict};
use super::{Class, Platform, from_json, log, to_json};
use crate::message::Fold;

/// Objects that a batch is dealt to at most: a hundred hints, six each.
const SHARES_AT_MOST: usize = 16;

/// Objects that large ones are dealt to at most: several objects may have to share the 128 MB of one isolate.
const WITH_LARGE_AT_MOST: usize = 3;

/// What a share answers.
#[derive(Default, Serialize, Deserialize)]
struct Answer {
    /// One a message, in their order.
    verdicts: Vec<Verdict>,
    done: Done,
}

/// Deals out what is more than this invocation should carry out at once: leaves its own share in `small` and `large`.
/// The messages of a fold stay together.
pub(super) fn deal(
    connections: usize,
    large_at_once: usize,
    small: &mut Vec<Fold>,
    large: &mut Vec<Fold>,
) -> Vec<Vec<Fold>> {
    let rest = small.split_off(small.len().min(connections));
    let rest_of_large = large.split_off(large.len().min(large_at_once));
    let of_small = rest.len().div_ceil(connections.max(1)).min(SHARES_AT_MOST);
    let of_large = rest_of_large
        .len()
        .div_ceil(large_at_once.max(1))
        .min(WITH_LARGE_AT_MOST);
    let mut shares: Vec<Vec<Fold>> = Vec::new();
    shares.resize_with(of_small.max(of_large), Vec::new);
    for (index, fold) in rest.into_iter().enumerate() {
        shares[index % of_small].push(fold);
    }
    for (index, fold) in rest_of_large.into_iter().enumerate() {
        shares[index % of_large].push(fold);
    }
    shares
}

/// Has objects carry `shares` out, and settles their messages by what they answer.
pub(super) async fn hand_out(
    platform: &impl Platform,
    shares: Vec<Vec<Fold>>,
    deliveries: &[&Delivery],
) -> Vec<Done> {
    let handed = shares.into_iter().map(async |share| {
        let members = share.iter().flat_map(|fold| &fold.members);
        let members: Vec<_> = members.map(|&member| deliveries[member]).collect();
        let answer = ask(platform, to_json(&members)).await;
        let answer = answer.unwrap_or_else(|reason| {
            log::share_lost(platform, members.len(), &reason);
            Answer::default()
        });
        for (delivery, verdict) in members.iter().zip(answer.verdicts) {
            delivery.settle(verdict);
        }
        answer.done
    });
    join_all(handed).await
}

/// Gives `share` to an object of this isolate's that has none: two shares of one object would have to share its
/// connections. One that gave no answer is not asked again.
async fn ask(platform: &impl Platform, share: String) -> Result<Answer, String> {
    let isolate = platform.isolate();
    let idle = isolate.idle.borrow_mut().pop();
    let name = idle.unwrap_or_else(|| format!("{:032x}", platform.random()));
    let answer = platform.call(Class::BatchShare, &name, share).await?;
    isolate.idle.borrow_mut().push(name);
    from_json(&answer)
}

/// The Durable Object that carries shares out. It stores nothing.
#[derive(Debug)]
pub struct BatchShare<P>(P);

impl<P: Platform> BatchShare<P> {
    /// One on `platform`.
    pub fn new(platform: P) -> Self {
        Self(platform)
    }

    /// Carries out the share that a batch dealt out, and says what becomes of its messages.
    ///
    /// # Errors
    /// Why `share` cannot be read.
    pub async fn answer(&self, share: &str) -> Result<String, String> {
        let deliveries: Vec<Delivery> = from_json(share)?;
        let done = batch::carry_out_share(&self.0, &deliveries).await;
        let verdicts = deliveries.iter().map(Delivery::verdict).collect();
        Ok(to_json(&Answer { verdicts, done }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folds(count: usize) -> Vec<Fold> {
        let one = |member| Fold {
            members: vec![member],
        };
        (0..count).map(one).collect()
    }

    /// How many are left here, and how many each share has, of 6 connections and 3 large ones at once.
    fn dealt(small: usize, large: usize) -> (usize, usize, Vec<usize>) {
        let (mut small, mut large) = (folds(small), folds(large));
        let shares = deal(6, 3, &mut small, &mut large);
        let sizes = shares.iter().map(Vec::len);
        (small.len(), large.len(), sizes.collect())
    }

    #[test]
    fn what_an_invocation_has_connections_for_stays_here() {
        assert_eq!(dealt(0, 0), (0, 0, vec![]));
        assert_eq!(dealt(6, 3), (6, 3, vec![]));
        assert_eq!(dealt(7, 0), (6, 0, vec![1]));
        assert_eq!(dealt(20, 5), (6, 3, vec![7, 5, 4]));
        assert_eq!(dealt(100, 0), (6, 0, [vec![6; 14], vec![5; 2]].concat()));
    }

    #[test]
    fn large_objects_are_in_few_shares() {
        assert_eq!(dealt(0, 100), (0, 3, vec![33, 32, 32]));
    }

    #[test]
    fn each_is_dealt_to_one() {
        let (mut small, mut large) = (folds(50), Vec::new());
        let shares = deal(6, 3, &mut small, &mut large);
        let all = small.iter().chain(shares.iter().flatten());
        let mut members: Vec<_> = all.flat_map(|fold| fold.members.clone()).collect();
        members.sort_unstable();
        assert_eq!(members, (0..50).collect::<Vec<_>>());
    }
}
