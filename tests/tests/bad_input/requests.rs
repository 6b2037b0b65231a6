//! Requests that the worker refuses: the status, the headers and the whole body of the answer
//! ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)).

use std::io::Write as _;

use causeway_tests::{Lane, run, shared, write_event};
use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

const LIMIT: usize = 1 << 20;

/// A request to `path` of the shared worker, without a token.
async fn request(method: Method, path: &str) -> RequestBuilder {
    let url = format!("{}{path}", shared().await.local.runtime.url());
    Client::new().request(method, url)
}

/// An authenticated event with `body`.
async fn post(body: impl Into<reqwest::Body>) -> Response {
    let token = shared().await.local.file().events_token;
    let request = request(Method::POST, "/events").await;
    request.bearer_auth(token).body(body).send().await.unwrap()
}

/// Checks that `answer` is a problem, and all that it says.
async fn assert_problem(answer: Response, status: u16, title: &str, detail: &str) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    let body: Value = answer.json().await.unwrap();
    let expected =
        json!({"type": "about:blank", "title": title, "status": status, "detail": detail});
    assert_eq!(body, expected);
}

/// Basic first: some senders read no further.
const CHALLENGE: &str = "Basic realm=\"causeway\", Bearer realm=\"causeway\"";

const TOKEN_WANTED: &str = "Show a token of EVENTS_TOKEN as `Authorization: Bearer <token>`, as the password of Basic or as `x-api-key`, sign the request with WEBHOOK_SECRET, or send it through an SNS topic that a route names.";

#[test]
fn an_event_without_a_token_is_401() {
    run(async {
        let event = write_event("source-00", "a", None);
        let answer = request(Method::POST, "/events")
            .await
            .json(&event)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["www-authenticate"], CHALLENGE);
        assert_problem(answer, 401, "Unauthorized", TOKEN_WANTED).await;
    });
}

#[test]
fn an_event_with_a_wrong_token_is_401() {
    run(async {
        let token = shared().await.local.file().events_token;
        let almost = &token[..token.len() - 1];
        for wrong in [almost, &format!("{token}x"), &token.to_uppercase()] {
            let request = request(Method::POST, "/events").await.bearer_auth(wrong);
            let answer = request.body("{}").send().await.unwrap();
            assert_eq!(answer.headers()["www-authenticate"], CHALLENGE);
            assert_problem(answer, 401, "Unauthorized", TOKEN_WANTED).await;
        }
    });
}

#[test]
fn another_method_is_405() {
    run(async {
        for (method, path, allow) in [
            (Method::PUT, "/events", "GET, HEAD, POST"),
            (Method::DELETE, "/events", "GET, HEAD, POST"),
            (Method::POST, "/healthz", "GET, HEAD"),
        ] {
            let answer = request(method, path).await.send().await.unwrap();
            assert_eq!(answer.headers()["allow"], allow);
            let detail = format!("This path takes {allow}.");
            assert_problem(answer, 405, "Method Not Allowed", &detail).await;
        }
    });
}

#[test]
fn parameters_where_there_are_none_are_400_and_are_not_said() {
    run(async {
        let detail = "This path takes no parameters. Leave out `?` and what follows it.";
        for path in ["/healthz", "/events", "/openapi.json", "/"] {
            for query in ["?no=1", "?token=hush", "?no", "?&no=1", "?=", "?%"] {
                let path = format!("{path}{query}");
                let answer = request(Method::GET, &path).await.send().await.unwrap();
                assert_problem(answer, 400, "Bad Request", detail).await;
            }
            let path = format!("{path}?");
            let answer = request(Method::GET, &path).await.send().await.unwrap();
            assert_eq!(answer.status(), 200, "{path}");
        }
        let token = shared().await.local.file().events_token;
        let request = request(Method::POST, "/events?no=1").await;
        let request = request.bearer_auth(token).body("{}");
        assert_problem(request.send().await.unwrap(), 400, "Bad Request", detail).await;
    });
}

