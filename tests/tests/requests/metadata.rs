//! What the source says beside an object's bytes, as it goes on to GCS.

use causeway_tests::{noise, run};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::fixture::{KMS_KEY, Scripted, Site, header, query, shared};
use crate::s3::authorization_by_aws;

/// The resource in a multipart upload.
fn resource(upload: &Request) -> Value {
    let body = String::from_utf8_lossy(&upload.body);
    let (_, rest) = body.split_once("\r\n\r\n").unwrap();
    let (json, _) = rest.split_once("\r\n").unwrap();
    serde_json::from_str(json).unwrap()
}

/// Copies `object` and gives the outcome and the resource that was sent. GCS answers with the custom
/// metadata that it was given, as the real one does.
async fn copied(site: &Site<'_>, object: &Scripted) -> (Value, Value) {
    site.holds(object).await;
    let stored = object.clone();
    let reply = move |request: &Request| {
        let mut body = json!({
            "name": "key",
            "generation": "1",
            "size": stored.bytes.len().to_string(),
            "md5Hash": stored.md5(),
            "crc32c": stored.crc32c(),
        });
        body["metadata"] = resource(request)["metadata"].clone();
        ResponseTemplate::new(200).set_body_json(body)
    };
    site.upload("POST")
        .respond_with(reply)
        .mount(&site.fixture.gcs)
        .await;
    let outcome = site.transfer(object).await;
    assert_eq!(outcome["event"], "copied", "{outcome}");
    (outcome, resource(&site.writes().await[0]))
}

fn tag_set(tags: &[(&str, &str)]) -> ResponseTemplate {
    let tags: String = tags
        .iter()
        .map(|(key, value)| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"))
        .collect();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet>{tags}</TagSet></Tagging>"
    );
    ResponseTemplate::new(200).set_body_raw(body, "application/xml")
}

#[test]
fn text_beyond_ascii_arrives_as_text_however_the_store_writes_it() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello")
            // As S3's documentation shows it for `ÄMÄZÕÑ S3`.
            .header("x-amz-meta-s3", "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=")
            .header("x-amz-meta-words", "=?UTF-8?Q?=E6=97=A5?= =?UTF-8?B?5pys?=")
            .header("x-amz-meta-raw", "Zoë 日本")
            .header("x-amz-meta-no-word", "=?not a word?=")
            .header("x-amz-meta-twice", "one")
            .header("x-amz-meta-twice", "=?UTF-8?Q?zw=C3=B6lf?=")
            .header("content-disposition", "attachment; filename=\"ä.txt\"");
        let (outcome, sent) = copied(&site, &object).await;
        for (name, value) in [
            ("s3", "ÄMÄZÕÑ S3"),
            ("words", "日本"),
            ("raw", "Zoë 日本"),
            ("no-word", "=?not a word?="),
            ("twice", "one, zwölf"),
        ] {
            assert_eq!(sent["metadata"][name], value);
        }
        assert_eq!(sent["contentDisposition"], "attachment; filename=\"ä.txt\"");
        assert_eq!(sent["metadata"].get("causeway-omitted"), None);
        assert_eq!(outcome.get("omitted"), None);
    });
}

#[test]
fn what_cannot_be_carried_over_is_named_on_the_copy_and_in_the_log() {
    run(async {
        let site = shared().await.site();
        let large = "x".repeat(9000);
        let object = Scripted::new("hello")
            .header("x-amz-meta-latin1", b"Zo\xEB")
            .header("content-language", b"\xFF")
            .header("x-amz-missing-meta", "3")
            .header("x-amz-meta-large", &large)
            .header("x-amz-meta-small", "kept");
        let (outcome, sent) = copied(&site, &object).await;
        let omitted =
            "content-language, x-amz-meta-latin1, x-amz-missing-meta: 3, x-amz-meta-large";
        assert_eq!(outcome["omitted"], omitted);
        assert_eq!(sent["metadata"]["causeway-omitted"], omitted);
        assert_eq!(sent["metadata"]["small"], "kept");
        for absent in ["latin1", "large"] {
            assert_eq!(sent["metadata"].get(absent), None, "{absent}");
        }
        assert_eq!(sent.get("contentLanguage"), None);
    });
}

#[test]
fn headers_without_a_field_at_gcs_become_metadata_and_the_store_s_own_stay_behind() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello")
            .header("expires", "Wed, 21 Oct 2015 07:28:00 GMT")
            .header("x-amz-website-redirect-location", "/elsewhere")
            .header("x-amz-storage-class", "STANDARD_IA")
            .header("x-amz-object-lock-mode", "GOVERNANCE")
            .header("x-amz-tagging-count", "2");
        let (_, sent) = copied(&site, &object).await;
        let expected = json!({
            "name": "key",
            "md5Hash": object.md5(),
            "metadata": {
                "causeway-proof": "stored-md5",
                "causeway-source-checksum": format!("md5={}", object.md5()),
                "causeway-source-bucket": site.source,
                "causeway-source-key": "key",
                "causeway-source-etag": object.etag,
                "causeway-source-size": "5",
                "causeway-source-expires": "Wed, 21 Oct 2015 07:28:00 GMT",
                "causeway-source-website-redirect-location": "/elsewhere",
            },
        });
        assert_eq!(sent, expected);
        assert_eq!(site.reads().await.len(), 1, "no tags were asked for");
    });
}

