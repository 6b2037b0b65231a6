//! Jobs: their ids and locations, when they read and when they write, what they say of errors.

use super::*;

#[test]
fn a_job_reads_what_has_the_name_when_it_runs_and_commits_at_its_end() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}\n");
    let id = world.insert(&["a"], json!({})).unwrap();
    assert_eq!(world.job(&id)["status"]["state"], "PENDING");
    world.put("a", "{\"id\":2}\n{\"id\":3}\n");
    assert!(world.state.step());
    assert_eq!(world.job(&id)["status"]["state"], "RUNNING");
    world.delete("a");
    assert_eq!(world.rows(), Vec::<String>::new());
    assert!(world.state.step());
    let job = world.job(&id);
    succeeded(&job);
    assert_eq!(world.rows(), ["2", "3"]);
    let load = json!({ "inputFiles": "1", "inputFileBytes": "18", "outputRows": "2", "outputBytes": "16", "badRecords": "0" });
    assert_eq!(job["statistics"]["load"], load);
    assert!(!world.state.step());
}

#[test]
fn a_known_id_is_refused_whatever_became_of_the_job() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    let id = world.insert(&["missing"], json!({})).unwrap();
    let again = |world: &World| world.insert_as(&id, &["a"], json!({}), None).unwrap_err();
    assert_eq!(again(&world).reason, "duplicate");
    let job = world.finish(&id);
    assert_eq!(
        failure(&job),
        ("notFound", "Not found: URI gs://bkt/missing")
    );
    assert_eq!(
        (again(&world).code, again(&world).message.as_str()),
        (409, "Already Exists: Job p:US.j1")
    );
    world.state.delete_job("p", &id, Some("US")).unwrap();
    assert_eq!(
        world.state.get_job("p", &id, Some("US")).unwrap_err().code,
        404
    );
    assert_eq!(again(&world).code, 409);
}

#[test]
fn a_job_is_found_in_its_location_only() {
    let mut world = World::new();
    world.dataset("far", "europe-west1");
    let target =
        json!({ "destinationTable": { "projectId": "p", "datasetId": "far", "tableId": "t" } });
    world.insert_as("x", &["a"], target.clone(), None).unwrap();
    let get = |location: Option<&str>| {
        world
            .state
            .get_job("p", "x", location)
            .map_err(|error| error.code)
    };
    assert!(get(Some("europe-west1")).is_ok());
    assert_eq!(get(Some("US")), Err(404));
    assert_eq!(get(None), Err(404));
    let said = json!({
        "jobReference": { "jobId": "y", "location": "US" },
        "configuration": { "load": { "sourceUris": ["gs://bkt/a"], "destinationTable": target["destinationTable"] } },
    });
    let refused = world
        .state
        .insert_job("p", &map(said), "me", true, None)
        .unwrap_err();
    assert_eq!(
        refused.message,
        "Not found: Dataset p:far was not found in location US"
    );
}

#[test]
fn uris_are_names_with_one_star_and_without_generations() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    for (name, row) in [("x/1.json", 1), ("x/y/2.json", 2), ("x/3.csv", 3)] {
        world.put(name, format!("{{\"id\":{row}}}"));
    }
    succeeded(&world.load(&["x/*.json"], json!({})));
    assert_eq!(world.rows(), ["1", "2"]);
    assert_eq!(
        failure(&world.load(&["z*"], json!({}))),
        ("notFound", "Not found: Uris gs://bkt/z*")
    );
    world.put("x/1.json#7", "{\"id\":7}");
    let (reason, message) = {
        let job = world.load(&["x/1.json#7"], json!({}));
        let (reason, message) = failure(&job);
        (reason.to_owned(), message.to_owned())
    };
    assert_eq!(reason, "invalid");
    assert!(message.contains("gs://bkt/x/1.json#7"), "{message}");
    assert_eq!(world.insert(&["*/*"], json!({})).unwrap_err().code, 400);
    assert_eq!(world.insert(&[], json!({})).unwrap_err().reason, "required");
}

