//! The runner: what wrangler.toml and the options say is what a worker gets, its output and its
//! dead letters arrive, and nothing of it outlives its owner. The worker here is a few lines of
//! JavaScript, so that this holds whatever the real one does.
#![allow(clippy::unwrap_used)]

mod connections;

use std::process::Command;
use std::time::{Duration, Instant};

use causeway_harness::runtime::{LogSink, Runtime, RuntimeOptions};
use causeway_harness::setup::{Reporter, Toolchain, ensure};
use serde_json::json;
use tempfile::TempDir;

const WORKER: &str = r#"
import { DurableObject } from "cloudflare:workers";
// count requests at once: each waits for its answer's headers, and then for its body.
async function many({ url, count }, { HINTS }) {
  const asked = Array.from({ length: count }, async (_, number) => (await fetch(`${url}/${number}`)).text());
  await HINTS.send("after them");
  await Promise.all(asked);
}
// wrangler.toml declares it.
export class PartsCoordinator extends DurableObject {
  async fetch(request) {
    await many(await request.json(), this.env);
    return new Response("done");
  }
}
export class RouteLedger extends DurableObject {}
export class RouteWalk extends DurableObject {}
export class QueuePuller extends DurableObject {}
export class BatchShare extends DurableObject {}
export class TableLoader extends DurableObject {}
export default {
  async fetch(request, env) {
    const body = await request.text();
    switch (new URL(request.url).pathname) {
      case "/names": return Response.json(Object.keys(env).sort());
      case "/value": return Response.json(env[body]);
      case "/fetch": return fetch(body);
      case "/log": console.log(body); break;
      case "/many": await many(JSON.parse(body), env); break;
      case "/object": return env.PARTS_COORDINATORS.getByName("one").fetch("http://object/", { method: "POST", body });
      case "/hint": await env.HINTS.send(body); break;
    }
    return new Response("hello");
  },
  async queue(batch, env) {
    for (const { body } of batch.messages) {
      console.warn(JSON.stringify({ hint: body }));
      if (body.startsWith("{")) await many(JSON.parse(body), env);
    }
  },
};"#;

/// The toolchain with the worker above in place of the real one; the folder must outlive it.
fn toolchain() -> (Toolchain, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.js"), WORKER).unwrap();
    (
        ensure(&mut Reporter::stderr())
            .unwrap()
            .with_bundle(folder.path()),
        folder,
    )
}

async fn start(options: RuntimeOptions) -> (Runtime, TempDir) {
    let (toolchain, folder) = toolchain();
    (Runtime::start(&toolchain, options).await.unwrap(), folder)
}

async fn post(runtime: &Runtime, path: &str, body: &str) -> String {
    let request = reqwest::Client::new().post(format!("{}{path}", runtime.url()));
    request
        .body(body.to_owned())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

fn is_running(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "workerd")
}

async fn wait_for_end_of(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while is_running(pid) {
        assert!(Instant::now() < deadline, "workerd {pid} still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_worker_starts_answers_and_is_gone_when_stopped() {
    let (runtime, _folder) = start(RuntimeOptions::default()).await;
    assert_eq!(post(&runtime, "/", "").await, "hello");
    let pid = runtime.pid();
    runtime.stop().await.unwrap();
    assert!(!pid.is_some_and(is_running));
}

#[tokio::test]
async fn a_worker_does_not_outlive_a_dropped_runtime() {
    let (runtime, _folder) = start(RuntimeOptions::default()).await;
    let Some(pid) = runtime.pid() else { return };
    assert!(is_running(pid));
    drop(runtime);
    wait_for_end_of(pid).await;
}

/// The test starts itself as the process that is killed.
#[tokio::test]
async fn a_worker_does_not_outlive_a_killed_process() {
    const VICTIM: &str = "CAUSEWAY_TEST_VICTIM";
    if std::env::var_os(VICTIM).is_some() {
        let (runtime, _folder) = start(RuntimeOptions::default()).await;
        std::fs::write(
            std::env::var_os(VICTIM).unwrap(),
            format!("{}", runtime.pid().unwrap_or(0)),
        )
        .unwrap();
        std::future::pending::<()>().await;
    }
    let note = tempfile::NamedTempFile::new().unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_worker_does_not_outlive_a_killed_process"])
        .env(VICTIM, note.path())
        .spawn()
        .unwrap();
    let pid: u32 = loop {
        if let Ok(pid) = std::fs::read_to_string(note.path()).unwrap().parse() {
            break pid;
        }
        assert!(
            victim.try_wait().unwrap().is_none(),
            "it ended before the runtime was up"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_for_end_of(pid).await;
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (toolchain, _folder) = toolchain();
    let options = RuntimeOptions {
        port,
        ..RuntimeOptions::default()
    };
    let error = Runtime::start(&toolchain, options)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("in use") && error.contains(&port.to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn bindings_and_queues_are_those_of_the_file_and_the_options() {
    let bindings = json!({"ROUTE_MINE": "s3://a -> gs://b", "LIMITS": {"parts": 32}});
    let bindings = bindings.as_object().unwrap().clone();
    let (runtime, _folder) = start(RuntimeOptions {
        bindings,
        replace_routes: true,
        ..RuntimeOptions::default()
    })
    .await;
    let names: Vec<String> = serde_json::from_str(&post(&runtime, "/names", "").await).unwrap();
    for name in [
        "HINTS",
        "DEAD_LETTERS",
        "LEDGERS",
        "WALKS",
        "API_LIMIT",
        "EVENTS_LIMIT",
        "ROUTE_MINE",
        "LIMITS",
    ] {
        assert!(
            names.iter().any(|found| found == name),
            "{name} is not among {names:?}"
        );
    }
    let routes = names
        .iter()
        .filter(|name| name.starts_with("ROUTE_"))
        .count();
    assert_eq!(routes, 1, "{names:?}");
    assert_eq!(
        post(&runtime, "/value", "ROUTE_MINE").await,
        r#""s3://a -> gs://b""#
    );
    assert_eq!(post(&runtime, "/value", "LIMITS").await, r#"{"parts":32}"#);
    runtime.stop().await.unwrap();
}

#[tokio::test]
async fn the_worker_reaches_this_machine_and_its_output_arrives() {
    let (sink, mut lines) = tokio::sync::mpsc::unbounded_channel();
    let server = wiremock::MockServer::start().await;
    wiremock::Mock::given(wiremock::matchers::method("GET"))
        .respond_with(wiremock::ResponseTemplate::new(200).set_body_string("from a local port"))
        .mount(&server)
        .await;
    let log = LogSink::new(move |line| sink.send(line.clone()).unwrap_or_default());
    let (runtime, _folder) = start(RuntimeOptions {
        log,
        ..RuntimeOptions::default()
    })
    .await;
    assert_eq!(
        post(&runtime, "/fetch", &server.uri()).await,
        "from a local port"
    );
    post(&runtime, "/log", "a line").await;
    post(&runtime, "/hint", "a key").await;
    for expected in [("log", "a line"), ("warn", r#"{"hint":"a key"}"#)] {
        let line = tokio::time::timeout(Duration::from_secs(20), lines.recv())
            .await
            .expect(expected.1)
            .unwrap();
        assert_eq!((&*line.level, &*line.message), expected);
    }
    runtime.stop().await.unwrap();
}
