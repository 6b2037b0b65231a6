//! The Durable Object that pulls a queue of SQS: what a bucket told SQS is received, sent on as hints, and
//! deleted once these are in the queue. No door is needed for it.
//!
//! One a queue. The cron wakes it; from then on its own alarm does, and each alarm receives for some
//! minutes. What gives no event stays where it is, hidden for a while, until SQS moves it to the queue's
//! own dead letters.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use http::Request;
use jiff::SignedDuration;
use serde_json::json;

use super::{Class, Platform, Queue as Ours, Storage, from_json, hints, log, put, to_json};
use crate::event::{self, Notification};
use crate::port::Port as _;
use crate::route::Routes;
use crate::sqs::{self, BATCH, Queue, Received};
use crate::time::later;

/// Where the queue's URL is stored.
const URL: &str = "url";

/// The alarm that goes off if this isolate dies, and the pause after trouble.
const NET: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(10);

/// How long an alarm goes on receiving: it may run for 15 minutes.
const ALARM: SignedDuration = SignedDuration::from_mins(10);

/// Requests for messages at once, while there are many.
const AT_ONCE: usize = 5;

/// How long a message is hidden while the queue of hints does not take it, and how often that is tried.
const HIDDEN: u32 = 60;
const TRIES: u32 = 10;

/// How long one is hidden that gives no event, in seconds.
const USELESS: u32 = 15 * 60;

/// The Durable Object.
#[derive(Debug)]
pub struct QueuePuller<P, S> {
    platform: P,
    storage: S,
}

impl<P: Platform, S: Storage> QueuePuller<P, S> {
    /// One that keeps itself in `storage`.
    pub fn new(platform: P, storage: S) -> Self {
        Self { platform, storage }
    }

    /// Is told which queue it pulls; begins, unless it is at it.
    ///
    /// # Errors
    /// The platform's words.
    pub async fn answer(&self, report: &str) -> Result<String, String> {
        let url: String = from_json(report)?;
        self.storage.put(vec![(URL.to_owned(), url)]).await?;
        if !self.storage.has_alarm().await? {
            self.storage.set_alarm(Some(Duration::ZERO)).await?;
        }
        Ok(to_json(&()))
    }

    /// Receives for some minutes.
    ///
    /// # Errors
    /// The platform's words.
    pub async fn alarm(&self) -> Result<(), String> {
        self.storage.set_alarm(Some(NET)).await?;
        let url = self.storage.get(URL).await?.unwrap_or_default();
        let wait = match self.pull(&url).await {
            Ok(true) => Some(Duration::ZERO),
            // It is not pulled any more.
            Ok(false) => None,
            Err(reason) => {
                self.log_failed(&url, &reason);
                Some(PAUSE)
            }
        };
        self.storage.set_alarm(wait).await
    }

