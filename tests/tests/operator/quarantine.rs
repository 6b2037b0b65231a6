//! What cannot be done is kept, listed, replayed and dropped.

use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_shared::retry::DELIVERIES_OF_REFUSED;
use causeway_tests::{Stack, run};
use reqwest::Method;
use serde_json::{Map, json};

use crate::fixture::{TOKEN, ask, keys, lane, list, quarantined, status, status_when, take};

#[test]
fn what_failed_for_good_is_kept_with_its_reason_until_it_is_replayed() {
    run(async {
        let lane = lane().await;
        lane.store().deny(&lane.source, Some("secret")).unwrap();
        lane.put("secret", "not for everybody", Attributes::default());
        quarantined(&lane, 1).await;
        let page = list(&lane, "").await;
        let entry = &page["entries"][0];
        assert_eq!(entry["id"], format!("{}/secret", lane.source));
        assert_eq!(
            (&entry["key"], &entry["bucket"]),
            (&json!("secret"), &json!(lane.source))
        );
        assert_eq!(
            (&entry["kind"], &entry["fault"]),
            (&json!("source-denied"), &json!("configuration"))
        );
        assert_eq!(
            (&entry["status"], &entry["deliveries"]),
            (&json!(403), &json!(DELIVERIES_OF_REFUSED))
        );
        assert!(entry["advice"].as_str().unwrap().contains("s3:GetObject"));
        assert_eq!(entry["first_failed_at"], entry["last_failed_at"]);
        assert_eq!(status(&lane).await["quarantined"], 1);

        // Once more, with nothing changed: the key keeps its entry.
        assert_eq!(
            take(&lane, "replay", json!({"kind": "source-denied"})).await,
            1
        );
        quarantined(&lane, 2).await;
        assert_eq!(keys(&lane).await, ["secret"]);
        let again = &list(&lane, "").await["entries"][0];
        assert_eq!(
            (&entry["failures"], &again["failures"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(again["first_failed_at"], entry["first_failed_at"]);
        assert_ne!(again["first_failed_at"], again["last_failed_at"]);

        lane.store().allow(&lane.source).unwrap();
        let id = format!("{}/secret", lane.source);
        assert_eq!(take(&lane, "replay", json!({"id": id})).await, 1);
        lane.commits("secret", 1).await;
        assert!(keys(&lane).await.is_empty());
        assert_eq!(take(&lane, "replay", json!({"all": true})).await, 0);
    });
}

#[test]
fn what_is_mended_by_an_event_of_its_own_leaves_it() {
    run(async {
        let lane = lane().await;
        lane.store().deny(&lane.source, Some("secret")).unwrap();
        lane.put("secret", "1", Attributes::default());
        lane.store().deny(&lane.source, Some("other")).unwrap();
        lane.put("other", "1", Attributes::default());
        quarantined(&lane, 2).await;
        lane.store().allow(&lane.source).unwrap();
        lane.put("secret", "22", Attributes::default());
        status_when(&lane, |ledger| ledger["quarantined"] == 1).await;
        assert_eq!(keys(&lane).await, ["other"]);
    });
}

#[test]
fn it_is_listed_page_by_page_and_dropped() {
    run(async {
        let lane = lane().await;
        let names: Vec<String> = (0..230)
            .map(|number| format!("no/{number:03} é+"))
            .collect();
        for name in &names {
            let archived = Attributes {
                storage_class: Some("GLACIER".into()),
                ..Attributes::default()
            };
            lane.put(name, "x", archived);
        }
        quarantined(&lane, names.len()).await;
        assert_eq!(keys(&lane).await, names);
        let some = list(&lane, "?key=no%2F00&kind=source-archived").await;
        assert_eq!(some["entries"].as_array().unwrap().len(), 10);
        let none = list(&lane, "?kind=too-large").await;
        assert!(none["entries"].as_array().unwrap().is_empty());
        assert_eq!(take(&lane, "drop", json!({"kind": "too-large"})).await, 0);
        let id = format!("{}/{}", lane.source, names[3]);
        assert_eq!(take(&lane, "drop", json!({"id": id})).await, 1);
        assert_eq!(take(&lane, "drop", json!({"all": true})).await, 229);
        assert_eq!(status(&lane).await["quarantined"], 0);
        assert!(keys(&lane).await.is_empty());
    });
}

#[test]
fn what_the_platform_gave_up_is_kept_as_it_stood_and_is_replayed() {
    run(async {
        let mut stack = Stack::start_with(
            1,
            StackOptions {
                silent: true,
                ..StackOptions::default()
            },
        )
        .await;
        let route = stack.lane_number(0).route;
        let hint = json!({"bucket": "source-00", "key": "k", "event": "ObjectCreated:Put"});
        let session = json!({"uri": "http://gcs/upload?upload_id=hush"});
        let messages = [
            json!({"route": route, "hint": hint, "accepted_at": "2026-07-01T00:00:00Z", "session": session}),
            json!("no message of ours"),
        ];
        for message in &messages {
            let moved = stack.local.runtime.enqueue("DEAD_LETTERS", message);
            moved.await.unwrap();
        }
        let lane = stack.lane_number(0);
        quarantined(&lane, 1).await;
        let page = list(&lane, "").await;
        let entry = &page["entries"][0];
        assert_eq!(
            (&entry["kind"], &entry["fault"], &entry["key"]),
            (&json!("abandoned"), &json!("causeway"), &json!("k"))
        );
        stack.witness.now(|seen| {
            assert!(
                !seen
                    .log
                    .iter()
                    .any(|line| line.to_string().contains("hush"))
            );
        });
        lane.put("k", "1", Attributes::default());
        assert_eq!(take(&lane, "replay", json!({"kind": "abandoned"})).await, 1);
        lane.commits("k", 1).await;

        // What names no route is shown beside the routes, and can be dropped.
        let unrouted = |seen: &causeway_tests::Seen| {
            let mut letters = seen.letters.iter();
            letters
                .any(|letter| letter.message == messages[1])
                .then_some(())
        };
        stack.witness.until("the other message", unrouted).await;
        let routes = stack.admin().routes().await.unwrap();
        assert_eq!(routes[1].route, "unrouted");
        assert_eq!((routes[1].quarantined, routes.len()), (1, 2));
        let nobody = causeway_tests::Lane {
            route: "unrouted".into(),
            ..stack.lane_number(0)
        };
        // It goes back as it came, and comes back as it was.
        assert_eq!(take(&nobody, "replay", json!({"all": true})).await, 1);
        let again = |seen: &causeway_tests::Seen| {
            let letters = seen.letters.iter();
            let ours = letters.filter(|letter| letter.message == messages[1]);
            (ours.count() == 2).then_some(())
        };
        stack.witness.until("the same message", again).await;
        let entry = list(&nobody, "").await["entries"][0].clone();
        assert_eq!(entry["kind"], "message-unreadable");
        assert_eq!(take(&nobody, "drop", json!({"all": true})).await, 1);
        assert_eq!(stack.admin().routes().await.unwrap().len(), 1);
    });
}

#[test]
fn a_hint_of_a_bucket_that_its_route_no_longer_reads_is_not_carried_out() {
    run(async {
        let mut stack = Stack::start(1, Map::new()).await;
        let lane = stack.lane_number(0);
        let hint = json!({"bucket": "its-former-bucket", "key": "k", "event": "ObjectCreated:Put"});
        let message =
            json!({"route": lane.route, "hint": hint, "accepted_at": "2026-07-01T00:00:00Z"});
        let sent = stack.local.runtime.enqueue("HINTS", &message).await;
        sent.unwrap();
        let lane = stack.lane_number(0);
        quarantined(&lane, 1).await;
        let entry = list(&lane, "").await["entries"][0].clone();
        assert_eq!(
            (&entry["kind"], &entry["bucket"]),
            (&json!("route-missing"), &json!("its-former-bucket"))
        );
    });
}

#[test]
fn what_a_route_that_is_renamed_or_removed_has_left_is_found_under_its_name() {
    run(async {
        let mut stack = Stack::start_with(
            2,
            StackOptions {
                silent: true,
                ..StackOptions::default()
            },
        )
        .await;
        let letter = |route: &str, bucket: &str, key: &str| {
            let hint = json!({"bucket": bucket, "key": key, "event": "ObjectCreated:Put"});
            json!({"route": route, "hint": hint, "accepted_at": "2026-07-01T00:00:00Z"})
        };
        for message in [
            letter("before", "source-00", "a"),
            letter("before", "a-bucket-of-nobody", "b"),
            letter("removed", "a-bucket-of-nobody", "c"),
        ] {
            let moved = stack.local.runtime.enqueue("DEAD_LETTERS", &message).await;
            moved.unwrap();
        }
        let lane_of = |route: &str| causeway_tests::Lane {
            route: route.into(),
            ..stack.lane_number(0)
        };
        let (before, removed) = (lane_of("before"), lane_of("removed"));
        quarantined(&before, 2).await;
        quarantined(&removed, 1).await;
        let names = async || -> Vec<(String, u64)> {
            let routes = stack.admin().routes().await.unwrap();
            let named = routes.into_iter().map(|it| (it.route, it.quarantined));
            named.collect()
        };
        let named = |name: &str, count| (name.to_owned(), count);
        let all = [
            named("before", 2),
            named("lane00", 0),
            named("lane01", 0),
            named("removed", 1),
        ];
        assert_eq!(names().await, all);
        assert_eq!(status(&removed).await["source"], json!(null));
        let url = format!("{}/v1/metrics", stack.local.runtime.url());
        let metrics = stack.http.get(url).bearer_auth(TOKEN).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let line = "causeway_quarantined{route=\"removed\"} 1";
        assert!(metrics.contains(line), "{metrics}");

        // What another route takes now goes there; what none takes is one failure more.
        stack.lane_number(0).put("a", "1", Attributes::default());
        assert_eq!(take(&before, "replay", json!({"all": true})).await, 2);
        stack.lane_number(0).commits("a", 1).await;
        quarantined(&before, 3).await;
        let entry = list(&before, "").await["entries"][0].clone();
        assert_eq!(
            (&entry["key"], &entry["failures"]),
            (&json!("b"), &json!(2))
        );
        assert_eq!(entry["kind"], "route-missing");
        assert_eq!(take(&before, "drop", json!({"all": true})).await, 1);
        let id = json!({"id": "a-bucket-of-nobody/c"});
        assert_eq!(take(&removed, "drop", id).await, 1);
        assert_eq!(names().await, [named("lane00", 0), named("lane01", 0)]);
        let gone = ask(&stack, Method::GET, "/v1/routes/removed", Some(TOKEN), None);
        assert_eq!(gone.await.0, 404);
    });
}
