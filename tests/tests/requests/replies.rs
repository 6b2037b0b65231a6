//! What is made of GCS's replies to a small upload.

use std::time::{Duration, Instant};

use causeway_tests::run;
use serde_json::json;
use wiremock::ResponseTemplate;

use crate::fixture::{Scripted, header, query, shared};

fn error(status: u16, reason: &str) -> ResponseTemplate {
    let body = json!({"error": {"code": status, "message": "No.", "errors": [{"reason": reason}]}});
    ResponseTemplate::new(status).set_body_json(body)
}

#[test]
fn after_a_412_both_sides_are_looked_at_again_and_what_stands_there_is_replaced() {
    run(async {
        let site = shared().await.site();
        let (old, new) = (Scripted::new("old"), Scripted::new("newer"));
        // The source changes between the two looks: what is written is what the second saw.
        site.source()
            .respond_with(old.reply())
            .up_to_n_times(1)
            .mount(&site.fixture.s3)
            .await;
        site.source()
            .respond_with(new.reply())
            .mount(&site.fixture.s3)
            .await;
        site.once(site.upload("POST"), error(412, "conditionNotMet"))
            .await;
        site.look()
            .respond_with(site.copy_of(&Scripted::new("oldest"), 41))
            .mount(&site.fixture.gcs)
            .await;
        site.once(site.upload("POST"), new.stored(42)).await;
        let outcome = site.transfer(&old).await;
        assert_eq!(
            (&outcome["event"], &outcome["generation"]),
            (&json!("copied"), &json!(42))
        );

        assert_eq!(site.reads().await.len(), 2);
        let writes = site.writes().await;
        let [first, look, second] = &writes[..] else {
            panic!("{} requests", writes.len())
        };
        assert_eq!(query(first)["ifGenerationMatch"], "0");
        assert_eq!(
            look.url.path(),
            format!("/storage/v1/b/{}/o/key", site.destination)
        );
        assert_eq!(
            query(look)["fields"],
            "name,generation,size,crc32c,md5Hash,metadata,contentType,contentEncoding,\
             contentDisposition,contentLanguage,cacheControl"
        );
        assert_eq!(query(second)["ifGenerationMatch"], "41");
        let body = String::from_utf8_lossy(&second.body);
        assert!(body.contains("\r\n\r\nnewer\r\n--"), "{body}");
    });
}

#[test]
fn what_stands_there_already_is_not_written_again() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("same");
        site.holds(&object).await;
        site.once(site.upload("POST"), error(412, "conditionNotMet"))
            .await;
        site.look()
            .respond_with(site.copy_of(&object, 41))
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(
            (&outcome["event"], &outcome["generation"]),
            (&json!("identical"), &json!(41))
        );
        assert_eq!(site.writes().await.len(), 2);
    });
}

#[test]
fn a_destination_that_others_keep_writing_is_left_for_later() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("mine");
        site.holds(&object).await;
        site.upload("POST")
            .respond_with(error(412, "conditionNotMet"))
            .mount(&site.fixture.gcs)
            .await;
        site.look()
            .respond_with(site.copy_of(&Scripted::new("another"), 9))
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(outcome["kind"], "precondition-lost");
        assert_eq!(outcome["then"], "retried");
    });
}

#[test]
fn after_a_401_one_more_token_is_tried() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        site.once(site.upload("POST"), error(401, "authError"))
            .await;
        site.look()
            .respond_with(ResponseTemplate::new(404))
            .mount(&site.fixture.gcs)
            .await;
        site.once(site.upload("POST"), object.stored(1)).await;
        assert_eq!(site.transfer(&object).await["event"], "copied");
        for write in site.writes().await {
            crate::gcs::assert_bearer(site.fixture, &write);
        }
    });
}

#[test]
fn after_three_401s_another_delivery_tries() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        site.upload("POST")
            .respond_with(error(401, "authError"))
            .mount(&site.fixture.gcs)
            .await;
        site.look()
            .respond_with(error(401, "authError"))
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(
            (&outcome["kind"], &outcome["then"]),
            (&json!("destination-credential-refused"), &json!("retried"))
        );
        assert_eq!(site.writes().await.len(), 3);
    });
}

#[test]
fn a_short_retry_after_is_waited_for() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        site.once(
            site.upload("POST"),
            ResponseTemplate::new(503).insert_header("retry-after", "1"),
        )
        .await;
        site.look()
            .respond_with(ResponseTemplate::new(404))
            .mount(&site.fixture.gcs)
            .await;
        site.once(site.upload("POST"), object.stored(1)).await;
        let started = Instant::now();
        assert_eq!(site.transfer(&object).await["event"], "copied");
        assert!(
            started.elapsed() >= Duration::from_secs(1),
            "{:?}",
            started.elapsed()
        );
    });
}

#[test]
fn a_long_retry_after_goes_back_to_the_queue() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        let reply = ResponseTemplate::new(429).insert_header("retry-after", "3600");
        site.upload("POST")
            .respond_with(reply)
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(
            (&outcome["then"], &outcome["delay_s"]),
            (&json!("retried"), &json!(3600))
        );
        assert_eq!(site.writes().await.len(), 1);
    });
}

#[test]
fn a_success_without_an_object_is_none() {
    run(async {
        for body in ["", "{}", "<html>", "{\"generation\": \"0\"}"] {
            let site = shared().await.site();
            let object = Scripted::new("hello");
            site.holds(&object).await;
            let reply = ResponseTemplate::new(200).set_body_string(body);
            site.upload("POST")
                .respond_with(reply)
                .mount(&site.fixture.gcs)
                .await;
            let outcome = site.transfer(&object).await;
            assert_eq!(outcome["kind"], "destination-unexpected", "{body:?}");
            let message = outcome["message"].as_str().unwrap();
            assert!(
                message.starts_with("GCS answered 200 without an object resource: "),
                "{message}"
            );
        }
    });
}

#[test]
fn a_success_that_names_another_checksum_is_none() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        site.upload("POST")
            .respond_with(Scripted::new("hullo").stored(7))
            .mount(&site.fixture.gcs)
            .await;
        site.look()
            .respond_with(ResponseTemplate::new(404))
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(
            (&outcome["kind"], &outcome["then"]),
            (&json!("checksum-refused"), &json!("retried"))
        );
    });
}

#[test]
fn a_redirect_is_not_followed() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        let elsewhere = format!("{}/elsewhere", site.fixture.gcs.uri());
        let reply = ResponseTemplate::new(307).insert_header("location", elsewhere);
        site.upload("POST")
            .respond_with(reply)
            .mount(&site.fixture.gcs)
            .await;
        assert_eq!(
            site.transfer(&object).await["kind"],
            "destination-unexpected"
        );
        let requests = site.fixture.gcs.received_requests().await.unwrap();
        assert!(
            requests
                .iter()
                .all(|request| request.url.path() != "/elsewhere")
        );
        assert!(header(&site.writes().await[0], "authorization").is_some());
    });
}
