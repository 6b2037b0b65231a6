//! A batch of a queue of ours: hints are folded and carried out side by side, parts are copied beside
//! them, and each message is settled by itself.
//!
//! Nothing that happens to one message touches another, and the batch itself never fails.

use std::cell::RefCell;
use std::collections::BTreeMap;

use causeway_shared::drive::drive;
use causeway_shared::error::{ErrorKind, TransferError};
use causeway_shared::event::{self, EventError, Notification};
use causeway_shared::ledger::Record;
use causeway_shared::message::{Fold, HintMessage, Message, PartMessage, fold};
use causeway_shared::plan::SINGLE_REQUEST_LIMIT;
use causeway_shared::transfer::{Ending, Outcome, Transfer};
use futures::StreamExt as _;
use futures::future::join3;
use futures::stream;
use serde_json::json;
use worker::Env;

use crate::config::Config;
use crate::coordinator::Handle;
use crate::ingress::hints;
use crate::outcome;
use crate::parts;
use crate::platform::{self, MessageBatch, Queue};
use crate::settle::{Delivery, settle};

/// Small transfers under way at once. Only six requests of an invocation may wait for their answer;
/// some more transfers than that keep these six busy while bodies are moving.
const SMALL_AT_ONCE: usize = 24;

/// Large transfers under way at once, beside the small ones: an upload waits for its answer from its
/// first byte to its last, so that six of them would leave the others no connection.
const LARGE_AT_ONCE: usize = 3;

/// Parts under way at once: as many as requests may wait for their answer. `max_batch_size` of their
/// queue is the same, so that all of a batch begin at once.
const PARTS_AT_ONCE: usize = 6;

/// No transfer is begun later than this after the batch, in milliseconds: a transfer may take 13 of
/// the 15 minutes that a consumer has, and what is under way when they end is lost.
const BEGIN_WITHIN: f64 = 90_000.0;

/// How long a batch waits when the worker is misconfigured, in seconds.
const MISCONFIGURED_DELAY: u32 = 60;

/// How long a message waits when the platform did not take over what it led to, in seconds.
const PLATFORM_DELAY: u32 = 10;

/// What the ledgers are to say, by route.
type Records = BTreeMap<String, Vec<Record>>;

/// A batch, sorted.
#[derive(Default)]
struct Batch {
    hints: Vec<HintMessage>,
    /// One a hint, in the same order.
    deliveries: Vec<Delivery>,
    parts: Vec<(PartMessage, Delivery)>,
    /// Events that their sender put into the queue itself, as R2 does, and their messages.
    events: Vec<(Vec<String>, Delivery)>,
    unreadable: Vec<(Delivery, TransferError)>,
}

/// Carries a batch out. Every message of it is acknowledged or given back when this returns.
pub(crate) async fn consume(batch: &MessageBatch, env: &Env) {
    let messages = batch.list();
    let config = match Config::of(env) {
        Ok(config) => config,
        Err(error) => {
            let line = json!({"event": "misconfigured", "variable": error.variable, "message": error.message, "messages": messages.len(), "delay_s": MISCONFIGURED_DELAY});
            outcome::log_error(&line);
            for message in &messages {
                message.again_after(MISCONFIGURED_DELAY);
            }
            return;
        }
    };
    let Batch {
        hints,
        deliveries,
        parts,
        events,
        unreadable,
    } = read(messages, &config);
    for (hints, delivery) in events {
        match hints::put(&hints, env).await {
            Ok(()) => delivery.acknowledge(),
            Err(_) => delivery.again_after(PLATFORM_DELAY),
        }
    }
    for (delivery, error) in unreadable {
        let decision = settle(&delivery, &Err::<Outcome, _>(error), env).await;
        outcome::log_unreadable(&decision);
    }
    let (large, small): (Vec<Fold>, Vec<Fold>) = fold(&hints)
        .into_iter()
        .partition(|fold| is_large(&hints[fold.leader()]));
    let records = RefCell::new(Records::new());
    let began = js_sys::Date::now();
    let run = async |fold: Fold| {
        if js_sys::Date::now() - began > BEGIN_WITHIN {
            return give_back(&fold, &deliveries);
        }
        let record = carry_out(fold, &hints, &deliveries, &config, env).await;
        if let Some((route, record)) = record {
            records.borrow_mut().entry(route).or_default().push(record);
        }
    };
    join3(
        stream::iter(small).for_each_concurrent(SMALL_AT_ONCE, run),
        stream::iter(large).for_each_concurrent(LARGE_AT_ONCE, run),
        stream::iter(&parts).for_each_concurrent(PARTS_AT_ONCE, async |(part, delivery)| {
            if js_sys::Date::now() - began > BEGIN_WITHIN {
                return delivery.again_after(0);
            }
            parts::carry_out(part, delivery, &config, env).await;
        }),
    )
    .await;
    for (route, records) in records.into_inner() {
        outcome::record(&route, records, env).await;
    }
}

