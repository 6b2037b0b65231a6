//! Requests that are signed as [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)
//! says: for senders of one's own. Only its symmetric signatures (`v1`).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use sha2::Sha256;

use super::{Refused, check_time};

/// How far a request's time may be from ours.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The fewest bytes of a secret
/// ([Standard Webhooks, signature scheme](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#signature-scheme)).
const SHORTEST: usize = 24;

/// How a secret begins.
const PREFIX: &str = "whsec_";

/// Secrets of which any may have signed, so that one can be replaced without a gap.
pub struct Secrets(Vec<Hmac<Sha256>>);

/// A request's three headers.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// `webhook-id`.
    pub id: &'a str,
    /// `webhook-timestamp`, in seconds since 1970.
    pub timestamp: &'a str,
    /// `webhook-signature`: one or more, with spaces between them.
    pub signature: &'a str,
}

impl Secrets {
    /// Reads secrets with white space or commas between them, each `whsec_` and base64.
    ///
    /// # Errors
    /// Which one is none, by its place.
    pub fn parse(text: &str) -> Result<Self, String> {
        let secrets = text.split([',', ' ', '\t', '\r', '\n']);
        let secrets = secrets.filter(|secret| !secret.is_empty()).enumerate();
        let keys = secrets.map(|(index, secret)| {
            let encoded = secret.strip_prefix(PREFIX).unwrap_or(secret);
            let key = BASE64_STANDARD.decode(encoded).ok();
            let key = key.filter(|key| key.len() >= SHORTEST);
            key.and_then(|key| Hmac::new_from_slice(&key).ok())
                .ok_or_else(|| {
                    format!(
                        "its secret number {} is not `{PREFIX}` and the base64 of at least {SHORTEST} bytes",
                        index + 1
                    )
                })
        });
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// Which of the secrets, by its place, signed `body` at about `now`. Signatures are compared in
    /// constant time.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, signed: Signed<'_>, body: &[u8], now: Timestamp) -> Result<usize, Refused> {
        let sent = signed.timestamp.parse().ok();
        let sent = sent.and_then(|sent| Timestamp::from_second(sent).ok());
        let sent = sent.ok_or_else(|| {
            Refused::Malformed(format!(
                "webhook-timestamp is {:?}; expected seconds since 1970.",
                signed.timestamp
            ))
        })?;
        check_time(sent, now, TOLERANCE)?;
        let signatures = signed.signature.split(' ');
        let signatures = signatures.filter_map(|signature| signature.strip_prefix("v1,"));
        let signatures: Vec<_> = signatures
            .filter_map(|encoded| BASE64_STANDARD.decode(encoded).ok())
            .collect();
        let ours = self.0.iter().position(|secret| {
            let mut mac = secret.clone();
            for part in [
                signed.id.as_bytes(),
                b".",
                signed.timestamp.as_bytes(),
                b".",
                body,
            ] {
                mac.update(part);
            }
            signatures
                .iter()
                .any(|signature| mac.clone().verify_slice(signature).is_ok())
        });
        ours.ok_or(Refused::Signature(
            "Sign `<webhook-id>.<webhook-timestamp>.<body>` with a secret of WEBHOOK_SECRET.",
        ))
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example of the [reference libraries](https://github.com/standard-webhooks/standard-webhooks).
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TIMESTAMP: &str = "1614265330";
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn check(secrets: &str, signed: Signed<'_>, body: &[u8], late: i64) -> Result<usize, Refused> {
        let now = Timestamp::from_second(1_614_265_330 + late).unwrap();
        Secrets::parse(secrets).unwrap().check(signed, body, now)
    }

    fn signed(signature: &str) -> Signed<'_> {
        Signed {
            id: ID,
            timestamp: TIMESTAMP,
            signature,
        }
    }

    #[test]
    fn the_example_is_believed_under_any_of_the_secrets_and_among_other_signatures() {
        let other = "whsec_QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";
        let both = format!("{other}, {SECRET}");
        for (secrets, place) in [(SECRET, 0), (&*both, 1), (&SECRET[6..], 0)] {
            assert_eq!(check(secrets, signed(SIGNATURE), BODY, 299), Ok(place));
        }
        let several = format!("v1a,AAAA v1,AAAA {SIGNATURE}");
        assert_eq!(check(SECRET, signed(&several), BODY, -299), Ok(0));
        let wrong = check(other, signed(SIGNATURE), BODY, 0);
        assert!(matches!(wrong, Err(Refused::Signature(_))));
    }

    #[test]
    fn what_was_changed_or_is_of_another_time_is_refused() {
        for (signed, body, late) in [
            (signed(SIGNATURE), &b"{\"test\": 2432232315}"[..], 0),
            (
                Signed {
                    id: "msg_other",
                    ..signed(SIGNATURE)
                },
                BODY,
                0,
            ),
            (signed("v1,"), BODY, 0),
            (signed(""), BODY, 0),
            (signed(&SIGNATURE[3..]), BODY, 0),
            (signed(SIGNATURE), BODY, 301),
            (signed(SIGNATURE), BODY, -301),
            (
                Signed {
                    timestamp: "yesterday",
                    ..signed(SIGNATURE)
                },
                BODY,
                0,
            ),
            (
                Signed {
                    timestamp: "9223372036854775807",
                    ..signed(SIGNATURE)
                },
                BODY,
                0,
            ),
        ] {
            assert!(check(SECRET, signed, body, late).is_err(), "{signed:?}");
        }
    }

    #[test]
    fn a_secret_that_is_none_is_named_by_its_place_and_never_shown() {
        for (text, place) in [
            ("hush", 1),
            (&format!("{SECRET} whsec_hush!"), 2),
            // Sixteen bytes: hush, hush and hush.
            ("whsec_aHVzaGh1c2hodXNoaHVzaA==", 1),
            ("whsec_", 1),
        ] {
            let error = Secrets::parse(text).unwrap_err();
            assert!(error.contains(&format!("number {place}")) && !error.contains("hush"));
        }
        assert_eq!(
            format!("{:?}", Secrets::parse(SECRET).unwrap()),
            "Secrets(1)"
        );
    }
}
