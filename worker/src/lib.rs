//! Causeway on Cloudflare Workers: the entry points and the port on workerd.
//!
//! `fetch` takes events in ([`ingress`]), `queue` carries hints and parts out ([`consumer`],
//! [`parts`]), and a Durable Object a large object holds its parts together ([`coordinator`]). What
//! is decided is decided in `causeway_shared`; this crate only moves bytes and answers.
//!
//! Nothing here panics: a panic in an isolate fails every request that is in flight in it.

mod config;
mod consumer;
mod coordinator;
mod ingress;
mod outcome;
mod parts;
mod platform;
mod port;
mod reply;
mod settle;

use wasm_bindgen::prelude::wasm_bindgen;
use worker::{Context, Env, Request, event};

/// An HTTP request.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<web_sys::Response> {
    ingress::answer(request.inner(), &env)
        .await
        .map_err(worker::Error::from)
}

/// A batch of the queue of hints. Exported by hand: the `worker` crate's own event gives no count
/// of deliveries and turns an error into a panic.
#[wasm_bindgen]
pub async fn queue(batch: platform::MessageBatch, env: Env, _context: worker::worker_sys::Context) {
    consumer::consume(&batch, &env).await;
}
