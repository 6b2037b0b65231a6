//! Google's private key, in WebCrypto's hands.

use std::cell::OnceCell;

use causeway_shared::credentials::pkcs8;
use causeway_shared::sender::Hash;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::CryptoKey;

use crate::platform::describe;
use crate::rsa;

/// An RSA key that signs with SHA-256. It is imported at its first use.
pub(crate) struct SigningKey {
    pkcs8: Vec<u8>,
    imported: OnceCell<CryptoKey>,
}

impl SigningKey {
    /// The key of a PEM text; none if it is not PKCS#8 in PEM.
    pub(crate) fn from_pem(pem: &str) -> Option<Self> {
        Some(Self {
            pkcs8: pkcs8(pem)?,
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
