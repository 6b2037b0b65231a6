//! Google's private key, in WebCrypto's hands.

use std::cell::OnceCell;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use causeway_shared::sender::Hash;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::CryptoKey;

use crate::platform::describe;
use crate::rsa;

pub(crate) const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// An RSA key that signs with SHA-256. It is imported at its first use.
pub(crate) struct SigningKey {
    pkcs8: Vec<u8>,
    imported: OnceCell<CryptoKey>,
}

impl SigningKey {
    /// The key of a PEM text ([RFC 7468, section 10](https://www.rfc-editor.org/rfc/rfc7468#section-10));
    /// none if it is not PKCS#8 in PEM.
    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        let (_, rest) = pem.split_once(BEGIN)?;
        let (encoded, _) = rest.split_once(END)?;
        let encoded: String = encoded.split_ascii_whitespace().collect();
        let pkcs8 = BASE64_STANDARD.decode(encoded).ok()?;
        Some(Self {
            pkcs8,
            imported: OnceCell::new(),
        })
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// WebCrypto's reason, which holds nothing of the key.
    pub(super) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = async { rsa::sign(&self.import().await?, message).await };
        signature.await.map_err(|error| describe(&error))
    }

    async fn import(&self) -> Result<CryptoKey, JsValue> {
        if let Some(key) = self.imported.get() {
            return Ok(key.clone());
        }
        let data = Uint8Array::from(self.pkcs8.as_slice());
        let key = rsa::import("pkcs8", &data, Hash::Sha256, "sign").await?;
        Ok(self.imported.get_or_init(|| key).clone())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_key_is_pkcs8_in_pem() {
        let key = SigningKey::from_pem(&format!("{BEGIN}\nAQID\r\nBA==\n{END}\n")).unwrap();
        assert_eq!(key.pkcs8, [1, 2, 3, 4]);
        for wrong in [
            "",
            "AQID",
            "-----BEGIN RSA PRIVATE KEY-----\nAQID\n-----END RSA PRIVATE KEY-----",
            &format!("{BEGIN}\n*\n{END}"),
            BEGIN,
        ] {
            assert!(SigningKey::from_pem(wrong).is_none(), "{wrong}");
        }
    }
}
