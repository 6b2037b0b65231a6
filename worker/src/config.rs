//! The configuration, read from the environment once an isolate.
//!
//! A wrong one is kept as well: it stays wrong until the next deployment, which starts new isolates.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use causeway_shared::access::{Access, Endpoints, GcsAccess, S3Access, base_url};
use causeway_shared::credentials::GoogleCredential;
use causeway_shared::error::ConfigError;
use causeway_shared::host::RouteAccess;
use causeway_shared::route::{Route, Routes};
use causeway_shared::sender::{Secrets, Tokens};
use causeway_shared::sigv4::Credentials;
use causeway_shared::sqs::Queue;
use js_sys::{JSON, Object, Reflect};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use crate::access_jwt::AccessJwt;
use crate::host::Workerd;
use crate::port::{SigningKey, WorkerdPort};

thread_local! {
    static CONFIG: OnceCell<Result<Rc<Config>, ConfigError>> = const { OnceCell::new() };
}

/// What the worker is told.
pub(crate) struct Config {
    /// Where keys go.
    pub(crate) routes: Rc<Routes>,
    /// What senders of events show; none where they sign instead.
    pub(crate) events_tokens: Tokens,
    /// What senders of events sign with.
    pub(crate) webhook_secrets: Option<Secrets>,
    /// The queues of SQS that are pulled.
    pub(crate) sqs_queues: Rc<Vec<Queue>>,
    /// What stands in the place of SNS.
    pub(crate) sns_endpoint: Option<String>,
    /// What administrators show, if they show tokens.
    pub(crate) admin_tokens: Option<Tokens>,
    /// Cloudflare Access, if it stands before the API.
    pub(crate) access_jwt: Option<AccessJwt>,
    /// How each route reaches both sides, in the order of the routes.
    ways: Vec<Way>,
}

/// How a route reaches both sides.
struct Way {
    access: Arc<Access>,
    /// Google's private key, where there is one.
    signing_key: Option<Rc<SigningKey>>,
}

impl Config {
    /// The configuration of this isolate.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub(crate) fn of(env: &Env) -> Result<Rc<Self>, ConfigError> {
        CONFIG.with(|config| config.get_or_init(|| Self::read(env).map(Rc::new)).clone())
    }

    /// How the route called `name` reaches both sides. What a route that is gone has left behind is
    /// cleaned up as the first one.
    pub(crate) fn reach(&self, name: &str, platform: &Workerd) -> RouteAccess<WorkerdPort> {
        let place = self.routes.iter().position(|route| route.name == name);
        let way = &self.ways[place.unwrap_or_default()];
        RouteAccess {
            access: Arc::clone(&way.access),
            port: WorkerdPort::new(platform, way.signing_key.clone()),
        }
    }

    fn read(env: &Env) -> Result<Self, ConfigError> {
        let routes = Routes::new(read_routes(env)?)?;
        let secrets = text(env, "WEBHOOK_SECRET");
        let webhook_secrets = secrets
            .as_deref()
            .map(Secrets::parse)
            .transpose()
            .map_err(|reason| ConfigError::new("WEBHOOK_SECRET", format!("{reason}.")))?;
        let nobody_signs = webhook_secrets.is_none()
            && text(env, "SQS_QUEUES").is_none()
            && routes.iter().all(|route| route.topics.is_empty());
        let [events_tokens, admin_tokens] =
            ["EVENTS_TOKEN", "ADMIN_TOKEN"].map(|name| read_tokens(env, name));
        let (events_tokens, admin_tokens) = (events_tokens?, admin_tokens?);
        if events_tokens.is_empty() && nobody_signs {
            let what = "the token that senders of events show";
            return Err(missing("EVENTS_TOKEN", what));
        }
        // Who sends is no administrator, and who signs shows nothing that would open by itself.
        let signs = Tokens::new(&secrets.unwrap_or_default());
        for (name, tokens, other, others) in [
            ("ADMIN_TOKEN", &admin_tokens, "EVENTS_TOKEN", &events_tokens),
            ("ADMIN_TOKEN", &admin_tokens, "WEBHOOK_SECRET", &signs),
            ("EVENTS_TOKEN", &events_tokens, "WEBHOOK_SECRET", &signs),
        ] {
            if tokens.meet(others) {
                let message = format!(
                    "has one of {other} among its own: each secret is one party's alone. Set it to a random one, such as `openssl rand -hex 32` gives."
                );
                return Err(ConfigError::new(name, message));
            }
        }
        let sqs_queues = read_queues(env)?;
        let ways = read_ways(env, &routes)?;
        Ok(Self {
            routes: Rc::new(routes),
            events_tokens,
            webhook_secrets,
            sqs_queues: Rc::new(sqs_queues),
            sns_endpoint: text(env, "AWS_ENDPOINT_URL_SNS")
                .map(|url| base_url("AWS_ENDPOINT_URL_SNS", &url))
                .transpose()?,
            admin_tokens: Some(admin_tokens).filter(|tokens| !tokens.is_empty()),
            access_jwt: read_access_jwt(env)?,
            ways,
        })
    }
}

