//! The coordinator, task by task, and what a crash between two of them does.
#![allow(clippy::unwrap_used)]

mod assembled;
mod replaced;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::composite::CompositeCopy;
use crate::error::{ErrorKind, TransferError};
use crate::event::ObjectHint;
use crate::gcs::{Generation, Object, Precondition, Provenance};
use crate::integrity::{Checksum, Proof};
use crate::message::HintMessage;
use crate::plan::Parts;
use crate::retry::DELIVERIES;
use crate::route::Route;
use crate::s3::StoredChecksums;
use crate::transfer::Outcome;

const COUNT: u32 = 3;

fn order(etag: &str) -> CompositeCopy {
    let hint = ObjectHint {
        bucket: "src".into(),
        key: "k".into(),
        event: "ObjectCreated:Put".into(),
        time: None,
        version_id: None,
        size: None,
        sequencer: None,
    };
    let provenance = Provenance {
        bucket: "src".into(),
        key: "k".into(),
        etag: etag.into(),
        version_id: None,
        last_modified: None,
        size: 5,
    };
    let mut object = Object {
        name: "k".into(),
        ..Object::default()
    };
    provenance.write(&mut object.metadata);
    CompositeCopy {
        message: HintMessage::new("r", hint, Timestamp::UNIX_EPOCH),
        bucket: "dst".into(),
        folder: "in/.causeway-parts/".into(),
        object,
        precondition: Precondition::DoesNotExist,
        etag: etag.into(),
        stored: StoredChecksums {
            shared: Some(Checksum::Crc32c(1)),
            ..StoredChecksums::default()
        },
        parts: Parts {
            total: 5,
            length: 2,
            digest: None,
        },
        quiet_after: 300,
    }
}

fn copy(number: u32) -> PartCopy {
    PartCopy {
        component: Component {
            name: format!("p{number}"),
            generation: Generation(u64::from(number) + 1),
        },
        digests: Digests::default(),
    }
}

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn error(kind: ErrorKind) -> TransferError {
    TransferError::new(kind, "", "")
}

/// What only a person can end.
fn barred() -> TransferError {
    let mut error = error(ErrorKind::DestinationDenied);
    error.is_final = true;
    error
}

fn copied() -> Outcome {
    Outcome::Copied {
        generation: Generation(9),
        size: 5,
        proof: Proof::StoredCrc32c,
        omitted: None,
    }
}

/// What a crash leaves: what was stored, read again.
fn crashed(coordinator: &Coordinator, copies: &[u32]) -> Coordinator {
    let stored = serde_json::to_string(coordinator).unwrap();
    let copies: BTreeMap<_, _> = copies.iter().map(|&n| (n, copy(n))).collect();
    let read: Coordinator = serde_json::from_str(&stored).unwrap();
    read.with_copies(copies)
}

/// A coordinator whose parts are under way.
fn copying() -> Coordinator {
    let mut coordinator = Coordinator::default();
    assert_eq!(coordinator.start(order("a"), "1", at(0)), Started::New);
    let Task::Probe { run, folder, .. } = coordinator.wake(at(0)) else {
        panic!()
    };
    assert_eq!((&*run, &*folder), ("1", "in/.causeway-parts/"));
    coordinator.probed("1", Ok(true), at(0), 7);
    let Task::Send { parts, .. } = coordinator.wake(at(0)) else {
        panic!()
    };
    assert_eq!(parts.len(), COUNT as usize);
    assert_eq!((parts[2].first, parts[2].length, parts[2].total), (4, 1, 5));
    assert_eq!(parts[0].prefix, "in/.causeway-parts/1/");
    coordinator.sent("1", at(0));
    coordinator
}

/// One whose parts are all there.
fn complete() -> Coordinator {
    let mut coordinator = copying();
    for number in [2, 0, 1] {
        assert!(!coordinator.is_complete());
        assert!(coordinator.copied("1", number, copy(number), at(1)));
    }
    assert!(coordinator.is_complete());
    coordinator
}

