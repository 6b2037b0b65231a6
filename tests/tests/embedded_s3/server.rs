//! The server below S3's protocol: its connections and its end.

use std::time::{Duration, SystemTime};

use crate::fixture::{BUCKET, fixture, signed_at};

/// botocore would read the next answer on that connection wrongly.
#[tokio::test]
async fn a_connection_ends_whose_client_waits_for_a_100_in_vain() {
    let f = fixture().await;
    let url = format!("{}/{BUCKET}/k", f.s3.endpoint());
    let put = || signed_at("PUT", &url, SystemTime::now()).header("content-length", "0");
    let waiting = put().header("expect", "100-continue").send().await.unwrap();
    assert_eq!(waiting.status(), 200);
    assert_eq!(waiting.headers()["connection"], "close");
    let not_waiting = put().send().await.unwrap();
    assert_eq!(not_waiting.status(), 200);
    assert!(!not_waiting.headers().contains_key("connection"));
}

#[tokio::test]
async fn dropping_it_ends_it() {
    let f = fixture().await;
    let address = f.s3.endpoint().trim_start_matches("http://").to_owned();
    f.put("k", "x").await;
    drop(f.s3);
    tokio::time::timeout(Duration::from_secs(5), async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