#[test]
fn a_route_s_options_are_in_its_requests() {
    run(async {
        let site = shared().await.site_with_options();
        let object = Scripted::new("hello")
            .header("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            .header("x-amz-version-id", "v+1/=");
        let tags = [("cost center", "A &amp; B"), ("stage", "raw"), ("日", "本")];
        site.answers_tags(tag_set(&tags)).await;
        let (_, sent) = copied(&site, &object).await;

        let reads = site.reads().await;
        let [_, tagging] = &reads[..] else {
            panic!("{} requests", reads.len())
        };
        assert_eq!(tagging.url.query(), Some("tagging=&versionId=v%2B1%2F%3D"));
        assert_eq!(
            header(tagging, "authorization").unwrap(),
            authorization_by_aws(tagging, None)
        );

        assert_eq!(query(&site.writes().await[0])["kmsKeyName"], KMS_KEY);
        assert_eq!(sent["storageClass"], "NEARLINE");
        assert_eq!(sent.get("customTime"), None);
        assert_eq!(sent.get("kmsKeyName"), None);
        for (key, value) in [
            ("cost%20center", "A & B"),
            ("stage", "raw"),
            ("%E6%97%A5", "本"),
        ] {
            let name = format!("causeway-source-tag-{key}");
            assert_eq!(sent["metadata"][name], value);
        }
    });
}

#[test]
fn a_session_has_the_route_s_options_from_its_start() {
    run(async {
        let site = shared().await.site_with_options();
        let object = Scripted::new(noise(1, (8 << 20) + 1));
        site.holds(&object).await;
        site.answers_tags(tag_set(&[("stage", "raw")])).await;
        site.look()
            .respond_with(ResponseTemplate::new(404))
            .mount(&site.fixture.gcs)
            .await;
        let path = format!("upload/storage/v1/b/{}/o?upload_id=s", site.destination);
        let session = format!("{}/{path}", site.fixture.gcs.uri());
        let started = ResponseTemplate::new(200).insert_header("location", session);
        site.once(site.upload("POST"), started).await;
        site.once(site.upload("PUT"), object.stored(1)).await;
        assert_eq!(site.transfer(&object).await["event"], "copied");

        let writes = site.writes().await;
        let start = writes
            .iter()
            .find(|write| write.method.as_str() == "POST")
            .unwrap();
        assert_eq!(query(start)["kmsKeyName"], KMS_KEY);
        let sent: Value = serde_json::from_slice(&start.body).unwrap();
        assert_eq!(sent["storageClass"], "NEARLINE");
        assert_eq!(sent["metadata"]["causeway-source-tag-stage"], "raw");
        assert_eq!(site.reads().await.len(), 2);
    });
}

#[test]
fn without_the_permission_to_read_tags_nothing_is_copied() {
    run(async {
        let site = shared().await.site_with_options();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        let denied = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        site.answers_tags(ResponseTemplate::new(403).set_body_raw(denied, "application/xml"))
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(outcome["kind"], "source-denied", "{outcome}");
        let advice = outcome["advice"].as_str().unwrap();
        assert!(advice.contains("s3:GetObjectTagging"), "{advice}");
        // It may look, and writes nothing.
        let writes = site.writes().await;
        assert!(writes.iter().all(|write| write.method.as_str() == "GET"));
    });
}

#[test]
fn a_key_that_gcs_may_not_use_is_said_to_be_the_trouble() {
    run(async {
        let site = shared().await.site_with_options();
        let object = Scripted::new("hello");
        site.holds(&object).await;
        site.answers_tags(tag_set(&[])).await;
        let message = "Permission denied on Cloud KMS key. Please ensure that your Cloud Storage service account has been authorized to use this key.";
        let body = json!({"error": {"code": 403, "message": message,
            "errors": [{"message": message, "domain": "global", "reason": "forbidden"}]}});
        site.upload("POST")
            .respond_with(ResponseTemplate::new(403).set_body_json(body))
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(outcome["kind"], "destination-denied", "{outcome}");
        let advice = outcome["advice"].as_str().unwrap();
        assert!(advice.contains("--authorize-cmek"), "{advice}");
    });
}

#[test]
fn what_gcs_refuses_of_the_metadata_does_not_hold_the_object_up() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello")
            .header("content-language", "x".repeat(200))
            .header("x-amz-meta-author", "Ada");
        site.look()
            .respond_with(ResponseTemplate::new(404))
            .mount(&site.fixture.gcs)
            .await;
        let message = "Invalid value for the content language.";
        let body = json!({"error": {"code": 400, "message": message,
            "errors": [{"message": message, "domain": "global", "reason": "invalid"}]}});
        site.once(
            site.upload("POST"),
            ResponseTemplate::new(400).set_body_json(body),
        )
        .await;
        let (outcome, refused) = copied(&site, &object).await;
        assert!(refused.get("contentLanguage").is_some());
        assert_eq!(outcome["omitted"], "content-language");
        let writes = site.writes().await;
        let sent = resource(writes.last().unwrap());
        assert_eq!(sent.get("contentLanguage"), None);
        assert_eq!(sent["metadata"]["author"], "Ada");
        assert_eq!(sent["metadata"]["causeway-omitted"], "content-language");
    });
}
