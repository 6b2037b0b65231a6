//! An upload of a small body: read whole, then sent whole.
//!
//! For a few kilobytes a stream costs more than the bytes do. The bytes stay in the platform's memory
//! here, too; a body of known length is sent with its Content-Length.

use bytes::Bytes;
use causeway_shared::port::{Sink, TransportError};
use http::Response;
use js_sys::Uint8Array;

use super::pipe::{check_length, stalled, time_for};
use super::source::Source;
use super::{exchange, sink as at_sink, source as at_source, within};

/// The largest body that is sent this way, in bytes. As many transfers as a batch has under way at
/// once may each hold it twice.
pub(super) const LIMIT: u64 = 256 * 1024;

/// Sends `sink` with the `length` bytes of `source`.
///
/// # Errors
/// [`TransportError`], as [`causeway_shared::port::Port::pipe`] says.
pub(super) async fn send(
    mut source: Source,
    sink: &Sink,
    length: u64,
) -> Result<Response<Bytes>, TransportError> {
    check_length(source.left(), length, false)?;
    let copied = async {
        let body = source.whole().await.map_err(at_source)?;
        if u64::from(body.length()) != length {
            return Err(at_source(format!(
                "the body has {} bytes, {length} were announced",
                body.length()
            )));
        }
        upload(sink, &body).await.map_err(at_sink)
    };
    within(time_for(length), copied)
        .await
        .unwrap_or_else(|| Err(stalled(length)))
}

async fn upload(sink: &Sink, body: &Uint8Array) -> Result<Response<Bytes>, String> {
    let request = exchange::build(&sink.request, exchange::Body::Decoded)?;
    request
        .init
        .set_body(&enclosed(&sink.prefix, body, &sink.suffix));
    exchange::read(&exchange::fetch(&request).await?).await
}

fn enclosed(prefix: &[u8], body: &Uint8Array, suffix: &[u8]) -> Uint8Array {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "wasm's lengths have 32 bits"
    )]
    let (prefix_length, suffix_length) = (prefix.len() as u32, suffix.len() as u32);
    let end = prefix_length + body.length();
    let whole = Uint8Array::new_with_length(end + suffix_length);
    whole.subarray(0, prefix_length).copy_from(prefix);
    whole.set(body, prefix_length);
    whole.subarray(end, end + suffix_length).copy_from(suffix);
    whole
}
