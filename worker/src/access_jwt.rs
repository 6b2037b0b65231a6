//! Assertions of Cloudflare Access, verified with the keys that it publishes
//! ([Validate JWTs](https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/)).
//!
//! The claims are judged before a key is asked for, so that only a token that says the right things
//! makes this worker fetch any.

use std::cell::RefCell;

use causeway_shared::access::base_url;
use causeway_shared::error::ConfigError;
use causeway_shared::jwt::Jwt;
use causeway_shared::sender::Hash;
use jiff::Timestamp;
use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, RequestInit, RequestRedirect, Response};

use crate::platform::{self, describe};
use crate::rsa;
use crate::single_flight::SingleFlight;

/// How long published keys are good, in seconds.
const FRESH: i64 = 3600;
/// And how long they are not asked for again, whatever key a token names.
const PAUSE: i64 = 60;
/// What is said of another.
const UNKNOWN: Refused = Refused::Token("its key is none of Access's");
/// The longest wait for them, in milliseconds.
const PATIENCE: u32 = 5000;

thread_local! {
    /// When they were fetched, and the keys: plain data, which requests may share.
    static KEYS: RefCell<Option<(Timestamp, Array)>> = const { RefCell::new(None) };
}

/// Whose assertions open the API.
pub(crate) struct AccessJwt {
    issuer: String,
    audience: String,
}

/// Why an assertion does not.
pub(crate) enum Refused {
    /// What is wrong with it.
    Token(&'static str),
    /// The keys could not be had: the platform's words.
    NoKeys(String),
}

impl AccessJwt {
    /// Of the application `audience` of `team`, `name.cloudflareaccess.com`.
    ///
    /// # Errors
    /// [`ConfigError`] about `ACCESS_TEAM_DOMAIN`.
    pub(crate) fn new(team: &str, audience: String) -> Result<Self, ConfigError> {
        let issuer = if team.contains("://") {
            base_url("ACCESS_TEAM_DOMAIN", team)
        } else {
            base_url("ACCESS_TEAM_DOMAIN", &format!("https://{team}"))
        }?;
        Ok(Self { issuer, audience })
    }

    /// Who shows `token`.
    ///
    /// # Errors
    /// Why it opens nothing.
    pub(crate) async fn caller(&self, token: &str) -> Result<String, Refused> {
        let jwt = Jwt::read(token).ok_or(Refused::Token("it is no JWT signed with RS256"))?;
        let caller = jwt.caller(&self.issuer, &self.audience, platform::now());
        let caller = caller.map_err(Refused::Token)?.to_owned();
        let key = self.key(&jwt.kid).await?;
        match verify(&key, &jwt).await {
            Ok(true) => Ok(caller),
            _ => Err(Refused::Token("its signature is not that of its key")),
        }
    }

    /// The published key `kid`. One request asks for the keys, however many need them.
    async fn key(&self, kid: &str) -> Result<Object, Refused> {
        if let Some(known) = known(kid) {
            return known;
        }
        let Some(_flight) = SingleFlight::begin(&self.issuer).await else {
            let in_vain = || Err(Refused::NoKeys("another request asked in vain".to_owned()));
            return known(kid).unwrap_or_else(in_vain);
        };
        let keys = self
            .fetch()
            .await
            .map_err(|error| Refused::NoKeys(describe(&error)))?;
        KEYS.set(Some((platform::now(), keys)));
        known(kid).unwrap_or(Err(UNKNOWN))
    }

    async fn fetch(&self) -> Result<Array, JsValue> {
        let init = RequestInit::new();
        init.set_redirect(RequestRedirect::Manual);
        init.set_signal(Some(&AbortSignal::timeout_with_u32(PATIENCE)));
        let url = format!("{}/cdn-cgi/access/certs", self.issuer);
        let response: Response = JsFuture::from(platform::fetch(&url, &init)?)
            .await?
            .unchecked_into();
        let text = JsFuture::from(response.text()?).await?;
        let set = JSON::parse(&text.as_string().unwrap_or_default())?;
        Reflect::get(&set, &"keys".into())?.dyn_into()
    }
}

/// The key `kid` of those that are kept, or that it is none; nothing where they are to be asked for.
fn known(kid: &str) -> Option<Result<Object, Refused>> {
    let (at, keys) = KEYS.with_borrow(Clone::clone)?;
    let age = platform::now().as_second() - at.as_second();
    match find(&keys, kid) {
        Some(key) if age < FRESH => Some(Ok(key)),
        None if age < PAUSE => Some(Err(UNKNOWN)),
        _ => None,
    }
}

fn find(keys: &Array, kid: &str) -> Option<Object> {
    let is_it = |key: &JsValue| {
        let found = Reflect::get(key, &"kid".into()).ok();
        found.and_then(|found| found.as_string()).as_deref() == Some(kid)
    };
    keys.iter().find(is_it).map(JsCast::unchecked_into)
}

async fn verify(jwk: &Object, jwt: &Jwt<'_>) -> Result<bool, JsValue> {
    let key = rsa::import("jwk", jwk, Hash::Sha256, "verify").await?;
    rsa::verify(&key, &jwt.signature, jwt.signed).await
}
