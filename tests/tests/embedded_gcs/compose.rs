//! Composing over HTTP, and clearing up after it.

use causeway_harness::gcs::{EmbeddedGcs, Fault, GcsOptions, Permission};
use http::{Method, StatusCode};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::fixture::{anonymous_server, answer, at, fail, post, refusal, start};

const KEY: &str = "projects/p/locations/us/keyRings/r/cryptoKeys/k";

/// A server that holds `parts/00`, `parts/01`..., each its own name.
async fn parts(gcs: &EmbeddedGcs, count: usize) -> Vec<Value> {
    let mut parts = Vec::new();
    for at in 0..count {
        let name = format!("parts/{at:02}");
        let upload = post(
            gcs,
            &format!("uploadType=media&name={name}&fields=generation"),
        );
        let (status, object) = answer(upload.body(name.clone())).await;
        assert_eq!(
            (status, object.as_object().unwrap().len()),
            (200, 1),
            "{object}"
        );
        let generation = object["generation"].clone();
        parts.push(json!({
            "name": name, "generation": generation,
            "objectPreconditions": { "ifGenerationMatch": generation },
        }));
    }
    parts
}

fn compose(gcs: &EmbeddedGcs, query: &str, request: &Value) -> RequestBuilder {
    at(gcs, Method::POST, &format!("/o/whole/compose?{query}")).json(request)
}

#[tokio::test]
async fn a_composite_has_what_the_request_says_and_no_md5() {
    let gcs = anonymous_server().await;
    let parts = parts(&gcs, 32).await;
    let destination = json!({
        "contentType": "text/plain", "metadata": { "k": "v" }, "storageClass": "STANDARD",
        "customTime": "2025-01-02T03:04:05Z", "md5Hash": "AAAAAAAAAAAAAAAAAAAAAA==", "cacheControl": "no-store",
    });
    let request = json!({ "sourceObjects": parts, "destination": destination });
    let query = format!("ifGenerationMatch=0&kmsKeyName={KEY}");
    let (status, object) = answer(compose(&gcs, &query, &request)).await;
    assert_eq!(status, 200, "{object}");
    let bytes: String = (0..32).map(|at| format!("parts/{at:02}")).collect();
    let size = bytes.len().to_string();
    let version = format!("{KEY}/cryptoKeyVersions/1");
    let wanted = [
        ("contentType", json!("text/plain")),
        ("cacheControl", json!("no-store")),
        ("metadata", json!({ "k": "v" })),
        ("storageClass", json!("STANDARD")),
        ("customTime", json!("2025-01-02T03:04:05.000Z")),
        ("kmsKeyName", json!(version)),
        ("componentCount", json!(32)),
        ("size", json!(size)),
    ];
    for (field, value) in wanted {
        assert_eq!(object[field], value, "{field}");
    }
    let crc32c = crc_fast::crc32_iscsi(bytes.as_bytes()).to_be_bytes();
    let crc32c = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, crc32c);
    assert_eq!(
        (&object["crc32c"], object.get("md5Hash")),
        (&json!(crc32c), None)
    );
    let media = at(&gcs, Method::GET, "/o/whole?alt=media").send().await;
    assert_eq!(media.unwrap().text().await.unwrap(), bytes);

    // A listing does not decrypt the hashes.
    let (_, page) = answer(at(&gcs, Method::GET, "/o?prefix=whole")).await;
    assert_eq!(page["items"][0].get("crc32c"), None);
}

