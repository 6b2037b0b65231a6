//! Google's client library for Rust.

use causeway_tests::run;
use google_cloud_auth::credentials::service_account;
use google_cloud_bigquery_v2::client::JobService;
use google_cloud_bigquery_v2::model::{
    Job, JobConfiguration, JobConfigurationLoad, JobReference, TableFieldSchema, TableReference,
    TableSchema,
};
use serde_json::Value;

use crate::fixture::{BUCKET, PROJECT, Stores};

fn load(id: &str, name: &str) -> Job {
    let table = TableReference::new()
        .set_project_id(PROJECT)
        .set_dataset_id("sales")
        .set_table_id("t");
    let id_field = TableFieldSchema::new().set_name("id").set_type("INTEGER");
    let load = JobConfigurationLoad::new()
        .set_source_uris([format!("gs://{BUCKET}/{name}")])
        .set_source_format("NEWLINE_DELIMITED_JSON")
        .set_schema(TableSchema::new().set_fields([id_field]))
        .set_destination_table(table);
    let reference = JobReference::new()
        .set_project_id(PROJECT)
        .set_job_id(id)
        .set_location("EU");
    Job::new()
        .set_job_reference(reference)
        .set_configuration(JobConfiguration::new().set_load(load))
}

#[test]
fn googles_rust_client_loads_and_learns_of_errors() {
    run(async {
        let stores = Stores::start().await;
        stores.put("good", "{\"id\":1}\n{\"id\":2}\n");
        let key: Value = serde_json::from_slice(&std::fs::read(stores.key()).unwrap()).unwrap();
        let credentials = service_account::Builder::new(key).build().unwrap();
        let jobs = JobService::builder().with_endpoint(stores.bigquery.endpoint());
        let jobs = jobs.with_credentials(credentials).build().await.unwrap();
        let insert = |job: Job| {
            jobs.insert_job()
                .set_project_id(PROJECT)
                .set_job(job)
                .send()
        };
        insert(load("first", "good")).await.unwrap();
        let get = async |id: &str| loop {
            let get = jobs
                .get_job()
                .set_project_id(PROJECT)
                .set_job_id(id)
                .set_location("EU");
            let job = get.send().await.unwrap();
            let status = job.status.clone().unwrap();
            if status.state == "DONE" {
                return (job, status);
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        };
        let (job, status) = get("first").await;
        assert_eq!(status.error_result, None);
        let statistics = job.statistics.unwrap().load.unwrap();
        assert_eq!(
            (statistics.output_rows, statistics.bad_records),
            (Some(2), Some(0))
        );
        let again = insert(load("first", "good")).await.unwrap_err();
        assert_eq!(again.http_status_code(), Some(409), "{again:?}");
        insert(load("second", "missing")).await.unwrap();
        let (_, status) = get("second").await;
        assert_eq!(status.error_result.unwrap().reason, "notFound");
    });
}
