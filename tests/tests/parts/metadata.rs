//! What stands beside the bytes of an object made of parts.

use causeway_harness::s3::store::Attributes;
use causeway_tests::run;
use serde_json::json;

use crate::fixture::{MIB, copy, large, with_options, written};

#[test]
fn an_object_made_of_parts_has_all_that_one_in_a_single_stream_has() {
    run(async {
        let key = "projects/p/locations/us/keyRings/r/cryptoKeys/k";
        let stack = with_options(json!({"parts_above_mib": 1, "tags": true,
            "storage_class": "NEARLINE", "kms_key": key}))
        .await;
        let lane = stack.lane();
        // More than one compose can take, so that there are intermediate objects, too.
        let mut spec = large(133 * MIB + 5);
        spec.attributes = Attributes {
            metadata: [("author".into(), "Zoë".into())].into(),
            tags: [("stage".into(), "raw".into())].into(),
            expires: Some("2030-01-02T03:04:05Z".parse().unwrap()),
            ..Attributes::content_type("video/mp4")
        };
        let stored = copy(&lane, &spec).await;
        assert_eq!(written(&lane, "/c0"), 2, "intermediate objects");
        let metadata = &stored.metadata;
        assert_eq!(metadata.content_type.as_deref(), Some("video/mp4"));
        assert_eq!(metadata.storage_class(), "NEARLINE");
        assert_eq!(metadata.kms_key_name.as_deref(), Some(key));
        let source = lane.store().get(&lane.source, "key", None).unwrap();
        assert_eq!(metadata.custom_time, Some(source.last_modified));
        for (name, value) in [
            ("author", "Zoë"),
            ("causeway-source-tag-stage", "raw"),
            ("causeway-source-expires", "Wed, 02 Jan 2030 03:04:05 GMT"),
            ("causeway-proof", "stored-crc32c"),
        ] {
            assert_eq!(metadata.custom[name], value, "{name}");
        }
    });
}
