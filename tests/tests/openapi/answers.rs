//! Every operation and every status that the document has.

use std::collections::BTreeSet;

use causeway_harness::s3::store::Attributes;
use causeway_tests::{Table, into_table, make_dataset, run};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{Served, body, filled};

/// What no request can bring about: the queue and the ledgers of a local worker always answer.
const NEVER: [(&str, &str); 1] = [("sendEvents", "503")];

/// An Access that does not answer.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn every_answer_that_is_documented_is_given() {
    run(async {
        let mut seen = BTreeSet::new();
        let served = Served::start(2, &Value::Null).await;
        what_is_done_is_answered(&served).await;
        what_is_wrong_is_refused(&served).await;
        what_the_token_endpoint_says(&served).await;
        seen.extend(served.contract.seen());
        for more in [
            json!({"ADMIN_TOKEN": null}),
            json!({"AWS_ACCESS_KEY_ID": null}),
            // Nobody listens there.
            json!({"ACCESS_TEAM_DOMAIN": NOBODY, "ACCESS_AUD": "aud"}),
        ] {
            let other = Served::start(2, &more).await;
            let with_assertion = more.get("ACCESS_AUD").is_some();
            for (_, method, path) in other.contract.operations() {
                other
                    .held(whole(&other, &method, &path, with_assertion))
                    .await;
            }
            seen.extend(other.contract.seen());
        }
        let limited = Served::start(2, &json!({"API_LIMIT": null, "EVENTS_LIMIT": 500})).await;
        what_is_too_often_is_limited(&limited).await;
        seen.extend(limited.contract.seen());
        let topic = "arn:aws:sns:us-east-1:123456789012:inbox";
        let (variable, route) = into_table(0, &json!({"sns_topics": [topic]}));
        let heard = Served::start(1, &json!({variable: route})).await;
        let message = json!({"Type": "Notification", "TopicArn": format!("{topic}-of-another")});
        let disbelieved = heard.request(&Method::POST, "/events").json(&message);
        assert_eq!(heard.held(disbelieved).await.status, 403);
        what_is_loaded_is_shown(&heard).await;
        seen.extend(heard.contract.seen());
        let missing: Vec<_> = served
            .contract
            .documented()
            .into_iter()
            .filter(|(id, status)| !seen.contains(&(id.clone(), status.clone())))
            .filter(|(id, status)| !NEVER.contains(&(&**id, &**status)))
            .collect();
        assert!(missing.is_empty(), "never seen: {missing:#?}");
    });
}

/// Whoever adds a kind of error is told to say so.
#[test]
fn every_kind_of_error_is_documented() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap();
    let read = |file: &str| std::fs::read_to_string(root.join(file)).unwrap();
    let source = read("shared/src/error.rs");
    let (_, kinds) = source.split_once("pub enum ErrorKind {").unwrap();
    let (kinds, _) = kinds.split_once("\n}").unwrap();
    let names = kinds
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("///"));
    let kebab = |name: &str| {
        let letters = name
            .trim_end_matches(',')
            .char_indices()
            .map(|(at, letter)| {
                let hyphen = if at > 0 && letter.is_uppercase() {
                    "-"
                } else {
                    ""
                };
                format!("{hyphen}{}", letter.to_lowercase())
            });
        letters.collect::<String>()
    };
    let kinds: Vec<_> = names.filter(|name| !name.is_empty()).map(kebab).collect();
    let document = read("docs/openapi.yaml");
    let (_, documented) = document.split_once("\n    ErrorKind:\n").unwrap();
    let (_, documented) = documented.split_once("      enum:\n").unwrap();
    let items = documented
        .lines()
        .map_while(|line| line.strip_prefix("        - "));
    assert_eq!(items.collect::<Vec<_>>(), kinds);
}

/// A request that is as it should be.
fn whole(
    served: &Served,
    method: &Method,
    template: &str,
    with_assertion: bool,
) -> reqwest::RequestBuilder {
    let path = filled(template, "lane00");
    let mut request = served.allowed(method, &path);
    if with_assertion {
        let assertion = crate::access::assertion(NOBODY);
        request = served
            .request(method, &path)
            .header("cf-access-jwt-assertion", assertion);
    }
    if template == "/oauth/token" {
        request = request.form(&[("grant_type", "client_credentials")]);
    } else if *method == Method::POST {
        request = request.json(&body(template));
    }
    request
}

