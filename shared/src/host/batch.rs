//! A batch of a queue of ours: hints are folded and carried out side by side, parts are copied beside
//! them, and each message is settled by itself.
//!
//! What is more than this invocation has connections for is dealt out ([`share`]).
//!
//! Nothing that happens to one message touches another, and the batch itself never fails.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::{join, join3};
use futures::stream;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::hand_over::{carried_in_vain, hand_over, is_in_vain};
use super::settle::{Decision, Delivery, PLATFORM_DELAY, Verdict, settle};
use super::{
    Delivered, Platform, Queue, RouteAccess, gate, hints, ledger, log, part, put, put_again,
    put_all_after, share, tables, to_json,
};
use crate::drive::drive;
use crate::error::{ErrorKind, TransferError};
use crate::event::{self, EventError, Notification};
use crate::ledger::Record;
use crate::message::{Fold, HintMessage, Message, PartMessage, fold};
use crate::plan::SINGLE_REQUEST_LIMIT;
use crate::retry::of_large;
use crate::route::Routes;
use crate::time::milliseconds;
use crate::transfer::{Ending, Outcome, Transfer};

/// Small transfers under way at once in one invocation. It has hardly more than it has connections, because the rest
/// of the batch is dealt out; this bounds one that has.
const SMALL_AT_ONCE: usize = 24;

/// Large transfers under way at once, beside the small ones: an upload waits for its answer from its
/// first byte to its last, so that six of them would leave the others no connection.
const LARGE_AT_ONCE: usize = 3;

/// Parts under way at once: as many as requests may wait for their answer. `max_batch_size` of their
/// queue is the same, so that all of a batch begin at once.
const PARTS_AT_ONCE: usize = 6;

/// No transfer is begun later than this after the batch: a transfer may take 13 of the 15 minutes that a
/// consumer has, and what is under way when they end is lost.
const BEGIN_WITHIN: SignedDuration = SignedDuration::from_secs(90);

/// How long a message waits when the worker is misconfigured, in seconds: at first, and at most.
const MISCONFIGURED_DELAY: u32 = 60;
const MISCONFIGURED_DELAY_AT_MOST: u32 = 3600;
/// After this many deliveries, some four hours, it is put into its queue as a new one: none of them was a try, and
/// nothing is given up for them.
const MISCONFIGURED_DELIVERIES: u32 = 8;

