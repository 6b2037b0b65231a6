//! What a table holds: schemas, cells, and how a value of each type is read and written.
//!
//! Reference: <https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types>.

mod cell;
mod civil;
mod decimal;
mod schema;
mod text;

pub use cell::{Cell, Row, TimestampFormat};
pub(crate) use cell::{row_bytes, shown_row};
pub(crate) use civil::{date_text, datetime_text, time_text};
pub(crate) use decimal::unscaled;
pub(crate) use schema::position;
pub use schema::{Field, Kind, Mode, Schema, SchemaChange};
pub(crate) use text::{float_text, from_text, looks_like};

/// The microseconds of a second.
pub(crate) const MICROS: i64 = 1_000_000;
