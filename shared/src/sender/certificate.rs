//! What is needed of an X.509 certificate that a trusted host gave: its key, and when it is good
//! ([RFC 5280, section 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
//!
//! The chain is not looked at: that the certificate is SNS's is known from where it was fetched, over
//! TLS, whose chain the runtime has checked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use x509_cert::der::{Decode as _, Encode as _};

use super::Refused;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A certificate's key and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SubjectPublicKeyInfo in DER.
    pub key: Vec<u8>,
    /// The first second in which it is good.
    pub not_before: Timestamp,
    /// The last one.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Reads the first certificate of a PEM text
    /// ([RFC 7468, section 5](https://www.rfc-editor.org/rfc/rfc7468#section-5)).
    ///
    /// # Errors
    /// [`Refused::Certificate`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, Refused> {
        let encoded = str::from_utf8(pem).ok().and_then(|pem| {
            let (_, rest) = pem.split_once(BEGIN)?;
            Some(rest.split_once(END)?.0)
        });
        let encoded: String = encoded
            .ok_or_else(unreadable)?
            .split_ascii_whitespace()
            .collect();
        let der = BASE64_STANDARD.decode(encoded).map_err(|_| unreadable())?;
        Self::from_der(&der)
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`Refused::Certificate`].
    pub fn from_der(der: &[u8]) -> Result<Self, Refused> {
        Self::read(der).ok_or_else(unreadable)
    }

    fn read(der: &[u8]) -> Option<Self> {
        let certificate: x509_cert::Certificate = x509_cert::Certificate::from_der(der).ok()?;
        let signed = certificate.tbs_certificate();
        let validity = signed.validity();
        let second = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Timestamp::from_second(seconds).ok()
        };
        Some(Self {
            key: signed.subject_public_key_info().to_der().ok()?,
            not_before: second(validity.not_before)?,
            not_after: second(validity.not_after)?,
        })
    }

    /// Whether it is good at `now`.
    ///
    /// # Errors
    /// [`Refused::Certificate`].
    pub fn check(&self, now: Timestamp) -> Result<(), Refused> {
        if (self.not_before..=self.not_after).contains(&now) {
            return Ok(());
        }
        Err(Refused::Certificate(format!(
            "The certificate of the signature is good from {} to {}, and not now.",
            self.not_before, self.not_after
        )))
    }
}

fn unreadable() -> Refused {
    Refused::Certificate("SNS gave no X.509 certificate in PEM.".into())
}
