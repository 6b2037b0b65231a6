//! Everything beside the bytes, from a store that speaks S3 to one that speaks GCS.

use aws_sdk_s3::types::{Tag, Tagging};
use causeway_harness::s3::store::{Attributes, Tags};
use causeway_tests::{Lane, Stack, run, shared};
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;

use crate::objects::aws_client;

const KEY: &str = "projects/p/locations/us/keyRings/r/cryptoKeys/k";
const LANES: usize = 4;

/// A stack whose routes have every option.
async fn with_options() -> &'static Stack {
    static STACK: OnceCell<Stack> = OnceCell::const_new();
    STACK
        .get_or_init(|| async {
            let routes: Map<String, Value> = (0..LANES)
                .map(|n| {
                    let route = json!({"source": format!("s3://source-{n:02}"),
                        "destination": format!("gs://destination-{n:02}"), "tags": true,
                        "custom_time": false, "storage_class": "NEARLINE", "kms_key": KEY});
                    (format!("ROUTE_LANE{n:02}"), route)
                })
                .collect();
            Stack::start(LANES, routes).await
        })
        .await
}

fn tags(pairs: &[(&str, &str)]) -> Tags {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

async fn set_tags(lane: &Lane<'_>, key: &str, pairs: &[(&str, &str)]) {
    let tag = |(key, value): &(&str, &str)| Tag::builder().key(*key).value(*value).build();
    let set = pairs.iter().map(tag).collect::<Result<_, _>>().unwrap();
    aws_client(lane)
        .put_object_tagging()
        .bucket(&lane.source)
        .key(key)
        .tagging(Tagging::builder().set_tag_set(Some(set)).build().unwrap())
        .send()
        .await
        .unwrap();
}

fn tags_at(lane: &Lane<'_>, key: &str) -> Value {
    let stored = lane.stored(key).unwrap();
    let tags: Map<String, Value> = stored
        .metadata
        .custom
        .iter()
        .filter_map(|(name, value)| {
            let key = name.strip_prefix("causeway-source-tag-")?;
            Some((key.to_owned(), json!(value)))
        })
        .collect();
    Value::Object(tags)
}

#[test]
fn text_beyond_ascii_and_the_time_of_the_last_change_arrive() {
    run(async {
        let lane = shared().await.lane();
        let long = "Ünï日本😀 ".repeat(20);
        let metadata = [
            ("author", "Zoë"),
            ("title", "日本語 😀"),
            ("long", long.trim()),
        ];
        let put = lane.put(
            "key",
            "bytes",
            Attributes {
                metadata: tags(&metadata),
                expires: Some("2030-01-02T03:04:05Z".parse().unwrap()),
                website_redirect_location: Some("/elsewhere".into()),
                ..Attributes::default()
            },
        );
        let stored = lane.copied("key").await;
        let custom = &stored.metadata.custom;
        for (name, value) in metadata {
            assert_eq!(custom[name], value);
        }
        assert_eq!(
            custom["causeway-source-expires"],
            "Wed, 02 Jan 2030 03:04:05 GMT"
        );
        assert_eq!(
            custom["causeway-source-website-redirect-location"],
            "/elsewhere"
        );
        assert_eq!(stored.metadata.custom_time, Some(put.last_modified));
        assert_eq!(stored.metadata.storage_class, None);
    });
}

#[test]
fn a_route_s_options_are_seen_on_the_copy() {
    run(async {
        let lane = with_options().await.lane();
        let attributes = Attributes {
            tags: tags(&[("stage", "raw"), ("cost center", "A & B <c>")]),
            ..Attributes::default()
        };
        lane.put("key", "bytes", attributes);
        let stored = lane.copied("key").await;
        assert_eq!(stored.metadata.storage_class(), "NEARLINE");
        assert_eq!(stored.metadata.kms_key_name.as_deref(), Some(KEY));
        assert_eq!(stored.metadata.custom_time, None);
        assert_eq!(
            tags_at(&lane, "key"),
            json!({"stage": "raw", "cost%20center": "A & B <c>"})
        );
    });
}

#[test]
fn a_changed_tag_brings_the_copy_up_to_date_and_an_unchanged_one_does_nothing() {
    run(async {
        let lane = with_options().await.lane();
        lane.put("key", "bytes", Attributes::default());
        lane.copied("key").await;
        assert_eq!(tags_at(&lane, "key"), json!({}));

        set_tags(&lane, "key", &[("stage", "clean")]).await;
        lane.commits("key", 2).await;
        assert_eq!(tags_at(&lane, "key"), json!({"stage": "clean"}));

        set_tags(&lane, "key", &[("stage", "clean")]).await;
        let outcomes = lane.outcomes("key", 3).await;
        assert_eq!(outcomes[2]["event"], "identical", "{outcomes:?}");
        assert_eq!(lane.commits("key", 2).await.len(), 2);
    });
}

#[test]
fn tags_that_do_not_fit_are_named_and_the_bytes_arrive() {
    run(async {
        let lane = with_options().await.lane();
        // S3 takes them: ten tags, 256 characters a value.
        let padding = "k".repeat(100);
        let keys: Vec<_> = (0..10).map(|n| format!("tag-{n}-{padding}")).collect();
        let value = "日".repeat(256);
        let all: Vec<_> = keys
            .iter()
            .map(|key| (key.as_str(), value.as_str()))
            .collect();
        let attributes = Attributes {
            metadata: tags(&[("author", "Zoë")]),
            tags: tags(&all),
            ..Attributes::default()
        };
        lane.put("key", "bytes", attributes);
        let stored = lane.copied("key").await;
        let custom = &stored.metadata.custom;
        assert_eq!(custom["author"], "Zoë");
        let kept = tags_at(&lane, "key").as_object().unwrap().len();
        assert!((5..10).contains(&kept), "{kept}");
        let missing: Vec<_> = keys[kept..]
            .iter()
            .map(|key| format!("tag {key}"))
            .collect();
        assert_eq!(custom["causeway-omitted"], missing.join(", "));
        let outcome = &lane.outcomes("key", 1).await[0];
        assert_eq!(outcome["omitted"], missing.join(", "));
    });
}
