//! Lists come in pages.

use causeway_harness::s3::store::Attributes;
use causeway_shared::retry::DELIVERIES_OF_REFUSED;
use causeway_tests::run;
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::Served;

/// All items of a list, page by page.
async fn all(served: &Served, path: &str, list: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("{path}?limit={limit}{after}");
        let page = served.ask(Method::GET, &path, &Value::Null, 200).await;
        let found = page[list].as_array().unwrap();
        assert!(found.len() <= limit, "{path} {page}");
        items.extend(found.iter().cloned());
        match page["next"].as_str() {
            Some(next) => after = format!("&after={}", next.replace('/', "%2F").replace(' ', "+")),
            None => return items,
        }
    }
}

#[test]
fn every_item_is_on_one_page_whatever_their_size() {
    run(async {
        let twin = json!({"source": "s3://source-00", "destination": "gs://destination-04/x"});
        let mut served = Served::start(5, &json!({"ROUTE_TWIN": twin})).await;
        let lane = served.stack.lane_number(0);
        let keys: Vec<_> = (0..4).map(|number| format!("no/{number}")).collect();
        for key in &keys {
            lane.store().deny(&lane.source, Some(key.as_str())).unwrap();
            lane.put(key, "x", Attributes::default());
        }
        served
            .stack
            .local
            .runtime
            .enqueue("DEAD_LETTERS", &json!("no message of ours"))
            .await
            .unwrap();
        let body = json!({"keys": keys});
        served
            .ask(Method::POST, "/v1/routes/lane00/events", &body, 202)
            .await;
        let settled = |answer: &causeway_tests::Answer| answer.json()["quarantined"] == 4;
        served.until("/v1/routes/lane00", settled).await;
        let settled = |answer: &causeway_tests::Answer| answer.json()["quarantined"] == 1;
        served.until("/v1/routes/unrouted", settled).await;

        let deliveries = usize::try_from(DELIVERIES_OF_REFUSED).unwrap();
        for limit in [1, 2, 3, 100] {
            let routes = all(&served, "/v1/routes", "routes", limit).await;
            let routes: Vec<_> = routes
                .iter()
                .map(|route| route["route"].as_str().unwrap())
                .collect();
            assert_eq!(
                routes,
                [
                    "lane00", "lane01", "lane02", "lane03", "lane04", "twin", "unrouted"
                ]
            );
            let sources = all(&served, "/v1/sources", "sources", limit).await;
            assert_eq!(sources.len(), 5);
            assert_eq!(sources[0]["routes"], json!(["lane00", "twin"]));
            assert_eq!(
                all(&served, "/v1/destinations", "destinations", limit)
                    .await
                    .len(),
                6
            );
            let entries = all(&served, "/v1/routes/lane00/quarantine", "entries", limit).await;
            let found: Vec<_> = entries
                .iter()
                .map(|entry| entry["key"].as_str().unwrap())
                .collect();
            assert_eq!(found, keys);
            let transfers = all(&served, "/v1/routes/lane00/transfers", "transfers", limit).await;
            assert_eq!(transfers.len(), 4 * deliveries);
        }
        let gone = "/v1/sources?after=s3%3A%2F%2Fgone%2F";
        let page = served.ask(Method::GET, gone, &Value::Null, 200).await;
        assert_eq!(page, json!({"sources": [], "next": null}));
    });
}

#[test]
fn keys_that_are_not_the_routes_are_ignored() {
    run(async {
        let table = json!({"source": "s3://source-00/in/", "destination": "gs://destination-00"});
        let served = Served::start(1, &json!({"ROUTE_LANE00": table})).await;
        let path = "/v1/routes/lane00/events";
        let keys = json!({"keys": ["in/a", "out/a"]});
        let taken = served.ask(Method::POST, path, &keys, 202).await;
        assert_eq!(taken["accepted"].as_array().unwrap().len(), 1);
        let reason = "The key does not begin with the route's prefix.";
        let ignored = json!([{"bucket": "source-00", "key": "out/a", "reason": reason}]);
        assert_eq!(taken["ignored"], ignored);
        served
            .ask(Method::POST, "/v1/routes/unrouted/events", &keys, 404)
            .await;
        let path = "/v1/routes/lane00/transfers/source-00%2Fin%2Fa";
        let gone = served.until(path, |answer| answer.status == 200).await;
        assert_eq!(gone["outcome"], "source-gone");
    });
}
