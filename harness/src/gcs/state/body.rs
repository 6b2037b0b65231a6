//! Object bodies: hashed while they are received, kept in memory while small and in an unlinked
//! temporary file when large, shared (never copied) by composed and copied objects. Or not there at all:
//! the simulator's are symbolic.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};

use super::lock;
use crate::symbolic;

/// Above this many bytes a body goes to a temporary file.
const SPOOL_ABOVE: usize = 16 << 20;

/// Some of a body, on its way.
#[derive(Debug)]
pub enum Chunk {
    /// Bytes.
    Bytes(Bytes),
    /// What stands for bytes.
    Symbolic(symbolic::Body),
}

impl Chunk {
    /// How many bytes it has.
    #[must_use]
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Symbolic(body) => body.length(),
        }
    }

    /// Takes out the first `count` bytes, or all that there are.
    #[must_use]
    pub fn split_to(&mut self, count: u64) -> Self {
        match self {
            Self::Bytes(bytes) => {
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                Self::Bytes(bytes.split_to(count.min(bytes.len())))
            }
            Self::Symbolic(body) => Self::Symbolic(body.take(count)),
        }
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

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
    Symbolic(symbolic::Body),
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
            Store::Symbolic(_) if bytes.is_empty() => Ok(()),
            Store::Symbolic(_) => Err(mixed()),
            Store::Discard => Ok(()),
        }
    }

    /// Appends `chunk`.
    ///
    /// # Errors
    ///
    /// As [`Self::write`], and where bytes meet what only stands for some.
    pub fn push(&mut self, chunk: &Chunk) -> io::Result<()> {
        let more = match chunk {
            Chunk::Bytes(bytes) => return self.write(bytes),
            Chunk::Symbolic(more) => more,
        };
        match &mut self.store {
            Store::Symbolic(held) => held.append(more),
            store if self.length == 0 => *store = Store::Symbolic(more.clone()),
            _ => return Err(mixed()),
        }
        self.length += more.length();
        Ok(())
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
            Store::Symbolic(body) => return body.into(),
            Store::Memory(held) => Content::Memory(Bytes::from(held)),
            Store::File(file) => Content::File(Arc::new(Mutex::new(file))),
            Store::Discard => Content::Discarded,
        };
        HashedBody {
            body: Body::of(segment, self.length),
            // crc-fast returns every width as `u64`; a CRC-32's upper half is zero.
            crc32c: u32::try_from(self.crc32c.finalize()).unwrap_or_default(),
            md5: self.md5.map(|md5| md5.finalize().into()),
        }
    }
}

fn mixed() -> io::Error {
    io::Error::other("a body is either of bytes or symbolic")
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
        Self {
            body: Body::of(Content::Discarded, length),
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
            crc32c = symbolic::combined_crc32c(crc32c, part.crc32c, part.body.length);
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

impl From<symbolic::Body> for HashedBody {
    fn from(body: symbolic::Body) -> Self {
        Self {
            crc32c: body.crc32c(),
            md5: Some(body.md5()),
            body: Body::of(Content::Symbolic(body.clone()), body.length()),
        }
    }
}

/// Appends a segment; what is empty, discarded or symbolic takes no place of its own.
fn join(segments: &mut Vec<Segment>, next: &Segment) {
    let last = segments.last_mut();
    match (last, &next.content) {
        (Some(last), Content::Discarded) if matches!(last.content, Content::Discarded) => {
            last.length += next.length;
        }
        (
            Some(Segment {
                content: Content::Symbolic(last),
                length,
            }),
            Content::Symbolic(more),
        ) => {
            last.append(more);
            *length += next.length;
        }
        _ if next.length > 0 => segments.push(next.clone()),
        _ => {}
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
    Symbolic(symbolic::Body),
    Discarded,
}

impl Body {
    fn of(content: Content, length: u64) -> Self {
        Self {
            segments: Arc::new([Segment { content, length }]),
            length,
        }
    }

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

    /// What stands for its bytes, if nothing but symbols does.
    #[must_use]
    pub fn symbolic(&self) -> Option<symbolic::Body> {
        match &*self.segments {
            [] => Some(symbolic::Body::default()),
            [only] => match &only.content {
                Content::Symbolic(body) => Some(body.clone()),
                _ => (only.length == 0).then(symbolic::Body::default),
            },
            _ => None,
        }
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
                Content::Symbolic(_) | Content::Discarded => {
                    Err(io::Error::other("the body has no bytes"))
                }
            };
        }
        Ok(Bytes::new())
    }
}