#[test]
fn errors_are_told_by_file_as_the_service_tells_them() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("good", "{\"id\":1}\n");
    world.put("bad", "{\"id\":2}\n{\"id\":\"x\"}\n");
    let job = world.load(&["good", "bad"], json!({}));
    let errors = &job["status"]["errors"];
    assert_eq!(
        errors[0],
        json!({ "reason": "invalid", "location": "gs://bkt/bad", "message": "Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: 3; errors: 1. Please look into the errors[] collection for more details." })
    );
    assert_eq!(job["status"]["errorResult"], errors[0]);
    assert_eq!(
        errors[1],
        json!({ "reason": "invalid", "message": "Error while reading data, error message: JSON processing encountered too many errors, giving up. Rows: 3; errors: 1; max bad: 0; error percent: 0" })
    );
    assert_eq!(
        errors[2],
        json!({ "reason": "invalid", "location": "gs://bkt/bad", "message": "Error while reading data, error message: JSON parsing error in row starting at position 9: Could not convert value to integer. Field: id; Value: x" })
    );
    assert_eq!(world.rows(), Vec::<String>::new());
}

#[test]
fn bad_records_are_counted_for_the_whole_job() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("one", "{\"id\":1}\n{\"id\":\"x\"}\n");
    world.put("two", "{\"id\":2}\n{\"id\":\"y\"}\n");
    let both = ["one", "two"];
    let job = world.load(&both, json!({ "maxBadRecords": 1 }));
    assert_eq!(job["status"]["errorResult"]["location"], "gs://bkt/two");
    let job = world.load(&both, json!({ "maxBadRecords": "2" }));
    succeeded(&job);
    assert_eq!(job["statistics"]["load"]["badRecords"], "2");
    assert_eq!(job["status"]["errors"].as_array().unwrap().len(), 2);
    assert_eq!(world.rows(), ["1", "2"]);
}

#[test]
fn jobs_go_on_with_the_clock_they_are_given() {
    let mut world = World::with(Settings::default());
    let start = Timestamp::UNIX_EPOCH;
    world.state.set_time(start);
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}");
    let mut ends = world.state.ends();
    let id = world.insert(&["a"], json!({})).unwrap();
    let after = |millis| {
        start
            .checked_add(SignedDuration::from_millis(millis))
            .unwrap()
    };
    assert_eq!(world.state.next_due(), Some(after(50)));
    world.state.set_time(after(199));
    assert_eq!(world.job(&id)["status"]["state"], "RUNNING");
    world.state.set_time(after(300));
    let job = world.job(&id);
    let statistics = &job["statistics"];
    assert_eq!(
        (
            &statistics["creationTime"],
            &statistics["startTime"],
            &statistics["endTime"]
        ),
        (&"0".into(), &"50".into(), &"200".into())
    );
    assert_eq!(
        (ends.try_recv().unwrap().at, world.state.next_due()),
        (after(200), None)
    );
}

#[test]
fn faults_of_jobs_do_what_they_are_called() {
    let world = World::new();
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}");
    for reason in [
        "backendError",
        "internalError",
        "jobRateLimitExceeded",
        "quotaExceeded",
        "accessDenied",
        "billingNotEnabled",
        "invalid",
    ] {
        world
            .insert_as(reason, &["a"], json!({}), Some(JobFault::fails(reason)))
            .unwrap();
        let job = world.finish(reason);
        assert_eq!(failure(&job).0, reason);
        assert_eq!(job["status"]["errors"][0]["location"], Value::Null);
    }
    assert_eq!(world.rows(), Vec::<String>::new());
    let world = World::with(Settings::default());
    world.table(ids(), json!({}));
    world.state.set_time(Timestamp::UNIX_EPOCH);
    world
        .insert_as("hangs", &["a"], json!({}), Some(JobFault::Hangs))
        .unwrap();
    world
        .insert_as(
            "slow",
            &["a"],
            json!({}),
            Some(JobFault::Takes(SignedDuration::from_secs(60))),
        )
        .unwrap();
    world.state.set_time(Timestamp::from_second(59).unwrap());
    assert_eq!(world.job("slow")["status"]["state"], "RUNNING");
    world.state.set_time(Timestamp::from_second(3600).unwrap());
    assert_eq!(world.job("slow")["status"]["state"], "DONE");
    assert_eq!(world.job("hangs")["status"]["state"], "RUNNING");
    let cancelled = world.state.cancel_job("p", "hangs", Some("US")).unwrap();
    assert_eq!(
        cancelled["job"]["status"]["errorResult"]["reason"],
        "stopped"
    );
    assert_eq!(world.state.next_due(), None);
}

