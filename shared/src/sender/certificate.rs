//! What is needed of an X.509 certificate that a trusted host gave: its key, and when it is good
//! ([RFC 5280, section 4.1](https://www.rfc-editor.org/rfc/rfc5280#section-4.1)).
//!
//! The chain is not looked at: that the certificate is SNS's is known from where it was fetched, over
//! TLS, whose chain the runtime has checked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Encode as _, Error, Reader as _, SliceReader, Tag};
use x509_cert::spki::SubjectPublicKeyInfoRef;
use x509_cert::time::{Time, Validity};

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
        let mut reader = SliceReader::new(der).ok()?;
        let read = reader.sequence(|certificate| {
            let read = certificate.sequence(Self::read_signed)?;
            skip(certificate, 2)?;
            Ok::<_, Error>(read)
        });
        let (validity, key) = read.ok()?;
        reader.finish().ok()?;
        let second = |time: Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok()?;
            Timestamp::from_second(seconds).ok()
        };
        Some(Self {
            key: key.to_der().ok()?,
            not_before: second(validity.not_before)?,
            not_after: second(validity.not_after)?,
        })
    }

    /// Reads a `TBSCertificate`. Its names and extensions are skipped: nothing here uses them, and their types
    /// alone would be 3 % of the worker.
    fn read_signed<'a>(
        signed: &mut SliceReader<'a>,
    ) -> Result<(Validity, SubjectPublicKeyInfoRef<'a>), Error> {
        let has_version = Tag::peek(signed)?.is_context_specific();
        // Version, serial number, signature algorithm, issuer.
        skip(signed, 3 + usize::from(has_version))?;
        let validity = signed.decode()?;
        // Subject.
        skip(signed, 1)?;
        let key = signed.decode()?;
        while !signed.is_finished() {
            skip(signed, 1)?;
        }
        Ok((validity, key))
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

fn skip(reader: &mut SliceReader<'_>, fields: usize) -> Result<(), Error> {
    for _ in 0..fields {
        reader.decode::<AnyRef<'_>>()?;
    }
    Ok(())
}

fn unreadable() -> Refused {
    Refused::Certificate("SNS gave no X.509 certificate in PEM.".into())
}
