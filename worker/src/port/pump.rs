//! The open body read in large pieces, where a checksum has to run over it.
//!
//! The pieces stay in the platform's memory: a piece is read into a buffer, handed to the checksums
//! and to the sink, and the buffer is used again.

use bytes::{Bytes, BytesMut};
use causeway_shared::port::{Digest, Lost, Tail};
use js_sys::ArrayBuffer;
use wasm_bindgen_futures::JsFuture;
use web_sys::WritableStreamDefaultWriter;

use super::source::Source;
use super::{sink as at_sink, source as at_source};
use crate::platform::describe;

/// The buffer's size, in bytes, and how much of it a read should fill.
const CHUNK: u32 = 512 * 1024;
const AT_LEAST: u32 = 256 * 1024;

/// Moves `length` bytes from `source` into `writer`, if there is one, under the checksums `digest`.
///
/// # Errors
/// [`Lost`] when the source breaks or ends before, or the sink stops reading.
pub(super) async fn pump(
    source: &mut Source,
    writer: Option<&WritableStreamDefaultWriter>,
    length: u64,
    digest: Digest,
) -> Result<(), Lost> {
    let mut buffer = ArrayBuffer::new(CHUNK);
    let mut left = length;
    while left > 0 {
        let wanted = u32::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let read = source.read(&buffer, wanted, wanted.min(AT_LEAST)).await;
        let Some(chunk) = read.map_err(at_source)? else {
            return Err(at_source(format!("the body ended {left} bytes early")));
        };
        let written = writer.map(|writer| writer.write_with_chunk(&chunk));
        let digested = source.running(digest).map_err(at_source)?.update(&chunk);
        if let Some(written) = written {
            let written = JsFuture::from(written).await;
            written.map_err(|error| at_sink(describe(&error)))?;
        }
        digested.await.map_err(at_source)?;
        left -= u64::from(chunk.length()).min(left);
        buffer = chunk.buffer();
    }
    Ok(())
}

/// Reads the rest of `source`, which must be `length` bytes, under the checksums `digest`.
///
/// # Errors
/// The reason why it is not.
pub(super) async fn take(source: &mut Source, length: u64, digest: Digest) -> Result<Tail, String> {
    if source.left().is_some_and(|left| left != length) {
        return Err(format!(
            "the body has {} bytes left, {length} were expected",
            source.left().unwrap_or_default()
        ));
    }
    let mut buffer = ArrayBuffer::new(CHUNK);
    let mut bytes = BytesMut::new();
    loop {
        // One byte more than expected, so that a longer body is seen.
        let room = length.saturating_sub(bytes.len() as u64).saturating_add(1);
        let wanted = u32::try_from(room).unwrap_or(CHUNK).min(CHUNK);
        let Some(chunk) = source.read(&buffer, wanted, wanted.min(AT_LEAST)).await? else {
            break;
        };
        let start = bytes.len();
        bytes.resize(start + chunk.length() as usize, 0);
        chunk.copy_to(&mut bytes[start..]);
        if bytes.len() as u64 > length {
            return Err(format!(
                "the body is longer than the {length} bytes that were expected"
            ));
        }
        source.running(digest)?.update(&chunk).await?;
        buffer = chunk.buffer();
    }
    if bytes.len() as u64 != length {
        return Err(format!(
            "the body ended after {} of {length} bytes",
            bytes.len()
        ));
    }
    Ok(Tail {
        bytes: Bytes::from(bytes),
        digests: source.digests(digest).await?,
    })
}
