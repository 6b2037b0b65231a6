//! Sizes, and what S3 knows of an object's checksum: each combination takes its own way.

use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use causeway_harness::s3::store::Attributes;
use causeway_tests::{Lane, content, noise, run, shared, write_event};
use serde_json::Value;

use crate::objects::aws_client;

/// What [`causeway_shared::plan::plan`] divides at.
const CHUNK: usize = 256 << 10;
const BUFFERED: usize = 1 << 20;
const SINGLE: usize = 8 << 20;

/// Copies an object of each of `sizes`, whose transfers must report `proof`.
async fn copy_each(lane: &Lane<'_>, sizes: &[usize], proof: &str) {
    for &size in sizes {
        let (key, bytes) = (format!("{size}"), noise(size as u64, size));
        lane.put(&key, bytes.clone(), Attributes::default());
        let stored = lane.copied(&key).await;
        assert_eq!(stored.size(), size as u64);
        assert!(content(&stored) == bytes, "{size} bytes differ");
        let outcome = &lane.outcomes(&key, 1).await[0];
        assert_eq!(outcome["proof"], proof, "{size} bytes");
        assert_eq!(lane.commits(&key, 1).await.len(), 1);
    }
}

#[test]
fn objects_with_an_md5_arrive_whatever_their_size() {
    run(async {
        let lane = shared().await.lane();
        let sizes = [0, 1, CHUNK, CHUNK + 1, SINGLE, SINGLE + 1, 20 << 20];
        copy_each(&lane, &sizes, "stored-md5").await;
    });
}

#[test]
fn objects_under_kms_have_no_md5_and_are_checked_against_s3s_crc64nvme() {
    run(async {
        let lane = shared().await.lane();
        lane.store()
            .configure(&lane.source, |settings| settings.kms = true)
            .unwrap();
        let sizes = [
            0,
            1,
            CHUNK,
            BUFFERED,
            BUFFERED + 1,
            BUFFERED + CHUNK,
            BUFFERED + CHUNK + 7,
            SINGLE + 1,
        ];
        copy_each(&lane, &sizes, "crc64nvme").await;
    });
}

#[test]
fn a_multipart_object_is_checked_against_s3s_crc64nvme() {
    run(async {
        let lane = shared().await.lane();
        let bytes = noise(7, (11 << 20) + 5);
        let written = upload_in_parts(&lane, "parts", &bytes, ChecksumAlgorithm::Crc64Nvme).await;
        assert!(written.ends_with("-3\""), "{written}");
        let stored = lane.copied("parts").await;
        assert!(content(&stored) == bytes);
        let outcome = &lane.outcomes("parts", 1).await[0];
        assert_eq!(outcome["proof"], "crc64nvme");
        assert_eq!(stored.metadata.custom["causeway-source-etag"], written);
        let object = lane.store().get(&lane.source, "parts", None).unwrap();
        assert_eq!(
            object.checksum.as_ref().unwrap().algorithm.name(),
            "CRC64NVME"
        );
    });
}

/// Copies an object in parts under a composite checksum and gives its proof.
async fn copy_composite(lane: &Lane<'_>, key: &str, algorithm: ChecksumAlgorithm) -> Value {
    let bytes = noise(8, (10 << 20) + 5);
    upload_in_parts(lane, key, &bytes, algorithm).await;
    let object = lane.store().get(&lane.source, key, None).unwrap();
    assert_eq!(object.checksum.as_ref().unwrap().kind.name(), "COMPOSITE");
    let stored = lane.copied(key).await;
    assert!(content(&stored) == bytes);
    lane.outcomes(key, 1).await[0]["proof"].clone()
}

#[test]
fn a_composite_crc_is_put_together_from_those_of_the_parts() {
    run(async {
        let lane = shared().await.lane();
        for (algorithm, proof) in [
            (ChecksumAlgorithm::Crc32C, "stored-crc32c"),
            (ChecksumAlgorithm::Crc32, "crc32"),
            (ChecksumAlgorithm::Sha256, "computed-crc32c"),
        ] {
            let key = format!("{algorithm}");
            assert_eq!(copy_composite(&lane, &key, algorithm).await, proof, "{key}");
        }
        // What stands there is known again without asking for the parts.
        lane.store()
            .configure(&lane.source, |settings| settings.attributes_denied = true)
            .unwrap();
        let again = write_event(&lane.source, "CRC32C", Some((10 << 20) + 5));
        lane.stack.send(&again).await;
        let outcomes = lane.outcomes("CRC32C", 2).await;
        assert_eq!(outcomes[1]["event"], "identical", "{outcomes:?}");
    });
}

#[test]
fn without_the_permission_to_ask_for_the_parts_it_is_computed_and_nobody_is_troubled() {
    run(async {
        let lane = shared().await.lane();
        lane.store()
            .configure(&lane.source, |settings| settings.attributes_denied = true)
            .unwrap();
        for key in ["one", "other"] {
            let proof = copy_composite(&lane, key, ChecksumAlgorithm::Crc32C).await;
            assert_eq!(proof, "computed-crc32c");
            assert_eq!(lane.outcomes(key, 1).await.len(), 1);
        }
        assert_eq!(lane.letters(), []);
    });
}

/// Uploads `bytes` in parts of 5 MiB and gives the ETag.
async fn upload_in_parts(
    lane: &Lane<'_>,
    key: &str,
    bytes: &[u8],
    algorithm: ChecksumAlgorithm,
) -> String {
    let client = aws_client(lane);
    let created = client
        .create_multipart_upload()
        .bucket(&lane.source)
        .key(key);
    let created = created
        .checksum_algorithm(algorithm.clone())
        .send()
        .await
        .unwrap();
    let id = created.upload_id().unwrap();
    let mut parts = Vec::new();
    for (number, piece) in (1..).zip(bytes.chunks(5 << 20)) {
        let part = client
            .upload_part()
            .bucket(&lane.source)
            .key(key)
            .upload_id(id);
        let part = part.part_number(number).body(piece.to_vec().into());
        let part = part
            .checksum_algorithm(algorithm.clone())
            .send()
            .await
            .unwrap();
        parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(part.e_tag)
                .set_checksum_crc32(part.checksum_crc32)
                .set_checksum_crc32_c(part.checksum_crc32_c)
                .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
                .set_checksum_sha256(part.checksum_sha256)
                .build(),
        );
    }
    let parts = CompletedMultipartUpload::builder()
        .set_parts(Some(parts))
        .build();
    let complete = client
        .complete_multipart_upload()
        .bucket(&lane.source)
        .key(key);
    let complete = complete
        .upload_id(id)
        .multipart_upload(parts)
        .send()
        .await
        .unwrap();
    complete.e_tag.unwrap()
}
