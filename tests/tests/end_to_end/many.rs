//! Many events at once.

use causeway_harness::s3::store::Attributes;
use causeway_tests::{content, noise, run, shared};

#[test]
fn twenty_overwrites_in_quick_succession_end_with_the_last() {
    run(async {
        let lane = shared().await.lane();
        let mut deliveries = lane.stack.local.s3.deliveries();
        for round in 0..20 {
            lane.put("busy", format!("round {round}"), Attributes::default());
            if round % 3 == 0 {
                // Lets the notifications of some rounds out before the next write.
                tokio::task::yield_now().await;
            }
        }
        let mut told = 0;
        while told < 20 {
            let delivery = deliveries.recv().await.unwrap();
            if delivery.bucket == lane.source {
                assert_eq!(delivery.status, Ok(202));
                told += 1;
            }
        }
        lane.drained().await;
        let last = lane.stored("busy").unwrap();
        assert_eq!(content(&last), "round 19");
        let outcomes = lane.outcomes("busy", 1).await;
        assert!(
            outcomes
                .iter()
                .all(|line| line["event"] == "copied" || line["event"] == "identical"),
            "{outcomes:?}"
        );
        assert_eq!(lane.letters(), []);
    });
}

#[test]
fn every_object_of_a_burst_arrives() {
    run(async {
        let lane = shared().await.lane();
        let objects: Vec<_> = (0..200_u64)
            .map(|n| {
                (
                    format!("burst/{n:03}"),
                    noise(n, usize::try_from(n * 331).unwrap()),
                )
            })
            .collect();
        for (key, bytes) in &objects {
            lane.put(key, bytes.clone(), Attributes::default());
        }
        for (key, bytes) in &objects {
            let stored = lane.copied(key).await;
            assert!(content(&stored) == *bytes, "{key} differs");
            assert_eq!(lane.commits(key, 1).await.len(), 1, "{key}");
        }
        assert_eq!(lane.names().len(), objects.len());
        assert_eq!(lane.letters(), []);
    });
}