/// Each operation, more often than a minute allows. Minutes begin anew, so each is asked until it is so.
async fn what_is_too_often_is_limited(served: &Served) {
    let is_limited = |method: &Method, path: &str| match path {
        "/events" => method == Method::POST,
        path => path.starts_with("/v1") || matches!(path, "/healthz" | "/oauth/token"),
    };
    let mut operations = served.contract.operations();
    // Its secret is wrong here, and after so many guesses nothing of the address is looked at.
    operations.sort_by_key(|(_, _, path)| path == "/oauth/token");
    for (_, method, path) in operations {
        if is_limited(&method, &path) {
            let limited = async || {
                for _ in 0..2000 {
                    let request = whole(served, &method, &path, false);
                    if served.held(request).await.status == 429 {
                        return true;
                    }
                }
                false
            };
            assert!(limited().await, "{method} {path} is not limited");
        }
    }
}

/// Everything goes well, once.
async fn what_is_done_is_answered(served: &Served) {
    let lane = served.stack.lane_number(0);
    let (get, post) = (Method::GET, Method::POST);
    let null = Value::Null;
    let ask = async |method: &Method, path: &str, body: Value, status| {
        served.ask(method.clone(), path, &body, status).await
    };
    for path in [
        "/healthz",
        "/openapi.json",
        "/v1/sources",
        "/v1/destinations",
        "/v1/routes",
    ] {
        ask(&get, path, null.clone(), 200).await;
        let head = served.held(served.allowed(&Method::HEAD, path)).await;
        assert_eq!((head.status, &*head.body), (200, ""), "{path}");
    }
    ask(
        &get,
        "/v1/routes/lane00/transfers/source-00%2Fa%20key",
        null.clone(),
        404,
    )
    .await;
    ask(&get, "/v1/routes/lane00/loads", null.clone(), 404).await;
    for walk in ["/v1/routes/lane00/backfill", "/v1/routes/lane00/reconcile"] {
        ask(&get, walk, null.clone(), 404).await;
        ask(&post, &format!("{walk}/cancel"), null.clone(), 404).await;
    }

    lane.put("a key", "bytes", Attributes::default());
    lane.store().deny(&lane.source, Some("secret")).unwrap();
    lane.put("secret", "bytes", Attributes::default());
    let keys = json!({"keys": ["a key", "secret", "é".repeat(600)]});
    let taken = ask(&post, "/v1/routes/lane00/events", keys, 202).await;
    assert_eq!(taken["accepted"][0]["id"], "source-00/a key");
    assert_eq!(taken["accepted"].as_array().unwrap().len(), 2);
    assert_eq!(
        taken["ignored"][0]["reason"],
        "The key is longer than 1,024 bytes."
    );
    let path = "/v1/routes/lane00/transfers/source-00%2Fa%20key";
    let transfer = served.until(path, |answer| answer.status == 200).await;
    assert_eq!(
        (&transfer["outcome"], &transfer["bytes"]),
        (&json!("copied"), &json!(5))
    );
    let path = "/v1/routes/lane00/transfers/source-00%2Fsecret";
    let has_entry = |answer: &causeway_tests::Answer| answer.json()["quarantine"].is_object();
    let transfer = served.until(path, has_entry).await;
    assert_eq!(transfer["outcome"], "quarantined");
    assert_eq!(transfer["quarantine"]["kind"], "source-denied");
    let route = ask(&get, "/v1/routes/lane00", null.clone(), 200).await;
    assert_eq!(
        (&route["source"]["kind"], &route["destination"]["kind"]),
        (&json!("s3"), &json!("gcs"))
    );
    ask(&get, "/v1/routes/lane00/transfers", null.clone(), 200).await;
    ask(&get, "/v1/metrics", null.clone(), 200).await;
    let page = ask(
        &get,
        "/v1/routes/lane00/quarantine?kind=source-denied&key=s",
        null.clone(),
        200,
    )
    .await;
    assert_eq!(page["entries"][0]["key"], "secret");
    ask(&get, "/v1/routes/unrouted/quarantine", null.clone(), 200).await;
    let id = json!({"id": "source-00/secret"});
    let taken = ask(&post, "/v1/routes/lane00/quarantine/replay", id, 200).await;
    assert_eq!(taken["count"], 1);
    ask(
        &post,
        "/v1/routes/lane00/quarantine/drop",
        json!({"all": true}),
        200,
    )
    .await;

    let event = causeway_tests::write_event(&lane.source, "a key", Some(5));
    ask(&post, "/events", event, 202).await;
    for walk in ["/v1/routes/lane00/backfill", "/v1/routes/lane00/reconcile"] {
        ask(&post, walk, json!({"prefix": "a", "dry_run": true}), 202).await;
        served
            .until(walk, |answer| answer.json()["end"]["outcome"] == "done")
            .await;
    }
    walks_that_are_under_way(served).await;
}

