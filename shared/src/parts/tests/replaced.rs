//! A hint that comes while a run is under way: the same object, another, or the same one to another place.

use super::*;

#[test]
fn the_same_object_is_copied_once_and_another_takes_its_place() {
    let mut coordinator = copying();
    assert_eq!(coordinator.start(order("a"), "2", at(1)), Started::Underway);
    assert_eq!(coordinator.start(order("b"), "2", at(1)), Started::New);
    assert!(!coordinator.wants("1", 0));
    assert!(matches!(coordinator.wake(at(1)), Task::Probe { run, .. } if run == "2"));
    coordinator.probed("2", Ok(true), at(1), 7);
    coordinator.sent("2", at(1));
    assert!(
        matches!(coordinator.wake(at(1)), Task::Sweep { prefix, .. } if prefix.ends_with("/1/"))
    );
}

#[test]
fn the_same_bytes_under_other_tags_are_another_object_and_looked_at_once_more() {
    let mut tagged = order("a");
    let tag = ("causeway-source-tag-kind".into(), "new".into());
    tagged.object.metadata.extend([tag]);
    let mut coordinator = copying();
    assert_eq!(coordinator.start(tagged, "2", at(1)), Started::New);
    assert!(!coordinator.wants("1", 0));
    // Which of the orders was the oldest nobody can tell, whatever was between them.
    assert_eq!(coordinator.start(order("b"), "3", at(1)), Started::New);
    assert_eq!(coordinator.start(order("a"), "4", at(1)), Started::New);
    coordinator.probed("4", Ok(true), at(1), 7);
    let mut coordinator = crashed(&coordinator, &[]);
    coordinator.assembled("4", Ok(copied()), at(1), 7);
    let Task::Settle { verdict, .. } = coordinator.wake(at(1)) else {
        panic!()
    };
    assert!(matches!(*verdict, Verdict::Again { .. }), "{verdict:?}");
}

#[test]
fn a_verdict_that_is_not_yet_known_is_never_replaced() {
    let mut coordinator = copying();
    coordinator.failed("1", error(ErrorKind::SourceDenied), 7);
    assert_eq!(coordinator.start(order("b"), "2", at(1)), Started::Busy);
    // What it made may be gone again, as who asks now has seen: its end answers only those before.
    assert_eq!(coordinator.start(order("a"), "2", at(1)), Started::Busy);
    assert!(matches!(settle(coordinator), Verdict::Quarantine(_)));
}

#[test]
fn the_same_object_at_another_place_is_another_and_what_stands_at_the_first_is_swept() {
    for (bucket, folder) in [("elsewhere", None), ("dst", Some("other/.causeway-parts/"))] {
        let mut moved = order("a");
        moved.bucket = bucket.into();
        if let Some(folder) = folder {
            moved.folder = folder.into();
        }
        let (first, mut coordinator) = (order("a"), copying());
        assert_eq!(coordinator.start(moved, "2", at(1)), Started::New);
        coordinator.probed("2", Ok(true), at(1), 7);
        coordinator.sent("2", at(1));
        let Task::Sweep { bucket, prefix } = coordinator.wake(at(1)) else {
            panic!()
        };
        assert_eq!((bucket, prefix), (first.bucket.clone(), first.prefix("1")));
    }
}

fn order_of(version: &str, etag: &str) -> CompositeCopy {
    let mut order = order(etag);
    let name = "causeway-source-version-id";
    order.object.metadata.insert(name.into(), version.into());
    order
}

/// One that is written more often than it can be copied would never be.
#[test]
fn a_run_of_one_version_is_finished_and_the_newest_hint_follows_it() {
    let mut coordinator = Coordinator::default();
    coordinator.start(order_of("v1", "a"), "1", at(0));
    coordinator.probed("1", Ok(true), at(0), 7);
    let Task::Send { parts, .. } = coordinator.wake(at(0)) else {
        panic!()
    };
    assert_eq!(parts[0].version.as_deref(), Some("v1"));
    coordinator.sent("1", at(0));
    for (version, minute) in [("v2", 1), ("v3", 2)] {
        let mut order = order_of(version, version);
        order.message.hint.version_id = Some(version.into());
        let followed = coordinator.start(order, "2", at(minute));
        assert_eq!(followed, Started::Followed);
    }
    assert_eq!(
        coordinator.start(order_of("v1", "a"), "2", at(3)),
        Started::Underway
    );
    let mut coordinator = crashed(&coordinator, &[0, 1]);
    assert!(coordinator.copied("1", 2, copy(2), at(4)));
    let mut lost = coordinator.clone();
    coordinator.assembled("1", Ok(copied()), at(4), 7);
    let Task::Settle { verdict, next, .. } = coordinator.wake(at(4)) else {
        panic!()
    };
    assert_eq!(*verdict, Verdict::Done(copied()));
    assert_eq!(next.unwrap().hint.version_id.as_deref(), Some("v3"));
    coordinator.settled("1", at(4));
    assert_eq!(
        coordinator.start(order_of("v3", "v3"), "2", at(5)),
        Started::New
    );
    // Both would look at both sides: one is enough.
    lost.assembled("1", Err(error(ErrorKind::PreconditionLost)), at(4), 7);
    let Task::Settle { verdict, next, .. } = lost.wake(at(4)) else {
        panic!()
    };
    let Verdict::Again { message, .. } = *verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        (message.hint.version_id.as_deref(), next),
        (Some("v3"), None)
    );
    // To another place, or without versions, the newer one takes the run over.
    let mut moved = order_of("v2", "b");
    moved.bucket = "elsewhere".into();
    for (old, new) in [
        (order_of("v1", "a"), moved),
        (order("a"), order_of("v2", "b")),
    ] {
        let mut coordinator = Coordinator::default();
        coordinator.start(old, "1", at(0));
        assert_eq!(coordinator.start(new, "2", at(0)), Started::New);
    }
}
