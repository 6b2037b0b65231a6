//! A stack with every way in, and an SNS of our own: its certificate, its confirmations, and messages
//! that Node's crypto signed.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use causeway_harness::s3::store::Attributes;
use causeway_harness::stack::StackOptions;
use causeway_tests::{Lane, Stack, event, toolchain};
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use reqwest::{RequestBuilder, Response};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::sync::OnceCell;

pub(crate) const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:inbox";
pub(crate) const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const EVENTS_TOKENS: &str = "the-token-of-before, the-token-of-now, a-token-of-the-local-worker-only, a+token/with=reserved&letters%41";
/// The last of them, and how it stands in a URL.
pub(crate) const RESERVED: &str = "a+token/with=reserved&letters%41";
pub(crate) const RESERVED_IN_URL: &str = "a%2Btoken%2Fwith%3Dreserved%26letters%2541";
pub(crate) const GOOD_TOKEN: &str = "a-token-that-confirms";
/// What is answered as a proxy answers it.
pub(crate) const PROXIED_TOKEN: &str = "a-token-that-goes-astray";
const CERTIFICATE: &str = "SimpleNotificationService-0123456789abcdef0123456789abcdef";
/// Its number is the status that is answered the first time; then it is the good certificate.
const BUSY: &str = "SimpleNotificationService-busy-";
const EXPIRED: &str = "SimpleNotificationService-expired";

/// What stands in the place of SNS.
pub(crate) struct Sns {
    pub(crate) endpoint: String,
    key: String,
    /// The certificates asked for, and the forms posted, in their order.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

#[derive(Clone)]
struct Served {
    certificates: Arc<BTreeMap<String, String>>,
    asked: Arc<Mutex<Vec<String>>>,
}

pub(crate) struct Fixture {
    pub(crate) stack: Stack,
    pub(crate) sns: Sns,
}

/// The stack that all tests of this binary share. S3 itself tells nothing.
pub(crate) async fn fixture() -> &'static Fixture {
    static SHARED: OnceCell<Fixture> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let sns = Sns::start().await;
            let lanes = 24;
            let topics = json!({"sns_topics": [TOPIC]});
            let tables = (0..lanes).map(|number| Lane::table(number, &topics));
            let mut bindings: Map<_, _> = tables.collect();
            bindings.insert("AWS_ENDPOINT_URL_SNS".into(), json!(sns.endpoint));
            bindings.insert("WEBHOOK_SECRET".into(), json!(WEBHOOK_SECRET));
            bindings.insert("EVENTS_TOKEN".into(), json!(EVENTS_TOKENS));
            let options = StackOptions {
                bindings,
                silent: true,
                ..StackOptions::default()
            };
            let stack = Stack::start_with(lanes, options).await;
            Fixture { stack, sns }
        })
        .await
}

impl Fixture {
    /// A request to the door that shows nothing.
    pub(crate) fn post(&self) -> RequestBuilder {
        self.stack.http.post(self.stack.events_url())
    }

    /// Sends an SNS message as SNS does.
    pub(crate) async fn deliver(&self, message: &Value) -> Response {
        let kind = message["Type"].as_str().unwrap_or_default().to_owned();
        let request = self.post().header("x-amz-sns-message-type", kind);
        let request = request.header("content-type", "text/plain; charset=UTF-8");
        request.body(message.to_string()).send().await.unwrap()
    }
}

/// Writes `key` and gives the event that S3 would send of it.
pub(crate) fn written(lane: &Lane<'_>, key: &str) -> Value {
    event(&lane.changes(|| drop(lane.put(key, "content", Attributes::default()))))
}

/// The answer must be a 202 that accepts one key; its object must then arrive.
pub(crate) async fn assert_taken(answer: Response, lane: &Lane<'_>, key: &str) {
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(status, 202, "{body}");
    assert_eq!(body["accepted"][0]["key"], key, "{body}");
    lane.copied(key).await;
}

/// The answer must be that problem, and say `detail`.
pub(crate) async fn assert_refused(answer: Response, status: u16, detail: &str) {
    let content_type = answer.headers()["content-type"].clone();
    let found = answer.status();
    let body: Value = answer.json().await.unwrap();
    assert_eq!(found, status, "{body}");
    assert_eq!(content_type, "application/problem+json");
    assert!(body["detail"].as_str().unwrap().contains(detail), "{body}");
}

