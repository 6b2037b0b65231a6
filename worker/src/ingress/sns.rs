//! Messages of SNS: proven by their signature, and subscriptions confirmed.
//!
//! What is fetched is a certificate from the SNS of a topic that a route names, and never what a message
//! says. What it takes to believe one is [`causeway_shared::sender`]'s.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use causeway_shared::port::Port as _;
use causeway_shared::sender::{Certificate, Claim, Envelope, Hash, Kind, Refused, Topic, name_of};
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use js_sys::Uint8Array;
use serde_json::json;
use wasm_bindgen::JsValue;
use web_sys::CryptoKey;
use worker::Env;

use super::guesses;
use super::sender::{refused_as, unknown};
use crate::config::Config;
use crate::host::Workerd;
use crate::platform;
use crate::port::WorkerdPort;
use crate::reply::Reply;
use crate::rsa;
use crate::single_flight::SingleFlight;

/// Certificates that are kept: a region has one, and for some time two.
const KEPT: usize = 16;

/// How long a file that was no certificate is not asked for again.
const PAUSE: SignedDuration = SignedDuration::from_secs(60);

thread_local! {
    static SIGNERS: RefCell<Vec<Known>> = const { RefCell::new(Vec::new()) };
}

/// A certificate, and its key for each hash once it was needed.
struct Signer {
    certificate: Certificate,
    keys: [OnceCell<CryptoKey>; 2],
}

/// What a URL gave.
struct Known {
    url: String,
    signer: Result<Rc<Signer>, Refused>,
    since: Timestamp,
}

/// What a proven message is.
pub(super) enum Proven {
    /// An event, and the topic that it came through.
    Event { topic: String, event: String },
    /// It is answered already.
    Answered(Reply),
}

/// What `body` is for, if it is a message of SNS.
pub(super) fn kind_of(body: &[u8]) -> Option<Kind> {
    Envelope::read(body).ok()?.kind().ok()
}

/// Proves that `body` is a message of a topic that a route names.
///
/// # Errors
/// The answer to whoever sent it.
pub(super) async fn prove(
    request: &web_sys::Request,
    body: &[u8],
    config: &Config,
    env: &Env,
    now: Timestamp,
) -> Result<Proven, Reply> {
    let envelope = Envelope::read(body).map_err(|_| unknown())?;
    let kind = envelope.kind().map_err(|_| unknown())?;
    let refused = |refused: Refused| refused_as(403, &refused);
    let topic = config.routes.topic(&envelope.topic_arn);
    let topic = topic.ok_or_else(|| refused(Refused::Topic(envelope.topic_arn.clone())))?;
    let claim = envelope.claim(topic, now).map_err(refused)?;
    let url = topic.url(&claim.certificate, config.sns_endpoint.as_deref());
    let signer = signer(&url, request, env, now).await?;
    signer.certificate.check(now).map_err(refused)?;
    // A key that cannot be used has signed nothing.
    if !signer.signed(&claim).await.unwrap_or_default() {
        return Err(refused(Refused::Signature(
            "SNS did not sign it, or it was changed on its way.",
        )));
    }
    Ok(match kind {
        Kind::Notification => Proven::Event {
            topic: envelope.topic_arn,
            event: envelope.message,
        },
        Kind::SubscriptionConfirmation => {
            Proven::Answered(confirm(topic, envelope.token(), config, env).await)
        }
        Kind::UnsubscribeConfirmation => Proven::Answered(unsubscribed(topic)),
    })
}

impl Signer {
    async fn signed(&self, claim: &Claim) -> Result<bool, JsValue> {
        let place = &self.keys[usize::from(claim.hash == Hash::Sha256)];
        let key = if let Some(key) = place.get() {
            key.clone()
        } else {
            let spki = Uint8Array::from(self.certificate.key.as_slice());
            let key = rsa::import("spki", &spki, claim.hash, "verify").await?;
            place.get_or_init(|| key).clone()
        };
        rsa::verify(&key, &claim.signature, &claim.signed).await
    }
}

/// Whose certificate is at `url`, kept from an earlier message if there was one.
async fn signer(
    url: &str,
    request: &web_sys::Request,
    env: &Env,
    now: Timestamp,
) -> Result<Rc<Signer>, Reply> {
    let signer = if let Some(signer) = kept(url, now) {
        signer
    } else if let Some(_flight) = SingleFlight::begin(url).await {
        admit(request, env).await?;
        fetch(url, env, now).await?
    } else {
        kept(url, now).ok_or_else(|| silent("another message asked in vain"))?
    };
    signer.map_err(|refused| refused_as(403, &refused))
}

