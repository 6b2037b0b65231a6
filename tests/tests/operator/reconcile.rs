//! Both sides are compared, and what differs goes down the road of an event. S3 tells nothing here.

use std::collections::BTreeSet;

use causeway_harness::gcs::Fault;
use causeway_harness::gcs::state::{NewObject, Preconditions};
use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_shared::walk::{Differs, Kind, Outcome, Request, Walk};
use causeway_tests::{Lane, Seen, Stack, content, noise, run};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};

use crate::fixture::{keys, quarantined, status};

async fn silent(options: Value) -> Stack {
    let mut table = json!({"source": "s3://source-00", "destination": "gs://destination-00"});
    let all = table.as_object_mut().unwrap();
    all.extend(options.as_object().unwrap().clone());
    let options = StackOptions {
        bindings: Map::from_iter([("ROUTE_LANE00".to_owned(), table)]),
        silent: true,
        ..StackOptions::default()
    };
    Stack::start_with(1, options).await
}

/// Waits for the end of the `nth` reconcile (from 1) of the lane.
async fn ended(lane: &Lane<'_>, nth: usize) -> Walk {
    let look = |seen: &Seen| {
        let ends = seen.log.iter().filter(|line| line["event"] == "reconcile");
        (ends.count() >= nth).then_some(())
    };
    let what = format!("the end of reconcile {nth} of {}", lane.route);
    lane.stack.witness.until(&what, look).await;
    let admin = lane.stack.admin();
    let walk = admin.walk(Kind::Reconcile, &lane.route).await.unwrap();
    let end = walk.end.as_ref().unwrap();
    assert_eq!((end.outcome, &end.error), (Outcome::Done, &None));
    walk
}

async fn reconciled(lane: &Lane<'_>, nth: usize, request: Request) -> Walk {
    let admin = lane.stack.admin();
    let begun = admin.begin_walk(Kind::Reconcile, &lane.route, &request);
    assert_eq!(begun.await.unwrap().kind, Kind::Reconcile);
    ended(lane, nth).await
}

fn dry() -> Request {
    Request {
        dry_run: true,
        ..Request::default()
    }
}

/// Keys of each sort, as the API counts them: source, destination, equal, missing, different, extra,
/// foreign.
fn counts(walk: &Walk) -> [u64; 7] {
    let p = &walk.parity;
    let sorts = [
        p.source,
        p.destination,
        p.equal,
        p.missing,
        p.different,
        p.extra,
        p.foreign,
    ];
    sorts.map(|tally| tally.keys)
}

fn write(lane: &Lane<'_>, number: usize, bytes: &'static str) {
    lane.put(&name(number), bytes, Attributes::default());
}

fn name(number: usize) -> String {
    format!("k{number:02} é+")
}

#[test]
fn what_no_event_told_of_is_found_and_brought_in_step() {
    run(async {
        let stack = silent(json!({"deletes": "propagate"})).await;
        let lane = stack.lane();
        for number in 0..40 {
            write(&lane, number, "one");
        }
        let walk = reconciled(&lane, 1, dry()).await;
        assert_eq!(counts(&walk), [40, 0, 0, 40, 0, 0, 0]);
        assert_eq!((walk.sent, walk.differences.len()), (0, 40));
        assert_eq!(walk.parity.missing.bytes, 120);
        assert!(lane.names().is_empty());

        let walk = reconciled(&lane, 2, Request::default()).await;
        assert_eq!((walk.sent, walk.expected), (40, Some(40)));
        for number in 0..40 {
            lane.outcomes(&name(number), 1).await;
        }

        for number in 0..3 {
            write(&lane, number, "another");
        }
        lane.delete(&name(10));
        lane.delete(&name(11));
        let _ = lane.insert("a stranger", b"its own");
        let walk = reconciled(&lane, 3, Request::default()).await;
        assert_eq!(counts(&walk), [38, 41, 35, 0, 3, 2, 1]);
        let extra: Vec<_> = walk
            .differences
            .iter()
            .filter(|found| found.is == Differs::Extra)
            .map(|found| found.key.clone())
            .collect();
        assert_eq!(extra, [name(10), name(11)]);
        for number in [0, 1, 2, 10, 11] {
            lane.commits(&name(number), 2).await;
        }

        let walk = reconciled(&lane, 4, Request::default()).await;
        assert_eq!(counts(&walk), [38, 39, 38, 0, 0, 0, 1]);
        assert_eq!((walk.sent, walk.parity.source), (0, walk.parity.equal));
        // The ledger keeps what there was, the newest first.
        let status = lane.stack.admin().route(&lane.route).await.unwrap();
        let sent: Vec<_> = status.walks.iter().map(|walk| walk.sent).collect();
        assert_eq!((sent, status.objects), (vec![0, 5, 40, 0], Some(38)));
    });
}

