//! Requests about jobs and tables, and what their replies say.

use http::Method;
use proptest::prelude::*;

use super::*;

#[test]
fn a_job_is_sent_with_its_own_id_and_place() {
    let uris = ["gs://b/in/1.json".to_owned()];
    let insert = LoadJob {
        id: &job(),
        table: &table(),
        partition: Some("20261127"),
        uris: &uris,
        format: Format::Ndjson,
        options: &LoadOptions::default(),
        write: Write::Truncate,
    };
    let request = insert.insert("http://bigquery").unwrap();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(
        request.uri(),
        "http://bigquery/bigquery/v2/projects/my-project/jobs?fields=status,statistics(load)"
    );
    assert_eq!(
        request.headers()[CONTENT_TYPE],
        "application/json; charset=UTF-8"
    );
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    assert_eq!(
        body["jobReference"],
        json!({"projectId": "my-project", "jobId": "causeway-1", "location": "EU"})
    );
    let load = &body["configuration"]["load"];
    assert_eq!(load["destinationTable"]["tableId"], "events$20261127");
    assert_eq!(load["writeDisposition"], "WRITE_TRUNCATE");
    assert_eq!(load["createDisposition"], "CREATE_NEVER");
}

#[test]
fn a_job_is_asked_for_and_ended_where_it_runs() {
    let get = job().get("http://bigquery").unwrap();
    assert_eq!(get.method(), Method::GET);
    assert_eq!(
        get.uri(),
        "http://bigquery/bigquery/v2/projects/my-project/jobs/causeway-1?location=EU&fields=status,statistics(load)"
    );
    let cancel = job().cancel("http://bigquery").unwrap();
    assert_eq!(cancel.method(), Method::POST);
    assert_eq!(
        cancel.uri(),
        "http://bigquery/bigquery/v2/projects/my-project/jobs/causeway-1/cancel?location=EU&fields=kind"
    );
    assert_eq!(job().to_string(), "my-project:EU.causeway-1");
}

#[test]
fn a_table_is_asked_for_and_a_partition_deleted() {
    let get = table().get("http://bigquery").unwrap();
    let url = "http://bigquery/bigquery/v2/projects/my-project/datasets/logs/tables/events";
    assert_eq!(
        get.uri(),
        &*format!("{url}?fields=numRows,location,timePartitioning,rangePartitioning(field)")
    );
    let delete = table().delete_partition("http://bigquery", "20261127");
    let delete = delete.unwrap();
    assert_eq!(delete.method(), Method::DELETE);
    assert_eq!(delete.uri(), &*format!("{url}%2420261127"));
    let spaced = TableId::parse("bigquery://my-project/logs/by day").unwrap();
    let get = spaced.get("http://bigquery").unwrap();
    assert!(get.uri().path().ends_with("/by%20day"));
}

#[test]
fn a_table_says_how_it_is_divided() {
    let read = |body: Value| TableInfo::read(&reply(200, &body), &table()).unwrap();
    let info = read(json!({"numRows": "7", "location": "EU",
        "timePartitioning": {"type": "DAY", "field": "ts"}}));
    let by_day = Partitioning::Time {
        unit: "DAY".into(),
        field: Some("ts".into()),
    };
    assert_eq!((info.rows, &*info.location), (7, "EU"));
    assert_eq!(info.partitioning, Some(by_day));
    let info = read(json!({"location": "US", "rangePartitioning": {"field": "id"}}));
    let by_id = Partitioning::Range { field: "id".into() };
    assert_eq!((info.rows, info.partitioning), (0, Some(by_id)));
    assert_eq!(read(json!({"location": "US"})).partitioning, None);
    let none = TableInfo::read(&reply(200, &"[]"), &table()).unwrap_err();
    assert_eq!(none.remedy, Remedy::SameAgain);
    let missing = error(404, "notFound", "Not found: Table my-project:logs.events");
    let missing = TableInfo::read(&missing, &table()).unwrap_err();
    assert_eq!(missing.remedy, Remedy::Blocked);
    assert_eq!(missing.error.kind, ErrorKind::TableMissing);
}

fn read(body: &Value) -> Result<JobState, Refused> {
    JobState::read(&reply(200, body), Asked::Job(&job()), &table())
}

