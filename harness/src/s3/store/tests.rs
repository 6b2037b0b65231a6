#![allow(clippy::unwrap_used)]
use super::*;

fn store() -> Store {
    let store = Store::new("eu-west-1");
    store.create_bucket("b").unwrap();
    store
}

fn put(store: &Store, key: &str, bytes: &'static str) -> Arc<Object> {
    store.put("b", key, bytes, Attributes::default()).unwrap()
}

#[test]
fn keys_that_no_client_can_reach_are_ordinary() {
    let store = store();
    for key in ["..", ".", "a/../b", "a//b", "/", "%2e%2e"] {
        let object = put(&store, key, "x");
        assert_eq!(store.get("b", key, None).unwrap().etag, object.etag);
    }
}

#[test]
fn suspended_versioning_replaces_only_the_null_version() {
    let store = store();
    put(&store, "k", "null, before");
    let set = |versioning| {
        store
            .configure("b", |settings| settings.versioning = versioning)
            .unwrap();
    };
    set(Versioning::Enabled);
    let enabled = put(&store, "k", "a version");
    set(Versioning::Suspended);
    put(&store, "k", "null, after");
    let page = store
        .list_versions(
            "b",
            &ListQuery {
                limit: 10,
                ..ListQuery::default()
            },
        )
        .unwrap();
    let [Entry::Item((_, versions))] = &page.entries[..] else {
        panic!("one key, not {page:?}");
    };
    let ids: Vec<_> = versions
        .iter()
        .map(|version| version.id().as_str())
        .collect();
    assert_eq!(ids, ["null", enabled.version_id.as_str()]);
    store
        .delete("b", "k", None, &WriteCondition::default())
        .unwrap();
    assert!(matches!(
        store.get("b", "k", Some("null")),
        Err(StoreError::DeleteMarker { named: true, .. })
    ));
    assert_eq!(
        store
            .get("b", "k", enabled.version_id.versioned())
            .unwrap()
            .etag,
        enabled.etag
    );
}

#[test]
fn a_missing_key_is_denied_to_who_may_not_list() {
    let store = store();
    store
        .configure("b", |settings| settings.list_denied = true)
        .unwrap();
    assert!(matches!(
        store.get("b", "k", None),
        Err(StoreError::AccessDenied)
    ));
}

#[test]
fn sequencers_ascend_as_text() {
    let store = store();
    let mut changes = store.subscribe();
    for _ in 0..1000 {
        put(&store, "k", "x");
    }
    let mut sequencers = Vec::new();
    while let Ok(change) = changes.try_recv() {
        sequencers.push(change.sequencer());
    }
    assert_eq!(sequencers.len(), 1000);
    assert!(sequencers.is_sorted_by(|a, b| a < b && a.len() == b.len()));
}

#[test]
fn conditions_are_checked_against_the_current_object() {
    let store = store();
    let object = put(&store, "k", "x");
    let delete = |condition: WriteCondition| store.delete("b", "k", None, &condition);
    let etag = |etag: &str| WriteCondition {
        etag: Some(etag.to_owned()),
        ..WriteCondition::default()
    };
    assert!(matches!(
        delete(etag("other")),
        Err(StoreError::PreconditionFailed(_))
    ));
    assert!(delete(etag(&object.etag)).is_ok());
    assert!(matches!(delete(etag("*")), Err(StoreError::NoSuchKey)));
}

#[test]
fn an_etag_under_kms_is_no_md5() {
    let store = store();
    let plain = put(&store, "k", "x");
    store
        .configure("b", |settings| settings.kms = true)
        .unwrap();
    let encrypted = put(&store, "k", "x");
    assert!(encrypted.kms);
    assert_eq!(encrypted.etag.len(), 32);
    assert_ne!(encrypted.etag, plain.etag);
    assert_eq!(encrypted.checksum, plain.checksum);
}
