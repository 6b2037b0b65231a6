//! Every dialect's bodies as they arrived (testdata/README.md), and what hint each becomes.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use causeway_shared::event::{Ignored, Notification, ObjectHint, parse};
use proptest::prelude::*;
use serde_json::{Value, json};

fn sample(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/events");
    fs::read(folder.join(format!("{name}.json"))).unwrap()
}

fn records(name: &str) -> Vec<Result<ObjectHint, Ignored>> {
    match parse(&sample(name)).unwrap() {
        Notification::Records(records) => records,
        other @ Notification::Test { .. } => panic!("{name}: {other:?}"),
    }
}

/// Name, bucket, key, event, size.
type Expected = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Option<u64>,
);

const HINTS: [Expected; 18] = [
    (
        "s3-aws",
        "demo-expensive-tasks",
        "expensieve_tasks.json",
        "ObjectCreated:Put",
        Some(1174),
    ),
    (
        "s3-moto",
        "photos",
        "dir/a b+c é.txt",
        "ObjectCreated:Put",
        Some(5),
    ),
    (
        "sns-moto",
        "photos",
        "dir/a b+c é.txt",
        "ObjectCreated:Put",
        Some(5),
    ),
    (
        "eventbridge-moto-created",
        "photos",
        "dir/a b+c é.txt",
        "Object Created",
        Some(5),
    ),
    (
        "minio-put",
        "mybucket",
        "cmd.md",
        "ObjectCreated:Put",
        Some(5),
    ),
    (
        "ceph-put",
        "mybucket1",
        "myimage1.jpg",
        "ObjectCreated:Put",
        Some(1024),
    ),
    (
        "r2-put",
        "my-bucket",
        "my-new-object",
        "CopyObject",
        Some(65536),
    ),
    (
        "r2-delete",
        "my-bucket",
        "my-new-object",
        "DeleteObject",
        None,
    ),
    (
        "seaweedfs-create",
        "photos",
        "dir/a b+c é.txt",
        "create",
        Some(5),
    ),
    (
        "seaweedfs-update",
        "photos",
        "dir/a b+c é.txt",
        "update",
        Some(6),
    ),
    (
        "seaweedfs-delete",
        "photos",
        "dir/a b+c é.txt",
        "delete",
        Some(6),
    ),
    ("seaweedfs-version", "photos", "v/one", "create", Some(1)),
    ("seaweedfs-versions", "photos", "v/one", "update", None),
    (
        "ceph-key",
        "mybucket1",
        "dir/a b+c %20 é.txt",
        "ObjectCreated:Put",
        Some(5),
    ),
    (
        "lambda-sqs",
        "photos",
        "dir/a b+c é.txt",
        "ObjectCreated:Put",
        Some(5),
    ),
    (
        "lambda-sqs-sns",
        "photos",
        "dir/a b+c é.txt",
        "ObjectCreated:Put",
        Some(5),
    ),
    (
        "lambda-sns",
        "photos",
        "dir/a b+c é.txt",
        "ObjectCreated:Put",
        Some(5),
    ),
    (
        "lambda-sqs-eventbridge",
        "photos",
        "dir/a b+c é.txt",
        "Object Created",
        Some(5),
    ),
];

#[test]
fn each_dialect_becomes_the_same_hint() {
    for (name, bucket, key, event, size) in HINTS {
        let [Ok(hint)] = &records(name)[..] else {
            panic!("{name}: {:?}", records(name));
        };
        assert_eq!(
            (
                hint.bucket.as_str(),
                hint.key.as_str(),
                hint.event.as_str(),
                hint.size
            ),
            (bucket, key, event, size),
            "{name}"
        );
        assert!(hint.time.is_some(), "{name}");
    }
}

/// What a hint rests on; all else may be anything. Of wrapped events that is the wrapper's.
const NEEDED: [&str; 21] = [
    "/Type",
    "/Message",
    "/Records/0/Sns/Message",
    "/Records/0/body",
    "/Records/0/eventVersion",
    "/Records/0/eventSource",
    "/Records/0/eventName",
    "/Records/0/s3/bucket/name",
    "/Records/0/s3/object/key",
    "/detail-type",
    "/source",
    "/detail/bucket/name",
    "/detail/object/key",
    "/action",
    "/bucket",
    "/object/key",
    "/event_type",
    "/key",
    // Whether SeaweedFS speaks of a folder, and which one's entry.
    "/message/new_entry/is_directory",
    "/message/old_entry/is_directory",
    "/message/new_parent_path",
];

