#![allow(clippy::unwrap_used)]
use super::*;
use crate::error::ErrorKind;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn begun(rate: u32) -> Walk {
    let request = Request {
        rate,
        ..Request::default()
    };
    Walk::new(Kind::Reconcile, "r", request, None, NOW)
}

fn page(last: &str, more: bool) -> Page {
    Page {
        last_key: Some(last.to_owned()),
        more,
        ..Page::default()
    }
}

#[test]
fn it_waits_as_long_as_its_rate_asks_for_what_it_sent() {
    let mut walk = begun(10);
    assert_eq!(
        walk.took(page("b", true), 2, NOW),
        Some(Duration::from_millis(200))
    );
    assert_eq!(walk.took(page("c", true), 0, NOW), Some(Duration::ZERO));
    assert_eq!((walk.last_key.as_deref(), walk.sent), (Some("c"), 2));
    assert_eq!(begun(0).took(page("b", true), 9, NOW), Some(Duration::ZERO));
}

#[test]
fn a_failure_that_passes_is_waited_for_and_one_that_does_not_ends_it() {
    let mut walk = begun(0);
    let busy = TransferError::new(ErrorKind::SourceUnavailable, "busy", "");
    assert!(walk.failed(busy, NOW, 1).is_some());
    assert_eq!(walk.failures, 1);
    assert!(walk.took(page("a", true), 0, NOW).is_some());
    assert_eq!(walk.failures, 0);
    let mut denied = TransferError::new(ErrorKind::SourceDenied, "no", "");
    assert!(walk.failed(denied.clone(), NOW, 1).is_some());
    denied.is_final = true;
    assert_eq!(walk.failed(denied.clone(), NOW, 1), None);
    let end = walk.end.clone().unwrap();
    assert_eq!((end.outcome, end.error), (Outcome::Failed, Some(denied)));
    assert_eq!(walk.count(), None);
}

#[test]
fn what_a_person_ended_stays_ended() {
    let mut walk = begun(0);
    walk.cancel(NOW);
    assert_eq!(walk.took(page("a", false), 0, NOW), None);
    assert_eq!(walk.end.as_ref().unwrap().outcome, Outcome::Cancelled);
    assert_eq!(walk.count(), None);
}

#[test]
fn an_etag_that_one_side_lacks_is_not_compared_and_a_marker_without_a_name_is_passed_over() {
    use super::merge::{Sides, merged};
    use crate::gcs::{Object, Provenance};
    use crate::s3::Listed;

    let table = serde_json::json!({"source": "s3://src/in/", "destination": "gs://dst"});
    let route = Route::parse("ROUTE_R", table).unwrap();
    let listed = |key: &str, size, etag: Option<&str>| Listed {
        key: format!("in/{key}"),
        size,
        etag: etag.map(str::to_owned),
        last_modified: Some(NOW),
    };
    let copy = |name: &str, etag: &str| {
        let provenance = Provenance {
            bucket: "src".into(),
            key: format!("in/{name}"),
            etag: etag.into(),
            version_id: None,
            last_modified: Some("Thu, 01 Jan 1970 00:00:00 GMT".into()),
            size: 3,
        };
        let mut object = Object {
            name: name.into(),
            size: "3".into(),
            ..Object::default()
        };
        provenance.write(&mut object.metadata);
        object
    };
    let sides = Sides {
        source: vec![
            listed("", 0, None),
            listed("a", 3, Some("\"e\"")),
            listed("b", 3, None),
            listed("c", 3, Some("\"e\"")),
            listed("d", 3, Some("\"f\"")),
        ],
        more_source: false,
        copies: vec![
            copy("a", ""),
            copy("b", "\"e\""),
            copy("c", "W/\"e\""),
            copy("d", "\"e\""),
        ],
        more_copies: false,
    };
    let parity = merged(&begun(0), &route, sides).parity;
    let counts = [
        parity.source,
        parity.equal,
        parity.different,
        parity.missing,
    ];
    assert_eq!(counts.map(|tally| tally.keys), [4, 3, 1, 0]);
}
