//! Partitions: how a table is cut, which partition a row belongs to, and decorators
//! (<https://cloud.google.com/bigquery/docs/partitioned-tables>).

use jiff::Timestamp;
use serde_json::Value;

use crate::bigquery::types::{Cell, Kind, Mode, Row, Schema};

/// The partition of rows without a value in the column.
pub(crate) const NULL: &str = "__NULL__";
/// The partition of rows whose value is outside of the range.
pub(crate) const UNPARTITIONED: &str = "__UNPARTITIONED__";

/// How a table is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Partitioning {
    /// By a day, hour, month or year.
    Time {
        /// Which of them.
        unit: Unit,
        /// The column; none: by when the row came.
        field: Option<String>,
    },
    /// By a number.
    Range {
        /// The column.
        field: String,
        /// The first number.
        start: i64,
        /// The first number behind the last.
        end: i64,
        /// How many numbers are one partition.
        interval: i64,
    },
}

/// The length of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the length of its name")]
pub enum Unit {
    Hour,
    Day,
    Month,
    Year,
}

impl Unit {
    /// How many digits of `YYYYMMDDHH` name a partition.
    fn digits(self) -> usize {
        match self {
            Self::Hour => 10,
            Self::Day => 8,
            Self::Month => 6,
            Self::Year => 4,
        }
    }

    fn of_digits(digits: usize) -> Option<Self> {
        [Self::Hour, Self::Day, Self::Month, Self::Year]
            .into_iter()
            .find(|unit| unit.digits() == digits)
    }
}

impl Partitioning {
    /// Reads `timePartitioning` and `rangePartitioning` of a table or a job.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn read(
        time: Option<&Value>,
        range: Option<&Value>,
    ) -> Result<Option<Self>, String> {
        match (time, range) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(
                "Only one of timePartitioning and rangePartitioning should be specified.".into(),
            ),
            (Some(time), None) => {
                let unit = match time["type"].as_str().unwrap_or("DAY") {
                    "HOUR" => Unit::Hour,
                    "DAY" => Unit::Day,
                    "MONTH" => Unit::Month,
                    "YEAR" => Unit::Year,
                    other => {
                        return Err(format!("Invalid value for timePartitioning.type: {other}"));
                    }
                };
                let field = time["field"].as_str().map(str::to_owned);
                Ok(Some(Self::Time { unit, field }))
            }
            (None, Some(range)) => {
                let number =
                    |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
                let (start, end, interval) = (
                    &range["range"]["start"],
                    &range["range"]["end"],
                    &range["range"]["interval"],
                );
                match (range["field"].as_str(), number(start), number(end), number(interval)) {
                    (Some(field), Some(start), Some(end), Some(interval)) if start < end && interval > 0 => Ok(Some(Self::Range {
                        field: field.to_owned(),
                        start,
                        end,
                        interval,
                    })),
                    _ => Err("rangePartitioning needs a field, and a range with start, end and a positive interval".into()),
                }
            }
        }
    }

    /// Checks the column against the schema.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), String> {
        let Some(name) = self.field() else {
            return Ok(());
        };
        let field = schema.position(name).map(|at| &schema.0[at]);
        let field = field.ok_or_else(|| {
            format!("The field specified for partitioning cannot be found in the schema: {name}")
        })?;
        let fits = match self {
            Self::Range { .. } => field.kind == Kind::Integer,
            Self::Time { unit, .. } => match field.kind {
                Kind::Timestamp | Kind::Datetime => true,
                Kind::Date => *unit != Unit::Hour,
                _ => false,
            },
        };
        if !fits || field.mode == Mode::Repeated {
            return Err(format!(
                "The field specified for partitioning has a type or mode that a table cannot be partitioned by: {name}"
            ));
        }
        Ok(())
    }

    /// The column.
    pub(crate) fn field(&self) -> Option<&str> {
        match self {
            Self::Time { field, .. } => field.as_deref(),
            Self::Range { field, .. } => Some(field),
        }
    }

    /// The partition that a decorator names.
    ///
    /// # Errors
    /// It names none of such a table.
    pub(crate) fn decorated(&self, decorator: &str) -> Result<String, String> {
        let wrong = || {
            format!("Invalid partition decorator: ${decorator} names no partition of this table")
        };
        let fits = match self {
            _ if decorator == NULL || decorator == UNPARTITIONED => self.field().is_some(),
            Self::Time { unit, .. } => decorator.len() == unit.digits() && is_time(decorator),
            Self::Range {
                start,
                end,
                interval,
                ..
            } => decorator.parse::<i64>().is_ok_and(|number| {
                (*start..*end).contains(&number) && (number - start) % interval == 0
            }),
        };
        fits.then(|| decorator.to_owned()).ok_or_else(wrong)
    }

    /// How a table is cut that a load job makes for that decorator.
    pub(crate) fn for_decorator(decorator: &str) -> Option<Self> {
        let unit = Unit::of_digits(decorator.len()).filter(|_| is_time(decorator))?;
        Some(Self::Time { unit, field: None })
    }

    /// The partition of a row that comes `now`.
    pub(crate) fn of_row(&self, row: &Row, schema: &Schema, now: Timestamp) -> String {
        let cell = self
            .field()
            .and_then(|name| row.get(schema.position(name)?));
        match (self, cell) {
            (Self::Time { unit, field: None }, _) => of_time(&now.to_string(), *unit),
            (_, None | Some(Cell::Null)) => NULL.to_owned(),
            (Self::Time { unit, .. }, Some(cell)) => {
                of_time(&cell.scalar().unwrap_or_default(), *unit)
            }
            (
                Self::Range {
                    start,
                    end,
                    interval,
                    ..
                },
                Some(cell),
            ) => {
                let number = cell.scalar().and_then(|text| text.parse::<i64>().ok());
                match number.filter(|number| (*start..*end).contains(number)) {
                    Some(number) => (number - (number - start) % interval).to_string(),
                    None => UNPARTITIONED.to_owned(),
                }
            }
        }
    }
}

