//! A short soak: events out of order, twice and late, while the source goes on changing.
#![allow(clippy::unwrap_used)]

use causeway_harness::soak::{SoakOptions, run};

#[test]
fn thousands_of_events_out_of_order_end_with_both_sides_equal() {
    causeway_tests::toolchain();
    let summary = causeway_tests::run(run(SoakOptions {
        events: 3000,
        keys: 600,
        ..SoakOptions::default()
    }))
    .unwrap();
    assert_eq!((summary.events, summary.duplicates), (3000, 300));
    assert!(summary.stale >= 300 && summary.keys == 600, "{summary:?}");
    assert!(summary.parity.equal > 300, "{summary:?}");
    assert!(summary.passed(), "{summary:#?}");
    assert_eq!(summary.parity.source, summary.parity.destination);
}
