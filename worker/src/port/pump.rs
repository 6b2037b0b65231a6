//! The open body read in large pieces, where a checksum has to run over it.
//!
//! The pieces stay in the platform's memory: a piece is read into a buffer, handed to the platform's
//! own CRC32C and to the sink, and the buffer is used again.

use bytes::{Bytes, BytesMut};
use causeway_shared::port::{Lost, Tail};
use js_sys::{ArrayBuffer, Promise};
use wasm_bindgen_futures::JsFuture;
use web_sys::WritableStreamDefaultWriter;

use super::source::Source;
use super::{sink as at_sink, source as at_source};
use crate::platform::describe;

/// The buffer's size, in bytes, and how much of it a read should fill.
const CHUNK: u32 = 512 * 1024;
const AT_LEAST: u32 = 256 * 1024;

/// Moves `length` bytes from `source` into `writer`, under the source's checksum.
///
/// # Errors
/// [`Lost`] when the source breaks or ends before, or the sink stops reading.
pub(super) async fn pump(
    source: &mut Source,
    writer: &WritableStreamDefaultWriter,
    length: u64,
) -> Result<(), Lost> {
    let mut buffer = ArrayBuffer::new(CHUNK);
    let mut left = length;
    while left > 0 {
        let wanted = u32::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let read = source.read(&buffer, wanted, wanted.min(AT_LEAST)).await;
        let Some(chunk) = read.map_err(at_source)? else {
            return Err(at_source(format!("the body ended {left} bytes early")));
        };
        let written = writer.write_with_chunk(&chunk);
        let digested = source.digest(&chunk).map_err(at_source)?;
        finish(written).await.map_err(at_sink)?;
        finish(digested).await.map_err(at_source)?;
        left -= u64::from(chunk.length()).min(left);
        buffer = chunk.buffer();
    }
    Ok(())
}

/// Reads the rest of `source`, which must be `length` bytes.
///
/// # Errors
/// The reason why it is not.
pub(super) async fn take(source: &mut Source, length: u64) -> Result<Tail, String> {
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
        finish(source.digest(&chunk)?).await?;
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
        crc32c: source.crc32c().await?,
    })
}

async fn finish(promise: Promise) -> Result<(), String> {
    let ended = JsFuture::from(promise).await;
    ended.map(drop).map_err(|error| describe(&error))
}
