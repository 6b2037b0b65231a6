//! How many events the door takes a second, by token and by SNS's signature, beside what a worker in
//! Rust needs to say hello.
//!
//! All events tell of one key, which is not there, so that what is behind the queue is one look a batch and
//! takes little of the machine. That none is lost is seen by events that tell of many objects.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use reqwest::Client;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::stage::{Known, Stage};
use super::worker::{self, TOKEN, Worker, client};
use super::{Bench, Better, Row};
use crate::setup::{self, Reporter, Toolchain};

/// Requests under way at once.
const AT_ONCE: usize = 32;
/// Requests of a kind in a round. The local queue holds at most 10,000 messages: it is let run empty in
/// between.
const REQUESTS: u32 = 3000;
/// Records of the event that tells of several.
const RECORDS: usize = 10;
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:bench";
const CERTIFICATE: &str = "SimpleNotificationService-bench.pem";
/// Objects that must all arrive.
const ARRIVE: usize = 1000;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let rounds = bench.pick(7, 1);
    bench.progress.subject(&format!(
        "ingress: events by token, signed by SNS, and of ten records, beside a hello, in {rounds} rounds (about {} s)",
        10 + 5 * rounds
    ));
    let hello = worker::start(bench, &hello(&bench.toolchain).await?, Map::new()).await?;
    let sns = Sns::start().await?;
    let mut stage = Stage::start().await?;
    let route = json!({"sns_topics": [TOPIC]});
    let worker = Worker::start_with(bench, &stage, &route, &sns.bindings()).await?;
    let told = stage.objects(1, 4 << 10, Known::Crc32c)?;
    let one = about_nothing(told.events.first().context("an event")?)?;
    let client = client()?;
    let greeting = Door {
        client: client.clone(),
        url: hello.url().to_owned(),
        status: 200,
    };
    let door = Door {
        client,
        url: format!("{}/events", worker.url()),
        status: 202,
    };
    let token = [("authorization", format!("Bearer {TOKEN}"))];
    let from_sns = [("x-amz-sns-message-type", "Notification".to_owned())];
    let (ten, signed) = (repeated(&one, RECORDS)?, sns.notification(&one)?);
    let nothing = (Bytes::new(), &[][..]);
    let phases = [
        ("hello", &greeting, nothing.1, &nothing.0, REQUESTS * 2),
        ("by token", &door, &token[..], &one, REQUESTS),
        ("signed by SNS", &door, &from_sns[..], &signed, REQUESTS),
        ("of ten records", &door, &token[..], &ten, REQUESTS / 5),
    ];
    let mut rates: [Vec<f64>; 4] = Default::default();
    // The first round is for the compilers of both workers.
    for round in 0..=rounds {
        for ((name, door, headers, body, count), rates) in phases.iter().zip(&mut rates) {
            bench
                .progress
                .step(format!("round {round} of {rounds}, {name}"));
            let rate = door.rate(headers, body, *count).await?;
            if round > 0 {
                rates.push(rate);
            }
            // Behind all that is in the queue: when it has arrived, the queue is empty.
            let last = stage.objects(1, 4 << 10, Known::Crc32c)?;
            worker.copy(&stage, &last).await?;
        }
    }
    // Each of these is another object's: all must arrive.
    bench.progress.step(format!("{ARRIVE} objects"));
    let batch = stage.objects(ARRIVE, 4 << 10, Known::Crc32c)?;
    worker.copy(&stage, &batch).await?;
    worker.stop().await?;
    hello.stop().await?;
    Ok(rows(rates.map(median)))
}

fn median(mut rates: Vec<f64>) -> Option<f64> {
    rates.sort_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied()
}

fn rows([greeted, one, signed, ten]: [Option<f64>; 4]) -> Vec<Row> {
    let row = |name: &str, rate| {
        Row::new(format!("events taken {name}"), "1/s", Better::Higher)
            .ours(rate)
            .against("hello of a worker in Rust", greeted)
    };
    let time = |rate: Option<f64>| rate.map(|rate| 1e6 / rate);
    vec![
        row("by token", one),
        row("signed by SNS", signed),
        row("of ten records, by token", ten),
        Row::new("a request of ten records", "µs", Better::Lower)
            .ours(time(ten))
            .against("one of one record", time(one))
            .note(format!("{ARRIVE} events of as many objects: all arrived")),
    ]
}

