//! `causeway loads`, against a worker's API.

use serde_json::json;

use crate::admin::Admin;

#[tokio::test(flavor = "multi_thread")]
async fn loads_are_listed_a_page_or_all_of_them() {
    let admin = Admin::start().await;
    let said = admin.ok(&["loads", "photos"]).await;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 6, "{said}");
    assert!(
        lines[1].starts_with("0000000000000003") && lines[1].ends_with("loaded"),
        "{said}"
    );
    assert!(lines[2].ends_with("load-refused"), "{said}");
    assert_eq!(lines[3], "and older ones: --all");
    assert!(
        lines[4].contains("quota") && lines[4].contains("2026-07-01T00:10:00Z"),
        "{said}"
    );
    assert!(lines[5].contains("800 rows"), "{said}");
    let said = admin.ok(&["loads", "photos", "--all"]).await;
    assert!(
        said.contains("0000000000000001") && !said.contains("--all"),
        "{said}"
    );
    let all = admin.json(&["loads", "photos", "--all"]).await;
    assert_eq!(
        (&all["route"], &all["before"]),
        (&json!("photos"), &json!(null))
    );
    assert_eq!(all["ended"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_load_has_its_reason_and_what_is_not_there_exits_with_3() {
    let admin = Admin::start().await;
    let id = "0000000000000002";
    let said = admin.ok(&["loads", "photos", id]).await;
    for part in [
        id,
        "load-refused",
        "causeway_2_0",
        "Row 7\\u{1b}.",
        "Mend it.",
    ] {
        assert!(said.contains(part), "{part} in\n{said}");
    }
    let load = admin.json(&["loads", "photos", id]).await;
    assert_eq!(load["error"]["kind"], "load-refused");
    for (route, id, says) in [("photos", "x", "no load"), ("ü?/%", id, "ends in no table")] {
        let (code, error) = admin.fails(&["loads", route, id]).await;
        assert!(code == 3 && error.contains(says), "{error}");
    }
}
