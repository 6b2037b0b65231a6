//! Stores that list otherwise than S3 does, and walks of the built worker over them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use causeway_shared::walk::{Differs, Kind, Outcome, Request, Walk};
use causeway_tests::{Lane, Seen, Stack, run};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use wiremock::matchers::path_regex;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::fixture::status_when;

const LANES: usize = 12;
const TIME: &str = "2026-01-02T03:04:05.600Z";
/// As the store's headers have it: rounded up, and in a form of its own.
const DATE: &str = "Fri, 02 Jan 2026 03:04:06 +00:00";

type Query = BTreeMap<String, String>;

/// The stack, and the store that it reads from.
struct Odd {
    stack: Stack,
    s3: MockServer,
}

async fn odd() -> &'static Odd {
    static ODD: OnceCell<Odd> = OnceCell::const_new();
    ODD.get_or_init(|| async {
        let s3 = MockServer::start().await;
        let bindings = json!({"AWS_ENDPOINT_URL_S3": s3.uri()});
        let stack = Stack::start(LANES, bindings.as_object().unwrap().clone()).await;
        Odd { stack, s3 }
    })
    .await
}

impl Odd {
    /// A lane whose source has `keys` and answers a listing as `list` says.
    async fn lane(
        &self,
        keys: &'static [&'static str],
        list: impl Fn(&Query) -> ResponseTemplate + Send + Sync + 'static,
    ) -> Lane<'_> {
        let lane = self.stack.lane();
        let bucket = format!("/{}/", lane.source);
        let answer = move |request: &wiremock::Request| {
            let query: Query = request.url.query_pairs().into_owned().collect();
            if query.contains_key("list-type") {
                return list(&query);
            }
            let key = request.url.path().strip_prefix(&bucket).unwrap_or_default();
            let key = percent_encoding::percent_decode_str(key).decode_utf8_lossy();
            if keys.contains(&&*key) {
                return ResponseTemplate::new(200)
                    .set_body_bytes("12345")
                    .insert_header("etag", "\"827ccb0eea8a706c4c34a16891f84e7b\"")
                    .insert_header("last-modified", DATE);
            }
            error(404, "NoSuchKey")
        };
        let path = path_regex(format!("^/{}/", lane.source));
        Mock::given(path).respond_with(answer).mount(&self.s3).await;
        lane
    }
}

fn text(status: u16, body: impl Into<String>) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_string(body)
}

fn error(status: u16, code: &str) -> ResponseTemplate {
    text(
        status,
        format!("<Error><Code>{code}</Code><Message>No.</Message></Error>"),
    )
}

/// A page of `keys`, each as it is to stand there, and what leads to the next.
fn page(keys: &[&str], next: Option<&str>) -> ResponseTemplate {
    let contents: String = keys
        .iter()
        .map(|key| format!("<Contents><Key>{key}</Key><LastModified>{TIME}</LastModified><ETag>&quot;827ccb0eea8a706c4c34a16891f84e7b&quot;</ETag><Size>5</Size></Contents>"))
        .collect::<Vec<_>>()
        .concat();
    let next = next.map(|token| format!("<NextContinuationToken>{token}</NextContinuationToken>"));
    let more = next.is_some();
    let next = next.unwrap_or_default();
    text(
        200,
        format!(
            "<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{more}</IsTruncated>{next}{contents}</ListBucketResult>"
        ),
    )
}

/// Begins a walk and waits for its end.
async fn walked(lane: &Lane<'_>, kind: Kind, request: Request) -> Walk {
    let admin = lane.stack.admin();
    let begun = admin.begin_walk(kind, &lane.route, &request).await.unwrap();
    let started_at = json!(begun.started_at);
    let look = |seen: &Seen| {
        let is_ours = |line: &&Value| {
            line["event"] == kind.name()
                && line["route"] == *lane.route
                && line["started_at"] == started_at
        };
        seen.log.iter().find(is_ours).map(drop)
    };
    let what = format!("the end of the {} of {}", kind.name(), lane.route);
    lane.stack.witness.until(&what, look).await;
    admin.walk(kind, &lane.route).await.unwrap()
}

/// The same, to the last key.
async fn done(lane: &Lane<'_>, kind: Kind, request: Request) -> Walk {
    let walk = walked(lane, kind, request).await;
    let end = walk.end.as_ref().unwrap();
    assert_eq!((end.outcome, &end.error), (Outcome::Done, &None));
    walk
}

fn dry() -> Request {
    Request {
        dry_run: true,
        ..Request::default()
    }
}

