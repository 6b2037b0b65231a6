//! Google's client library for Python; and DuckDB, which reads the files that were loaded.

use causeway_tests::run;

use crate::fixture::{Stores, from_pypi};

fn python(script: &str) {
    let Some(programs) = from_pypi() else { return };
    run(async {
        let stores = Stores::start().await;
        stores
            .shell(programs, &format!("python \"$SCRIPTS/{script}\""))
            .await;
    });
}

#[test]
fn googles_python_client_loads_lists_and_learns_of_errors() {
    python("client.py");
}

#[test]
fn the_rows_of_a_table_are_those_that_duckdb_reads() {
    python("rows.py");
}
