//! The demonstration: real files go into the embedded S3, the built worker is told and copies them,
//! and every byte is read back from the embedded GCS and compared. Then files with rows go into S3, and every row is read
//! back from a table of the embedded BigQuery.

mod corpus;
mod screen;
mod summary;
mod tables;
mod trips;
mod verify;
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use causeway_shared::sigv4::Credentials;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;

pub use corpus::{Content, Sample};
pub use screen::Screen;
pub use summary::Summary;
pub use tables::Tables;

use crate::client::{GcsClient, GcsConfig, Progress, S3Client, S3Config, ServiceAccount};
use crate::percentiles::Percentiles;
use crate::runtime::LogSink;
use crate::setup::{self, Reporter};
use crate::stack::{LocalStack, StackOptions};
use crate::stack_file::StackFile;
use tables::Loads;
use watch::{Seen, Watch};

/// Uploads at once.
const AT_ONCE: usize = 16;
const SOURCE: &str = "causeway-demo-source";
const DESTINATION: &str = "causeway-demo-destination";

/// What to demonstrate.
#[derive(Debug, Default)]
pub struct DemoOptions {
    /// A folder to upload instead of the demo's own files.
    pub folder: Option<PathBuf>,
    /// Say what is done, and draw bars, on standard error.
    pub visible: bool,
    /// Where the worker's console goes.
    pub log: LogSink,
}

/// Runs it all.
///
/// # Errors
/// When the set-up, the stack or an upload fails. Objects that are not copied are no error: they are
/// in the summary.
pub async fn run(options: DemoOptions) -> anyhow::Result<Summary> {
    let started = Instant::now();
    let say = |text: &str| {
        if options.visible {
            // There may be nobody there any more, once a terminal is closed.
            let _ = writeln!(std::io::stderr(), "  {text}");
        }
    };
    let toolchain =
        tokio::task::spawn_blocking(|| setup::ensure(&mut Reporter::stderr())).await??;
    say(
        "Starting an embedded S3, an embedded GCS, and the worker under workerd with wrangler.toml …",
    );
    let files = tempfile::tempdir().context("making a folder for the demo's files")?;
    let samples = match &options.folder {
        Some(top) => corpus::folder(top)?,
        None => corpus::mixed(files.path())?,
    };
    let routes = BTreeMap::from([("demo".into(), (SOURCE.into(), DESTINATION.into()))]);
    let (take, loads) = Loads::channel();
    let (bindings, [trips, landing]) = tables::route();
    let stack = LocalStack::start(
        &toolchain,
        StackOptions {
            routes,
            bindings,
            log: options.log.clone().also(take),
            ..StackOptions::default()
        },
    )
    .await?;
    stack.s3.store().create_bucket(trips)?;
    stack.gcs.state().create_bucket(landing)?;
    let (s3, gcs) = clients(&stack.file())?;
    say(&format!(
        "S3 {}  →  worker {}  →  GCS {}",
        stack.s3.endpoint(),
        stack.runtime.url(),
        stack.gcs.endpoint()
    ));

    let screen = Screen::new(samples.len(), options.visible);
    let watch = Watch::start(&stack, screen.clone());
    let (began, began_at) = (Timestamp::now(), Instant::now());
    let bytes = upload(&s3, &samples, &screen).await?;
    let keys: HashSet<String> = samples.iter().map(|sample| sample.key.clone()).collect();
    let seen = watch.settled(keys).await?;
    let wrong = verify::verify(&gcs, DESTINATION, &samples, &screen).await;
    screen.close();
    let start_up = began_at.duration_since(started);
    let mut summary = summarize(&samples, bytes, &seen, wrong, began, start_up);
    if options.folder.is_none() {
        say("S3  →  GCS  →  a table of the embedded BigQuery: NDJSON, CSV and Parquet …");
        summary.tables = Some(tables::run(&stack, &s3, loads, say).await?);
    }
    stack.stop().await?;
    Ok(summary)
}

fn clients(stack: &StackFile) -> anyhow::Result<(S3Client, GcsClient)> {
    let credentials = Credentials::new(&stack.access_key_id, &stack.secret_access_key, None)?;
    let s3 = S3Client::new(S3Config {
        endpoint: Some(stack.s3_endpoint.clone()),
        region: stack.region.clone(),
        credentials,
    });
    let account = ServiceAccount::from_json(&stack.google_credentials.to_string());
    let gcs = account.and_then(|account| {
        GcsClient::new(GcsConfig {
            endpoint: stack.gcs_endpoint.clone(),
            service_account: Some(account),
        })
    });
    match (s3, gcs) {
        (Ok(s3), Ok(gcs)) => Ok((s3, gcs)),
        (Err(error), _) | (_, Err(error)) => anyhow::bail!("{}", error.what),
    }
}

/// Uploads all; gives the number of bytes.
async fn upload(s3: &S3Client, samples: &[Sample], screen: &Screen) -> anyhow::Result<u64> {
    stream::iter(samples)
        .map(|sample| async move {
            let source = sample.content.source();
            let info = s3
                .put(
                    SOURCE,
                    &sample.key,
                    source,
                    &sample.attributes,
                    &Progress::default(),
                )
                .await
                .map_err(|error| {
                    anyhow::anyhow!(
                        "uploading {:?} to the embedded S3: {}",
                        sample.key,
                        error.what
                    )
                })?;
            screen.uploaded(&sample.key);
            anyhow::Ok(info.size)
        })
        .buffer_unordered(AT_ONCE)
        .try_fold(0, |sum, size| async move { Ok(sum + size) })
        .await
}

fn summarize(
    samples: &[Sample],
    bytes: u64,
    seen: &Seen,
    wrong: BTreeMap<String, String>,
    began: Timestamp,
    start_up: std::time::Duration,
) -> Summary {
    let since = |time: Option<&Timestamp>| {
        time.and_then(|time| time.duration_since(began).try_into().ok())
            .unwrap_or_default()
    };
    let first: std::time::Duration = since(seen.committed.values().min());
    let last: std::time::Duration = since(seen.committed.values().max());
    let failures = wrong
        .into_iter()
        .map(|(key, problem)| {
            let reason = seen
                .given_up
                .get(&key)
                .or_else(|| seen.undelivered.get(&key));
            let reason = reason.map_or(problem, Clone::clone);
            (key, reason)
        })
        .collect::<BTreeMap<_, _>>();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let bytes_per_s = bytes as f64 / last.as_secs_f64().max(f64::EPSILON);
    Summary {
        objects: samples.len(),
        bytes,
        copied: seen.committed.len(),
        verified: samples.len() - failures.len(),
        failed: failures.len(),
        event_to_commit_ms: Percentiles::of(seen.delays()),
        first_commit_s: summary::seconds(start_up + first),
        elapsed_s: summary::seconds(last),
        bytes_per_s: bytes_per_s.round(),
        failures,
        tables: None,
    }
}
