//! Object bodies: hashed while they are received, kept in memory while small and in an unlinked
//! temporary file when large, shared (never copied) by composed and copied objects.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use crc_fast::{CrcAlgorithm, checksum_combine};
use md5::{Digest as _, Md5};

use super::lock;

/// Above this many bytes a body goes to a temporary file.
const SPOOL_ABOVE: usize = 16 << 20;

/// Receives a body piece by piece.
///
/// Writes to a temporary file block the calling thread; they go to the page cache and cost about as
/// much as the hashing beside them.
pub struct BodyWriter {
    store: Store,
    length: u64,
    crc32c: crc_fast::Digest,
    md5: Option<Md5>,
}

enum Store {
    Memory(Vec<u8>),
    File(File),
    Discard,
}

impl BodyWriter {
    /// An empty body. With `discard` the bytes are counted and CRC32C-hashed only; there will be no
    /// MD5 and nothing to read back.
    #[must_use]
    pub fn new(discard: bool) -> Self {
        Self {
            store: if discard {
                Store::Discard
            } else {
                Store::Memory(Vec::new())
            },
            length: 0,
            crc32c: crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi),
            md5: (!discard).then(Md5::new),
        }
    }

    /// Appends `bytes`.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be made or written; the writer is then of no further use.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.crc32c.update(bytes);
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        self.length += bytes.len() as u64;
        match &mut self.store {
            Store::Memory(held) if held.len() + bytes.len() <= SPOOL_ABOVE => {
                held.extend_from_slice(bytes);
                Ok(())
            }
            Store::Memory(held) => {
                let mut file = tempfile::tempfile()?;
                file.write_all(held)?;
                file.write_all(bytes)?;
                self.store = Store::File(file);
                Ok(())
            }
            Store::File(file) => file.write_all(bytes),
            Store::Discard => Ok(()),
        }
    }

    /// Bytes received so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Ends the body.
    #[must_use]
    pub fn finish(self) -> HashedBody {
        let segment = match self.store {
            Store::Memory(held) => Content::Memory(Bytes::from(held)),
            Store::File(file) => Content::File(Arc::new(Mutex::new(file))),
            Store::Discard => Content::Discarded,
        };
        HashedBody {
            body: Body {
                segments: Arc::new([Segment {
                    content: segment,
                    length: self.length,
                }]),
                length: self.length,
            },
            crc32c: low_32(self.crc32c.finalize()),
            md5: self.md5.map(|md5| md5.finalize().into()),
        }
    }
}

/// A whole body and what it hashes to.
#[derive(Clone)]
pub struct HashedBody {
    /// The bytes.
    pub body: Body,
    /// CRC32C of the bytes.
    pub crc32c: u32,
    /// MD5 of the bytes; absent for composed and for discarded bodies.
    pub md5: Option<[u8; 16]>,
}

impl HashedBody {
    /// A body of `length` bytes that nobody sent.
    #[cfg(test)]
    pub(super) fn sham(length: u64) -> Self {
        let segment = Segment {
            content: Content::Discarded,
            length,
        };
        Self {
            body: Body {
                segments: Arc::new([segment]),
                length,
            },
            crc32c: 0,
            md5: None,
        }
    }

    /// `parts` one after the other; the CRC32C is combined, there is no MD5.
    #[must_use]
    pub fn concatenate(parts: &[&Self]) -> Self {
        let mut segments = Vec::new();
        let (mut length, mut crc32c) = (0, 0);
        for part in parts {
            for segment in part.body.segments.iter() {
                join(&mut segments, segment);
            }
            length += part.body.length;
            let (left, right) = (u64::from(crc32c), u64::from(part.crc32c));
            crc32c = low_32(checksum_combine(
                CrcAlgorithm::Crc32Iscsi,
                left,
                right,
                part.body.length,
            ));
        }
        Self {
            body: Body {
                segments: segments.into(),
                length,
            },
            crc32c,
            md5: None,
        }
    }
}

/// Appends a segment; what is empty or discarded takes no place of its own.
fn join(segments: &mut Vec<Segment>, next: &Segment) {
    if let (Some(last), Content::Discarded) = (segments.last_mut(), &next.content)
        && matches!(last.content, Content::Discarded)
    {
        last.length += next.length;
    } else if next.length > 0 {
        segments.push(next.clone());
    }
}

/// Bytes that can be read at any offset; cloning shares them.
#[derive(Clone)]
pub struct Body {
    segments: Arc<[Segment]>,
    length: u64,
}

#[derive(Clone)]
struct Segment {
    content: Content,
    length: u64,
}

#[derive(Clone)]
enum Content {
    Memory(Bytes),
    File(Arc<Mutex<File>>),
    Discarded,
}

impl Body {
    /// Size in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether any of the bytes were dropped on purpose.
    #[must_use]
    pub fn is_discarded(&self) -> bool {
        self.segments
            .iter()
            .any(|segment| matches!(segment.content, Content::Discarded) && segment.length > 0)
    }

    /// Between one and `limit` bytes from `offset`, or none at the end of the body.
    ///
    /// # Errors
    ///
    /// When the temporary file cannot be read, or the bytes were discarded.
    pub fn read_at(&self, mut offset: u64, limit: usize) -> io::Result<Bytes> {
        for segment in self.segments.iter() {
            if offset >= segment.length {
                offset -= segment.length;
                continue;
            }
            let available = usize::try_from(segment.length - offset)
                .unwrap_or(usize::MAX)
                .min(limit);
            return match &segment.content {
                Content::Memory(held) => {
                    let start = usize::try_from(offset).map_err(io::Error::other)?;
                    Ok(held.slice(start..start + available))
                }
                Content::File(file) => {
                    let mut buffer = vec![0; available];
                    let mut file = lock(file);
                    file.seek(SeekFrom::Start(offset))?;
                    file.read_exact(&mut buffer)?;
                    Ok(Bytes::from(buffer))
                }
                Content::Discarded => Err(io::Error::other("the body was discarded")),
            };
        }
        Ok(Bytes::new())
    }
}

/// crc-fast returns every width as `u64`; a CRC-32's upper half is zero.
fn low_32(crc: u64) -> u32 {
    u32::try_from(crc & u64::from(u32::MAX)).unwrap_or_default()
}
