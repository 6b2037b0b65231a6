//! The open body read in large pieces, where a checksum has to run over it.
//!
//! The pieces stay in the platform's memory: a piece is read into a buffer, handed to the checksums
//! and to the sink, and the buffer is used again.

use std::cell::RefCell;

use causeway_shared::port::{Digest, Digests, TransportError};
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen_futures::JsFuture;
use web_sys::WritableStreamDefaultWriter;

use super::pipe::check_length;
use super::source::Source;
use super::{sink as at_sink, source as at_source};
use crate::platform::describe;

/// The largest buffer, in bytes, and how much of it a read should fill.
const CHUNK: u32 = 1024 * 1024;
const AT_LEAST: u32 = CHUNK / 2;

/// Moves `length` bytes from `source` into `writer`, if there is one, under the checksums `digest`.
///
/// # Errors
/// [`TransportError`] when the source breaks or ends before, or the sink stops reading.
pub(super) async fn pump(
    source: &mut Source,
    writer: Option<&WritableStreamDefaultWriter>,
    length: u64,
    digest: Digest,
) -> Result<(), TransportError> {
    let mut buffer = spare(up_to(length));
    let mut left = length;
    while left > 0 {
        let wanted = up_to(left);
        let read = source.read(&buffer, 0..wanted, wanted.min(AT_LEAST)).await;
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
    keep(buffer);
    Ok(())
}

thread_local! {
    /// Buffers of [`CHUNK`] bytes that nobody uses now. What is dropped stays until the platform
    /// collects it, which it is in no hurry to do: a body after a body would pile them up.
    static SPARE: RefCell<Vec<ArrayBuffer>> = const { RefCell::new(Vec::new()) };
}

fn spare(length: u32) -> ArrayBuffer {
    let spare = SPARE.with_borrow_mut(|spare| spare.pop_if(|_| length == CHUNK));
    spare.unwrap_or_else(|| ArrayBuffer::new(length))
}

fn keep(buffer: ArrayBuffer) {
    if buffer.byte_length() == CHUNK {
        SPARE.with_borrow_mut(|spare| spare.push(buffer));
    }
}

/// Reads the rest of `source`, which must be `length` bytes, under the checksums `digest`, and leaves
/// it in its place, in the platform's memory.
///
/// # Errors
/// The reason why it is not.
pub(super) async fn hold(
    source: &mut Source,
    length: u64,
    digest: Digest,
) -> Result<Digests, String> {
    let rest = if source.is_untouched() {
        check_length(source.left(), length, false).map_err(|lost| lost.detail)?;
        let whole = source.whole().await?;
        source.running(digest)?.update(&whole).await?;
        whole
    } else {
        read_rest(source, length, digest).await?
    };
    if u64::from(rest.length()) != length {
        return Err(too_short(rest.length(), length));
    }
    source.keep(rest);
    source.digests(digest).await
}

async fn read_rest(source: &mut Source, length: u64, digest: Digest) -> Result<Uint8Array, String> {
    let too_long = || format!("the body is longer than the {length} bytes that were expected");
    let size = u32::try_from(length).map_err(|_| too_long())?;
    let (mut buffer, mut filled) = (ArrayBuffer::new(size), 0);
    while filled < size {
        let least = AT_LEAST.min(size - filled);
        let Some(chunk) = source.read(&buffer, filled..size, least).await? else {
            return Err(too_short(filled, length));
        };
        source.running(digest)?.update(&chunk).await?;
        filled += chunk.length();
        buffer = chunk.buffer();
    }
    let beyond = source.read(&ArrayBuffer::new(1), 0..1, 1).await?;
    match beyond {
        None => Ok(Uint8Array::new(&buffer)),
        Some(_) => Err(too_long()),
    }
}

fn up_to(length: u64) -> u32 {
    u32::try_from(length).unwrap_or(CHUNK).min(CHUNK)
}

fn too_short(found: u32, length: u64) -> String {
    format!("the body ended after {found} of {length} bytes")
}
