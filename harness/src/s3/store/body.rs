//! An object's bytes: small ones in memory, large ones in an unnamed temporary file, and those that
//! nobody wrote as a block that is repeated.
//!
//! A [`Body`] is a rope of immutable segments, so that copying an object, or putting the parts of a
//! multipart upload together, moves no bytes. Whoever drops the last segment of a file frees its disk.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures::{Stream, TryStreamExt as _};

/// Bytes read from a file at once, and so the most memory that reading a large object takes.
pub(crate) const BLOCK: usize = 1 << 20;

/// A temporary file that several writers append to, each at offsets of its own.
#[derive(Debug)]
pub(crate) struct SpillFile {
    file: File,
    end: AtomicU64,
}

impl SpillFile {
    /// An empty file in the system's temporary folder that disappears with its last handle.
    pub(crate) fn create() -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile()?,
            end: AtomicU64::new(0),
        })
    }

    /// Appends `bytes`, blocking, and says where they lie.
    pub(crate) fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        let offset = self.end.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.file.write_all_at(bytes, offset)?;
        Ok(offset)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Segment {
    Memory(Bytes),
    File {
        spill: Arc<SpillFile>,
        offset: u64,
        length: u64,
    },
    /// A block that is not empty, again and again.
    Repeated {
        block: Bytes,
        /// Where in the block it begins.
        start: usize,
        length: u64,
    },
}

impl Segment {
    fn length(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } | Self::Repeated { length, .. } => *length,
        }
    }

    fn slice(&self, range: Range<u64>) -> Self {
        match self {
            Self::Memory(bytes) => Self::Memory(bytes.slice(index(range.start)..index(range.end))),
            Self::File { spill, offset, .. } => Self::File {
                spill: Arc::clone(spill),
                offset: offset + range.start,
                length: range.end - range.start,
            },
            Self::Repeated { block, start, .. } => Self::Repeated {
                start: index((*start as u64 + range.start) % block.len() as u64),
                block: block.clone(),
                length: range.end - range.start,
            },
        }
    }
}

/// The offset of a byte that lies in memory.
fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("an offset into bytes in memory fits usize")
}

/// Immutable bytes, cheap to clone and to cut.
#[derive(Clone, Debug, Default)]
pub struct Body {
    segments: Arc<[Segment]>,
    length: u64,
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from_segments([Segment::Memory(bytes)])
    }
}

impl Body {
    pub(crate) fn from_segments(segments: impl IntoIterator<Item = Segment>) -> Self {
        let mut joined: Vec<Segment> = Vec::new();
        for next in segments {
            match (joined.last_mut(), next) {
                (_, next) if next.length() == 0 => {}
                (
                    Some(Segment::File {
                        spill,
                        offset,
                        length,
                    }),
                    Segment::File {
                        spill: next_spill,
                        offset: next_offset,
                        length: next_length,
                    },
                ) if Arc::ptr_eq(spill, &next_spill) && *offset + *length == next_offset => {
                    *length += next_length;
                }
                (_, next) => joined.push(next),
            }
        }
        Self {
            length: joined.iter().map(Segment::length).sum(),
            segments: joined.into(),
        }
    }

