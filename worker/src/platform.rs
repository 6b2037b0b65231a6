//! What the platform has and no crate binds: the queues as JavaScript sees them, a read of at
//! least so many bytes, the global `fetch` and `crypto`.
//!
//! Thin declarations and their conversions; no decisions.

use std::time::Duration;

use causeway_shared::host::{to_json, whole_seconds};
use js_sys::{Array, JSON, Object, Promise, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

#[wasm_bindgen]
extern "C" {
    /// [MessageBatch](https://developers.cloudflare.com/queues/configuration/javascript-apis/#messagebatch).
    pub type MessageBatch;

    #[wasm_bindgen(method, getter, catch)]
    fn messages(this: &MessageBatch) -> Result<Array, JsValue>;

    /// The queue's name.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn queue(this: &MessageBatch) -> String;

    /// [Message](https://developers.cloudflare.com/queues/configuration/javascript-apis/#message).
    #[derive(Clone)]
    pub(crate) type Message;

    #[wasm_bindgen(method, getter, catch)]
    fn body(this: &Message) -> Result<JsValue, JsValue>;

    /// The queue's name for it.
    #[wasm_bindgen(method, getter)]
    pub(crate) fn id(this: &Message) -> String;

    #[wasm_bindgen(method, getter, catch)]
    fn attempts(this: &Message) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn ack(this: &Message) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn retry(this: &Message, options: &JsValue) -> Result<(), JsValue>;

    /// [Queue](https://developers.cloudflare.com/queues/configuration/javascript-apis/#queue).
    pub(crate) type Queue;

    #[wasm_bindgen(method, catch)]
    fn send(this: &Queue, message: &JsValue, options: &JsValue) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = sendBatch)]
    fn send_batch(this: &Queue, messages: &Array, options: &JsValue) -> Result<Promise, JsValue>;

    /// [Namespace](https://developers.cloudflare.com/durable-objects/api/namespace/) of Durable Objects.
    type Namespace;

    #[wasm_bindgen(method, catch, js_name = getByName)]
    fn get_by_name(this: &Namespace, name: &str) -> Result<Stub, JsValue>;

    /// [Stub](https://developers.cloudflare.com/durable-objects/api/stub/) of a Durable Object.
    pub(crate) type Stub;

    #[wasm_bindgen(method, catch, js_name = fetch)]
    fn fetch_object(
        this: &Stub,
        url: &str,
        init: &web_sys::RequestInit,
    ) -> Result<Promise, JsValue>;

    /// A BYOB reader as workerd has it, with
    /// [readAtLeast](https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/).
    #[wasm_bindgen(extends = web_sys::ReadableStreamByobReader)]
    pub(crate) type ByobReader;

    #[wasm_bindgen(method, catch, js_name = readAtLeast)]
    pub(crate) fn read_at_least(
        this: &ByobReader,
        bytes: u32,
        view: &Uint8Array,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(catch, js_name = fetch)]
    pub(crate) fn fetch(url: &str, init: &web_sys::RequestInit) -> Result<Promise, JsValue>;

    #[wasm_bindgen(thread_local_v2, js_name = crypto)]
    static CRYPTO: web_sys::Crypto;
}

/// The global `crypto`.
pub(crate) fn crypto() -> web_sys::Crypto {
    CRYPTO.with(Clone::clone)
}

/// Has futures woken by promises. They would be by `queueMicrotask`, which does the same and costs
/// workerd five times as much: it wraps each call anew.
pub(crate) fn use_promises_for_tasks() {
    set(&js_sys::global(), "queueMicrotask", &JsValue::UNDEFINED);
}

/// A random number, new at each call.
pub(crate) fn random() -> u128 {
    let mut bytes = [0; 16];
    // It fails only for more than 65,536 bytes; a seed of zero would do no harm.
    let _ = crypto().get_random_values_with_u8_array(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// Milliseconds since 1970. On Workers this stands still between one I/O and the next.
pub(crate) fn now() -> jiff::Timestamp {
    #[expect(clippy::cast_possible_truncation, reason = "whole milliseconds")]
    let milliseconds = js_sys::Date::now() as i64;
    jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

/// An object with one property.
pub(crate) fn object(name: &str, value: &JsValue) -> Object {
    let object = Object::new();
    set(&object, name, value);
    object
}

/// The schedule that a cron's `event` is of
/// ([ScheduledController](https://developers.cloudflare.com/workers/runtime-apis/handlers/scheduled/)).
pub(crate) fn cron_of(event: &JsValue) -> Option<String> {
    Reflect::get(event, &"cron".into()).ok()?.as_string()
}

/// Sets a property of a plain object, which cannot fail.
pub(crate) fn set(object: &Object, name: &str, value: &JsValue) {
    let _ = Reflect::set(object, &name.into(), value);
}

/// A thrown value in words. Runtime errors name what broke; they hold no secret.
pub(crate) fn describe(error: &JsValue) -> String {
    match error.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_else(|| format!("{error:?}")),
    }
}

impl MessageBatch {
    /// The batch's messages; none if the runtime handed over something else.
    pub(crate) fn list(&self) -> Vec<Message> {
        let messages = self.messages().unwrap_or_default();
        messages.iter().map(JsCast::unchecked_into).collect()
    }
}

impl Message {
    /// The body as JSON text, whether it was sent as JSON or as text.
    pub(crate) fn text(&self) -> String {
        let body = self.body().unwrap_or(JsValue::NULL);
        body.as_string()
            .or_else(|| {
                JSON::stringify(&body)
                    .ok()
                    .and_then(|text| text.as_string())
            })
            .unwrap_or_else(|| "null".to_owned())
    }

    /// Which delivery this is, from 1.
    pub(crate) fn delivery(&self) -> u32 {
        let attempts = self.attempts().ok().and_then(|attempts| attempts.as_f64());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count"
        )]
        attempts.map_or(1, |attempts| attempts.max(1.0) as u32)
    }

    /// Takes the message out of the queue.
    pub(crate) fn acknowledge(&self) {
        if let Err(error) = self.ack() {
            web_sys::console::error_1(&format!("ack: {}", describe(&error)).into());
        }
    }

    /// Has it delivered again after `delay` seconds.
    pub(crate) fn again_after(&self, delay: u32) {
        if let Err(error) = self.retry(&object("delaySeconds", &delay.into())) {
            web_sys::console::error_1(&format!("retry: {}", describe(&error)).into());
        }
    }
}

