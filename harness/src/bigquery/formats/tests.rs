//! CSV and JSON, value by value. What Parquet and Avro files of others hold is tested with those others.

use std::io::Write as _;

use bytes::Bytes;

use super::*;
use crate::bigquery::types::Mode;

fn fields(list: &[(&str, Kind)]) -> Schema {
    Schema(
        list.iter()
            .map(|(name, kind)| Field::new(name, *kind))
            .collect(),
    )
}

/// Each row as its values, or what is wrong with it.
fn read(
    text: impl AsRef<[u8]>,
    how: &Reading,
    schema: &Schema,
) -> Vec<Result<Vec<String>, String>> {
    let bytes = Bytes::copy_from_slice(text.as_ref());
    let rows = rows(&bytes, how, schema).unwrap();
    let shown = |cell: &Cell| cell.scalar().unwrap_or_else(|| format!("{cell:?}"));
    rows.into_iter()
        .map(|row| row.map(|row| row.iter().map(shown).collect()))
        .collect()
}

fn csv() -> Reading {
    Reading::default()
}

fn json() -> Reading {
    Reading {
        format: Format::Json,
        ..Reading::default()
    }
}

fn row(values: &[&str]) -> Result<Vec<String>, String> {
    Ok(values.iter().map(|value| (*value).to_owned()).collect())
}

fn wrong(rows: &[Result<Vec<String>, String>], at: usize) -> &str {
    rows[at].as_ref().unwrap_err()
}

#[test]
fn csv_is_quoted_delimited_and_skipped_as_asked() {
    let schema = fields(&[("a", Kind::String), ("b", Kind::Integer)]);
    let rows = read(
        "h,h\n\"x, \"\"y\"\"\",1\r\n,2\n\"\",\n",
        &Reading {
            skip_leading_rows: Some(1),
            ..csv()
        },
        &schema,
    );
    assert_eq!(
        rows,
        [
            row(&["x, \"y\"", "1"]),
            row(&["Null", "2"]),
            row(&["", "Null"])
        ]
    );
    let pipes = Reading {
        delimiter: b'|',
        quote: None,
        ..csv()
    };
    assert_eq!(read("\"x\"|3", &pipes, &schema), [row(&["\"x\"", "3"])]);
}

#[test]
fn csv_errors_say_line_and_column() {
    let schema = fields(&[("a", Kind::String), ("b", Kind::Integer)]);
    let rows = read("x,1\ny,one\nz\nw,1,2\n", &csv(), &schema);
    assert_eq!(
        wrong(&rows, 1),
        "Unable to parse; line_number: 2 byte_offset_to_start_of_line: 4 column_index: 1 column_name: \"b\" column_type: INT64 value: \"one\""
    );
    assert_eq!(
        wrong(&rows, 2),
        "CSV table references column position 1, but line contains only 1 columns.; line_number: 3 byte_offset_to_start_of_line: 10 column_index: 1 column_name: \"b\" column_type: INT64"
    );
    assert!(
        wrong(&rows, 3).starts_with("Too many values in line."),
        "{rows:?}"
    );
    let lenient = Reading {
        jagged_rows: true,
        ignore_unknown: true,
        ..csv()
    };
    let rows = read("z\nw,1,2\n", &lenient, &schema);
    assert_eq!(rows, [row(&["z", "Null"]), row(&["w", "1"])]);
}

#[test]
fn a_quote_is_closed_and_holds_lines_only_if_that_is_allowed() {
    let schema = fields(&[("a", Kind::String), ("b", Kind::Integer)]);
    let text = "\"x\ny\",1\n";
    assert!(wrong(&read(text, &csv(), &schema), 0).starts_with("Missing close quote character"));
    let allowed = Reading {
        quoted_newlines: true,
        ..csv()
    };
    assert_eq!(read(text, &allowed, &schema), [row(&["x\ny", "1"])]);
    assert!(
        wrong(&read("\"x,1\n", &allowed, &schema), 0).starts_with("Missing close quote character")
    );
    assert!(wrong(&read("\"x\"y,1\n", &csv(), &schema), 0).starts_with("Data between close quote"));
}

#[test]
fn null_markers_stand_for_null_where_they_are_not_quoted() {
    let schema = fields(&[("a", Kind::String), ("b", Kind::Integer)]);
    let marked = Reading {
        null_markers: vec!["NA".into(), "-".into()],
        ..csv()
    };
    let rows = read("NA,-\n\"NA\",1\n,1\nx,\n", &marked, &schema);
    assert_eq!(
        rows[..3],
        [row(&["Null", "Null"]), row(&["NA", "1"]), row(&["", "1"])]
    );
    assert!(wrong(&rows, 3).starts_with("Unable to parse"));
    let required = Schema(vec![
        Field::new("a", Kind::String).with_mode(Mode::Required),
    ]);
    assert!(wrong(&read("NA", &marked, &required), 0).starts_with("Required column value"));
}

#[test]
fn encodings_and_control_characters() {
    let schema = fields(&[("a", Kind::String)]);
    let latin = Reading {
        latin1: true,
        ..csv()
    };
    assert_eq!(read(b"caf\xe9", &latin, &schema), [row(&["café"])]);
    assert!(wrong(&read(b"caf\xe9", &csv(), &schema), 0).starts_with("Invalid UTF-8"));
    assert_eq!(read("\u{feff}x", &csv(), &schema), [row(&["x"])]);
    assert!(wrong(&read("x\0y", &csv(), &schema), 0).starts_with("Bad character (ASCII 0)"));
    let kept = Reading {
        control_characters: true,
        ..csv()
    };
    assert_eq!(read("x\0y", &kept, &schema), [row(&["x\0y"])]);
}

