//! The embedded S3 as AWS's own client sees it.
#![allow(clippy::unwrap_used)]

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, ChecksumType,
    CompletedMultipartUpload, CompletedPart, Delete, EncodingType, MetadataDirective,
    ObjectAttributes, ObjectIdentifier, StorageClass, Tag, Tagging, VersioningConfiguration,
};
use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use causeway_harness::s3::store::{Attributes, Store};
use causeway_harness::s3::{EmbeddedS3, EventTarget, S3Options};
use wiremock::matchers::{header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

const REGION: &str = "eu-west-1";
const SECRET: &str = "embedded-secret";
const BUCKET: &str = "photos";

struct Fixture {
    s3: EmbeddedS3,
    client: Client,
}

fn config(endpoint: String, secret: &str) -> Builder {
    aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(endpoint)
        .region(Region::new(REGION))
        .force_path_style(true)
        .credentials_provider(Credentials::new("AKIATEST", secret, None, None, "test"))
}

async fn fixture() -> Fixture {
    let s3 = EmbeddedS3::start(S3Options {
        listen: ([127, 0, 0, 1], 0).into(),
        access_key_id: "AKIATEST".to_owned(),
        secret_access_key: SECRET.to_owned(),
        region: REGION.to_owned(),
    })
    .await
    .unwrap();
    s3.store().create_bucket(BUCKET).unwrap();
    let client = Client::from_conf(config(s3.endpoint(), SECRET).build());
    Fixture { s3, client }
}

impl Fixture {
    fn store(&self) -> &Store {
        self.s3.store()
    }

    /// Puts an object and gives its ETag, in quotes.
    async fn put(&self, key: &str, bytes: impl Into<Vec<u8>>) -> String {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        let put = put.body(ByteStream::from(bytes.into())).send().await;
        put.unwrap().e_tag.unwrap()
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let got = self.client.get_object().bucket(BUCKET).key(key);
        let got = got.send().await.unwrap();
        got.body.collect().await.unwrap().to_vec()
    }
}

/// What a request was refused with: status and code.
fn refusal<T: Debug, E: ProvideErrorMetadata + Debug>(
    result: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = result.unwrap_err();
    let status = error.raw_response().map_or(0, |raw| raw.status().as_u16());
    (status, error.code().unwrap_or_default().to_owned())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// Bytes without a pattern, the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u8::try_from(state >> 56).unwrap()
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn puts_come_back_with_everything_that_was_said_of_them() {
    let f = fixture().await;
    let put = f.client.put_object().bucket(BUCKET).key("k");
    let put = put
        .body(ByteStream::from_static(b"hello"))
        .content_type("text/plain")
        .cache_control("no-cache")
        .content_disposition("attachment")
        .content_encoding("identity")
        .content_language("de")
        .expires(DateTime::from_secs(1_900_000_000))
        .metadata("colour", "blue")
        .storage_class(StorageClass::StandardIa)
        .tagging("a=1&b=x%20y")
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    // The SDK sends a CRC32 in a trailer by default.
    assert_eq!(put.checksum_crc32(), Some("NhCmhg=="));

    let got = f.client.get_object().bucket(BUCKET).key("k");
    let got = got.checksum_mode(ChecksumMode::Enabled);
    let got = got.send().await.unwrap();
    assert_eq!(got.content_type(), Some("text/plain"));
    assert_eq!(got.cache_control(), Some("no-cache"));
    assert_eq!(got.content_disposition(), Some("attachment"));
    assert_eq!(got.content_encoding(), Some("identity"));
    assert_eq!(got.content_language(), Some("de"));
    assert_eq!(got.expires_string(), Some("Sun, 17 Mar 2030 17:46:40 GMT"));
    assert_eq!(got.metadata().unwrap()["colour"], "blue");
    assert_eq!(got.storage_class(), Some(&StorageClass::StandardIa));
    assert_eq!(got.tag_count(), Some(2));
    assert_eq!(got.checksum_crc32(), Some("NhCmhg=="));
    assert_eq!(got.checksum_type(), Some(&ChecksumType::FullObject));
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");
}

#[tokio::test]
async fn large_and_empty_objects_survive() {
    let f = fixture().await;
    f.put("empty", "").await;
    assert_eq!(f.get("empty").await, b"");
    // Above what is kept in memory.
    let large = noise(17 << 20, 7);
    f.put("large", large.clone()).await;
    assert!(f.get("large").await == large);
    let got = f.client.get_object().bucket(BUCKET).key("large");
    let got = got.range("bytes=16777200-16777299").send().await.unwrap();
    assert_eq!(
        got.content_range(),
        Some("bytes 16777200-16777299/17825792")
    );
    let got = got.body.collect().await.unwrap().to_vec();
    assert_eq!(got, large[16_777_200..=16_777_299]);
}

#[tokio::test]
async fn ranges_are_cut_and_refused() {
    let f = fixture().await;
    f.put("k", "0123456789").await;
    let get = |range: &str| f.client.get_object().bucket(BUCKET).key("k").range(range);
    for (range, bytes, content_range) in [
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-2", "89", "bytes 8-9/10"),
        ("bytes=8-100", "89", "bytes 8-9/10"),
    ] {
        let got = get(range).checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.unwrap();
        assert_eq!(got.content_range(), Some(content_range));
        assert_eq!(got.checksum_crc32(), None, "not the range's checksum");
        assert_eq!(got.body.collect().await.unwrap().to_vec(), bytes.as_bytes());
    }
    let past = refusal(get("bytes=10-").send().await);
    assert_eq!(past, refused(416, "InvalidRange"));
}

#[tokio::test]
async fn conditions_are_kept() {
    let f = fixture().await;
    let etag = f.put("k", "x").await;
    let get = || f.client.get_object().bucket(BUCKET).key("k");
    assert!(get().if_match(&etag).send().await.is_ok());
    let other = "\"00000000000000000000000000000000\"";
    let failed = refusal(get().if_match(other).send().await);
    assert_eq!(failed, refused(412, "PreconditionFailed"));
    assert_eq!(refusal(get().if_none_match(&etag).send().await).0, 304);
    let later = DateTime::from(SystemTime::now() + Duration::from_mins(1));
    assert_eq!(refusal(get().if_modified_since(later).send().await).0, 304);
    let epoch = DateTime::from_secs(0);
    let modified = get().if_unmodified_since(epoch).send().await;
    assert_eq!(refusal(modified).0, 412);

    let put = |key: &str| f.client.put_object().bucket(BUCKET).key(key);
    assert_eq!(refusal(put("k").if_none_match("*").send().await).0, 412);
    assert_eq!(refusal(put("k").if_match(other).send().await).0, 412);
    assert!(put("k").if_match(&etag).send().await.is_ok());
    assert!(put("new").if_none_match("*").send().await.is_ok());
}

#[tokio::test]
async fn what_does_not_match_its_checksum_is_refused_and_not_stored() {
    let f = fixture().await;
    let put = || {
        let put = f.client.put_object().bucket(BUCKET).key("k");
        put.body(ByteStream::from_static(b"hello"))
    };
    let md5 = put().content_md5("1B2M2Y8AsgTpgAmY7PhCfg==").send().await;
    assert_eq!(refusal(md5), refused(400, "BadDigest"));
    let crc = put().checksum_crc32_c("AAAAAA==").send().await;
    assert_eq!(refusal(crc), refused(400, "BadDigest"));
    let sha = put().checksum_sha256("bm9uc2Vuc2U=").send().await;
    assert_eq!(refusal(sha), refused(400, "InvalidRequest"));
    let get = f.client.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(refusal(get), refused(404, "NoSuchKey"));
}

#[tokio::test]
async fn each_checksum_algorithm_is_stored_and_shown() {
    let f = fixture().await;
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let put = f.client.put_object().bucket(BUCKET).key("k");
        let put = put.checksum_algorithm(algorithm.clone());
        let put = put.body(ByteStream::from_static(b"hello"));
        put.send().await.unwrap();
        let head = f.client.head_object().bucket(BUCKET).key("k");
        let head = head.checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        for (shown, value) in [
            (ChecksumAlgorithm::Crc32, head.checksum_crc32()),
            (ChecksumAlgorithm::Crc32C, head.checksum_crc32_c()),
            (ChecksumAlgorithm::Crc64Nvme, head.checksum_crc64_nvme()),
            (ChecksumAlgorithm::Sha1, head.checksum_sha1()),
            (ChecksumAlgorithm::Sha256, head.checksum_sha256()),
        ] {
            assert_eq!(value.is_some(), shown == algorithm, "{shown} {algorithm}");
        }
    }
}

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

#[tokio::test]
async fn an_upload_in_parts_combines_its_checksums() {
    let f = fixture().await;
    let parts = [noise(5 << 20, 1), noise(5 << 20, 2), noise(12_345, 3)];
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc32C, ChecksumType::Composite),
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
    ] {
        let create = f.client.create_multipart_upload().bucket(BUCKET).key("k");
        let create = create.checksum_algorithm(algorithm.clone());
        let upload = create.checksum_type(kind.clone()).send().await.unwrap();
        let id = upload.upload_id().unwrap();
        let mut completed = CompletedMultipartUpload::builder();
        for (number, part) in (1..).zip(&parts) {
            let sent = f.client.upload_part().bucket(BUCKET).key("k").upload_id(id);
            let sent = sent.checksum_algorithm(algorithm.clone());
            let sent = sent.part_number(number).body(part.clone().into());
            let sent = sent.send().await.unwrap();
            completed = completed.parts(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(sent.e_tag)
                    .set_checksum_crc32(sent.checksum_crc32)
                    .set_checksum_crc32_c(sent.checksum_crc32_c)
                    .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
                    .set_checksum_sha256(sent.checksum_sha256)
                    .build(),
            );
        }
        let listed = f.client.list_parts().bucket(BUCKET).key("k").upload_id(id);
        assert_eq!(listed.send().await.unwrap().parts().len(), 3);
        let done = f.client.complete_multipart_upload().bucket(BUCKET).key("k");
        let done = done.upload_id(id).multipart_upload(completed.build());
        let done = done.send().await.unwrap();
        assert!(done.e_tag().unwrap().ends_with("-3\""), "{done:?}");
        assert_eq!(done.checksum_type(), Some(&kind));
        // The client checks the full-object ones while it reads.
        let got = f.client.get_object().bucket(BUCKET).key("k");
        let got = got.checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.unwrap();
        assert!(got.body.collect().await.unwrap().to_vec() == parts.concat());
        let attributes = f.client.get_object_attributes().bucket(BUCKET).key("k");
        let attributes = attributes
            .object_attributes(ObjectAttributes::ObjectSize)
            .object_attributes(ObjectAttributes::Checksum)
            .object_attributes(ObjectAttributes::ObjectParts);
        let attributes = attributes.send().await.unwrap();
        assert_eq!(attributes.object_size(), Some((10 << 20) + 12_345));
        let shown = attributes.object_parts().unwrap();
        assert_eq!(shown.total_parts_count(), Some(3));
        assert!(attributes.checksum().is_some());
    }
}

