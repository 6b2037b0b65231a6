//! Uploads in a single request.

use http::Method;
use serde_json::json;

use crate::fixture::{anonymous_server, answer, at, post, refusal};

#[tokio::test]
async fn multipart_shows_all_fields_and_checks_the_body() {
    let gcs = anonymous_server().await;
    let metadata = json!({
        "name": "a/b", "contentType": "text/plain", "cacheControl": "no-cache",
        "customTime": "2025-01-02T03:04:05Z", "metadata": { "k": "v" },
        "crc32c": "yZRlqg==", "md5Hash": "XrY7u+Ae7tCTyyK7j1rNww==",
    });
    let send = |media| {
        let body = format!("--b\r\n\r\n{metadata}\r\n--b\r\n\r\n{media}\r\n--b--");
        let request = post(&gcs, "uploadType=multipart");
        request
            .header("content-type", "multipart/related; boundary=b")
            .body(body)
    };
    assert_eq!(refusal(send("hello worle")).await, (400, "invalid".into()));
    let (status, object) = answer(send("hello world")).await;
    assert_eq!(status, 200, "{object}");
    assert_eq!(object, answer(at(&gcs, Method::GET, "/o/a%2Fb")).await.1);
    let wanted = [
        ("kind", "storage#object"),
        ("size", "11"),
        ("crc32c", "yZRlqg=="),
        ("md5Hash", "XrY7u+Ae7tCTyyK7j1rNww=="),
        ("metageneration", "1"),
        ("storageClass", "STANDARD"),
        ("cacheControl", "no-cache"),
        ("customTime", "2025-01-02T03:04:05.000Z"),
    ];
    for (field, value) in wanted {
        assert_eq!(object[field], value, "{field}");
    }
    let media = reqwest::get(object["mediaLink"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(
        media.headers()["x-goog-hash"],
        "crc32c=yZRlqg==,md5=XrY7u+Ae7tCTyyK7j1rNww=="
    );
    assert_eq!(
        media.headers()["x-goog-generation"],
        object["generation"].as_str().unwrap()
    );
    assert_eq!(media.text().await.unwrap(), "hello world");
    let beyond = at(&gcs, Method::GET, "/o/a%2Fb?alt=media").header("range", "bytes=11-");
    assert_eq!(refusal(beyond).await.0, 416);
}

#[tokio::test]
async fn multipart_checks_checksums_that_trail_the_media() {
    let gcs = anonymous_server().await;
    for (crc32c, wanted) in [("AAAAAA==", 400), ("yZRlqg==", 200)] {
        let checksums = json!({ "crc32c": crc32c });
        let body = format!(
            "--b\r\n\r\n{{}}\r\n--b\r\n\r\nhello world\r\n--b\r\n\r\n{checksums}\r\n--b--\r\n"
        );
        let request = post(&gcs, "uploadType=multipart&name=t").body(body);
        let request = request.header("content-type", "multipart/related; boundary=\"b\"");
        assert_eq!(answer(request).await.0, wanted);
        assert_eq!(
            gcs.state().object("bucket", "t", None).is_ok(),
            wanted == 200
        );
    }
}
