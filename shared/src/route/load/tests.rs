//! How the options of a table are read, and which routes can stand beside each other.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::route::Routes;

const TABLE: &str = "bigquery://my-project/logs/events";

fn with(options: &Value) -> Value {
    let mut table = json!({"source": "s3://src/in/", "destination": TABLE,
        "landing": "gs://land/in/", "location": "EU"});
    let options = options.as_object().unwrap().clone();
    table.as_object_mut().unwrap().extend(options);
    table
}

fn parse(options: &Value) -> Result<Route, ConfigError> {
    Route::parse("ROUTE_X", with(options))
}

#[test]
fn a_route_into_a_table_lands_in_a_bucket_and_has_its_defaults() {
    let route = parse(&json!({})).unwrap();
    assert_eq!(route.destination.bucket, "land");
    assert_eq!(route.destination_name("in/a"), Some("in/a".into()));
    assert_eq!(route.landed("in/a"), Some("a"));
    let table = route.table.unwrap();
    assert_eq!(table.id.to_string(), "my-project.logs.events");
    assert_eq!(table.on_overwrite, OnOverwrite::Refuse);
    assert_eq!((table.load_every, table.loads_per_day), (60, 1300));
    assert_eq!((&table.partition, table.format), (&None, None));
    assert_eq!(table.format_of("a.csv.gz"), Some(Format::Csv));
    assert_eq!(table.format_of("a"), None);
    let bucket = json!({"source": "s3://src", "destination": "gs://land"});
    let bucket = Route::parse("ROUTE_X", bucket).unwrap();
    assert_eq!(bucket.table, None);
}

#[test]
fn every_option_is_read_and_shown() {
    let options = json!({"on_overwrite": "replace", "partition": "dt={yyyy}-{mm}-{dd}/",
        "format": "csv", "load_every": 5, "loads_per_day": 20_000, "skip_leading_rows": 1,
        "schema_update": ["add"], "quote": "'"});
    let mut table = options.clone();
    table["deletes"] = json!("propagate");
    let route = parse(&table).unwrap();
    let shown = route.table.as_ref().unwrap().options();
    let mut expected = options.as_object().unwrap().clone();
    expected.insert("location".into(), "EU".into());
    assert_eq!(shown, expected);
    assert!(route.propagates_deletes());
    let table = route.table.unwrap();
    assert_eq!(table.format_of("a.json"), Some(Format::Csv));
}

#[test]
fn what_is_wrong_with_a_table_is_said() {
    for (options, says) in [
        (
            json!({"destination": "bigquery://my-project/logs"}),
            "destination is not \"bigquery://<project>/<dataset>/<table>\"",
        ),
        (json!({"landing": null}), "landing is not a text"),
        (
            json!({"landing": "s3://land"}),
            "landing is not \"gs://bucket\"",
        ),
        (
            json!({"location": "the EU"}),
            "location is missing, or not a location",
        ),
        (
            json!({"on_overwrite": "keep"}),
            "\"refuse\", \"append\" or \"replace\"",
        ),
        (
            json!({"partition": "dt={day}/"}),
            "partition is not a template",
        ),
        (
            json!({"format": "json"}),
            "format is not one of ndjson, csv, parquet, avro, orc",
        ),
        (json!({"load_every": 0}), "load_every is not 1 to 3600"),
        (json!({"load_every": "60"}), "load_every is not 1 to 3600"),
        (
            json!({"loads_per_day": 30_001, "partition": "{yyyy}/"}),
            "1 to 30000",
        ),
        (json!({"loads_per_day": 1501}), "over 1500"),
        (
            json!({"deletes": "propagate"}),
            "needs on_overwrite = \"replace\": with \"refuse\"",
        ),
        (
            json!({"deletes": "propagate", "on_overwrite": "append"}),
            "with \"append\"",
        ),
        (json!({"deletes": "carry"}), "deletes is neither"),
        (
            json!({"format": "avro", "quote": "'"}),
            "quote is for files of csv, and this route's are avro",
        ),
    ] {
        let error = parse(&options).unwrap_err();
        assert_eq!(error.variable, "ROUTE_X");
        assert!(error.message.contains(says), "{options}: {error}");
    }
    for name in ["landing", "location"] {
        let mut table = with(&json!({}));
        table.as_object_mut().unwrap().remove(name);
        let error = Route::parse("ROUTE_X", table).unwrap_err();
        assert!(
            error.message.contains(&format!("{name} is missing")),
            "{error}"
        );
    }
}

