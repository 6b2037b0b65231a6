//! The built worker itself: how large it is, and how long it takes to start.

use std::fs;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Map, Value};

use super::stage::Stage;
use super::worker::{BareWorker, cold_start};
use super::{Bench, Better, Row, milliseconds};

/// What a worker may have after compression, in KiB, on Workers Free (Paid: 10 MiB)
/// ([limits](https://developers.cloudflare.com/workers/platform/limits/#worker-size)).
const FREE_LIMIT: f64 = 3.0 * 1024.0;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let starts = bench.pick(7, 2);
    bench.progress.subject(&format!(
        "bundle and start: {starts} cold starts (about {} s)",
        3 * starts
    ));
    let (size, compressed) = sizes(bench)?;
    let stage = Stage::start().await?;
    let mut bindings = stage.bindings(&Value::Null);
    bindings.insert("EVENTS_TOKEN".into(), "a-token-of-the-bench-only".into());
    let bare = BareWorker::toolchain(&bench.toolchain);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 1..=starts {
        bench
            .progress
            .step(format!("cold start {round} of {starts}"));
        ours.push(cold_start(bench, &bench.toolchain, bindings.clone(), "/healthz").await?);
        theirs.push(cold_start(bench, &bare, Map::new(), "/").await?);
    }
    let median = |starts: &[(_, _)], of: fn(&(_, _)) -> _| {
        let mut values: Vec<_> = starts.iter().map(of).map(milliseconds).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let start = Row::new("cold start: runtime and worker", "ms", Better::Lower)
        .ours(median(&ours, |start| start.0))
        .against("bare JavaScript worker", median(&theirs, |start| start.0));
    let first = Row::new("first answer of a running runtime", "ms", Better::Lower)
        .ours(median(&ours, |start| start.1))
        .against("bare JavaScript worker", median(&theirs, |start| start.1));
    Ok(vec![
        Row::new("bundle size", "KiB", Better::Lower).ours(Some(size)),
        Row::new("bundle size, gzip", "KiB", Better::Lower)
            .ours(Some(compressed))
            .against("limit of Workers Free", Some(FREE_LIMIT)),
        start,
        first,
    ])
}

/// KiB of the built worker's files, as they are and compressed as one.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn sizes(bench: &Bench) -> anyhow::Result<(f64, f64)> {
    let mut size = 0;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    for entry in fs::read_dir(bench.toolchain.bundle())? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|kind| kind == "js" || kind == "wasm")
        {
            let bytes = fs::read(path)?;
            size += bytes.len();
            gzip.write_all(&bytes)?;
        }
    }
    let compressed = gzip.finish()?.len();
    Ok((size as f64 / 1024.0, compressed as f64 / 1024.0))
}