#[test]
fn a_job_waits_runs_and_ends() {
    let state = |state: &str| read(&json!({"status": {"state": state}}));
    assert_eq!(state("PENDING"), Ok(JobState::Pending));
    assert_eq!(state("RUNNING"), Ok(JobState::Running));
    let done = read(
        &json!({"status": {"state": "DONE"}, "statistics": {"load": {
        "inputFiles": "2", "inputFileBytes": "300", "outputRows": "41", "outputBytes": "9", "badRecords": "1"}}}),
    );
    let loaded = Loaded {
        rows: 41,
        bad_rows: 1,
        bytes: 300,
        files: 2,
        errors: Vec::new(),
    };
    assert_eq!(done, Ok(JobState::Done(Ok(loaded))));
    for wrong in [json!({}), json!([]), json!({"status": {"state": "LOST"}})] {
        let refused = read(&wrong).unwrap_err();
        assert_eq!(refused.remedy, Remedy::SameAgain, "{wrong}");
    }
    // Somebody else's page is no end of a job.
    let page = reply(200, &"<html>Sign in</html>");
    let page = JobState::read(&page, Asked::Job(&job()), &table()).unwrap_err();
    assert_eq!(page.remedy, Remedy::SameAgain);
}

fn failed(result: &Value, errors: &Value) -> JobFailure {
    let status = json!({"state": "DONE", "errorResult": result, "errors": errors});
    match read(&json!({"status": status})) {
        Ok(JobState::Done(Err(failure))) => failure,
        other => panic!("{other:?}"),
    }
}

/// What a failure is taken for, in the form of the tables below.
fn judged(reason: &str, message: &str) -> String {
    let result = json!({"reason": reason, "message": message});
    let failure = failed(&result, &json!([result]));
    assert!(failure.error.message.contains("my-project.logs.events"));
    format!("{:?} {}", failure.remedy, failure.error.kind)
}

#[test]
fn each_reason_has_its_remedy() {
    for (reason, expected) in [
        ("backendError", "NewJob destination-unavailable"),
        ("internalError", "NewJob destination-unavailable"),
        ("jobBackendError", "NewJob destination-unavailable"),
        ("jobInternalError", "NewJob destination-unavailable"),
        ("jobRateLimitExceeded", "NewJob destination-unavailable"),
        ("stopped", "NewJob destination-unavailable"),
        ("quotaExceeded", "Quota destination-unavailable"),
        ("accessDenied", "Blocked destination-denied"),
        ("billingNotEnabled", "Blocked destination-denied"),
        ("blocked", "Blocked destination-denied"),
        ("notFound", "Blocked table-missing"),
        ("invalid", "Data load-refused"),
        ("resourcesExceeded", "Data load-refused"),
        ("unheardOf", "NewJob destination-unexpected"),
    ] {
        assert_eq!(judged(reason, ""), expected, "{reason}");
    }
}

#[test]
fn how_a_message_begins_tells_files_from_configuration() {
    let elsewhere = "Cannot read and write in different locations: source: US, destination: EU";
    let other =
        "Incompatible table partitioning specification. Expects partitioning specification none";
    let rows =
        "Some rows belong to different partitions rather than destination partition 20261127";
    for (reason, message, expected) in [
        ("invalid", elsewhere, "Blocked configuration-invalid"),
        ("invalid", other, "Blocked configuration-invalid"),
        ("invalid", rows, "Data load-refused"),
        (
            "notFound",
            "Not found: Table my-project:logs.events was not found in location EU",
            "Blocked table-missing",
        ),
        (
            "notFound",
            "Not found: URI gs://b/in/1.json",
            "Data load-refused",
        ),
        // In a row anything may be quoted.
        (
            "invalid",
            "Could not parse 'Cannot read and write in different locations' as INT64",
            "Data load-refused",
        ),
    ] {
        assert_eq!(judged(reason, message), expected, "{message}");
    }
}

#[test]
fn the_end_of_a_job_names_the_file_where_nothing_else_does() {
    let message = "Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: 1; errors: 1.";
    let result = json!({"reason": "invalid", "location": "gs://b/1.json", "message": message});
    for errors in [json!([result]), json!([]), Value::Null] {
        let failure = failed(&result, &errors);
        assert_eq!(failure.remedy, Remedy::Data);
        assert_eq!(failure.errors.len(), 1);
        assert_eq!(failure.errors[0].uri.as_deref(), Some("gs://b/1.json"));
    }
}

fn row(error: &Value) -> RowError {
    let result = json!({"reason": "invalid", "message": "giving up"});
    let mut failure = failed(&result, &json!([result, error]));
    assert_eq!(failure.errors.len(), 1);
    failure.errors.remove(0)
}