#[test]
fn an_unknown_option_of_a_table_lists_those_that_are_known() {
    let error = parse(&json!({"skip_rows": 1})).unwrap_err();
    for name in [
        "`skip_rows`",
        "`source`",
        "landing",
        "skip_leading_rows",
        "null_markers",
    ] {
        assert!(error.message.contains(name), "{name}: {error}");
    }
    // A bucket's options are its own.
    let bucket = json!({"source": "s3://src", "destination": "gs://dst", "skip_rows": 1});
    let error = Route::parse("ROUTE_X", bucket).unwrap_err();
    assert!(!error.message.contains("landing"), "{error}");
}

#[test]
fn an_option_of_a_table_is_refused_where_there_is_none() {
    for name in OWN.into_iter().chain(option_names()) {
        let mut bucket = json!({"source": "s3://src", "destination": "gs://dst"});
        bucket[name] = json!("hush");
        let error = Route::parse("ROUTE_X", bucket).unwrap_err();
        assert!(
            error
                .message
                .starts_with(&format!("{name} is for a route into a table")),
            "{error}"
        );
        assert!(!error.message.contains("hush"));
    }
}

fn routes(tables: &[Value]) -> Result<Routes, ConfigError> {
    let names = ["ROUTE_A", "ROUTE_B", "ROUTE_C"];
    let routes = names.iter().zip(tables);
    Routes::new(routes.map(|(name, table)| Route::parse(name, table.clone()).unwrap()))
}

#[test]
fn a_landing_place_is_one_routes_alone() {
    let bucket = |destination: &str| json!({"source": "s3://src", "destination": destination});
    let table = |landing: &str| with(&json!({"landing": landing, "loads_per_day": 700}));
    for (one, other) in [
        (table("gs://land/in/"), table("gs://land/in/")),
        (table("gs://land/in/"), table("gs://land/in/deep/")),
        (table("gs://land/in/"), bucket("gs://land")),
        (table("gs://land"), bucket("gs://land/in/")),
        (bucket("gs://land/in"), table("gs://land/in/")),
    ] {
        let error = routes(&[one, other]).unwrap_err();
        assert_eq!(error.variable, "ROUTE_B");
        assert!(
            error.message.contains("where ROUTE_A has its copies"),
            "{error}"
        );
    }
    for (one, other) in [
        (table("gs://land/a/"), table("gs://land/b/")),
        (table("gs://land/"), bucket("gs://other/")),
    ] {
        assert!(routes(&[one, other]).is_ok());
    }
    // Between buckets nothing has changed.
    let mut other = bucket("gs://land");
    other["source"] = json!("s3://other");
    assert!(routes(&[bucket("gs://land"), other]).is_ok());
}

#[test]
fn routes_into_one_table_add_rows_and_share_its_jobs() {
    let table = |landing: &str, overwrite: &str, loads: u32| {
        with(
            &json!({"landing": landing, "on_overwrite": overwrite, "loads_per_day": loads,
            "partition": "{yyyy}/"}),
        )
    };
    let both = |one: (&str, u32), other: (&str, u32)| {
        routes(&[
            table("gs://land/a/", one.0, one.1),
            table("gs://land/b/", other.0, other.1),
        ])
    };
    assert!(both(("append", 750), ("refuse", 750)).is_ok());
    assert!(both(("append", 29_000), ("append", 1000)).is_ok());
    assert!(both(("append", 29_000), ("append", 1001)).is_err());
    let error = both(("append", 750), ("refuse", 751)).unwrap_err();
    assert!(
        error
            .message
            .contains("come to 1501 jobs a day, and it takes 1500"),
        "{error}"
    );
    for (one, other) in [
        ("replace", "replace"),
        ("append", "replace"),
        ("replace", "refuse"),
    ] {
        let error = both((one, 1), (other, 1)).unwrap_err();
        assert!(
            error.message.contains("loads into the table of ROUTE_A"),
            "{error}"
        );
    }
    // Another table is another matter.
    let other = with(
        &json!({"destination": "bigquery://my-project/logs/others", "landing": "gs://land/b/",
        "on_overwrite": "replace"}),
    );
    assert!(routes(&[table("gs://land/a/", "replace", 1300), other]).is_ok());
}
