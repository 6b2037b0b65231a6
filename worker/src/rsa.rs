//! RSA signatures checked by WebCrypto.

use std::cell::OnceCell;

use causeway_shared::sender::Hash;
use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::CryptoKey;

use crate::platform::{crypto, object, set};

const ALGORITHM: &str = "RSASSA-PKCS1-v1_5";

/// A public key. It is imported at its first use with each hash.
pub(crate) struct VerifyingKey {
    spki: Vec<u8>,
    imported: [OnceCell<CryptoKey>; 2],
}

impl VerifyingKey {
    /// The key of a SubjectPublicKeyInfo in DER.
    pub(crate) fn from_spki(spki: &[u8]) -> Self {
        Self {
            spki: spki.to_vec(),
            imported: Default::default(),
        }
    }

    /// Whether `signature` is this key's over `message`
    /// ([RFC 8017, section 8.2.2](https://www.rfc-editor.org/rfc/rfc8017#section-8.2.2)). A key that
    /// cannot be used has signed nothing.
    pub(crate) async fn verify(&self, hash: Hash, signature: &[u8], message: &[u8]) -> bool {
        let verified = async {
            let key = self.import(hash).await?;
            let verified = crypto()
                .subtle()
                .verify_with_str_and_js_u8_array_and_js_u8_array(
                    ALGORITHM,
                    &key,
                    &Uint8Array::from(signature),
                    &Uint8Array::from(message),
                )?;
            JsFuture::from(verified).await
        };
        verified.await.is_ok_and(|verified| verified.is_truthy())
    }

    async fn import(&self, hash: Hash) -> Result<CryptoKey, JsValue> {
        let (imported, name) = match hash {
            Hash::Sha1 => (&self.imported[0], "SHA-1"),
            Hash::Sha256 => (&self.imported[1], "SHA-256"),
        };
        if let Some(key) = imported.get() {
            return Ok(key.clone());
        }
        let algorithm: Object = object("name", &ALGORITHM.into());
        set(&algorithm, "hash", &name.into());
        let usages = Array::of1(&"verify".into());
        let data = Uint8Array::from(self.spki.as_slice());
        let import = crypto()
            .subtle()
            .import_key_with_object("spki", &data, &algorithm, false, &usages)?;
        let key: CryptoKey = JsFuture::from(import).await?.unchecked_into();
        Ok(imported.get_or_init(|| key).clone())
    }
}
