//! What the demo loads into a table: trips, as files of three formats.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::{Value, json};

/// Files of each format.
const NDJSON: i64 = 24;
const CSV: i64 = 16;
const PARQUET: i64 = 10;

/// The days from 1970-01-01 to 2026-11-01.
const FIRST_DAY: i32 = 20_758;

const ZONES: [&str; 5] = [
    "Altona",
    "Barmbek",
    "Eimsbüttel",
    "St. Pauli",
    "Wandsbek, Süd",
];

/// One trip.
struct Trip {
    id: i64,
    zone: &'static str,
    day: i32,
    distance: f64,
    passengers: i64,
}

impl Trip {
    fn date(&self) -> String {
        format!("2026-11-{:02}", self.day - FIRST_DAY + 1)
    }

    /// As `tabledata.list` shows it.
    fn row(&self) -> String {
        let Self {
            id,
            zone,
            distance,
            passengers,
            ..
        } = self;
        let day = self.date();
        json!([
            id.to_string(),
            zone,
            day,
            distance.to_string(),
            passengers.to_string()
        ])
        .to_string()
    }
}

/// A file, and the rows that it has.
pub(super) struct TripFile {
    pub(super) key: String,
    pub(super) bytes: Bytes,
    pub(super) rows: Vec<String>,
}

/// The schema of the table.
pub(super) fn schema() -> Value {
    let field = |name: &str, of: &str| json!({"name": name, "type": of});
    json!({"fields": [
        field("id", "INT64"), field("zone", "STRING"), field("day", "DATE"),
        field("distance", "FLOAT64"), field("passengers", "INT64"),
    ]})
}

/// All files: some fifty, of a hundred rows or so each.
pub(super) fn files() -> anyhow::Result<Vec<TripFile>> {
    (0..NDJSON + CSV + PARQUET).map(file).collect()
}

/// Another version of the first file.
pub(super) fn overwritten() -> anyhow::Result<TripFile> {
    let first = file(0)?;
    let again = trips(1_000);
    Ok(TripFile {
        key: first.key,
        bytes: ndjson(&again).into(),
        rows: again.iter().map(Trip::row).collect(),
    })
}

/// A file with a row that the table does not take.
pub(super) fn bad() -> TripFile {
    let mut bytes = ndjson(&trips(2_000));
    bytes.push_str("{\"id\": 1, \"passengers\": \"two\"}\n");
    TripFile {
        key: "trips/ndjson/bad.json".into(),
        bytes: bytes.into(),
        rows: Vec::new(),
    }
}

fn file(number: i64) -> anyhow::Result<TripFile> {
    let trips = trips(number);
    let (key, bytes) = match number {
        _ if number < NDJSON => (
            format!("trips/ndjson/{number:02}.json"),
            ndjson(&trips).into(),
        ),
        _ if number < NDJSON + CSV => (format!("trips/csv/{number:02}.csv"), csv(&trips).into()),
        _ => (
            format!("trips/parquet/{number:02}.parquet"),
            parquet(&trips)?.into(),
        ),
    };
    let rows = trips.iter().map(Trip::row).collect();
    Ok(TripFile { key, bytes, rows })
}

fn trips(file: i64) -> Vec<Trip> {
    let trip = |number: i64| {
        let some = (file * 31 + number * 17) % 1009;
        Trip {
            id: file * 1_000 + number,
            zone: ZONES[usize::try_from(some % 5).unwrap_or_default()],
            day: FIRST_DAY + i32::try_from(some % 28).unwrap_or_default(),
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            distance: some as f64 / 8.0 + 0.0625,
            passengers: some % 4 + 1,
        }
    };
    (0..80 + file % 50).map(trip).collect()
}

fn ndjson(trips: &[Trip]) -> String {
    let lines = trips.iter().map(|trip| {
        let line = json!({
            "id": trip.id, "zone": trip.zone, "day": trip.date(), "distance": trip.distance,
            "passengers": trip.passengers,
        });
        format!("{line}\n")
    });
    lines.collect()
}

fn csv(trips: &[Trip]) -> String {
    let mut text = "id,zone,day,distance,passengers\n".to_owned();
    for trip in trips {
        let Trip {
            id,
            zone,
            distance,
            passengers,
            ..
        } = trip;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{id},\"{zone}\",{},{distance},{passengers}",
            trip.date()
        );
    }
    text
}

fn parquet(trips: &[Trip]) -> anyhow::Result<Vec<u8>> {
    let schema = parse_message_type(
        "message trip { required int64 id; required binary zone (UTF8); required int32 day (DATE); \
         required double distance; required int64 passengers; }",
    )?;
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties)?;
    let mut group = writer.next_row_group()?;
    let whole = |of: fn(&Trip) -> i64| -> Vec<i64> { trips.iter().map(of).collect() };
    for values in [
        Column::Whole(whole(|trip| trip.id)),
        Column::Text(trips.iter().map(|trip| trip.zone.into()).collect()),
        Column::Date(trips.iter().map(|trip| trip.day).collect()),
        Column::Float(trips.iter().map(|trip| trip.distance).collect()),
        Column::Whole(whole(|trip| trip.passengers)),
    ] {
        let Some(mut column) = group.next_column()? else {
            break;
        };
        match values {
            Column::Whole(values) => column
                .typed::<Int64Type>()
                .write_batch(&values, None, None)?,
            Column::Text(values) => column
                .typed::<ByteArrayType>()
                .write_batch(&values, None, None)?,
            Column::Date(values) => column
                .typed::<Int32Type>()
                .write_batch(&values, None, None)?,
            Column::Float(values) => column
                .typed::<DoubleType>()
                .write_batch(&values, None, None)?,
        };
        column.close()?;
    }
    group.close()?;
    Ok(writer.into_inner()?)
}

/// A column's values.
enum Column {
    Whole(Vec<i64>),
    Text(Vec<ByteArray>),
    Date(Vec<i32>),
    Float(Vec<f64>),
}