impl Sns {
    async fn start() -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let good = CertificateParams::new(vec!["sns.amazonaws.com".into()]).unwrap();
        let mut expired = good.clone();
        expired.not_before = rcgen::date_time_ymd(2020, 1, 1);
        expired.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let pem = |params: CertificateParams| params.self_signed(&key).unwrap().pem();
        let served = Served {
            certificates: Arc::new(BTreeMap::from([
                (format!("{CERTIFICATE}.pem"), pem(good)),
                (format!("{EXPIRED}.pem"), pem(expired)),
                ("not-a-certificate.pem".into(), "hello".into()),
            ])),
            asked: Arc::default(),
        };
        let asked = Arc::clone(&served.asked);
        let router = Router::new()
            .route("/{file}", get(certificate))
            .route("/", post(confirm))
            .with_state(served);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let key = key.serialize_pem();
        Self {
            endpoint,
            key,
            asked,
        }
    }

    /// A notification of [`TOPIC`] with `event`, signed with `version`.
    pub(crate) fn notification(&self, event: &Value, version: &str) -> Value {
        let fields = json!({
            "Type": "Notification",
            "Subject": "Amazon S3 Notification",
            "Message": event.to_string(),
        });
        self.message(&fields, version)
    }

    /// A message with `fields`, and what else SNS says, signed with `version`.
    pub(crate) fn message(&self, fields: &Value, version: &str) -> Value {
        let mut message = json!({
            "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
            "TopicArn": TOPIC,
            "Timestamp": Timestamp::now().to_string(),
            "SigningCertURL": format!("https://sns.us-east-1.amazonaws.com/{CERTIFICATE}.pem"),
        });
        message
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        message["SignatureVersion"] = json!(version);
        self.sign(&mut message);
        message
    }

    /// Signs `message` anew, whatever it says now.
    pub(crate) fn sign(&self, message: &mut Value) {
        let fields: &[&str] = if message["Type"] == "Notification" {
            &[
                "Message",
                "MessageId",
                "Subject",
                "Timestamp",
                "TopicArn",
                "Type",
            ]
        } else {
            &[
                "Message",
                "MessageId",
                "SubscribeURL",
                "Timestamp",
                "Token",
                "TopicArn",
                "Type",
            ]
        };
        let present = fields.iter().filter(|field| message[**field].is_string());
        let text: String = present
            .map(|field| format!("{field}\n{}\n", message[*field].as_str().unwrap()))
            .collect();
        let hash = if message["SignatureVersion"] == "1" {
            "RSA-SHA1"
        } else {
            "RSA-SHA256"
        };
        message["Signature"] = json!(sign(hash, &self.key, &text));
    }

    /// How often the certificate that is good was asked for.
    pub(crate) fn certificates(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|asked| asked.contains(CERTIFICATE))
            .count()
    }
}

/// The URL of a certificate that has expired, though its key is the right one.
pub(crate) fn expired_url() -> String {
    format!("https://sns.us-east-1.amazonaws.com/{EXPIRED}.pem")
}

/// The URL of a certificate that SNS answers with `status` when it is asked for it first.
pub(crate) fn busy_url(status: u16) -> String {
    format!("https://sns.us-east-1.amazonaws.com/{BUSY}{status}.pem")
}

/// An hour and a half ago.
pub(crate) fn long_ago() -> String {
    (Timestamp::now() - SignedDuration::from_mins(90)).to_string()
}

/// `text` signed by Node's crypto, in base64.
fn sign(hash: &str, key: &str, text: &str) -> String {
    let script = "const [hash, key, text] = JSON.parse(require('fs').readFileSync(0));\
        process.stdout.write(require('crypto').createSign(hash).update(text).sign(key, 'base64'))";
    let mut node = Command::new(toolchain().node())
        .args(["-e", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let input = node.stdin.take().unwrap();
    serde_json::to_writer(input, &[hash, key, text]).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

async fn certificate(
    State(served): State<Served>,
    Path(file): Path<String>,
) -> (StatusCode, String) {
    let is_first = {
        let mut asked = served.asked.lock().unwrap();
        asked.push(file.clone());
        asked.iter().filter(|asked| **asked == file).count() == 1
    };
    let status = file.strip_prefix(BUSY);
    if let Some(status) = status.and_then(|status| status.strip_suffix(".pem")) {
        let status = status.parse().unwrap();
        return if is_first {
            (StatusCode::from_u16(status).unwrap(), "busy".into())
        } else {
            let good = &served.certificates[&format!("{CERTIFICATE}.pem")];
            (StatusCode::OK, good.clone())
        };
    }
    match served.certificates.get(&file) {
        Some(pem) => (StatusCode::OK, pem.clone()),
        None => (StatusCode::FORBIDDEN, "<Error/>".into()),
    }
}

async fn confirm(State(served): State<Served>, form: String) -> (StatusCode, &'static str) {
    let good = form.contains(&format!("Token={GOOD_TOKEN}"));
    let throttled = form.contains("Token=a-throttled-token");
    let by_a_proxy = form.contains(PROXIED_TOKEN);
    served.asked.lock().unwrap().push(form);
    if by_a_proxy {
        (StatusCode::OK, "<html>Welcome</html>")
    } else if throttled {
        (
            StatusCode::BAD_REQUEST,
            "<Error><Code>Throttling</Code></Error>",
        )
    } else if good {
        (StatusCode::OK, "<ConfirmSubscriptionResponse/>")
    } else {
        (StatusCode::BAD_REQUEST, "<ErrorResponse/>")
    }
}
