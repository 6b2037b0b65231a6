//! Causeway on Cloudflare Workers: the entry points and the port on workerd.
//!
//! `fetch` takes events in ([`ingress`]), `queue` carries hints and parts out ([`consumer`],
//! [`parts`]) and dead letters into quarantine ([`quarantine`]). A Durable Object a large object holds
//! its parts together ([`coordinator`]); one a route keeps its ledger ([`ledger`]), and others look for
//! what no event told of ([`walk`]). What is decided is decided in `causeway_shared`; this crate only
//! moves bytes and answers.
//!
//! Nothing here panics: a panic in an isolate fails every request that is in flight in it.

mod access_jwt;
mod api;
mod config;
mod consumer;
mod coordinator;
mod ingress;
mod ledger;
mod object;
mod outcome;
mod parts;
mod platform;
mod port;
mod puller;
mod quarantine;
mod reply;
mod rsa;
mod settle;
mod single_flight;
mod walk;

use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::Context;

/// What a new isolate does first.
#[wasm_bindgen(start)]
fn start() {
    platform::use_promises_for_tasks();
}

/// An HTTP request. Exported by hand, as is all of this: the `worker` crate's own event reads more
/// of a request than it needs.
///
/// # Errors
/// What the platform throws when the answer cannot be made.
#[wasm_bindgen]
pub async fn fetch(
    request: web_sys::Request,
    env: Env,
    _context: Context,
) -> Result<web_sys::Response, JsValue> {
    ingress::answer(&request, &env).await
}

/// A batch of a queue. The `worker` crate's own event gives no count of deliveries and turns an error
/// into a panic.
#[wasm_bindgen]
pub async fn queue(batch: platform::MessageBatch, env: Env, _context: Context) {
    if batch.queue().ends_with(quarantine::QUEUE) {
        quarantine::consume(&batch, &env).await;
    } else {
        consumer::consume(&batch, &env).await;
    }
}

/// The crons of wrangler.toml, if there are any: each wakes the pullers, and each but the one of every
/// minute is the time to see whether the two sides are the same.
#[wasm_bindgen]
pub async fn scheduled(event: JsValue, env: Env, _context: Context) {
    puller::wake_all(&env).await;
    if platform::cron_of(&event).as_deref() != Some(puller::CRON) {
        walk::reconcile_all(&env).await;
    }
}
