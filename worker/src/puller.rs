//! The Durable Object that pulls a queue of SQS: what a bucket told SQS is received, sent on as hints, and
//! deleted once these are in the queue. No door is needed for it.
//!
//! One a queue. The cron wakes it; from then on its own alarm does, and each alarm receives for some
//! minutes. What gives no event stays where it is, hidden for a while, until SQS moves it to the queue's
//! own dead letters.

use std::time::Duration;

use bytes::Bytes;
use causeway_shared::event::{self, Notification};
use causeway_shared::port::Port as _;
use causeway_shared::sqs::{self, BATCH, Queue, Received};
use futures::future::join_all;
use http::Request as HttpRequest;
use serde_json::json;
use worker::durable::State;
use worker::{Delay, DurableObject, Env, Request, Response, durable_object};

use crate::config::Config;
use crate::ingress::hints;
use crate::platform;
use crate::port::WorkerdPort;
use crate::{object, outcome};

/// The cron that wakes the pullers and nothing else.
pub(crate) const CRON: &str = "* * * * *";

/// The alarm that goes off if this isolate dies, and the pause after trouble.
const NET: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(10);

/// How long an alarm goes on receiving, in milliseconds: it may run for 15 minutes.
const ALARM: f64 = 10.0 * 60_000.0;

/// Requests for messages at once, while there are many.
const AT_ONCE: usize = 5;

/// How long a message is hidden while the queue of hints does not take it, and how often that is tried.
const HIDDEN: u32 = 60;
const TRIES: u32 = 10;

/// How long one is hidden that gives no event, in seconds.
const USELESS: u32 = 15 * 60;

/// The Durable Object. Its name at the platform is this type's.
#[durable_object(alarm)]
pub struct QueuePuller {
    state: State,
    env: Env,
}

impl DurableObject for QueuePuller {
    fn new(state: State, env: Env) -> Self {
        Self { state, env }
    }

    /// Is told which queue it pulls; begins, unless it is at it.
    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let storage = self.state.storage();
        let url = request.text().await?;
        storage
            .put("url", platform::from_json::<String>(&url)?)
            .await?;
        if storage.get_alarm().await?.is_none() {
            storage.set_alarm(Duration::ZERO).await?;
        }
        Response::ok("null")
    }

    async fn alarm(&self) -> worker::Result<Response> {
        let storage = self.state.storage();
        storage.set_alarm(NET).await?;
        let url = storage.get::<String>("url").await?.unwrap_or_default();
        let wait = match self.pull(&url).await {
            Ok(true) => Duration::ZERO,
            // It is not pulled any more.
            Ok(false) => {
                storage.delete_alarm().await?;
                return Response::empty();
            }
            Err(reason) => {
                log_failed(&url, &reason);
                PAUSE
            }
        };
        storage.set_alarm(wait).await?;
        Response::empty()
    }
}

impl QueuePuller {
    /// Receives for some minutes. Gives `false` when no such queue is configured.
    async fn pull(&self, url: &str) -> Result<bool, String> {
        let config = Config::of(&self.env).map_err(|error| error.to_string())?;
        let Some(queue) = config.sqs_queues.iter().find(|queue| queue.url() == url) else {
            return Ok(false);
        };
        let began = js_sys::Date::now();
        let mut at_once = 1;
        while js_sys::Date::now() - began < ALARM {
            // The net stays ahead of a request that waits.
            let net = self.state.storage().set_alarm(NET).await;
            net.map_err(|error| error.to_string())?;
            let rounds = join_all((0..at_once).map(|_| self.take(queue, &config))).await;
            let mut most = 0;
            for round in rounds {
                most = most.max(round?);
            }
            at_once = if most == BATCH { AT_ONCE } else { 1 };
        }
        Ok(true)
    }

    /// Receives once and sends on what came. Gives how many messages that were. What gives no event is
    /// hidden last, so that it holds up nothing else.
    async fn take(&self, queue: &Queue, config: &Config) -> Result<usize, String> {
        let messages = self.ask(queue, queue.receive(platform::now())).await?;
        let mut hints = Vec::new();
        let (useful, useless): (Vec<_>, Vec<_>) =
            messages
                .iter()
                .partition(|message| match event::parse(message.body.as_bytes()) {
                    Ok(Notification::Records(records)) => {
                        match hints::sort(records, &config.routes, None, platform::now()) {
                            Ok(sorted) => {
                                sorted.log_ignored();
                                hints.extend(sorted.messages);
                                true
                            }
                            Err(why) => {
                                log_useless(queue, message, why);
                                false
                            }
                        }
                    }
                    Ok(Notification::Test { .. }) => true,
                    Err(error) => {
                        log_useless(queue, message, &error.to_string());
                        false
                    }
                });
        let sent_on = async {
            self.put(&hints, queue, &useful).await?;
            if !useful.is_empty() {
                self.ask(queue, queue.delete(&useful, platform::now()))
                    .await?;
            }
            Ok(messages.len())
        };
        let sent_on = sent_on.await;
        self.hide(queue, &useless, USELESS).await;
        sent_on
    }

    /// Puts `hints` into their queue; while it takes none, `messages` are kept hidden.
    async fn put(
        &self,
        hints: &[String],
        queue: &Queue,
        messages: &[&Received],
    ) -> Result<(), String> {
        for _ in 1..TRIES {
            if hints::put(hints, &self.env).await.is_ok() {
                return Ok(());
            }
            self.hide(queue, messages, HIDDEN).await;
            Delay::from(PAUSE).await;
        }
        hints::put(hints, &self.env).await
    }

    /// Hides `messages`. One that cannot be comes again sooner: that is said, and stops nothing.
    async fn hide(&self, queue: &Queue, messages: &[&Received], seconds: u32) {
        if messages.is_empty() {
            return;
        }
        if let Err(reason) = self
            .ask(queue, queue.hide(messages, seconds, platform::now()))
            .await
        {
            log_failed(queue.url(), &reason);
        }
    }

    async fn ask(
        &self,
        queue: &Queue,
        request: Result<HttpRequest<Bytes>, String>,
    ) -> Result<Vec<Received>, String> {
        let (request, offset) = (request?, queue.offset());
        let send = async |request| {
            let reply = WorkerdPort::new(&self.env, None).send(request).await;
            reply.map_err(|lost| format!("SQS gave no answer: {}", lost.detail))
        };
        let mut reply = send(request.clone()).await?;
        if let Some(again) = queue.again(request, &reply, platform::now(), offset) {
            reply = send(again?).await?;
        }
        sqs::read(&reply).map_err(|refusal| refusal.to_string())
    }
}

fn log_failed(queue: &str, reason: &str) {
    outcome::log_error(&json!({"event": "sqs-failed", "queue": queue, "message": reason}));
}

fn log_useless(queue: &Queue, message: &Received, reason: &str) {
    outcome::log_error(&json!({
        "event": "sqs-unreadable", "queue": queue.url(), "id": message.message_id, "message": reason,
    }));
}

/// Wakes the pullers of all queues, as the cron asks for it.
pub(crate) async fn wake_all(env: &Env) {
    let Ok(config) = Config::of(env) else {
        // The batches and the requests say so.
        return;
    };
    let class = object::Class {
        binding: "PULLERS",
        class: "QueuePuller",
    };
    for queue in &config.sqs_queues {
        let woken = async { class.named(env, queue.url())?.tell(&queue.url()).await };
        if let Err(reason) = woken.await {
            log_failed(queue.url(), &reason);
        }
    }
}
