//! Percent-encoding as signatures want it, and hexadecimal digits.
//!
//! AWS calls it UriEncode: `A-Z a-z 0-9 - . _ ~` stay, every other byte becomes `%XX` in upper case; a path keeps
//! its `/`. See <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.

use percent_encoding::{percent_decode, percent_encode_byte};

const UNRESERVED: u8 = 1;
const SLASH: u8 = 2;

/// For each byte, whether it is unreserved, a slash, or neither.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[allow(clippy::cast_possible_truncation)] // byte < 256
        let is_unreserved = matches!(byte as u8, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~');
        if is_unreserved {
            class[byte] = UNRESERVED;
        }
        byte += 1;
    }
    class[b'/' as usize] = SLASH;
    class
};

/// Which bytes stay as they are.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Keep {
    /// Unreserved bytes: in names and values of a query.
    Unreserved = UNRESERVED,
    /// Unreserved bytes and `/`: in a path.
    Path = UNRESERVED | SLASH,
}

impl Keep {
    fn keeps(self, byte: u8) -> bool {
        CLASS[usize::from(byte)] & self as u8 != 0
    }
}

/// Appends `text` with every byte encoded that is not kept, `%` included.
pub(super) fn push_encoded(out: &mut String, text: &str, keep: Keep) {
    let mut plain_from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !keep.keeps(byte) {
            // Continuation bytes of a character are never plain, so both ends are character boundaries.
            if plain_from < at {
                out.push_str(&text[plain_from..at]);
            }
            out.push_str(percent_encode_byte(byte));
            plain_from = at + 1;
        }
    }
    if plain_from < text.len() {
        out.push_str(&text[plain_from..]);
    }
}

/// Appends `text`, which is percent-encoded in whatever way, in the one canonical way: decoded, then encoded.
/// A `%` that begins no escape stands for itself.
pub(super) fn push_reencoded(out: &mut String, text: &str, keep: Keep) {
    if text.bytes().all(|byte| keep.keeps(byte)) {
        out.push_str(text);
        return;
    }
    for byte in percent_decode(text.as_bytes()) {
        push_byte(out, byte, keep);
    }
}

/// Appends a name or a value of a query in the canonical way. A `+` is a space there, as in a form.
pub(super) fn push_reencoded_form(out: &mut String, text: &str) {
    let mut parts = text.split('+');
    push_reencoded(out, parts.next().unwrap_or_default(), Keep::Unreserved);
    for part in parts {
        out.push_str("%20");
        push_reencoded(out, part, Keep::Unreserved);
    }
}

fn push_byte(out: &mut String, byte: u8, keep: Keep) {
    if keep.keeps(byte) {
        out.push(char::from(byte));
    } else {
        out.push_str(percent_encode_byte(byte));
    }
}

/// The path of an S3 object: `/` stays, so do unreserved characters; every other byte of the UTF-8 is `%XX`.
///
/// Takes the key as S3 knows it (not encoded) and gives what follows the `/` after the bucket, without a leading
/// slash of its own. Segments `.` and `..` come out as they are: HTTP clients that follow the URL standard,
/// workerd's fetch among them, resolve them, so such keys have to be refused or reached another way.
#[must_use]
pub fn encode_key(key: &str) -> String {
    let mut path = String::with_capacity(key.len() + 16);
    push_encoded(&mut path, key, Keep::Path);
    path
}

/// A query from names and values that are not encoded, in the order given: `a=1&b=%2F`.
///
/// A parameter without a value is given as the empty string and comes out as `name=`, which S3 takes for `name`.
#[must_use]
pub fn encode_query<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut query = String::new();
    for (name, value) in parameters {
        if !query.is_empty() {
            query.push('&');
        }
        push_encoded(&mut query, name, Keep::Unreserved);
        query.push('=');
        push_encoded(&mut query, value, Keep::Unreserved);
    }
    query
}

/// 32 bytes as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Hex([u8; 64]);

impl Hex {
    pub(super) fn new(bytes: &[u8; 32]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(digits)
    }

    pub(super) fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

/// Text from bytes that were written as ASCII.
pub(super) fn ascii(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).expect("ASCII is UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_keeps_unreserved_characters_and_slashes_only() {
        assert_eq!(encode_key("a/b-_.~/Z9"), "a/b-_.~/Z9");
        assert_eq!(encode_key("a b+c%2F(d)é"), "a%20b%2Bc%252F%28d%29%C3%A9");
        assert_eq!(encode_key("//a//./../"), "//a//./../");
        assert_eq!(encode_key(""), "");
        assert_eq!(encode_key("\u{0}\n\u{7f}"), "%00%0A%7F");
    }

    #[test]
    fn a_query_encodes_slashes_too_and_keeps_its_order() {
        let query = encode_query([("prefix", "a/b c"), ("list-type", "2"), ("versions", "")]);
        assert_eq!(query, "prefix=a%2Fb%20c&list-type=2&versions=");
    }

    #[test]
    fn every_spelling_of_a_path_comes_out_the_same() {
        for spelling in ["/a%20b/%c3%a9%2Fx", "/a%20b/é/%78", "/%61 b/%C3%A9/x"] {
            let mut out = String::new();
            push_reencoded(&mut out, spelling, Keep::Path);
            assert_eq!(out, "/a%20b/%C3%A9/x", "{spelling}");
        }
        let mut out = String::new();
        push_reencoded(&mut out, "/100%/%zz", Keep::Path);
        assert_eq!(out, "/100%25/%25zz");
    }

    #[test]
    fn a_plus_in_a_query_is_a_space_and_an_encoded_one_a_plus() {
        let mut out = String::new();
        push_reencoded_form(&mut out, "a+b%2Bc++");
        assert_eq!(out, "a%20b%2Bc%20%20");
    }

    #[test]
    fn hex_is_lower_case() {
        let hex = Hex::new(&[0xA9; 32]);
        assert_eq!(hex.as_str(), "a9".repeat(32));
    }
}
