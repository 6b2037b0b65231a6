//! The configuration, read from the environment once an isolate.
//!
//! A wrong one is kept as well: it stays wrong until the next deployment, which starts new isolates.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use causeway_shared::access::{Access, GcsAccess, S3Access, base_url};
use causeway_shared::error::{ConfigError, ErrorKind, TransferError};
use causeway_shared::gcs::ServiceAccount;
use causeway_shared::route::{Route, Routes};
use causeway_shared::sender::Secrets;
use causeway_shared::sigv4::Credentials;
use causeway_shared::sqs::Queue;
use js_sys::{JSON, Object, Reflect};
use serde_json::Value;
use wasm_bindgen::{JsCast as _, JsValue};
use worker::Env;

use crate::access_jwt::AccessJwt;
use crate::ingress::Tokens;
use crate::port::SigningKey;

thread_local! {
    static CONFIG: OnceCell<Result<Rc<Config>, ConfigError>> = const { OnceCell::new() };
}

/// What the worker is told.
pub(crate) struct Config {
    /// Where keys go.
    pub(crate) routes: Routes,
    /// Endpoints, credentials, and Google's token while it is good.
    pub(crate) access: Arc<Access>,
    /// What senders of events show; none where they sign instead.
    pub(crate) events_tokens: Tokens,
    /// What senders of events sign with.
    pub(crate) webhook_secrets: Option<Secrets>,
    /// The queues of SQS that are pulled.
    pub(crate) sqs_queues: Vec<Queue>,
    /// What stands in the place of SNS.
    pub(crate) sns_endpoint: Option<String>,
    /// What administrators show, if they show tokens.
    pub(crate) admin_tokens: Option<Tokens>,
    /// Cloudflare Access, if it stands before the API.
    pub(crate) access_jwt: Option<AccessJwt>,
    /// Google's private key; absent for an emulator without authentication.
    pub(crate) signing_key: Option<Rc<SigningKey>>,
}

impl Config {
    /// The configuration of this isolate.
    ///
    /// # Errors
    /// The first variable that is missing or wrong.
    pub(crate) fn of(env: &Env) -> Result<Rc<Self>, ConfigError> {
        CONFIG.with(|config| config.get_or_init(|| Self::read(env).map(Rc::new)).clone())
    }

    /// The route called `name`, as a message of the queue has it.
    ///
    /// # Errors
    /// [`ErrorKind::RouteMissing`].
    pub(crate) fn route(&self, name: &str) -> Result<&Arc<Route>, TransferError> {
        self.routes.get(name).ok_or_else(|| {
            TransferError::new(
                ErrorKind::RouteMissing,
                format!("There is no route {name:?} any more."),
                "Add the route again and replay the message, or drop it.",
            )
        })
    }

    fn read(env: &Env) -> Result<Self, ConfigError> {
        let routes = Routes::new(read_routes(env)?)?;
        let webhook_secrets = text(env, "WEBHOOK_SECRET")
            .map(|secrets| Secrets::parse(&secrets))
            .transpose()
            .map_err(|reason| ConfigError::new("WEBHOOK_SECRET", format!("{reason}.")))?;
        let nobody_signs = webhook_secrets.is_none()
            && text(env, "SQS_QUEUES").is_none()
            && routes.iter().all(|route| route.topics.is_empty());
        let events_tokens = match text(env, "EVENTS_TOKEN") {
            None if nobody_signs => {
                return Err(missing(
                    "EVENTS_TOKEN",
                    "the token that senders of events show",
                ));
            }
            tokens => Tokens::new(&tokens.unwrap_or_default()),
        };
        let credentials = Credentials::new(
            required(
                env,
                "AWS_ACCESS_KEY_ID",
                "the id of a key that may read the source buckets",
            )?,
            required(env, "AWS_SECRET_ACCESS_KEY", "the key's secret")?,
            text(env, "AWS_SESSION_TOKEN"),
        )
        .map_err(|error| {
            ConfigError::new(
                "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN",
                error.to_string(),
            )
        })?;
        let region = required(
            env,
            "AWS_REGION",
            "the source buckets' region, such as eu-west-1",
        )?;
        let endpoint = text(env, "AWS_ENDPOINT_URL_S3");
        let sqs_queues = text(env, "SQS_QUEUES").unwrap_or_default();
        let sqs_queues = sqs_queues
            .split([',', ' ', '\t', '\r', '\n'])
            .filter(|url| !url.is_empty())
            .map(|url| Queue::new(&credentials, &region, url))
            .collect::<Result<Vec<_>, _>>()?;
        let s3 = S3Access::new(&credentials, &region, endpoint.as_deref(), &routes)?;

        let (account, signing_key) = text(env, "GOOGLE_CREDENTIALS")
            .map(|file| read_account(&file))
            .transpose()?
            .unzip();
        let gcs = GcsAccess::new(account, text(env, "STORAGE_EMULATOR_HOST").as_deref())?;
        Ok(Self {
            routes,
            access: Arc::new(Access { s3, gcs }),
            events_tokens,
            webhook_secrets,
            sqs_queues,
            sns_endpoint: text(env, "AWS_ENDPOINT_URL_SNS")
                .map(|url| base_url("AWS_ENDPOINT_URL_SNS", &url))
                .transpose()?,
            admin_tokens: text(env, "ADMIN_TOKEN").map(|tokens| Tokens::new(&tokens)),
            access_jwt: read_access_jwt(env)?,
            signing_key: signing_key.map(Rc::new),
        })
    }
}

fn read_access_jwt(env: &Env) -> Result<Option<AccessJwt>, ConfigError> {
    match (text(env, "ACCESS_TEAM_DOMAIN"), text(env, "ACCESS_AUD")) {
        (Some(team), Some(audience)) => Ok(Some(AccessJwt::new(&team, audience))),
        (None, None) => Ok(None),
        _ => Err(ConfigError::new(
            "ACCESS_TEAM_DOMAIN, ACCESS_AUD",
            "one is set and the other missing: set both, or neither.",
        )),
    }
}

fn read_account(file: &str) -> Result<(ServiceAccount, SigningKey), ConfigError> {
    let (account, pem) = ServiceAccount::parse("GOOGLE_CREDENTIALS", file)?;
    let key = SigningKey::from_pem(&pem).ok_or_else(|| {
        ConfigError::new(
            "GOOGLE_CREDENTIALS",
            "private_key is not a PKCS#8 key in PEM (-----BEGIN PRIVATE KEY-----). Set the secret to the file as Google gives it, with its \\n.",
        )
    })?;
    Ok((account, key))
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

/// The variable's text without white space around it, JSON if it is an object; none if it is
/// missing or empty.
fn text(env: &Env, name: &str) -> Option<String> {
    let value = Reflect::get(env, &JsValue::from_str(name)).ok()?;
    let text = match value.as_string() {
        Some(text) => text,
        None if value.is_object() => JSON::stringify(&value).ok()?.into(),
        None => return None,
    };
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
