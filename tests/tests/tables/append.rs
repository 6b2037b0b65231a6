//! Routes that add the rows of each version.

use causeway_harness::s3::store::Attributes;
use causeway_tests::{Seen, run};
use serde_json::{Value, json};

use super::{Table, with_tables};

#[test]
fn each_version_is_loaded_once_and_its_copy_is_taken_away() {
    run(async {
        let stack = with_tables(2, &json!({"on_overwrite": "append"})).await;
        let table = Table::of(stack.lane(), &Value::Null);
        table.put("a.json", "2026-11-27", "first", &[1, 2, 3]);
        table.has(&[("first", 3)]).await;
        table.put("a.json", "2026-11-27", "second", &[4]);
        table.put("b.json", "2026-11-27", "other", &[5, 6]);
        table
            .has(&[("first", 3), ("second", 1), ("other", 2)])
            .await;
        let loads = table.loads(2).await;
        assert_eq!(loads[0]["files"], 1, "{loads:?}");
        assert_eq!(loads[0]["rows"], 3);

        // The same versions once more change nothing.
        let lane = &table.lane;
        let admin = stack.admin();
        let keys = ["a.json".to_owned()];
        admin.submit(&lane.route, &keys).await.unwrap();
        let again = lane.outcomes("a.json", 3).await;
        assert_eq!(again[2]["event"], "identical");
        table.put("c.json", "2026-11-27", "last", &[7]);
        table
            .has(&[("first", 3), ("second", 1), ("other", 2), ("last", 1)])
            .await;
        assert_eq!(lane.letters(), []);
        let swept = |_: &Seen| (lane.names() == ["a.json", "b.json", "c.json"]).then_some(());
        stack.witness.until("the copies to be gone", swept).await;
    });
}

#[test]
fn a_bad_file_goes_to_quarantine_and_the_others_of_its_batch_are_loaded() {
    run(async {
        let options = json!({"on_overwrite": "append", "load_every": 2});
        let stack = with_tables(1, &options).await;
        let table = Table::of(stack.lane(), &Value::Null);
        let lane = &table.lane;
        table.put("good.json", "2026-11-27", "good", &[1]);
        lane.put(
            "bad.json",
            "{\"number\": \"many\"}\n",
            Attributes::default(),
        );
        table.put("better.json", "2026-11-27", "better", &[1, 2]);
        table.has(&[("good", 1), ("better", 2)]).await;
        let letter = lane.letter().await;
        assert_eq!(letter.error.kind.to_string(), "load-refused", "{letter:?}");
        assert!(
            letter.error.message.contains("many"),
            "{}",
            letter.error.message
        );
        // Mended at the source it is loaded, and leaves the quarantine.
        table.put("bad.json", "2026-11-27", "mended", &[1]);
        table
            .has(&[("good", 1), ("better", 2), ("mended", 1)])
            .await;
    });
}