/// A walk that takes its time is the only one of its kind, and ends when it is told to.
async fn walks_that_are_under_way(served: &Served) {
    let lane = served.stack.lane_number(1);
    for number in 0..300 {
        lane.put(&number.to_string(), "", Attributes::default());
    }
    let slow = json!({"rate": 1});
    for walk in ["/v1/routes/lane01/backfill", "/v1/routes/lane01/reconcile"] {
        served.ask(Method::POST, walk, &slow, 202).await;
        served.ask(Method::POST, walk, &slow, 409).await;
        let cancel = format!("{walk}/cancel");
        for _ in 0..2 {
            let ended = served.ask(Method::POST, &cancel, &Value::Null, 200).await;
            assert_eq!(ended["end"]["outcome"], "cancelled");
        }
    }
    let route = served
        .ask(Method::GET, "/v1/routes/lane01", &Value::Null, 200)
        .await;
    assert_eq!(route["walks"].as_array().unwrap().len(), 2);
}

/// The loads of a route into a table.
async fn what_is_loaded_is_shown(served: &Served) {
    make_dataset(&served.stack);
    let table = Table::of(served.stack.lane(), &Value::Null);
    table.put("a.json", "2026-11-28", "a", &[1, 2]);
    let path = "/v1/routes/lane00/events";
    let keys = json!({"keys": ["a.json"]});
    served.ask(Method::POST, path, &keys, 202).await;
    let path = "/v1/routes/lane00/loads";
    let has_ended = |answer: &causeway_tests::Answer| answer.json()["counts"]["loads"] == 1;
    let loads = served.until(path, has_ended).await;
    let load = &loads["ended"][0];
    assert_eq!((&load["rows"], &loads["before"]), (&json!(2), &Value::Null));
    let path = format!("{path}/{}", load["id"].as_str().unwrap());
    let shown = served.ask(Method::GET, &path, &Value::Null, 200).await;
    assert_eq!(shown, *load);
    for wrong in ["x", "", "-1", "1.5"] {
        let path = format!("/v1/routes/lane00/loads?before={wrong}");
        served.ask(Method::GET, &path, &Value::Null, 400).await;
    }
    let transfer = "/v1/routes/lane00/transfers/source-00%2Fa.json";
    let is_loaded = |answer: &causeway_tests::Answer| answer.json()["outcome"] == "loaded";
    served.until(transfer, is_loaded).await;
}

/// A token for a secret, and none for anything else.
async fn what_the_token_endpoint_says(served: &Served) {
    let endpoint = || served.request(&Method::POST, "/oauth/token");
    let held = async |request| served.held(request).await.status;
    let grant = ("grant_type", "client_credentials");
    let secret = served.stack.local.file().events_token;
    let good = endpoint().form(&[grant, ("client_secret", secret.as_str())]);
    assert_eq!(held(good).await, 200);
    assert_eq!(held(endpoint().form(&[grant])).await, 401);
    assert_eq!(held(endpoint().body("{}")).await, 400);
    let long = endpoint().body("x".repeat(5000));
    assert_eq!(served.held_too_long(long).await.status, 413);
    assert_eq!(
        held(served.request(&Method::PATCH, "/oauth/token")).await,
        405
    );
}

