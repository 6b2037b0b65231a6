//! Reading all of an object, a part of it, or nothing of it because a condition does not hold.

use std::time::{Duration, SystemTime};

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{ChecksumMode, StorageClass};

use crate::fixture::{BUCKET, fixture, noise, refusal, refused};

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