/// Takes the verdict, reports it settled, and checks that the parts are swept, twice.
fn settle(mut coordinator: Coordinator) -> Verdict {
    let Task::Settle { run, verdict, .. } = coordinator.wake(at(2)) else {
        panic!()
    };
    let mut coordinator = crashed(&coordinator, &[]);
    coordinator.settled(&run, at(2));
    for _ in 0..2 {
        let Task::Sweep { bucket, prefix } = coordinator.wake(at(20)) else {
            panic!()
        };
        assert_eq!((&*bucket, &*prefix), ("dst", "in/.causeway-parts/1/"));
        assert_eq!(coordinator.swept(&prefix, Ok(()), at(2), 7), None);
    }
    assert_eq!(coordinator.wake(at(20)), Task::Rest);
    *verdict
}

#[test]
fn all_parts_lead_to_a_commit_and_leave_nothing() {
    let mut coordinator = complete();
    let Task::Assemble { parts, prefix, .. } = coordinator.wake(at(1)) else {
        panic!()
    };
    let names: Vec<_> = parts.iter().map(|part| &*part.component.name).collect();
    assert_eq!(names, ["p0", "p1", "p2"]);
    assert_eq!(prefix, "in/.causeway-parts/1/");
    coordinator.assembled("1", Ok(copied()), at(1), 7);
    assert_eq!(settle(coordinator), Verdict::Done(copied()));
}

#[test]
fn a_crash_costs_no_more_than_the_same_task_again() {
    let coordinator = copying();
    let mut again = crashed(&coordinator, &[0, 2]);
    assert!(!again.wants("1", 0) && again.wants("1", 1));
    assert!(again.copied("1", 1, copy(1), at(1)));
    assert!(matches!(again.wake(at(1)), Task::Assemble { .. }));
    let mut again = crashed(&complete(), &[0, 1, 2]);
    assert!(matches!(again.wake(at(1)), Task::Assemble { .. }));
}

#[test]
fn a_crash_between_the_last_copy_and_the_state_after_it_loses_neither() {
    let mut coordinator = copying();
    coordinator.copied("1", 0, copy(0), at(1));
    let mut again = crashed(&coordinator, &[0, 1, 2]);
    assert!(again.is_complete() && !again.wants("1", 2));
    assert!(matches!(again.wake(at(1)), Task::Assemble { parts, .. } if parts.len() == 3));
}

#[test]
fn a_part_that_nobody_heard_of_is_sent_again_alone_and_not_for_ever() {
    let mut coordinator = copying();
    coordinator.copied("1", 0, copy(0), at(1));
    coordinator.copied("1", 2, copy(2), at(2));
    assert_eq!(coordinator.wake(at(46)), Task::Wait(at(47)));
    let mut minutes = 47;
    loop {
        match coordinator.wake(at(minutes)) {
            Task::Send { parts, .. } => {
                assert_eq!(parts.len(), 1);
                assert_eq!(parts[0].part, 1);
                coordinator.sent("1", at(minutes));
            }
            Task::Settle { verdict, .. } => {
                let Verdict::Quarantine(error) = *verdict else {
                    panic!("{verdict:?}")
                };
                assert_eq!(error.kind, ErrorKind::PartsLost);
                break;
            }
            other => panic!("{other:?}"),
        }
        minutes += 45;
    }
    assert!(minutes < 45 * 20);
}