#[test]
fn deletes_that_it_finds_are_under_the_brake_whose_share_is_of_what_it_counted() {
    run(async {
        let stack = silent(json!({"deletes": "propagate", "brake_percent": 40})).await;
        let lane = stack.lane();
        for number in 0..30 {
            write(&lane, number, "one");
        }
        // Before anything was counted, there is no share.
        assert_eq!(status(&lane).await["brake"]["limit"], 1000);
        reconciled(&lane, 1, Request::default()).await;
        for number in 0..30 {
            lane.outcomes(&name(number), 1).await;
        }
        assert_eq!(status(&lane).await["brake"]["limit"], 12);
        for number in 0..15 {
            lane.delete(&name(number));
        }
        let below = Request {
            prefix: "k0".into(),
            ..Request::default()
        };
        let walk = reconciled(&lane, 2, below).await;
        assert_eq!(counts(&walk), [0, 10, 0, 0, 0, 10, 0]);
        for number in 0..10 {
            lane.commits(&name(number), 2).await;
        }
        // A part was walked: that is no count of the whole.
        assert_eq!(status(&lane).await["brake"]["limit"], 12);
        let walk = reconciled(&lane, 3, dry()).await;
        assert_eq!(walk.parity.extra.keys, 5);
        // Fifteen are left, of which 40 % are fewer than the ten that always go.
        assert_eq!(status(&lane).await["brake"]["limit"], 10);
        reconciled(&lane, 4, Request::default()).await;
        quarantined(&lane, 5).await;
        assert_eq!(keys(&lane).await.len(), 5);
        assert_eq!(lane.names().len(), 20);
    });
}

#[test]
fn where_deletes_are_ignored_a_copy_without_its_source_is_counted_and_stays() {
    run(async {
        let stack = silent(json!({})).await;
        let lane = stack.lane();
        write(&lane, 1, "one");
        reconciled(&lane, 1, Request::default()).await;
        lane.outcomes(&name(1), 1).await;
        lane.delete(&name(1));
        let walk = reconciled(&lane, 2, Request::default()).await;
        assert_eq!((counts(&walk), walk.sent), ([0, 1, 0, 0, 0, 1, 0], 0));
        assert_eq!(lane.names(), [name(1)]);
    });
}

#[test]
fn one_may_begin_the_moment_that_the_last_has_ended() {
    run(async {
        let stack = silent(json!({})).await;
        let lane = stack.lane();
        write(&lane, 1, "one");
        let (admin, request) = (stack.admin(), dry());
        // Most are refused, because another is under way; none that is begun is lost.
        let mut begun = BTreeSet::new();
        while begun.len() < 100 {
            let all = (0..8).map(|_| admin.begin_walk(Kind::Reconcile, &lane.route, &request));
            let all = join_all(all).await.into_iter().flatten();
            begun.extend(all.map(|walk| walk.started_at.to_string()));
        }
        let look = |seen: &Seen| {
            let ends = seen.log.iter().filter(|line| line["event"] == "reconcile");
            let ended = ends.map(|line| line["started_at"].as_str().unwrap().to_owned());
            (ended.collect::<BTreeSet<_>>() == begun).then_some(())
        };
        stack.witness.until("the end of each", look).await;
    });
}