/// A batch, sorted.
struct Batch<'a> {
    hints: Vec<HintMessage>,
    /// One a hint, in the same order.
    deliveries: Vec<&'a Delivery>,
    parts: Vec<(PartMessage, &'a Delivery)>,
    /// Events that their sender put into the queue itself, as R2 does, and their messages.
    events: Vec<(Vec<String>, &'a Delivery)>,
    unreadable: Vec<(&'a Delivery, TransferError)>,
}

/// What the routes' ledgers are to hear when a batch is done.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Done {
    /// What was done, and of which route.
    records: Vec<(String, Record)>,
    /// Deletes that brakes have granted and that were not made, by route.
    pub(super) permits: Vec<(String, u32)>,
    /// What tables are to hear before its hints are acknowledged.
    #[serde(default)]
    landed: Vec<tables::ForTable>,
}

/// Carries a batch out. Every message of it is acknowledged or given back when this returns.
pub async fn consume<P: Platform, M: Delivered>(platform: &P, messages: Vec<M>) {
    let deliveries: Vec<_> = messages.iter().map(Delivery::of).collect();
    carry_out_batch(platform, &deliveries).await;
    for (message, delivery) in messages.iter().zip(&deliveries) {
        match delivery.verdict() {
            Verdict::Acknowledged => message.acknowledge(),
            Verdict::Again(delay) => message.again_after(delay),
        }
    }
}

async fn carry_out_batch(platform: &impl Platform, deliveries: &[Delivery]) {
    let Some(batch) = sort(platform, deliveries).await else {
        return;
    };
    let (mut small, mut large) = folds(&batch.hints);
    let connections = platform.connections();
    let shares = share::deal(connections, LARGE_AT_ONCE, &mut small, &mut large);
    let elsewhere = share::hand_out(platform, shares, &batch.deliveries);
    let (here, elsewhere) = join(work(platform, &batch, small, large), elsewhere).await;
    let (mut records, mut for_tables) = (Vec::new(), Vec::new());
    for done in elsewhere.into_iter().chain([here]) {
        for_tables.extend(done.landed);
        records.extend(done.records);
        for (route, permits) in done.permits {
            platform.isolate().of(&route).permits += permits;
        }
    }
    tables::tell_all(platform, for_tables, deliveries).await;
    ledger::record_all(platform, records).await;
    for route in platform.isolate().with_permits() {
        ledger::return_permits(platform, &route).await;
    }
}

/// Carries a share of another invocation's batch out; of each of `deliveries` something is said when this returns.
pub(super) async fn carry_out_share(platform: &impl Platform, deliveries: &[Delivery]) -> Done {
    let Some(batch) = sort(platform, deliveries).await else {
        return Done::default();
    };
    let (small, large) = folds(&batch.hints);
    let mut done = work(platform, &batch, small, large).await;
    let isolate = platform.isolate();
    for route in isolate.with_permits() {
        let permits = std::mem::take(&mut isolate.of(&route).permits);
        done.permits.push((route, permits));
    }
    done
}

/// The small and the large ones.
fn folds(hints: &[HintMessage]) -> (Vec<Fold>, Vec<Fold>) {
    let is_small = |fold: &Fold| !is_large(&hints[fold.leader()]);
    fold(hints).into_iter().partition(is_small)
}

/// Carries out `small`, `large` and everything of `batch` that is no hint.
async fn work<P: Platform>(
    platform: &P,
    batch: &Batch<'_>,
    small: Vec<Fold>,
    large: Vec<Fold>,
) -> Done {
    let Batch {
        hints,
        deliveries,
        parts,
        events,
        unreadable,
    } = batch;
    for (hints, delivery) in events {
        match put(platform, Queue::Hints, hints).await {
            Ok(()) => delivery.acknowledge(),
            Err(_) => delivery.again_after(PLATFORM_DELAY),
        }
    }
    for (delivery, error) in unreadable {
        let decision = settle(platform, delivery, &Err::<Outcome, _>(error.clone())).await;
        log::unreadable(platform, &decision);
    }
    // What the ledgers are to say.
    let done = RefCell::new(Done::default());
    let not_begun = RefCell::new(Vec::new());
    // By route, and for how long.
    let held = RefCell::new(Vec::<(&str, Duration, Vec<usize>)>::new());
    let began = platform.now();
    let is_late = || platform.now().duration_since(began) > BEGIN_WITHIN;
    let run = async |fold: Fold| {
        if is_late() {
            return not_begun.borrow_mut().extend(fold.members);
        }
        let leader = &hints[fold.leader()];
        if let Some(wait) = gate::wait(platform, leader).await {
            let mut held = held.borrow_mut();
            match held.iter_mut().find(|(route, ..)| *route == leader.route) {
                Some((_, longest, members)) => {
                    *longest = wait.max(*longest);
                    members.extend(fold.members);
                }
                None => held.push((&leader.route, wait, fold.members)),
            }
            return;
        }
        carry_out(platform, fold, hints, deliveries, &done).await;
    };
    join3(
        stream::iter(small).for_each_concurrent(SMALL_AT_ONCE, run),
        stream::iter(large).for_each_concurrent(LARGE_AT_ONCE, run),
        stream::iter(parts).for_each_concurrent(PARTS_AT_ONCE, async |(message, delivery)| {
            if is_late() {
                return delivery.again_after(0);
            }
            part::carry_out(platform, message, delivery).await;
        }),
    )
    .await;
    give_back(platform, &not_begun.into_inner(), None, hints, deliveries).await;
    for (route, wait, members) in held.into_inner() {
        log::held(platform, route, members.len(), wait);
        give_back(platform, &members, Some(wait), hints, deliveries).await;
    }
    done.into_inner()
}

/// Whether an object goes through a session, as far as its event says.
fn is_large(message: &HintMessage) -> bool {
    message.session.is_some() || message.hint.size.unwrap_or_default() > SINGLE_REQUEST_LIMIT
}

fn misconfigured_delay(delivery: u32) -> u32 {
    let doublings = delivery.saturating_sub(1).min(16);
    (MISCONFIGURED_DELAY << doublings).min(MISCONFIGURED_DELAY_AT_MOST)
}

/// Returns `members` to the queue as new messages, so that a delivery in which no transfer began uses up no retry.
/// Those that their route's breaker holds come after that `wait`.
async fn give_back(
    platform: &impl Platform,
    members: &[usize],
    wait: Option<Duration>,
    hints: &[HintMessage],
    deliveries: &[&Delivery],
) {
    let copies = members.iter().map(|&member| {
        to_json(&HintMessage {
            returns: deliveries[member].count().saturating_sub(1),
            held: wait.is_some(),
            ..hints[member].clone()
        })
    });
    let copies: Vec<_> = copies.collect();
    let sent = put_all_after(platform, Queue::Hints, &copies, wait.unwrap_or_default()).await;
    for &member in members {
        match sent {
            Ok(()) => deliveries[member].acknowledge(),
            Err(_) => deliveries[member].again_after(0),
        }
    }
}

/// One transfer, and the settling of every message that it answers. Says in `done` what others are to hear of it, unless
/// it goes on elsewhere.
async fn carry_out<P: Platform>(
    platform: &P,
    fold: Fold,
    hints: &[HintMessage],
    deliveries: &[&Delivery],
    done: &RefCell<Done>,
) {
    let leader = &fold.message(hints);
    let count = deliveries[fold.leader()].count();
    let came_before = |&member: &usize| deliveries[member].count() > 1;
    let started = platform.now();
    let result = match transfer(platform, leader).await {
        Ok(Ending::Settled(outcome))
            if !is_unsure(platform, leader, &outcome) || !fold.members.iter().any(came_before) =>
        {
            Ok(outcome)
        }
        Ok(Ending::Carry { session, .. }) if is_in_vain(leader, &session, count) => {
            Err(carried_in_vain(session.furthest))
        }
        Ok(goes_on) => {
            let taken = hand_over(platform, leader, goes_on, count).await;
            if let Err(reason) = &taken {
                log::not_handed_over(platform, leader, reason);
            }
            for &member in &fold.members {
                match taken {
                    Ok(true) => deliveries[member].acknowledge(),
                    Ok(false) | Err(_) => deliveries[member].again_after(PLATFORM_DELAY),
                }
            }
            return;
        }
        Err(error) if is_large(leader) => Err(of_large(error, count)),
        Err(error) => Err(error),
    };
    if let Err(error) = &result {
        gate::refused(platform, leader, error).await;
    }
    let ended = platform.now();
    let elapsed = milliseconds(started, ended);
    let mut record = None;
    for &member in &fold.members {
        let decision = settle(platform, deliveries[member], &result).await;
        if member == fold.leader() || decision.is_trouble() {
            log::transfer(platform, &hints[member], &result, elapsed, &decision);
            let made = record_of(&hints[member], &result, &decision, ended);
            record = Some(made.since(started));
        }
    }
    let mut done = done.borrow_mut();
    if let Ok(outcome) = &result
        && let Some((table, landed)) = tables::landed_of(platform, leader, outcome)
    {
        let members = fold.members.iter();
        let deliveries = members.map(|&member| deliveries[member].id.clone());
        done.landed.push(tables::ForTable {
            table,
            landed,
            deliveries: deliveries.collect(),
        });
    }
    done.records
        .extend(record.map(|record| (leader.route.clone(), record)));
}

/// Whether `outcome` may not last: where source and copy are gone, GCS may still commit what an earlier delivery
/// sent before it died.
fn is_unsure(platform: &impl Platform, message: &HintMessage, outcome: &Outcome) -> bool {
    let propagates = || {
        let routes = platform.routes().ok();
        let route = routes
            .as_ref()
            .and_then(|routes| routes.get(&message.route));
        route.is_some_and(|route| route.propagates_deletes())
    };
    matches!(outcome, Outcome::SourceGone | Outcome::ListedGone) && propagates()
}

/// What the ledger is to say of `message`.
fn record_of(
    message: &HintMessage,
    result: &Result<Outcome, TransferError>,
    decision: &Decision,
    now: Timestamp,
) -> Record {
    match result {
        Ok(outcome) => Record::succeeded(message, outcome, now),
        Err(error) => Record::failed(message, error, decision.name(), now),
    }
}

async fn transfer<P: Platform>(
    platform: &P,
    message: &HintMessage,
) -> Result<Ending, TransferError> {
    let routes = platform.routes()?;
    let route = routes.of(&message.route, &message.hint)?;
    let RouteAccess { access, mut port } = platform.reach(&route.name)?;
    let transfer = Transfer::new(access, Arc::clone(route), message, platform.random())?;
    drive(transfer, &mut port).await
}

/// Tells the messages that this version can read from those that it cannot. Where the worker is misconfigured all are
/// given back.
async fn sort<'a>(platform: &impl Platform, deliveries: &'a [Delivery]) -> Option<Batch<'a>> {
    let routes = match platform.routes() {
        Ok(routes) => routes,
        Err(error) => {
            log::misconfigured(platform, &error, deliveries.len());
            for delivery in deliveries {
                wait_for_configuration(platform, delivery).await;
            }
            return None;
        }
    };
    let mut batch = Batch {
        hints: Vec::new(),
        deliveries: Vec::new(),
        parts: Vec::new(),
        events: Vec::new(),
        unreadable: Vec::new(),
    };
    for delivery in deliveries {
        match Message::read(delivery.text.as_bytes()) {
            Ok(Message::Hint(hint)) => {
                delivery.add_returns(hint.returns);
                batch.hints.push(hint);
                batch.deliveries.push(delivery);
            }
            Ok(Message::Part(part)) => batch.parts.push((part, delivery)),
            Err(error) => match read_event(platform, &delivery.text, &routes, &error) {
                Ok(hints) => batch.events.push((hints, delivery)),
                Err(error) => batch.unreadable.push((delivery, error)),
            },
        }
    }
    Some(batch)
}

