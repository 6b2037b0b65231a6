//! The events that a change sends to a listener, and how long they are tried.

use std::time::Duration;

use causeway_harness::s3::EventTarget;
use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fixture::{BUCKET, fixture};

#[tokio::test]
async fn each_change_is_told_until_it_is_taken() {
    let f = fixture().await;
    let listener = MockServer::start().await;
    let busy = Mock::given(method("POST")).respond_with(ResponseTemplate::new(503));
    busy.up_to_n_times(1).mount(&listener).await;
    Mock::given(method("POST"))
        .and(header("authorization", "Bearer event-token"))
        .and(header("content-type", "application/json"))
        .respond_with(ResponseTemplate::new(202))
        .mount(&listener)
        .await;
    f.put("before", "x").await;
    let mut deliveries = f.s3.deliveries();
    f.s3.notify(EventTarget {
        first_wait: Duration::from_millis(1),
        ..EventTarget::new(listener.uri(), "event-token")
    });

    let etag = f.put("a b+ü/1", "hello").await;
    let delivery = deliveries.recv().await.unwrap();
    assert_eq!(delivery.key, "a b+ü/1");
    assert_eq!((delivery.status.clone(), delivery.attempts), (Ok(202), 2));
    assert!(delivery.finished_at >= delivery.sent_at);
    let copy = f.client.copy_object().bucket(BUCKET).key("copy");
    let copy = copy.copy_source(format!("{BUCKET}/before"));
    copy.send().await.unwrap();
    let copied = deliveries.recv().await.unwrap();
    assert_eq!(copied.event_name, "ObjectCreated:Copy");
    let delete = f.client.delete_object().bucket(BUCKET).key("copy");
    delete.send().await.unwrap();
    let deleted = deliveries.recv().await.unwrap();
    assert_eq!(deleted.event_name, "ObjectRemoved:Delete");

    let requests = listener.received_requests().await.unwrap();
    assert_eq!(requests.len(), 4, "the first one twice");
    let event: serde_json::Value = requests[1].body_json().unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["eventSource"], "aws:s3");
    assert_eq!(record["eventName"], "ObjectCreated:Put");
    assert_eq!(record["s3"]["bucket"]["name"], BUCKET);
    let object = &record["s3"]["object"];
    assert_eq!(object["key"], "a+b%2B%C3%BC/1");
    assert_eq!(object["size"], 5);
    assert_eq!(format!("\"{}\"", object["eTag"].as_str().unwrap()), etag);
    assert_eq!(object["sequencer"], delivery.sequencer.as_str());
}

#[tokio::test]
async fn a_listener_that_refuses_or_is_gone_is_reported() {
    let f = fixture().await;
    let mut deliveries = f.s3.deliveries();
    let listener = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&listener)
        .await;
    f.s3.notify(EventTarget::new(listener.uri(), "token"));
    f.put("k", "x").await;
    let rejected = deliveries.recv().await.unwrap();
    assert_eq!((rejected.status, rejected.attempts), (Ok(401), 1));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    f.s3.notify(EventTarget {
        max_attempts: 2,
        first_wait: Duration::from_millis(1),
        ..EventTarget::new(format!("http://{address}/"), "token")
    });
    f.put("k", "x").await;
    let lost = deliveries.recv().await.unwrap();
    assert!(lost.status.is_err());
    assert_eq!(lost.attempts, 2);
}
