//! Parquet (<https://cloud.google.com/bigquery/docs/loading-data-cloud-storage-parquet>).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::Field as Value;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;

use super::{Reading, decimal_cell, instant};
use crate::bigquery::files::BadFile;
use crate::bigquery::types::{
    Cell, Field, Kind, Mode, Row, Schema, date_text, float_text, time_text, unscaled,
};

fn open(bytes: &Bytes) -> Result<SerializedFileReader<Bytes>, BadFile> {
    SerializedFileReader::new(bytes.clone()).map_err(|error| broken(&error))
}

fn broken(error: &ParquetError) -> BadFile {
    BadFile(format!(
        "Input file is not in Parquet format, or is damaged: {error}"
    ))
}

/// The file's own schema.
pub(super) fn schema(bytes: &Bytes, how: &Reading) -> Result<Schema, BadFile> {
    let file = open(bytes)?;
    let root = file.metadata().file_metadata().schema();
    let fields = root.get_fields().iter().map(|field| field_of(field, how));
    fields.collect::<Result<_, _>>().map(Schema)
}

/// The file's rows, as rows of its own schema.
pub(super) fn rows(bytes: &Bytes, how: &Reading) -> Result<Vec<Row>, BadFile> {
    // Refuses what the reader of rows panics at.
    schema(bytes, how)?;
    let file = open(bytes)?;
    let root = file.metadata().file_metadata().schema().clone();
    let rows = RowIter::from_file_into(Box::new(file));
    rows.map(|row| {
        let row = row.map_err(|error| broken(&error))?;
        group(row.get_column_iter().map(|(_, value)| value), &root, how)
    })
    .collect()
}

fn group<'a>(
    values: impl Iterator<Item = &'a Value>,
    group: &Type,
    how: &Reading,
) -> Result<Row, BadFile> {
    let pairs = values.zip(group.get_fields());
    pairs
        .map(|(value, field)| cell(value, field, how))
        .collect()
}

fn unsupported(field: &Type) -> BadFile {
    BadFile(format!(
        "Parquet column '{}' has a type that cannot be loaded",
        field.name()
    ))
}

/// A LIST's element, in the only form that today's writers write.
fn element(list: &Type) -> Option<(&Type, &Type)> {
    let [repeated] = list.get_fields() else {
        return None;
    };
    let is_repeated = repeated.get_basic_info().repetition() == Repetition::REPEATED;
    match repeated.is_group().then(|| repeated.get_fields())? {
        [element] if is_repeated => Some((repeated, element)),
        _ => None,
    }
}

fn mode_of(field: &Type) -> Mode {
    match field.get_basic_info().repetition() {
        Repetition::REQUIRED => Mode::Required,
        Repetition::OPTIONAL => Mode::Nullable,
        Repetition::REPEATED => Mode::Repeated,
    }
}

fn record(name: &str, mode: Mode, fields: Vec<Field>) -> Field {
    let mut field = Field::new(name, Kind::Record).with_mode(mode);
    field.fields = fields;
    field
}

fn field_of(field: &Type, how: &Reading) -> Result<Field, BadFile> {
    let mode = mode_of(field);
    if field.is_primitive() {
        return Ok(Field::new(field.name(), kind_of(field, how)?).with_mode(mode));
    }
    match field.get_basic_info().converted_type() {
        ConvertedType::LIST => {
            let (repeated, element) = element(field).ok_or_else(|| unsupported(field))?;
            let inner = field_of(element, how)?;
            if how.list_inference {
                let mut inner = inner.with_mode(Mode::Repeated);
                field.name().clone_into(&mut inner.name);
                return Ok(inner);
            }
            let list = record(repeated.name(), Mode::Repeated, vec![inner]);
            Ok(record(field.name(), mode, vec![list]))
        }
        ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE => {
            let [pairs] = field.get_fields() else {
                return Err(unsupported(field));
            };
            if !pairs.is_group()
                || pairs.get_fields().len() != 2
                || mode_of(pairs) != Mode::Repeated
            {
                return Err(unsupported(field));
            }
            let inner = pairs.get_fields().iter().map(|field| field_of(field, how));
            let pairs = record(
                pairs.name(),
                Mode::Repeated,
                inner.collect::<Result<_, _>>()?,
            );
            Ok(record(field.name(), mode, vec![pairs]))
        }
        ConvertedType::NONE => {
            let inner = field.get_fields().iter().map(|field| field_of(field, how));
            Ok(record(field.name(), mode, inner.collect::<Result<_, _>>()?))
        }
        _ => Err(unsupported(field)),
    }
}