/// Has a message come again once the configuration may be mended.
async fn wait_for_configuration(platform: &impl Platform, delivery: &Delivery) {
    let delay = misconfigured_delay(delivery.count());
    if delivery.count() >= MISCONFIGURED_DELIVERIES {
        let queue = match Message::read(delivery.text.as_bytes()) {
            Ok(Message::Part(_)) => Queue::Parts,
            _ => Queue::Hints,
        };
        if put_again(platform, queue, delivery.text.clone(), delay).await {
            return delivery.acknowledge();
        }
    }
    delivery.again_after(delay);
}

/// The hints of an event, as texts for their queue; `error` says why it is no message of ours.
fn read_event(
    platform: &impl Platform,
    text: &str,
    routes: &Routes,
    error: &serde_json::Error,
) -> Result<Vec<String>, TransferError> {
    let why = match event::parse(text.as_bytes()) {
        // Of a bucket that was told of the queue: there is nothing to do.
        Ok(Notification::Test { .. }) => return Ok(Vec::new()),
        Ok(Notification::Records(records)) => {
            match hints::sort(records, routes, None, platform.now()) {
                Ok(sorted) => {
                    sorted.log_ignored(platform);
                    return Ok(sorted.messages);
                }
                Err(why) => why.to_owned(),
            }
        }
        Err(why @ EventError::TooMany) => why.to_string(),
        Err(_) => format!("The message is neither a hint nor a part: {error}."),
    };
    let advice = "Find out who put it in the queue; another version of Causeway may have.";
    Err(TransferError::new(
        ErrorKind::MessageUnreadable,
        why,
        advice,
    ))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use futures::executor::block_on;

    use super::*;
    use crate::host::ledger::tests::Fake;

    /// A message, and what was said of it.
    struct Waiting(u32, Rc<Cell<Option<u32>>>);

    impl Delivered for Waiting {
        fn text(&self) -> String {
            "text".into()
        }

        fn id(&self) -> String {
            String::new()
        }

        fn count(&self) -> u32 {
            self.0
        }

        fn acknowledge(&self) {
            self.1.set(None);
        }

        fn again_after(&self, delay: u32) {
            self.1.set(Some(delay));
        }
    }

    /// However long that takes.
    #[test]
    fn a_misconfigured_worker_gives_nothing_up() {
        let platform = Fake::misconfigured();
        let said = Rc::new(Cell::new(Some(0)));
        let deliver = |count| {
            block_on(consume(&platform, vec![Waiting(count, Rc::clone(&said))]));
            (said.get(), platform.sent().len())
        };
        assert_eq!(deliver(7), (Some(3600), 0));
        assert_eq!(deliver(8), (None, 1));
        assert_eq!(platform.sent(), ["text"]);
    }

    #[test]
    fn what_waits_for_the_configuration_waits_longer_each_time() {
        assert_eq!(misconfigured_delay(1), 60);
        assert_eq!(misconfigured_delay(2), 120);
        assert_eq!(misconfigured_delay(u32::MAX), 3600);
    }
}