fn read_tokens(env: &Env, name: &str) -> Result<Tokens, ConfigError> {
    Tokens::read(name, &text(env, name).unwrap_or_default())
}

fn read_access_jwt(env: &Env) -> Result<Option<AccessJwt>, ConfigError> {
    match (text(env, "ACCESS_TEAM_DOMAIN"), text(env, "ACCESS_AUD")) {
        (Some(team), Some(audience)) => AccessJwt::new(&team, audience).map(Some),
        (None, None) => Ok(None),
        _ => Err(ConfigError::new(
            "ACCESS_TEAM_DOMAIN, ACCESS_AUD",
            "one is set and the other missing: set both, or neither.",
        )),
    }
}

/// The queues of SQS that are pulled, with the credentials for all routes.
fn read_queues(env: &Env) -> Result<Vec<Queue>, ConfigError> {
    let Some(queues) = text(env, "SQS_QUEUES") else {
        return Ok(Vec::new());
    };
    let ((credentials, _), region) = (read_keys(env, "")?, region(env)?);
    queues
        .split([',', ' ', '\t', '\r', '\n'])
        .filter(|url| !url.is_empty())
        .map(|url| Queue::new(&credentials, &region, url))
        .collect()
}

fn region(env: &Env) -> Result<String, ConfigError> {
    let what = "the source buckets' region, such as eu-west-1";
    required(env, "AWS_REGION", what)
}

/// How each of `routes` reaches both sides. Those that say nothing of their own write as one, with one
/// token.
fn read_ways(env: &Env, routes: &Routes) -> Result<Vec<Way>, ConfigError> {
    let region = region(env)?;
    let (s3, sts) = (
        text(env, "AWS_ENDPOINT_URL_S3"),
        text(env, "AWS_ENDPOINT_URL_STS"),
    );
    let endpoints = Endpoints {
        s3: s3.as_deref(),
        sts: sts.as_deref(),
    };
    // By whether their tokens are good for BigQuery as well.
    let mut common: [Option<Writer>; 2] = [None, None];
    let read = |route: &Arc<Route>| {
        let suffix = format!("_{}", route.name.to_ascii_uppercase());
        let (credentials, has_own_keys) = read_keys(env, &suffix)?;
        let s3 = S3Access::new(&credentials, &region, endpoints, route)?;
        let own = format!("GOOGLE_CREDENTIALS{suffix}");
        let has_table = route.table.is_some();
        let (gcs, signing_key) = if text(env, &own).is_some() {
            read_writer(env, &own, has_table)?
        } else {
            let common = &mut common[usize::from(has_table)];
            let writer = match common.take() {
                Some(writer) => writer,
                None => read_writer(env, "GOOGLE_CREDENTIALS", has_table)?,
            };
            *common = Some(writer.clone());
            // Its identity is the route's own at AWS.
            if writer.0.is_external() && (has_own_keys || route.role_arn.is_some()) {
                read_writer(env, "GOOGLE_CREDENTIALS", has_table)?
            } else {
                writer
            }
        };
        Ok(Way {
            access: Arc::new(Access { s3, gcs }),
            signing_key,
        })
    };
    routes.iter().map(read).collect()
}

