//! Avro (<https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-avro>).

use std::fmt::Display;

use apache_avro::schema::RecordSchema;
use apache_avro::types::Value;
use apache_avro::{Reader, Schema as Avro};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::{Reading, decimal_cell, instant};
use crate::bigquery::files::BadFile;
use crate::bigquery::types::{
    Cell, Field, Kind, Mode, Row, Schema, date_text, float_text, time_text, unscaled,
};

fn broken(error: impl Display) -> BadFile {
    BadFile(format!(
        "The Apache Avro library failed to read data with the following error: {error}"
    ))
}

/// The file's own schema.
pub(super) fn schema(bytes: &Bytes, how: &Reading) -> Result<Schema, BadFile> {
    let reader = Reader::new(&**bytes).map_err(broken)?;
    match reader.writer_schema() {
        Avro::Record(record) => {
            let fields = record.fields.iter();
            let fields =
                fields.map(|field| field_of(&field.name, &field.schema, Mode::Required, how));
            fields.collect::<Result<_, _>>().map(Schema)
        }
        _ => Err(broken("the root is not a record")),
    }
}

/// The file's rows, as rows of its own schema.
pub(super) fn rows(bytes: &Bytes, how: &Reading) -> Result<Vec<Row>, BadFile> {
    let schema = schema(bytes, how)?;
    let reader = Reader::new(&**bytes).map_err(broken)?;
    let writer = reader.writer_schema().clone();
    let rows = reader.map(|value| match (value.map_err(broken)?, &writer) {
        (Value::Record(values), Avro::Record(own)) => record(values, &schema.0, own),
        _ => Err(broken("a value is not a record")),
    });
    rows.collect()
}

fn field_of(name: &str, schema: &Avro, mode: Mode, how: &Reading) -> Result<Field, BadFile> {
    let nested = |fields: Vec<Field>, mode| {
        let mut field = Field::new(name, Kind::Record).with_mode(mode);
        field.fields = fields;
        field
    };
    let logical = |kind| {
        if how.logical_types {
            kind
        } else {
            Kind::Integer
        }
    };
    let kind = match schema {
        Avro::Union(union) => {
            return match union.variants() {
                [Avro::Null, other] | [other, Avro::Null] => {
                    field_of(name, other, Mode::Nullable, how)
                }
                _ => Err(unsupported(name, "a union of more than null and one type")),
            };
        }
        Avro::Array(array) => {
            // Its values may be null only where none is, but the type says nothing of that.
            return Ok(field_of(name, &array.items, Mode::Required, how)?.with_mode(Mode::Repeated));
        }
        Avro::Map(map) => {
            let key = Field::new("key", Kind::String).with_mode(Mode::Required);
            let value = field_of("value", &map.types, Mode::Required, how)?;
            return Ok(nested(vec![key, value], Mode::Repeated));
        }
        Avro::Record(record) => {
            let fields = record.fields.iter();
            let fields =
                fields.map(|field| field_of(&field.name, &field.schema, Mode::Required, how));
            return Ok(nested(fields.collect::<Result<_, _>>()?, mode));
        }
        Avro::Decimal(decimal) if how.logical_types => {
            how.decimal_kind(name, decimal.precision, decimal.scale)?
        }
        Avro::Boolean => Kind::Boolean,
        Avro::Int | Avro::Long => Kind::Integer,
        Avro::Float | Avro::Double => Kind::Float,
        Avro::Bytes | Avro::Fixed(_) | Avro::Decimal(_) => Kind::Bytes,
        Avro::String | Avro::Enum(_) | Avro::Uuid(_) => Kind::String,
        Avro::Date => logical(Kind::Date),
        Avro::TimeMillis | Avro::TimeMicros => logical(Kind::Time),
        Avro::TimestampMillis | Avro::TimestampMicros => logical(Kind::Timestamp),
        Avro::LocalTimestampMillis | Avro::LocalTimestampMicros => logical(Kind::Datetime),
        _ => return Err(unsupported(name, "a type that cannot be loaded")),
    };
    Ok(Field::new(name, kind).with_mode(mode))
}

