//! Composing: what comes of it, and what it refuses.

use super::*;

fn sources(names: &[&str]) -> Vec<Source> {
    let source = |name: &&str| Source {
        name: (*name).to_owned(),
        ..Source::default()
    };
    names.iter().map(source).collect()
}

fn with(name: &str, metadata: ObjectMetadata) -> NewObject {
    NewObject {
        metadata,
        ..new(name)
    }
}

fn class(class: &str) -> ObjectMetadata {
    ObjectMetadata {
        storage_class: Some(class.into()),
        ..ObjectMetadata::default()
    }
}

fn key() -> ObjectMetadata {
    ObjectMetadata {
        kms_key_name: Some(KEY.into()),
        ..ObjectMetadata::default()
    }
}

fn names(state: &State) -> Vec<String> {
    let query = ListQuery {
        limit: 1000,
        ..ListQuery::default()
    };
    let listing = state.list("bucket", &query).unwrap();
    listing.items.iter().map(|item| item.name.clone()).collect()
}

#[test]
fn checksums_are_combined_and_components_counted() {
    let state = store();
    let large = pattern(17 << 20);
    put(&state, new("a"), b"first ").unwrap();
    put(&state, new("b"), &large).unwrap();
    put(&state, new("nothing"), b"").unwrap();
    let whole = [b"first ", &large[..], b"first "].concat();
    let list = sources(&["a", "b", "nothing", "a"]);
    let composed = state.compose(new("c"), &list, false).unwrap();
    assert_eq!(
        (composed.component_count, composed.content.md5),
        (Some(4), None)
    );
    assert_eq!(composed.content.crc32c, crc32c(&whole));
    assert!(read(&composed) == whole);

    let twice = state.compose(new("c"), &sources(&["c", "c"]), false);
    let twice = twice.unwrap();
    assert_eq!(twice.component_count, Some(8));
    assert!(read(&twice) == [&whole[..], &whole].concat());
}

#[test]
fn bodies_that_were_discarded_compose_to_the_right_checksum() {
    let state = State::new(Settings {
        discard_bodies: true,
        ..Settings::default()
    });
    state.create_bucket("bucket").unwrap();
    put(&state, new("a"), b"hello ").unwrap();
    put(&state, new("b"), b"world").unwrap();
    let composed = state.compose(new("c"), &sources(&["a", "b"]), false);
    let composed = composed.unwrap();
    assert_eq!(composed.content.crc32c, crc32c(b"hello world"));
    assert_eq!(composed.size(), 11);
    assert!(composed.content.body.is_discarded());
}

#[test]
fn what_a_source_must_be() {
    let state = store();
    put(&state, new("a"), b"a").unwrap();
    put(&state, with("cold", class("COLDLINE")), b"c").unwrap();
    let attempt = |sources: &[Source]| state.compose(new("d"), sources, false).err().unwrap();
    for refused in [
        attempt(&[]),
        attempt(&sources(&["a"; 33])),
        attempt(&sources(&["a", "cold"])),
    ] {
        assert!(matches!(refused, Refusal::Invalid(_)), "{refused}");
    }
    let pinned = |generation, generation_match| Source {
        name: "a".into(),
        generation,
        generation_match,
    };
    assert!(matches!(
        attempt(&sources(&["a", "none"])),
        Refusal::ObjectNotFound(_)
    ));
    assert!(matches!(
        attempt(&[pinned(Some(1), None)]),
        Refusal::ObjectNotFound(_)
    ));
    assert!(matches!(
        attempt(&[pinned(None, Some(1))]),
        Refusal::ConditionNotMet(_)
    ));
    let generation = state.object("bucket", "a", None).unwrap().generation;
    state.deny("bucket", Permission::Get);
    assert_eq!(
        attempt(&[pinned(Some(generation), None)]),
        Refusal::Denied(Permission::Get)
    );
    assert_eq!(names(&state), ["a", "cold"]);
    state.allow("bucket", Permission::Get);
    let good = pinned(Some(generation), Some(generation));
    state.compose(new("d"), &[good], false).unwrap();
}

