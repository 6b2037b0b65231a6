//! Encoded words: how text beyond ASCII stands in a header of S3's.
//!
//! Reads [RFC 2047](https://www.rfc-editor.org/rfc/rfc2047) as far as stores write it: UTF-8, in `B`
//! or `Q`. Other charsets are left as they are, and nothing is encoded here.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// The text that a value of user metadata stands for.
///
/// A value whose encoded words all decode, to UTF-8 without control characters, becomes that text;
/// any other stays as it is. Words with nothing but white space between them are one: a character
/// may begin in the one and end in the next.
///
/// S3 takes the bytes of a request's headers for Latin-1: `ÄMÄZÕÑ S3`, sent as UTF-8, comes back as
/// the encoded `Ã\u{84}MÃ\u{84}ZÃ\u{95}Ã\u{91} S3`
/// ([User-defined metadata](https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata)).
/// Text whose characters are, as bytes, UTF-8 is therefore taken for those bytes.
#[must_use]
pub fn decode(value: &str) -> Cow<'_, str> {
    match join(value).map(|text| of_latin1(&text).unwrap_or(text)) {
        Some(text) if !text.chars().any(char::is_control) => Cow::Owned(text),
        _ => Cow::Borrowed(value),
    }
}

/// Decodes all words of `value`; `None` if it has none, or one that is none.
fn join(value: &str) -> Option<String> {
    const BLANK: [char; 2] = [' ', '\t'];
    let (mut text, mut rest) = value.split_at(value.find("=?")?);
    let mut bytes = Vec::with_capacity(value.len());
    let mut is_first = true;
    loop {
        if is_first || !text.trim_matches(BLANK).is_empty() {
            bytes.extend_from_slice(text.as_bytes());
        }
        // A comma is where S3 joins headers of the same name.
        if !text.is_empty() && !text.ends_with(BLANK) && !text.ends_with(',') {
            return None;
        }
        (bytes, rest) = word(bytes, rest)?;
        if !rest.is_empty() && !rest.starts_with(BLANK) && !rest.starts_with(',') {
            return None;
        }
        is_first = false;
        let Some(next) = rest.find("=?") else { break };
        (text, rest) = rest.split_at(next);
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// Appends the bytes of the word that `text` begins with, and gives what follows it.
fn word(mut bytes: Vec<u8>, text: &str) -> Option<(Vec<u8>, &str)> {
    let (charset, text) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, text) = text.split_once('?')?;
    let (encoded, rest) = text.split_once("?=")?;
    // A language may stand behind the charset: RFC 2231, section 5.
    let charset = charset.split('*').next()?;
    if !charset.eq_ignore_ascii_case("utf-8") {
        return None;
    }
    match encoding {
        "B" | "b" => BASE64_STANDARD.decode_vec(encoded, &mut bytes).ok()?,
        "Q" | "q" => quoted(encoded, &mut bytes)?,
        _ => return None,
    }
    Some((bytes, rest))
}

/// The `Q` encoding: RFC 2047, section 4.2.
fn quoted(encoded: &str, bytes: &mut Vec<u8>) -> Option<()> {
    let mut rest = encoded.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match byte {
            b'_' => b' ',
            b'=' => {
                let (hex, tail) = rest.split_at_checked(2)?;
                rest = tail;
                let digit = |at: usize| char::from(hex[at]).to_digit(16);
                u8::try_from(digit(0)? * 16 + digit(1)?).ok()?
            }
            b'!'..=b'~' => byte,
            _ => return None,
        });
    }
    Some(())
}

/// The UTF-8 text whose bytes are the characters of `text`.
fn of_latin1(text: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> = text.chars().map(|char| u8::try_from(char).ok()).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_text() {
        for (value, text) in [
            ("=?UTF-8?B?Wm/Dqw==?=", "Zoë"),
            ("=?utf-8?q?Zo=c3=AB_M.?=", "Zoë M."),
            ("=?UTF-8*en?Q?a=3Fb=3D?=", "a?b="),
            ("=?UTF-8?Q?=E6=97?= \t=?UTF-8?Q?=A5?=", "日"),
            ("=?UTF-8?B?5pel?= =?UTF-8?Q?_=E6=9C=AC?=", "日 本"),
            ("plain =?UTF-8?B?5pel?= text", "plain 日 text"),
            ("=?UTF-8?Q?=C3=A4?=,=?UTF-8?Q?=C3=B6?=", "ä,ö"),
            ("=?UTF-8?Q?=C3=A4?=, b", "ä, b"),
            ("=?UTF-8?Q??=", ""),
        ] {
            assert_eq!(decode(value), text, "{value}");
        }
    }

    #[test]
    fn what_s3_took_for_latin1_is_taken_back() {
        // S3's own documentation gives this value.
        let value = "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=";
        assert_eq!(decode(value), "ÄMÄZÕÑ S3");
        assert_eq!(decode("=?UTF-8?Q?caf=C3=A9?="), "café");
    }

    #[test]
    fn what_is_no_word_stays_as_it_is() {
        for value in [
            "",
            "plain",
            "Zoë",
            "a=?b",
            "=?",
            "=?UTF-8?B?",
            "=?UTF-8?B?Wm/Dqw==",
            "=?UTF-8?B?not base64?=",
            "=?UTF-8?B?/w==?=",
            "=?UTF-8?Q?=FF?=",
            "=?UTF-8?Q?=C3?=",
            "=?UTF-8?Q?=4?=",
            "=?UTF-8?Q?=é4?=",
            "=?UTF-8?Q?=+4?=",
            "=?UTF-8?X?abc?=",
            "=?ISO-8859-1?Q?Zo=EB?=",
            "=?UTF-8?Q?line=0Abreak?=",
            "glued=?UTF-8?B?5pel?=",
            "=?UTF-8?B?5pel?=glued",
            "=?UTF-8?B?5pel?= =?UTF-8?B?wrong?=",
        ] {
            assert_eq!(decode(value), value);
        }
    }
}
