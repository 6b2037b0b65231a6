//! What the fuzzers share.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response};

/// A reply written as in HTTP/1.1, but for its version: a line with the status, one a header, an empty
/// line, the body. Lines end with LF.
#[must_use]
pub fn reply(input: &[u8]) -> Option<Response<Bytes>> {
    let end = input.windows(2).position(|pair| pair == b"\n\n")?;
    let mut lines = input[..end].split(|byte| *byte == b'\n');
    let status: u16 = str::from_utf8(lines.next()?).ok()?.parse().ok()?;
    let mut reply = Response::builder().status(status);
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        reply = reply.header(
            name,
            HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?,
        );
    }
    reply.body(Bytes::copy_from_slice(&input[end + 2..])).ok()
}
