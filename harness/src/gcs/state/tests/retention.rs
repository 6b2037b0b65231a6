//! What keeps an object from being deleted and replaced: its bucket's retention policy and its holds.

use jiff::SignedDuration;

use super::*;

fn retain(state: &State, seconds: Option<u64>) -> Result<Bucket, Refusal> {
    state.configure_bucket("bucket", |settings| settings.retention_seconds = seconds)
}

fn set(state: &State, change: impl FnOnce(&mut ObjectMetadata)) -> Arc<Object> {
    let changed = |metadata: &ObjectMetadata| {
        let mut next = metadata.clone();
        change(&mut next);
        Ok(next)
    };
    let any = Preconditions::default();
    state.update("bucket", "a", None, &any, changed).unwrap()
}

/// Everything that would end this generation of `a`, each refused.
fn refusals(state: &State) -> Vec<Refusal> {
    let any = Preconditions::default();
    let source = Source {
        name: "source".into(),
        ..Source::default()
    };
    let other = state.object("bucket", "source", None).unwrap();
    let all = vec![
        state.delete("bucket", "a", None, &any).err(),
        put(state, new("a"), b"other").err(),
        state.compose(new("a"), &[source], false).err(),
        state.copy(&other, new("a"), None).err(),
    ];
    assert_eq!(read(&state.object("bucket", "a", None).unwrap()), b"kept");
    all.into_iter().map(Option::unwrap).collect()
}

fn kept() -> State {
    let state = store();
    put(&state, new("a"), b"kept").unwrap();
    put(&state, new("source"), b"source").unwrap();
    state
}

#[test]
fn a_policy_keeps_what_is_there_and_what_comes() {
    let state = kept();
    let bucket = retain(&state, Some(3600)).unwrap();
    let object = state.object("bucket", "a", None).unwrap();
    let until = object.created + SignedDuration::from_hours(1);
    assert_eq!(bucket.retained_until(&object), Some(until));
    for refused in refusals(&state) {
        let wanted = Refusal::Retained {
            object: "bucket/a".into(),
            until,
        };
        assert_eq!(refused, wanted);
    }
    let moment = SignedDuration::from_millis(1);
    assert!(bucket.let_go(&object, until - moment).is_err());
    assert_eq!(bucket.let_go(&object, until), Ok(()));

    // A precondition is looked at first, and metadata stays editable.
    let outdated = Preconditions {
        generation_match: Some(1),
        ..Preconditions::default()
    };
    let refused = state.delete("bucket", "a", None, &outdated);
    assert!(matches!(refused, Err(Refusal::ConditionNotMet(_))));
    set(&state, |metadata| {
        metadata.content_type = Some("a/b".into());
    });
    put(&state, new("b"), b"").unwrap();
    retain(&state, None).unwrap();
    put(&state, new("a"), b"other").unwrap();
    for seconds in [0, RETENTION_LIMIT + 1] {
        assert!(matches!(
            retain(&state, Some(seconds)),
            Err(Refusal::Invalid(_))
        ));
    }
}

#[test]
fn a_hold_keeps_until_it_is_released() {
    let state = kept();
    set(&state, |metadata| metadata.temporary_hold = Some(true));
    for refused in refusals(&state) {
        assert!(matches!(
            refused,
            Refusal::Held {
                kind: "Temporary",
                ..
            }
        ));
    }
    set(&state, |metadata| {
        metadata.temporary_hold = Some(false);
        metadata.event_based_hold = Some(true);
    });
    for refused in refusals(&state) {
        assert!(matches!(
            refused,
            Refusal::Held {
                kind: "Event-Based",
                ..
            }
        ));
    }
    set(&state, |metadata| metadata.event_based_hold = None);
    state
        .delete("bucket", "a", None, &Preconditions::default())
        .unwrap();
}

#[test]
fn the_period_begins_when_an_event_based_hold_ends() {
    let state = kept();
    let default = |settings: &mut BucketSettings| {
        settings.retention_seconds = Some(10);
        settings.event_based_hold = true;
    };
    let bucket = state.configure_bucket("bucket", default).unwrap();
    let held = put(&state, new("b"), b"").unwrap();
    assert_eq!(held.metadata.event_based_hold, Some(true));
    assert_eq!(bucket.retained_until(&held), None);

    set(&state, |metadata| metadata.event_based_hold = Some(true));
    let released = set(&state, |metadata| metadata.event_based_hold = Some(false));
    assert!(released.retained_from > released.created);
    let until = released.updated + SignedDuration::from_secs(10);
    assert_eq!(bucket.retained_until(&released), Some(until));
}

#[test]
fn an_upload_over_a_kept_object_is_refused_at_its_end() {
    let state = kept();
    set(&state, |metadata| metadata.temporary_hold = Some(true));
    state.open_session("id".into(), new("a"), Some(1)).unwrap();
    let session = state.session("id").unwrap();
    let refused = send_byte(&state, &session).err();
    assert!(matches!(refused, Some(Refusal::Held { .. })));
    assert_eq!(session.status().err(), Some(Refusal::SessionNotFound));
}
