//! What [`causeway_shared::host`] asks of the platform, on workerd: queues, Durable Objects and their
//! storage, the log.

use std::cell::OnceCell;
use std::rc::Rc;
use std::time::Duration;

use causeway_shared::error::ConfigError;
use causeway_shared::host::{
    Class, Delivered, Isolate, Level, Platform, Queue, RouteAccess, Storage,
};
use causeway_shared::route::Routes;
use causeway_shared::sqs;
use futures::future::join;
use jiff::Timestamp;
use js_sys::{Array, Object};
use serde_json::Value;
use wasm_bindgen::JsValue;
use worker::Env;
use worker::durable::{ListOptions, State};

use crate::config::Config;
use crate::platform::{self, Message, Stub, set};
use crate::port::{Exchanges, WorkerdPort};

/// Requests of an invocation, or of an object, that may wait for their headers
/// ([simultaneous open connections](https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections)).
const CONNECTIONS: usize = 6;

thread_local! {
    static ISOLATE: Rc<Isolate> = Rc::default();
}

/// The platform, as the variables and bindings of wrangler.toml give it.
#[derive(Clone)]
pub(crate) struct Workerd {
    env: Env,
    exchanges: Rc<OnceCell<Exchanges>>,
}

impl Workerd {
    /// That of one invocation, or of one object.
    pub(crate) fn new(env: &Env) -> Self {
        let (env, exchanges) = (env.clone(), Rc::default());
        Self { env, exchanges }
    }

    pub(crate) fn exchanges(&self) -> &Exchanges {
        self.exchanges.get_or_init(Exchanges::new)
    }
}

impl Platform for Workerd {
    type Port = WorkerdPort;

    fn now(&self) -> Timestamp {
        platform::now()
    }

    fn random(&self) -> u128 {
        platform::random()
    }

    fn routes(&self) -> Result<Rc<Routes>, ConfigError> {
        Config::of(&self.env).map(|config| Rc::clone(&config.routes))
    }

    fn sqs_queues(&self) -> Result<Rc<Vec<sqs::Queue>>, ConfigError> {
        Config::of(&self.env).map(|config| Rc::clone(&config.sqs_queues))
    }

    fn reach(&self, route: &str) -> Result<RouteAccess<WorkerdPort>, ConfigError> {
        Config::of(&self.env).map(|config| config.reach(route, self))
    }

    async fn enqueue(
        &self,
        queue: Queue,
        messages: &[String],
        delay: Duration,
    ) -> Result<(), String> {
        let name = binding(queue);
        let queue = platform::Queue::bound(&self.env, name);
        let queue = queue.map_err(|reason| format!("{name} {reason}"))?;
        queue.put(messages, delay).await
    }

    async fn call(&self, class: Class, name: &str, report: String) -> Result<String, String> {
        object(&self.env, class, name)?.post(&report).await
    }

    fn isolate(&self) -> Rc<Isolate> {
        ISOLATE.with(Rc::clone)
    }

    fn connections(&self) -> usize {
        CONNECTIONS
    }

    fn log(&self, level: Level, line: &Value) {
        let line = line.to_string().into();
        match level {
            Level::Info => web_sys::console::log_1(&line),
            Level::Error => web_sys::console::error_1(&line),
        }
    }
}

/// The Durable Object `name` of `class`.
///
/// # Errors
/// What is missing in wrangler.toml, if there is no such class.
pub(crate) fn object(env: &Env, class: Class, name: &str) -> Result<Stub, String> {
    let (binding, class) = match class {
        Class::PartsCoordinator => ("PARTS_COORDINATORS", "PartsCoordinator"),
        Class::RouteLedger => ("LEDGERS", "RouteLedger"),
        Class::RouteWalk => ("WALKS", "RouteWalk"),
        Class::QueuePuller => ("PULLERS", "QueuePuller"),
        Class::BatchShare => ("SHARES", "BatchShare"),
        Class::TableLoader => ("LOADERS", "TableLoader"),
    };
    Stub::named(env, binding, name).map_err(|error| {
        format!("{binding} is not bound to the class {class} ({error}). Add its [[durable_objects.bindings]] and [[migrations]] to wrangler.toml.")
    })
}

/// What wrangler.toml binds `queue` as.
pub(crate) fn binding(queue: Queue) -> &'static str {
    match queue {
        Queue::Hints => "HINTS",
        Queue::Parts => "PARTS",
        Queue::DeadLetters => "DEAD_LETTERS",
    }
}

impl Delivered for Message {
    fn text(&self) -> String {
        Self::text(self)
    }

    fn id(&self) -> String {
        Self::id(self)
    }

    fn count(&self) -> u32 {
        self.delivery()
    }

    fn acknowledge(&self) {
        Self::acknowledge(self);
    }

    fn again_after(&self, delay: u32) {
        Self::again_after(self, delay);
    }
}

/// A Durable Object's storage.
pub(crate) struct DurableStorage(pub(crate) State);

impl Storage for DurableStorage {
    async fn get(&self, key: &str) -> Result<Option<String>, String> {
        self.0.storage().get(key).await.map_err(in_words)
    }

    async fn list(
        &self,
        prefix: &str,
        start: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Vec<(String, String)>, String> {
        let mut options = ListOptions::new().prefix(prefix);
        if let Some(start) = start {
            options = options.start(start);
        }
        if let Some(limit) = limit {
            options = options.limit(limit);
        }
        let stored = self.0.storage().list_with_options(options).await;
        let mut entries = Vec::new();
        for entry in stored.map_err(in_words)?.entries() {
            let pair = Array::from(&entry.map_err(|error| platform::describe(&error))?);
            let [key, value] = [0, 1].map(|place| pair.get(place).as_string().unwrap_or_default());
            entries.push((key, value));
        }
        Ok(entries)
    }

    async fn put(&self, entries: Vec<(String, String)>) -> Result<(), String> {
        let all = Object::new();
        for (key, value) in &entries {
            set(&all, key, &JsValue::from_str(value));
        }
        let storage = self.0.storage();
        storage.put_multiple_raw(all).await.map_err(in_words)
    }

    /// Writes that are issued without waiting in between are one to the platform
    /// ([transactions](https://developers.cloudflare.com/durable-objects/best-practices/access-durable-objects-storage/)).
    async fn replace(
        &self,
        keys: Vec<String>,
        entries: Vec<(String, String)>,
    ) -> Result<(), String> {
        let storage = self.0.storage();
        let (deleted, stored) = join(storage.delete_multiple(keys), self.put(entries)).await;
        deleted.map_err(in_words)?;
        stored
    }

    async fn clear(&self) -> Result<(), String> {
        self.0.storage().delete_all().await.map_err(in_words)
    }

    async fn has_alarm(&self) -> Result<bool, String> {
        let alarm = self.0.storage().get_alarm().await;
        alarm.map(|alarm| alarm.is_some()).map_err(in_words)
    }

    async fn set_alarm(&self, after: Option<Duration>) -> Result<(), String> {
        let storage = self.0.storage();
        let set = match after {
            Some(after) => storage.set_alarm(after).await,
            None => storage.delete_alarm().await,
        };
        set.map_err(in_words)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` gives")]
fn in_words(error: worker::Error) -> String {
    error.to_string()
}
