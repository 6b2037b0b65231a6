//! What the consumers of queues and the Durable Objects do: the glue between what this crate decides and
//! queues, alarms and storage, over two small traits. The worker and the simulator run these very lines;
//! what a runtime adds is [`Platform`], [`Storage`] and [`Delivered`].
//!
//! [`batch`] carries a batch of hints and parts out, [`share`] has others carry out what is too much for one
//! invocation, `gate` says which wait, `hand_over` passes on what does not end in its batch, `settle` says what becomes
//! of each message; [`coordinator`], [`tables`], [`walk`], [`ledger`] and [`puller`] are the Durable Objects; [`quarantine`] takes
//! what is given up into a ledger; [`log`] is what people read of all that.
//!
//! Nothing here panics: a panic in an isolate fails every request that is in flight in it.

pub mod batch;
pub mod coordinator;
mod gate;
mod hand_over;
mod held;
pub mod hints;
mod isolate;
pub mod ledger;
pub mod log;
mod part;
pub mod puller;
pub mod quarantine;
mod settle;
pub mod share;
pub mod tables;
pub mod walk;

use std::future::Future;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::access::Access;
use crate::error::{ConfigError, TransferError};
use crate::port::Port;
use crate::route::{Route, Routes};
use crate::sqs;

pub use isolate::Isolate;

/// Everything that the world does for the glue, but for an object's bytes, which are [`Port`]'s.
///
/// Nothing is retried here and nothing is decided. The futures need not be `Send`: a worker has one
/// thread.
pub trait Platform {
    /// What moves the bytes of one transfer.
    type Port: Port;

    /// The time now.
    fn now(&self) -> Timestamp;

    /// A random number, new at each call.
    fn random(&self) -> u128;

    /// The routes.
    ///
    /// # Errors
    /// What is wrong with the configuration, of whatever it may be.
    fn routes(&self) -> Result<Rc<Routes>, ConfigError>;

    /// The queues of SQS that are pulled.
    ///
    /// # Errors
    /// As [`Platform::routes`].
    fn sqs_queues(&self) -> Result<Rc<Vec<sqs::Queue>>, ConfigError>;

    /// How the route called `route` reaches both sides. What a route that is gone has left behind is
    /// cleaned up as the first one.
    ///
    /// # Errors
    /// As [`Platform::routes`].
    fn reach(&self, route: &str) -> Result<RouteAccess<Self::Port>, ConfigError>;

    /// Has `queue` deliver `messages` after `delay`; it has them all when this returns. They fit one send:
    /// see [`batches`].
    ///
    /// # Errors
    /// The platform's words. The queue may have them all the same.
    fn enqueue(
        &self,
        queue: Queue,
        messages: &[String],
        delay: Duration,
    ) -> impl Future<Output = Result<(), String>>;

    /// Tells the Durable Object `name` of `class` something, and gives its answer.
    ///
    /// # Errors
    /// The platform's words, or the object's. The object may have heard it all the same.
    fn call(
        &self,
        class: Class,
        name: &str,
        report: String,
    ) -> impl Future<Output = Result<String, String>>;

    /// What the isolate remembers from batch to batch.
    fn isolate(&self) -> Rc<Isolate>;

    /// How many requests of an invocation may wait for their answers at once; more wait for one of these.
    fn connections(&self) -> usize;

    /// Writes a line of the log. No line holds a secret.
    fn log(&self, level: Level, line: &Value);
}

/// What a Durable Object keeps, and its alarm. What was stored is there after any crash; so is the alarm, which
/// goes off at least once.
pub trait Storage {
    /// The value of `key`, if it has one.
    ///
    /// # Errors
    /// The platform's words; so for all that follow.
    fn get(&self, key: &str) -> impl Future<Output = Result<Option<String>, String>>;

    /// Keys and values, in the keys' order: those that begin with `prefix` and are not before `start`, at
    /// most `limit`.
    ///
    /// # Errors
    /// The platform's words.
    fn list(
        &self,
        prefix: &str,
        start: Option<&str>,
        limit: Option<usize>,
    ) -> impl Future<Output = Result<Vec<(String, String)>, String>>;

    /// Stores all of `entries`, or nothing.
    ///
    /// # Errors
    /// The platform's words.
    fn put(&self, entries: Vec<(String, String)>) -> impl Future<Output = Result<(), String>>;

    /// Deletes `keys`, at most 128, and stores all of `entries`, or does neither.
    ///
    /// # Errors
    /// The platform's words.
    fn replace(
        &self,
        keys: Vec<String>,
        entries: Vec<(String, String)>,
    ) -> impl Future<Output = Result<(), String>>;

    /// Forgets everything but the alarm.
    ///
    /// # Errors
    /// The platform's words.
    fn clear(&self) -> impl Future<Output = Result<(), String>>;

    /// Whether an alarm is set.
    ///
    /// # Errors
    /// The platform's words.
    fn has_alarm(&self) -> impl Future<Output = Result<bool, String>>;

    /// Sets the alarm, or takes it away.
    ///
    /// # Errors
    /// The platform's words.
    fn set_alarm(&self, after: Option<Duration>) -> impl Future<Output = Result<(), String>>;
}

/// A message as a queue delivered it. Of what is said of one the first word counts; the queue hears of it when
/// the batch is done, if the invocation lives to see that.
pub trait Delivered {
    /// Its body as text.
    fn text(&self) -> String;

    /// The queue's name for it, the same at each delivery.
    fn id(&self) -> String;

    /// Which delivery this is, from 1.
    fn count(&self) -> u32;

