//! Token services for tests: AWS's, Google's, and the one that gives service accounts' tokens. They
//! verify all that they are sent, and the embedded stores take what they give.

mod aws;
mod google;
mod verify;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use causeway_harness::gcs::Accounts;
use causeway_harness::s3::Keys;
use causeway_harness::stack::LocalStack;
use http::{HeaderMap, Method, Uri, header};
use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use verify::Presented;

/// The audience that Google's service knows.
pub const AUDIENCE: &str = "//iam.googleapis.com/projects/12345/locations/global/workloadIdentityPools/causeway/providers/aws";

/// A key at AWS: a person's or a session's.
#[derive(Clone)]
struct Key {
    id: String,
    secret: String,
    token: Option<String>,
    end: Timestamp,
}

/// A role that may be assumed.
#[derive(Debug, Clone)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// What its trust policy asks for.
    pub external_id: Option<String>,
    /// How long its sessions live, in seconds, whatever is asked for.
    pub life: i64,
}

/// What was asked for, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A role's session.
    Role {
        /// The role's ARN.
        arn: String,
        /// The name that the session was given.
        session: String,
        /// Whether there was one to be had.
        granted: bool,
    },
    /// A federated token, by the AWS key of this id.
    Federated(String),
    /// The token of this service account.
    Account(String),
}

/// The running services. Dropping it stops them.
pub struct TokenServices {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    keys: Mutex<Vec<Key>>,
    roles: Mutex<Vec<Role>>,
    /// Google's tokens and their scopes.
    tokens: Mutex<Vec<(String, String)>>,
    asked: Mutex<Vec<Asked>>,
    /// What the next requests are answered with instead.
    faults: Mutex<VecDeque<(u16, &'static str)>>,
    /// How far their clock is before everybody's, in seconds.
    ahead: AtomicI64,
    stores: OnceLock<(Keys, Arc<Accounts>)>,
}

impl Shared {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TokenServices {
    /// Starts services that know one key at AWS and these roles.
    ///
    /// # Panics
    /// When there is no port.
    pub async fn start((id, secret): (&str, &str), roles: Vec<Role>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it listens");
        let shared = Arc::new(Shared {
            roles: Mutex::new(roles),
            ..Shared::default()
        });
        lock(&shared.keys).push(Key {
            id: id.into(),
            secret: secret.into(),
            token: None,
            end: Timestamp::MAX,
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Self {
            url: format!("http://{address}"),
            shared,
            serving,
        }
    }

    /// Has the stores of `local` take what is given from now on.
    pub fn serve(&self, local: &LocalStack) {
        let stores = (local.s3.keys().clone(), Arc::clone(local.gcs.accounts()));
        let _ = self.shared.stores.set(stores);
    }

    /// `AWS_ENDPOINT_URL_STS`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The credential file of an external account, which impersonates `account` if there is one.
    #[must_use]
    pub fn external_account(&self, account: Option<&str>) -> Value {
        let url = &self.url;
        let mut file = json!({
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "token_url": format!("{url}/google/v1/token"),
            "credential_source": {
                "environment_id": "aws1",
                "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
            },
        });
        if let Some(account) = account {
            file["service_account_impersonation_url"] = json!(format!(
                "{url}/iam/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
            ));
        }
        file
    }

    /// All that was asked for so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.shared.asked).clone()
    }

    /// Answers the next request with `status`, and does nothing of it.
    pub fn fail_next(&self, status: u16) {
        self.answer_next(status, "");
    }

    /// Answers the next request with `status` and `text`, and does nothing of it.
    pub fn answer_next(&self, status: u16, text: &'static str) {
        lock(&self.shared.faults).push_back((status, text));
    }

    /// Sets their clock so many seconds ahead of everybody's.
    pub fn set_ahead(&self, seconds: i64) {
        self.shared.ahead.store(seconds, Ordering::Relaxed);
    }

    /// Every secret and every token that was given.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let keys = lock(&self.shared.keys).clone();
        let keys = keys
            .into_iter()
            .flat_map(|key| [Some(key.secret), key.token]);
        let tokens = lock(&self.shared.tokens).clone();
        let tokens = tokens.into_iter().map(|(token, _)| Some(token));
        keys.chain(tokens).flatten().collect()
    }
}

impl Drop for TokenServices {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some((status, text)) = lock(&shared.faults).pop_front() {
        return respond(status, "text/plain", text.to_owned());
    }
    let now = shared.now();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let host = headers.get(header::HOST).map(text).unwrap_or_default();
    let headers = headers.iter();
    let presented = Presented {
        method: method.as_str(),
        url: format!("http://{host}{uri}"),
        headers: headers
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
        body: &body,
        now,
    };
    let mut answer = match uri.path() {
        _ if method != Method::POST => respond(405, "text/plain", String::new()),
        "/" => aws::assume_role(&shared, &presented),
        "/google/v1/token" => google::exchange(&shared, &presented),
        path => match path.strip_prefix("/iam/v1/projects/-/serviceAccounts/") {
            Some(account) => google::generate(&shared, &presented, account),
            None => respond(404, "text/plain", String::new()),
        },
    };
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let date = date.parse().expect("a date is a header value");
    answer.headers_mut().insert(header::DATE, date);
    answer
}

fn respond(status: u16, content_type: &str, body: String) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content_type)
        .body(body.into())
        .expect("a status and a type make an answer")
}

/// The fields of a form.
fn form(body: &[u8]) -> Vec<(String, String)> {
    let decode = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    let body = String::from_utf8_lossy(body);
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    let found = form.iter().find(|(found, _)| found == name);
    found.map_or("", |(_, value)| value)
}
