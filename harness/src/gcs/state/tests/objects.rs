//! Objects: their generations, checksums, metadata and names, and who may touch them.

use super::*;

#[test]
fn generations_grow_and_preconditions_hold_at_the_write() {
    let state = store();
    let absent = Preconditions {
        generation_match: Some(0),
        ..Preconditions::default()
    };
    let first = put(
        &state,
        NewObject {
            preconditions: absent.clone(),
            ..new("a")
        },
        b"1",
    )
    .unwrap();
    let again = put(
        &state,
        NewObject {
            preconditions: absent,
            ..new("a")
        },
        b"2",
    )
    .err()
    .unwrap();
    assert!(matches!(again, Refusal::ConditionNotMet(_)), "{again}");
    let second = put(&state, new("a"), b"3").unwrap();
    assert!(second.generation > first.generation);
    assert_eq!(read(&state.object("bucket", "a", None).unwrap()), b"3");
    assert!(matches!(
        state.object("bucket", "a", Some(first.generation)),
        Err(Refusal::ObjectNotFound(_))
    ));
    let outdated = Preconditions {
        generation_match: Some(first.generation),
        ..Preconditions::default()
    };
    assert!(matches!(
        state.delete("bucket", "a", None, &outdated),
        Err(Refusal::ConditionNotMet(_))
    ));
    assert_eq!(state.delete_bucket("bucket"), Err(Refusal::BucketNotEmpty));
    state
        .delete(
            "bucket",
            "a",
            Some(second.generation),
            &Preconditions::default(),
        )
        .unwrap();
    state.delete_bucket("bucket").unwrap();
}

#[test]
fn wrong_checksums_leave_nothing_behind() {
    let state = store();
    for expected in [
        Expected {
            crc32c: Some(1),
            md5: None,
        },
        Expected {
            crc32c: Some(crc32c(b"x")),
            md5: Some([0; 16]),
        },
    ] {
        let refused = put(
            &state,
            NewObject {
                expected,
                ..new("a")
            },
            b"x",
        )
        .err()
        .unwrap();
        assert!(
            matches!(&refused, Refusal::Invalid(text) if text.contains("doesn't match")),
            "{refused}"
        );
        assert!(state.object("bucket", "a", None).is_err());
    }
}

#[test]
fn metadata_rules() {
    let state = store();
    let with = |custom: &[(&str, String)]| ObjectMetadata {
        custom: custom
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
        ..ObjectMetadata::default()
    };
    let half = CUSTOM_METADATA_LIMIT / 2;
    let full = |last: usize| {
        with(&[
            ("a", "v".repeat(half - 1)),
            ("b", "v".repeat(half - 1 - 100)),
            ("c", "v".repeat(last)),
        ])
    };
    let attempt = |metadata| {
        let object = NewObject {
            metadata,
            ..new("a")
        };
        put(&state, object, b"")
    };
    attempt(full(99)).unwrap();
    attempt(with(&[(&"k".repeat(1024), "v".repeat(4096))])).unwrap();
    for over in [
        full(100),
        with(&[("key", "v".repeat(4097))]),
        with(&[(&"k".repeat(1025), String::new())]),
        with(&[("", String::new())]),
        ObjectMetadata {
            storage_class: Some("standard".into()),
            ..ObjectMetadata::default()
        },
        ObjectMetadata {
            kms_key_name: Some(format!("{KEY}/cryptoKeyVersions/1")),
            ..ObjectMetadata::default()
        },
    ] {
        assert!(matches!(attempt(over), Err(Refusal::Invalid(_))));
    }

    let at = |time: &str| {
        state.update("bucket", "a", None, &Preconditions::default(), |current| {
            let custom_time = (!time.is_empty()).then(|| time.parse().unwrap());
            Ok(ObjectMetadata {
                custom_time,
                ..current.clone()
            })
        })
    };
    assert_eq!(at("2025-01-02T00:00:00Z").unwrap().metageneration, 2);
    assert!(at("2025-01-01T00:00:00Z").is_err());
    assert!(at("").is_err());
    assert_eq!(state.object("bucket", "a", None).unwrap().metageneration, 2);
}

#[test]
fn names() {
    let long = "é".repeat(NAME_LIMIT / 2);
    for good in [
        "a//b",
        "+",
        "%2F",
        "...",
        " ",
        "x/.well-known/acme-challenge/",
        &long,
    ] {
        assert_eq!(validate_name(good), Ok(()), "{good}");
    }
    let longer = format!("{long}x");
    for bad in [
        "",
        ".",
        "..",
        "a\nb",
        "a\rb",
        ".well-known/acme-challenge/x",
        &longer,
    ] {
        assert!(validate_name(bad).is_err(), "{bad}");
    }
    for bad in [
        "ab",
        "Abc",
        "-ab",
        "ab-",
        "a..b",
        "goog-x",
        "my-google",
        "192 1",
    ] {
        assert!(validate_bucket_name(bad).is_err(), "{bad}");
    }
}

#[test]
fn denied_permissions_and_commits() {
    let state = store();
    let mut commits = state.commits();
    put(&state, new("a"), b"12").unwrap();
    state.deny("bucket", Permission::Delete);
    assert_eq!(
        put(&state, new("a"), b"").err(),
        Some(Refusal::Denied(Permission::Delete))
    );
    state.allow("bucket", Permission::Delete);
    state
        .delete("bucket", "a", None, &Preconditions::default())
        .unwrap();
    state.deny("bucket", Permission::List);
    assert_eq!(
        state.object("bucket", "a", None).err(),
        Some(Refusal::Denied(Permission::List))
    );
    let told = [commits.try_recv().unwrap(), commits.try_recv().unwrap()];
    assert_eq!(
        told.each_ref().map(|commit| (commit.size, commit.deleted)),
        [(2, false), (2, true)]
    );
    assert!(commits.try_recv().is_err());
}
