//! Dispositions, and what requests do to tables and datasets.

use super::*;

#[test]
fn dispositions_do_what_they_are_called() {
    let mut world = World::new();
    world.put("one", "{\"id\":1}\n");
    world.put("two", "{\"id\":2}\n");
    let job = world.load(
        &["one"],
        json!({ "createDisposition": "CREATE_NEVER", "schema": { "fields": ids() } }),
    );
    assert_eq!(failure(&job), ("notFound", "Not found: Table p:d.t"));
    assert_eq!(
        failure(&world.load(&["one"], json!({}))),
        ("invalid", "No schema specified on job or table.")
    );
    succeeded(&world.load(&["one"], json!({ "schema": { "fields": ids() } })));
    succeeded(&world.load(&["two"], json!({})));
    assert_eq!(world.rows(), ["1", "2"]);
    let job = world.load(&["one"], json!({ "writeDisposition": "WRITE_EMPTY" }));
    assert_eq!(failure(&job), ("duplicate", "Already Exists: Table p:d.t"));
    succeeded(&world.load(
        &["two"],
        json!({ "writeDisposition": "WRITE_TRUNCATE_DATA" }),
    ));
    assert_eq!(world.rows(), ["2"]);
    let texts = json!([{ "name": "id", "type": "STRING" }]);
    world.put("text", "{\"id\":\"x\"}");
    let job = world.load(
        &["text"],
        json!({ "writeDisposition": "WRITE_TRUNCATE_DATA", "schema": { "fields": texts } }),
    );
    assert_eq!(failure(&job).0, "invalid");
    succeeded(&world.load(
        &["text"],
        json!({ "writeDisposition": "WRITE_TRUNCATE", "schema": { "fields": texts } }),
    ));
    assert_eq!(world.rows(), ["x"]);
}

#[test]
fn a_failed_truncation_leaves_the_table_as_it_was() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}\n");
    succeeded(&world.load(&["a"], json!({})));
    world.put("a", "{\"id\":1}\n{\"id\":");
    for write in ["WRITE_TRUNCATE", "WRITE_TRUNCATE_DATA"] {
        let job = world.load(&["a"], json!({ "writeDisposition": write }));
        assert_eq!(failure(&job).0, "invalid");
        assert_eq!(world.rows(), ["1"]);
    }
}

#[test]
fn a_job_commits_into_the_table_that_is_there_at_its_end() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}\n");
    let id = world.insert(&["a"], json!({})).unwrap();
    assert!(world.state.step());
    let wider = json!({ "schema": { "fields": [{ "name": "id", "type": "INTEGER" }, { "name": "new", "type": "STRING" }] } });
    world
        .state
        .change_table("p", "d", "t", &map(wider), false, None)
        .unwrap();
    succeeded(&world.finish(&id));
    assert_eq!(world.rows(), ["1,Null"]);
    let id = world
        .insert(&["a"], json!({ "createDisposition": "CREATE_NEVER" }))
        .unwrap();
    assert!(world.state.step());
    world.state.delete_table("p", "d", "t").unwrap();
    assert_eq!(
        failure(&world.finish(&id)),
        ("notFound", "Not found: Table p:d.t")
    );
}

#[test]
fn tables_are_changed_as_the_api_allows() {
    let world = World::new();
    world.table(
        json!([{ "name": "id", "type": "INTEGER", "mode": "REQUIRED" }]),
        json!({ "description": "old", "labels": { "a": "b" } }),
    );
    let change = |said: Value, whole, etag: Option<&str>| {
        world
            .state
            .change_table("p", "d", "t", &map(said), whole, etag)
    };
    let other = json!({ "schema": { "fields": [{ "name": "id", "type": "STRING" }] } });
    assert_eq!(change(other, false, None).unwrap_err().code, 400);
    let etag = world.state.get_table("p", "d", "t").unwrap()["etag"]
        .as_str()
        .unwrap()
        .to_owned();
    let changed = change(json!({ "description": "new" }), false, Some(&etag)).unwrap();
    assert_eq!(
        (&changed["description"], &changed["labels"]["a"]),
        (&"new".into(), &"b".into())
    );
    assert_eq!(
        change(json!({ "description": "newer" }), false, Some(&etag))
            .unwrap_err()
            .code,
        412
    );
    let changed = change(json!({ "description": "whole" }), true, None).unwrap();
    assert_eq!(changed["labels"], Value::Null);
    let partitioned = json!({ "timePartitioning": { "type": "DAY" } });
    assert_eq!(change(partitioned, false, None).unwrap_err().code, 400);
}

#[test]
fn lists_come_in_pages_and_datasets_with_tables_stay() {
    let mut world = World::new();
    world.dataset("e", "EU");
    let first = world.state.list_datasets("p", None, Some(1));
    assert_eq!(
        (&first["datasets"][0]["id"], &first["nextPageToken"]),
        (&"p:d".into(), &"d".into())
    );
    let second = world.state.list_datasets("p", Some("d"), Some(1));
    assert_eq!(
        (&second["datasets"][0]["location"], &second["nextPageToken"]),
        (&"EU".into(), &Value::Null)
    );
    world.table(ids(), json!({}));
    let tables = world.state.list_tables("p", "d", None, None).unwrap();
    assert_eq!(
        (
            &tables["totalItems"],
            &tables["tables"][0]["tableReference"]["tableId"]
        ),
        (&1.into(), &"t".into())
    );
    assert_eq!(
        world
            .state
            .delete_dataset("p", "d", false)
            .unwrap_err()
            .reason,
        "resourceInUse"
    );
    world.state.delete_dataset("p", "d", true).unwrap();
    assert_eq!(
        world.state.get_dataset("p", "d").unwrap_err().message,
        "Not found: Dataset p:d"
    );
    assert_eq!(world.state.get_table("p", "d", "t").unwrap_err().code, 404);
}

#[test]
fn rows_are_listed_in_pages_with_the_fields_that_are_chosen() {
    let mut world = World::new();
    world.table(json!([{ "name": "id", "type": "INTEGER" }, { "name": "at", "type": "TIMESTAMP" }, { "name": "tags", "type": "STRING", "mode": "REPEATED" }]), json!({}));
    world.put(
        "a",
        "{\"id\":1,\"at\":\"2026-11-27 12:00:00\",\"tags\":[\"x\"]}\n{\"id\":2}\n{}\n",
    );
    succeeded(&world.load(&["a"], json!({})));
    let list = |query: RowQuery| world.state.table_data("p", "d", "t", &query).unwrap();
    let page = list(RowQuery {
        limit: Some(2),
        ..RowQuery::default()
    });
    assert_eq!(
        (&page["totalRows"], &page["pageToken"]),
        (&"3".into(), &"2".into())
    );
    assert_eq!(
        page["rows"][0]["f"],
        json!([{ "v": "1" }, { "v": "1795780800.0" }, { "v": [{ "v": "x" }] }])
    );
    assert_eq!(
        page["rows"][1]["f"],
        json!([{ "v": "2" }, { "v": null }, { "v": [] }])
    );
    let last = list(RowQuery {
        start: 2,
        fields: vec!["tags".into()],
        ..RowQuery::default()
    });
    assert_eq!(
        (&last["rows"], &last["pageToken"]),
        (&json!([{ "f": [{ "v": [] }] }]), &Value::Null)
    );
}
