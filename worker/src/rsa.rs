//! RSA in WebCrypto's hands: RSASSA-PKCS1-v1_5
//! ([RFC 8017, section 8.2](https://www.rfc-editor.org/rfc/rfc8017#section-8.2)).
//!
//! Which key, and what is signed, is for others to say: [`crate::port`] signs Google's tokens, the door
//! checks SNS's messages and the API what Cloudflare Access signed.

use causeway_shared::sender::Hash;
use js_sys::{Array, Object, Uint8Array};
use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::CryptoKey;

use crate::platform::{crypto, object, set};

const ALGORITHM: &str = "RSASSA-PKCS1-v1_5";

/// The key that `data` is in `format` (`pkcs8`, `spki`, `jwk`), for one `usage` (`sign`, `verify`) with
/// one hash.
///
/// # Errors
/// WebCrypto's reason, which holds nothing of the key.
pub(crate) async fn import(
    format: &str,
    data: &Object,
    hash: Hash,
    usage: &str,
) -> Result<CryptoKey, JsValue> {
    let algorithm = object("name", &ALGORITHM.into());
    let hash = match hash {
        Hash::Sha1 => "SHA-1",
        Hash::Sha256 => "SHA-256",
    };
    set(&algorithm, "hash", &hash.into());
    let usages = Array::of1(&usage.into());
    let subtle = crypto().subtle();
    let key = subtle.import_key_with_object(format, data, &algorithm, false, &usages)?;
    Ok(JsFuture::from(key).await?.unchecked_into())
}

/// `message` signed with `key`.
///
/// # Errors
/// WebCrypto's reason.
pub(crate) async fn sign(key: &CryptoKey, message: &[u8]) -> Result<Vec<u8>, JsValue> {
    let message = Uint8Array::from(message);
    let subtle = crypto().subtle();
    let signed = subtle.sign_with_str_and_js_u8_array(ALGORITHM, key, &message)?;
    Ok(Uint8Array::new(&JsFuture::from(signed).await?).to_vec())
}

/// Whether `signature` is that of `key` over `message`.
///
/// # Errors
/// WebCrypto's reason.
pub(crate) async fn verify(
    key: &CryptoKey,
    signature: &[u8],
    message: &[u8],
) -> Result<bool, JsValue> {
    let verified = crypto()
        .subtle()
        .verify_with_str_and_js_u8_array_and_js_u8_array(
            ALGORITHM,
            key,
            &Uint8Array::from(signature),
            &Uint8Array::from(message),
        )?;
    Ok(JsFuture::from(verified).await?.is_truthy())
}