/// Each operation with each thing that is wrong with a request.
async fn what_is_wrong_is_refused(served: &Served) {
    for (_, method, template) in served.contract.operations() {
        let path = filled(&template, "lane00");
        let held = async |request| served.held(request).await.status;
        let with_body = method == Method::POST && !template.ends_with("/cancel");
        if template == "/oauth/token" {
            continue;
        }
        let is_open = template == "/openapi.json" || template == "/events" && method == Method::GET;
        if !is_open {
            let expected = if template == "/healthz" { 200 } else { 401 };
            assert_eq!(
                held(served.request(&method, &path)).await,
                expected,
                "{path}"
            );
            let wrong = served.request(&method, &path).bearer_auth("wrong");
            assert_eq!(held(wrong).await, 401, "{path}");
        }
        let odd = served.allowed(&Method::PATCH, &path);
        assert_eq!(held(odd).await, 405, "{path}");
        if with_body {
            let long = vec![b' '; (1 << 20) + 1];
            let long = served.allowed(&method, &path).body(long);
            assert_eq!(served.held_too_long(long).await.status, 413, "{path}");
            for wrong in ["", "{", "[]", r#"{"no": 1}"#, "\u{0}", "\"\u{fffd}\""] {
                let wrong = served.allowed(&method, &path).body(wrong);
                assert_eq!(held(wrong).await, 400, "{path}");
            }
        }
        let none = served.allowed(&method, &format!("{path}?no=1"));
        assert_eq!(held(none).await, 400, "{path}");
        if !template.starts_with("/v1") {
            continue;
        }
        for query in ["?limit", "?limit=1&limit=1", "?after=%FF"] {
            let wrong = served.allowed(&method, &format!("{path}{query}"));
            assert_eq!(held(wrong).await, 400, "{path}{query}");
        }
        if template.contains("{route}") {
            let nobody = served.allowed(&method, &filled(&template, "nobody"));
            assert_eq!(held(nobody).await, 404, "{path}");
        }
    }
    what_is_out_of_range_is_refused(served).await;
}

/// Values that the document does not allow, and paths that it does not have.
async fn what_is_out_of_range_is_refused(served: &Served) {
    let bad = [
        ("/v1/sources?limit=0", Value::Null),
        ("/v1/routes?limit=101", Value::Null),
        ("/v1/routes?limit=ten", Value::Null),
        ("/v1/routes/lane00/transfers?after=x", Value::Null),
        ("/v1/routes/lane00/quarantine?kind=bad%20luck", Value::Null),
        ("/v1/routes/lane00/events", json!({"keys": []})),
        ("/v1/routes/lane00/events", json!({"keys": [""]})),
        ("/v1/routes/lane00/events", json!({"keys": vec!["k"; 101]})),
        (
            "/v1/routes/lane00/events",
            json!({"keys": ["k".repeat(1025)]}),
        ),
        (
            "/v1/routes/lane00/backfill",
            json!({"prefix": "k".repeat(1025)}),
        ),
        ("/v1/routes/lane00/backfill", json!({"rate": -1})),
        (
            "/v1/routes/lane00/quarantine/drop",
            json!({"id": "k".repeat(1281)}),
        ),
        (
            "/v1/routes/lane00/quarantine/drop",
            json!({"id": "k", "all": true}),
        ),
    ];
    for (path, body) in bad {
        let method = if body.is_null() {
            Method::GET
        } else {
            Method::POST
        };
        served.ask(method, path, &body, 400).await;
    }
    for path in [
        "/v1",
        "/v1/",
        "/v1/routes/",
        "/v1/route",
        "/v1/routes/lane00/parts",
        "/v2/routes",
    ] {
        served.ask(Method::GET, path, &Value::Null, 404).await;
    }
    let long = "%F0%9F%8C%89".repeat(1280);
    for path in [
        "transfers/b%00",
        &format!("transfers/{long}"),
        &format!("transfers/{long}x"),
    ] {
        let path = format!("/v1/routes/lane00/{path}");
        served.ask(Method::GET, &path, &Value::Null, 404).await;
    }
    for query in ["key=%00", &format!("key={long}"), &format!("after={long}")] {
        let path = format!("/v1/routes/lane00/quarantine?{query}");
        served.ask(Method::GET, &path, &Value::Null, 200).await;
    }
}
