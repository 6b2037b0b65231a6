//! What the simulator asks of the store: a clock that is set, bodies without bytes, a name that rests.

use super::*;
use crate::symbolic;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(1_767_225_600_000 + milliseconds).unwrap()
}

fn settled(settings: Settings) -> State {
    let state = State::new(settings);
    state.set_time(at(0));
    state.create_bucket("bucket").unwrap();
    state
}

#[test]
fn a_name_rests_between_writes_and_a_session_waits_for_it() {
    let state = settled(Settings {
        write_interval: Some(SignedDuration::from_secs(1)),
        ..Settings::default()
    });
    let first = put(&state, new("a"), b"1").unwrap();
    assert_eq!(first.created, at(0));
    state.set_time(at(999));
    assert_eq!(put(&state, new("a"), b"2").err(), Some(Refusal::TooOften));
    put(&state, new("b"), b"2").unwrap();
    state.open_session("id".into(), new("a"), Some(1)).unwrap();
    let session = state.session("id").unwrap();
    let send = || send_byte(&state, &session);
    assert_eq!(send().err(), Some(Refusal::TooOften));
    let status = session.status().unwrap();
    assert!(matches!(status, Status::Incomplete { persisted: 0 }));
    state.set_time(at(1000));
    let mut commits = state.commits();
    assert!(matches!(send().unwrap(), Status::Complete(_)));
    let replaced = commits.try_recv().unwrap().replaced;
    assert_eq!(replaced, Some((first.generation, 1)));
}

#[test]
fn a_strict_session_looks_at_its_preconditions_when_it_begins() {
    let unmet = || NewObject {
        preconditions: Preconditions {
            generation_match: Some(1),
            ..Preconditions::default()
        },
        ..new("a")
    };
    let strict = settled(Settings {
        strict_sessions: true,
        ..Settings::default()
    });
    let refused = strict.open_session("id".into(), unmet(), None);
    assert!(matches!(refused, Err(Refusal::ConditionNotMet(_))));
    store().open_session("id".into(), unmet(), None).unwrap();
}

#[test]
fn symbolic_bodies_are_put_together_and_meet_no_bytes() {
    let state = settled(Settings::default());
    let whole = symbolic::Body::whole(7, 5 << 30);
    let halves = [whole.slice(0, 1 << 30), whole.slice(1 << 30, 4 << 30)];
    for (name, half) in ["a", "b"].into_iter().zip(&halves) {
        let mut writer = state.body_writer();
        writer.push(&Chunk::Symbolic(half.slice(0, 99))).unwrap();
        writer
            .push(&Chunk::Symbolic(half.slice(99, u64::MAX)))
            .unwrap();
        writer.write(b"").unwrap();
        assert!(writer.write(b"x").is_err());
        let object = state.insert(new(name), writer.finish()).unwrap();
        assert_eq!(object.content.body.symbolic().as_ref(), Some(half));
    }
    let source = |name: &str| Source {
        name: name.to_owned(),
        ..Source::default()
    };
    let sources = [source("a"), source("b")];
    let composed = state.compose(new("c"), &sources, false).unwrap();
    assert_eq!(composed.content.crc32c, whole.crc32c());
    assert_eq!(composed.content.body.symbolic(), Some(whole));
    assert!(composed.content.body.read_at(0, 1).is_err());
    let empty = put(&state, new("d"), b"").unwrap();
    assert_eq!(
        empty.content.body.symbolic(),
        Some(symbolic::Body::default())
    );
    assert_eq!(empty.content.md5, Some(symbolic::Body::default().md5()));
    let mut writer = state.body_writer();
    writer.write(b"x").unwrap();
    assert!(writer.push(&Chunk::Symbolic(halves[0].clone())).is_err());
}
