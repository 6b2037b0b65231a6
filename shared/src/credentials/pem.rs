//! A private key as PEM has it ([RFC 7468, section 10](https://www.rfc-editor.org/rfc/rfc7468#section-10)).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// The PKCS#8 key in the PEM text `pem`, or `None` if it has no such block.
#[must_use]
pub fn pkcs8(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once(BEGIN)?;
    let (encoded, _) = rest.split_once(END)?;
    let encoded: String = encoded.split_ascii_whitespace().collect();
    BASE64_STANDARD.decode(encoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_pkcs8_in_pem() {
        let pem = format!("{BEGIN}\nAQID\r\nBA==\n{END}\n");
        assert_eq!(pkcs8(&pem), Some(vec![1, 2, 3, 4]));
        for wrong in [
            "",
            "AQID",
            "-----BEGIN RSA PRIVATE KEY-----\nAQID\n-----END RSA PRIVATE KEY-----",
            &format!("{BEGIN}\n*\n{END}"),
            BEGIN,
        ] {
            assert_eq!(pkcs8(wrong), None, "{wrong}");
        }
    }
}
