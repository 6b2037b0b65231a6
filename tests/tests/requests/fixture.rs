//! The built worker between two scripted stores.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use causeway_harness::gcs::{ServiceAccount, ServiceAccountKey};
use causeway_harness::runtime::{Runtime, RuntimeOptions};
use causeway_tests::{LONGEST_WAIT, Witness, toolchain, write_event};
use http::HeaderValue;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use wiremock::matchers::{method, path_regex, query_param};
use wiremock::{Mock, MockBuilder, MockServer, Request, ResponseTemplate};

pub(crate) const KEY_ID: &str = "AKIDSCRIPTED";
pub(crate) const SECRET: &str = "the-secret-of-the-scripted-store";
pub(crate) const EMAIL: &str = "tests@project.iam.gserviceaccount.com";
const TOKEN: &str = "the-token-of-events";
const SITES: usize = 110;
/// The key of the routes with options.
pub(crate) const KMS_KEY: &str = "projects/p/locations/eu/keyRings/r/cryptoKeys/k";

/// A worker and its stores.
pub(crate) struct Fixture {
    pub(crate) runtime: Runtime,
    pub(crate) witness: Witness,
    pub(crate) s3: MockServer,
    pub(crate) gcs: MockServer,
    pub(crate) account: ServiceAccountKey,
    taken: AtomicUsize,
    taken_with_options: AtomicUsize,
}

/// The one that most tests share.
pub(crate) async fn shared() -> &'static Fixture {
    static SHARED: OnceCell<Fixture> = OnceCell::const_new();
    SHARED.get_or_init(|| Fixture::start(json!({}))).await
}

impl Fixture {
    /// Starts one with `more` variables.
    pub(crate) async fn start(more: Value) -> Self {
        let (s3, gcs) = (MockServer::start().await, MockServer::start().await);
        let (credentials, account) = ServiceAccount::generate(EMAIL).unwrap();
        let mut bindings: Map<String, Value> = (0..SITES)
            .flat_map(|n| {
                let plain = json!({"source": format!("s3://source-{n:02}"), "destination": format!("gs://destination-{n:02}")});
                let options = json!({"source": format!("s3://options-{n:02}"), "destination": format!("gs://of-options-{n:02}"),
                    "tags": true, "custom_time": false, "storage_class": "NEARLINE", "kms_key": KMS_KEY});
                [(format!("ROUTE_{n:02}"), plain), (format!("ROUTE_O{n:02}"), options)]
            })
            .collect();
        let rest = json!({
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL_S3": s3.uri(),
            "GOOGLE_CREDENTIALS": credentials,
            "STORAGE_EMULATOR_HOST": gcs.uri(),
            "EVENTS_TOKEN": TOKEN,
        });
        bindings.extend(rest.as_object().unwrap().clone());
        bindings.extend(more.as_object().unwrap().clone());
        let witness = Witness::default();
        let log = witness.log();
        let options = RuntimeOptions {
            bindings,
            replace_routes: true,
            longest_wait: Some(LONGEST_WAIT),
            log,
            ..RuntimeOptions::default()
        };
        let toolchain = tokio::task::spawn_blocking(toolchain).await.unwrap();
        let runtime = Runtime::start(toolchain, options).await.unwrap();
        Self {
            runtime,
            witness,
            s3,
            gcs,
            account,
            taken: AtomicUsize::new(0),
            taken_with_options: AtomicUsize::new(0),
        }
    }

    /// A route that no other test uses.
    pub(crate) fn site(&self) -> Site<'_> {
        let n = self.taken.fetch_add(1, Ordering::Relaxed);
        assert!(n < SITES);
        Site {
            fixture: self,
            source: format!("source-{n:02}"),
            destination: format!("destination-{n:02}"),
        }
    }

    /// A route with every option that no other test uses.
    pub(crate) fn site_with_options(&self) -> Site<'_> {
        let n = self.taken_with_options.fetch_add(1, Ordering::Relaxed);
        assert!(n < SITES);
        Site {
            fixture: self,
            source: format!("options-{n:02}"),
            destination: format!("of-options-{n:02}"),
        }
    }
}

/// One test's route.
pub(crate) struct Site<'a> {
    pub(crate) fixture: &'a Fixture,
    pub(crate) source: String,
    pub(crate) destination: String,
}