#[test]
fn what_is_no_listing_is_never_an_empty_bucket() {
    run(async {
        let odd = odd().await;
        let asked = AtomicUsize::new(0);
        let lane = odd
            .lane(&["a", "b"], move |_| {
                match asked.fetch_add(1, Ordering::Relaxed) % 4 {
                    0 => text(200, "<html><body>Hello</body></html>"),
                    1 => error(200, "InternalError"),
                    2 => text(200, ""),
                    _ => page(&["a", "b"], None),
                }
            })
            .await;
        for kind in [Kind::Backfill, Kind::Reconcile] {
            let walk = done(&lane, kind, dry()).await;
            assert_eq!(walk.parity.source.keys, 2);
        }
        // What the brake's share is of.
        status_when(&lane, |status| status["objects"] == 2).await;
    });
}

#[test]
fn a_store_that_lists_folders_first_is_walked_and_its_parity_is_true() {
    run(async {
        let odd = odd().await;
        let lane = odd
            .lane(&["v1/a", "v1/b", "v1.txt", "w"], |query| {
                match query.get("continuation-token").map(String::as_str) {
                    None => page(&["v1%2Fa", "v1%2Fb"], Some("2")),
                    // A page may be empty and lead on.
                    Some("2") => page(&[], Some("3")),
                    _ => page(&["v1.txt", "w"], None),
                }
            })
            .await;
        let walk = done(&lane, Kind::Backfill, Request::default()).await;
        assert_eq!((walk.parity.source.keys, walk.sent), (4, 4));
        for key in ["v1/a", "v1/b", "v1.txt", "w"] {
            lane.copied(key).await;
        }
        let walk = done(&lane, Kind::Reconcile, dry()).await;
        let parity = walk.parity;
        assert_eq!((parity.source.keys, parity.destination.keys), (4, 4));
        assert_eq!((parity.equal.keys, parity.extra.keys), (4, 0));
        assert!(walk.unordered.is_some());
    });
}

#[test]
fn a_key_that_was_had_is_dropped_and_one_that_is_no_utf8_is_named() {
    run(async {
        let odd = odd().await;
        let lane = odd
            .lane(&["a", "b", "c"], |query| {
                let after = query.get("start-after").map(String::as_str);
                match (query.get("continuation-token").map(String::as_str), after) {
                    (None, None) => page(&["a", "b%FF"], Some("2")),
                    (Some("2"), _) => page(&["a", "b"], Some("3")),
                    _ => page(&["b", "c"], None),
                }
            })
            .await;
        for kind in [Kind::Backfill, Kind::Reconcile] {
            let walk = done(&lane, kind, dry()).await;
            let parity = walk.parity;
            assert_eq!(
                (parity.source.keys, parity.skipped.keys),
                (4, 1),
                "{kind:?}"
            );
            let named = walk
                .differences
                .iter()
                .find(|found| found.is == Differs::Skipped);
            assert_eq!(named.unwrap().key, "b%FF");
        }
    });
}

#[test]
fn a_plus_that_is_left_as_it_is_names_the_key_that_is_there() {
    run(async {
        let odd = odd().await;
        let lane = odd.lane(&["a+b"], |_| page(&["a+b"], None)).await;
        done(&lane, Kind::Backfill, Request::default()).await;
        lane.copied("a+b").await;
        let other = odd.lane(&["a b"], |_| page(&["a+b"], None)).await;
        done(&other, Kind::Backfill, Request::default()).await;
        other.copied("a b").await;
        for lane in [&lane, &other] {
            let walk = done(lane, Kind::Reconcile, dry()).await;
            assert_eq!(walk.parity.equal.keys, 1);
        }
    });
}

#[test]
fn a_key_that_is_listed_and_then_not_found_is_no_success() {
    run(async {
        let odd = odd().await;
        let lane = odd.lane(&[], |_| page(&["gone"], None)).await;
        done(&lane, Kind::Backfill, Request::default()).await;
        let outcome = lane.outcomes("gone", 1).await;
        assert_eq!(outcome[0]["event"], "listed-gone");
        let status = status_when(&lane, |status| status["counts"]["listed-gone"] == 1).await;
        assert_eq!(status["counts"]["source-gone"], json!(null));
        assert_eq!(status["recent"][0]["outcome"], "listed-gone");
    });
}

#[test]
fn a_time_that_headers_round_or_write_otherwise_makes_no_difference() {
    run(async {
        let odd = odd().await;
        let lane = odd.lane(&["k"], |_| page(&["k"], None)).await;
        done(&lane, Kind::Backfill, Request::default()).await;
        lane.copied("k").await;
        let custom_time = lane.stored("k").unwrap().metadata.custom_time;
        assert_eq!(custom_time.unwrap().to_string(), "2026-01-02T03:04:06Z");
        let walk = done(&lane, Kind::Reconcile, Request::default()).await;
        assert_eq!((walk.parity.equal.keys, walk.sent), (1, 0));
    });
}
