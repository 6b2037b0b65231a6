//! What S3 checks of an upload and what it shows of it later.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode};

use crate::fixture::{BUCKET, fixture, refusal, refused};

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
