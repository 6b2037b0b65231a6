//! Routes whose names are written once.

use causeway_harness::client::admin::{Action, Selection};
use causeway_tests::run;
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