    /// The bodies one after the other.
    pub(crate) fn concat<'a>(bodies: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::from_segments(
            bodies
                .into_iter()
                .flat_map(|body| body.segments.iter().cloned()),
        )
    }

    /// `block`, which must not be empty, again and again up to `length` bytes.
    pub(crate) fn repeated(block: Bytes, length: u64) -> Self {
        Self::from_segments([Segment::Repeated {
            block,
            start: 0,
            length,
        }])
    }

    /// How many bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The bytes in `range`, which must lie inside.
    #[must_use]
    pub fn slice(&self, range: Range<u64>) -> Self {
        let mut start = 0;
        let mut cut = Vec::new();
        for segment in self.segments.iter() {
            let end = start + segment.length();
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                cut.push(segment.slice(from - start..to - start));
            }
            start = end;
        }
        Self::from_segments(cut)
    }

    /// The bytes in order. What lies in memory comes as it is, a file in blocks of 1 MiB, read off
    /// the runtime's own threads.
    ///
    /// # Errors
    /// The stream's items fail where the temporary file cannot be read.
    pub fn stream(&self) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + use<> {
        futures::stream::try_unfold(
            (Arc::clone(&self.segments), 0, 0),
            |(segments, mut at, mut done)| async move {
                while let Some(segment) = segments.get(at) {
                    let block = match segment {
                        Segment::Memory(bytes) => {
                            at += 1;
                            bytes.clone()
                        }
                        Segment::File { length, .. } | Segment::Repeated { length, .. }
                            if done == *length =>
                        {
                            (at, done) = (at + 1, 0);
                            continue;
                        }
                        Segment::File {
                            spill,
                            offset,
                            length,
                        } => {
                            let take = index((length - done).min(BLOCK as u64));
                            let block = read_block(Arc::clone(spill), offset + done, take).await?;
                            done += take as u64;
                            block
                        }
                        Segment::Repeated {
                            block,
                            start,
                            length,
                        } => {
                            let from = index((*start as u64 + done) % block.len() as u64);
                            let left = index((length - done).min(block.len() as u64));
                            let piece = block.slice(from..block.len().min(from + left));
                            done += piece.len() as u64;
                            piece
                        }
                    };
                    return Ok(Some((block, (segments, at, done))));
                }
                Ok(None)
            },
        )
    }

    /// The bytes, if they lie in memory in one piece.
    pub(crate) fn in_memory(&self) -> Option<Bytes> {
        match &*self.segments {
            [] => Some(Bytes::new()),
            [Segment::Memory(bytes)] => Some(bytes.clone()),
            _ => None,
        }
    }

    /// All the bytes in memory at once.
    ///
    /// # Errors
    /// The temporary file cannot be read.
    pub async fn bytes(&self) -> io::Result<Bytes> {
        if let Some(bytes) = self.in_memory() {
            return Ok(bytes);
        }
        let mut all = BytesMut::with_capacity(index(self.length));
        let mut stream = std::pin::pin!(self.stream());
        while let Some(block) = stream.try_next().await? {
            all.extend_from_slice(&block);
        }
        Ok(all.freeze())
    }
}

async fn read_block(spill: Arc<SpillFile>, offset: u64, length: usize) -> io::Result<Bytes> {
    tokio::task::spawn_blocking(move || {
        let mut block = vec![0; length];
        spill.file.read_exact_at(&mut block, offset)?;
        Ok(block.into())
    })
    .await?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[tokio::test]
    async fn a_rope_of_memory_and_file_reads_and_cuts_as_one() {
        let spill = Arc::new(SpillFile::create().unwrap());
        let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        let offset = spill.append(&large).unwrap();
        let file = Segment::File {
            spill,
            offset,
            length: large.len() as u64,
        };
        let whole = [b"head", &large[..], b"tail"].concat();
        let body = Body::from_segments([
            Segment::Memory(Bytes::from_static(b"head")),
            file,
            Segment::Memory(Bytes::from_static(b"tail")),
        ]);
        assert_eq!(body.length(), whole.len() as u64);
        assert_eq!(body.bytes().await.unwrap(), whole);
        for range in [0..0, 0..4, 2..7, 5..2_000_000, 2_999_999..3_000_008] {
            let cut = body.slice(range.start as u64..range.end as u64);
            assert_eq!(cut.bytes().await.unwrap(), &whole[range]);
        }
    }

    #[tokio::test]
    async fn a_repeated_block_reads_and_cuts_as_the_bytes_it_stands_for() {
        let whole: Vec<u8> = b"abcdefg".iter().copied().cycle().take(40).collect();
        let body = Body::repeated(Bytes::from_static(b"abcdefg"), 40);
        assert_eq!(body.bytes().await.unwrap(), whole);
        for start in 0..40_usize {
            for end in start..=40 {
                let cut = body.slice(start as u64..end as u64);
                assert_eq!(cut.bytes().await.unwrap(), &whole[start..end]);
                let again = cut.slice(0..cut.length() / 2);
                assert_eq!(
                    again.bytes().await.unwrap(),
                    &whole[start..start + (end - start) / 2]
                );
            }
        }
        assert_eq!(Body::repeated(Bytes::from_static(b"a"), 0).length(), 0);
    }

    #[test]
    fn neighbours_in_one_file_become_one_segment() {
        let spill = Arc::new(SpillFile::create().unwrap());
        let segments = [b"abc", b"def"].map(|bytes| Segment::File {
            offset: spill.append(bytes).unwrap(),
            length: 3,
            spill: Arc::clone(&spill),
        });
        assert_eq!(Body::from_segments(segments).segments.len(), 1);
    }
}