#[tokio::test]
async fn what_compose_refuses_leaves_no_trace() {
    let gcs = anonymous_server().await;
    let parts = parts(&gcs, 33).await;
    let one = &parts[..1];
    let sources = |list: &[Value]| json!({ "sourceObjects": list });
    let with = |field: &str, value: Value| {
        let mut request = sources(one);
        request["destination"] = json!({ field: value });
        request
    };
    let stale = json!({ "name": "parts/00", "objectPreconditions": { "ifGenerationMatch": "7" } });
    let cases = [
        ("", sources(&parts), 400, "invalid"),
        ("", sources(&[]), 400, "invalid"),
        ("", json!({}), 400, "required"),
        (
            "",
            sources(&[json!({ "generation": "1" })]),
            400,
            "required",
        ),
        ("", sources(&[json!({ "name": "none" })]), 404, "notFound"),
        (
            "",
            sources(&[json!({ "name": "parts/00", "generation": "7" })]),
            404,
            "notFound",
        ),
        ("", sources(&[stale]), 412, "conditionNotMet"),
        ("ifGenerationMatch=7", sources(one), 412, "conditionNotMet"),
        ("ifGenerationNotMatch=0", sources(one), 400, "invalid"),
        ("kmsKeyName=k", sources(one), 400, "invalid"),
        ("fields=((", sources(one), 400, "invalid"),
        ("", with("storageClass", json!("NEARLINE")), 400, "invalid"),
        ("", with("name", json!("another")), 400, "invalid"),
        (
            "",
            with("metadata", json!({ "k": "v".repeat(4097) })),
            400,
            "invalid",
        ),
    ];
    for (query, request, status, reason) in cases {
        let refused = refusal(compose(&gcs, query, &request)).await;
        assert_eq!(refused, (status, reason.to_owned()), "{query} {request}");
        assert!(gcs.state().object("bucket", "whole", None).is_err());
    }
}

#[tokio::test]
async fn parts_are_found_and_deleted_afterwards_or_with_it() {
    let gcs = anonymous_server().await;
    let request = json!({ "sourceObjects": parts(&gcs, 3).await });
    let (_, object) = answer(compose(&gcs, "fields=size,componentCount", &request)).await;
    assert_eq!(object, json!({ "size": "24", "componentCount": 3 }));
    let query = "/o?prefix=parts/&maxResults=2&fields=items(name,generation),nextPageToken";
    let (mut token, mut deleted) = (String::new(), 0);
    loop {
        let path = format!("{query}&pageToken={token}");
        let (_, page) = answer(at(&gcs, Method::GET, &path)).await;
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item.as_object().unwrap().len(), 2, "{item}");
            let path = format!(
                "/o/{}?ifGenerationMatch={}",
                item["name"].as_str().unwrap().replace('/', "%2F"),
                item["generation"].as_str().unwrap()
            );
            assert_eq!(answer(at(&gcs, Method::DELETE, &path)).await.0, 204);
            deleted += 1;
        }
        match page["nextPageToken"].as_str() {
            Some(next) => next.clone_into(&mut token),
            None => break,
        }
    }
    assert_eq!(deleted, 3);

    let request = json!({ "sourceObjects": parts(&gcs, 2).await, "deleteSourceObjects": true });
    assert_eq!(answer(compose(&gcs, "", &request)).await.0, 200);
    let (_, page) = answer(at(&gcs, Method::GET, "/o?fields=items/name")).await;
    assert_eq!(page, json!({ "items": [{ "name": "whole" }] }));
}

#[tokio::test]
async fn composing_and_deleting_meet_faults_and_denials() {
    let gcs = start(GcsOptions::default()).await;
    let request = json!({ "sourceObjects": parts(&gcs, 2).await });
    let attempt = || compose(&gcs, "ifGenerationMatch=0", &request);
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let unavailable = || Fault::Return {
        status,
        retry_after: None,
    };
    fail(&gcs, Method::POST, "/o/whole/compose", unavailable());
    assert_eq!(answer(attempt()).await.0, 503);
    fail(&gcs, Method::POST, "/compose", Fault::ResetAfterCommit);
    assert!(attempt().send().await.is_err());
    assert_eq!(answer(attempt()).await.0, 412, "the lost answer committed");

    let delete = || at(&gcs, Method::DELETE, "/o/parts%2F00");
    fail(&gcs, Method::DELETE, "parts%2F00", unavailable());
    assert_eq!(answer(delete()).await.0, 503);
    gcs.state().deny("bucket", Permission::Delete);
    let (status, body) = answer(delete()).await;
    let message = body["error"]["message"].as_str().unwrap();
    assert_eq!(status, 403);
    assert!(
        message.contains("Permission 'storage.objects.delete' denied"),
        "{message}"
    );
    gcs.state().allow("bucket", Permission::Delete);
    fail(&gcs, Method::DELETE, "parts%2F00", Fault::ResetAfterCommit);
    assert!(delete().send().await.is_err());
    assert_eq!(answer(delete()).await.0, 404, "the lost answer deleted");
    gcs.faults().assert_consumed();
}