/// In a backlog of hours the parts are only waiting: to send all of them again would make it longer.
#[test]
fn a_silence_is_asked_about_with_one_part_and_the_others_follow_only_if_that_comes_first() {
    let numbers = |task: Task| match task {
        Task::Send { parts, .. } => parts.iter().map(|part| part.part).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let asked = || {
        let mut coordinator = copying();
        assert_eq!(numbers(coordinator.wake(at(45))), [0]);
        coordinator.sent("1", at(45));
        let mut coordinator = crashed(&coordinator, &[]);
        assert_eq!(coordinator.wake(at(46)), Task::Wait(at(90)));
        coordinator
    };
    let mut backlog = asked();
    assert!(backlog.copied("1", 1, copy(1), at(50)));
    assert_eq!(backlog.wake(at(51)), Task::Wait(at(95)));
    let mut lost = asked();
    assert!(lost.copied("1", 0, copy(0), at(46)));
    assert_eq!(numbers(lost.wake(at(46))), [1, 2]);
}

/// Parts may be gone with their queue, and the key's next hint is then the first to know.
#[test]
fn a_hint_for_a_run_that_has_been_quiet_has_its_missing_parts_sent_again() {
    let mut coordinator = copying();
    coordinator.copied("1", 1, copy(1), at(2));
    let hint =
        |coordinator: &mut Coordinator, minutes| coordinator.start(order("a"), "2", at(minutes));
    assert_eq!(hint(&mut coordinator, 6), Started::Underway);
    assert_eq!(hint(&mut coordinator, 7), Started::Hurried);
    let mut coordinator = crashed(&coordinator, &[1]);
    let Task::Send { run, parts } = coordinator.wake(at(7)) else {
        panic!()
    };
    let numbers: Vec<_> = parts.iter().map(|part| part.part).collect();
    assert_eq!((&*run, &*numbers), ("1", &[0, 2][..]));
    assert_eq!(hint(&mut coordinator, 7), Started::Underway);
    coordinator.sent("1", at(7));
    // What is in a backlog is not made longer again and again.
    let mut hurried = Vec::new();
    for minutes in 8..7 + 45 {
        if hint(&mut coordinator, minutes) == Started::Hurried {
            hurried.push(minutes);
            coordinator.sent("1", at(minutes));
        }
    }
    assert_eq!(hurried, [17, 37]);
    // Nor is the object given up any sooner.
    for round in 1..8 {
        let Task::Send { run, .. } = coordinator.wake(at(37 + 45 * round)) else {
            panic!("{round}")
        };
        coordinator.sent(&run, at(37 + 45 * round));
    }
    let end = coordinator.wake(at(37 + 45 * 8));
    assert!(matches!(end, Task::Settle { .. }), "{end:?}");
}

#[test]
fn what_does_not_wait_for_parts_is_not_hurried() {
    let mut coordinator = Coordinator::default();
    coordinator.start(order("a"), "1", at(0));
    assert_eq!(
        coordinator.start(order("a"), "2", at(40)),
        Started::Underway
    );
    let mut coordinator = complete();
    assert_eq!(
        coordinator.start(order("a"), "2", at(40)),
        Started::Underway
    );
}

#[test]
fn a_part_is_kept_once() {
    let mut coordinator = copying();
    assert!(coordinator.copied("1", 0, copy(0), at(1)));
    assert!(!coordinator.copied("1", 0, copy(0), at(1)));
    assert!(!coordinator.copied("2", 1, copy(1), at(1)));
    assert!(!coordinator.wants("2", 1));
}

#[test]
fn a_source_that_changed_puts_the_hint_back() {
    let mut coordinator = copying();
    coordinator.failed("1", error(ErrorKind::SourceChanged), 7);
    assert!(!coordinator.wants("1", 0));
    let Verdict::Again { message, delay, .. } = settle(coordinator) else {
        panic!()
    };
    assert_eq!(message.returns, 1);
    assert!(delay <= Duration::from_secs(2));
}

#[test]
fn a_part_that_cannot_be_copied_quarantines_the_object() {
    let mut coordinator = copying();
    coordinator.failed("1", error(ErrorKind::SourceDenied), 7);
    let Verdict::Quarantine(error) = settle(coordinator) else {
        panic!()
    };
    assert_eq!(error.kind, ErrorKind::SourceDenied);
}

#[test]
fn bytes_that_are_not_the_checksum_s_are_tried_again_and_then_quarantined() {
    let mut coordinator = complete();
    let mismatch = error(ErrorKind::SourceChecksumMismatch);
    coordinator.assembled("1", Err(mismatch.clone()), at(1), 7);
    let Verdict::Again { message, .. } = settle(coordinator) else {
        panic!()
    };
    let mut order = order("a");
    order.message.returns = message.returns + 1;
    let mut coordinator = Coordinator::default();
    coordinator.start(order, "1", at(0));
    coordinator.probed("1", Ok(true), at(0), 7);
    coordinator.assembled("1", Err(mismatch), at(1), 7);
    assert!(matches!(settle(coordinator), Verdict::Quarantine(_)));
}

#[test]
fn a_commit_that_somebody_was_before_looks_again_and_one_that_gcs_could_not_do_waits() {
    let mut coordinator = complete();
    let lost = error(ErrorKind::PreconditionLost);
    coordinator.assembled("1", Err(lost), at(1), 7);
    assert!(matches!(settle(coordinator), Verdict::Again { .. }));

    let mut coordinator = complete();
    let busy = error(ErrorKind::DestinationUnavailable);
    coordinator.assembled("1", Err(busy), at(1), 7);
    assert!(matches!(coordinator.wake(at(1)), Task::Wait(_)));
    assert!(matches!(coordinator.wake(at(2)), Task::Assemble { .. }));
}

#[test]
fn one_refusal_while_composing_costs_neither_the_parts_nor_the_object() {
    for kind in [
        ErrorKind::DestinationDenied,
        ErrorKind::DestinationUnexpected,
        ErrorKind::DestinationCredentialRefused,
    ] {
        let mut coordinator = complete();
        coordinator.assembled("1", Err(error(kind)), at(1), 7);
        assert!(matches!(coordinator.wake(at(2)), Task::Assemble { .. }));
    }
    let mut coordinator = complete();
    coordinator.assembled("1", Err(barred()), at(1), 7);
    assert!(matches!(settle(coordinator), Verdict::Quarantine(_)));
}

#[test]
fn where_parts_cannot_be_deleted_the_hint_goes_back_for_one_stream() {
    let mut coordinator = Coordinator::default();
    coordinator.start(order("a"), "1", at(0));
    coordinator.probed("1", Ok(false), at(0), 7);
    let Verdict::Again { message, delay, .. } = settle(coordinator) else {
        panic!()
    };
    assert!(message.one_stream);
    assert_eq!(delay, Duration::ZERO);
}

#[test]
fn what_deleting_was_tried_with_is_deleted_where_nothing_came_of_it() {
    let mut coordinator = Coordinator::default();
    coordinator.start(order("a"), "1", at(0));
    coordinator.probed("1", Err(barred()), at(0), 7);
    assert!(matches!(coordinator.wake(at(0)), Task::Settle { .. }));
    coordinator.settled("1", at(0));
    let mut swept = Vec::new();
    while let Task::Sweep { prefix, .. } = coordinator.wake(at(60)) {
        coordinator.swept(&prefix, Ok(()), at(0), 7);
        swept.push(prefix);
    }
    assert!(swept.contains(&"in/.causeway-parts/may-be-deleted".to_owned()));
    assert_eq!(coordinator.wake(at(60)), Task::Rest);
}

#[test]
fn what_is_left_twice_in_one_place_is_waited_for_like_one() {
    let mut coordinator = Coordinator::default();
    for run in ["1", "2"] {
        coordinator.start(order("a"), run, at(0));
        coordinator.probed(run, Err(barred()), at(0), 7);
        assert!(matches!(coordinator.wake(at(0)), Task::Settle { .. }));
        coordinator.settled(run, at(0));
    }
    let mut places = Vec::new();
    while let Task::Sweep { prefix, .. } = coordinator.wake(at(1)) {
        assert!(!places.contains(&prefix), "{prefix} again, with no wait");
        assert_eq!(coordinator.swept(&prefix, Err(barred()), at(1), 7), None);
        places.push(prefix);
    }
    assert_eq!(places.len(), 3);
}

#[test]
fn a_part_goes_only_where_the_route_leads_now() {
    let leads = |destination: &str| {
        let table = serde_json::json!({"source": "s3://src", "destination": destination});
        let route = Route::parse("ROUTE_R", table).unwrap();
        copy::is_of(&order("a").part(0, "1"), &route)
    };
    assert!(leads("gs://dst/in/"));
    assert!(!leads("gs://elsewhere/in/") && !leads("gs://dst/in/in/"));
}

#[test]
fn parts_that_cannot_be_deleted_are_tried_again_and_then_named() {
    let mut coordinator = copying();
    coordinator.failed("1", error(ErrorKind::SourceDenied), 7);
    coordinator.settled("1", at(1));
    let prefix = "in/.causeway-parts/1/";
    let busy = error(ErrorKind::DestinationUnavailable);
    assert_eq!(coordinator.swept(prefix, Err(busy), at(1), 7), None);
    assert!(matches!(coordinator.wake(at(1)), Task::Wait(_)));
    // Nobody can replay it: what waiting does not mend in a transfer is tried again here.
    let denied = error(ErrorKind::DestinationDenied);
    let unreadable = error(ErrorKind::DestinationUnexpected);
    for _ in 2..DELIVERIES {
        let refused = Err(unreadable.clone());
        assert_eq!(coordinator.swept(prefix, refused, at(1), 7), None);
    }
    let named = coordinator.swept(prefix, Err(denied.clone()), at(1), 7);
    assert_eq!(named, Some(denied));
    assert_eq!(coordinator.wake(at(1)), Task::Rest);
}