/// The pointer of every value below `value`.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(list) => {
            for (index, item) in list.iter().enumerate() {
                pointers(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(map) => {
            for (name, item) in map {
                pointers(item, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn nothing_that_is_not_needed_drops_a_hint() {
    let odd = [
        Value::Null,
        json!("odd"),
        json!("-7"),
        json!(-7),
        json!(7.5),
        json!(true),
        json!([7]),
        json!({"odd": 7}),
    ];
    for (name, bucket, key, ..) in HINTS {
        let sample: Value = serde_json::from_slice(&sample(name)).unwrap();
        let mut all = Vec::new();
        pointers(&sample, "", &mut all);
        let is_needed = |pointer: &&String| {
            let of = |long: &str, short: &str| {
                let rest = long.strip_prefix(short);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            };
            NEEDED.iter().any(|needed| of(needed, pointer))
        };
        let free: Vec<_> = all.iter().filter(|pointer| !is_needed(pointer)).collect();
        assert!(!free.is_empty(), "{name}: {all:?}");
        for pointer in free {
            for odd in &odd {
                let mut changed = sample.clone();
                *changed.pointer_mut(pointer).unwrap() = odd.clone();
                let read = parse(changed.to_string().as_bytes());
                let Ok(Notification::Records(records)) = read else {
                    panic!("{name}, {pointer} {odd}: {read:?}");
                };
                let hint = records[0].as_ref();
                let hint = hint.unwrap_or_else(|why| panic!("{name}, {pointer} {odd}: {why:?}"));
                let found = (hint.bucket.as_str(), hint.key.as_str());
                assert_eq!(found, (bucket, key), "{name}, {pointer} {odd}");
            }
        }
    }
}

#[test]
fn what_is_no_object_is_ignored_with_its_reason() {
    for (name, reason) in [
        ("seaweedfs-folder", "is a folder"),
        ("seaweedfs-part", "unfinished"),
    ] {
        let [Err(ignored)] = &records(name)[..] else {
            panic!("{name}");
        };
        assert!(ignored.reason.contains(reason), "{}", ignored.reason);
    }
    let test = parse(&sample("sns-moto-test"));
    let bucket = "photos".into();
    assert_eq!(test, Ok(Notification::Test { bucket }));
}

#[test]
fn a_rename_at_seaweedfs_is_two_keys() {
    let mut event: Value = serde_json::from_slice(&sample("seaweedfs-update")).unwrap();
    event["event_type"] = "rename".into();
    event["message"]["new_parent_path"] = "/buckets/photos/other".into();
    let Ok(Notification::Records(records)) = parse(event.to_string().as_bytes()) else {
        panic!("no records");
    };
    let keys: Vec<_> = records
        .into_iter()
        .map(|record| record.unwrap().key)
        .collect();
    assert_eq!(keys, ["dir/a b+c é.txt", "other/a b+c é.txt"]);
}

#[test]
fn every_sample_is_read_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/events");
    let others = ["seaweedfs-folder", "seaweedfs-part", "sns-moto-test"];
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry
            .unwrap()
            .path()
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            HINTS.iter().any(|hint| hint.0 == name) || others.contains(&name.as_str()),
            "{name}"
        );
    }
}

/// Replaces the `at`th value of `value`, counted in the order of the text, by `new`.
fn replace(value: &mut Value, at: &mut usize, new: &Value) {
    if *at == 0 {
        *value = new.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| replace(item, at, new)),
        Value::Object(map) => map.values_mut().for_each(|item| replace(item, at, new)),
        _ => {}
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(".*", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_damage_to_a_sample_panics_and_what_is_a_hint_names_an_object(
        sample_at in 0..HINTS.len(), mut at in 0_usize..40, new in any_json(),
    ) {
        let mut event: Value = serde_json::from_slice(&sample(HINTS[sample_at].0)).unwrap();
        replace(&mut event, &mut at, &new);
        if let Ok(Notification::Records(records)) = parse(event.to_string().as_bytes()) {
            for hint in records.into_iter().flatten() {
                prop_assert!(!hint.bucket.is_empty() && !hint.key.is_empty());
            }
        }
    }

    #[test]
    fn no_cut_of_a_sample_panics(sample_at in 0..HINTS.len(), end in 0_usize..2000) {
        let body = sample(HINTS[sample_at].0);
        let _ = parse(&body[..end.min(body.len())]);
    }
}