/// What runs the hello in place of the built worker.
async fn hello(toolchain: &Toolchain) -> anyhow::Result<Toolchain> {
    let root = toolchain.root().to_owned();
    let out = root.join("target/bench/hello");
    let folder = root.join("harness/src/bench/hello");
    let build = out.clone();
    tokio::task::spawn_blocking(move || {
        let index = build.join("index.js");
        setup::other_worker(&root, &folder, &build, &mut Reporter::stderr())?;
        // wrangler.toml, which it is run with, names them.
        let classes = [
            "PartsCoordinator",
            "QueuePuller",
            "BatchShare",
            "RouteLedger",
            "RouteWalk",
            "TableLoader",
        ];
        let mut text = std::fs::read_to_string(&index)?;
        // One that was built before has some of them.
        for class in classes {
            let export = format!("export class {class} {{}}\n");
            if !text.contains(&export) {
                text.push_str(&export);
            }
        }
        std::fs::write(&index, text)?;
        anyhow::Ok(())
    })
    .await??;
    Ok(toolchain.clone().with_bundle(out))
}

/// What is asked.
struct Door {
    client: Client,
    url: String,
    /// What it must answer.
    status: u16,
}

impl Door {
    /// Sends `count` requests; gives how many a second were answered.
    async fn rate(
        &self,
        headers: &[(&str, String)],
        body: &Bytes,
        count: u32,
    ) -> anyhow::Result<f64> {
        let began = Instant::now();
        stream::iter(0..count)
            .map(|_| self.ask(headers, body))
            .buffer_unordered(AT_ONCE)
            .try_for_each(async |()| Ok(()))
            .await?;
        Ok(f64::from(count) / began.elapsed().as_secs_f64())
    }

    async fn ask(&self, headers: &[(&str, String)], body: &Bytes) -> anyhow::Result<()> {
        let mut request = self.client.post(&self.url).body(body.clone());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let reply = request.send().await?;
        let status = reply.status();
        let said = reply.text().await?;
        ensure!(status.as_u16() == self.status, "answered {status}: {said}");
        Ok(())
    }
}

/// An event of a key that is not there.
pub(super) fn about_nothing(event: &Bytes) -> anyhow::Result<Bytes> {
    let mut event: Value = serde_json::from_slice(event)?;
    event["Records"][0]["s3"]["object"]["key"] = "nothing".into();
    Ok(event.to_string().into())
}

/// An event with its record `count` times.
fn repeated(event: &Bytes, count: usize) -> anyhow::Result<Bytes> {
    let mut event: Value = serde_json::from_slice(event)?;
    let record = event["Records"][0].clone();
    event["Records"] = vec![record; count].into();
    Ok(event.to_string().into())
}

/// What stands in the place of SNS: a certificate, and the key to sign with.
struct Sns {
    endpoint: String,
    key: RsaKeyPair,
}

impl Sns {
    async fn start() -> anyhow::Result<Self> {
        let keys =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
        let certificate = rcgen::CertificateParams::new(vec!["sns.amazonaws.com".into()])?;
        let pem = certificate.self_signed(&keys)?.pem();
        let key = RsaKeyPair::from_pkcs8(&keys.serialize_der())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let router =
            Router::new().route(&format!("/{CERTIFICATE}"), get(async move || pem.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { endpoint, key })
    }

    fn bindings(&self) -> Value {
        json!({"AWS_ENDPOINT_URL_SNS": self.endpoint})
    }

    /// `event` as SNS would send it now.
    fn notification(&self, event: &Bytes) -> anyhow::Result<Bytes> {
        let message = str::from_utf8(event)?;
        let (id, time) = ("22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", Timestamp::now());
        let text = format!(
            "Message\n{message}\nMessageId\n{id}\nTimestamp\n{time}\nTopicArn\n{TOPIC}\nType\nNotification\n"
        );
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| anyhow::anyhow!("the message could not be signed"))?;
        let message = json!({
            "Type": "Notification", "MessageId": id, "TopicArn": TOPIC, "Message": message,
            "Timestamp": time.to_string(), "SignatureVersion": "2",
            "Signature": BASE64_STANDARD.encode(signature),
            "SigningCertURL": format!("https://sns.us-east-1.amazonaws.com/{CERTIFICATE}"),
        });
        Ok(message.to_string().into())
    }
}
