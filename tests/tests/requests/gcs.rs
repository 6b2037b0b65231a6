//! The one request of a small upload: its address, its headers, its two parts.

use causeway_tests::run;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use wiremock::Request;

use crate::fixture::{EMAIL, Fixture, Scripted, header, query, shared};

const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// Checks a request's bearer token: a JWT that the account has signed for itself.
pub(crate) fn assert_bearer(fixture: &Fixture, request: &Request) {
    let token = header(request, "authorization")
        .unwrap()
        .strip_prefix("Bearer ")
        .unwrap();
    let head = decode_header(token).unwrap();
    assert_eq!(head.kid.as_ref(), Some(&fixture.account.private_key_id));
    let key = DecodingKey::from_rsa_pem(fixture.account.public_key_pem.as_bytes()).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[EMAIL]);
    validation.validate_aud = false;
    let claims = decode::<Value>(token, &key, &validation).unwrap().claims;
    assert_eq!(
        (&claims["sub"], &claims["scope"]),
        (&json!(EMAIL), &json!(SCOPE))
    );
    let (issued, expires) = (
        claims["iat"].as_i64().unwrap(),
        claims["exp"].as_i64().unwrap(),
    );
    let now = jiff::Timestamp::now().as_second();
    assert!((now - 600..=now + 1).contains(&issued), "{issued} at {now}");
    assert!((1..=3600).contains(&(expires - issued)));
}

/// A part of a multipart body: its header lines and its bytes.
type Part<'a> = (Vec<&'a str>, &'a [u8]);

/// Takes a body apart as [RFC 2046, section 5.1.1](https://www.rfc-editor.org/rfc/rfc2046#section-5.1.1) says.
fn parts<'a>(body: &'a [u8], boundary: &str) -> Vec<Part<'a>> {
    let delimiter = format!("--{boundary}");
    let find = |haystack: &[u8], needle: &[u8]| {
        haystack
            .windows(needle.len())
            .position(|window| window == needle)
    };
    let mut rest = body.strip_prefix(delimiter.as_bytes()).unwrap();
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let head = find(part, b"\r\n\r\n").unwrap();
        let content = &part[head + 4..];
        let end = find(content, format!("\r\n{delimiter}").as_bytes()).unwrap();
        let lines = str::from_utf8(&part[..head])
            .unwrap()
            .split("\r\n")
            .collect();
        parts.push((lines, &content[..end]));
        rest = &content[end + 2 + delimiter.len()..];
    }
    assert_eq!(rest, b"--\r\n");
    parts
}

