//! Messages of Amazon SNS over HTTPS: whose they are, and how a subscription is confirmed.
//!
//! Follows [Verifying the signatures of Amazon SNS messages](https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html)
//! and [ConfirmSubscription](https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html).
//! No URL of a message is ever followed: the certificate's must be the one that is expected, and the
//! confirmation is built from the configured topic.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::{Refused, check_time};
use crate::aws;
use crate::json::without_bom;
use crate::sigv4::encode_query;
use crate::time::rfc3339;

/// How old a message may be. SNS repeats a delivery for an hour by default
/// ([Message delivery retries](https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html)).
const TOLERANCE: SignedDuration = SignedDuration::from_mins(75);

/// The version of the API of SNS.
const VERSION: &str = "2010-03-31";

/// A topic that may send: its ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    arn: String,
    region: String,
}

/// A message as SNS posts it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Envelope {
    r#type: String,
    message_id: String,
    /// The ARN of the topic that it says it is of.
    pub topic_arn: String,
    subject: Option<String>,
    /// What was published: an event, where [`Envelope::kind`] is a notification.
    pub message: String,
    timestamp: String,
    signature_version: String,
    signature: String,
    #[serde(rename = "SigningCertURL")]
    certificate_url: String,
    /// A secret: who has it can confirm the subscription.
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something was published.
    Notification,
    /// Somebody subscribed this address to the topic.
    SubscriptionConfirmation,
    /// Somebody ended the subscription.
    UnsubscribeConfirmation,
}

/// What has to be true for a message to be believed.
#[derive(Debug, PartialEq, Eq)]
pub struct Claim {
    /// The file of the certificate below [`Topic::url`].
    pub certificate: String,
    /// The hash of the signature.
    pub hash: Hash,
    /// RSASSA-PKCS1-v1_5 ([RFC 8017, section 8.2](https://www.rfc-editor.org/rfc/rfc8017#section-8.2)).
    pub signature: Vec<u8>,
    /// What is signed.
    pub signed: Vec<u8>,
}

/// The hash of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hash {
    /// Signature version 1, SNS's default.
    Sha1,
    /// Signature version 2.
    Sha256,
}

impl Topic {
    /// Reads `arn:<partition>:sns:<region>:<account>:<name>`; the region must be one of the partition's.
    #[must_use]
    pub fn parse(arn: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sns", region, account, name] = parts[..] else {
            return None;
        };
        let is_word = |word: &str| {
            let is_word_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            !word.is_empty() && word.bytes().all(is_word_byte)
        };
        let is_arn = [region, account, name].into_iter().all(is_word) && !region.contains('.');
        (is_arn && aws::is_in(partition, region)).then(|| Self {
            arn: arn.to_owned(),
            region: region.to_owned(),
        })
    }

    /// The ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// The URL of a `file` of this topic's SNS, or of what stands in its place (`AWS_ENDPOINT_URL_SNS`,
    /// no slash at its end).
    #[must_use]
    pub fn url(&self, file: &str, in_its_place: Option<&str>) -> String {
        match in_its_place {
            Some(endpoint) => format!("{endpoint}/{file}"),
            None => format!("https://{}/{file}", aws::host("sns", &self.region)),
        }
    }

    /// The request that confirms a subscription with the `token` of its message. Not signed: the token
    /// is what is asked for.
    #[must_use]
    pub fn confirmation(&self, token: &str, in_its_place: Option<&str>) -> Request<Bytes> {
        let form = encode_query([
            ("Action", "ConfirmSubscription"),
            ("Token", token),
            ("TopicArn", &self.arn),
            ("Version", VERSION),
        ]);
        let mut request = Request::new(Bytes::from(form));
        *request.method_mut() = Method::POST;
        if let Ok(url) = self.url("", in_its_place).parse() {
            *request.uri_mut() = url;
        }
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        request
    }
}

