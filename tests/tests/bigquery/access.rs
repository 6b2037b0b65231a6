//! Who may call, and what goes wrong on the way, over HTTP.

use causeway_harness::bigquery::{Fault, FaultSpec, JobFault};
use causeway_tests::run;
use http::StatusCode;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::fixture::{BUCKET, PROJECT, Stores};

fn job(id: &str) -> Value {
    json!({
        "jobReference": { "jobId": id, "location": "EU" },
        "configuration": { "load": {
            "sourceUris": [format!("gs://{BUCKET}/a")],
            "sourceFormat": "NEWLINE_DELIMITED_JSON",
            "destinationTable": { "projectId": PROJECT, "datasetId": "sales", "tableId": "t" },
            "schema": { "fields": [{ "name": "id", "type": "INTEGER" }] },
        } },
    })
}

/// A token that the account's key signs for itself.
fn token(stores: &Stores, claims: &Value) -> String {
    let key: Value = serde_json::from_slice(&std::fs::read(stores.key()).unwrap()).unwrap();
    let now = jiff::Timestamp::now().as_second();
    let mut all = json!({ "iss": key["client_email"], "sub": key["client_email"], "iat": now, "exp": now + 600 });
    all.as_object_mut()
        .unwrap()
        .extend(claims.as_object().unwrap().clone());
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    header.kid = key["private_key_id"].as_str().map(str::to_owned);
    let signer =
        jsonwebtoken::EncodingKey::from_rsa_pem(key["private_key"].as_str().unwrap().as_bytes());
    jsonwebtoken::encode(&header, &all, &signer.unwrap()).unwrap()
}

#[test]
fn a_token_must_be_good_and_its_scope_bigquerys() {
    run(async {
        let stores = Stores::start().await;
        let url = format!(
            "{}/bigquery/v2/projects/{PROJECT}/datasets",
            stores.bigquery.endpoint()
        );
        let ask = async |token: Option<String>| {
            let mut request = Client::new().get(&url);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.unwrap();
            let status = answer.status().as_u16();
            (
                status,
                answer.json::<Value>().await.unwrap()["error"]["errors"][0]["reason"].clone(),
            )
        };
        let scope =
            |name: &str| json!({ "scope": format!("https://www.googleapis.com/auth/{name}") });
        assert_eq!(ask(None).await, (401, "authError".into()));
        assert_eq!(ask(Some("made-up".into())).await, (401, "authError".into()));
        let storage = token(&stores, &scope("devstorage.read_write"));
        assert_eq!(
            ask(Some(storage)).await,
            (403, "insufficientPermissions".into())
        );
        for claims in [
            scope("bigquery"),
            scope("cloud-platform"),
            json!({ "aud": "https://bigquery.googleapis.com/" }),
        ] {
            assert_eq!(ask(Some(token(&stores, &claims))).await, (200, Value::Null));
        }
        // The job reads objects as whoever asked for it.
        let insert = Client::new()
            .post(url.replace("/datasets", "/jobs"))
            .bearer_auth(token(&stores, &scope("bigquery")))
            .json(&job("no-storage"));
        assert_eq!(insert.send().await.unwrap().status(), 200);
        let ended = ended(&stores, "no-storage").await;
        assert_eq!(ended["status"]["errorResult"]["reason"], "accessDenied");
    });
}

async fn ended(stores: &Stores, id: &str) -> Value {
    let mut ends = stores.bigquery.ends();
    loop {
        let asked = stores.request(Method::GET, &format!("/jobs/{id}?location=EU"));
        let shown: Value = asked.send().await.unwrap().json().await.unwrap();
        if shown["status"]["state"] == "DONE" {
            return shown;
        }
        ends.recv().await.unwrap();
    }
}

#[test]
fn a_lost_reply_leaves_a_job_and_the_other_faults_none() {
    run(async {
        let stores = Stores::start().await;
        let fail = |fault| {
            stores.bigquery.faults().fail_next(FaultSpec {
                method: Some(Method::POST),
                path_contains: "/jobs".into(),
                fault,
            });
        };
        let insert = async |id: &str| {
            let answer = stores
                .request(Method::POST, "/jobs")
                .json(&job(id))
                .send()
                .await;
            match answer {
                Err(_) => (0, Value::Null),
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    (status, answer.json::<Value>().await.unwrap_or_default())
                }
            }
        };
        for (status, reason) in [
            (503, "backendError"),
            (500, "internalError"),
            (429, "rateLimitExceeded"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            fail(Fault::Return {
                status,
                retry_after: Some(1),
            });
            let (found, answer) = insert("again").await;
            assert_eq!(
                (found, &answer["error"]["errors"][0]["reason"]),
                (status.as_u16(), &reason.into())
            );
        }
        fail(Fault::ResetConnection);
        assert_eq!(insert("again").await.0, 0);
        fail(Fault::ResetAfterCommit);
        assert_eq!(insert("again").await.0, 0);
        let (status, answer) = insert("again").await;
        assert_eq!(
            (status, &answer["error"]["errors"][0]["reason"]),
            (409, &"duplicate".into())
        );
        fail(Fault::Job(JobFault::fails("jobBackendError")));
        assert_eq!(insert("doomed").await.0, 200);
        let doomed = ended(&stores, "doomed").await;
        assert_eq!(doomed["status"]["errorResult"]["reason"], "jobBackendError");
        stores.bigquery.faults().assert_consumed();
    });
}

#[test]
fn answers_have_the_fields_that_are_asked_for() {
    run(async {
        let stores = Stores::start().await;
        let asked = stores.request(Method::GET, "/datasets?fields=datasets(id)");
        let answer: Value = asked.send().await.unwrap().json().await.unwrap();
        assert_eq!(
            answer,
            json!({ "datasets": [{ "id": format!("{PROJECT}:sales") }] })
        );
        let unknown = stores.request(Method::GET, "/unknown");
        assert_eq!(unknown.send().await.unwrap().status(), 404);
    });
}