fn kind_of(field: &Type, how: &Reading) -> Result<Kind, BadFile> {
    let logical = field.get_basic_info().logical_type_ref();
    if let Some(LogicalType::Timestamp(timestamp)) = logical {
        return Ok(if timestamp.is_adjusted_to_u_t_c {
            Kind::Timestamp
        } else {
            Kind::Datetime
        });
    }
    let converted = field.get_basic_info().converted_type();
    let kind = match (field.get_physical_type(), converted) {
        (Physical::BOOLEAN, _) => Kind::Boolean,
        (Physical::FLOAT | Physical::DOUBLE, _) => Kind::Float,
        (_, ConvertedType::DECIMAL) => {
            let Type::PrimitiveType {
                precision, scale, ..
            } = field
            else {
                return Err(unsupported(field));
            };
            let size = |number: i32| usize::try_from(number).map_err(|_| unsupported(field));
            how.decimal_kind(field.name(), size(*precision)?, size(*scale)?)?
        }
        (Physical::INT32, ConvertedType::DATE) => Kind::Date,
        (Physical::INT32, ConvertedType::TIME_MILLIS)
        | (Physical::INT64, ConvertedType::TIME_MICROS) => Kind::Time,
        (Physical::INT64, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS) => {
            Kind::Timestamp
        }
        (Physical::INT64, ConvertedType::NONE) if matches!(logical, Some(LogicalType::Time(_))) => {
            Kind::Time
        }
        (
            Physical::INT32 | Physical::INT64,
            ConvertedType::NONE
            | ConvertedType::INT_8
            | ConvertedType::INT_16
            | ConvertedType::INT_32
            | ConvertedType::INT_64
            | ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64,
        ) => Kind::Integer,
        (Physical::BYTE_ARRAY, ConvertedType::UTF8) => Kind::String,
        (Physical::BYTE_ARRAY, ConvertedType::ENUM) if how.enum_as_string => Kind::String,
        (Physical::BYTE_ARRAY, ConvertedType::JSON) => Kind::Json,
        (Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::NONE)
            if logical == Some(&LogicalType::Float16) =>
        {
            Kind::Float
        }
        (Physical::FIXED_LEN_BYTE_ARRAY, ConvertedType::NONE)
        | (Physical::BYTE_ARRAY, ConvertedType::ENUM | ConvertedType::NONE | ConvertedType::BSON) => {
            Kind::Bytes
        }
        // INT96 among them, which its reader cuts to milliseconds.
        _ => return Err(unsupported(field)),
    };
    Ok(kind)
}

