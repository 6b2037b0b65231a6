//! Causeway on Cloudflare Workers: the entry points and the port on workerd.
//!
//! `fetch` takes events in ([`ingress`]) and answers the API ([`api`]); `queue`, the crons and the Durable
//! Objects ([`objects`]) do what `causeway_shared::host` says, over [`host`]. What is decided is decided in
//! `causeway_shared`; this crate only moves bytes ([`port`]) and answers.
//!
//! Nothing here panics: a panic in an isolate fails every request that is in flight in it.

mod access_jwt;
mod api;
mod config;
mod host;
mod ingress;
mod objects;
mod platform;
mod port;
mod reply;
mod rsa;
mod single_flight;

use causeway_shared::host::{batch, puller, quarantine, walk};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::worker_sys::Context;

use host::Workerd;

/// What the name of the queue of dead letters ends with, by which its batches are told from others.
const DEAD_LETTERS: &str = "dead-letters";

/// The cron that wakes the pullers and nothing else.
const EVERY_MINUTE: &str = "* * * * *";

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
    let (platform, messages) = (Workerd::new(&env), batch.list());
    if batch.queue().ends_with(DEAD_LETTERS) {
        quarantine::consume(&platform, messages).await;
    } else {
        batch::consume(&platform, messages).await;
    }
}

/// The crons of wrangler.toml, if there are any: each wakes the pullers, and each but the one of every
/// minute is the time to see whether the two sides are the same.
#[wasm_bindgen]
pub async fn scheduled(event: JsValue, env: Env, _context: Context) {
    let platform = Workerd::new(&env);
    puller::wake_all(&platform).await;
    if platform::cron_of(&event).as_deref() != Some(EVERY_MINUTE) {
        walk::reconcile_all(&platform).await;
    }
}
