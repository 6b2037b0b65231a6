//! What is done with objects that are there.

use http::Method;
use serde_json::json;

use crate::fixture::{anonymous_server, answer, at, post, refusal};

#[tokio::test]
async fn patch_compose_copy_list_delete() {
    let gcs = anonymous_server().await;
    for name in ["a/1", "a/2", "b"] {
        answer(post(&gcs, &format!("uploadType=media&name={name}")).body(name)).await;
    }
    let change = json!({ "metadata": { "k": "v" }, "contentLanguage": "de" });
    let attempt = || at(&gcs, Method::PATCH, "/o/b?ifMetagenerationMatch=1").json(&change);
    let (_, changed) = answer(attempt()).await;
    assert_eq!(
        (&changed["metageneration"], &changed["metadata"]["k"]),
        (&json!("2"), &json!("v"))
    );
    assert_eq!(refusal(attempt()).await, (412, "conditionNotMet".into()));
    let path = format!(
        "/o/b?ifGenerationNotMatch={}",
        changed["generation"].as_str().unwrap()
    );
    assert_eq!(answer(at(&gcs, Method::GET, &path)).await.0, 304);

    let sources = json!({ "sourceObjects": [{ "name": "a/1" }, { "name": "a/2" }] });
    let compose = at(&gcs, Method::POST, "/o/c/compose?ifGenerationMatch=0").json(&sources);
    let (_, composed) = answer(compose).await;
    assert_eq!(
        (&composed["componentCount"], composed.get("md5Hash")),
        (&json!(2), None)
    );
    let (_, copied) =
        answer(at(&gcs, Method::POST, "/o/c/rewriteTo/b/bucket/o/d%2Fe").body("null")).await;
    assert_eq!(
        (&copied["done"], &copied["resource"]["name"]),
        (&json!(true), &json!("d/e"))
    );
    let media = at(&gcs, Method::GET, "/o/d%2Fe?alt=media")
        .send()
        .await
        .unwrap();
    assert_eq!(media.text().await.unwrap(), "a/1a/2");

    let (_, page) = answer(at(&gcs, Method::GET, "/o?delimiter=/&maxResults=2")).await;
    assert_eq!(
        (&page["prefixes"], &page["items"][0]["name"]),
        (&json!(["a/"]), &json!("b"))
    );
    let path = format!(
        "/o?delimiter=/&pageToken={}",
        page["nextPageToken"].as_str().unwrap()
    );
    let (_, page) = answer(at(&gcs, Method::GET, &path)).await;
    assert_eq!(
        (&page["prefixes"], &page["items"][0]["name"]),
        (&json!(["d/"]), &json!("c"))
    );

    assert_eq!(
        refusal(at(&gcs, Method::DELETE, "")).await,
        (409, "conflict".into())
    );
    assert_eq!(
        refusal(at(&gcs, Method::DELETE, "/o/b?ifGenerationMatch=1"))
            .await
            .0,
        412
    );
    assert_eq!(answer(at(&gcs, Method::DELETE, "/o/b")).await.0, 204);
    assert_eq!(
        refusal(at(&gcs, Method::DELETE, "/o/b")).await,
        (404, "notFound".into())
    );
}