#[test]
fn an_unknown_path_is_404() {
    run(async {
        for path in ["/", "/event", "/events/", "/events/x", "/healthz/"] {
            let answer = request(Method::POST, path).await.send().await.unwrap();
            let detail = "GET /openapi.json says what there is.";
            assert_problem(answer, 404, "Not Found", detail).await;
        }
    });
}

#[test]
fn a_body_that_is_not_json_is_400() {
    run(async {
        let advice = "Send the S3 event as it is, as application/json.";
        for (body, reason) in [
            (&b""[..], "EOF while parsing a value at line 1 column 0"),
            (b"Records", "expected value at line 1 column 1"),
            (
                b"{\"Records\": [",
                "EOF while parsing a list at line 1 column 13",
            ),
            (b"{} {}", "trailing characters at line 1 column 4"),
        ] {
            let detail = format!("The body is not JSON: {reason}. {advice}");
            assert_problem(post(body).await, 400, "Bad Request", &detail).await;
        }
    });
}

#[test]
fn json_that_is_no_s3_event_is_400() {
    run(async {
        let detail = "The body is JSON, but of no dialect that is known: S3's has `Records`, EventBridge's `detail-type`, R2's `action`, SeaweedFS's `event_type`, SNS's `\"Type\": \"Notification\"`.";
        for body in [
            json!({}),
            json!([]),
            json!("Records"),
            json!({"Records": {}}),
            json!({"records": []}),
            json!({"Event": "s3:OtherEvent"}),
        ] {
            assert_problem(post(body.to_string()).await, 400, "Bad Request", detail).await;
        }
    });
}

#[test]
fn a_body_over_1_mib_is_413_however_it_is_sent() {
    run(async {
        let detail = "The body is longer than 1048576 bytes. Send fewer records at once.";
        let long = vec![b' '; LIMIT + 1];
        assert_problem(post(long.clone()).await, 413, "Payload Too Large", detail).await;
        let pieces = long
            .chunks(64 << 10)
            .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
        let chunked = reqwest::Body::wrap_stream(futures::stream::iter(pieces.collect::<Vec<_>>()));
        assert_problem(post(chunked).await, 413, "Payload Too Large", detail).await;
    });
}