impl Envelope {
    /// Reads a request's body.
    ///
    /// # Errors
    /// [`Refused::Malformed`].
    pub fn read(body: &[u8]) -> Result<Self, Refused> {
        serde_json::from_slice(without_bom(body))
            .map_err(|error| Refused::Malformed(format!("The body is no message of SNS: {error}.")))
    }

    /// What it is for.
    ///
    /// # Errors
    /// [`Refused::Malformed`] for a type that SNS does not have.
    pub fn kind(&self) -> Result<Kind, Refused> {
        Ok(match self.r#type.as_str() {
            "Notification" => Kind::Notification,
            "SubscriptionConfirmation" => Kind::SubscriptionConfirmation,
            "UnsubscribeConfirmation" => Kind::UnsubscribeConfirmation,
            other => {
                return Err(Refused::Malformed(format!(
                    "The message's Type is {other:?}; SNS has Notification, SubscriptionConfirmation and UnsubscribeConfirmation."
                )));
            }
        })
    }

    /// The token of a confirmation.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// What has to be proven for this message to be one of `topic`, which its ARN names, at `now`.
    ///
    /// # Errors
    /// [`Refused`], when nothing could prove it.
    pub fn claim(&self, topic: &Topic, now: Timestamp) -> Result<Claim, Refused> {
        let sent = rfc3339(&self.timestamp).ok_or_else(|| {
            Refused::Malformed(format!(
                "Timestamp is {:?}, which is no time.",
                self.timestamp
            ))
        })?;
        check_time(sent, now, TOLERANCE)?;
        let hash = match self.signature_version.as_str() {
            "1" => Hash::Sha1,
            "2" => Hash::Sha256,
            other => {
                return Err(Refused::Malformed(format!(
                    "SignatureVersion is {other:?}; 1 and 2 are known."
                )));
            }
        };
        let signature = BASE64_STANDARD.decode(&self.signature);
        Ok(Claim {
            certificate: self.certificate_of(topic)?.to_owned(),
            hash,
            signature: signature
                .map_err(|_| Refused::Malformed("Signature is not base64.".into()))?,
            signed: self.signed(self.kind()?).into_bytes(),
        })
    }

    /// The certificate's file: the URL must be `topic`'s own SNS, by whichever of its names, and behind
    /// its slash one file's name. It is fetched from that SNS by its first name.
    fn certificate_of(&self, topic: &Topic) -> Result<&str, Refused> {
        let is_name_byte = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let place = self.certificate_url.strip_prefix("https://");
        let place = place.and_then(|place| place.split_once('/'));
        let file = place.and_then(|(host, file)| {
            let is_its = aws::hosts("sns", &topic.region).any(|its| its == host);
            let name = file.strip_suffix(".pem").filter(|_| is_its)?;
            (!name.is_empty() && name.bytes().all(is_name_byte)).then_some(file)
        });
        file.ok_or_else(|| {
            Refused::Certificate(format!(
                "SigningCertURL is {:?}; a certificate of this topic is {}.",
                self.certificate_url,
                topic.url("<name>.pem", None)
            ))
        })
    }

    /// The string to sign.
    fn signed(&self, kind: Kind) -> String {
        let confirmation = kind != Kind::Notification;
        let only = |name, value| confirmation.then_some((name, value));
        let pairs = [
            Some(("Message", self.message.as_str())),
            Some(("MessageId", self.message_id.as_str())),
            only(
                "SubscribeURL",
                self.subscribe_url.as_deref().unwrap_or_default(),
            ),
            self.subject
                .as_deref()
                .filter(|_| !confirmation)
                .map(|subject| ("Subject", subject)),
            Some(("Timestamp", self.timestamp.as_str())),
            only("Token", self.token()),
            Some(("TopicArn", self.topic_arn.as_str())),
            Some(("Type", self.r#type.as_str())),
        ];
        let mut signed = String::new();
        for (name, value) in pairs.into_iter().flatten() {
            for line in [name, value] {
                signed.push_str(line);
                signed.push('\n');
            }
        }
        signed
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Envelope({} {} of {})",
            self.r#type, self.message_id, self.topic_arn
        )
    }
}
