//! Routes whose tables are kept equal to the bucket.

use causeway_tests::run;
use serde_json::{Value, json};

use super::{Table, with_tables};

#[test]
fn partitions_follow_overwrites_and_deletes() {
    run(async {
        let options = json!({
            "on_overwrite": "replace", "deletes": "propagate", "partition": "dt={yyyy}-{mm}-{dd}/",
        });
        let stack = with_tables(1, &options).await;
        let by_day = json!({"type": "DAY", "field": "day"});
        let table = Table::of(stack.lane(), &by_day);
        table.put("dt=2026-11-26/a.json", "2026-11-26", "old", &[1, 2]);
        table.put("dt=2026-11-27/a.json", "2026-11-27", "a", &[1]);
        table.put("dt=2026-11-27/b.json", "2026-11-27", "b", &[1, 2, 3]);
        table.has(&[("old", 2), ("a", 1), ("b", 3)]).await;
        table.put("dt=2026-11-27/a.json", "2026-11-27", "new", &[1]);
        table.has(&[("old", 2), ("new", 1), ("b", 3)]).await;
        table.lane.delete("dt=2026-11-27/b.json");
        table.has(&[("old", 2), ("new", 1)]).await;
        table.lane.delete("dt=2026-11-26/a.json");
        table.has(&[("new", 1)]).await;
        assert_eq!(table.lane.letters(), []);
    });
}

#[test]
fn a_whole_table_follows_too_and_stays_when_it_is_empty() {
    run(async {
        let options = json!({"on_overwrite": "replace", "deletes": "propagate"});
        let stack = with_tables(1, &options).await;
        let table = Table::of(stack.lane(), &Value::Null);
        table.put("a.json", "2026-11-27", "a", &[1]);
        table.put("b.json", "2026-11-27", "b", &[1]);
        table.has(&[("a", 1), ("b", 1)]).await;
        table.put("a.json", "2026-11-27", "a again", &[1, 2]);
        table.has(&[("a again", 2), ("b", 1)]).await;
        table.lane.delete("a.json");
        table.has(&[("b", 1)]).await;
        table.lane.delete("b.json");
        table.has(&[]).await;
    });
}
