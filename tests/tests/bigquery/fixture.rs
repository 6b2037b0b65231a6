//! The two stores, and the programs that are run against them. No test stands here.

use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use causeway_harness::bigquery::{BigQueryOptions, EmbeddedBigQuery};
use causeway_harness::gcs::state::{Expected, NewObject, ObjectMetadata, Preconditions};
use causeway_harness::gcs::{EmbeddedGcs, GcsOptions, ServiceAccount};
use causeway_harness::setup::{Reporter, python};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

/// The project of the account's key.
pub(crate) const PROJECT: &str = "causeway-demo";
pub(crate) const BUCKET: &str = "landing";
/// Set where Python must be there: in CI.
const PYTHON_REQUIRED: &str = "CAUSEWAY_REQUIRE_PYTHON";
/// Set where bq must be there: in CI.
const GCLOUD_REQUIRED: &str = "CAUSEWAY_REQUIRE_GCLOUD";
/// A client's script takes a few seconds; a machine that compiles beside it may need many times that.
const LIMIT: Duration = Duration::from_mins(4);

/// A BigQuery with the dataset `sales`, and the GCS whose objects it loads.
pub(crate) struct Stores {
    pub(crate) gcs: EmbeddedGcs,
    pub(crate) bigquery: EmbeddedBigQuery,
    folder: TempDir,
}

impl Stores {
    /// Both, for one account, with a bucket.
    pub(crate) async fn start() -> Self {
        let (credentials, account) =
            ServiceAccount::generate("loader@local.iam.gserviceaccount.com").unwrap();
        let gcs = GcsOptions {
            accounts: vec![account],
            ..GcsOptions::default()
        };
        let gcs = EmbeddedGcs::start(gcs).await.unwrap();
        gcs.state().create_bucket(BUCKET).unwrap();
        let bigquery = BigQueryOptions::default();
        let bigquery = EmbeddedBigQuery::start(bigquery, &gcs).await.unwrap();
        let dataset = json!({ "datasetReference": { "datasetId": "sales" }, "location": "EU" });
        let dataset = dataset.as_object().unwrap();
        bigquery.state().insert_dataset(PROJECT, dataset).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut key: Value = serde_json::from_str(&credentials).unwrap();
        key["token_uri"] = gcs.token_uri().into();
        std::fs::write(folder.path().join("key.json"), key.to_string()).unwrap();
        Self {
            gcs,
            bigquery,
            folder,
        }
    }

    /// The account's key file.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("key.json")
    }

    /// Puts an object into the bucket.
    pub(crate) fn put(&self, name: &str, content: &str) {
        let mut body = self.gcs.state().body_writer();
        body.write(content.as_bytes()).unwrap();
        let object = NewObject {
            bucket: BUCKET.into(),
            name: name.into(),
            metadata: ObjectMetadata::default(),
            preconditions: Preconditions::default(),
            expected: Expected::default(),
        };
        self.gcs.state().insert(object, body.finish()).unwrap();
    }

    /// A request of somebody with a token for everything.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1);
        self.gcs.accounts().grant("all", "tester", end);
        let url = format!(
            "{}/bigquery/v2/projects/{PROJECT}{path}",
            self.bigquery.endpoint()
        );
        Client::new().request(method, url).bearer_auth("all")
    }

    /// Runs a shell with `programs` before the system's, in an empty folder; gives what it printed. It must
    /// succeed.
    pub(crate) async fn shell(&self, programs: &Path, script: &str) -> String {
        let system = std::env::var("PATH").unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-euxc", script])
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", format!("{}:{system}", programs.display()))
            .env(
                "SCRIPTS",
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bigquery"),
            )
            .env("STORAGE_EMULATOR_HOST", self.gcs.endpoint())
            .env("BIGQUERY_EMULATOR_HOST", self.bigquery.endpoint())
            .env("GOOGLE_CLOUD_PROJECT", PROJECT)
            .env("GOOGLE_APPLICATION_CREDENTIALS", self.key())
            .env("CLOUDSDK_CONFIG", self.folder.path().join("gcloud"))
            .env("CLOUDSDK_AUTH_TOKEN_HOST", self.gcs.token_uri())
            .env("CLOUDSDK_CORE_PROJECT", PROJECT)
            .env(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE",
                format!("{}/storage/v1/", self.gcs.endpoint()),
            )
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, bash.output()).await;
        let output = output.expect("the client does not end").unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{printed}\n{said}");
        printed.into_owned()
    }
}

fn answers(program: &str) -> bool {
    let mut version = Blocking::new(program);
    version.arg("version").output().is_ok()
}

/// The folder of the Python clients' programs; made if it is missing. `None` on a machine without Python,
/// which tests without them, and says so.
pub(crate) fn from_pypi() -> Option<&'static Path> {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    if std::env::var_os(PYTHON_REQUIRED).is_none() && !answers("python3") {
        eprintln!("not tested: there is no Python, which brings the client");
        return None;
    }
    let install = || {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        let list = tests.join("tests/bigquery/requirements.txt");
        let what =
            "Google's client of BigQuery, and DuckDB, from PyPI (about 20 s, once): for the tests";
        let root = tests.parent().unwrap();
        python(root, "bigquery", &list, what, &mut Reporter::stderr()).unwrap()
    };
    Some(PROGRAMS.get_or_init(install))
}

/// Whether bq can be had. A machine without it tests without it, and says so.
pub(crate) fn has_bq() -> bool {
    let is_here = std::env::var_os(GCLOUD_REQUIRED).is_some() || answers("bq");
    if !is_here {
        eprintln!("not tested: bq is not installed");
    }
    is_here
}