/// Whether an object goes through a session, as far as its event says.
fn is_large(message: &HintMessage) -> bool {
    message.session.is_some() || message.hint.size.unwrap_or_default() > SINGLE_REQUEST_LIMIT
}

/// Leaves messages to the next batch.
fn give_back(fold: &Fold, deliveries: &[Delivery]) {
    for &member in &fold.members {
        deliveries[member].again_after(0);
    }
}

/// One transfer, and the settling of every message that it answers. Gives what the ledger is to say of
/// it, and of which route; nothing where it goes on elsewhere.
async fn carry_out(
    fold: Fold,
    hints: &[HintMessage],
    deliveries: &[Delivery],
    config: &Config,
    env: &Env,
) -> Option<(String, Record)> {
    let leader = &fold.message(hints);
    let started = platform::now();
    let result = match transfer(leader, config, env).await {
        Ok(Ending::Settled(outcome)) => Ok(outcome),
        Err(error) => Err(error),
        Ok(goes_on) => {
            let taken = hand_over(leader, goes_on, env).await;
            if let Err(reason) = &taken {
                outcome::log_not_handed_over(leader, reason);
            }
            for &member in &fold.members {
                match taken {
                    Ok(true) => deliveries[member].acknowledge(),
                    Ok(false) | Err(_) => deliveries[member].again_after(PLATFORM_DELAY),
                }
            }
            return None;
        }
    };
    let elapsed = outcome::milliseconds_since(started);
    let mut record = None;
    for &member in &fold.members {
        let decision = settle(&deliveries[member], &result, env).await;
        if member == fold.leader() || decision.is_trouble() {
            outcome::log(&hints[member], &result, elapsed, &decision);
            record = Some(outcome::record_of(&hints[member], &result, &decision));
        }
    }
    record.map(|record| (leader.route.clone(), record))
}

/// Hands what does not end here to whoever goes on with it: the coordinator of its parts, or another
/// message. It answers for the hint once this gives `true`.
async fn hand_over(message: &HintMessage, ending: Ending, env: &Env) -> Result<bool, String> {
    match ending {
        Ending::Settled(_) => Ok(true),
        Ending::Parts(order) => {
            let coordinator = Handle::new(env, &order.coordinator())?;
            let line = outcome::in_parts(&order);
            let taken = coordinator.start(*order).await?;
            if taken {
                outcome::log_line(&line);
            }
            Ok(taken)
        }
        Ending::Carry { session, delay } => {
            let line = outcome::carried(message, &session);
            let next = HintMessage {
                session: Some(session),
                ..message.clone()
            };
            let queue = Queue::bound(env, "HINTS")?;
            queue.put_after(&next, delay).await?;
            outcome::log_line(&line);
            Ok(true)
        }
    }
}

async fn transfer(
    message: &HintMessage,
    config: &Config,
    env: &Env,
) -> Result<Ending, TransferError> {
    let route = config.route(&message.route)?;
    let reach = config.reach(&route.name);
    let transfer = Transfer::new(
        reach.access.clone(),
        route.clone(),
        message,
        platform::random(),
    )?;
    let mut port = reach.port(env);
    drive(transfer, &mut port).await
}

/// Tells the messages that this version can read from those that it cannot.
fn read(messages: Vec<platform::Message>, config: &Config) -> Batch {
    let mut batch = Batch::default();
    for message in messages {
        let text = message.text();
        match Message::read(text.as_bytes()) {
            Ok(Message::Hint(hint)) => {
                let delivery = Delivery::new(message, text, hint.returns);
                batch.hints.push(hint);
                batch.deliveries.push(delivery);
            }
            Ok(Message::Part(part)) => {
                batch.parts.push((part, Delivery::new(message, text, 0)));
            }
            Err(error) => {
                let why = match event::parse(text.as_bytes()) {
                    // Of a bucket that was told of the queue: there is nothing to do.
                    Ok(Notification::Test { .. }) => {
                        let delivery = Delivery::new(message, text, 0);
                        batch.events.push((Vec::new(), delivery));
                        continue;
                    }
                    Ok(Notification::Records(records)) => {
                        match hints::sort(records, &config.routes, None, platform::now()) {
                            Ok(sorted) => {
                                sorted.log_ignored();
                                let delivery = Delivery::new(message, text, 0);
                                batch.events.push((sorted.messages, delivery));
                                continue;
                            }
                            Err(why) => why.to_owned(),
                        }
                    }
                    Err(why @ EventError::TooMany) => why.to_string(),
                    Err(_) => format!("The message is neither a hint nor a part: {error}."),
                };
                let advice =
                    "Find out who put it in the queue; another version of Causeway may have.";
                let error = TransferError::new(ErrorKind::MessageUnreadable, why, advice);
                let delivery = Delivery::new(message, text, 0);
                batch.unreadable.push((delivery, error));
            }
        }
    }
    batch
}
