//! Routes whose names are written once.

use causeway_harness::client::admin::{Action, Selection};
use causeway_shared::walk::{Kind, Request};
use causeway_tests::{Seen, run};
use serde_json::{Value, json};

use super::{Table, with_tables};

#[test]
fn a_second_version_is_not_loaded_before_somebody_says_so() {
    run(async {
        let stack = with_tables(1, &json!({})).await;
        let table = Table::of(stack.lane(), &Value::Null);
        table.put("a.json", "2026-11-27", "first", &[1, 2]);
        table.has(&[("first", 2)]).await;
        table.put("a.json", "2026-11-27", "second", &[3]);
        let letter = table.lane.letter().await;
        assert_eq!(letter.error.kind.to_string(), "overwrite-refused");
        assert_eq!(table.words().len(), 1);
        let admin = stack.admin();
        let id = format!("{}/a.json", table.lane.source);
        let replay = Action::Replay { release: false };
        let selection = Selection::Id(id);
        let replayed = admin.act(replay, &table.lane.route, &selection, None);
        replayed.await.unwrap();
        table.has(&[("first", 2), ("second", 1)]).await;
    });
}

#[test]
fn a_reconcile_loads_what_nobody_remembers_and_bigquery_knows_the_job() {
    run(async {
        let mut stack = with_tables(1, &json!({})).await;
        let lane = stack.lane_number(0);
        let table = Table::of(lane, &Value::Null);
        let route = table.lane.route.clone();
        table.put("a.json", "2026-11-27", "first", &[1, 2]);
        table.has(&[("first", 2)]).await;
        // With its objects' storage the worker forgets what was loaded.
        stack.local.runtime.kill().await.unwrap();
        stack.local.restart().await.unwrap();
        let table = Table {
            lane: stack.lane_number(0),
        };
        let admin = stack.admin();
        for (walks, dry_run) in [(1, true), (2, false)] {
            let request = Request {
                dry_run,
                ..Request::default()
            };
            let begun = admin.begin_walk(Kind::Reconcile, &route, &request).await;
            begun.unwrap();
            let ended = |seen: &Seen| {
                let lines = seen.log.iter();
                (lines.filter(|line| line["event"] == "reconcile").count() == walks).then_some(())
            };
            stack.witness.until("the walk's end", ended).await;
            let walk = admin.walk(Kind::Reconcile, &route).await.unwrap();
            assert_eq!(walk.parity.equal.keys, 1);
            assert_eq!(walk.parity.not_loaded.keys, 1, "{walk:?}");
        }
        // The same files make the same job, which BigQuery does not do twice.
        let loads = table.loads(2).await;
        assert_eq!(loads[0]["job"], loads[1]["job"], "{loads:?}");
        assert_eq!(table.words()["first"], 2);
    });
}
