//! Loads into partitions, and their removal.

use super::*;

fn days(world: &World) {
    let fields = json!([{ "name": "day", "type": "DATE" }, { "name": "n", "type": "INTEGER" }]);
    world.table(
        fields,
        json!({ "timePartitioning": { "type": "DAY", "field": "day" } }),
    );
}

fn into(decorator: &str, write: &str) -> Value {
    json!({
        "destinationTable": { "projectId": "p", "datasetId": "d", "tableId": format!("t${decorator}") },
        "writeDisposition": write,
    })
}

#[test]
fn a_decorator_takes_only_its_own_rows_and_replaces_no_others() {
    let mut world = World::new();
    days(&world);
    world.put(
        "both",
        "{\"day\":\"2026-11-27\",\"n\":1}\n{\"day\":\"2026-11-28\",\"n\":2}\n",
    );
    world.put("one", "{\"day\":\"2026-11-27\",\"n\":3}\n");
    succeeded(&world.load(&["both"], json!({})));
    let job = world.load(&["both"], into("20261127", "WRITE_TRUNCATE"));
    assert_eq!(
        failure(&job),
        (
            "invalid",
            "Some rows belong to different partitions rather than destination partition 20261127"
        )
    );
    assert_eq!(job["status"]["errors"][0]["location"], Value::Null);
    succeeded(&world.load(&["one"], into("20261127", "WRITE_TRUNCATE")));
    assert_eq!(world.rows(), ["2026-11-28,2", "2026-11-27,3"]);
    assert_eq!(
        world.state.partitions(&TableId::new("p", "d", "t")),
        ["20261127", "20261128"]
    );
    succeeded(&world.load(&["one"], into("20261127", "WRITE_APPEND")));
    let job = world.load(&["one"], into("20261127", "WRITE_EMPTY"));
    assert_eq!(failure(&job).0, "duplicate");
    let partition = world.state.get_table("p", "d", "t$20261127").unwrap();
    assert_eq!(partition["numRows"], "2");
    let rows = world
        .state
        .table_data("p", "d", "t$20261128", &RowQuery::default())
        .unwrap();
    assert_eq!(rows["totalRows"], "1");
}

#[test]
fn an_update_of_the_schema_is_allowed_for_a_truncated_partition() {
    let mut world = World::new();
    days(&world);
    world.put("wider", "{\"day\":\"2026-11-27\",\"n\":1,\"new\":true}\n");
    let mut more = map(into("20261127", "WRITE_TRUNCATE"));
    more.insert("autodetect".into(), true.into());
    more.insert(
        "schemaUpdateOptions".into(),
        json!(["ALLOW_FIELD_ADDITION"]),
    );
    succeeded(&world.load(&["wider"], more.into()));
    assert_eq!(world.rows(), ["2026-11-27,1,true"]);
}

#[test]
fn partitions_are_removed_by_their_decorators() {
    let mut world = World::new();
    days(&world);
    world.put("both", "{\"day\":\"2026-11-27\",\"n\":1}\n{\"n\":2}\n");
    succeeded(&world.load(&["both"], json!({})));
    world.state.delete_table("p", "d", "t$20261127").unwrap();
    assert_eq!(world.rows(), ["Null,2"]);
    assert_eq!(
        world
            .state
            .delete_table("p", "d", "t$20261127")
            .unwrap_err()
            .code,
        404
    );
    assert_eq!(
        world
            .state
            .delete_table("p", "d", "t$2026")
            .unwrap_err()
            .code,
        400
    );
    world.state.delete_table("p", "d", "t$__NULL__").unwrap();
    assert_eq!(world.rows(), Vec::<String>::new());
}

#[test]
fn a_decorator_needs_a_table_that_is_partitioned_so() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}\n");
    let job = world.load(&["a"], into("20261127", "WRITE_APPEND"));
    assert_eq!(
        failure(&job).1,
        "Cannot read partition information from a table that is not partitioned: p:d.t$20261127"
    );
    world.state.delete_table("p", "d", "t").unwrap();
    let mut more = map(into("2026112723", "WRITE_APPEND"));
    more.insert("schema".into(), json!({ "fields": ids() }));
    succeeded(&world.load(&["a"], more.into()));
    let table = world.state.get_table("p", "d", "t").unwrap();
    assert_eq!(table["timePartitioning"]["type"], "HOUR");
    assert_eq!(
        failure(&world.load(&["a"], into("20261127", "WRITE_APPEND"))).0,
        "invalid"
    );
}

#[test]
fn rows_of_a_table_by_arrival_are_where_the_job_says_or_in_today() {
    let mut world = World::with(Settings {
        stepped: true,
        ..Settings::default()
    });
    world
        .state
        .set_time("2026-11-28T00:00:00Z".parse().unwrap());
    world.table(ids(), json!({ "timePartitioning": { "type": "DAY" } }));
    world.put("a", "{\"id\":1}\n");
    succeeded(&world.load(&["a"], json!({})));
    succeeded(&world.load(&["a"], into("20201231", "WRITE_TRUNCATE")));
    assert_eq!(
        world.state.partitions(&TableId::new("p", "d", "t")),
        ["20201231", "20261128"]
    );
}

#[test]
fn ranges_of_numbers_are_partitions() {
    let mut world = World::new();
    let range = json!({ "field": "id", "range": { "start": "0", "end": "100", "interval": "10" } });
    world.table(ids(), json!({ "rangePartitioning": range }));
    world.put("a", "{\"id\":25}\n");
    succeeded(&world.load(&["a"], into("20", "WRITE_TRUNCATE")));
    assert_eq!(
        failure(&world.load(&["a"], into("30", "WRITE_TRUNCATE"))).0,
        "invalid"
    );
    assert_eq!(
        failure(&world.load(&["a"], into("25", "WRITE_TRUNCATE"))).0,
        "invalid"
    );
    assert_eq!(world.rows(), ["25"]);
}
