//! What is stored with an object and comes back: its bytes, its headers and its key.

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumMode, ChecksumType, EncodingType, MetadataDirective, StorageClass, Tag, Tagging,
};
use causeway_harness::s3::store::Attributes;

use crate::fixture::{BUCKET, fixture, refusal, refused};

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