impl Stub {
    /// The object called `name` of the class bound as `binding`.
    ///
    /// # Errors
    /// The platform's words, if there is no such class.
    pub(crate) fn named(env: &worker::Env, binding: &str, name: &str) -> Result<Self, String> {
        let namespace = Reflect::get(env, &binding.into()).unwrap_or(JsValue::UNDEFINED);
        let namespace: Namespace = namespace.unchecked_into();
        namespace
            .get_by_name(name)
            .map_err(|error| describe(&error))
    }

    /// Sends it `body`; gives its answer's.
    ///
    /// # Errors
    /// The platform's words, and the object's answer if that is an error.
    pub(crate) async fn post(&self, body: &str) -> Result<String, String> {
        let sent = async {
            let init = web_sys::RequestInit::new();
            init.set_method("POST");
            init.set_body(&body.into());
            // An object has no address; only the path of this URL is its.
            let reply = JsFuture::from(self.fetch_object("http://object/", &init)?).await?;
            let reply: web_sys::Response = reply.unchecked_into();
            let text = JsFuture::from(reply.text()?).await?;
            Ok((reply.ok(), text.as_string().unwrap_or_default()))
        };
        match sent.await {
            Ok((true, text)) => Ok(text),
            Ok((false, text)) => Err(text),
            Err(error) => Err(describe(&error)),
        }
    }
}

impl Queue {
    /// The queue bound as `name`, or why there is none.
    pub(crate) fn bound(env: &worker::Env, name: &str) -> Result<Self, String> {
        let queue = Reflect::get(env, &name.into()).unwrap_or(JsValue::UNDEFINED);
        let send = Reflect::get(&queue, &"sendBatch".into()).unwrap_or(JsValue::UNDEFINED);
        if !send.is_function() {
            return Err(format!(
                "is not bound to a queue. Add a [[queues.producers]] with `binding = \"{name}\"` to wrangler.toml."
            ));
        }
        Ok(queue.unchecked_into())
    }

    /// Sends messages, each a text, to be delivered after `delay`; the queue has them all when this returns.
    ///
    /// # Errors
    /// The queue's own words.
    pub(crate) async fn put(&self, messages: &[String], delay: Duration) -> Result<(), String> {
        let sent = async {
            let options = object("delaySeconds", &whole_seconds(delay).into());
            let promise = if let [message] = messages {
                set(&options, "contentType", &"text".into());
                self.send(&message.into(), &options)?
            } else {
                // As one text: each call into the platform costs more than a message does.
                let list: Vec<Text<'_>> = messages.iter().map(|body| Text::new(body)).collect();
                self.send_batch(&JSON::parse(&to_json(&list))?.unchecked_into(), &options)?
            };
            JsFuture::from(promise).await
        };
        sent.await.map(drop).map_err(|error| describe(&error))
    }
}

/// Whether `key` has asked the limiter bound as `binding` no more often than that allows. Where none is
/// bound there is no limit, and one that fails holds nobody up
/// ([Rate limiting](https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/)).
pub(crate) async fn is_within_limit(env: &worker::Env, binding: &str, key: &str) -> bool {
    let asked = async {
        let limiter = Reflect::get(env, &binding.into())?;
        let limit: js_sys::Function = Reflect::get(&limiter, &"limit".into())?.dyn_into()?;
        let answer = limit.call1(&limiter, &object("key", &key.into()))?;
        let answer = JsFuture::from(Promise::from(answer)).await?;
        Reflect::get(&answer, &"success".into())
    };
    asked.await != Ok(JsValue::FALSE)
}

/// A message of a batch
/// ([MessageSendRequest](https://developers.cloudflare.com/queues/configuration/javascript-apis/#messagesendrequest)).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Text<'a> {
    body: &'a str,
    content_type: &'a str,
}

impl<'a> Text<'a> {
    fn new(body: &'a str) -> Self {
        let content_type = "text";
        Self { body, content_type }
    }
}