#[test]
fn the_cron_reconciles_every_route() {
    run(async {
        let mut stack = silent(json!({})).await;
        let lane = stack.lane_number(0);
        write(&lane, 1, "one");
        stack.local.runtime.schedule("17 3 * * *").await.unwrap();
        let lane = stack.lane_number(0);
        lane.outcomes(&name(1), 1).await;
        let walk = ended(&lane, 1).await;
        assert_eq!(counts(&walk), [1, 0, 0, 1, 0, 0, 0]);
    });
}

#[test]
fn it_goes_on_by_itself_after_the_runtime_was_killed() {
    const KEYS: usize = 400;
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let options = StackOptions {
            silent: true,
            storage: Some(folder.path().to_owned()),
            ..StackOptions::default()
        };
        let mut stack = Stack::start_with(1, options).await;
        let lane = stack.lane_number(0);
        for number in 0..KEYS {
            write(&lane, number, "one");
        }
        // A hundred at a time, and a second between.
        let slow = Request {
            rate: 100,
            ..Request::default()
        };
        let admin = stack.admin();
        let begun = admin.begin_walk(Kind::Reconcile, &lane.route, &slow);
        let begun = begun.await.unwrap();
        lane.commits(&name(0), 1).await;
        stack.local.runtime.kill().await.unwrap();
        stack.local.restart().await.unwrap();
        let lane = stack.lane_number(0);
        let walk = ended(&lane, 1).await;
        assert_eq!(walk.started_at, begun.started_at);
        assert_eq!(walk.parity.source.keys, KEYS as u64);
        // What was in the queue died with the runtime, as nothing in the platform's does.
        reconciled(&lane, 2, Request::default()).await;
        for number in 0..KEYS {
            lane.commits(&name(number), 1).await;
        }
    });
}

#[test]
fn a_store_that_refuses_ends_it_with_the_reason_and_one_that_is_busy_does_not() {
    run(async {
        let stack = silent(json!({})).await;
        let lane = stack.lane();
        write(&lane, 1, "one");
        let busy = Fault::Return {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: None,
        };
        for _ in 0..4 {
            lane.fail_next(Method::GET, busy.clone());
        }
        let walk = reconciled(&lane, 1, dry()).await;
        assert_eq!((walk.parity.missing.keys, walk.failures), (1, 0));
        assert!(lane.pending_faults().is_empty());

        lane.store().deny(&lane.source, None).unwrap();
        let admin = stack.admin();
        let dry = dry();
        let begun = admin.begin_walk(Kind::Reconcile, &lane.route, &dry);
        begun.await.unwrap();
        let look = |seen: &Seen| {
            let is_end = |line: &&Value| line["end"]["outcome"] == "failed";
            seen.log.iter().find(is_end).cloned()
        };
        let line = stack.witness.until("the end of the failed one", look).await;
        assert_eq!(line["end"]["error"]["kind"], "source-denied", "{line}");
    });
}

/// Writes other bytes over a copy, under the same headers and metadata.
fn overwrite(lane: &Lane<'_>, key: &str, bytes: &[u8]) {
    let state = lane.stack.local.gcs.state();
    let mut body = state.body_writer();
    body.write(bytes).unwrap();
    let new = NewObject {
        bucket: lane.destination.clone(),
        name: key.to_owned(),
        metadata: lane.stored(key).unwrap().metadata.clone(),
        ..NewObject::default()
    };
    state.insert(new, body.finish()).unwrap();
}

#[test]
fn other_bytes_under_the_metadata_of_a_copy_are_found_and_mended() {
    run(async {
        let stack = silent(json!({"parts_above_mib": 1})).await;
        let lane = stack.lane();
        let parts = noise(1, (2 << 20) + 5);
        let keys = ["shorter", "of the same size", "large"];
        for (key, bytes) in keys.into_iter().zip([&b"one"[..], b"two", &parts]) {
            lane.put(key, bytes.to_vec(), Attributes::default());
        }
        reconciled(&lane, 1, Request::default()).await;
        for key in keys {
            lane.outcomes(key, 1).await;
        }
        let walk = reconciled(&lane, 2, dry()).await;
        assert_eq!(counts(&walk), [3, 3, 3, 0, 0, 0, 0]);

        overwrite(&lane, "shorter", b"");
        overwrite(&lane, "of the same size", b"six");
        overwrite(&lane, "large", &noise(2, parts.len()));
        let walk = reconciled(&lane, 3, Request::default()).await;
        assert_eq!(counts(&walk), [3, 3, 0, 0, 3, 0, 0]);
        for (key, bytes) in keys.into_iter().zip([&b"one"[..], b"two", &parts]) {
            lane.commits(key, 3).await;
            assert_eq!(content(&lane.stored(key).unwrap()), bytes, "{key}");
        }
        let walk = reconciled(&lane, 4, dry()).await;
        assert_eq!(counts(&walk), [3, 3, 3, 0, 0, 0, 0]);
    });
}

