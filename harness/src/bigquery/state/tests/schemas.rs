//! Which schema a job reads with, and which one the table has then.

use apache_avro::types::Value as AvroValue;

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

/// An Avro file of one row.
fn avro(fields: Value, row: Vec<(&str, AvroValue)>) -> Vec<u8> {
    let schema = json!({ "type": "record", "name": "row", "fields": fields }).to_string();
    let schema = apache_avro::Schema::parse_str(&schema).unwrap();
    let mut writer = apache_avro::Writer::new(&schema, Vec::new()).unwrap();
    let row = row
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    writer
        .append_value(AvroValue::Record(row.collect()))
        .unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn a_file_with_a_schema_of_its_own_must_fit_the_tables() {
    let mut world = World::new();
    let text = |name: &str| json!({ "name": name, "type": ["null", "string"] });
    let some = |value: &str| AvroValue::Union(1, Box::new(AvroValue::String(value.into())));
    let one = avro(
        json!([{ "name": "id", "type": "long" }, text("who")]),
        vec![("id", AvroValue::Long(1)), ("who", some("x"))],
    );
    let other = avro(json!([text("id")]), vec![("id", some("1"))]);
    let wider = avro(
        json!([{ "name": "id", "type": "long" }, text("new")]),
        vec![("id", AvroValue::Long(2)), ("new", some("y"))],
    );
    for (name, file) in [("one", one), ("other", other), ("wider", wider)] {
        world.put(name, file);
    }
    let with = |more: Value| {
        let mut all = map(json!({ "sourceFormat": "AVRO" }));
        all.extend(map(more));
        Value::Object(all)
    };
    succeeded(&world.load(&["one"], with(json!({}))));
    let table = world.state.get_table("p", "d", "t").unwrap();
    assert_eq!(
        table["schema"]["fields"][0],
        json!({ "name": "id", "type": "INTEGER", "mode": "REQUIRED" })
    );
    let job = world.load(&["other"], with(json!({})));
    assert!(
        failure(&job)
            .1
            .ends_with("Field id has changed type from INTEGER to STRING."),
        "{job}"
    );
    let job = world.load(&["wider"], with(json!({})));
    assert!(
        failure(&job).1.ends_with("Cannot add fields (field: new)."),
        "{job}"
    );
    succeeded(&world.load(&["wider"], with(json!({ "ignoreUnknownValues": true }))));
    succeeded(&world.load(
        &["wider"],
        with(json!({ "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"] })),
    ));
    assert_eq!(world.rows(), ["1,x", "2,Null", "2,Null,y"]);
    let given = json!({ "fields": [{ "name": "id", "type": "INTEGER" }] });
    let replace = json!({ "schema": given, "writeDisposition": "WRITE_TRUNCATE" });
    assert!(
        failure(&world.load(&["one"], with(replace)))
            .1
            .contains("Cannot add fields (field: who)")
    );
}
