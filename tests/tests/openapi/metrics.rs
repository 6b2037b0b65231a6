//! What Prometheus reads.

use causeway_harness::s3::store::Attributes;
use causeway_tests::run;
use prometheus_parse::{Scrape, Value};
use reqwest::Method;
use serde_json::json;

use crate::fixture::Served;

#[test]
fn an_independent_reader_finds_every_count() {
    run(async {
        let served = Served::start(2, &serde_json::Value::Null).await;
        let lane = served.stack.lane_number(0);
        let keys: Vec<_> = (0..5).map(|number| format!("k{number}")).collect();
        for key in &keys {
            lane.put(key, vec![7; 100], Attributes::default());
        }
        let event = json!({"keys": keys});
        served
            .ask(Method::POST, "/v1/routes/lane00/events", &event, 202)
            .await;
        let copied = |answer: &causeway_tests::Answer| answer.json()["counts"]["copied"] == 5;
        served.until("/v1/routes/lane00", copied).await;
        served
            .ask(
                Method::POST,
                "/v1/routes/lane00/backfill",
                &json!({"dry_run": true}),
                202,
            )
            .await;
        let counted = |answer: &causeway_tests::Answer| answer.json()["objects"] == 5;
        served.until("/v1/routes/lane00", counted).await;

        let answer = served
            .held(served.allowed(&Method::GET, "/v1/metrics"))
            .await;
        assert_eq!(
            answer.headers["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        let lines = answer.body.lines().map(|line| Ok(line.to_owned()));
        let scrape = Scrape::parse(lines).unwrap();
        let find = |name: &str, labels: &[(&str, &str)]| {
            let fits = |sample: &&prometheus_parse::Sample| {
                sample.metric == name
                    && labels
                        .iter()
                        .all(|(label, value)| sample.labels.get(label) == Some(*value))
            };
            let found = scrape.samples.iter().find(fits);
            found
                .unwrap_or_else(|| panic!("{name} in\n{}", answer.body))
                .value
                .clone()
        };
        let outcome = [("route", "lane00"), ("outcome", "copied")];
        assert_eq!(
            find("causeway_outcomes_total", &outcome),
            Value::Counter(5.0)
        );
        let one = [("route", "lane00")];
        assert_eq!(
            find("causeway_copied_bytes_total", &one),
            Value::Counter(500.0)
        );
        assert_eq!(find("causeway_quarantined", &one), Value::Gauge(0.0));
        assert_eq!(find("causeway_source_objects", &one), Value::Gauge(5.0));
        let Value::Histogram(buckets) = find("causeway_accepted_to_commit_seconds", &one) else {
            panic!("no histogram in\n{}", answer.body);
        };
        assert_eq!(buckets.len(), 21);
        assert!(buckets.is_sorted_by(|a, b| a.less_than < b.less_than && a.count <= b.count));
        let last = buckets.last().unwrap();
        assert!(last.less_than.is_infinite() && (last.count - 5.0).abs() < 0.1);
        let other = find("causeway_copied_bytes_total", &[("route", "lane01")]);
        assert_eq!(other, Value::Counter(0.0));
    });
}