    /// Receives for some minutes. Gives `false` when no such queue is configured.
    async fn pull(&self, url: &str) -> Result<bool, String> {
        let platform = &self.platform;
        let routes = platform.routes().map_err(|error| error.to_string())?;
        let queues = platform.sqs_queues().map_err(|error| error.to_string())?;
        let Some(queue) = queues.iter().find(|queue| queue.url() == url) else {
            return Ok(false);
        };
        let began = platform.now();
        let mut at_once = 1;
        while platform.now().duration_since(began) < ALARM {
            // The net stays ahead of a request that waits.
            self.storage.set_alarm(Some(NET)).await?;
            let rounds = join_all((0..at_once).map(|_| self.take(queue, &routes))).await;
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
    async fn take(&self, queue: &Queue, routes: &Rc<Routes>) -> Result<usize, String> {
        let now = || self.platform.now();
        let messages = self.ask(queue, queue.receive(now())).await?;
        let mut hints = Vec::new();
        let (mut useful, mut useless) = (Vec::new(), Vec::new());
        for message in &messages {
            match self.hints_of(message, routes) {
                Ok(found) => {
                    hints.extend(found);
                    useful.push(message);
                }
                Err(reason) => {
                    self.log_useless(queue, message, &reason);
                    useless.push(message);
                }
            }
        }
        let sent_on = async {
            self.put(&hints, queue, &useful).await?;
            if !useful.is_empty() {
                self.ask(queue, queue.delete(&useful, now())).await?;
            }
            Ok(messages.len())
        };
        let sent_on = sent_on.await;
        self.hide(queue, &useless, USELESS).await;
        sent_on
    }

    /// The hints of what `message` says, or why it gives none.
    fn hints_of(&self, message: &Received, routes: &Routes) -> Result<Vec<String>, String> {
        match event::parse(message.body.as_bytes()) {
            Ok(Notification::Records(records)) => {
                let sorted = hints::sort(records, routes, None, self.platform.now())?;
                sorted.log_ignored(&self.platform);
                Ok(sorted.messages)
            }
            Ok(Notification::Test { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Puts `hints` into their queue; while it takes none, `messages` are kept hidden.
    async fn put(
        &self,
        hints: &[String],
        queue: &Queue,
        messages: &[&Received],
    ) -> Result<(), String> {
        let platform = &self.platform;
        for _ in 1..TRIES {
            if put(platform, Ours::Hints, hints).await.is_ok() {
                return Ok(());
            }
            self.hide(queue, messages, HIDDEN).await;
            let reach = platform.reach("").map_err(|error| error.to_string())?;
            let mut port = reach.port;
            port.wait_until(later(platform.now(), PAUSE)).await;
        }
        put(platform, Ours::Hints, hints).await
    }

    /// Hides `messages`. One that cannot be comes again sooner: that is said, and stops nothing.
    async fn hide(&self, queue: &Queue, messages: &[&Received], seconds: u32) {
        if messages.is_empty() {
            return;
        }
        let request = queue.hide(messages, seconds, self.platform.now());
        if let Err(reason) = self.ask(queue, request).await {
            self.log_failed(queue.url(), &reason);
        }
    }

    async fn ask(
        &self,
        queue: &Queue,
        request: Result<Request<Bytes>, String>,
    ) -> Result<Vec<Received>, String> {
        let (request, offset) = (request?, queue.offset());
        let reach = self.platform.reach("").map_err(|error| error.to_string())?;
        let mut port = reach.port;
        let mut send = async |request| {
            let reply = port.send(request).await;
            reply.map_err(|lost| format!("SQS gave no answer: {}", lost.detail))
        };
        let mut reply = send(request.clone()).await?;
        if let Some(again) = queue.again(request, &reply, self.platform.now(), offset) {
            reply = send(again?).await?;
        }
        sqs::read(&reply).map_err(|refusal| refusal.to_string())
    }

    fn log_failed(&self, queue: &str, reason: &str) {
        log_failed(&self.platform, queue, reason);
    }

    fn log_useless(&self, queue: &Queue, message: &Received, reason: &str) {
        let line = json!({
            "event": "sqs-unreadable", "queue": queue.url(), "id": message.message_id,
            "message": reason,
        });
        log::trouble(&self.platform, &line);
    }
}

fn log_failed(platform: &impl Platform, queue: &str, reason: &str) {
    let line = json!({"event": "sqs-failed", "queue": queue, "message": reason});
    log::trouble(platform, &line);
}

/// Wakes the pullers of all queues, as the cron asks for it.
pub async fn wake_all(platform: &impl Platform) {
    let Ok(queues) = platform.sqs_queues() else {
        // The batches and the requests say so.
        return;
    };
    for queue in queues.iter() {
        let report = to_json(&queue.url());
        let woken = platform.call(Class::QueuePuller, queue.url(), report).await;
        if let Err(reason) = woken {
            log_failed(platform, queue.url(), &reason);
        }
    }
}