impl Site<'_> {
    /// Scripts reads of the source.
    pub(crate) fn source(&self) -> MockBuilder {
        Mock::given(method("GET")).and(path_regex(format!("^/{}/", self.source)))
    }

    /// Answers every read of the source with this object.
    pub(crate) async fn holds(&self, object: &Scripted) {
        self.source()
            .respond_with(object.reply())
            .mount(&self.fixture.s3)
            .await;
    }

    /// Answers every request for tags.
    pub(crate) async fn answers_tags(&self, reply: ResponseTemplate) {
        self.source()
            .and(query_param("tagging", ""))
            .respond_with(reply)
            .with_priority(1)
            .mount(&self.fixture.s3)
            .await;
    }

    /// Scripts uploads to the destination.
    pub(crate) fn upload(&self, verb: &str) -> MockBuilder {
        let path = format!("^/upload/storage/v1/b/{}/o$", self.destination);
        Mock::given(method(verb)).and(path_regex(path))
    }

    /// Scripts looks at the destination.
    pub(crate) fn look(&self) -> MockBuilder {
        let path = format!("^/storage/v1/b/{}/o/", self.destination);
        Mock::given(method("GET")).and(path_regex(path))
    }

    /// Mounts a reply to be given once.
    pub(crate) async fn once(&self, what: MockBuilder, reply: ResponseTemplate) {
        what.respond_with(reply)
            .up_to_n_times(1)
            .mount(&self.fixture.gcs)
            .await;
    }

    /// As GCS answers a look at the copy of `object`, whose key is `key`.
    pub(crate) fn copy_of(&self, object: &Scripted, generation: u64) -> ResponseTemplate {
        let mut resource = object.resource(generation);
        resource["metadata"] = json!({
            "causeway-source-bucket": self.source,
            "causeway-source-key": "key",
            "causeway-source-etag": object.etag,
            "causeway-source-size": object.bytes.len().to_string(),
        });
        ResponseTemplate::new(200).set_body_json(resource)
    }

    /// Tells the worker of `key`.
    pub(crate) async fn tell(&self, key: &str, size: u64) {
        self.notify(&write_event(&self.source, key, Some(size)))
            .await;
    }

    /// Sends `event`.
    pub(crate) async fn notify(&self, event: &Value) {
        let url = format!("{}/events", self.fixture.runtime.url());
        let request = reqwest::Client::new()
            .post(url)
            .bearer_auth(TOKEN)
            .json(event);
        assert_eq!(request.send().await.unwrap().status(), 202);
    }

    /// Tells the worker of `object` as `key` and waits for the outcome.
    pub(crate) async fn transfer(&self, object: &Scripted) -> Value {
        self.tell("key", object.bytes.len() as u64).await;
        self.outcome("key").await
    }

    /// The first outcome of `key`.
    pub(crate) async fn outcome(&self, key: &str) -> Value {
        let witness = &self.fixture.witness;
        let look = |seen: &causeway_tests::Seen| {
            seen.outcomes(&self.source, key)
                .first()
                .map(|&line| line.clone())
        };
        witness
            .until(&format!("an outcome of {key:?} in {}", self.source), look)
            .await
    }

    /// The requests to this source.
    pub(crate) async fn reads(&self) -> Vec<Request> {
        of_bucket(&self.fixture.s3, &format!("/{}/", self.source)).await
    }

    /// The requests to this destination.
    pub(crate) async fn writes(&self) -> Vec<Request> {
        of_bucket(&self.fixture.gcs, &format!("/b/{}/", self.destination)).await
    }
}

async fn of_bucket(server: &MockServer, part: &str) -> Vec<Request> {
    let mut requests = server.received_requests().await.unwrap();
    requests.retain(|request| request.url.path().contains(part));
    requests
}

/// An object of a scripted source.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) bytes: Bytes,
    /// With its quotes.
    pub(crate) etag: String,
    headers: Vec<(&'static str, HeaderValue)>,
}

impl Scripted {
    /// An object whose ETag is its MD5.
    pub(crate) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        let hex = u128::from_be_bytes(md5_of(&bytes));
        Self {
            etag: format!("\"{hex:032x}\""),
            bytes,
            headers: Vec::new(),
        }
    }

    /// One whose ETag says nothing of its bytes.
    pub(crate) fn opaque(bytes: impl Into<Bytes>) -> Self {
        Self {
            etag: "\"an-opaque-etag\"".into(),
            bytes: bytes.into(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let value = HeaderValue::from_bytes(value.as_ref()).unwrap();
        self.headers.push((name, value));
        self
    }

    pub(crate) fn md5(&self) -> String {
        BASE64_STANDARD.encode(md5_of(&self.bytes))
    }

    pub(crate) fn crc32c(&self) -> String {
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &self.bytes);
        BASE64_STANDARD.encode(u32::try_from(crc).unwrap().to_be_bytes())
    }

    /// As S3 answers a read.
    pub(crate) fn reply(&self) -> ResponseTemplate {
        let reply = ResponseTemplate::new(200)
            .set_body_bytes(self.bytes.to_vec())
            .insert_header("etag", self.etag.as_str());
        self.headers.iter().fold(reply, |reply, (name, value)| {
            reply.append_header(*name, value.clone())
        })
    }

    /// The rest of it, as S3 answers a read of a range.
    pub(crate) fn rest(&self, from: usize) -> ResponseTemplate {
        ResponseTemplate::new(206)
            .set_body_bytes(self.bytes[from..].to_vec())
            .insert_header("etag", self.etag.as_str())
            .insert_header(
                "content-range",
                format!("bytes {from}-{}/{}", self.bytes.len() - 1, self.bytes.len()),
            )
    }

    /// As GCS answers once it is stored under `generation`.
    pub(crate) fn stored(&self, generation: u64) -> ResponseTemplate {
        ResponseTemplate::new(200).set_body_json(self.resource(generation))
    }

    fn resource(&self, generation: u64) -> Value {
        json!({
            "name": "key",
            "generation": generation.to_string(),
            "size": self.bytes.len().to_string(),
            "crc32c": self.crc32c(),
            "md5Hash": self.md5(),
        })
    }
}

fn md5_of(bytes: &[u8]) -> [u8; 16] {
    use md5::Digest as _;
    md5::Md5::digest(bytes).into()
}

/// The value of a header.
pub(crate) fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request
        .headers
        .get(name)
        .map(|value| value.to_str().unwrap())
}

/// The parameters of a query.
pub(crate) fn query(request: &Request) -> BTreeMap<String, String> {
    request.url.query_pairs().into_owned().collect()
}
