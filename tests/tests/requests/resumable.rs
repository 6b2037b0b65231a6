//! The requests of a large upload: the session's start, its bytes, its way back after a break.

use causeway_tests::{noise, run};
use serde_json::{Value, json};
use wiremock::{Request, ResponseTemplate};

use crate::fixture::{Scripted, Site, header, query, shared};
use crate::gcs::assert_bearer;

const SIZE: usize = (8 << 20) + 100;

/// The reply to a session's start.
pub(crate) fn started(site: &Site<'_>) -> ResponseTemplate {
    let path = format!(
        "upload/storage/v1/b/{}/o?uploadType=resumable&upload_id=s3cr3t",
        site.destination
    );
    ResponseTemplate::new(200)
        .insert_header("location", format!("{}/{path}", site.fixture.gcs.uri()))
}

/// "Go on": GCS has the first `persisted` bytes.
pub(crate) fn go_on(persisted: usize) -> ResponseTemplate {
    let reply = ResponseTemplate::new(308);
    match persisted {
        0 => reply,
        _ => reply.insert_header("range", format!("bytes=0-{}", persisted - 1)),
    }
}

/// Nothing stands at the destination.
pub(crate) async fn nothing_stands(site: &Site<'_>) {
    site.look()
        .respond_with(ResponseTemplate::new(404))
        .mount(&site.fixture.gcs)
        .await;
}

fn assert_start(site: &Site<'_>, start: &Request, generation: &str) -> Value {
    assert_eq!(start.method.as_str(), "POST");
    let expected = [
        ("fields", "name,generation,size,crc32c,md5Hash,metadata"),
        ("ifGenerationMatch", generation),
        ("uploadType", "resumable"),
    ];
    assert_eq!(
        query(start),
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
    assert_bearer(site.fixture, start);
    assert_eq!(
        header(start, "content-type"),
        Some("application/json; charset=UTF-8")
    );
    assert_eq!(header(start, "transfer-encoding"), None);
    serde_json::from_slice(&start.body).unwrap()
}

/// Checks a request to the session: the bytes it carries and of how many, without a token.
fn assert_put(put: &Request, range: &str, bytes: &[u8]) {
    assert_eq!(put.method.as_str(), "PUT");
    assert_eq!(query(put)["upload_id"], "s3cr3t");
    assert_eq!(header(put, "content-range"), Some(range));
    assert_eq!(
        header(put, "content-length"),
        Some(&*bytes.len().to_string())
    );
    assert_eq!(header(put, "transfer-encoding"), None);
    assert_eq!(
        header(put, "authorization"),
        None,
        "the session needs no token"
    );
    assert!(put.body == bytes, "{range}: the bytes differ");
}

#[test]
fn a_large_object_is_looked_for_first_and_goes_up_in_one_piece() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new(noise(1, SIZE)).header("content-type", "video/mp4");
        site.holds(&object).await;
        nothing_stands(&site).await;
        site.once(site.upload("POST"), started(&site)).await;
        site.once(site.upload("PUT"), object.stored(3)).await;
        assert_eq!(site.transfer(&object).await["event"], "copied");

        assert_eq!(site.reads().await.len(), 1);
        let writes = site.writes().await;
        let [look, start, put] = &writes[..] else {
            panic!("{} requests", writes.len())
        };
        assert_eq!(look.method.as_str(), "GET");
        assert_eq!(
            look.url.path(),
            format!("/storage/v1/b/{}/o/key", site.destination)
        );
        assert_bearer(site.fixture, look);
        let metadata = assert_start(&site, start, "0");
        assert_eq!(
            (&metadata["name"], &metadata["md5Hash"]),
            (&json!("key"), &json!(object.md5()))
        );
        assert_eq!(metadata["contentType"], "video/mp4");
        assert_eq!(header(start, "x-upload-content-type"), Some("video/mp4"));
        assert_eq!(
            header(start, "x-upload-content-length"),
            Some(&*SIZE.to_string())
        );
        assert_put(put, &format!("bytes 0-{}/{SIZE}", SIZE - 1), &object.bytes);
    });
}

#[test]
fn a_computed_checksum_goes_with_the_last_piece() {
    run(async {
        let site = shared().await.site();
        let first_length = 1 << 20;
        let size = first_length + 7;
        let object = Scripted::opaque(noise(2, size));
        site.holds(&object).await;
        site.once(site.upload("POST"), started(&site)).await;
        site.once(site.upload("PUT"), go_on(first_length)).await;
        site.once(site.upload("PUT"), object.stored(3)).await;
        assert_eq!(site.transfer(&object).await["proof"], "computed-crc32c");

        let writes = site.writes().await;
        assert_eq!(site.reads().await.len(), 1);
        let [start, first, last] = &writes[..] else {
            panic!("{} requests", writes.len())
        };
        let metadata = assert_start(&site, start, "0");
        assert_eq!(
            (&metadata["md5Hash"], &metadata["crc32c"]),
            (&Value::Null, &Value::Null)
        );
        assert_put(
            first,
            &format!("bytes 0-{}/{size}", first_length - 1),
            &object.bytes[..first_length],
        );
        assert_eq!(header(first, "x-goog-hash"), None);
        assert_put(
            last,
            &format!("bytes {first_length}-{}/{size}", size - 1),
            &object.bytes[first_length..],
        );
        let hash = format!("crc32c={}", object.crc32c());
        assert_eq!(header(last, "x-goog-hash"), Some(&*hash));
    });
}

