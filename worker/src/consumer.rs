//! A batch of the queue of hints: folded, carried out side by side, settled message by message.
//!
//! Nothing that happens to one message touches another, and the batch itself never fails.

use causeway_shared::drive::drive;
use causeway_shared::error::{ErrorKind, TransferError};
use causeway_shared::message::{Fold, HintMessage, fold};
use causeway_shared::plan::SINGLE_REQUEST_LIMIT;
use causeway_shared::transfer::{Outcome, Transfer};
use futures::StreamExt as _;
use futures::future::join;
use futures::stream;
use serde_json::{Value, json};
use worker::Env;

use crate::config::Config;
use crate::outcome;
use crate::platform::{self, Message, MessageBatch};
use crate::port::WorkerdPort;
use crate::settle::{Delivery, settle};

/// Small transfers under way at once. Only six requests of an invocation may wait for their answer;
/// some more transfers than that keep these six busy while bodies are moving.
const SMALL_AT_ONCE: usize = 24;

/// Large transfers under way at once, beside the small ones: an upload waits for its answer from its
/// first byte to its last, so that six of them would leave the others no connection.
const LARGE_AT_ONCE: usize = 3;

/// No transfer is begun later than this after the batch, in milliseconds: a transfer may take 13 of
/// the 15 minutes that a consumer has, and what is under way when they end is lost.
const BEGIN_WITHIN: f64 = 90_000.0;

/// How long a batch waits when the worker is misconfigured, in seconds.
const MISCONFIGURED_DELAY: u32 = 60;

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
    let (hints, deliveries, unreadable) = read(messages);
    for (delivery, error) in unreadable {
        let decision = settle(&delivery, &Err(error), env).await;
        outcome::log_unreadable(&decision);
    }
    let (large, small): (Vec<Fold>, Vec<Fold>) = fold(&hints)
        .into_iter()
        .partition(|fold| is_large(&hints[fold.leader()]));
    let began = js_sys::Date::now();
    let run = async |fold: Fold| {
        if js_sys::Date::now() - began > BEGIN_WITHIN {
            return give_back(&fold, &deliveries);
        }
        carry_out(fold, &hints, &deliveries, &config, env).await;
    };
    join(
        stream::iter(small).for_each_concurrent(SMALL_AT_ONCE, run),
        stream::iter(large).for_each_concurrent(LARGE_AT_ONCE, run),
    )
    .await;
}

/// Whether an object goes through a session, as far as its event says.
fn is_large(message: &HintMessage) -> bool {
    message.hint.size.unwrap_or_default() > SINGLE_REQUEST_LIMIT
}

/// Leaves messages to the next batch.
fn give_back(fold: &Fold, deliveries: &[Delivery]) {
    for &member in &fold.members {
        deliveries[member].give_back();
    }
}

/// One transfer, and the settling of every message that it answers.
async fn carry_out(
    fold: Fold,
    hints: &[HintMessage],
    deliveries: &[Delivery],
    config: &Config,
    env: &Env,
) {
    let leader = &hints[fold.leader()];
    let started = platform::now();
    let result = transfer(leader, config).await;
    let elapsed = platform::now().duration_since(started).as_millis();
    let elapsed = u64::try_from(elapsed).unwrap_or_default();
    for &member in &fold.members {
        let decision = settle(&deliveries[member], &result, env).await;
        if member == fold.leader() || decision.is_trouble() {
            outcome::log(&hints[member], &result, elapsed, &decision);
        }
    }
}

async fn transfer(message: &HintMessage, config: &Config) -> Result<Outcome, TransferError> {
    let route = config.routes.get(&message.route).ok_or_else(|| {
        TransferError::new(
            ErrorKind::RouteMissing,
            format!("There is no route {:?} any more.", message.route),
            "Add the route again and replay the message, or drop it.",
        )
    })?;
    let transfer = Transfer::new(
        config.access.clone(),
        route.clone(),
        message.hint.clone(),
        platform::random(),
    )?;
    let mut port = WorkerdPort::new(config.signing_key.clone());
    drive(transfer, &mut port).await
}

/// Tells the messages that this version can read from those that it cannot.
fn read(
    messages: Vec<Message>,
) -> (
    Vec<HintMessage>,
    Vec<Delivery>,
    Vec<(Delivery, TransferError)>,
) {
    let (mut hints, mut deliveries, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for message in messages {
        let text = message.text();
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let delivery = Delivery::new(message, value);
        match serde_json::from_value(delivery.value.clone()) {
            Ok(hint) => {
                hints.push(hint);
                deliveries.push(delivery);
            }
            Err(error) => unreadable.push((
                delivery,
                TransferError::new(
                    ErrorKind::MessageUnreadable,
                    format!("The message is not a hint: {error}."),
                    "Find out who put it in the queue; another version of Causeway may have.",
                ),
            )),
        }
    }
    (hints, deliveries, unreadable)
}