#[test]
fn headers_that_somebody_changed_are_found_by_a_deep_one() {
    run(async {
        let stack = silent(json!({})).await;
        let lane = stack.lane();
        for number in 0..3 {
            let attributes = Attributes {
                metadata: [("author".to_owned(), "Ada".to_owned())].into(),
                ..Attributes::content_type("text/plain")
            };
            lane.put(&name(number), "one", attributes);
        }
        reconciled(&lane, 1, Request::default()).await;
        for number in 0..3 {
            lane.outcomes(&name(number), 1).await;
        }
        let state = stack.local.gcs.state();
        let any = Preconditions::default();
        for (number, is_header) in [(0, true), (1, false)] {
            let changed = state.update(&lane.destination, &name(number), None, &any, |metadata| {
                let mut metadata = metadata.clone();
                if is_header {
                    metadata.content_type = Some("text/html".into());
                } else {
                    metadata.custom.insert("author".into(), "Eve".into());
                }
                Ok(metadata)
            });
            changed.unwrap();
        }
        let walk = reconciled(&lane, 2, Request::default()).await;
        assert_eq!((counts(&walk), walk.sent), ([3, 3, 3, 0, 0, 0, 0], 0));

        let deep = Request {
            deep: true,
            ..Request::default()
        };
        let walk = reconciled(&lane, 3, deep).await;
        assert_eq!((counts(&walk), walk.sent), ([3, 3, 3, 0, 0, 0, 0], 3));
        // Nothing is written but what differs.
        assert_eq!(lane.outcomes(&name(2), 2).await[1]["event"], "identical");
        for number in 0..2 {
            lane.outcomes(&name(number), 2).await;
            let stored = lane.stored(&name(number)).unwrap();
            assert_eq!(stored.metadata.content_type.as_deref(), Some("text/plain"));
            assert_eq!(stored.metadata.custom["author"], "Ada");
        }
    });
}

#[test]
fn a_deep_one_that_would_compare_nothing_is_refused() {
    run(async {
        let lane = crate::fixture::lane().await;
        for (kind, body) in [
            ("backfill", json!({"deep": true})),
            ("reconcile", json!({"deep": true, "dry_run": true})),
        ] {
            let path = format!("/v1/routes/{}/{kind}", lane.route);
            let token = Some(crate::fixture::TOKEN);
            let asked = crate::fixture::ask(lane.stack, Method::POST, &path, token, Some(&body));
            assert_eq!(asked.await.0, StatusCode::BAD_REQUEST, "{kind}");
        }
    });
}

#[test]
fn a_source_key_in_the_folder_of_parts_is_a_key_like_others() {
    run(async {
        let stack = silent(json!({})).await;
        let lane = stack.lane();
        let keys = [
            ".causeway-parts/x",
            ".causeway-parts/may-be-deleted",
            ".causeway-parts/0123456789abcdef/0001-0123456789abcdef-1",
        ];
        for key in keys {
            lane.put(key, "one", Attributes::default());
        }
        reconciled(&lane, 1, Request::default()).await;
        for key in keys {
            lane.outcomes(key, 1).await;
        }
        // A part of a run that is under way.
        let _ = lane.insert(
            ".causeway-parts/fedcba9876543210/0000-0123456789abcdef-1",
            b"part",
        );
        let walk = reconciled(&lane, 2, dry()).await;
        assert_eq!(counts(&walk), [3, 3, 3, 0, 0, 0, 0]);
    });
}
