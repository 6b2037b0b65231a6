//! The store's rules, without HTTP.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use bytes::Bytes;

use super::*;

fn store() -> State {
    let state = State::new(Settings::default());
    state.create_bucket("bucket").unwrap();
    state
}

fn new(name: &str) -> NewObject {
    NewObject {
        bucket: "bucket".into(),
        name: name.into(),
        ..NewObject::default()
    }
}

fn put(state: &State, new: NewObject, bytes: &[u8]) -> Result<Arc<Object>, Refusal> {
    let mut writer = state.body_writer();
    writer.write(bytes).unwrap();
    state.insert(new, writer.finish())
}

fn read(object: &Object) -> Vec<u8> {
    let (mut at, mut all) = (0, Vec::new());
    loop {
        let piece = object.content.body.read_at(at, 7 << 20).unwrap();
        if piece.is_empty() {
            return all;
        }
        at += piece.len() as u64;
        all.extend_from_slice(&piece);
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Bytes that differ from quantum to quantum.
fn pattern(length: u64) -> Bytes {
    (0..length)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect()
}

fn open(state: &State, new: NewObject, total: Option<u64>) -> Arc<Session> {
    state.open_session("id".into(), new, total).unwrap();
    state.session("id").unwrap()
}

fn begin(
    session: &Arc<Session>,
    first: u64,
    length: Option<u64>,
    total: Option<u64>,
) -> Result<Append, Refusal> {
    match session.begin(Piece {
        first,
        length,
        total,
    })? {
        Begun::Append(append) => Ok(append),
        Begun::Complete(_) => panic!("the session is complete"),
    }
}

fn persisted(session: &Session) -> u64 {
    match session.status().unwrap() {
        Status::Incomplete { persisted } => persisted,
        Status::Complete(_) => panic!("the session is complete"),
    }
}

/// Sends `all[first..end]` as one piece of an object of the size of `all`.
fn send(
    state: &State,
    session: &Arc<Session>,
    all: &Bytes,
    first: u64,
    end: u64,
) -> Result<Status, Refusal> {
    let mut append = begin(session, first, Some(end - first), Some(all.len() as u64))?;
    append.push(all.slice(usize::try_from(first).unwrap()..usize::try_from(end).unwrap()))?;
    append.finish(state, &Expected::default())
}

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
    let fits = with(&[("key", "v".repeat(CUSTOM_METADATA_LIMIT - 3))]);
    put(
        &state,
        NewObject {
            metadata: fits,
            ..new("a")
        },
        b"",
    )
    .unwrap();
    let over = with(&[("key", "v".repeat(CUSTOM_METADATA_LIMIT - 2))]);
    assert!(
        put(
            &state,
            NewObject {
                metadata: over,
                ..new("a")
            },
            b""
        )
        .is_err()
    );

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
fn composing_combines_checksums_and_counts_components() {
    let state = store();
    let large = pattern(17 << 20);
    put(&state, new("a"), b"first ").unwrap();
    put(&state, new("b"), &large).unwrap();
    let sources = |names: &[&str]| {
        names
            .iter()
            .map(|name| Source {
                name: (*name).to_owned(),
                ..Source::default()
            })
            .collect::<Vec<_>>()
    };
    let whole = [b"first ", &large[..], b"first "].concat();
    let composed = state.compose(new("c"), &sources(&["a", "b", "a"])).unwrap();
    assert_eq!(
        (composed.component_count, composed.content.md5),
        (Some(3), None)
    );
    assert_eq!(composed.content.crc32c, crc32c(&whole));
    assert!(read(&composed) == whole);
    let twice = state.compose(new("c"), &sources(&["c", "c"])).unwrap();
    assert_eq!(twice.component_count, Some(6));
    assert!(state.compose(new("d"), &[]).is_err());
    assert!(state.compose(new("d"), &sources(&["a"; 33])).is_err());
    assert!(matches!(
        state.compose(new("d"), &sources(&["a", "none"])),
        Err(Refusal::ObjectNotFound(_))
    ));
    let outdated = Source {
        name: "a".into(),
        generation_match: Some(1),
        ..Source::default()
    };
    assert!(matches!(
        state.compose(new("d"), &[outdated]),
        Err(Refusal::ConditionNotMet(_))
    ));
    assert!(state.object("bucket", "d", None).is_err());
}

#[test]
fn a_session_keeps_multiples_and_completes_once() {
    let state = store();
    let all = pattern(2 * QUANTUM + 100);
    let end = all.len() as u64;
    let session = open(&state, new("a"), None);
    assert!(matches!(
        send(&state, &session, &all, 0, QUANTUM + 1),
        Err(Refusal::Invalid(_))
    ));
    assert!(matches!(
        send(&state, &session, &all, QUANTUM, end),
        Err(Refusal::Gap {
            offset: QUANTUM,
            persisted: 0
        })
    ));
    send(&state, &session, &all, 0, QUANTUM).unwrap();
    assert_eq!(persisted(&session), QUANTUM);
    let other_total = begin(&session, QUANTUM, Some(QUANTUM), Some(end + 1))
        .err()
        .unwrap();
    assert!(matches!(other_total, Refusal::Invalid(_)));
    assert!(state.object("bucket", "a", None).is_err());
    let Status::Complete(object) = send(&state, &session, &all, 0, end).unwrap() else {
        panic!("not complete")
    };
    assert!(read(&object) == all, "re-sent bytes were taken twice");
    let Status::Complete(again) = session.status().unwrap() else {
        panic!("not complete")
    };
    assert_eq!(again.generation, object.generation);
    assert!(matches!(
        session.begin(Piece {
            first: 0,
            length: Some(1),
            total: None
        }),
        Ok(Begun::Complete(_))
    ));
}

#[test]
fn a_piece_that_breaks_off_leaves_its_multiples_and_no_object() {
    let state = store();
    let all = pattern(3 * QUANTUM);
    let end = all.len() as u64;
    let session = open(&state, new("a"), Some(end));
    let mut append = begin(&session, 0, Some(end), Some(end)).unwrap();
    append.push(all.slice(..400_000)).unwrap();
    let short = append.finish(&state, &Expected::default());
    assert!(matches!(short, Err(Refusal::Invalid(_))));
    assert_eq!(persisted(&session), QUANTUM);
    // Even with every byte received, a broken-off last piece is no object and does not look like one.
    let mut append = begin(&session, QUANTUM, Some(2 * QUANTUM), Some(end)).unwrap();
    append.push(all.slice(262_144..)).unwrap();
    drop(append);
    assert_eq!(persisted(&session), 2 * QUANTUM);
    assert!(matches!(
        session.conclude(&state, end, &Expected::default()),
        Ok(Status::Incomplete { .. })
    ));
    send(&state, &session, &all, 2 * QUANTUM, end).unwrap();
    assert!(read(&state.object("bucket", "a", None).unwrap()) == all);
}

#[test]
fn a_later_request_takes_the_session_over() {
    let state = store();
    let all = pattern(QUANTUM);
    let session = open(&state, new("a"), None);
    let mut slow = begin(&session, 0, Some(QUANTUM), Some(QUANTUM)).unwrap();
    slow.push(all.slice(..1000)).unwrap();
    send(&state, &session, &all, 0, QUANTUM).unwrap();
    assert_eq!(slow.push(all.slice(1000..)), Err(Refusal::Superseded));
    assert!(read(&state.object("bucket", "a", None).unwrap()) == all);
}

#[test]
fn a_query_concludes_only_what_nobody_had_sized() {
    let state = store();
    let all = pattern(QUANTUM);
    let session = open(&state, new("a"), None);
    let mut append = begin(&session, 0, Some(QUANTUM), None).unwrap();
    append.push(all.clone()).unwrap();
    append.finish(&state, &Expected::default()).unwrap();
    assert!(matches!(
        session.conclude(&state, QUANTUM - 1, &Expected::default()),
        Err(Refusal::Invalid(_))
    ));
    assert!(matches!(
        session.conclude(&state, QUANTUM + 1, &Expected::default()),
        Ok(Status::Incomplete { .. })
    ));
    assert!(matches!(
        session.conclude(&state, QUANTUM, &Expected::default()),
        Ok(Status::Complete(_))
    ));
}

#[test]
fn refused_completions_cancelled_and_expired_sessions_are_over() {
    let state = store();
    let all = pattern(10);
    let expected = Expected {
        crc32c: Some(1),
        md5: None,
    };
    let session = open(
        &state,
        NewObject {
            expected,
            ..new("a")
        },
        None,
    );
    assert!(matches!(
        send(&state, &session, &all, 0, 10),
        Err(Refusal::Invalid(_))
    ));
    assert_eq!(session.status().err(), Some(Refusal::SessionNotFound));

    let session = open(&state, new("a"), None);
    let append = begin(&session, 0, Some(10), Some(10)).unwrap();
    state.cancel_session("id").unwrap();
    assert_eq!(state.cancel_session("id"), Err(Refusal::SessionNotFound));
    assert!(append.finish(&state, &Expected::default()).is_err());

    let session = open(&state, new("a"), None);
    state.expire_sessions();
    assert_eq!(session.status().err(), Some(Refusal::SessionGone));
    assert!(state.object("bucket", "a", None).is_err());
}

#[test]
fn listing_pages_agree_with_one_large_page() {
    let state = store();
    for name in ["a", "b/", "b/1", "b/2", "b//3", "c", "d/x/y", "d/z", "é"] {
        put(&state, new(name), b"").unwrap();
    }
    let query = |delimiter: &str, limit| ListQuery {
        delimiter: delimiter.into(),
        limit,
        ..ListQuery::default()
    };
    let entries = |page: &Listing| {
        let mut names: Vec<_> = page
            .items
            .iter()
            .map(|object| object.name.clone())
            .collect();
        names.extend(page.prefixes.iter().cloned());
        names.sort();
        names
    };
    let whole = state.list("bucket", &query("/", 100)).unwrap();
    assert_eq!(entries(&whole), ["a", "b/", "c", "d/", "é"]);
    for limit in 1..6 {
        let (mut after, mut all) = (None, Vec::new());
        loop {
            let page = state
                .list(
                    "bucket",
                    &ListQuery {
                        after,
                        ..query("/", limit)
                    },
                )
                .unwrap();
            all.extend(entries(&page));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(all, entries(&whole), "pages of {limit}");
    }
    let under = ListQuery {
        prefix: "b/".into(),
        ..query("/", 100)
    };
    assert_eq!(
        entries(&state.list("bucket", &under).unwrap()),
        ["b/", "b//", "b/1", "b/2"]
    );
    let bounded = ListQuery {
        start: Some("b/1".into()),
        end: Some("c".into()),
        ..query("", 100)
    };
    assert_eq!(
        entries(&state.list("bucket", &bounded).unwrap()),
        ["b/1", "b/2"]
    );
    let trailing = ListQuery {
        include_trailing_delimiter: true,
        ..query("/", 100)
    };
    let page = state.list("bucket", &trailing).unwrap();
    assert!(page.items.iter().any(|object| object.name == "b/") && page.prefixes == ["b/", "d/"]);
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