    /// Takes it out of the queue.
    fn acknowledge(&self);

    /// Lets it come again after `delay` seconds.
    fn again_after(&self, delay: u32);
}

/// A queue of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Queue {
    /// Of hints.
    Hints,
    /// Of parts of large objects.
    Parts,
    /// Of what is given up.
    DeadLetters,
}

/// A class of Durable Objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// [`coordinator::PartsCoordinator`].
    PartsCoordinator,
    /// [`ledger::RouteLedger`].
    RouteLedger,
    /// [`walk::RouteWalk`].
    RouteWalk,
    /// [`puller::QueuePuller`].
    QueuePuller,
    /// [`share::BatchShare`].
    BatchShare,
    /// [`tables::TableLoader`].
    TableLoader,
}

/// How much a line of the log weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// It happened.
    Info,
    /// Somebody may have to act.
    Error,
}

/// How a route reaches both sides.
#[derive(Debug)]
pub struct RouteAccess<P> {
    /// Endpoints, credentials, and what is got with them while it is good.
    pub access: Arc<Access>,
    /// A port for one transfer.
    pub port: P,
}

/// Limits of one send ([Queues limits](https://developers.cloudflare.com/queues/platform/limits/)):
/// messages, and bytes in all, each message counting some more for itself.
pub const BATCH_MESSAGES: usize = 100;
/// See [`BATCH_MESSAGES`].
pub const BATCH_BYTES: usize = 250_000;
const MESSAGE_OVERHEAD: usize = 100;

/// Cuts `messages` into sends that a queue takes, in their order.
#[must_use]
pub fn batches(messages: &[String]) -> Vec<Range<usize>> {
    let mut batches: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (index, message) in messages.iter().enumerate() {
        let size = message.len() + MESSAGE_OVERHEAD;
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_MESSAGES && bytes + size <= BATCH_BYTES => {
                batch.end = index + 1;
                bytes += size;
            }
            _ => {
                batches.push(index..index + 1);
                bytes = size;
            }
        }
    }
    batches
}

/// Puts what has one name together, in the order of their first.
fn by_name<T>(all: impl IntoIterator<Item = (String, T)>) -> Vec<(String, Vec<T>)> {
    let mut names = Vec::<(String, Vec<T>)>::new();
    for (name, one) in all {
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, all)) => all.push(one),
            None => names.push((name, vec![one])),
        }
    }
    names
}

/// Puts `messages` into `queue`, which has them all when this returns.
///
/// # Errors
/// Why the queue took no more.
pub async fn put(
    platform: &impl Platform,
    queue: Queue,
    messages: &[String],
) -> Result<(), String> {
    put_all_after(platform, queue, messages, Duration::ZERO).await
}

/// The same, to be delivered after `delay`.
///
/// # Errors
/// Why the queue took no more.
async fn put_all_after(
    platform: &impl Platform,
    queue: Queue,
    messages: &[String],
    delay: Duration,
) -> Result<(), String> {
    for batch in batches(messages) {
        platform.enqueue(queue, &messages[batch], delay).await?;
    }
    Ok(())
}

/// Puts `text` into `queue` once more, as a new message that comes after `delay` seconds: what only waits must not run
/// out of deliveries. Whether the queue took it.
async fn put_again(platform: &impl Platform, queue: Queue, text: String, delay: u32) -> bool {
    let wait = Duration::from_secs(delay.into());
    platform.enqueue(queue, &[text], wait).await.is_ok()
}

/// Puts one message into `queue`, to be delivered after `delay`.
///
/// # Errors
/// Why the queue did not take it.
pub async fn put_after(
    platform: &impl Platform,
    queue: Queue,
    message: &impl Serialize,
    delay: Duration,
) -> Result<(), String> {
    platform.enqueue(queue, &[to_json(message)], delay).await
}

/// The route of a message, and how it reaches both sides.
fn route_of<P: Platform>(
    platform: &P,
    name: &str,
) -> Result<(Arc<Route>, RouteAccess<P::Port>), TransferError> {
    let routes = platform.routes()?;
    let route = routes.named(name)?;
    Ok((Arc::clone(route), platform.reach(name)?))
}

/// Half of a random number, for a wait.
fn seed(platform: &impl Platform) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "half of a random number is one"
    )]
    let half = platform.random() as u64;
    half
}

/// Seconds for a queue, rounded up.
#[must_use]
pub fn whole_seconds(wait: Duration) -> u32 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// Reads JSON. As bytes everywhere: a deserializer of text would bring every type a second time.
///
/// # Errors
/// What is wrong with it.
pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_slice(text.as_bytes()).map_err(|error| error.to_string())
}

/// JSON text of a value of ours, all of which can be written as JSON.
pub fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_has_at_most_100_messages_and_250_kilobytes() {
        let sizes = |lengths: &[usize]| -> Vec<usize> {
            let messages: Vec<_> = lengths.iter().map(|&length| "m".repeat(length)).collect();
            let batches = batches(&messages);
            assert_eq!(
                batches.iter().flat_map(Clone::clone).collect::<Vec<_>>(),
                (0..lengths.len()).collect::<Vec<_>>()
            );
            batches.iter().map(ExactSizeIterator::len).collect()
        };
        assert!(sizes(&[]).is_empty());
        assert_eq!(sizes(&[10; 250]), [100, 100, 50]);
        assert_eq!(sizes(&[125_000 - 200; 5]), [2, 2, 1]);
        assert_eq!(sizes(&[100_000, 100_000, 60_000, 10]), [2, 2]);
    }
}