fn cell(value: &Value, field: &Type, how: &Reading) -> Result<Cell, BadFile> {
    match value {
        Value::Null => Ok(Cell::Null),
        Value::Group(row) => {
            let values = row.get_column_iter().map(|(_, value)| value);
            group(values, field, how).map(Cell::Record)
        }
        Value::ListInternal(list)
            if field.get_basic_info().converted_type() == ConvertedType::LIST =>
        {
            let (_, element) = element(field).ok_or_else(|| unsupported(field))?;
            let cells = list
                .elements()
                .iter()
                .map(|value| match (value, how.list_inference) {
                    (Value::Null, true) => Err(BadFile(format!(
                        "Parquet column '{}' has a list with a null",
                        field.name()
                    ))),
                    (value, true) => cell(value, element, how),
                    (value, false) => Ok(Cell::Record(vec![cell(value, element, how)?])),
                });
            let list = Cell::List(cells.collect::<Result<_, _>>()?);
            Ok(if how.list_inference {
                list
            } else {
                Cell::Record(vec![list])
            })
        }
        Value::ListInternal(list) => {
            let cells = list.elements().iter().map(|value| cell(value, field, how));
            cells.collect::<Result<_, _>>().map(Cell::List)
        }
        Value::MapInternal(map) => {
            let [pairs] = field.get_fields() else {
                return Err(unsupported(field));
            };
            let cells = map
                .entries()
                .iter()
                .map(|(key, value)| group([key, value].into_iter(), pairs, how).map(Cell::Record));
            Ok(Cell::Record(vec![Cell::List(
                cells.collect::<Result<_, _>>()?,
            )]))
        }
        scalar => scalar_cell(scalar, field, how),
    }
}

fn scalar_cell(value: &Value, field: &Type, how: &Reading) -> Result<Cell, BadFile> {
    let kind = kind_of(field, how)?;
    let out_of_range = || {
        BadFile(format!(
            "Parquet column '{}' has a value out of range: {value}",
            field.name()
        ))
    };
    let text = match value {
        Value::Bool(value) => Some(value.to_string()),
        Value::Byte(_)
        | Value::Short(_)
        | Value::Int(_)
        | Value::UByte(_)
        | Value::UShort(_)
        | Value::UInt(_) => Some(value.to_string()),
        Value::ULong(value) => i64::try_from(*value).ok().map(|value| value.to_string()),
        Value::Long(value) => return long(*value, kind, field).ok_or_else(out_of_range),
        Value::Float16(value) => Some(float_text(value.to_f64())),
        Value::Float(value) => Some(float_text(f64::from(*value))),
        Value::Double(value) => Some(float_text(*value)),
        Value::Decimal(value) => {
            let scale = usize::try_from(value.scale()).map_err(|_| unsupported(field))?;
            return decimal_cell(&unscaled(value.data(), scale), kind).ok_or_else(out_of_range);
        }
        Value::Str(value) if kind == Kind::Bytes => Some(BASE64_STANDARD.encode(value)),
        Value::Str(value) => Some(value.clone()),
        Value::Bytes(value) => Some(BASE64_STANDARD.encode(value.data())),
        Value::Date(days) => date_text((*days).into()),
        Value::TimeMillis(millis) => time_text(i64::from(*millis) * 1000),
        Value::TimeMicros(micros) => time_text(*micros),
        Value::TimestampMillis(millis) => {
            return millis
                .checked_mul(1000)
                .and_then(|micros| instant(micros, kind))
                .ok_or_else(out_of_range);
        }
        Value::TimestampMicros(micros) => return instant(*micros, kind).ok_or_else(out_of_range),
        _ => None,
    };
    text.map(Cell::text).ok_or_else(out_of_range)
}

/// A 64-bit number, which may be a count of nanoseconds.
fn long(value: i64, kind: Kind, field: &Type) -> Option<Cell> {
    let unit = match field.get_basic_info().logical_type_ref() {
        Some(LogicalType::Timestamp(timestamp)) => Some(timestamp.unit),
        Some(LogicalType::Time(time)) => Some(time.unit),
        _ => None,
    };
    let micros = match unit {
        None => return Some(Cell::text(value.to_string())),
        Some(TimeUnit::NANOS) => value.div_euclid(1000),
        Some(TimeUnit::MICROS) => value,
        Some(TimeUnit::MILLIS) => value.checked_mul(1000)?,
    };
    match kind {
        Kind::Time => time_text(micros).map(Cell::text),
        kind => instant(micros, kind),
    }
}
