//! What was there before the notifications were goes down the same road.

use causeway_harness::gcs::state::Preconditions;
use causeway_harness::s3::store::Attributes;
use causeway_tests::{Lane, run};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{self, TOKEN, ask, lane};

/// More than three of the small pages that a rate asks for.
const KEYS: usize = 350;

/// Objects at the source, none of which stands at the destination any more.
async fn uncopied(lane: &Lane<'_>) -> Vec<String> {
    let keys: Vec<String> = (0..KEYS).map(|n| format!("{}/{n:03} é+&", n % 2)).collect();
    for key in &keys {
        lane.put(key, "12345", Attributes::default());
    }
    for key in &keys {
        lane.commits(key, 1).await;
        let gcs = lane.stack.local.gcs.state();
        let any = Preconditions::default();
        gcs.delete(&lane.destination, key, None, &any).unwrap();
    }
    keys
}

async fn request(lane: &Lane<'_>, method: Method, body: Option<Value>) -> (StatusCode, Value) {
    let path = format!("/v1/routes/{}/backfill", lane.route);
    ask(lane.stack, method, &path, Some(TOKEN), body.as_ref()).await
}

async fn cancel(lane: &Lane<'_>) -> (StatusCode, Value) {
    let path = format!("/v1/routes/{}/backfill/cancel", lane.route);
    ask(lane.stack, Method::POST, &path, Some(TOKEN), None).await
}

/// Waits until the worker says that it has ended, and gives how.
async fn ended(lane: &Lane<'_>) -> Value {
    let what = format!("the end of the backfill of {}", lane.route);
    let look = |seen: &causeway_tests::Seen| {
        let is_ours = |line: &&Value| line["event"] == "backfill" && line["route"] == *lane.route;
        seen.log.iter().find(is_ours).cloned()
    };
    lane.stack.witness.until(&what, look).await
}

#[test]
fn every_key_of_the_source_is_listed_and_copied() {
    run(async {
        let lane = lane().await;
        assert_eq!(
            request(&lane, Method::GET, None).await.0,
            StatusCode::NOT_FOUND
        );
        let keys = uncopied(&lane).await;
        let (status, body) = request(&lane, Method::POST, Some(json!({}))).await;
        assert_eq!(
            (status, &body["end"]),
            (StatusCode::ACCEPTED, &json!(null)),
            "{body}"
        );
        let line = ended(&lane).await;
        assert_eq!(
            (&line["parity"]["source"], &line["sent"]),
            (&json!({"keys": KEYS, "bytes": KEYS * 5}), &json!(KEYS))
        );
        assert_eq!(line["end"]["outcome"], "done");
        for key in &keys {
            lane.commits(key, 3).await;
            assert_eq!(lane.stored(key).unwrap().size(), 5);
        }
        let (status, body) = request(&lane, Method::GET, None).await;
        assert_eq!((status, &body["sent"]), (StatusCode::OK, &json!(KEYS)));
    });
}

#[test]
fn a_dry_run_counts_below_a_prefix_and_sends_nothing() {
    run(async {
        let lane = lane().await;
        uncopied(&lane).await;
        let wish = json!({"prefix": "1/", "dry_run": true});
        assert_eq!(
            request(&lane, Method::POST, Some(wish)).await.0,
            StatusCode::ACCEPTED
        );
        let line = ended(&lane).await;
        assert_eq!(line["parity"]["source"]["keys"], KEYS / 2);
        assert_eq!(line["sent"], 0);
        lane.drained().await;
        assert_eq!(lane.names(), ["the-sentinel"]);
    });
}

#[test]
fn one_that_is_slow_is_the_only_one_until_it_is_cancelled() {
    run(async {
        let lane = lane().await;
        uncopied(&lane).await;
        let wish = json!({"rate": 1});
        assert_eq!(
            request(&lane, Method::POST, Some(wish.clone())).await.0,
            StatusCode::ACCEPTED
        );
        let (status, body) = request(&lane, Method::POST, Some(json!({}))).await;
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
        let (_, body) = request(&lane, Method::GET, None).await;
        assert_eq!(body["request"]["rate"], 1, "{body}");
        let (status, body) = cancel(&lane).await;
        assert_eq!(
            (status, &body["end"]["outcome"]),
            (StatusCode::OK, &json!("cancelled"))
        );
        assert!(body["sent"].as_u64().unwrap() < KEYS as u64);
        let ledger = fixture::status(&lane).await;
        assert_eq!(ledger["walks"][0]["end"]["outcome"], "cancelled");
        assert_eq!(
            request(&lane, Method::POST, Some(json!({"dry_run": true})))
                .await
                .0,
            StatusCode::ACCEPTED
        );
        let (status, body) = request(&lane, Method::POST, Some(json!({"speed": 9}))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    });
}
