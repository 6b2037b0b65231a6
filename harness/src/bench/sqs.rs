//! An SQS in memory that has messages without end and answers each request after a while: what the puller
//! and a bare client receive from.
//!
//! Speaks [JSON](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html)
//! as far as a puller does. That a request is signed is seen, and not whether it is signed well: moto judges that.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use causeway_shared::sqs::BATCH;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// An SQS with one queue.
pub(super) struct Sqs {
    url: String,
    queue: Arc<Queue>,
}

/// What became of the queue's messages so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Messages that were deleted, each for the first time.
    pub(super) deleted: usize,
    /// Requests, of whatever kind.
    pub(super) requests: usize,
}

struct Queue {
    body: String,
    delay: Duration,
    received: AtomicUsize,
    deleted: AtomicUsize,
    requests: AtomicUsize,
    under_way: AtomicUsize,
    /// The most requests under way at once since that was last asked.
    at_once: AtomicUsize,
    /// The receipts of what is received and not deleted.
    held: Mutex<HashSet<usize>>,
}

impl Sqs {
    /// One whose messages say `body`, and that answers after `delay`.
    pub(super) async fn start(body: &Bytes, delay: Duration) -> anyhow::Result<Self> {
        let queue = Arc::new(Queue {
            body: str::from_utf8(body)?.to_owned(),
            delay,
            received: AtomicUsize::new(0),
            deleted: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            held: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/123456789012/bench", listener.local_addr()?);
        let listener = listener.tap_io(|stream| {
            // Slower without, no worse.
            let _ = stream.set_nodelay(true);
        });
        let router = Router::new().route("/", post(answer));
        let router = router.with_state(Arc::clone(&queue));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, queue })
    }

    /// The queue's URL.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            deleted: self.queue.deleted.load(Ordering::Relaxed),
            requests: self.queue.requests.load(Ordering::Relaxed),
        }
    }

    /// The most requests that were under way at once since this was last asked.
    pub(super) fn at_once(&self) -> usize {
        self.queue.at_once.swap(0, Ordering::Relaxed)
    }
}

impl Queue {
    fn held(&self) -> std::sync::MutexGuard<'_, HashSet<usize>> {
        self.held
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn receive(&self) -> Value {
        let first = self.received.fetch_add(BATCH, Ordering::Relaxed);
        let receipts = first..first + BATCH;
        self.held().extend(receipts.clone());
        let messages = receipts.map(|receipt| {
            let receipt = receipt.to_string();
            json!({"MessageId": receipt, "ReceiptHandle": receipt, "Body": self.body})
        });
        json!({"Messages": messages.collect::<Vec<_>>()})
    }

    fn delete(&self, asked: &Value) -> Value {
        let mut held = self.held();
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for entry in asked["Entries"].as_array().into_iter().flatten() {
            let receipt = entry["ReceiptHandle"].as_str();
            match receipt.and_then(|receipt| receipt.parse().ok()) {
                Some(receipt) => {
                    let is_first = held.remove(&receipt);
                    self.deleted
                        .fetch_add(usize::from(is_first), Ordering::Relaxed);
                    successful.push(json!({"Id": entry["Id"]}));
                }
                None => failed.push(json!({"Id": entry["Id"], "Code": "ReceiptHandleIsInvalid"})),
            }
        }
        json!({"Successful": successful, "Failed": failed})
    }

    fn answer(&self, headers: &HeaderMap, body: &[u8]) -> (StatusCode, Value) {
        let text = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let refusal = |code: &str| (StatusCode::BAD_REQUEST, json!({"__type": code}));
        if !text("authorization").contains("/sqs/aws4_request") {
            return refusal("MissingAuthenticationToken");
        }
        let Ok(asked) = serde_json::from_slice(body) else {
            return refusal("SerializationException");
        };
        match text("x-amz-target") {
            "AmazonSQS.ReceiveMessage" => (StatusCode::OK, self.receive()),
            "AmazonSQS.DeleteMessageBatch" => (StatusCode::OK, self.delete(&asked)),
            _ => refusal("UnknownOperationException"),
        }
    }
}

async fn answer(
    State(queue): State<Arc<Queue>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    queue.requests.fetch_add(1, Ordering::Relaxed);
    let under_way = queue.under_way.fetch_add(1, Ordering::Relaxed) + 1;
    queue.at_once.fetch_max(under_way, Ordering::Relaxed);
    tokio::time::sleep(queue.delay).await;
    let (status, said) = queue.answer(&headers, &body);
    queue.under_way.fetch_sub(1, Ordering::Relaxed);
    (status, said.to_string())
}