#[tokio::test]
async fn small_and_unknown_parts_are_refused() {
    let f = fixture().await;
    let upload = f.client.create_multipart_upload().bucket(BUCKET).key("k");
    let upload = upload.send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let mut parts = Vec::new();
    for number in 1..=2 {
        let part = f.client.upload_part().bucket(BUCKET).key("k").upload_id(id);
        let part = part.part_number(number).body(ByteStream::from_static(b"x"));
        parts.push((number, part.send().await.unwrap().e_tag.unwrap()));
    }
    let complete = |parts: Vec<(i32, String)>| {
        let mut completed = CompletedMultipartUpload::builder();
        for (number, etag) in parts {
            let part = CompletedPart::builder().part_number(number).e_tag(etag);
            completed = completed.parts(part.build());
        }
        let complete = f.client.complete_multipart_upload().bucket(BUCKET).key("k");
        let complete = complete.upload_id(id).multipart_upload(completed.build());
        complete.send()
    };
    assert_eq!(refusal(complete(parts.clone()).await).1, "EntityTooSmall");
    let reversed = parts.iter().rev().cloned().collect();
    assert_eq!(refusal(complete(reversed).await).1, "InvalidPartOrder");
    let unknown = vec![(3, parts[0].1.clone())];
    assert_eq!(refusal(complete(unknown).await).1, "InvalidPart");
    let abort = f.client.abort_multipart_upload().bucket(BUCKET).key("k");
    abort.upload_id(id).send().await.unwrap();
    assert_eq!(refusal(complete(parts).await).1, "NoSuchUpload");
}

