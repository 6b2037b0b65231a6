//! How many messages a second the built worker pulls from a queue of SQS, beside a client that only receives
//! and deletes.
//!
//! All messages tell of one key, which is not there, so that what is behind the queue of hints is one look a
//! batch and takes little of the machine.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bytes::Bytes;
use causeway_shared::sigv4::Credentials;
use causeway_shared::sqs::{self, Queue};
use futures::future::try_join_all;
use http::{Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::ingress::about_nothing;
use super::sqs::{Counts, Sqs};
use super::stage::{ACCESS_KEY_ID, Known, REGION, SECRET_ACCESS_KEY, Stage};
use super::worker::{Worker, client};
use super::{Bench, Better, Row};

/// How long SQS takes for an answer.
const DELAY: Duration = Duration::from_millis(15);
/// Requests that the bare client has under way: as many as Cloudflare lets one puller have.
const AT_ONCE: usize = 6;
/// The cron that wakes the puller.
const CRON: &str = "* * * * *";
/// Until the first alarm goes off and its code is compiled.
const WARM_UP: Duration = Duration::from_secs(4);
/// How long a helper is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let window = Duration::from_secs(bench.pick(8, 2));
    bench.progress.subject(&format!(
        "sqs: messages pulled from an SQS that answers in {} ms, beside a bare client (about {} s)",
        DELAY.as_millis(),
        3 * window.as_secs() + 20
    ));
    let mut stage = Stage::start().await?;
    let told = stage.objects(1, 4 << 10, Known::Crc32c)?;
    let event = about_nothing(told.events.first().context("an event")?)?;
    bench.progress.step("a bare client");
    let bare = bare(&Sqs::start(&event, DELAY).await?, window).await?;
    let sqs = Sqs::start(&event, DELAY).await?;
    let queues = json!({"SQS_QUEUES": sqs.url()});
    let mut worker = Worker::start_with(bench, &stage, &Value::Null, &queues).await?;
    worker.schedule(CRON).await?;
    bench.progress.step("one puller");
    tokio::time::sleep(WARM_UP).await;
    let alone = Window::of(&sqs, window).await;
    ensure!(alone.at_once <= AT_ONCE, "{alone:?} of one puller");
    bench.progress.step("with a helper");
    let helped = if bench.quick {
        None
    } else {
        helped(&sqs).await?;
        Some(Window::of(&sqs, window).await)
    };
    worker.stop().await?;
    let row = |name: &str, figure: Option<Window>| {
        let row = Row::new(
            format!("messages pulled, SQS answers in 15 ms, {name}"),
            "1/s",
            Better::Higher,
        );
        let row = row.ours(figure.map(|window| window.rate));
        let row = row.against("bare client, six requests at once", Some(bare));
        match figure {
            Some(window) => row.note(format!(
                "{} requests at once, {:.2} a message",
                window.at_once, window.requests
            )),
            None => row.note("not in a quick run"),
        }
    };
    Ok(vec![
        row("one puller", Some(alone)),
        row("with a helper", helped),
    ])
}

/// What was seen of an SQS for some time.
#[derive(Debug, Clone, Copy)]
struct Window {
    /// Messages deleted a second.
    rate: f64,
    /// Requests a message.
    requests: f64,
    /// The most requests under way at once.
    at_once: usize,
}

impl Window {
    async fn of(sqs: &Sqs, time: Duration) -> Self {
        let (began, before) = (Instant::now(), sqs.counts());
        sqs.at_once();
        tokio::time::sleep(time).await;
        let (after, elapsed) = (sqs.counts(), began.elapsed());
        Self::between(before, after, elapsed, sqs.at_once())
    }

    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    fn between(before: Counts, after: Counts, elapsed: Duration, at_once: usize) -> Self {
        let deleted = (after.deleted - before.deleted) as f64;
        Self {
            rate: deleted / elapsed.as_secs_f64(),
            requests: (after.requests - before.requests) as f64 / deleted,
            at_once,
        }
    }
}

/// Waits until more requests are under way than one puller has.
async fn helped(sqs: &Sqs) -> anyhow::Result<()> {
    let began = Instant::now();
    while sqs.at_once() <= AT_ONCE {
        ensure!(began.elapsed() < PATIENCE, "no helper came");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// How many messages a second are received and deleted with nothing in between.
async fn bare(sqs: &Sqs, time: Duration) -> anyhow::Result<f64> {
    let credentials = Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None)?;
    let queue = Queue::new(&credentials, REGION, sqs.url())?;
    let client = client()?;
    let began = Instant::now();
    let one = async || {
        while began.elapsed() < time {
            let request = queue.receive(0, Timestamp::now());
            let messages = ask(&client, request).await?;
            ask(&client, queue.delete(&messages, Timestamp::now())).await?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..AT_ONCE).map(|_| one())).await?;
    let (counts, elapsed) = (sqs.counts(), began.elapsed());
    Ok(Window::between(Counts::default(), counts, elapsed, AT_ONCE).rate)
}

async fn ask(
    client: &reqwest::Client,
    request: Result<Request<Bytes>, String>,
) -> anyhow::Result<Vec<sqs::Received>> {
    let request = request.map_err(anyhow::Error::msg)?;
    let reply = client.execute(request.try_into()?).await?;
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = reply.status();
    *answer.body_mut() = reply.bytes().await?;
    Ok(sqs::read(&answer)?)
}
