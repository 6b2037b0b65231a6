//! Bytes on their way in: hashed as they come, kept in memory while they are few, and in a file
//! from then on.
//!
//! What is compared with what the client promised is the caller's affair; nothing read here is part
//! of the store before the caller commits it.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt as _};
use tokio::task::JoinHandle;

use super::body::{BLOCK, Body, Segment, SpillFile};
use super::checksum::{Algorithm, Digests, Hashers};

/// Objects up to this size stay in memory.
pub(crate) const SPILL_OBJECT_ABOVE: u64 = 16 << 20;
/// Parts up to this size stay in memory; lower, for an upload has many.
pub(crate) const SPILL_PART_ABOVE: u64 = 1 << 20;
/// Hashing this much takes less time than handing it to another thread is worth.
const HASH_INLINE: usize = 64 << 10;

/// Bytes that have arrived, with what they hash to.
pub(crate) struct Received {
    pub(crate) body: Body,
    pub(crate) digests: Digests,
}

/// Where the bytes go.
pub(crate) enum Sink {
    /// Into memory.
    Memory,
    /// Into this file.
    File(Arc<SpillFile>),
}

impl Sink {
    /// A sink for an object of `length` bytes.
    pub(crate) fn for_object(length: u64) -> io::Result<Self> {
        if length > SPILL_OBJECT_ABOVE {
            Ok(Self::File(Arc::new(SpillFile::create()?)))
        } else {
            Ok(Self::Memory)
        }
    }
}

/// Reads `stream` to its end, or until it has given more than `length` bytes.
///
/// # Errors
/// The stream's own, and those of the temporary file.
pub(crate) async fn receive<E>(
    stream: impl Stream<Item = Result<Bytes, E>>,
    length: u64,
    algorithms: impl IntoIterator<Item = Algorithm>,
    sink: Sink,
) -> Result<Received, ReceiveError<E>> {
    let mut stream = std::pin::pin!(stream);
    let block = usize::try_from(length).map_or(BLOCK, |length| length.min(BLOCK));
    let mut ingest = Ingest {
        sink,
        segments: Vec::new(),
        work: Work::Idle(Hashers::new(algorithms)),
    };
    let mut buffer = BytesMut::with_capacity(block);
    let mut seen = 0;
    while let Some(mut bytes) = stream.try_next().await.map_err(ReceiveError::Stream)? {
        seen += bytes.len() as u64;
        if seen > length {
            return Err(ReceiveError::Length { seen });
        }
        while buffer.len() + bytes.len() >= BLOCK {
            buffer.extend_from_slice(&bytes.split_to(BLOCK - buffer.len()));
            let full = std::mem::replace(&mut buffer, BytesMut::with_capacity(BLOCK));
            ingest.block(full.freeze()).await?;
        }
        buffer.extend_from_slice(&bytes);
    }
    if seen != length {
        return Err(ReceiveError::Length { seen });
    }
    ingest.block(buffer.freeze()).await?;
    Ok(ingest.finish().await?)
}

/// What `body` hashes to, computed off the runtime's own threads.
///
/// # Errors
/// The temporary file cannot be read.
pub(crate) async fn digest(
    body: &Body,
    algorithms: impl IntoIterator<Item = Algorithm>,
) -> io::Result<Digests> {
    let mut hashers = Hashers::new(algorithms);
    let mut stream = std::pin::pin!(body.stream());
    while let Some(block) = stream.try_next().await? {
        hashers = tokio::task::spawn_blocking(move || {
            hashers.update(&block);
            hashers
        })
        .await?;
    }
    Ok(hashers.finish())
}

/// Why [`receive`] gave up.
#[derive(Debug)]
pub(crate) enum ReceiveError<E> {
    /// The sender broke off, or what it sent does not bear its signature.
    Stream(E),
    /// As many bytes came, not as many as announced.
    Length { seen: u64 },
    /// Our temporary file failed.
    Io(io::Error),
}

impl<E> From<io::Error> for ReceiveError<E> {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Ingest {
    sink: Sink,
    segments: Vec<Segment>,
    work: Work,
}

/// Hashing and writing one block, while the next one arrives.
enum Work {
    Idle(Hashers),
    Busy(JoinHandle<io::Result<(Hashers, Segment)>>),
    /// Only inside [`Ingest::idle`], or after an error.
    Taken,
}

impl Ingest {
    async fn block(&mut self, block: Bytes) -> io::Result<()> {
        let mut hashers = self.idle().await?;
        let file = match &self.sink {
            Sink::Memory => None,
            Sink::File(spill) => Some(Arc::clone(spill)),
        };
        if file.is_none() && block.len() <= HASH_INLINE {
            hashers.update(&block);
            self.segments.push(Segment::Memory(block));
            self.work = Work::Idle(hashers);
            return Ok(());
        }
        self.work = Work::Busy(tokio::task::spawn_blocking(move || {
            hashers.update(&block);
            let segment = match file {
                None => Segment::Memory(block),
                Some(spill) => Segment::File {
                    offset: spill.append(&block)?,
                    length: block.len() as u64,
                    spill,
                },
            };
            Ok((hashers, segment))
        }));
        Ok(())
    }

    async fn idle(&mut self) -> io::Result<Hashers> {
        match std::mem::replace(&mut self.work, Work::Taken) {
            Work::Idle(hashers) => Ok(hashers),
            Work::Busy(work) => {
                let (hashers, segment) = work.await??;
                self.segments.push(segment);
                Ok(hashers)
            }
            Work::Taken => Err(io::Error::other("the upload has already failed")),
        }
    }

    async fn finish(mut self) -> io::Result<Received> {
        let hashers = self.idle().await?;
        Ok(Received {
            body: Body::from_segments(self.segments),
            digests: hashers.finish(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    async fn receive_in(
        chunks: &[&[u8]],
        length: u64,
        sink: Sink,
    ) -> Result<Received, ReceiveError<io::Error>> {
        let chunks: Vec<_> = chunks
            .iter()
            .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
            .collect();
        receive(
            futures::stream::iter(chunks),
            length,
            [Algorithm::Crc32c],
            sink,
        )
        .await
    }

    #[tokio::test]
    async fn blocks_keep_their_order_and_their_hash() {
        let whole: Vec<u8> = (0..5_000_000_u32).map(|i| (i % 253) as u8).collect();
        let mut hashers = Hashers::new([Algorithm::Crc32c]);
        hashers.update(&whole);
        let expected = hashers.finish();
        let chunks: Vec<&[u8]> = whole.chunks(777_777).collect();
        let spill = Arc::new(SpillFile::create().unwrap());
        for sink in [Sink::Memory, Sink::File(spill)] {
            let received = receive_in(&chunks, whole.len() as u64, sink).await.unwrap();
            assert_eq!(received.body.bytes().await.unwrap(), whole);
            assert_eq!(received.digests.md5, expected.md5);
            assert_eq!(received.digests.checksums, expected.checksums);
        }
    }

    #[tokio::test]
    async fn too_few_and_too_many_bytes_are_errors() {
        for length in [5, 7] {
            let error = receive_in(&[b"abc", b"def"], length, Sink::Memory)
                .await
                .err()
                .unwrap();
            assert!(matches!(error, ReceiveError::Length { seen: 6 }));
        }
    }
}