fn unsupported(name: &str, what: &str) -> BadFile {
    BadFile(format!("The Avro field '{name}' has {what}"))
}

fn record(
    values: Vec<(String, Value)>,
    fields: &[Field],
    own: &RecordSchema,
) -> Result<Row, BadFile> {
    let own = own.fields.iter().map(|field| &field.schema);
    let cells = values.into_iter().zip(fields).zip(own);
    cells
        .map(|(((_, value), field), own)| cell(value, field, own))
        .collect()
}

fn cell(value: Value, field: &Field, own: &Avro) -> Result<Cell, BadFile> {
    match (value, own) {
        (Value::Null, _) if field.is_repeated() => {
            Err(broken(format!("the array '{}' has a null", field.name)))
        }
        (Value::Null, _) => Ok(Cell::Null),
        (Value::Union(at, value), Avro::Union(union)) => {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let own = union
                .variants()
                .get(at)
                .ok_or_else(|| broken("a union has no such type"))?;
            cell(*value, field, own)
        }
        (Value::Array(values), Avro::Array(own)) => {
            let cells = values
                .into_iter()
                .map(|value| cell(value, field, &own.items));
            cells.collect::<Result<_, _>>().map(Cell::List)
        }
        (Value::Map(values), Avro::Map(own)) => {
            // In any order, so in that of the keys.
            let values = std::collections::BTreeMap::from_iter(values);
            let cells = values.into_iter().map(|(key, value)| {
                let value = match field.fields.last() {
                    Some(field) => cell(value, field, &own.types)?,
                    None => Cell::Null,
                };
                Ok(Cell::Record(vec![Cell::text(key), value]))
            });
            cells.collect::<Result<_, _>>().map(Cell::List)
        }
        (Value::Record(values), Avro::Record(own)) => {
            record(values, &field.fields, own).map(Cell::Record)
        }
        (scalar, own) => scalar_cell(scalar, field, own).ok_or_else(|| {
            BadFile(format!(
                "The Avro field '{}' has a value out of range",
                field.name
            ))
        }),
    }
}

fn scalar_cell(value: Value, field: &Field, own: &Avro) -> Option<Cell> {
    let plain = field.kind == Kind::Integer;
    let text = match value {
        Value::Boolean(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Long(value) => value.to_string(),
        Value::Float(value) => float_text(value.into()),
        Value::Double(value) => float_text(value),
        Value::Bytes(bytes) | Value::Fixed(_, bytes) => BASE64_STANDARD.encode(bytes),
        Value::String(text) | Value::Enum(_, text) => text,
        Value::Uuid(uuid) => uuid.to_string(),
        Value::Decimal(value) => {
            let bytes = Vec::<u8>::try_from(&value).ok()?;
            match own {
                Avro::Decimal(own) if field.kind != Kind::Bytes => {
                    return decimal_cell(&unscaled(&bytes, own.scale), field.kind);
                }
                _ => BASE64_STANDARD.encode(bytes),
            }
        }
        Value::Date(count) | Value::TimeMillis(count) if plain => count.to_string(),
        Value::TimeMicros(count)
        | Value::TimestampMillis(count)
        | Value::TimestampMicros(count)
        | Value::LocalTimestampMillis(count)
        | Value::LocalTimestampMicros(count)
            if plain =>
        {
            count.to_string()
        }
        Value::Date(days) => date_text(days.into())?,
        Value::TimeMillis(millis) => time_text(i64::from(millis) * 1000)?,
        Value::TimeMicros(micros) => time_text(micros)?,
        Value::TimestampMillis(millis) | Value::LocalTimestampMillis(millis) => {
            return instant(millis.checked_mul(1000)?, field.kind);
        }
        Value::TimestampMicros(micros) | Value::LocalTimestampMicros(micros) => {
            return instant(micros, field.kind);
        }
        _ => return None,
    };
    Some(Cell::text(text))
}