#[tokio::test]
async fn copies_take_or_replace_the_metadata() {
    let f = fixture().await;
    let put = f.client.put_object().bucket(BUCKET).key("from +ü");
    let put = put.body(ByteStream::from_static(b"hello"));
    put.metadata("a", "1").send().await.unwrap();
    let copy = |key: &str| {
        let copy = f.client.copy_object().bucket(BUCKET).key(key);
        copy.copy_source(format!("{BUCKET}/from%20%2B%C3%BC"))
    };
    copy("same").send().await.unwrap();
    let replace = copy("other").metadata_directive(MetadataDirective::Replace);
    replace.metadata("b", "2").send().await.unwrap();
    let head = |key: &str| f.client.head_object().bucket(BUCKET).key(key).send();
    assert_eq!(head("same").await.unwrap().metadata().unwrap()["a"], "1");
    let other = head("other").await.unwrap();
    assert_eq!(other.metadata().unwrap().len(), 1);
    assert_eq!(other.metadata().unwrap()["b"], "2");
    let itself = refusal(copy("from +ü").send().await);
    assert_eq!(itself, refused(400, "InvalidRequest"));
}

#[tokio::test]
async fn parts_are_copied_from_ranges() {
    let f = fixture().await;
    let whole = noise(12 << 20, 4);
    f.put("from", whole.clone()).await;
    let upload = f.client.create_multipart_upload().bucket(BUCKET).key("k");
    let upload = upload.send().await.unwrap();
    let id = upload.upload_id().unwrap();
    let mut completed = CompletedMultipartUpload::builder();
    for (number, range) in [(1, "bytes=0-6291455"), (2, "bytes=6291456-12582911")] {
        let part = f.client.upload_part_copy().bucket(BUCKET).key("k");
        let part = part.upload_id(id).part_number(number);
        let part = part.copy_source(format!("{BUCKET}/from"));
        let part = part.copy_source_range(range).send().await.unwrap();
        let etag = part.copy_part_result().unwrap().e_tag().unwrap();
        let part = CompletedPart::builder().part_number(number).e_tag(etag);
        completed = completed.parts(part.build());
    }
    let done = f.client.complete_multipart_upload().bucket(BUCKET).key("k");
    let done = done.upload_id(id).multipart_upload(completed.build());
    done.send().await.unwrap();
    assert!(f.get("k").await == whole);
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
async fn tags_are_set_and_taken_away() {
    let f = fixture().await;
    f.put("k", "x").await;
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().unwrap();
    let tags = Tagging::builder()
        .tag_set(tag("a", "1"))
        .tag_set(tag("ü", ""));
    let put = f.client.put_object_tagging().bucket(BUCKET).key("k");
    let put = put.tagging(tags.build().unwrap());
    put.send().await.unwrap();
    let get = || f.client.get_object_tagging().bucket(BUCKET).key("k").send();
    let set = get().await.unwrap();
    assert_eq!(set.tag_set(), [tag("a", "1"), tag("ü", "")]);
    let delete = f.client.delete_object_tagging().bucket(BUCKET).key("k");
    delete.send().await.unwrap();
    assert!(get().await.unwrap().tag_set().is_empty());
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

#[tokio::test]
async fn every_key_that_a_client_can_send_comes_back() {
    let f = fixture().await;
    let mut keys = [
        "a+b",
        "a b",
        "ü/日本語/🦀",
        "a//b",
        "a/",
        "100%",
        "%2F",
        "a%2Fb",
        "?x=1&y#z",
        "'\"<>&;:@$,=!*()[]{}|\\^`~",
    ];
    for key in keys {
        f.put(key, key).await;
        assert_eq!(f.get(key).await, key.as_bytes(), "{key}");
    }
    let list = f.client.list_objects_v2().bucket(BUCKET);
    let list = list.send().await.unwrap();
    let listed: Vec<_> = list.contents().iter().map(|o| o.key().unwrap()).collect();
    keys.sort_unstable();
    assert_eq!(listed, keys);
    let encoded = f.client.list_objects_v2().bucket(BUCKET);
    let encoded = encoded.encoding_type(EncodingType::Url);
    let encoded = encoded.prefix("a").send().await.unwrap();
    let encoded: Vec<_> = encoded
        .contents()
        .iter()
        .map(|o| o.key().unwrap())
        .collect();
    assert_eq!(encoded, ["a+b", "a%252Fb", "a%2Bb", "a/", "a//b"]);
}

#[tokio::test]
async fn who_may_not_is_refused() {
    let f = fixture().await;
    f.put("k", "x").await;
    let get = |key: &str| f.client.get_object().bucket(BUCKET).key(key);
    let denied = refused(403, "AccessDenied");
    let stranger = get("k").expected_bucket_owner("999999999999");
    assert_eq!(refusal(stranger.send().await), denied);
    let owner = get("k").expected_bucket_owner("123456789012");
    assert!(owner.send().await.is_ok());
    f.store()
        .configure(BUCKET, |settings| settings.list_denied = true)
        .unwrap();
    assert_eq!(refusal(get("missing").send().await), denied);
    f.store().deny(BUCKET, Some("k")).unwrap();
    assert_eq!(refusal(get("k").send().await), denied);
    let nowhere = f.client.get_object().bucket("no-such-bucket").key("k");
    let nowhere = refusal(nowhere.send().await);
    assert_eq!(nowhere, refused(404, "NoSuchBucket"));
}

#[tokio::test]
async fn archived_objects_are_not_read() {
    let f = fixture().await;
    let put = f.client.put_object().bucket(BUCKET).key("k");
    let put = put.storage_class(StorageClass::Glacier);
    put.send().await.unwrap();
    let get = f.client.get_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(refusal(get), refused(403, "InvalidObjectState"));
    let head = f.client.head_object().bucket(BUCKET).key("k").send().await;
    assert_eq!(head.unwrap().storage_class(), Some(&StorageClass::Glacier));
}

#[tokio::test]
async fn signatures_and_regions_are_checked() {
    let f = fixture().await;
    f.put("k", "x").await;
    let stranger = Credentials::new("AKIAOTHER", SECRET, None, None, "test");
    let right = || config(f.s3.endpoint(), SECRET);
    for (config, expected) in [
        (
            config(f.s3.endpoint(), "wrong"),
            refused(403, "SignatureDoesNotMatch"),
        ),
        (
            right().credentials_provider(stranger),
            refused(403, "InvalidAccessKeyId"),
        ),
        (
            right().region(Region::new("us-west-2")),
            refused(400, "AuthorizationHeaderMalformed"),
        ),
    ] {
        let config = config.retry_config(RetryConfig::disabled());
        let client = Client::from_conf(config.build());
        let get = client.get_object().bucket(BUCKET).key("k").send().await;
        assert_eq!(refusal(get), expected);
    }
}

/// A request without a body, signed at `time`, whatever the time is.
fn signed_at(method: &str, url: &str, time: SystemTime) -> reqwest::RequestBuilder {
    let identity = Credentials::new("AKIATEST", SECRET, None, None, "test").into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = aws_sigv4::sign::v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("s3")
        .time(time)
        .settings(settings)
        .build()
        .unwrap();
    let body = SignableBody::Bytes(b"");
    let request = SignableRequest::new(method, url, std::iter::empty(), body).unwrap();
    let signed = sign(request, &params.into()).unwrap();
    let method = method.parse().unwrap();
    let mut request = reqwest::Client::new().request(method, url);
    for (name, value) in signed.output().headers() {
        request = request.header(name, value);
    }
    request
}

/// botocore would read the next answer on that connection wrongly.
#[tokio::test]
async fn a_connection_ends_whose_client_waits_for_a_100_in_vain() {
    let f = fixture().await;
    let url = format!("{}/{BUCKET}/k", f.s3.endpoint());
    let put = || signed_at("PUT", &url, SystemTime::now()).header("content-length", "0");
    let waiting = put().header("expect", "100-continue").send().await.unwrap();
    assert_eq!(waiting.status(), 200);
    assert_eq!(waiting.headers()["connection"], "close");
    let not_waiting = put().send().await.unwrap();
    assert_eq!(not_waiting.status(), 200);
    assert!(!not_waiting.headers().contains_key("connection"));
}

#[tokio::test]
async fn a_clock_may_be_a_quarter_of_an_hour_off() {
    let f = fixture().await;
    f.put("k", "x").await;
    let url = format!("{}/{BUCKET}/k", f.s3.endpoint());
    let minutes = |minutes: u64| Duration::from_mins(minutes);
    let now = SystemTime::now();
    for time in [now, now - minutes(14), now + minutes(14)] {
        let answer = signed_at("GET", &url, time).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    for time in [now - minutes(16), now + minutes(16)] {
        let answer = signed_at("GET", &url, time).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let answer = answer.text().await.unwrap();
        assert!(answer.contains("<Code>RequestTimeTooSkewed</Code>"));
    }
}

#[tokio::test]
async fn presigned_urls_work_and_unsigned_requests_do_not() {
    let f = fixture().await;
    f.put("a b", "hello").await;
    let presigned = f.client.get_object().bucket(BUCKET).key("a b");
    let presigned = presigned.response_content_type("text/x-other");
    let for_a_minute = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let presigned = presigned.presigned(for_a_minute).await.unwrap();
    let got = reqwest::get(presigned.uri()).await.unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(got.headers()["content-type"], "text/x-other");
    assert_eq!(got.bytes().await.unwrap(), "hello");
    let unsigned = format!("{}/{BUCKET}/a%20b", f.s3.endpoint());
    assert_eq!(reqwest::get(unsigned).await.unwrap().status(), 403);
}

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
async fn each_change_is_told_until_it_is_taken() {
    let f = fixture().await;
    let listener = MockServer::start().await;
    let busy = Mock::given(method("POST")).respond_with(ResponseTemplate::new(503));
    busy.up_to_n_times(1).mount(&listener).await;
    Mock::given(method("POST"))
        .and(header("authorization", "Bearer event-token"))
        .and(header("content-type", "application/json"))
        .respond_with(ResponseTemplate::new(202))
        .mount(&listener)
        .await;
    f.put("before", "x").await;
    let mut deliveries = f.s3.deliveries();
    f.s3.notify(EventTarget {
        first_wait: Duration::from_millis(1),
        ..EventTarget::new(listener.uri(), "event-token")
    });

    let etag = f.put("a b+ü/1", "hello").await;
    let delivery = deliveries.recv().await.unwrap();
    assert_eq!(delivery.key, "a b+ü/1");
    assert_eq!((delivery.status.clone(), delivery.attempts), (Ok(202), 2));
    assert!(delivery.finished_at >= delivery.sent_at);
    let copy = f.client.copy_object().bucket(BUCKET).key("copy");
    let copy = copy.copy_source(format!("{BUCKET}/before"));
    copy.send().await.unwrap();
    let copied = deliveries.recv().await.unwrap();
    assert_eq!(copied.event_name, "ObjectCreated:Copy");
    let delete = f.client.delete_object().bucket(BUCKET).key("copy");
    delete.send().await.unwrap();
    let deleted = deliveries.recv().await.unwrap();
    assert_eq!(deleted.event_name, "ObjectRemoved:Delete");

    let requests = listener.received_requests().await.unwrap();
    assert_eq!(requests.len(), 4, "the first one twice");
    let event: serde_json::Value = requests[1].body_json().unwrap();
    let record = &event["Records"][0];
    assert_eq!(record["eventSource"], "aws:s3");
    assert_eq!(record["eventName"], "ObjectCreated:Put");
    assert_eq!(record["s3"]["bucket"]["name"], BUCKET);
    let object = &record["s3"]["object"];
    assert_eq!(object["key"], "a+b%2B%C3%BC/1");
    assert_eq!(object["size"], 5);
    assert_eq!(format!("\"{}\"", object["eTag"].as_str().unwrap()), etag);
    assert_eq!(object["sequencer"], delivery.sequencer.as_str());
}

#[tokio::test]
async fn a_listener_that_refuses_or_is_gone_is_reported() {
    let f = fixture().await;
    let mut deliveries = f.s3.deliveries();
    let listener = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(401))
        .mount(&listener)
        .await;
    f.s3.notify(EventTarget::new(listener.uri(), "token"));
    f.put("k", "x").await;
    let rejected = deliveries.recv().await.unwrap();
    assert_eq!((rejected.status, rejected.attempts), (Ok(401), 1));
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    f.s3.notify(EventTarget {
        max_attempts: 2,
        first_wait: Duration::from_millis(1),
        ..EventTarget::new(format!("http://{address}/"), "token")
    });
    f.put("k", "x").await;
    let lost = deliveries.recv().await.unwrap();
    assert!(lost.status.is_err());
    assert_eq!(lost.attempts, 2);
}

#[tokio::test]
async fn kms_objects_show_no_md5() {
    let f = fixture().await;
    let plain = f.put("k", "x").await;
    f.store()
        .configure(BUCKET, |settings| settings.kms = true)
        .unwrap();
    assert_ne!(f.put("k", "x").await, plain);
    let head = f.client.head_object().bucket(BUCKET).key("k");
    let head = head.send().await.unwrap();
    assert_eq!(head.server_side_encryption().unwrap().as_str(), "aws:kms");
}

#[tokio::test]
async fn metadata_beyond_ascii_comes_back_as_mime_words() {
    let f = fixture().await;
    let attributes = Attributes {
        metadata: [("name".to_owned(), "Zürich".to_owned())].into(),
        ..Attributes::default()
    };
    f.store().put(BUCKET, "k", "x", attributes).unwrap();
    let head = f.client.head_object().bucket(BUCKET).key("k");
    let head = head.send().await.unwrap();
    assert_eq!(head.metadata().unwrap()["name"], "=?UTF-8?B?WsO8cmljaA==?=");
}

#[tokio::test]
async fn dropping_it_ends_it() {
    let f = fixture().await;
    let address = f.s3.endpoint().trim_start_matches("http://").to_owned();
    f.put("k", "x").await;
    drop(f.s3);
    tokio::time::timeout(Duration::from_secs(5), async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}
