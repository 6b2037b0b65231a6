//! A batch that is dealt out: many small objects wait for a distant store side by side, though six requests of an
//! invocation may.

use std::time::Duration;

use causeway_tests::{run, write_event};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::fixture::Fixture;

const OBJECTS: usize = 30;
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_batch_has_more_requests_waiting_than_one_invocation_may() {
    run(async {
        let (url, mut arrived) = silent_store().await;
        let fixture = Fixture::start(json!({ "AWS_ENDPOINT_URL_S3": url })).await;
        let site = fixture.site();
        let records: Vec<Value> = (0..OBJECTS)
            .map(|n| {
                write_event(&site.source, &format!("far/{n}"), Some(4096))["Records"][0].clone()
            })
            .collect();
        site.notify(&json!({ "Records": records })).await;
        let all = arrived.wait_for(|requests| *requests == OBJECTS);
        let is_all = tokio::time::timeout(PATIENCE, all).await.is_ok();
        assert!(is_all, "{} of {OBJECTS}", *arrived.borrow());
    });
}

/// A store that takes requests and answers none; and how many it has.
async fn silent_store() -> (String, watch::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (arrivals, arrived) = watch::channel(0);
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 4];
            stream.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"GET ");
            open.push(stream);
            arrivals.send_modify(|requests| *requests += 1);
        }
    });
    (url, arrived)
}
