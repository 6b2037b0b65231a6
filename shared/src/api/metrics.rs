//! What the ledgers and the loaders of tables count, for Prometheus: its
//! [text format](https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format), in which
//! all samples of a family stand together. Each ledger writes its own samples, a section a family;
//! [`exposition`] puts the sections of all together.

use std::fmt::Write as _;

use serde_json::Value;

use crate::ledger::{Histogram, Ledger};

/// The content type of an exposition.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Stands between two sections.
const SEPARATOR: char = '\u{1f}';

/// Name, type and help.
type Family = [&'static str; 3];

/// The families of routes, in the order of the sections.
const ROUTES: [Family; 9] = [
    [
        "causeway_outcomes_total",
        "counter",
        "How often transfers ended in each way.",
    ],
    ["causeway_copied_bytes_total", "counter", "Bytes copied."],
    [
        "causeway_quarantined",
        "gauge",
        "Keys that are in quarantine now.",
    ],
    [
        "causeway_overflowed_total",
        "counter",
        "Keys that failed while the quarantine was full.",
    ],
    [
        "causeway_breaker_open",
        "gauge",
        "1 while a route's hints wait because a store refuses all of them.",
    ],
    [
        "causeway_source_objects",
        "gauge",
        "Keys at the source when all of them were last counted.",
    ],
    [
        "causeway_accepted_to_commit_seconds",
        "histogram",
        "From the worker's taking the event in to the commit.",
    ],
    [
        "causeway_event_to_commit_seconds",
        "histogram",
        "From the event's own time to the commit.",
    ],
    [
        "causeway_event_to_queryable_seconds",
        "histogram",
        "From the event's own time to its rows' being in the table, where a load adds rows.",
    ],
];

/// The families of tables, in the order of the sections.
const TABLES: [Family; 7] = [
    [
        "causeway_loads_total",
        "counter",
        "Loads that ended, failed ones included.",
    ],
    [
        "causeway_load_jobs_total",
        "counter",
        "Load jobs that BigQuery was given, failed ones included.",
    ],
    ["causeway_files_loaded_total", "counter", "Files loaded."],
    ["causeway_rows_loaded_total", "counter", "Rows loaded."],
    [
        "causeway_bad_rows_total",
        "counter",
        "Rows that BigQuery left out as bad ones.",
    ],
    [
        "causeway_load_jobs_left",
        "gauge",
        "Load jobs that may begin at once; the allowance of a day fills up evenly.",
    ],
    [
        "causeway_loads_blocked",
        "gauge",
        "1 while nothing is loaded into a table before a person acts.",
    ],
];

/// The samples of the route `name`.
#[must_use]
pub fn samples(name: &str, ledger: &Ledger) -> String {
    let [
        outcomes,
        bytes,
        quarantined,
        overflowed,
        breaker,
        objects,
        accepted,
        event,
        queryable,
    ] = ROUTES.map(|family| family[0]);
    let route = format!("route=\"{}\"", escaped(name));
    let mut text = String::new();
    // Writing to a String cannot fail.
    for (outcome, count) in &ledger.counts {
        let outcome = escaped(outcome);
        let _ = writeln!(text, "{outcomes}{{{route},outcome=\"{outcome}\"}} {count}");
    }
    let mut single = |name: &str, value: Option<u64>| {
        text.push(SEPARATOR);
        if let Some(value) = value {
            let _ = writeln!(text, "{name}{{{route}}} {value}");
        }
    };
    single(bytes, Some(ledger.bytes));
    single(quarantined, Some(ledger.quarantined));
    single(overflowed, Some(ledger.overflowed));
    single(breaker, Some(ledger.breaker.shown().is_some().into()));
    single(objects, ledger.objects);
    for (name, delays) in [
        (accepted, &ledger.accepted_to_commit),
        (event, &ledger.event_to_commit),
        (queryable, &ledger.event_to_queryable),
    ] {
        text.push(SEPARATOR);
        histogram(&mut text, name, &route, delays);
    }
    text
}

fn histogram(text: &mut String, name: &str, route: &str, delays: &Histogram) {
    let mut count = 0;
    for (end, more) in delays.steps() {
        count += more;
        let end = end.map_or_else(|| "+Inf".to_owned(), seconds);
        let _ = writeln!(text, "{name}_bucket{{{route},le=\"{end}\"}} {count}");
    }
    let sum = seconds(delays.sum());
    let _ = writeln!(
        text,
        "{name}_sum{{{route}}} {sum}\n{name}_count{{{route}}} {count}"
    );
}

/// The samples of the table called so; `loads` is what its loader answers.
#[must_use]
pub fn table_samples(table: &str, loads: &Value) -> String {
    let counts = &loads["counts"];
    let values = [
        counts["loads"].as_u64(),
        counts["jobs"].as_u64(),
        counts["files"].as_u64(),
        counts["rows"].as_u64(),
        counts["bad_rows"].as_u64(),
        loads["jobs_left"].as_u64(),
        Some((!loads["blocked"].is_null()).into()),
    ];
    let table = escaped(table);
    let mut text = String::new();
    for ([name, ..], value) in TABLES.into_iter().zip(values) {
        let value = value.unwrap_or_default();
        let _ = write!(text, "{name}{{table=\"{table}\"}} {value}\n{SEPARATOR}");
    }
    text
}

/// All of it; `routes` are their [`samples`], `tables` their [`table_samples`].
#[must_use]
pub fn exposition(routes: &[String], tables: &[String]) -> String {
    let mut text = String::new();
    for (families, samples) in [(&ROUTES[..], routes), (&TABLES[..], tables)] {
        for (section, [name, kind, help]) in families.iter().enumerate() {
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
            for sample in samples {
                text += sample.split(SEPARATOR).nth(section).unwrap_or_default();
            }
        }
    }
    text
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

fn escaped(label: &str) -> String {
    let label = label.replace('\\', "\\\\").replace('"', "\\\"");
    label.replace('\n', "\\n").replace(SEPARATOR, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn families_stand_together_and_buckets_add_up() {
        let counts = [("copied".to_owned(), 2), ("kept".to_owned(), 1)].into();
        let mut ledger = Ledger {
            counts,
            ..Ledger::default()
        };
        ledger.accepted_to_commit.add(10);
        ledger.accepted_to_commit.add(1_234);
        let routes = [
            samples("a", &ledger),
            samples("b\"\\\n", &Ledger::default()),
        ];
        let loads = json!({
            "counts": {"loads": 4, "jobs": 5, "files": 6, "rows": 7, "bad_rows": 8},
            "jobs_left": 9, "blocked": {"since": "2026-11-28T00:00:00Z"},
        });
        let tables = [
            table_samples("p.d.t", &loads),
            table_samples("p.d.u", &json!({})),
        ];
        let text = exposition(&routes, &tables);
        let at = |line: &str| {
            let found = text.lines().position(|found| found == line);
            found.unwrap_or_else(|| panic!("{line} in\n{text}"))
        };
        let copied = at("causeway_outcomes_total{route=\"a\",outcome=\"copied\"} 2");
        assert!(at("# TYPE causeway_outcomes_total counter") < copied);
        let bytes = at("# TYPE causeway_copied_bytes_total counter");
        assert!(copied < bytes);
        assert_eq!(at("causeway_copied_bytes_total{route=\"a\"} 0"), bytes + 1);
        at("causeway_copied_bytes_total{route=\"b\\\"\\\\\\n\"} 0");
        let name = "causeway_accepted_to_commit_seconds";
        at(&format!("{name}_bucket{{route=\"a\",le=\"0.010\"}} 1"));
        at(&format!("{name}_bucket{{route=\"a\",le=\"1.000\"}} 1"));
        at(&format!("{name}_bucket{{route=\"a\",le=\"2.000\"}} 2"));
        at(&format!("{name}_bucket{{route=\"a\",le=\"+Inf\"}} 2"));
        at(&format!("{name}_sum{{route=\"a\"}} 1.244"));
        at(&format!("{name}_count{{route=\"a\"}} 2"));
        assert!(!text.contains("source_objects{"));
        for (name, count) in [
            ("loads_total", 4),
            ("load_jobs_total", 5),
            ("files_loaded_total", 6),
            ("rows_loaded_total", 7),
            ("bad_rows_total", 8),
            ("load_jobs_left", 9),
            ("loads_blocked", 1),
        ] {
            let one = at(&format!("causeway_{name}{{table=\"p.d.t\"}} {count}"));
            let other = at(&format!("causeway_{name}{{table=\"p.d.u\"}} 0"));
            assert_eq!(other, one + 1);
        }
    }
}