#[test]
fn columns_meet_fields_by_position_or_by_name() {
    let schema = fields(&[("a", Kind::String), ("b", Kind::Integer), ("c", Kind::Date)]);
    let named = Reading {
        match_names: true,
        ..csv()
    };
    assert_eq!(
        read("b,A\n1,x\n", &named, &schema),
        [row(&["x", "1", "Null"])]
    );
    let bytes = Bytes::from_static(b"b,z\n1,x\n");
    assert!(rows(&bytes, &named, &schema).is_err());
}

#[test]
fn a_header_is_detected_by_its_texts() {
    let found = |text: &'static str, skip| {
        let how = Reading {
            autodetect: true,
            skip_leading_rows: skip,
            ..csv()
        };
        let schema = schema(&Bytes::from_static(text.as_bytes()), &how).unwrap();
        let names: Vec<_> = schema
            .0
            .iter()
            .map(|field| format!("{}:{}", field.name, field.kind.name()))
            .collect();
        (names.join(" "), read(text, &how, &schema).len())
    };
    assert_eq!(
        found("id,who\n1,x\n2,\n", None),
        ("id:INTEGER who:STRING".into(), 2)
    );
    assert_eq!(
        found("1,x\n2,y\n", None),
        ("int64_field_0:INTEGER string_field_1:STRING".into(), 2)
    );
    assert_eq!(
        found("x,y\nz,w\n", None),
        ("string_field_0:STRING string_field_1:STRING".into(), 2)
    );
    assert_eq!(
        found("x,y\nz,w\n", Some(1)),
        ("x:STRING y:STRING".into(), 1)
    );
    assert_eq!(
        found("2026-11-27,1\n2026-11-27 01:02:03,1.5\n", Some(0)).0,
        "timestamp_field_0:TIMESTAMP float64_field_1:FLOAT"
    );
}

#[test]
fn json_values_are_of_their_fields_types() {
    let mut record = Field::new("r", Kind::Record);
    record.fields = vec![
        Field::new("x", Kind::Integer).with_mode(Mode::Required),
        Field::new("y", Kind::Json),
    ];
    let schema = Schema(vec![
        Field::new("s", Kind::String),
        Field::new("l", Kind::Numeric).with_mode(Mode::Repeated),
        record,
    ]);
    let good = read(
        "{\"S\":\"a\",\"l\":[1.5,\"2\"],\"r\":{\"x\":9223372036854775807,\"y\":{\"k\": [1, null]}}}\n\n{}\n",
        &json(),
        &schema,
    );
    assert_eq!(good.len(), 2);
    let shown = good[0].as_ref().unwrap();
    assert_eq!(shown[0], "a");
    assert!(
        shown[2].contains("9223372036854775807") && shown[2].contains("{\\\"k\\\":[1,null]}"),
        "{shown:?}"
    );
    let cases = [
        (
            "{\"s\":3}",
            "Could not convert value to string. Field: s; Value: 3",
        ),
        (
            "{\"s\":[\"a\"]}",
            "Array specified for non-repeated field: s.",
        ),
        (
            "{\"s\":{}}",
            "JSON object specified for non-record field: s",
        ),
        (
            "{\"l\":null}",
            "Only optional fields can be set to NULL. Field: l; Value: NULL",
        ),
        (
            "{\"l\":[1,null]}",
            "Only optional fields can be set to NULL. Field: l; Value: NULL",
        ),
        (
            "{\"l\":[0.0000000001]}",
            "Invalid NUMERIC value: 0.0000000001 Field: l; Value: 0.0000000001",
        ),
        ("{\"r\":{}}", "Missing required field: r.x."),
        (
            "{\"r\":{\"x\":9223372036854775808}}",
            "Could not convert value to integer. Field: r.x; Value: 9223372036854775808",
        ),
        (
            "{\"r\":{\"x\":true}}",
            "Could not convert value to integer. Field: r.x; Value: true",
        ),
        ("{\"r\":{\"x\":1,\"z\":1}}", "No such field: r.z."),
        ("{\"s\":\"a\"", "Parser terminated before end of string"),
        ("[1]", "Value encountered without start of object."),
    ];
    for (line, why) in cases {
        let rows = read(format!("{{}}\n{line}\n"), &json(), &schema);
        assert_eq!(
            wrong(&rows, 1),
            format!("JSON parsing error in row starting at position 3: {why}"),
            "{line}"
        );
    }
}

#[test]
fn gzip_is_read_whatever_the_name() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"{\"a\":1}\n").unwrap();
    let mut file = gzip.finish().unwrap();
    let schema = fields(&[("a", Kind::Integer)]);
    assert_eq!(read(&file, &json(), &schema), [row(&["1"])]);
    file.truncate(file.len() - 4);
    assert!(rows(&Bytes::from(file), &json(), &schema).is_err());
}

#[test]
fn what_is_no_file_of_its_format_is_refused() {
    for format in [Format::Parquet, Format::Avro] {
        let how = Reading {
            format,
            ..Reading::default()
        };
        assert!(schema(&Bytes::from_static(b"PAR1"), &how).is_err());
        assert!(rows(&Bytes::from_static(b""), &how, &Schema::default()).is_err());
    }
}