/// The first digits of a date, of a DATETIME or of a TIMESTAMP in UTC.
fn of_time(text: &str, unit: Unit) -> String {
    let digits = text.chars().filter(char::is_ascii_digit);
    digits.take(unit.digits()).collect()
}

/// Whether `text` is a time of the form `YYYY[MM[DD[HH]]]`.
fn is_time(text: &str) -> bool {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) || text.len() < 4 {
        return false;
    }
    let padded = match text.len() {
        4 => format!("{text}0101"),
        6 => format!("{text}01"),
        8 | 10 => text.to_owned(),
        _ => return false,
    };
    let number = |from: usize, to: usize| padded[from..to].parse().unwrap_or(0_i8);
    let year = padded[..4].parse().unwrap_or_default();
    let hour_fits = padded.len() == 8 || number(8, 10) < 24;
    hour_fits && jiff::civil::Date::new(year, number(4, 6), number(6, 8)).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bigquery::types::Field;

    fn partition(partitioning: &Partitioning, kind: Kind, cell: Cell) -> String {
        let name = partitioning.field().unwrap_or("x");
        partitioning.of_row(
            &vec![cell],
            &Schema(vec![Field::new(name, kind)]),
            Timestamp::UNIX_EPOCH,
        )
    }

    #[test]
    fn a_row_belongs_to_one_partition() {
        let at = |unit: &str| {
            let time = json!({ "type": unit, "field": "at" });
            Partitioning::read(Some(&time), None).unwrap().unwrap()
        };
        // 2026-11-27 23:59:59.5 UTC
        let late = Cell::Timestamp(1_795_823_999_500_000);
        for (unit, wanted) in [
            ("HOUR", "2026112723"),
            ("DAY", "20261127"),
            ("MONTH", "202611"),
            ("YEAR", "2026"),
        ] {
            assert_eq!(partition(&at(unit), Kind::Timestamp, late.clone()), wanted);
        }
        assert_eq!(
            partition(&at("DAY"), Kind::Date, Cell::text("2026-01-02")),
            "20260102"
        );
        assert_eq!(partition(&at("DAY"), Kind::Date, Cell::Null), NULL);
        let arrival = Partitioning::read(Some(&json!({ "type": "DAY" })), None)
            .unwrap()
            .unwrap();
        assert_eq!(partition(&arrival, Kind::String, Cell::Null), "19700101");
    }

    #[test]
    fn numbers_are_cut_by_the_interval() {
        let range =
            json!({ "field": "n", "range": { "start": "-10", "end": "20", "interval": "7" } });
        let range = Partitioning::read(None, Some(&range)).unwrap().unwrap();
        for (number, wanted) in [
            ("-10", "-10"),
            ("-4", "-10"),
            ("-3", "-3"),
            ("19", "18"),
            ("20", UNPARTITIONED),
            ("-11", UNPARTITIONED),
        ] {
            assert_eq!(
                partition(&range, Kind::Integer, Cell::text(number)),
                wanted,
                "{number}"
            );
        }
        assert!(
            range.decorated("-3").is_ok()
                && range.decorated("-4").is_err()
                && range.decorated("25").is_err()
        );
    }

    #[test]
    fn decorators_have_the_form_that_the_unit_demands() {
        let time = |unit: &str| {
            Partitioning::read(Some(&json!({ "type": unit })), None)
                .unwrap()
                .unwrap()
        };
        assert!(time("DAY").decorated("20261127").is_ok());
        for wrong in ["202611", "20261131", "2026112712", "2026-11-27", "", NULL] {
            assert!(time("DAY").decorated(wrong).is_err(), "{wrong}");
        }
        assert!(
            time("HOUR").decorated("2026112723").is_ok()
                && time("HOUR").decorated("2026112724").is_err()
        );
    }
}
