//! The embedded stores and the binary run over them. No test stands here.

use std::path::Path;
use std::process::{Output, Stdio};

use base64::Engine as _;
use causeway_harness::client::{self, GcsClient, GcsConfig, S3Client, S3Config};
use causeway_harness::gcs::{EmbeddedGcs, GcsOptions, ServiceAccount};
use causeway_harness::s3::{EmbeddedS3, S3Options};
use causeway_shared::sigv4::Credentials;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const SECRET: &str = "a secret of the tests";

/// Both stores with a bucket named `bucket`, and a folder to work in.
pub(crate) struct Stores {
    s3: EmbeddedS3,
    pub(crate) gcs: EmbeddedGcs,
    credentials: String,
    folder: tempfile::TempDir,
}

impl Stores {
    pub(crate) async fn start() -> Self {
        let (credentials, key) = ServiceAccount::generate("tests@example.com").unwrap();
        let s3 = EmbeddedS3::start(S3Options {
            listen: ([127, 0, 0, 1], 0).into(),
            access_key_id: "TESTKEY".to_owned(),
            secret_access_key: SECRET.to_owned(),
            region: "eu-west-1".to_owned(),
            throttle: None,
        });
        let gcs = EmbeddedGcs::start(GcsOptions {
            accounts: vec![key],
            require_content_length: true,
            ..GcsOptions::default()
        });
        let (s3, gcs) = (s3.await.unwrap(), gcs.await.unwrap());
        s3.store().create_bucket("bucket").unwrap();
        gcs.state().create_bucket("bucket").unwrap();
        Self {
            s3,
            gcs,
            credentials,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn s3_client(&self) -> S3Client {
        let credentials = Credentials::new("TESTKEY", SECRET, None).unwrap();
        let (endpoint, region) = (Some(self.s3.endpoint()), "eu-west-1".to_owned());
        S3Client::new(S3Config {
            endpoint,
            region,
            credentials,
        })
        .unwrap()
    }

    pub(crate) fn gcs_client(&self) -> GcsClient {
        let account = client::ServiceAccount::from_json(&self.credentials).unwrap();
        let (endpoint, service_account) = (self.gcs.endpoint(), Some(account));
        GcsClient::new(GcsConfig {
            endpoint,
            service_account,
        })
        .unwrap()
    }

    /// The folder that commands run in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What `causeway dev` leaves behind.
    pub(crate) fn stack(&self) -> Value {
        json!({
            "s3_endpoint": self.s3.endpoint(),
            "access_key_id": "TESTKEY",
            "secret_access_key": SECRET,
            "region": "eu-west-1",
            "gcs_endpoint": self.gcs.endpoint(),
            "google_credentials": self.credentials,
            "worker_url": "http://127.0.0.1:1",
            "events_token": "t0k3n",
            "admin_token": "0perat0r",
        })
    }

    /// Leaves a file in `folder`, as `causeway dev` does there.
    pub(crate) fn leave_stack(&self, folder: &Path, worker_url: &str) {
        let mut stack = self.stack();
        stack["worker_url"] = worker_url.into();
        let file = folder.join(causeway_harness::stack_file::STACK_FILE);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, stack.to_string()).unwrap();
    }

    pub(crate) fn s3_endpoint(&self) -> String {
        self.s3.endpoint()
    }

    /// The variables that name the stores.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", "TESTKEY".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "eu-west-1".to_owned()),
            ("AWS_ENDPOINT_URL", self.s3.endpoint()),
            ("STORAGE_EMULATOR_HOST", self.gcs.endpoint()),
            ("GOOGLE_CREDENTIALS", self.credentials.clone()),
        ]
    }

    /// Runs the binary with nothing in its environment.
    pub(crate) async fn bare(&self, folder: &Path, arguments: &[&str]) -> Output {
        spawn(command(folder, arguments), b"").await
    }

    /// Runs the binary with the stores and `more` in its environment.
    pub(crate) async fn run_in(
        &self,
        more: &[(&str, String)],
        arguments: &[&str],
        input: &[u8],
    ) -> Output {
        let mut command = command(self.folder(), arguments);
        command.envs(self.environment()).envs(more.iter().cloned());
        spawn(command, input).await
    }

    pub(crate) async fn run(&self, arguments: &[&str], input: &[u8]) -> Output {
        self.run_in(&[], arguments, input).await
    }

    pub(crate) async fn run_with(&self, name: &str, value: &str, arguments: &[&str]) -> Output {
        self.run_in(&[(name, value.to_owned())], arguments, b"")
            .await
    }

    pub(crate) async fn ok_with_input(&self, arguments: &[&str], input: &[u8]) -> Output {
        let run = self.run(arguments, input).await;
        assert!(run.status.success(), "{arguments:?}: {}", text(&run.stderr));
        run
    }

    pub(crate) async fn ok(&self, arguments: &[&str]) -> Output {
        self.ok_with_input(arguments, b"").await
    }

    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let run = self.ok(&[arguments, &["--json"]].concat()).await;
        serde_json::from_slice(&run.stdout).unwrap()
    }
}

/// Runs the binary in `folder` with these variables and no others.
pub(crate) async fn run_at(
    folder: &Path,
    environment: &[(&'static str, String)],
    arguments: &[&str],
) -> Output {
    let mut command = command(folder, arguments);
    command.envs(environment.iter().cloned());
    spawn(command, b"").await
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn spawn(mut command: Command, input: &[u8]) -> Output {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = async move {
        // A command that fails early closes its end.
        let _ = stdin.write_all(input).await;
    };
    tokio::join!(feed, child.wait_with_output()).1.unwrap()
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Bytes that are the same each time and in no two places alike.
pub(crate) fn patterned(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
