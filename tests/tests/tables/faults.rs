//! Every request of a load, and every fault that passes within seconds: the rows are those of the files, once each. What
//! holds a table up for minutes (a quota, a permission) is in the simulator.

use std::time::Duration;

use causeway_harness::bigquery::{Fault, FaultSpec, JobFault};
use causeway_harness::gcs;
use causeway_tests::run;
use http::StatusCode;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Table, with_tables};

const PAGE: &str = "<html>Bad gateway</html>";

/// What any request to BigQuery can suffer.
fn of_requests() -> Vec<Fault> {
    let status = |status, retry_after| Fault::Return {
        status,
        retry_after,
    };
    vec![
        status(StatusCode::SERVICE_UNAVAILABLE, None),
        status(StatusCode::INTERNAL_SERVER_ERROR, None),
        status(StatusCode::TOO_MANY_REQUESTS, Some(1)),
        Fault::Refuse {
            status: StatusCode::FORBIDDEN,
            reason: "rateLimitExceeded",
            message: "Exceeded rate limits",
        },
        Fault::Garble { with: PAGE },
        Fault::ResetConnection,
        Fault::ResetAfterCommit,
        Fault::Stall {
            pause: Duration::from_millis(500),
        },
    ]
}

/// What becomes of jobs.
fn of_jobs() -> Vec<Fault> {
    let reasons = [
        "backendError",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "jobRateLimitExceeded",
    ];
    let fails = reasons.map(|reason| Fault::Job(JobFault::fails(reason)));
    fails.into()
}

/// Puts a file for each cell, whose requests suffer its fault, and waits for its rows.
async fn survives(options: &Value, partitioning: &Value, cells: Vec<(Method, &str, Fault)>) {
    let stack = with_tables(1, options).await;
    let table = Table::of(stack.lane(), partitioning);
    let mut expected = Vec::new();
    for (number, (method, path, fault)) in cells.into_iter().enumerate() {
        let what = format!("{method} {path} {fault:?}");
        let faults = stack.local.bigquery.faults();
        faults.fail_next(FaultSpec {
            method: Some(method),
            path_contains: path.to_owned(),
            fault,
        });
        let word = format!("word {number}");
        table.put(&format!("{number:02}.json"), "2026-11-27", &word, &[1, 2]);
        expected.push((word, 2));
        let words: Vec<(&str, usize)> = expected.iter().map(|(word, n)| (&**word, *n)).collect();
        table.has(&words).await;
        assert_eq!(faults.pending(), [], "{what} was not suffered");
    }
    assert_eq!(table.lane.letters(), []);
}

#[test]
fn a_load_survives_what_its_requests_suffer() {
    run(async {
        let (insert, poll) = ("/jobs?", "/jobs/causeway_");
        let inserts = of_requests().into_iter().chain(of_jobs());
        let mut cells: Vec<_> = inserts.map(|fault| (Method::POST, insert, fault)).collect();
        cells.extend(
            of_requests()
                .into_iter()
                .map(|fault| (Method::GET, poll, fault)),
        );
        let options = json!({"on_overwrite": "append", "load_every": 1});
        survives(&options, &Value::Null, cells).await;
    });
}

#[test]
fn a_replaced_table_survives_them_too() {
    run(async {
        let inserts = of_requests().into_iter().chain(of_jobs());
        let cells = inserts
            .map(|fault| (Method::POST, "/jobs?", fault))
            .collect();
        let options = json!({"on_overwrite": "replace", "deletes": "propagate", "load_every": 1});
        survives(&options, &Value::Null, cells).await;
    });
}

#[test]
fn copies_and_listings_survive_what_the_landing_bucket_suffers() {
    run(async {
        for (overwrite, method, path) in [
            ("append", Method::POST, "/rewriteTo/"),
            ("replace", Method::GET, "?prefix="),
        ] {
            let stack = with_tables(1, &json!({"on_overwrite": overwrite, "load_every": 1})).await;
            let table = Table::of(stack.lane(), &Value::Null);
            let mut expected = Vec::new();
            for (number, fault) in [
                gcs::Fault::Return {
                    status: StatusCode::SERVICE_UNAVAILABLE,
                    retry_after: None,
                },
                gcs::Fault::ResetConnection,
                gcs::Fault::ResetAfterCommit,
            ]
            .into_iter()
            .enumerate()
            {
                let faults = stack.local.gcs.faults();
                faults.fail_next(gcs::FaultSpec {
                    method: Some(method.clone()),
                    path_contains: path.to_owned(),
                    fault,
                });
                let word = format!("word {number}");
                table.put(&format!("{number}.json"), "2026-11-27", &word, &[1]);
                expected.push((word, 1));
                let words: Vec<_> = expected.iter().map(|(word, n)| (&**word, *n)).collect();
                table.has(&words).await;
                assert_eq!(faults.pending(), [], "{overwrite} {number}");
            }
        }
    });
}
