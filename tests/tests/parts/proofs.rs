//! What proves the bytes of an object that arrives in parts, and what is refused.

use causeway_harness::s3::Fault;
use causeway_harness::s3::store::{Algorithm, SparseSpec};
use causeway_shared::error::ErrorKind;
use causeway_tests::run;

use crate::fixture::{MIB, copy, ended, fail_s3, large, put, shared, swept, written};

#[test]
fn the_source_s_crc32c_is_put_together_from_what_gcs_says_of_the_parts() {
    run(async {
        let lane = shared().await.lane();
        let spec = large(5 * MIB + 12_345);
        let stored = copy(&lane, &spec).await;
        let line = ended(&lane, "copied").await;
        assert_eq!(
            (&line["proof"], &line["parts"]),
            (&"stored-crc32c".into(), &6.into())
        );
        assert_eq!(stored.content.crc32c, spec.crc32c());
        let metadata = &stored.metadata.custom;
        assert_eq!(metadata["causeway-source-key"], "key");
        assert_eq!(written(&lane, ".causeway-parts/"), 6 + 1);
    });
}

/// S3's parts are not ours: whatever both are, the whole is the same.
#[test]
fn a_composite_is_put_together_from_the_parts_at_the_source() {
    run(async {
        let lane = shared().await.lane();
        let size = 19 * MIB + 12_345;
        let spec = SparseSpec::new(size, size).in_parts(Algorithm::Crc32c);
        assert_eq!(spec.parts.len(), 3);
        copy(&lane, &spec).await;
        assert_eq!(ended(&lane, "copied").await["proof"], "stored-crc32c");
    });
}

#[test]
fn more_than_32_parts_are_composed_as_a_tree() {
    run(async {
        let lane = shared().await.lane();
        copy(&lane, &large(261 * MIB + 1)).await;
        // 66 parts of 4 MiB, two nodes of 32 and one of 2, and the probe.
        assert_eq!(written(&lane, ".causeway-parts/"), 66 + 3 + 1);
        assert_eq!(lane.commits("key", 1).await.len(), 1);
    });
}

#[test]
fn another_checksum_of_the_whole_is_computed_part_by_part() {
    run(async {
        for (algorithm, proof) in [
            (Algorithm::Crc64Nvme, "crc64nvme"),
            (Algorithm::Crc32, "crc32"),
        ] {
            let lane = shared().await.lane();
            let spec = large(4 * MIB - 1).with(algorithm);
            copy(&lane, &spec).await;
            assert_eq!(ended(&lane, "copied").await["proof"], proof);
        }
    });
}

#[test]
fn without_any_checksum_each_part_is_proven_by_itself() {
    run(async {
        let lane = shared().await.lane();
        let mut spec = large(3 * MIB);
        spec.checksum = None;
        copy(&lane, &spec).await;
        assert_eq!(ended(&lane, "copied").await["proof"], "computed-crc32c");
    });
}

#[test]
fn parts_that_are_not_the_checksum_s_are_never_visible() {
    run(async {
        for algorithm in [Algorithm::Crc32c, Algorithm::Crc64Nvme] {
            let lane = shared().await.lane();
            let mut spec = large(3 * MIB).with(algorithm);
            spec.checksum = large(3 * MIB + 1).full_object(algorithm);
            put(&lane, &spec);
            let letter = lane.letter().await;
            assert_eq!(letter.error.kind, ErrorKind::SourceChecksumMismatch);
            let [wrong, right] = [spec.checksum, large(3 * MIB).full_object(algorithm)];
            for value in [wrong, right] {
                let value = value.unwrap().value;
                assert!(letter.error.message.contains(&value), "{}", letter.error);
            }
            assert!(!letter.message.to_string().contains("upload_id"));
            swept(&lane).await;
            assert_eq!(lane.names(), Vec::<String>::new());
            assert_eq!(written(&lane, "key"), 0);
        }
    });
}

#[test]
fn a_part_that_arrives_damaged_is_copied_again_alone() {
    run(async {
        let lane = shared().await.lane();
        let mut spec = large(4 * MIB).with(Algorithm::Crc64Nvme);
        spec.attributes.content_type = Some("text/plain".into());
        // The bytes are damaged before anyone computes anything: only S3's checksum can tell.
        fail_s3(&lane, 2 * MIB, Fault::Corrupt { at: 77 });
        put(&lane, &spec);
        crate::fixture::arrived(&lane, &spec).await;
        assert_eq!(lane.stack.local.s3.faults().pending(), []);
    });
}
