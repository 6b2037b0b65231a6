//! The Durable Object that pulls a queue of SQS: what a bucket told SQS is received, sent on as hints, and
//! deleted once these are in the queue. No door is needed for it.
//!
//! One a queue, and helpers while that one has more than it can do. The cron wakes the first; from then on its
//! own alarm does, and each alarm receives for some minutes, or until it has made as many requests as it may.
//! What gives no event stays where it is, hidden for a while, until SQS moves it to the queue's own dead letters.

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use http::Request;
use serde_json::json;

use super::{
    BATCH_MESSAGES, Class, Platform, Queue as Ours, Storage, batches, from_json, hints, log, put,
    to_json,
};
use crate::event::{self, Notification};
use crate::port::Port as _;
use crate::route::Routes;
use crate::sqs::{self, BATCH, Queue, Received, WAIT};
use crate::time::later;

/// Where the puller's name is stored: the queue's URL, for a helper with a space and its number behind.
const NAME: &str = "url";

/// The most pullers of one queue.
const PULLERS: u8 = 4;

/// The alarm that goes off if this isolate dies, and the pause after trouble.
const NET: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_secs(10);

/// How long an alarm goes on receiving: it may run for 15 minutes.
const ALARM: Duration = Duration::from_mins(10);

/// The most receives of a round: what they bring fits one send.
const WIDTH: usize = BATCH_MESSAGES / BATCH;

/// Rounds at once while there are many messages. Each has one request under way, and the platform lets six of an
/// invocation wait for an answer.
const ROUNDS: usize = 6;

/// What an alarm may spend: 1 for a request to SQS, and [`SEND`] for a send to the queue of hints. An invocation
/// may make 10,000 requests, of which 1,000 to the platform's own services
/// ([limits](https://developers.cloudflare.com/workers/platform/limits/#subrequests)).
const BUDGET: usize = 9_000;
const SEND: usize = 10;
/// A round begins with no less than this, beside what all rounds' sends may cost: enough for all to end,
/// whatever fails.
const RESERVE: usize = 600;

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

    /// Is told its name; begins, unless it is at it.
    ///
    /// # Errors
    /// The platform's words.
    pub async fn answer(&self, report: &str) -> Result<String, String> {
        let name: String = from_json(report)?;
        self.storage.put(vec![(NAME.to_owned(), name)]).await?;
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
        // Once is enough: an alarm that is due waits for this one to end.
        self.storage.set_alarm(Some(NET)).await?;
        let name = self.storage.get(NAME).await?.unwrap_or_default();
        let wait = match self.pull(&name).await {
            Ok(wait) => wait,
            Err(reason) => {
                log_failed(&self.platform, &name, &reason);
                Some(PAUSE)
            }
        };
        self.storage.set_alarm(wait).await
    }

    /// Receives for some minutes. Gives when to go on: never, if no such queue is configured or a helper has
    /// nothing left to do.
    async fn pull(&self, name: &str) -> Result<Option<Duration>, String> {
        let platform = &self.platform;
        let routes = platform.routes().map_err(|error| error.to_string())?;
        let queues = platform.sqs_queues().map_err(|error| error.to_string())?;
        let (url, number) = name.split_once(' ').unwrap_or((name, "1"));
        let Some(queue) = queues.iter().find(|queue| queue.url() == url) else {
            return Ok(None);
        };
        let number = number.parse().unwrap_or(PULLERS);
        let pull = Pull {
            platform,
            routes,
            queue,
            is_helper: number > 1,
            left: Cell::new(BUDGET),
            reserve: Cell::new(RESERVE),
        };
        let wait = pull.run().await;
        // All spent, in less than the time: there is more to do than one can.
        if !pull.has_left() && number < PULLERS {
            wake(platform, &format!("{url} {}", number + 1)).await;
        }
        Ok(wait)
    }
}

/// The work of one alarm.
struct Pull<'a, P> {
    platform: &'a P,
    routes: Rc<Routes>,
    queue: &'a Queue,
    is_helper: bool,
    /// What is left of [`BUDGET`], and how much of that a round needs to begin.
    left: Cell<usize>,
    reserve: Cell<usize>,
}