#[test]
fn a_row_of_a_csv_file_is_named_by_line_and_column() {
    let message = "Error while reading data, error message: Could not parse 'abc' as INT64 for field n (position 1) starting at location 0; line_number: 3 byte_offset_to_start_of_line: 24 column_index: 1 column_name: \"n\" column_type: INT64 value: \"abc\" File: gs://b/in/1.csv";
    let row = row(&json!({"reason": "invalid", "message": message}));
    assert_eq!(row.uri.as_deref(), Some("gs://b/in/1.csv"));
    assert_eq!((row.line, row.position), (Some(3), Some(24)));
    assert_eq!(row.column.as_deref(), Some("n"));
    assert_eq!((&*row.reason, &*row.message), ("invalid", message));
}

#[test]
fn a_row_of_a_json_file_is_named_by_position_and_field() {
    let json = "JSON parsing error in row starting at position";
    let uri = "gs://b/in/16:00:00_16:59:59 S10.json";
    for (message, position, column, file) in [
        (
            format!(
                "{json} 1684206961: Only optional fields can be set to NULL. Field: airline_iata; Value: NULL File: {uri}"
            ),
            Some(1_684_206_961),
            Some("airline_iata"),
            Some(uri),
        ),
        (
            format!("{json} 0: No such field: lastModified."),
            Some(0),
            Some("lastModified"),
            None,
        ),
        (
            format!("{json} 7: JSON object specified for non-record field: list.videos"),
            Some(7),
            Some("list.videos"),
            None,
        ),
        (
            format!("{json} 0: Parser terminated before end of string"),
            Some(0),
            None,
            None,
        ),
        (
            "Error detected while parsing row starting at position: 52. Error: Missing close double quote (\") character.".into(),
            Some(52),
            None,
            None,
        ),
        (
            "JSON processing encountered too many errors, giving up. Rows: 1; errors: 1; max bad: 0; error percent: 0".into(),
            None,
            None,
            None,
        ),
    ] {
        let message = format!("Error while reading data, error message: {message}");
        let row = row(&json!({"reason": "invalid", "message": message}));
        assert_eq!(row.position, position, "{message}");
        assert_eq!(row.column.as_deref(), column, "{message}");
        assert_eq!(row.uri.as_deref(), file, "{message}");
    }
}

#[test]
fn the_location_names_the_file_before_the_message_does() {
    let row = row(
        &json!({"reason": "invalid", "location": "gs://b/in/1.json", "message": "value: \"x File: gs://other/file\""}),
    );
    assert_eq!(row.uri.as_deref(), Some("gs://b/in/1.json"));
}

#[test]
fn what_a_message_quotes_is_cut_and_bounded() {
    let long = "é".repeat(5000);
    let error = json!({"reason": "invalid", "message": long, "location": "gs://b/1"});
    let result = json!({"reason": "invalid", "message": long});
    let many = json!(vec![error; 1000]);
    let failure = failed(&result, &many);
    assert_eq!(failure.errors.len(), 100);
    assert_eq!(failure.errors[0].message.len(), 500);
    assert!(failure.error.message.len() <= 4096);
}

#[test]
fn rows_that_were_left_out_are_told_of_a_job_that_succeeded() {
    let bad =
        json!({"reason": "invalid", "location": "gs://b/1.csv", "message": "bad; line_number: 2 "});
    let done = read(&json!({"status": {"state": "DONE", "errors": [bad]},
        "statistics": {"load": {"outputRows": "1", "badRecords": "1"}}}));
    let Ok(JobState::Done(Ok(loaded))) = done else {
        panic!("{done:?}")
    };
    assert_eq!((loaded.rows, loaded.bad_rows), (1, 1));
    assert_eq!(loaded.errors[0].line, Some(2));
    let stored = serde_json::to_value(&loaded.errors[0]).unwrap();
    assert_eq!(
        stored,
        json!({"uri": "gs://b/1.csv", "line": 2, "reason": "invalid", "message": "bad; line_number: 2 "})
    );
}

proptest! {
    #[test]
    fn no_message_panics_and_each_is_bounded(
        message in r#"([a-z é;:"0-9]{0,6}|line_number: |column_name: "| Field: | File: |gs://|position ){0,12}"#,
        reason in "[a-zA-Z]{0,12}",
        reply_body in ".{0,60}",
        status in 200_u16..600,
    ) {
        let failure = failed(&json!({"reason": reason, "message": message}), &json!([{"message": message}]));
        for row in &failure.errors {
            prop_assert!(row.uri.as_deref().is_none_or(|uri| uri.starts_with("gs://")));
            prop_assert!(row.column.as_deref().is_none_or(|name| message.contains(name)));
        }
        prop_assert!(!matches!(failure.remedy, Remedy::Known | Remedy::Missing | Remedy::SameAgain));
        let answer = JobState::read(&reply(status, &reply_body), Asked::Job(&job()), &table());
        prop_assert!(answer.is_err());
    }
}
