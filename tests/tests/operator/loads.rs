//! What is shown of tables.

use causeway_harness::client::ErrorKind;
use causeway_harness::s3::store::Attributes;
use causeway_tests::{Lane, Stack, Table, run, with_tables};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fixture::{TOKEN, ask, status_when};

async fn loads(lane: &Lane<'_>, below: &str) -> Value {
    let path = format!("/v1/routes/{}/loads{below}", lane.route);
    let (status, body) = ask(lane.stack, Method::GET, &path, Some(TOKEN), None).await;
    assert_eq!(status.as_u16(), 200, "{path} {body}");
    body
}

async fn loads_when(lane: &Lane<'_>, look: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let seen = loads(lane, "").await;
        if look(&seen) {
            return seen;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("waited in vain: {:#}", loads(lane, "").await);
}

async fn metrics(stack: &Stack) -> String {
    let url = format!("{}/v1/metrics", stack.local.runtime.url());
    let request = stack.http.get(url).bearer_auth(TOKEN);
    request.send().await.unwrap().text().await.unwrap()
}

#[test]
fn loads_are_listed_and_counted_with_how_they_ended() {
    run(async {
        let stack = with_tables(1, &json!({"on_overwrite": "append"})).await;
        let table = Table::of(stack.lane(), &Value::Null);
        let lane = &table.lane;
        let none = loads(lane, "").await;
        assert_eq!(
            (&none["ended"], &none["under_way"]),
            (&json!([]), &json!([]))
        );
        table.put("a.json", "2026-11-27", "a", &[1, 2, 3]);
        table.has(&[("a", 3)]).await;
        loads_when(lane, |seen| seen["counts"]["loads"] == 1).await;
        let bad = "{\"number\": \"many\"}\n";
        lane.put("bad.json", bad, Attributes::default());
        let seen = loads_when(lane, |seen| seen["counts"]["loads"] == 2).await;
        let [failed, loaded] = &seen["ended"].as_array().unwrap()[..] else {
            panic!("{seen:#}");
        };
        assert_eq!((&loaded["files"], &loaded["rows"]), (&json!(1), &json!(3)));
        assert_eq!(failed["error"]["kind"], "load-refused", "{failed:#}");
        assert!(
            failed["error"]["message"]
                .as_str()
                .unwrap()
                .contains("many")
        );
        let id = failed["id"].as_str().unwrap();
        assert_eq!(loads(lane, &format!("/{id}")).await, *failed);
        let older = loads(lane, "?before=1").await;
        assert_eq!(older["ended"], json!([loaded]));

        let admin = stack.admin();
        let page = admin.loads(&lane.route, None).await.unwrap();
        assert_eq!(serde_json::to_value(&page.ended).unwrap(), seen["ended"]);
        assert_eq!(page.counts.rows, 3);
        let load = admin.load(&lane.route, id).await.unwrap();
        assert_eq!(load, page.ended[0]);
        let unknown = admin.load(&lane.route, "0123456789abcdef").await;
        assert_eq!(unknown.unwrap_err().kind, ErrorKind::NotFound);

        let status = status_when(lane, |status| status["counts"]["load-refused"] == 1).await;
        assert_eq!(status["counts"]["loaded"], 1, "{status:#}");
        assert_eq!(status["event_to_queryable"]["count"], 1);
        assert_eq!(status["event_to_commit"]["count"], 2);
        let text = metrics(&stack).await;
        let table = "{table=\"local-project.tests.lane00\"}";
        for sample in [
            format!("causeway_loads_total{table} 2"),
            format!("causeway_files_loaded_total{table} 1"),
            format!("causeway_rows_loaded_total{table} 3"),
            format!("causeway_bad_rows_total{table} 0"),
            format!("causeway_loads_blocked{table} 0"),
            "causeway_event_to_queryable_seconds_count{route=\"lane00\"} 1".to_owned(),
            "causeway_outcomes_total{route=\"lane00\",outcome=\"loaded\"} 1".to_owned(),
        ] {
            assert!(
                text.lines().any(|line| line == sample),
                "{sample} in\n{text}"
            );
        }
    });
}

#[test]
fn what_holds_a_table_up_is_shown_with_its_load() {
    run(async {
        let stack = with_tables(1, &json!({})).await;
        let lane = stack.lane();
        lane.put("a.json", "{\"number\": 1}\n", Attributes::default());
        let seen = loads_when(&lane, |seen| !seen["blocked"].is_null()).await;
        assert_eq!(
            seen["blocked"]["error"]["kind"], "table-missing",
            "{seen:#}"
        );
        let load = &seen["under_way"][0];
        assert_eq!(
            (&load["files"], &load["format"]),
            (&json!(1), &json!("ndjson"))
        );
        let id = load["id"].as_str().unwrap();
        assert_eq!(
            loads(&lane, &format!("/{id}")).await["phase"],
            load["phase"]
        );
        let sample = "causeway_loads_blocked{table=\"local-project.tests.lane00\"} 1";
        assert!(metrics(&stack).await.contains(sample));
    });
}
