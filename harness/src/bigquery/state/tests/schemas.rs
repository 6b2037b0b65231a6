//! Which schema a job reads with, and which one the table has then.

use super::*;

#[test]
fn a_given_schema_must_be_the_tables_unless_changes_are_allowed() {
    let mut world = World::new();
    world.table(
        json!([{ "name": "id", "type": "INTEGER", "mode": "REQUIRED" }]),
        json!({}),
    );
    world.put("a", "{\"id\":1,\"new\":\"x\"}\n");
    let wider = json!({ "fields": [{ "name": "id", "type": "INTEGER", "mode": "REQUIRED" }, { "name": "new", "type": "STRING" }] });
    let job = world.load(&["a"], json!({ "schema": wider }));
    assert_eq!(
        failure(&job),
        (
            "invalid",
            "Provided Schema does not match Table p:d.t. Cannot add fields (field: new)."
        )
    );
    succeeded(&world.load(
        &["a"],
        json!({ "schema": wider, "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"] }),
    ));
    assert_eq!(world.rows(), ["1,x"]);
    world.put("none", "{\"new\":\"y\"}\n");
    let relaxed = json!({ "fields": [{ "name": "id", "type": "INTEGER" }, { "name": "new", "type": "STRING" }] });
    assert_eq!(
        failure(&world.load(&["none"], json!({ "schema": relaxed }))).0,
        "invalid"
    );
    succeeded(&world.load(
        &["none"],
        json!({ "schema": relaxed, "schemaUpdateOptions": ["ALLOW_FIELD_RELAXATION"] }),
    ));
    assert_eq!(world.rows(), ["1,x", "Null,y"]);
}

#[test]
fn detection_adds_fields_where_that_is_allowed() {
    let mut world = World::new();
    world.put("a", "{\"id\":1,\"price\":1.5}\n");
    succeeded(&world.load(&["a"], json!({ "autodetect": true })));
    world.put(
        "b",
        "{\"id\":2,\"who\":{\"name\":\"x\",\"tags\":[1,2]},\"day\":\"2026-11-27\"}\n",
    );
    assert_eq!(
        failure(&world.load(&["b"], json!({ "autodetect": true }))).0,
        "invalid"
    );
    succeeded(&world.load(
        &["b"],
        json!({ "autodetect": true, "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"] }),
    ));
    let table = world.state.get_table("p", "d", "t").unwrap();
    let fields = table["schema"]["fields"].as_array().unwrap();
    let shown: Vec<_> = fields
        .iter()
        .map(|field| {
            format!(
                "{}:{}",
                field["name"].as_str().unwrap(),
                field["type"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        shown,
        ["id:INTEGER", "price:FLOAT", "day:DATE", "who:RECORD"]
    );
    assert_eq!(fields[3]["fields"][1]["mode"], "REPEATED");
}

#[test]
fn unknown_values_are_errors_unless_they_are_ignored() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1,\"other\":{\"x\":1}}\n");
    let job = world.load(&["a"], json!({}));
    let told = job["status"]["errors"][2]["message"].as_str().unwrap();
    assert!(told.ends_with("No such field: other."), "{told}");
    succeeded(&world.load(&["a"], json!({ "ignoreUnknownValues": true })));
    assert_eq!(world.rows(), ["1"]);
}