#[test]
fn whoever_may_not_read_an_object_loads_nothing() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    world.put("a", "{\"id\":1}");
    world.gcs.deny("bkt", gcs::Permission::Get);
    assert_eq!(failure(&world.load(&["a"], json!({}))).0, "accessDenied");
    world.gcs.allow("bkt", gcs::Permission::Get);
    world.gcs.deny("bkt", gcs::Permission::List);
    assert_eq!(failure(&world.load(&["a*"], json!({}))).0, "accessDenied");
    let load = json!({ "sourceUris": ["gs://bkt/a"], "destinationTable": { "datasetId": "d", "tableId": "t" } });
    let said =
        json!({ "jobReference": { "jobId": "no-scope" }, "configuration": { "load": load } });
    world
        .state
        .insert_job("p", &map(said), "me", false, None)
        .unwrap();
    assert_eq!(failure(&world.finish("no-scope")).0, "accessDenied");
}

#[test]
fn lists_show_the_newest_first_and_in_pages() {
    let mut world = World::new();
    world.table(ids(), json!({}));
    for _ in 0..3 {
        world.insert(&["a"], json!({})).unwrap();
    }
    assert!(world.state.step() && world.state.step());
    let names = |list: &Value| -> Vec<String> {
        let jobs = list["jobs"].as_array().cloned().unwrap_or_default();
        jobs.iter()
            .map(|job| job["jobReference"]["jobId"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut filter = JobFilter {
        limit: Some(2),
        ..JobFilter::default()
    };
    let first = world.state.list_jobs("p", &filter);
    assert_eq!(names(&first), ["j3", "j2"]);
    filter.after = first["nextPageToken"].as_str().map(str::to_owned);
    let second = world.state.list_jobs("p", &filter);
    assert_eq!(
        (names(&second), &second["nextPageToken"]),
        (vec!["j1".to_owned()], &Value::Null)
    );
    let done = JobFilter {
        states: vec!["done".into()],
        ..JobFilter::default()
    };
    assert_eq!(names(&world.state.list_jobs("p", &done)), ["j1"]);
}

#[test]
fn what_is_no_load_is_refused_with_a_reason() {
    let mut world = World::new();
    for more in [
        json!({ "sourceFormat": "ORC" }),
        json!({ "sourceFormat": "XML" }),
        json!({ "writeDisposition": "APPEND" }),
        json!({ "fieldDelimiter": "|" }),
        json!({ "hivePartitioningOptions": { "mode": "AUTO" } }),
        json!({ "nullMarker": "x", "nullMarkers": ["y"] }),
        json!({ "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"] }),
        json!({ "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"], "autodetect": true, "writeDisposition": "WRITE_TRUNCATE" }),
    ] {
        let refused = world.insert(&["a"], more.clone()).unwrap_err();
        assert!([400, 501].contains(&refused.code), "{more}: {refused:?}");
    }
    let query = json!({ "jobReference": { "jobId": "q" }, "configuration": { "query": { "query": "SELECT 1" } } });
    assert_eq!(
        world
            .state
            .insert_job("p", &map(query), "me", true, None)
            .unwrap_err()
            .code,
        501
    );
    assert_eq!(
        world
            .insert_as("a/b", &["a"], json!({}), None)
            .unwrap_err()
            .code,
        400
    );
}
