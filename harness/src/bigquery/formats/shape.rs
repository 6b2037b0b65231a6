//! Rows of one schema as rows of another: fields meet by name.

use crate::bigquery::types::{Cell, Field, Kind, Mode, Row, from_text, position};

/// `row`, which has the fields `from`, with the fields `to`.
///
/// # Errors
/// A field that must have a value has none, or has one that does not fit.
pub(crate) fn reshape(row: Row, from: &[Field], to: &[Field]) -> Result<Row, String> {
    if from == to {
        return Ok(row);
    }
    let mut cells: Vec<Option<Cell>> = row.into_iter().map(Some).collect();
    let reshaped = to.iter().map(|field| {
        let at = position(from, &field.name);
        let cell = at.and_then(|at| cells.get_mut(at)?.take());
        match (cell, at) {
            (Some(cell), Some(at)) => reshaped_cell(cell, &from[at], field),
            _ => reshaped_cell(Cell::Null, field, field),
        }
    });
    reshaped.collect()
}

fn reshaped_cell(cell: Cell, from: &Field, to: &Field) -> Result<Cell, String> {
    match (cell, to.mode) {
        (Cell::Null, Mode::Required) => Err(format!("Required field {} cannot be null", to.name)),
        (Cell::Null, Mode::Repeated) => Ok(Cell::List(Vec::new())),
        (Cell::List(cells), Mode::Repeated) => {
            let cells = cells.into_iter().map(|cell| value(cell, from, to));
            cells.collect::<Result<_, _>>().map(Cell::List)
        }
        (cell, _) => value(cell, from, to),
    }
}

fn value(cell: Cell, from: &Field, to: &Field) -> Result<Cell, String> {
    match cell {
        Cell::Record(row) => reshape(row, &from.fields, &to.fields).map(Cell::Record),
        Cell::Text(text) if !plain(to) || from.kind != to.kind => {
            from_text(&text, to).map_err(|why| format!("{why}. Field: {}; Value: {text}", to.name))
        }
        other => Ok(other),
    }
}

/// Whether every value of its type fits the field.
fn plain(field: &Field) -> bool {
    field.precision.is_none() && field.max_length.is_none()
}

/// Gives a field of a file the type of the table's field where the values of the one are written as values
/// of the other are.
pub(crate) fn adapt(file: &mut [Field], table: &[Field]) {
    for field in file {
        let Some(at) = position(table, &field.name) else {
            continue;
        };
        let target = &table[at];
        adapt(&mut field.fields, &target.fields);
        let same_text = matches!(
            (field.kind, target.kind),
            (Kind::String, Kind::Json | Kind::Geography) | (Kind::Numeric, Kind::Bignumeric)
        );
        if same_text {
            field.kind = target.kind;
        }
    }
}