impl<P: Platform> Pull<'_, P> {
    /// Has round after round until time or budget is over, or a helper finds little. Gives when to go on.
    async fn run(&self) -> Option<Duration> {
        let until = later(self.platform.now(), ALARM);
        let mut width = if self.is_helper { WIDTH } else { 1 };
        let mut rounds = FuturesUnordered::new();
        loop {
            let goes_on = self.platform.now() < until && self.has_left();
            let at_once = if goes_on { width.min(ROUNDS) } else { 0 };
            while rounds.len() < at_once {
                rounds.push(self.round(width));
            }
            width = match rounds.next().await {
                Some(Ok(next)) => next,
                // The other rounds go on, and the next full one of them puts another in its place.
                Some(Err(reason)) => {
                    log_failed(self.platform, self.queue.url(), &reason);
                    0
                }
                None => break,
            };
        }
        match width {
            0 if self.is_helper => None,
            0 => Some(PAUSE),
            _ => Some(Duration::ZERO),
        }
    }

    /// Receives up to `width` times and sends on what came: what gives no event is hidden last, so that it holds
    /// up nothing else. Gives how often to receive in the next round: twice as often where there was much, else
    /// once, and then waits for a message; a helper leaves that to the first.
    async fn round(&self, width: usize) -> Result<usize, String> {
        let now = || self.platform.now();
        let wait = if width == 1 { WAIT } else { 0 };
        let (mut hints, mut useful, mut useless) = (Vec::new(), Vec::new(), Vec::new());
        let (mut receives, mut received) = (0, Ok(()));
        while receives < width && hints.len() < BATCH_MESSAGES {
            receives += 1;
            let messages = match self.ask(self.queue.receive(wait, now())).await {
                Ok(messages) if messages.is_empty() => break,
                Ok(messages) => messages,
                Err(reason) => {
                    received = Err(reason);
                    break;
                }
            };
            for mut message in messages {
                // Many may be held: what they say is forgotten.
                match self.hints_of(&std::mem::take(&mut message.body)) {
                    Ok(found) => {
                        hints.extend(found);
                        useful.push(message);
                    }
                    Err(reason) => {
                        self.log_useless(&message, &reason);
                        useless.push(message);
                    }
                }
            }
        }
        let sent_on = match self.put(&hints, &useful).await {
            Ok(()) => {
                let deletes = useful.chunks(BATCH);
                let deletes = deletes.map(|some| self.queue.delete(some, now()));
                self.ask_all(deletes).await
            }
            failed => failed,
        };
        self.hide(&useless, USELESS).await;
        received.and(sent_on)?;
        Ok(if (useful.len() + useless.len()) * 2 > receives * BATCH {
            WIDTH.min(width * 2)
        } else {
            usize::from(!self.is_helper)
        })
    }

    /// The hints of a message's `body`, or why it gives none.
    fn hints_of(&self, body: &str) -> Result<Vec<String>, String> {
        match event::parse(body.as_bytes()) {
            Ok(Notification::Records(records)) => {
                let sorted = hints::sort(records, &self.routes, None, self.platform.now())?;
                sorted.log_ignored(self.platform);
                Ok(sorted.messages)
            }
            Ok(Notification::Test { .. }) => Ok(Vec::new()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Puts `hints` into their queue; while it takes none, `messages` are kept hidden.
    async fn put(&self, hints: &[String], messages: &[Received]) -> Result<(), String> {
        let platform = self.platform;
        let cost = SEND * batches(hints).len();
        let reserve = RESERVE + ROUNDS * cost;
        self.reserve.set(self.reserve.get().max(reserve));
        let mut tries = 0;
        loop {
            self.spend(cost)?;
            tries += 1;
            let sent = put(platform, Ours::Hints, hints).await;
            if sent.is_ok() || tries == TRIES {
                return sent;
            }
            self.hide(messages, HIDDEN).await;
            let reach = platform.reach("").map_err(|error| error.to_string())?;
            let mut port = reach.port;
            port.wait_until(later(platform.now(), PAUSE)).await;
        }
    }

    /// Hides `messages`. One that cannot be comes again sooner: that is said, and stops nothing.
    async fn hide(&self, messages: &[Received], seconds: u32) {
        let hides = messages.chunks(BATCH);
        let hides = hides.map(|some| self.queue.hide(some, seconds, self.platform.now()));
        if let Err(reason) = self.ask_all(hides).await {
            log_failed(self.platform, self.queue.url(), &reason);
        }
    }

    /// Sends all of `requests`, whatever becomes of each.
    async fn ask_all(
        &self,
        requests: impl Iterator<Item = Result<Request<Bytes>, String>>,
    ) -> Result<(), String> {
        let mut failed = Ok(());
        for request in requests {
            failed = failed.and(self.ask(request).await.map(drop));
        }
        failed
    }

    async fn ask(&self, request: Result<Request<Bytes>, String>) -> Result<Vec<Received>, String> {
        let (request, offset) = (request?, self.queue.offset());
        let reach = self.platform.reach("").map_err(|error| error.to_string())?;
        let mut port = reach.port;
        let mut send = async |request| {
            self.spend(1)?;
            let reply = port.send(request).await;
            reply.map_err(|lost| format!("SQS gave no answer: {}", lost.detail))
        };
        let mut reply = send(request.clone()).await?;
        let now = self.platform.now();
        if let Some(again) = self.queue.again(request, &reply, now, offset) {
            reply = send(again?).await?;
        }
        sqs::read(&reply).map_err(|refusal| refusal.to_string())
    }

    /// Whether a round may begin.
    fn has_left(&self) -> bool {
        self.left.get() >= self.reserve.get()
    }

    /// Takes `cost` from what is left.
    fn spend(&self, cost: usize) -> Result<(), String> {
        let left = self.left.get().checked_sub(cost);
        self.left.set(left.ok_or("the alarm has no requests left")?);
        Ok(())
    }

    fn log_useless(&self, message: &Received, reason: &str) {
        let line = json!({
            "event": "sqs-unreadable", "queue": self.queue.url(), "id": message.message_id,
            "message": reason,
        });
        log::trouble(self.platform, &line);
    }
}

fn log_failed(platform: &impl Platform, queue: &str, reason: &str) {
    let line = json!({"event": "sqs-failed", "queue": queue, "message": reason});
    log::trouble(platform, &line);
}

/// Wakes the first puller of each queue, as the cron asks for it.
pub async fn wake_all(platform: &impl Platform) {
    let Ok(queues) = platform.sqs_queues() else {
        // The batches and the requests say so.
        return;
    };
    for queue in queues.iter() {
        wake(platform, queue.url()).await;
    }
}

async fn wake(platform: &impl Platform, name: &str) {
    let woken = platform.call(Class::QueuePuller, name, to_json(&name));
    if let Err(reason) = woken.await {
        log_failed(platform, name, &reason);
    }
}
