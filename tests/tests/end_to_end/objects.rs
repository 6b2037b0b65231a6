//! What arrives of an object: its bytes as stored, its headers and metadata, its name.

use aws_sdk_s3::types::ChecksumAlgorithm;
use causeway_harness::s3::store::{Attributes, Versioning};
use causeway_tests::{Lane, content, noise, run, shared};
use serde_json::{Value, json};

/// Somebody else's client of the source.
pub(crate) fn aws_client(lane: &Lane<'_>) -> aws_sdk_s3::Client {
    let file = lane.stack.local.file();
    let keys = aws_sdk_s3::config::Credentials::new(
        file.access_key_id,
        file.secret_access_key,
        None,
        None,
        "tests",
    );
    let config = aws_sdk_s3::Config::builder()
        .credentials_provider(keys)
        .endpoint_url(file.s3_endpoint)
        .region(aws_sdk_s3::config::Region::new(file.region))
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

#[test]
fn everything_that_belongs_to_an_object_arrives_with_it() {
    run(async {
        let lane = shared().await.lane();
        let bytes = noise(1, 300_000);
        let put = aws_client(&lane)
            .put_object()
            .bucket(&lane.source)
            .key("photos/a.jpg");
        let written = put
            .body(bytes.clone().into())
            .checksum_algorithm(ChecksumAlgorithm::Crc32C)
            .content_type("image/jpeg")
            .cache_control("public, max-age=60")
            .content_disposition("attachment; filename=\"a.jpg\"")
            .content_encoding("identity")
            .content_language("de-CH, en")
            .metadata("author", "somebody")
            .metadata("camera", "a camera = with; signs")
            .send()
            .await
            .unwrap();
        let stored = lane.copied("photos/a.jpg").await;

        assert!(content(&stored) == bytes);
        let metadata = &stored.metadata;
        assert_eq!(metadata.content_type.as_deref(), Some("image/jpeg"));
        assert_eq!(
            metadata.cache_control.as_deref(),
            Some("public, max-age=60")
        );
        let disposition = metadata.content_disposition.as_deref();
        assert_eq!(disposition, Some("attachment; filename=\"a.jpg\""));
        assert_eq!(metadata.content_encoding.as_deref(), Some("identity"));
        assert_eq!(metadata.content_language.as_deref(), Some("de-CH, en"));
        let last_modified = lane
            .store()
            .get(&lane.source, "photos/a.jpg", None)
            .unwrap();
        let last_modified = last_modified
            .last_modified
            .strftime("%a, %d %b %Y %H:%M:%S GMT");
        assert_eq!(
            json!(metadata.custom),
            json!({
                "author": "somebody",
                "camera": "a camera = with; signs",
                "causeway-source-bucket": lane.source,
                "causeway-source-key": "photos/a.jpg",
                "causeway-source-etag": written.e_tag(),
                "causeway-source-last-modified": last_modified.to_string(),
                "causeway-source-size": "300000",
                "causeway-source-checksum": format!("crc32c={}", written.checksum_crc32_c().unwrap()),
                "causeway-proof": "stored-crc32c",
            })
        );
        let outcome = &lane.outcomes("photos/a.jpg", 1).await[0];
        assert_eq!(outcome["proof"], "stored-crc32c");
        assert_eq!(outcome["bytes"], 300_000);
        assert_eq!(outcome["route"], *lane.route);
    });
}

#[test]
fn the_version_stands_in_the_provenance() {
    run(async {
        let lane = shared().await.lane();
        let versioned = |settings: &mut causeway_harness::s3::store::BucketSettings| {
            settings.versioning = Versioning::Enabled;
        };
        lane.store().configure(&lane.source, versioned).unwrap();
        let put = lane.put("key", "bytes", Attributes::default());
        let stored = lane.copied("key").await;
        let version = &stored.metadata.custom["causeway-source-version-id"];
        assert_eq!(Some(version.as_str()), put.version_id.versioned());
    });
}

#[test]
fn a_gzip_encoded_object_arrives_as_it_is_stored() {
    run(async {
        let lane = shared().await.lane();
        // An empty file as gzip writes it: a real one, so that a decoder would take it.
        let gzip: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00";
        for (key, bytes, encoding) in [
            ("hello.gz", gzip, "gzip"),
            // Says that it is and is not.
            ("not-really.gz", b"plain text", "gzip"),
            ("x.br", b"no brotli", "br"),
        ] {
            let attributes = Attributes {
                content_encoding: Some(encoding.into()),
                ..Attributes::content_type("text/plain")
            };
            lane.put(key, bytes, attributes);
            let stored = lane.copied(key).await;
            assert_eq!(content(&stored), bytes, "{key}");
            assert_eq!(stored.metadata.content_encoding.as_deref(), Some(encoding));
        }
    });
}

#[test]
fn keys_that_are_hard_to_write_in_a_url_arrive_as_they_are() {
    run(async {
        let lane = shared().await.lane();
        let keys = [
            "with space",
            "plus+sign and+more",
            "100%",
            "%2F not a slash, %20 not a space",
            "two//slashes///three",
            "/leading",
            "trailing/",
            "Zoë/日本語/😀.txt",
            "e\u{301} decomposed",
            "a?b=c&d#e",
            "quote\"apostrophe'back\\slash",
            "[brackets]{braces}(parentheses)<angles>",
            "semi;colon:comma,at@equals=dollar$star*tilde~",
            "...dots...",
            ".hidden/..almost/...",
            "tab\tinside",
        ];
        for key in keys {
            lane.put(key, format!("the bytes of {key}"), Attributes::default());
        }
        for key in keys {
            let stored = lane.copied(key).await;
            assert_eq!(content(&stored), format!("the bytes of {key}"));
            assert_eq!(stored.metadata.custom["causeway-source-key"], key);
        }
        let mut expected: Vec<_> = keys.map(String::from).to_vec();
        expected.sort();
        assert_eq!(lane.names(), expected);
    });
}

#[test]
fn an_object_without_a_content_type_or_metadata_arrives() {
    run(async {
        let lane = shared().await.lane();
        lane.put("bare", "bytes", Attributes::default());
        let stored = lane.copied("bare").await;
        // What S3 itself says of such an object.
        let content_type = stored.metadata.content_type.as_deref();
        assert_eq!(content_type, Some("binary/octet-stream"));
        let custom: Value = json!(stored.metadata.custom);
        let names: Vec<_> = custom.as_object().unwrap().keys().collect();
        assert!(
            names
                .iter()
                .all(|name| name.starts_with("causeway-source-") || *name == "causeway-proof"),
            "{names:?}"
        );
    });
}
