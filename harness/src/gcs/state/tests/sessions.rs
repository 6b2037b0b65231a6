//! Resumable sessions: what of a piece is kept, and when it becomes an object.

use super::*;

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
