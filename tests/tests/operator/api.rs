//! Who may ask, and what the ledgers say.

use causeway_harness::s3::store::Attributes;
use causeway_tests::{Stack, run, shared};
use reqwest::{Method, StatusCode};
use serde_json::{Map, json};

use crate::fixture::{TOKEN, ask, lane, status_when};

#[test]
fn only_who_shows_the_token_is_answered() {
    run(async {
        let stack = shared().await;
        for token in [
            None,
            Some("wrong"),
            Some("a-token-of-the-local-worker-only"),
        ] {
            for path in [
                "/v1/routes",
                "/v1/routes/lane00",
                "/v1/routes/lane00/quarantine",
            ] {
                let (status, body) = ask(stack, Method::GET, path, token, None).await;
                assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {body}");
            }
        }
        let (status, body) = ask(stack, Method::GET, "/v1/routes", Some(TOKEN), None).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        assert_eq!(body["routes"][0]["route"], "lane00");
        assert_eq!(body["routes"][0]["source"]["uri"], "s3://source-00/");
    });
}

#[test]
fn without_a_token_it_is_closed_to_everybody() {
    run(async {
        let bindings = Map::from_iter([("ADMIN_TOKEN".to_owned(), json!(null))]);
        let stack = Stack::start(1, bindings).await;
        for token in [None, Some(""), Some(TOKEN)] {
            let (status, body) = ask(&stack, Method::GET, "/v1/routes", token, None).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
            assert!(body["detail"].as_str().unwrap().contains("ADMIN_TOKEN"));
        }
    });
}

#[test]
fn what_does_not_exist_or_is_no_request_is_refused_with_the_reason() {
    run(async {
        let stack = shared().await;
        let body = json!({"everything": true});
        for (method, path, body, expected) in [
            (Method::GET, "/v1/routes/nobody", None, 404),
            (Method::GET, "/v1/routes/nobody/quarantine", None, 404),
            (Method::GET, "/v1/routes/lane00/parts", None, 404),
            (Method::POST, "/v1/routes/lane00", None, 405),
            (
                Method::GET,
                "/v1/routes/lane00/quarantine/replay",
                None,
                405,
            ),
            (
                Method::GET,
                "/v1/routes/lane00/quarantine?kind=bad%20luck",
                None,
                400,
            ),
            (
                Method::POST,
                "/v1/routes/lane00/quarantine/replay",
                None,
                400,
            ),
            (
                Method::POST,
                "/v1/routes/lane00/quarantine/drop",
                Some(&body),
                400,
            ),
        ] {
            let (status, body) = ask(stack, method, path, Some(TOKEN), body).await;
            assert_eq!(status.as_u16(), expected, "{path} {body}");
            assert!(body["detail"].as_str().is_some_and(|text| !text.is_empty()));
        }
    });
}

#[test]
fn the_ledger_counts_what_was_copied_and_how_long_it_took() {
    run(async {
        let lane = lane().await;
        for number in 0..5 {
            lane.put(&format!("k{number}"), vec![7; 1000], Attributes::default());
        }
        let ledger = status_when(&lane, |ledger| ledger["counts"]["copied"] == 5).await;
        assert_eq!(ledger["bytes"], 5000);
        for delays in ["accepted_to_commit", "event_to_commit"] {
            assert_eq!(ledger[delays]["count"], 5, "{ledger:#}");
            assert!(ledger[delays]["p99_ms"].as_u64().is_some());
            let steps = ledger[delays]["buckets"].as_array().unwrap();
            let sum: u64 = steps
                .iter()
                .map(|step| step["count"].as_u64().unwrap())
                .sum();
            assert_eq!(sum, 5);
        }
        let recent = ledger["recent"].as_array().unwrap();
        assert_eq!(recent.len(), 5);
        assert_eq!(
            (&recent[0]["outcome"], &recent[0]["bytes"]),
            (&json!("copied"), &json!(1000))
        );
        assert_eq!(
            (&ledger["quarantined"], &ledger["brake"]),
            (&json!(0), &json!(null))
        );
    });
}