#[test]
fn a_body_that_is_nested_or_compressed_is_no_event() {
    run(async {
        for body in [
            "[".repeat(LIMIT - 1),
            format!("{}{}", r#"{"Records":[{"s3":"#, r#"{"a":"#.repeat(100_000)),
        ] {
            let answer = post(body).await;
            assert_eq!(answer.status(), 400);
        }
        let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
        let answer = post(format!(r#"{{"Records": [{deep}]}}"#)).await;
        assert_eq!(answer.status(), 202);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["accepted"], json!([]));
        let reason = body["ignored"][0]["reason"].as_str().unwrap();
        assert!(reason.contains("not an S3 event record"), "{reason}");
        // A mebibyte of this would be a gibibyte, if anybody took it apart.
        let spaces = vec![b' '; 1 << 20];
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..1024 {
            gzip.write_all(&spaces).unwrap();
        }
        let bomb = gzip.finish().unwrap();
        assert!(bomb.len() > LIMIT - 64 * 1024 && bomb.len() < LIMIT + 64 * 1024);
        let token = shared().await.local.file().events_token;
        let request = request(Method::POST, "/events").await.bearer_auth(token);
        let request = request.header("content-encoding", "gzip");
        let answer = request
            .body(bomb[..LIMIT - 64 * 1024].to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400);
    });
}

#[test]
fn a_body_of_exactly_1_mib_is_read() {
    run(async {
        let mut body = br#"{"Records": []}"#.to_vec();
        body.resize(LIMIT, b' ');
        let answer = post(body).await;
        assert_eq!(answer.status(), 202);
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body, json!({"accepted": [], "ignored": []}));
    });
}

#[test]
fn an_event_of_a_bucket_without_a_route_is_ignored_and_says_why() {
    run(async {
        let event = write_event("nobodys-bucket", "key", Some(3));
        let answer = shared().await.send(&event).await;
        let reason = "No route reads from this bucket.";
        let ignored = json!([{"bucket": "nobodys-bucket", "key": "key", "reason": reason}]);
        assert_eq!(answer, json!({"accepted": [], "ignored": ignored}));
    });
}

/// Sends `change`d records, each of which must be ignored for its reason.
async fn assert_ignored(
    lane: &Lane<'_>,
    change: impl FnOnce(&mut Value),
    key: Value,
    reason: &str,
) {
    let mut event = write_event(&lane.source, "key", None);
    change(&mut event["Records"][0]);
    let bucket = event["Records"][0]["s3"]["bucket"]["name"].clone();
    let answer = lane.stack.send(&event).await;
    let ignored = json!([{"bucket": bucket, "key": key, "reason": reason}]);
    assert_eq!(answer, json!({"accepted": [], "ignored": ignored}));
}

#[test]
fn records_that_are_none_of_ours_are_ignored_and_say_why() {
    run(async {
        let lane = shared().await.lane();
        let set = |path: &'static str, value: Value| {
            move |record: &mut Value| *record.pointer_mut(path).unwrap() = value
        };
        let cases = [
            (
                "/eventVersion",
                json!("3.0"),
                json!("key"),
                "eventVersion is \"3.0\"; this version reads 2.x.",
            ),
            (
                "/eventSource",
                json!("aws:sqs"),
                json!("key"),
                "eventSource is \"aws:sqs\"; expected aws:s3 or another store's :s3.",
            ),
            (
                "/eventName",
                json!("ObjectAcl:Put"),
                json!("key"),
                "\"ObjectAcl:Put\" does not change what an object is.",
            ),
            (
                "/s3/object/key",
                json!(""),
                json!(""),
                "The record names no key.",
            ),
            (
                "/s3/object/key",
                json!("%FF"),
                json!("%FF"),
                "The key is not UTF-8 after URL-decoding.",
            ),
            (
                "/s3/bucket/name",
                json!(null),
                json!("key"),
                "The record names no bucket.",
            ),
        ];
        for (path, value, key, reason) in cases {
            assert_ignored(&lane, set(path, value), key, reason).await;
        }
        lane.drained().await;
        assert_eq!(lane.names(), ["the-sentinel"]);
    });
}

#[test]
fn s3s_test_event_is_welcome() {
    run(async {
        let event = json!({
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": "2026-01-01T00:00:00.000Z",
            "Bucket": "source-00",
            "RequestId": "1",
            "HostId": "2",
        });
        let answer = shared().await.send(&event).await;
        let note = "The test event of the bucket \"source-00\" arrived; there is nothing to copy.";
        assert_eq!(answer, json!({"accepted": [], "ignored": [], "note": note}));
    });
}

#[test]
fn healthz_says_to_everybody_that_it_is_well_and_what_it_is_to_administrators() {
    run(async {
        let file = shared().await.local.file();
        let ask = async |method| request(method, "/healthz").await;
        let answer = ask(Method::GET).await.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "application/json");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body, json!({"status": "ok"}));

        let asked = ask(Method::GET).await.bearer_auth(&file.admin_token);
        let body: Value = asked.send().await.unwrap().json().await.unwrap();
        let routes: Vec<_> = (0..causeway_tests::SHARED_LANES)
            .map(|n| format!("lane{n:02}"))
            .collect();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            body,
            json!({"status": "ok", "version": version, "routes": routes})
        );
        // Who sends is no administrator, and is not taken for anybody either.
        for token in [file.events_token.as_str(), "a-token-that-opens-nothing"] {
            let asked = ask(Method::GET).await.bearer_auth(token);
            assert_eq!(asked.send().await.unwrap().status(), 401);
        }
        let head = ask(Method::HEAD).await.send().await.unwrap();
        assert_eq!(head.status(), 200);
    });
}
