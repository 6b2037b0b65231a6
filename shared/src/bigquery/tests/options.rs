//! The options of a route, and where they stand in a job.

use super::*;

fn take(table: &Value, format: Option<Format>) -> Result<LoadOptions, String> {
    LoadOptions::take(&mut table.as_object().unwrap().clone(), format)
}

/// The configuration of a job with `options` for files of `format`.
fn load(options: &Value, format: Format) -> Value {
    let options = take(options, None).unwrap();
    let uris = ["gs://b/in/1".to_owned(), "gs://b/in/2".to_owned()];
    let job = LoadJob {
        id: &job(),
        table: &table(),
        partition: None,
        uris: &uris,
        format,
        options: &options,
        write: Write::Append,
    };
    let request = job.insert("http://bigquery").unwrap();
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    body["configuration"]["load"].clone()
}

#[test]
fn each_option_stands_under_bigquerys_own_name() {
    let csv = json!({
        "allow_jagged_rows": true, "allow_quoted_newlines": true, "column_name_character_map": "V2",
        "date_format": "MM/DD/YYYY", "datetime_format": "d", "time_format": "t", "timestamp_format": "s",
        "time_zone": "Europe/Berlin", "encoding": "ISO-8859-1", "field_delimiter": "\t",
        "ignore_unknown_values": true, "max_bad_records": 3, "null_markers": ["", "NA"],
        "preserve_ascii_control_characters": true, "quote": "", "skip_leading_rows": 1,
        "source_column_match": "NAME",
    });
    let loaded = load(&csv, Format::Csv);
    let expected = json!({
        "allowJaggedRows": true, "allowQuotedNewlines": true, "columnNameCharacterMap": "V2",
        "dateFormat": "MM/DD/YYYY", "datetimeFormat": "d", "timeFormat": "t", "timestampFormat": "s",
        "timeZone": "Europe/Berlin", "encoding": "ISO-8859-1", "fieldDelimiter": "\t",
        "ignoreUnknownValues": true, "maxBadRecords": 3, "nullMarkers": ["", "NA"],
        "preserveAsciiControlCharacters": true, "quote": "", "skipLeadingRows": 1,
        "sourceColumnMatch": "NAME",
        "sourceFormat": "CSV", "createDisposition": "CREATE_NEVER", "writeDisposition": "WRITE_APPEND",
        "sourceUris": ["gs://b/in/1", "gs://b/in/2"],
        "destinationTable": {"projectId": "my-project", "datasetId": "logs", "tableId": "events"},
    });
    assert_eq!(loaded, expected);
    let parquet = json!({"enum_as_string": true, "enable_list_inference": true,
        "map_target_type": "ARRAY_OF_STRUCT", "decimal_target_types": ["NUMERIC", "STRING"]});
    let loaded = load(&parquet, Format::Parquet);
    let options = json!({"enumAsString": true, "enableListInference": true, "mapTargetType": "ARRAY_OF_STRUCT"});
    assert_eq!(loaded["parquetOptions"], options);
    assert_eq!(loaded["decimalTargetTypes"], json!(["NUMERIC", "STRING"]));
    assert_eq!(loaded["sourceFormat"], "PARQUET");
    let avro = load(&json!({"use_avro_logical_types": true}), Format::Avro);
    assert_eq!(avro["useAvroLogicalTypes"], true);
    let geo = load(&json!({"json_extension": "GEOJSON"}), Format::Ndjson);
    assert_eq!(geo["jsonExtension"], "GEOJSON");
}

#[test]
fn an_option_goes_with_files_of_its_formats_alone() {
    let both =
        json!({"skip_leading_rows": 1, "use_avro_logical_types": true, "max_bad_records": 2});
    let has = |format, name: &str| load(&both, format).get(name).is_some();
    assert!(has(Format::Csv, "skipLeadingRows") && !has(Format::Ndjson, "skipLeadingRows"));
    assert!(has(Format::Avro, "useAvroLogicalTypes") && !has(Format::Csv, "useAvroLogicalTypes"));
    assert!(has(Format::Ndjson, "maxBadRecords") && !has(Format::Orc, "maxBadRecords"));
    let error = take(&both, Some(Format::Ndjson)).unwrap_err();
    assert_eq!(
        error,
        "skip_leading_rows is for files of csv, and this route's are ndjson: take it out."
    );
}

#[test]
fn a_schema_follows_only_files_that_name_their_columns() {
    let both = json!({"schema_update": ["add", "relax"]});
    let words = json!(["ALLOW_FIELD_ADDITION", "ALLOW_FIELD_RELAXATION"]);
    for format in [Format::Ndjson, Format::Parquet, Format::Avro, Format::Orc] {
        let loaded = load(&both, format);
        assert_eq!(loaded["schemaUpdateOptions"], words, "{format:?}");
        let is_detected = loaded.get("autodetect") == Some(&json!(true));
        assert_eq!(is_detected, format == Format::Ndjson, "{format:?}");
    }
    let headless = load(&both, Format::Csv);
    assert!(headless.get("schemaUpdateOptions").is_none() && headless.get("autodetect").is_none());
    let header = json!({"schema_update": ["add"], "skip_leading_rows": 1});
    let loaded = load(&header, Format::Csv);
    assert_eq!(
        loaded["schemaUpdateOptions"],
        json!(["ALLOW_FIELD_ADDITION"])
    );
    assert_eq!(
        (&loaded["autodetect"], &loaded["skipLeadingRows"]),
        (&json!(true), &json!(1))
    );
    // The table's schema is the law where nothing is said.
    assert!(load(&json!({}), Format::Ndjson).get("autodetect").is_none());
    let error = take(&both, Some(Format::Csv)).unwrap_err();
    assert!(error.contains("skip_leading_rows = 1"), "{error}");
}

#[test]
fn a_wrong_value_says_what_is_expected() {
    for (option, expected) in [
        (json!({"allow_jagged_rows": "yes"}), "true or false"),
        (json!({"max_bad_records": -1}), "a whole number from 0"),
        (json!({"skip_leading_rows": 1.5}), "a whole number from 0"),
        (
            json!({"max_bad_records": 3_000_000_000_u64}),
            "a whole number from 0",
        ),
        (json!({"quote": 7}), "a text"),
        (json!({"null_markers": "NA"}), "a list of texts"),
        (json!({"null_markers": []}), "a list of texts"),
        (json!({"encoding": "utf8"}), "one of UTF-8, ISO-8859-1"),
        (
            json!({"schema_update": ["drop"]}),
            "a list of some of add, relax",
        ),
        (
            json!({"schema_update": true}),
            "a list of some of add, relax",
        ),
        (
            json!({"null_marker": "", "null_markers": [""]}),
            "exclude each other",
        ),
    ] {
        let error = take(&option, None).unwrap_err();
        assert!(error.contains(expected), "{option}: {error}");
    }
}

#[test]
fn the_names_are_in_order_and_documented() {
    let names: Vec<_> = option_names().collect();
    assert!(names.is_sorted());
    let page = include_str!("../../../../docs/tables.md");
    for name in names {
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}