#[test]
fn after_a_break_gcs_is_asked_and_only_the_rest_is_read_and_sent() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new(noise(3, SIZE));
        let persisted = 5 << 20;
        site.source()
            .respond_with(object.reply())
            .up_to_n_times(1)
            .mount(&site.fixture.s3)
            .await;
        site.source()
            .respond_with(object.rest(persisted))
            .mount(&site.fixture.s3)
            .await;
        nothing_stands(&site).await;
        site.once(site.upload("POST"), started(&site)).await;
        site.once(site.upload("PUT"), ResponseTemplate::new(503))
            .await;
        site.once(site.upload("PUT"), go_on(persisted)).await;
        site.once(site.upload("PUT"), object.stored(3)).await;
        assert_eq!(site.transfer(&object).await["event"], "copied");

        let reads = site.reads().await;
        let [_, again] = &reads[..] else {
            panic!("{} reads", reads.len())
        };
        assert_eq!(
            header(again, "range"),
            Some(&*format!("bytes={persisted}-{}", SIZE - 1))
        );
        assert_eq!(header(again, "if-match"), Some(&*object.etag));
        let writes = site.writes().await;
        let [_, _, _, query, rest] = &writes[..] else {
            panic!("{} requests", writes.len())
        };
        assert_put(query, &format!("bytes */{SIZE}"), b"");
        assert_put(
            rest,
            &format!("bytes {persisted}-{}/{SIZE}", SIZE - 1),
            &object.bytes[persisted..],
        );
    });
}

#[test]
fn a_source_that_changed_meanwhile_starts_over_and_the_session_is_given_up() {
    run(async {
        let site = shared().await.site();
        let (old, new) = (Scripted::new(noise(4, SIZE)), Scripted::new("the new one"));
        let s3 = &site.fixture.s3;
        site.source()
            .respond_with(old.reply())
            .up_to_n_times(1)
            .mount(s3)
            .await;
        site.source()
            .respond_with(ResponseTemplate::new(412))
            .up_to_n_times(1)
            .mount(s3)
            .await;
        site.source().respond_with(new.reply()).mount(s3).await;
        nothing_stands(&site).await;
        site.once(site.upload("POST"), started(&site)).await;
        site.once(site.upload("PUT"), ResponseTemplate::new(503))
            .await;
        site.once(site.upload("PUT"), go_on(1 << 20)).await;
        site.once(site.upload("DELETE"), ResponseTemplate::new(499))
            .await;
        site.once(site.upload("POST"), new.stored(3)).await;
        let outcome = site.transfer(&old).await;
        assert_eq!(
            (&outcome["event"], &outcome["bytes"]),
            (&json!("copied"), &json!(11))
        );
        let methods: Vec<_> = site
            .writes()
            .await
            .iter()
            .map(|write| write.method.to_string())
            .collect();
        assert_eq!(
            methods,
            ["GET", "POST", "PUT", "PUT", "DELETE", "GET", "POST"]
        );
    });
}

#[test]
fn a_session_that_is_gone_is_started_anew() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new(noise(5, SIZE));
        site.holds(&object).await;
        nothing_stands(&site).await;
        for _ in 0..2 {
            site.once(site.upload("POST"), started(&site)).await;
        }
        site.once(site.upload("PUT"), ResponseTemplate::new(410))
            .await;
        site.once(site.upload("PUT"), object.stored(3)).await;
        assert_eq!(site.transfer(&object).await["event"], "copied");
        let methods: Vec<_> = site
            .writes()
            .await
            .iter()
            .map(|write| write.method.to_string())
            .collect();
        assert_eq!(methods, ["GET", "POST", "PUT", "GET", "POST", "PUT"]);
    });
}

#[test]
fn a_start_without_a_session_is_tried_again() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new(noise(6, SIZE));
        site.holds(&object).await;
        nothing_stands(&site).await;
        site.upload("POST")
            .respond_with(ResponseTemplate::new(200))
            .mount(&site.fixture.gcs)
            .await;
        let outcome = site.transfer(&object).await;
        assert_eq!(outcome["kind"], "destination-unexpected");
        assert_eq!(
            outcome["message"],
            "GCS started a resumable upload without saying where (no Location)."
        );
        assert_eq!(outcome["then"], "retried");
    });
}
