//! The last three stages: what is signed, with which key, and the result.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::encode::Hex;
use super::{ALGORITHM, AmzDate, CanonicalRequest, Credentials, SigningScope};

/// The text that is signed: algorithm, time, scope and the hash of the canonical request, a line each.
///
/// Where S3 answers `SignatureDoesNotMatch`, it shows its own; the first line that differs is the stage at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StringToSign(String);

impl StringToSign {
    /// Puts the stages so far together.
    #[must_use]
    pub fn new(date: &AmzDate, scope: &SigningScope, request: &CanonicalRequest) -> Self {
        let hash = Hex::new(&request.hash());
        let mut text = String::with_capacity(100 + scope.as_str().len());
        for line in [ALGORITHM, date.as_str(), scope.as_str()] {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(hash.as_str());
        Self(text)
    }

    /// The text, without a last line end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of one day, region and service. Deriving it takes four HMACs; signing with it, one.
///
/// `Debug` does not show it.
#[derive(Clone)]
pub struct SigningKey(Hmac<Sha256>);

impl SigningKey {
    /// Derives the key for a scope.
    #[must_use]
    pub fn derive(credentials: &Credentials, scope: &SigningScope) -> Self {
        let secret = format!("AWS4{}", credentials.secret_access_key());
        let mut mac = keyed(secret.as_bytes());
        for part in scope.parts() {
            mac.update(part.as_bytes());
            mac = keyed(&mac.finalize().into_bytes());
        }
        Self(mac)
    }

    /// Signs.
    #[must_use]
    pub fn sign(&self, text: &StringToSign) -> Signature {
        let mut mac = self.0.clone();
        mac.update(text.as_str().as_bytes());
        Signature(Hex::new(&mac.finalize().into_bytes().into()))
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// A signature: 64 lower-case hexadecimal digits.
///
/// It proves one request until it expires and reveals nothing of the key, so `Debug` shows it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(Hex);

impl Signature {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", self.as_str())
    }
}