/// Checks everything about an upload of `object` as `key` but the metadata, which it gives.
pub(crate) fn multipart_metadata(
    fixture: &Fixture,
    request: &Request,
    object: &Scripted,
    generation: u64,
    media_type: &str,
) -> Value {
    let expected = [
        ("fields", "name,generation,size,crc32c,md5Hash,metadata"),
        ("ifGenerationMatch", &generation.to_string()),
        ("uploadType", "multipart"),
    ];
    assert_eq!(
        query(request),
        expected
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
    assert_eq!(header(request, "transfer-encoding"), None);
    assert_eq!(
        header(request, "content-length"),
        Some(&*request.body.len().to_string())
    );
    assert_bearer(fixture, request);

    let content_type = header(request, "content-type").unwrap();
    let boundary = content_type
        .strip_prefix("multipart/related; boundary=")
        .unwrap();
    let parts = parts(&request.body, boundary);
    let [(head, metadata), (media_head, media)] = &parts[..] else {
        panic!("{} parts", parts.len())
    };
    assert_eq!(*head, ["Content-Type: application/json; charset=UTF-8"]);
    assert_eq!(*media_head, [format!("Content-Type: {media_type}")]);
    assert!(*media == object.bytes, "the media differs");
    serde_json::from_slice(metadata).unwrap()
}

#[test]
fn a_small_object_is_one_post_that_says_everything() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("\r\n--causeway-\r\n hello")
            .header("content-type", "text/plain; charset=utf-8")
            .header("cache-control", "no-cache")
            .header("content-disposition", "inline")
            .header("content-language", "fr")
            .header("content-encoding", "gzip")
            .header("last-modified", "Wed, 21 Oct 2015 07:28:00 GMT")
            .header("x-amz-version-id", "v1")
            .header("x-amz-meta-author", "somebody")
            // What the source says of itself under our names is not passed on as ours.
            .header("x-amz-meta-causeway-source-key", "a lie");
        site.holds(&object).await;
        site.once(site.upload("POST"), object.stored(12)).await;
        let outcome = site.transfer(&object).await;
        assert_eq!(
            (&outcome["event"], &outcome["generation"]),
            (&json!("copied"), &json!(12))
        );
        assert_eq!(outcome["proof"], "stored-md5");

        let writes = site.writes().await;
        assert_eq!(writes.len(), 1);
        assert_eq!(site.reads().await.len(), 1);
        let media_type = "text/plain; charset=utf-8";
        let metadata = multipart_metadata(site.fixture, &writes[0], &object, 0, media_type);
        let expected = json!({
            "name": "key",
            "contentType": media_type,
            "cacheControl": "no-cache",
            "contentDisposition": "inline",
            "contentLanguage": "fr",
            "contentEncoding": "gzip",
            "customTime": "2015-10-21T07:28:00Z",
            "md5Hash": object.md5(),
            "metadata": {
                "author": "somebody",
                "causeway-omitted": "x-amz-meta-causeway-source-key",
                "causeway-proof": "stored-md5",
                "causeway-source-checksum": format!("md5={}", object.md5()),
                "causeway-source-bucket": site.source,
                "causeway-source-key": "key",
                "causeway-source-etag": object.etag,
                "causeway-source-version-id": "v1",
                "causeway-source-last-modified": "Wed, 21 Oct 2015 07:28:00 GMT",
                "causeway-source-size": object.bytes.len().to_string(),
            },
        });
        assert_eq!(metadata, expected);
    });
}

#[test]
fn the_boundary_cannot_be_guessed() {
    run(async {
        let mut boundaries = Vec::new();
        for _ in 0..3 {
            let site = shared().await.site();
            let object = Scripted::new("same");
            site.holds(&object).await;
            site.once(site.upload("POST"), object.stored(1)).await;
            site.transfer(&object).await;
            boundaries.push(
                header(&site.writes().await[0], "content-type")
                    .unwrap()
                    .to_owned(),
            );
        }
        boundaries.dedup();
        assert_eq!(boundaries.len(), 3, "{boundaries:?}");
    });
}

#[test]
fn s3s_crc32c_goes_before_its_etag() {
    run(async {
        let site = shared().await.site();
        let object = Scripted::new("hello");
        let object = object
            .clone()
            .header("x-amz-checksum-crc32c", object.crc32c());
        let object = object.header("x-amz-checksum-type", "FULL_OBJECT");
        site.holds(&object).await;
        site.once(site.upload("POST"), object.stored(1)).await;
        assert_eq!(site.transfer(&object).await["proof"], "stored-crc32c");
        let writes = site.writes().await;
        let metadata = multipart_metadata(
            site.fixture,
            &writes[0],
            &object,
            0,
            "application/octet-stream",
        );
        assert_eq!(
            (&metadata["crc32c"], &metadata["md5Hash"]),
            (&json!(object.crc32c()), &Value::Null)
        );
    });
}

#[test]
fn without_a_shared_checksum_one_is_computed_and_sent_with_the_bytes() {
    run(async {
        for bytes in ["", "hello"] {
            let site = shared().await.site();
            let object = Scripted::opaque(bytes);
            site.holds(&object).await;
            site.once(site.upload("POST"), object.stored(1)).await;
            assert_eq!(site.transfer(&object).await["proof"], "computed-crc32c");
            let writes = site.writes().await;
            let metadata = multipart_metadata(
                site.fixture,
                &writes[0],
                &object,
                0,
                "application/octet-stream",
            );
            assert_eq!(
                (&metadata["crc32c"], &metadata["md5Hash"]),
                (&json!(object.crc32c()), &Value::Null)
            );
        }
    });
}
