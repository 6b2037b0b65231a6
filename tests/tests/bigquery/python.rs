//! Google's client library for Python; and DuckDB, which reads the files that were loaded.

use causeway_tests::run;

use crate::fixture::{Stores, from_pypi};

/// Runs a script of this folder against stores of its own; gives what it printed, if there is Python.
fn python(script: &str) -> Option<String> {
    let programs = from_pypi()?;
    let command = format!("python \"$SCRIPTS/{script}\"");
    Some(run(async {
        Stores::start().await.shell(programs, &command).await
    }))
}

#[test]
fn googles_python_client_loads_lists_and_learns_of_errors() {
    python("client.py");
}

#[test]
fn the_rows_of_a_table_are_those_that_duckdb_reads() {
    if let Some(printed) = python("rows.py") {
        assert_eq!(printed.matches("rows are equal").count(), 13, "{printed}");
    }
}
