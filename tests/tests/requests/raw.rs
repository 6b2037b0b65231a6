//! The built worker between a source that answers to the letter, byte by byte, and the embedded GCS.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use causeway_tests::{Lane, Stack, write_event};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::OnceCell;

use crate::fixture::Scripted;

const LANES: usize = 130;
/// The last of them are of routes that cut objects above 1 MiB.
const IN_PARTS: usize = 10;

/// What a source does with a request.
#[derive(Clone)]
pub(crate) struct Answer {
    bytes: Vec<u8>,
    /// How the connection ends behind them: reset, or closed in order.
    is_cut: bool,
}

impl Answer {
    /// These very bytes, and an orderly end.
    pub(crate) fn raw(head: &str, body: &[u8]) -> Self {
        Self {
            bytes: [head.as_bytes(), body].concat(),
            is_cut: false,
        }
    }

    /// A 200 whose headers say `length` and whose body is `body`.
    pub(crate) fn ok(headers: &str, length: usize, body: &[u8]) -> Self {
        Self::of("200 OK", headers, length, body)
    }

    /// The same with `status`.
    pub(crate) fn of(status: &str, headers: &str, length: usize, body: &[u8]) -> Self {
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        Self::raw(&head, body)
    }

    /// The same, with the connection reset at the end.
    pub(crate) fn cut(self) -> Self {
        Self {
            is_cut: true,
            ..self
        }
    }
}

/// Gives the answer to the n-th request (from 0) of a bucket, whose head is the text.
type Script = Arc<dyn Fn(usize, &str) -> Answer + Send + Sync>;

#[derive(Default)]
struct Bucket {
    script: Option<Script>,
    heads: Vec<String>,
}

type Buckets = Arc<Mutex<BTreeMap<String, Bucket>>>;

/// The stack and its source.
struct RawStack {
    stack: Stack,
    buckets: Buckets,
    /// The next lane of those without parts.
    plain: AtomicUsize,
    /// The next lane of those with parts.
    in_parts: AtomicUsize,
}

impl RawStack {
    async fn shared() -> &'static Self {
        static SHARED: OnceCell<RawStack> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let buckets = Buckets::default();
        let served = Arc::clone(&buckets);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&served)));
            }
        });
        let mut bindings: Map<String, Value> = (LANES - IN_PARTS..LANES)
            .map(|number| Lane::table(number, &json!({"parts_above_mib": 1})))
            .collect();
        bindings.insert("AWS_ENDPOINT_URL_S3".into(), json!(url));
        let stack = Stack::start(LANES, bindings).await;
        Self {
            stack,
            buckets,
            plain: AtomicUsize::new(0),
            in_parts: AtomicUsize::new(LANES - IN_PARTS),
        }
    }
}

async fn serve(mut stream: TcpStream, buckets: Buckets) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let bucket = head.split('/').nth(1).unwrap();
    let (script, n) = {
        let mut buckets = buckets.lock().unwrap();
        let bucket = buckets.get_mut(bucket).unwrap();
        bucket.heads.push(head.clone());
        (bucket.script.clone().unwrap(), bucket.heads.len() - 1)
    };
    let answer = script(n, &head);
    // The worker may well hang up before the end.
    let _ = stream.write_all(&answer.bytes).await;
    if answer.is_cut {
        let _ = stream.set_zero_linger();
    } else {
        let _ = stream.shutdown().await;
    }
}

/// One test's source and destination.
pub(crate) struct RawLane {
    pub(crate) lane: Lane<'static>,
    buckets: Buckets,
}

impl RawLane {
    /// A lane that no other test uses, whose source does what `script` says.
    pub(crate) async fn new(
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let shared = RawStack::shared().await;
        let number = shared.plain.fetch_add(1, Ordering::Relaxed);
        assert!(number < LANES - IN_PARTS, "all lanes are taken");
        Self::on(shared, shared.stack.lane_number(number), script)
    }

    /// The same along a route that cuts objects above 1 MiB.
    pub(crate) async fn in_parts(
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let shared = RawStack::shared().await;
        let number = shared.in_parts.fetch_add(1, Ordering::Relaxed);
        Self::on(shared, shared.stack.lane_number(number), script)
    }

    fn on(
        shared: &'static RawStack,
        lane: Lane<'static>,
        script: impl Fn(usize, &str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let bucket = Bucket {
            script: Some(Arc::new(script)),
            ..Bucket::default()
        };
        let mut buckets = shared.buckets.lock().unwrap();
        buckets.insert(lane.source.clone(), bucket);
        Self {
            lane,
            buckets: Arc::clone(&shared.buckets),
        }
    }

    /// A source that answers its n-th request with the n-th of these, and from then on with the last.
    pub(crate) async fn answering(answers: impl Into<Vec<Answer>>) -> Self {
        let answers = answers.into();
        Self::new(move |n, _| answers[n.min(answers.len() - 1)].clone()).await
    }

    /// Tells the worker of `key` with `size` bytes and waits for `count` outcomes.
    pub(crate) async fn outcomes(&self, size: usize, count: usize) -> Vec<Value> {
        let event = write_event(&self.lane.source, "key", Some(size as u64));
        self.lane.stack.send(&event).await;
        self.lane.outcomes("key", count).await
    }

    /// The same for the first outcome.
    pub(crate) async fn outcome(&self, size: usize) -> Value {
        self.outcomes(size, 1).await.remove(0)
    }

    /// The heads of the requests to the source so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.buckets.lock().unwrap()[&self.lane.source]
            .heads
            .clone()
    }

    /// Checks that nothing was ever written at the destination.
    #[track_caller]
    pub(crate) fn assert_nothing_visible(&self) {
        assert!(self.lane.names().is_empty());
        let is_ours =
            |commit: &causeway_harness::gcs::Commit| commit.bucket == self.lane.destination;
        let written = |seen: &causeway_tests::Seen| seen.commits.iter().any(is_ours);
        assert!(!self.lane.stack.witness.now(written));
    }
}

/// The header of an ETag that is the MD5 of `bytes`.
pub(crate) fn md5_etag(bytes: &[u8]) -> String {
    format!("ETag: {}\r\n", Scripted::new(bytes.to_vec()).etag)
}

/// The value of the header `name` in a request's head.
pub(crate) fn header_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
