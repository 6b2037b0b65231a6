//! Where the bytes of an upload come from, and how they are cut.

use std::io::Cursor;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::ReaderStream;

use super::checksum::Crc32c;
use super::progress::Attempt;
use super::{ClientError, PART_SIZE, SINGLE_REQUEST_LIMIT};

/// How much is read at once from a file that is streamed.
const READ_SIZE: usize = 256 << 10;

type Reader = Box<dyn AsyncRead + Send + Unpin>;

/// The bytes of an upload.
pub enum Source {
    /// In memory
    Bytes(Bytes),
    /// A regular file, streamed; anything else that has a path (a pipe, a device) is read as a
    /// stream of unknown length
    File(PathBuf),
    /// A stream of unknown length
    Reader(Box<dyn AsyncRead + Send + Unpin>),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Reader(_) => f.write_str("Reader"),
        }
    }
}

/// An upload cut to what the stores take.
pub(crate) enum Prepared {
    /// Small enough for one request
    Whole(Whole),
    /// To be sent in pieces
    Parts(Parts),
}

/// A body of known length and checksum that can be sent again.
pub(crate) struct Whole {
    pub(crate) length: u64,
    pub(crate) crc32c: Crc32c,
    from: WholeFrom,
}

enum WholeFrom {
    Bytes(Bytes),
    File(PathBuf),
}

impl Source {
    /// Decides how to send this. A small file is read once for its checksum and again when it is
    /// sent; a short stream is taken into memory.
    pub(crate) async fn prepare(self) -> Result<Prepared, ClientError> {
        match self {
            Self::Bytes(bytes) if bytes.len() as u64 <= SINGLE_REQUEST_LIMIT => {
                Ok(Prepared::Whole(Whole::of(bytes)))
            }
            Self::Bytes(bytes) => {
                let length = bytes.len() as u64;
                Ok(Prepared::Parts(Parts::new(
                    Box::new(Cursor::new(bytes)),
                    Some(length),
                )))
            }
            Self::File(path) => prepare_file(path).await,
            Self::Reader(reader) => prepare_reader(reader).await,
        }
    }
}

async fn prepare_file(path: PathBuf) -> Result<Prepared, ClientError> {
    let unreadable = |error: std::io::Error| {
        ClientError::input(format!("cannot read {}: {error}", path.display()), "")
    };
    let file = File::open(&path).await.map_err(unreadable)?;
    let metadata = file.metadata().await.map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(ClientError::input(
            format!("{} is a folder", path.display()),
            "upload a folder with --recursive",
        ));
    }
    if !metadata.is_file() {
        return prepare_reader(Box::new(file)).await;
    }
    let length = metadata.len();
    if length > SINGLE_REQUEST_LIMIT {
        return Ok(Prepared::Parts(Parts::new(Box::new(file), Some(length))));
    }
    let crc32c = ReaderStream::with_capacity(file.take(length), READ_SIZE)
        .try_fold(Crc32c::of(b""), async |crc, piece| {
            Ok(crc.followed_by(Crc32c::of(&piece), piece.len() as u64))
        })
        .await
        .map_err(unreadable)?;
    Ok(Prepared::Whole(Whole {
        length,
        crc32c,
        from: WholeFrom::File(path),
    }))
}

async fn prepare_reader(mut reader: Reader) -> Result<Prepared, ClientError> {
    let start = read_up_to(&mut reader, SINGLE_REQUEST_LIMIT + 1).await?;
    if start.len() as u64 <= SINGLE_REQUEST_LIMIT {
        return Ok(Prepared::Whole(Whole::of(start)));
    }
    Ok(Prepared::Parts(Parts::new(
        Box::new(Cursor::new(start).chain(reader)),
        None,
    )))
}

impl Whole {
    fn of(bytes: Bytes) -> Self {
        let crc32c = Crc32c::of(&bytes);
        Self {
            length: bytes.len() as u64,
            crc32c,
            from: WholeFrom::Bytes(bytes),
        }
    }

    /// A body that sends `before`, these bytes and `after`, and counts these as they leave. Its
    /// length must be stated in a `Content-Length`.
    pub(crate) async fn body(
        &self,
        before: Bytes,
        after: Bytes,
        attempt: &Attempt,
    ) -> Result<reqwest::Body, ClientError> {
        let reader: Reader = match &self.from {
            WholeFrom::Bytes(bytes) => Box::new(Cursor::new(bytes.clone())),
            WholeFrom::File(path) => Box::new(File::open(path).await.map_err(|error| {
                ClientError::input(format!("cannot read {}: {error}", path.display()), "")
            })?),
        };
        let count = attempt.counter();
        let content = ReaderStream::with_capacity(reader.take(self.length), READ_SIZE)
            .inspect_ok(move |piece| count(piece.len()));
        let around = |bytes: Bytes| {
            futures::stream::iter((!bytes.is_empty()).then_some(Ok::<_, std::io::Error>(bytes)))
        };
        Ok(reqwest::Body::wrap_stream(
            around(before).chain(content).chain(around(after)),
        ))
    }
}

