//! Names of tables, files and formats.

use proptest::prelude::*;

use super::*;

#[test]
fn a_table_is_read_from_its_uri_and_written_as_bigquery_does() {
    let table = table();
    assert_eq!(table.to_string(), "my-project.logs.events");
    assert_eq!(table.uri(), URI);
    assert_eq!(table.decorated(None), "events");
    assert_eq!(table.decorated(Some("20261127")), "events$20261127");
    for good in [
        "bigquery://example.com:my-project/logs/events",
        "bigquery://my-project/L_1/events by day-größe",
    ] {
        assert_eq!(TableId::parse(good).unwrap().uri(), good);
    }
}

#[test]
fn what_is_no_table_says_what_is_expected() {
    let long = "x".repeat(1025);
    for (wrong, reason) in [
        ("my-project/logs/events", ""),
        ("bigquery://my-project/logs", ""),
        ("bigquery://my-project/logs/events/", ""),
        ("bigquery://My-Project/logs/events", "a project's id"),
        ("bigquery://short/logs/events", "a project's id"),
        ("bigquery://my-project-/logs/events", "a project's id"),
        ("bigquery://:my-project/logs/events", "a project's id"),
        ("bigquery://my-project/lo-gs/events", "a dataset's name"),
        ("bigquery://my-project//events", "a dataset's name"),
        ("bigquery://my-project/logs/", "a table's name"),
        ("bigquery://my-project/logs/events$2026", "no $ or @"),
        ("bigquery://my-project/logs/a*", "a table's name"),
        (
            &format!("bigquery://my-project/logs/{long}"),
            "a table's name",
        ),
    ] {
        let error = TableId::parse(wrong).unwrap_err();
        assert!(
            error.contains("\"bigquery://<project>/<dataset>/<table>\"") && error.contains(reason),
            "{wrong}: {error}"
        );
    }
}

#[test]
fn formats_are_read_from_names() {
    for (name, format) in [
        ("a/b.json", Some(Format::Ndjson)),
        ("b.NDJSON", Some(Format::Ndjson)),
        ("b.jsonl.gz", Some(Format::Ndjson)),
        ("b.csv", Some(Format::Csv)),
        ("b.csv.GZ", Some(Format::Csv)),
        ("b.parquet", Some(Format::Parquet)),
        ("b.snappy.parquet", Some(Format::Parquet)),
        ("b.avro", Some(Format::Avro)),
        ("b.orc", Some(Format::Orc)),
        ("b.parquet.gz", None),
        ("b.gz", None),
        ("json", None),
        (".gz", None),
        ("é", None),
        ("", None),
        ("b.ndjson/", None),
    ] {
        assert_eq!(Format::of_name(name), format, "{name}");
    }
    assert!(Format::is_compressed("a.csv.gz") && !Format::is_compressed("a.csv"));
    for format in Format::ALL {
        assert_eq!(Format::parse(format.name()), Some(format));
    }
}

#[test]
fn a_uri_names_one_file_and_no_version() {
    assert_eq!(
        source_uri("b", "in/a#b.json").unwrap(),
        "gs://b/in/a#b.json"
    );
    for wrong in ["in/*.json", "in/a.json#17"] {
        let error = source_uri("b", wrong).unwrap_err();
        assert_eq!(error.kind, ErrorKind::LoadRefused, "{wrong}");
        assert!(error.message.contains(wrong), "{error}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_as_a_table_or_a_format(text in ".{0,40}", name in "[a-z.:/$-]{0,30}") {
        let _ = TableId::parse(&text);
        let _ = Format::of_name(&text);
        if let Ok(table) = TableId::parse(&format!("bigquery://{name}")) {
            prop_assert_eq!(table.uri(), format!("bigquery://{name}"));
            prop_assert!(table.get("http://bigquery").is_ok());
        }
    }
}