/// What `url` gave, if that is good still.
fn kept(url: &str, now: Timestamp) -> Option<Result<Rc<Signer>, Refused>> {
    SIGNERS.with_borrow(|all| {
        let known = all.iter().find(|known| known.url == url);
        let known =
            known.filter(|known| known.signer.is_ok() || now.duration_since(known.since) < PAUSE);
        known.map(|known| known.signer.clone())
    })
}

/// Names of certificates can be made up: who does it has SNS asked only so often.
async fn admit(request: &web_sys::Request, env: &Env) -> Result<(), Reply> {
    let caller = name_of(&format!("sns {}", guesses::address(request)));
    if platform::is_within_limit(env, "API_LIMIT", &caller).await {
        return Ok(());
    }
    let reason =
        "Too many certificates were asked for within a minute. Send it again in the next one.";
    Err(Reply::problem(429, reason).header("retry-after", "60"))
}

/// Asks SNS for the certificate and keeps what it says. An answer that may be another soon is not kept.
async fn fetch(url: &str, env: &Env, now: Timestamp) -> Result<Result<Rc<Signer>, Refused>, Reply> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.parse().map_err(|_| unknown())?;
    let reply = send(request, env).await?;
    let signer = if reply.status().is_success() {
        Certificate::from_pem(reply.body()).map(|certificate| {
            let keys = Default::default();
            Rc::new(Signer { certificate, keys })
        })
    } else {
        let status = reply.status().as_u16();
        let message = format!("SNS has no certificate {url} ({status}).");
        Err(Refused::Certificate(message))
    };
    SIGNERS.with_borrow_mut(|all| {
        all.retain(|known| known.url != url);
        if all.len() == KEPT {
            // Names that lead nowhere can be made up; one that led to a certificate cannot.
            let useless = all.iter().position(|known| known.signer.is_err());
            all.remove(useless.unwrap_or_default());
        }
        all.push(Known {
            url: url.to_owned(),
            signer: signer.clone(),
            since: now,
        });
    });
    Ok(signer)
}

/// Asks SNS. What it may answer otherwise the next time has the sender send again: a limit, trouble of
/// its own, a redirect, no answer.
async fn send(request: Request<Bytes>, env: &Env) -> Result<Response<Bytes>, Reply> {
    let reply = WorkerdPort::new(&Workerd::new(env), None)
        .send(request)
        .await;
    let reply = reply.map_err(|lost| silent(&lost.detail))?;
    let status = reply.status();
    let is_limit = reply.body().windows(7).any(|word| word == b"Throttl");
    let is_final = status.is_success() || matches!(status.as_u16(), 400 | 403 | 404 | 410);
    if !is_final || is_limit && !status.is_success() {
        return Err(silent(status.as_str()));
    }
    Ok(reply)
}

fn silent(reason: &str) -> Reply {
    Reply::problem(503, format!("SNS did not answer: {reason}. Send it again."))
        .header("retry-after", "5")
}

fn is_confirmation(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("<ConfirmSubscriptionResponse")
}

async fn confirm(topic: &Topic, token: &str, config: &Config, env: &Env) -> Reply {
    let request = topic.confirmation(token, config.sns_endpoint.as_deref());
    match send(request, env).await {
        // Anybody on the way may answer 200.
        Ok(reply) if reply.status().is_success() && !is_confirmation(reply.body()) => {
            silent("200 without a confirmation")
        }
        Ok(reply) if reply.status().is_success() => {
            log("sns-subscribed", topic);
            note(format!("The subscription to {} is confirmed.", topic.arn()))
        }
        Ok(reply) => {
            log("sns-not-confirmed", topic);
            let status = reply.status().as_u16();
            Reply::problem(
                403,
                format!(
                    "SNS did not confirm the subscription to {} ({status}): the token of the message is not good, or not any more. Subscribe again.",
                    topic.arn()
                ),
            )
        }
        Err(silent) => silent,
    }
}

fn unsubscribed(topic: &Topic) -> Reply {
    log("sns-unsubscribed", topic);
    note(format!(
        "The subscription to {} has ended: nothing comes from it any more.",
        topic.arn()
    ))
}

fn note(note: String) -> Reply {
    Reply::json(202, json!({"accepted": [], "ignored": []})).member("note", note)
}

fn log(event: &str, topic: &Topic) {
    let line = json!({"event": event, "topic": topic.arn()});
    web_sys::console::log_1(&line.to_string().into());
}