/// One piece of a large upload.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// From 1
    pub(crate) number: u32,
    /// Where it begins in the whole
    pub(crate) offset: u64,
    pub(crate) bytes: Bytes,
    pub(crate) crc32c: Crc32c,
    /// Whether nothing follows
    pub(crate) last: bool,
}

/// Cuts a stream into pieces of equal size, the last one shorter. Always has at least one.
pub(crate) struct Parts {
    reader: Reader,
    part_size: u64,
    /// Of the whole, where it is known
    length: Option<u64>,
    ahead: Option<Bytes>,
    number: u32,
    offset: u64,
    done: bool,
}

/// S3's limit of pieces in one upload.
const MOST_PARTS: u64 = 10_000;

impl Parts {
    fn new(reader: Reader, length: Option<u64>) -> Self {
        let needed = length.unwrap_or(0).div_ceil(MOST_PARTS);
        let part_size = needed.div_ceil(PART_SIZE).max(1) * PART_SIZE;
        Self {
            reader,
            part_size,
            length,
            ahead: None,
            number: 0,
            offset: 0,
            done: false,
        }
    }

    /// Reads the next piece; `None` after the last.
    ///
    /// # Errors
    /// `Failed` when the source cannot be read, or is not as long as it was when the upload began.
    pub(crate) async fn next(&mut self) -> Result<Option<Part>, ClientError> {
        if self.done {
            return Ok(None);
        }
        let bytes = match self.ahead.take() {
            Some(bytes) => bytes,
            None => read_up_to(&mut self.reader, self.part_size).await?,
        };
        let following = read_up_to(&mut self.reader, self.part_size).await?;
        self.done = following.is_empty();
        self.ahead = Some(following);
        self.number += 1;
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        if let Some(length) = self.length
            && (self.offset > length || self.done && self.offset != length)
        {
            return Err(ClientError::failed(format!(
                "the source changed while it was read: it had {length} bytes, now {}{}",
                if self.done { "" } else { "at least " },
                self.offset
            )));
        }
        let crc32c = Crc32c::of(&bytes);
        Ok(Some(Part {
            number: self.number,
            offset,
            bytes,
            crc32c,
            last: self.done,
        }))
    }
}

async fn read_up_to(reader: &mut Reader, limit: u64) -> Result<Bytes, ClientError> {
    let mut bytes = BytesMut::new();
    let mut limited = reader.take(limit);
    while limited.read_buf(&mut bytes).await? > 0 {}
    Ok(bytes.freeze())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    async fn cut(bytes: &'static [u8], part_size: u64, length: Option<u64>) -> Vec<Part> {
        let mut parts = Parts::new(Box::new(Cursor::new(bytes)), length);
        parts.part_size = part_size;
        let mut cut = Vec::new();
        while let Some(part) = parts.next().await.unwrap() {
            cut.push(part);
        }
        cut
    }

    #[tokio::test]
    async fn the_last_part_knows_that_it_is() {
        for (bytes, sizes) in [
            (&b"abcdefg"[..], vec![3, 3, 1]),
            (b"abcdef", vec![3, 3]),
            (b"ab", vec![2]),
        ] {
            let parts = cut(bytes, 3, None).await;
            assert_eq!(
                parts
                    .iter()
                    .map(|part| part.bytes.len())
                    .collect::<Vec<_>>(),
                sizes
            );
            assert_eq!(parts.iter().filter(|part| part.last).count(), 1);
            assert!(parts.last().unwrap().last);
            assert_eq!(
                parts.last().unwrap().offset,
                sizes[..sizes.len() - 1].iter().sum::<usize>() as u64
            );
        }
    }

    #[tokio::test]
    async fn a_source_that_shrank_is_an_error() {
        let mut parts = Parts::new(Box::new(Cursor::new(b"abc")), Some(4));
        let error = parts.next().await.unwrap_err();
        assert!(error.what.contains("had 4 bytes, now 3"), "{error}");
    }

    #[test]
    fn a_terabyte_still_fits_ten_thousand_parts() {
        let parts = Parts::new(Box::new(Cursor::new(b"")), Some(5 << 40));
        assert!((5_u64 << 40).div_ceil(parts.part_size) <= MOST_PARTS);
        assert_eq!(parts.part_size % (256 << 10), 0);
    }

    #[tokio::test]
    async fn a_short_stream_becomes_one_request() {
        let source = Source::Reader(Box::new(Cursor::new(b"123456789")));
        let Prepared::Whole(whole) = source.prepare().await.unwrap() else {
            panic!("in parts")
        };
        assert_eq!(
            (whole.length, whole.crc32c.encoded().as_str()),
            (9, "4waSgw==")
        );
    }
}