/// The AWS credentials of the route whose secrets end in `suffix`, and whether it has its own.
fn read_keys(env: &Env, suffix: &str) -> Result<(Credentials, bool), ConfigError> {
    let names = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
    ];
    let own = names.map(|name| format!("{name}{suffix}"));
    let has_own = own.iter().any(|name| text(env, name).is_some());
    let names = if has_own {
        own
    } else {
        names.map(str::to_owned)
    };
    let [id, secret, token] = &names;
    let credentials = Credentials::new(
        required(env, id, "the id of a key that may read the source buckets")?,
        required(env, secret, "the key's secret")?,
        text(env, token),
    )
    .map_err(|error| ConfigError::new(names.join(", "), error.to_string()))?;
    Ok((credentials, has_own))
}

/// Access to GCS and, for a route into a table, to BigQuery; and the key that signs its tokens, if there is
/// one.
type Writer = (Arc<GcsAccess>, Option<Rc<SigningKey>>);

fn read_writer(env: &Env, variable: &str, has_table: bool) -> Result<Writer, ConfigError> {
    let emulator = text(env, "STORAGE_EMULATOR_HOST");
    let (mut credential, mut signing_key) = (None, None);
    if let Some(file) = text(env, variable) {
        let (parsed, pem) = GoogleCredential::parse(variable, &file, emulator.is_some())?;
        if let Some(pem) = pem {
            let key = SigningKey::from_pem(&pem).ok_or_else(|| {
                ConfigError::new(
                    variable,
                    "private_key is not a PKCS#8 key in PEM (-----BEGIN PRIVATE KEY-----). Set the secret to the file as Google gives it, with its \\n.",
                )
            })?;
            signing_key = Some(Rc::new(key));
        }
        credential = Some(parsed);
    }
    let mut gcs = GcsAccess::new(credential, emulator.as_deref())?;
    if has_table {
        gcs = gcs.with_bigquery(text(env, "BIGQUERY_EMULATOR_HOST").as_deref())?;
    }
    Ok((Arc::new(gcs), signing_key))
}

/// A table arrives as an object from wrangler.toml, and as JSON text from the dashboard.
fn read_routes(env: &Env) -> Result<Vec<Route>, ConfigError> {
    let names = Object::keys(env.unchecked_ref::<Object>());
    names
        .iter()
        .filter_map(|name| name.as_string())
        .filter(|name| name.starts_with("ROUTE_"))
        .map(|name| {
            let text = text(env, &name).unwrap_or_default();
            let table: Value = serde_json::from_slice(text.as_bytes()).map_err(|error| {
                ConfigError::new(&name, format!("is neither a table nor JSON: {error}."))
            })?;
            Route::parse(&name, table)
        })
        .collect()
}

fn required(env: &Env, name: &str, what: &str) -> Result<String, ConfigError> {
    text(env, name).ok_or_else(|| missing(name, what))
}

fn missing(name: &str, what: &str) -> ConfigError {
    ConfigError::new(
        name,
        format!(
            "is missing: set it to {what}, in wrangler.toml or with `npx wrangler secret put {name}`."
        ),
    )
}

/// The variable's text without a byte order mark and white space around it, JSON if it is an object;
/// none if it is missing or empty.
fn text(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    let text = match value.as_string() {
        Some(text) => text,
        None if value.is_object() => JSON::stringify(&value).ok()?.into(),
        None => return None,
    };
    let text = text.trim_start_matches('\u{feff}').trim();
    (!text.is_empty()).then(|| text.to_owned())
}
