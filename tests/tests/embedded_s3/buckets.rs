//! Buckets themselves, and what concerns many of their keys at once.

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use crate::fixture::{BUCKET, REGION, fixture, refusal, refused};

#[tokio::test]
async fn buckets_are_made_listed_and_removed() {
    let f = fixture().await;
    let create = f.client.create_bucket().bucket("another");
    create.send().await.unwrap();
    let list = f.client.list_buckets().send().await.unwrap();
    let names: Vec<_> = list.buckets().iter().map(|b| b.name().unwrap()).collect();
    assert_eq!(names, ["another", BUCKET]);
    let location = f.client.get_bucket_location().bucket("another");
    let location = location.send().await.unwrap();
    assert_eq!(location.location_constraint().unwrap().as_str(), REGION);
    let head = || f.client.head_bucket().bucket("another").send();
    assert_eq!(head().await.unwrap().bucket_region(), Some(REGION));
    f.put("k", "x").await;
    let full = f.client.delete_bucket().bucket(BUCKET).send().await;
    assert_eq!(refusal(full), refused(409, "BucketNotEmpty"));
    let delete = f.client.delete_bucket().bucket("another");
    delete.send().await.unwrap();
    assert_eq!(refusal(head().await).0, 404);
}

#[tokio::test]
async fn lists_fold_and_page() {
    let f = fixture().await;
    for key in ["a", "b/1", "b/2", "c", "d/1", "ü&<"] {
        f.put(key, "x").await;
    }
    let pages = f.client.list_objects_v2().bucket(BUCKET).delimiter("/");
    let mut pages = pages.max_keys(2).into_paginator().send();
    let (mut keys, mut prefixes) = (Vec::new(), Vec::new());
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert!(page.key_count().unwrap() <= 2);
        keys.extend(page.contents().iter().map(|o| o.key().unwrap().to_owned()));
        let common = page.common_prefixes().iter();
        prefixes.extend(common.map(|p| p.prefix().unwrap().to_owned()));
    }
    assert_eq!(keys, ["a", "c", "ü&<"]);
    assert_eq!(prefixes, ["b/", "d/"]);
    let v1 = f.client.list_objects().bucket(BUCKET).prefix("b/");
    let v1 = v1.marker("b/1").send().await.unwrap();
    assert_eq!(v1.contents()[0].key(), Some("b/2"));
}

#[tokio::test]
async fn many_keys_are_deleted_at_once() {
    let f = fixture().await;
    f.put("a", "x").await;
    f.put("b", "x").await;
    f.store().deny(BUCKET, Some("b")).unwrap();
    let objects = ["a", "b", "c"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = Delete::builder().set_objects(Some(objects.into()));
    let done = f.client.delete_objects().bucket(BUCKET);
    let done = done.delete(delete.build().unwrap()).send().await.unwrap();
    let deleted: Vec<_> = done.deleted().iter().map(|d| d.key().unwrap()).collect();
    assert_eq!(deleted, ["a", "c"]);
    assert_eq!(done.errors()[0].code(), Some("AccessDenied"));
}
