//! Buckets that keep what was replaced or deleted.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};

use crate::fixture::{BUCKET, fixture, refusal, refused};

#[tokio::test]
async fn versions_and_delete_markers() {
    let f = fixture().await;
    let enabled = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
    let versioning = f.client.put_bucket_versioning().bucket(BUCKET);
    let versioning = versioning.versioning_configuration(enabled.build());
    versioning.send().await.unwrap();
    f.put("k", "one").await;
    let two = f.client.put_object().bucket(BUCKET).key("k");
    let two = two.body(ByteStream::from_static(b"two"));
    let two = two.send().await.unwrap();
    let marker = f.client.delete_object().bucket(BUCKET).key("k");
    let marker = marker.send().await.unwrap();
    assert_eq!(marker.delete_marker(), Some(true));

    let gone = f.client.get_object().bucket(BUCKET).key("k").send().await;
    let raw = gone.as_ref().unwrap_err().raw_response().unwrap();
    assert_eq!(raw.headers().get("x-amz-delete-marker"), Some("true"));
    assert_eq!(raw.headers().get("x-amz-version-id"), marker.version_id());
    assert_eq!(refusal(gone), refused(404, "NoSuchKey"));
    let get = |id: Option<&str>| {
        let get = f.client.get_object().bucket(BUCKET).key("k");
        get.set_version_id(id.map(ToOwned::to_owned)).send()
    };
    assert_eq!(refusal(get(marker.version_id()).await).0, 405);
    let old = get(two.version_id()).await.unwrap();
    assert_eq!(old.body.collect().await.unwrap().to_vec(), b"two");
    assert_eq!(refusal(get(Some("none")).await).1, "NoSuchVersion");

    let all = f.client.list_object_versions().bucket(BUCKET);
    let all = all.send().await.unwrap();
    assert_eq!(all.versions().len(), 2);
    assert_eq!(all.versions()[0].version_id(), two.version_id());
    assert_eq!(all.versions()[0].is_latest(), Some(false));
    assert_eq!(all.delete_markers()[0].is_latest(), Some(true));
    let ids = version_ids_page_by_page(&f.client).await;
    let older = all.versions().iter().map(|v| v.version_id().unwrap());
    let expected: Vec<_> = marker.version_id().into_iter().chain(older).collect();
    assert_eq!(ids, expected);

    let undelete = f.client.delete_object().bucket(BUCKET).key("k");
    let undelete = undelete.version_id(marker.version_id().unwrap());
    undelete.send().await.unwrap();
    assert_eq!(f.get("k").await, b"two");
}

async fn version_ids_page_by_page(client: &Client) -> Vec<String> {
    let mut ids = Vec::new();
    let (mut key, mut id) = (None, None);
    loop {
        let page = client.list_object_versions().bucket(BUCKET).max_keys(1);
        let page = page.set_key_marker(key).set_version_id_marker(id);
        let page = page.send().await.unwrap();
        let versions = page.versions().iter().map(|v| v.version_id());
        let markers = page.delete_markers().iter().map(|m| m.version_id());
        ids.extend(versions.chain(markers).flatten().map(ToOwned::to_owned));
        if page.is_truncated() != Some(true) {
            return ids;
        }
        key = page.next_key_marker().map(ToOwned::to_owned);
        id = page.next_version_id_marker().map(ToOwned::to_owned);
    }
}
