//! Six requests of an invocation wait for response headers at once, as Cloudflare has it; a seventh waits
//! for its turn.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use causeway_harness::runtime::{Connections, LogSink, Runtime, RuntimeOptions};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{post, start};

/// Long enough that a request that need not wait would have arrived.
const QUIET: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that answers when it is told to.
struct Server {
    url: String,
    /// The paths asked for, in their order.
    arrived: watch::Receiver<Vec<String>>,
    /// How many of them get their headers, and whether bodies follow.
    answers: watch::Sender<(usize, bool)>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (arrivals, arrived) = watch::channel(Vec::new());
        let (answers, told) = watch::channel((0, false));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, arrivals.clone(), told.clone()));
            }
        });
        Self {
            url,
            arrived,
            answers,
        }
    }

    /// Waits until `count` requests have arrived, and sees that no more do.
    async fn has_just(&self, count: usize) -> Vec<String> {
        let mut arrived = self.arrived.clone();
        let enough = arrived.wait_for(|paths| paths.len() >= count);
        let enough = tokio::time::timeout(PATIENCE, enough).await;
        assert!(enough.is_ok(), "{:?} of {count}", self.arrived.borrow());
        tokio::time::sleep(QUIET).await;
        let paths = self.arrived.borrow().clone();
        assert_eq!(paths.len(), count, "{paths:?}");
        paths
    }

    /// Gives the first `count` requests their headers.
    fn give_headers(&self, count: usize) {
        self.answers.send_modify(|answers| answers.0 = count);
    }

    fn give_everything(&self) {
        self.answers.send_replace((usize::MAX, true));
    }
}

async fn answer(
    mut stream: TcpStream,
    arrivals: watch::Sender<Vec<String>>,
    mut told: watch::Receiver<(usize, bool)>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let mut place = 0;
    arrivals.send_modify(|paths| {
        place = paths.len();
        paths.push(path);
    });
    told.wait_for(|(headers, _)| *headers > place)
        .await
        .unwrap();
    let headers = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\n";
    stream.write_all(headers).await.unwrap();
    told.wait_for(|(_, bodies)| *bodies).await.unwrap();
    stream.write_all(b"body").await.unwrap();
}

struct Case {
    server: Server,
    runtime: Arc<Runtime>,
    hints: Arc<Mutex<Vec<String>>>,
    _folder: TempDir,
}

impl Case {
    async fn start(connections: Connections) -> Self {
        let hints = Arc::<Mutex<Vec<String>>>::default();
        let told = Arc::clone(&hints);
        let log = LogSink::new(move |line| told.lock().unwrap().push(line.message.clone()));
        let (runtime, folder) = start(RuntimeOptions {
            connections,
            log,
            ..RuntimeOptions::default()
        })
        .await;
        Self {
            server: Server::start().await,
            runtime: Arc::new(runtime),
            hints,
            _folder: folder,
        }
    }

    /// Has the worker send `count` requests from its handler at `path`.
    fn ask(&self, path: &'static str, count: usize) -> tokio::task::JoinHandle<String> {
        let (runtime, url) = (Arc::clone(&self.runtime), &self.server.url);
        let body = json!({ "url": url, "count": count }).to_string();
        tokio::spawn(async move { post(&runtime, path, &body).await })
    }

    fn has_sent_after(&self) -> bool {
        let hints = self.hints.lock().unwrap();
        hints.iter().any(|hint| hint.contains("after them"))
    }
}

#[tokio::test]
async fn a_seventh_request_waits_until_one_of_six_has_its_headers() {
    let case = Case::start(Connections::Six).await;
    let asked = case.ask("/many", 9);
    case.server.has_just(6).await;
    // Its body is still under way, and holds no place.
    case.server.give_headers(1);
    let paths = case.server.has_just(7).await;
    assert_eq!(paths[6], "/6", "{paths:?}");
    case.server.give_headers(3);
    let paths = case.server.has_just(9).await;
    assert_eq!(paths[7..], ["/7", "/8"], "{paths:?}");
    assert!(!case.has_sent_after(), "a queue's send is a seventh, too");
    case.server.give_everything();
    assert_eq!(asked.await.unwrap(), "hello");
    let sent = async {
        while !case.has_sent_after() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, sent).await.unwrap();
}

#[tokio::test]
async fn each_invocation_has_six_connections_of_its_own() {
    let case = Case::start(Connections::Six).await;
    let first = [case.ask("/many", 7), case.ask("/many", 7)];
    case.server.has_just(12).await;
    let batch = case.ask("/hint", 7);
    assert_eq!(batch.await.unwrap(), "hello");
    case.server.has_just(18).await;
    // Both requests of one object share its six.
    let object = [case.ask("/object", 4), case.ask("/object", 4)];
    case.server.has_just(24).await;
    case.server.give_everything();
    for asked in first {
        assert_eq!(asked.await.unwrap(), "hello");
    }
    for asked in object {
        assert_eq!(asked.await.unwrap(), "done");
    }
    case.server.has_just(14 + 7 + 8).await;
}

#[tokio::test]
async fn without_the_limit_all_wait_at_once() {
    let case = Case::start(Connections::Unlimited).await;
    let asked = case.ask("/many", 20);
    case.server.has_just(20).await;
    case.server.give_everything();
    assert_eq!(asked.await.unwrap(), "hello");
}