#[test]
fn the_destination_has_its_own_metadata_and_its_sources_class() {
    let state = store();
    put(&state, with("cold", class("COLDLINE")), b"c").unwrap();
    let other = state.compose(with("d", class("STANDARD")), &sources(&["cold"]), false);
    assert!(matches!(other, Err(Refusal::Invalid(_))));
    let wanted = ObjectMetadata {
        content_type: Some("a/b".into()),
        custom: [("k".to_owned(), "v".to_owned())].into(),
        custom_time: Some("2025-01-02T00:00:00Z".parse().unwrap()),
        ..ObjectMetadata::default()
    };
    let composed = state.compose(with("d", wanted.clone()), &sources(&["cold"]), false);
    let expected = ObjectMetadata {
        storage_class: Some("COLDLINE".into()),
        ..wanted
    };
    assert_eq!(composed.unwrap().metadata, expected);

    let outdated = NewObject {
        preconditions: Preconditions {
            generation_match: Some(0),
            ..Preconditions::default()
        },
        ..new("d")
    };
    let refused = state.compose(outdated, &sources(&["cold"]), true).err();
    assert!(matches!(refused, Some(Refusal::ConditionNotMet(_))));
    assert_eq!(names(&state), ["cold", "d"]);
}

#[test]
fn a_customers_key_does_not_get_lost() {
    let state = store();
    put(&state, with("a", key()), b"a").unwrap();
    let lost = state.compose(new("d"), &sources(&["a"]), false).err();
    assert!(matches!(lost, Some(Refusal::Invalid(text)) if text.contains("kmsKeyName")));
    let kept = state.compose(with("d", key()), &sources(&["a"]), false);
    assert_eq!(kept.unwrap().metadata.kms_key_name.as_deref(), Some(KEY));
    let set = |settings: &mut BucketSettings| settings.kms_key_name = Some(KEY.into());
    state.configure_bucket("bucket", set).unwrap();
    let kept = state.compose(new("d"), &sources(&["a"]), false);
    assert_eq!(kept.unwrap().metadata.kms_key_name.as_deref(), Some(KEY));
}

#[test]
fn an_object_of_more_than_5_tib_cannot_be() {
    let state = store();
    let quarter = HashedBody::sham(SIZE_LIMIT / 4);
    state.insert(new("quarter"), quarter).unwrap();
    let whole = state.compose(new("whole"), &sources(&["quarter"; 4]), false);
    assert_eq!(whole.unwrap().size(), SIZE_LIMIT);
    put(&state, new("byte"), b"x").unwrap();
    let over = state.compose(new("over"), &sources(&["whole", "byte"]), false);
    assert!(matches!(over.err(), Some(Refusal::Invalid(text)) if text.contains("5 TiB")));
    let total = Some(SIZE_LIMIT + 1);
    let refused = state.open_session("id".into(), new("over"), total);
    assert!(matches!(refused, Err(Refusal::Invalid(_))));
}

#[test]
fn sources_go_away_with_the_composition_or_not_at_all() {
    let state = store();
    let mut commits = state.commits();
    for name in ["a", "b"] {
        put(&state, new(name), name.as_bytes()).unwrap();
    }
    state.deny("bucket", Permission::Delete);
    let list = sources(&["b", "a", "b"]);
    let denied = state.compose(new("d"), &list, true).err();
    assert_eq!(denied, Some(Refusal::Denied(Permission::Delete)));
    state.allow("bucket", Permission::Delete);
    let held = |metadata: &ObjectMetadata| {
        Ok(ObjectMetadata {
            temporary_hold: Some(metadata.temporary_hold.is_none()),
            ..metadata.clone()
        })
    };
    let any = Preconditions::default();
    state.update("bucket", "b", None, &any, held).unwrap();
    let kept = state.compose(new("d"), &list, true).err();
    assert!(matches!(kept, Some(Refusal::Held { .. })));
    assert_eq!(names(&state), ["a", "b"]);

    state.update("bucket", "b", None, &any, held).unwrap();
    let composed = state.compose(new("a"), &list, true).unwrap();
    assert_eq!(read(&composed), b"bab");
    assert_eq!(names(&state), ["a"]);
    let told: Vec<_> = std::iter::from_fn(|| commits.try_recv().ok())
        .map(|commit| (commit.name, commit.deleted))
        .collect();
    let wanted = [("a", false), ("b", false), ("a", false), ("b", true)];
    assert_eq!(
        told,
        wanted.map(|(name, deleted)| (name.to_owned(), deleted))
    );
}
