//! Sending event notifications: in the order of the changes, a few at once, again where it may help.
//!
//! At least once and not strictly in order, as S3 promises no more either: sends begin in order and
//! may overtake one another.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use tokio::sync::{Semaphore, broadcast, mpsc, watch};
use tokio::task::JoinSet;

use super::event::event_json;
use super::store::Change;

/// Sends that are under way at once.
const CONCURRENT: usize = 16;
/// Deliveries that a slow receiver may lag behind.
const REMEMBERED: usize = 16 << 10;
/// No wait between two tries is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A receiver that takes longer to answer is tried again.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Who is told of events.
#[derive(Clone)]
pub struct EventTarget {
    /// Where events are POSTed.
    pub url: String,
    /// The bearer token that authenticates the sender.
    pub token: String,
    /// How often one event is tried at most.
    pub max_attempts: u32,
    /// The wait before the second try; doubles from then on, up to 5 s.
    pub first_wait: Duration,
}

impl EventTarget {
    /// A target that is tried ten times, with 100 ms before the second try.
    #[must_use]
    pub fn new(url: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            token: token.into(),
            max_attempts: 10,
            first_wait: Duration::from_millis(100),
        }
    }
}

impl fmt::Debug for EventTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventTarget")
            .field("url", &self.url)
            .field("max_attempts", &self.max_attempts)
            .field("first_wait", &self.first_wait)
            .finish_non_exhaustive()
    }
}

/// What became of one event.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The bucket that changed.
    pub bucket: String,
    /// The key that changed, not encoded.
    pub key: String,
    /// Such as `ObjectCreated:Put`.
    pub event_name: &'static str,
    /// The event's sequencer.
    pub sequencer: String,
    /// When the first try began.
    pub sent_at: Timestamp,
    /// When the last try ended.
    pub finished_at: Timestamp,
    /// The last answer's status, or why there was none.
    pub status: Result<u16, String>,
    /// How many tries it took.
    pub attempts: u32,
}

/// The sender of a store's events.
pub(super) struct Notifier {
    targets: watch::Sender<Targets>,
    deliveries: broadcast::Sender<Delivery>,
    /// One task, which ends with this.
    _dispatcher: JoinSet<()>,
}

/// Each target with the number of the last change that it is not told of, in ascending order.
type Targets = Vec<(u64, Arc<EventTarget>)>;

impl Notifier {
    pub(super) fn start(changes: mpsc::UnboundedReceiver<Change>) -> Self {
        let (targets, current) = watch::channel(Targets::new());
        let (deliveries, _) = broadcast::channel(REMEMBERED);
        let mut dispatcher = JoinSet::new();
        dispatcher.spawn(dispatch(changes, current, deliveries.clone()));
        Self {
            targets,
            deliveries,
            _dispatcher: dispatcher,
        }
    }

    /// Tells `target`, and nobody else, of the changes after number `after`.
    pub(super) fn set_target(&self, after: u64, target: EventTarget) {
        self.targets
            .send_modify(|targets| targets.push((after, Arc::new(target))));
    }

    pub(super) fn deliveries(&self) -> broadcast::Receiver<Delivery> {
        self.deliveries.subscribe()
    }
}

async fn dispatch(
    mut changes: mpsc::UnboundedReceiver<Change>,
    targets: watch::Receiver<Targets>,
    deliveries: broadcast::Sender<Delivery>,
) {
    let client = reqwest::Client::new();
    let slots = Arc::new(Semaphore::new(CONCURRENT));
    let mut sends = JoinSet::new();
    while let Some(change) = changes.recv().await {
        let Some(target) = target_of(&targets.borrow(), &change) else {
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        while sends.try_join_next().is_some() {}
        let (client, deliveries) = (client.clone(), deliveries.clone());
        sends.spawn(async move {
            let delivery = deliver(&client, &target, &change).await;
            drop(slot);
            // Nobody has to listen.
            let _ = deliveries.send(delivery);
        });
    }
}

fn target_of(targets: &Targets, change: &Change) -> Option<Arc<EventTarget>> {
    let mut targets = targets.iter().rev();
    let (_, target) = targets.find(|(after, _)| *after < change.sequence)?;
    Some(Arc::clone(target))
}

async fn deliver(client: &reqwest::Client, target: &EventTarget, change: &Change) -> Delivery {
    let body = event_json(change).to_string();
    let sent_at = Timestamp::now();
    let (mut attempts, mut wait) = (0, target.first_wait);
    let status = loop {
        attempts += 1;
        let status = post(client, target, body.clone()).await;
        if attempts >= target.max_attempts || !worth_repeating(&status) {
            break status;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    };
    Delivery {
        bucket: change.bucket.clone(),
        key: change.key.clone(),
        event_name: change.kind.event_name(),
        sequencer: change.sequencer(),
        sent_at,
        finished_at: Timestamp::now(),
        status: status.map(|status| status.as_u16()),
        attempts,
    }
}

async fn post(
    client: &reqwest::Client,
    target: &EventTarget,
    body: String,
) -> Result<StatusCode, String> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", target.token))
        .map_err(|_| "the token is no HTTP header value".to_owned())?;
    bearer.set_sensitive(true);
    let response = client
        .post(&target.url)
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, "application/json")
        .timeout(ANSWER_WITHIN)
        .body(body)
        .send()
        .await
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))?;
    let status = response.status();
    // Read to its end, so that the connection serves again.
    let _ = response.bytes().await;
    Ok(status)
}

/// No answer, "not now", or the receiver's own failure.
fn worth_repeating(status: &Result<StatusCode, String>) -> bool {
    match status {
        Err(_) => true,
        Ok(status) => {
            status.is_server_error()
                || matches!(
                    *status,
                    StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                )
        }
    }
}
