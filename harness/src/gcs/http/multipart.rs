//! `multipart/related` uploads (RFC 2387): a JSON part, then the media, which is handed on while it
//! arrives.
//!
//! Strict: no preamble, the closing delimiter at the very end of the body (one line end may follow),
//! and the delimiter nowhere inside the media. After the media one more JSON part may follow, with the
//! checksums that the sender computed while sending: Google's own clients send it.
//!
//! Not as the RFC has it, and taken by the service: `gcloud` and gcsfs end their lines with a bare line
//! feed. How the first line ends says how all of the body's do, so that media may begin or end with
//! either character.

use bytes::{Bytes, BytesMut};
use memchr::memmem;
use serde_json::{Map, Value};

use super::error::{Fail, invalid};
use super::request::{RequestBody, parse_json};
use crate::gcs::state::{BodyWriter, Chunk};

/// Everything before the media may have this many bytes.
const HEAD_LIMIT: usize = 128 << 10;
/// RFC 2046, section 5.1.1.
const BOUNDARY_LIMIT: usize = 70;

/// A multipart upload whose head is read.
pub(super) struct Related<'a> {
    /// The JSON part.
    pub(super) metadata: Map<String, Value>,
    /// The media part's Content-Type, if it has one.
    pub(super) media_type: Option<String>,
    body: &'a mut RequestBody,
    splitter: Splitter,
    /// What arrived of the media together with the head.
    first: Bytes,
}

impl<'a> Related<'a> {
    /// Reads the head of `body`, whose Content-Type this is.
    pub(super) async fn open(body: &'a mut RequestBody, content_type: &str) -> Result<Self, Fail> {
        let boundary = boundary(content_type, "multipart/related")?;
        let mut buffer = BytesMut::new();
        loop {
            let Some(Chunk::Bytes(data)) = body.next().await? else {
                return Err(invalid(
                    "The multipart body ended before its media part began.",
                ));
            };
            buffer.extend_from_slice(&data);
            if let Some(head) = Head::parse(&buffer, &boundary)? {
                let first = buffer.split_off(head.length).freeze();
                let splitter = Splitter::new(&boundary, head.line_end);
                return Ok(Self {
                    metadata: head.metadata,
                    media_type: head.media_type,
                    body,
                    splitter,
                    first,
                });
            }
            if buffer.len() > HEAD_LIMIT {
                return Err(invalid(format!(
                    "The multipart body's head has more than {HEAD_LIMIT} bytes."
                )));
            }
        }
    }

    /// Writes the media, piece by piece; gives the trailing JSON part if there is one.
    pub(super) async fn media(
        mut self,
        writer: &mut BodyWriter,
    ) -> Result<Map<String, Value>, Fail> {
        self.splitter.push(&self.first, &mut into(writer))?;
        while let Some(chunk) = self.body.next().await? {
            match &chunk {
                Chunk::Bytes(data) => self.splitter.push(data, &mut into(writer))?,
                // No delimiter is in what only stands for bytes.
                Chunk::Symbolic(_) => {
                    self.splitter.flush(&mut into(writer))?;
                    writer.push(&chunk)?;
                }
            }
        }
        self.splitter.finish()
    }
}

fn into(writer: &mut BodyWriter) -> impl FnMut(&[u8]) -> Result<(), Fail> {
    |bytes| Ok(writer.write(bytes)?)
}

/// The boundary of a body of Content-Type `wanted`. In double quotes, in none, or in single ones:
/// those are a part of the boundary by the RFC, but `gcloud` means them as quotes.
pub(super) fn boundary(content_type: &str, wanted: &str) -> Result<String, Fail> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case(wanted) {
        return Err(invalid(format!(
            "The request's Content-Type must be {wanted}, not '{kind}'."
        )));
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then(|| unquoted(value.trim()))
    });
    boundary
        .filter(|boundary| (1..=BOUNDARY_LIMIT).contains(&boundary.len()))
        .map(str::to_owned)
        .ok_or_else(|| invalid("The Content-Type has no boundary of 1 to 70 characters."))
}

fn unquoted(value: &str) -> &str {
    let between = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    between('"').or_else(|| between('\'')).unwrap_or(value)
}

/// How the lines of a multipart body end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineEnd {
    /// `\r\n`
    CrLf,
    /// `\n`
    Lf,
}

impl LineEnd {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::CrLf => "\r\n",
            Self::Lf => "\n",
        }
    }

    /// What stands before each part but the first.
    fn delimiter(self, boundary: &str) -> String {
        format!("{}--{boundary}", self.text())
    }
}

struct Head {
    metadata: Map<String, Value>,
    media_type: Option<String>,
    line_end: LineEnd,
    length: usize,
}

impl Head {
    /// Parses up to the media's first byte; `None` while it has not all arrived.
    fn parse(buffer: &[u8], boundary: &str) -> Result<Option<Self>, Fail> {
        let Some((line_end, headers_at)) = open(buffer, boundary)? else {
            return Ok(None);
        };
        let Some((json_headers, json_at)) = headers(buffer, headers_at, line_end)? else {
            return Ok(None);
        };
        let between = line_end.delimiter(boundary);
        let Some(json_length) = memmem::find(&buffer[json_at..], between.as_bytes()) else {
            return Ok(None);
        };
        let delimiter_end = json_at + json_length + between.len();
        let ending = line_end.text();
        let Some(found) = buffer.get(delimiter_end..delimiter_end + ending.len()) else {
            return Ok(None);
        };
        if found != ending.as_bytes() {
            return Err(invalid(
                "The multipart body has no second part after its metadata.",
            ));
        }
        let media_headers = headers(buffer, delimiter_end + ending.len(), line_end)?;
        let Some((media_headers, length)) = media_headers else {
            return Ok(None);
        };
        let json_type = json_headers
            .content_type
            .unwrap_or_else(|| "application/json".into());
        if !json_type
            .to_ascii_lowercase()
            .starts_with("application/json")
        {
            return Err(invalid(format!(
                "The first part must be application/json, not '{json_type}'."
            )));
        }
        let metadata = parse_json(&buffer[json_at..json_at + json_length])?;
        Ok(Some(Self {
            metadata,
            media_type: media_headers.content_type,
            line_end,
            length,
        }))
    }
}

/// Reads the first delimiter; gives how its line ends and where the next begins.
fn open(buffer: &[u8], boundary: &str) -> Result<Option<(LineEnd, usize)>, Fail> {
    let delimiter = format!("--{boundary}");
    let shown = buffer.len().min(delimiter.len());
    let is_it = buffer[..shown] == delimiter.as_bytes()[..shown];
    match &buffer[shown..] {
        [] | [b'\r'] if is_it => Ok(None),
        [b'\n', ..] if is_it => Ok(Some((LineEnd::Lf, shown + 1))),
        [b'\r', b'\n', ..] if is_it => Ok(Some((LineEnd::CrLf, shown + 2))),
        _ => Err(invalid(
            "The multipart body does not begin with its boundary delimiter.",
        )),
    }
}

#[derive(Default)]
struct PartHeaders {
    content_type: Option<String>,
}

/// Reads a part's headers from `at`; gives them and where the part's content begins.
fn headers(
    buffer: &[u8],
    mut at: usize,
    line_end: LineEnd,
) -> Result<Option<(PartHeaders, usize)>, Fail> {
    let mut parsed = PartHeaders::default();
    let ending = line_end.text();
    loop {
        let Some(length) = buffer
            .get(at..)
            .and_then(|rest| memmem::find(rest, ending.as_bytes()))
        else {
            return Ok(None);
        };
        let line = std::str::from_utf8(&buffer[at..at + length]);
        at += length + ending.len();
        if length == 0 {
            return Ok(Some((parsed, at)));
        }
        let line = line.map_err(|_| invalid("A part's header is not text."))?;
        let Some((name, value)) = line.split_once(':') else {
            return Err(invalid(format!(
                "A part's header line has no colon: '{line}'."
            )));
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-type") {
            parsed.content_type = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("content-transfer-encoding")
            && !value.eq_ignore_ascii_case("binary")
        {
            return Err(invalid(format!(
                "Content-Transfer-Encoding '{value}' is not supported."
            )));
        }
    }
}

/// Separates the media from what follows it without holding more than a delimiter back.
struct Splitter {
    line_end: LineEnd,
    /// Line end, two dashes, boundary.
    finder: memmem::Finder<'static>,
    /// The last bytes of the media, or the beginning of a delimiter.
    held: Vec<u8>,
    /// What followed the first delimiter, once it was found.
    ending: Option<Vec<u8>>,
}

impl Splitter {
    fn new(boundary: &str, line_end: LineEnd) -> Self {
        let delimiter = line_end.delimiter(boundary);
        Self {
            line_end,
            finder: memmem::Finder::new(delimiter.as_bytes()).into_owned(),
            held: Vec::new(),
            ending: None,
        }
    }

    fn push(
        &mut self,
        data: &[u8],
        sink: &mut impl FnMut(&[u8]) -> Result<(), Fail>,
    ) -> Result<(), Fail> {
        if let Some(ending) = &mut self.ending {
            ending.extend_from_slice(data);
            return if ending.len() <= HEAD_LIMIT {
                Ok(())
            } else {
                Err(not_an_ending())
            };
        }
        let length = self.finder.needle().len();
        let held = self.held.len();
        // A delimiter that begins in what is held ends within this many bytes of `data`.
        self.held
            .extend_from_slice(&data[..data.len().min(length - 1)]);
        let at = self.finder.find(&self.held).filter(|at| *at < held);
        if let Some(at) = at {
            sink(&self.held[..at])?;
            return self.push_ending(&data[at + length - held..]);
        }
        if let Some(at) = self.finder.find(data) {
            sink(&self.held[..held])?;
            sink(&data[..at])?;
            return self.push_ending(&data[at + length..]);
        }
        if data.len() >= length {
            sink(&self.held[..held])?;
            let keep = data.len() - (length - 1);
            sink(&data[..keep])?;
            self.held.clear();
            self.held.extend_from_slice(&data[keep..]);
        } else {
            let emit = self.held.len().saturating_sub(length - 1);
            sink(&self.held[..emit])?;
            self.held.drain(..emit);
        }
        Ok(())
    }

    /// Gives away what is held back.
    fn flush(&mut self, sink: &mut impl FnMut(&[u8]) -> Result<(), Fail>) -> Result<(), Fail> {
        sink(&std::mem::take(&mut self.held))
    }

    fn push_ending(&mut self, data: &[u8]) -> Result<(), Fail> {
        self.ending = Some(data.to_vec());
        if data.len() <= HEAD_LIMIT {
            Ok(())
        } else {
            Err(not_an_ending())
        }
    }

    /// Parses what followed the media: its end, or one more JSON part.
    fn finish(self) -> Result<Map<String, Value>, Fail> {
        let ending = self.ending.as_deref().ok_or_else(|| {
            invalid("The multipart body does not end with its closing delimiter.")
        })?;
        if self.is_close(ending) {
            return Ok(Map::new());
        }
        let line_end = self.line_end.text();
        if !ending.starts_with(line_end.as_bytes()) {
            return Err(not_an_ending());
        }
        let part = headers(ending, line_end.len(), self.line_end)?;
        let (part, at) = part.ok_or_else(not_an_ending)?;
        let json = part
            .content_type
            .is_none_or(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
        let length = self
            .finder
            .find(&ending[at..])
            .filter(|_| json)
            .ok_or_else(not_an_ending)?;
        if !self.is_close(&ending[at + length + self.finder.needle().len()..]) {
            return Err(not_an_ending());
        }
        parse_json(&ending[at..at + length])
    }

    fn is_close(&self, rest: &[u8]) -> bool {
        let after = rest.strip_prefix(b"--");
        after.is_some_and(|after| after.is_empty() || after == self.line_end.text().as_bytes())
    }
}

fn not_an_ending() -> Fail {
    invalid(
        "The boundary delimiter is inside the media, or what follows the media is neither the body's end \
         nor one JSON part and the end.",
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Splits `body` arriving in pieces of `size` bytes.
    fn split(
        body: &[u8],
        size: usize,
        line_end: LineEnd,
    ) -> Result<(Vec<u8>, Map<String, Value>), Fail> {
        let mut media = Vec::new();
        let mut sink = |bytes: &[u8]| {
            media.extend_from_slice(bytes);
            Ok(())
        };
        let mut splitter = Splitter::new("bound", line_end);
        for piece in body.chunks(size) {
            splitter.push(piece, &mut sink)?;
        }
        Ok((media, splitter.finish()?))
    }

    #[test]
    fn media_is_cut_from_its_ending_however_it_arrives() {
        let medias: [&[u8]; 7] = [
            b"",
            b"x",
            b"x\r",
            b"\n\n",
            b"\r\n--boun",
            b"\r\n\r\n--",
            b"a longer medium, of more bytes than an ending",
        ];
        for media in medias {
            for ending in [
                "\r\n--bound--",
                "\r\n--bound--\r\n",
                "\r\n--bound\r\nContent-Type: application/json\r\n\r\n{\"crc32c\":\"x\"}\r\n--bound--\r\n",
            ] {
                for line_end in [LineEnd::CrLf, LineEnd::Lf] {
                    let ending = ending.replace("\r\n", line_end.text());
                    let body = [media, ending.as_bytes()].concat();
                    for size in 1..=body.len() {
                        let (found, _) = split(&body, size, line_end).unwrap();
                        assert_eq!(found, media, "{line_end:?}, pieces of {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn endings_that_are_none_are_refused_however_they_arrive() {
        let bodies: [&[u8]; 10] = [
            b"media",
            b"media\n--bound--",
            b"media\r\n--bound--\n",
            b"media\r\n--bound",
            b"media\r\n--bound-",
            b"media--bound--",
            b"media\r\n--bound--\r\nx",
            b"media\r\n--bound--\r\n\r\n",
            b"media\r\n--bound--and quite a lot of bytes thereafter",
            b"media\r\n--bound\r\nContent-Type: a/b\r\n\r\nthird\r\n--bound--",
        ];
        for body in bodies {
            for size in 1..=body.len() {
                assert!(
                    split(body, size, LineEnd::CrLf).is_err(),
                    "{:?} in pieces of {size}",
                    String::from_utf8_lossy(body)
                );
            }
        }
    }

    #[test]
    fn the_head_is_parsed_at_its_last_byte_and_not_before() {
        let text = "--b\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{\"name\":\"n\"}\r\n--b\r\n\r\n";
        for line_end in [LineEnd::CrLf, LineEnd::Lf] {
            let text = text.replace("\r\n", line_end.text());
            let text = text.as_bytes();
            for end in 0..text.len() {
                assert!(Head::parse(&text[..end], "b").unwrap().is_none(), "{end}");
            }
            let head = Head::parse(text, "b").unwrap().unwrap();
            assert_eq!((head.length, head.media_type), (text.len(), None));
            assert_eq!(head.line_end, line_end);
            assert_eq!(head.metadata["name"], "n");
        }
    }

    #[test]
    fn heads_that_break_the_rules_are_refused() {
        let heads: [&[u8]; 6] = [
            b"--bb\r\n\r\n{}\r\n--b\r\n\r\n",
            b"--b\r\r\n\r\n{}\r\n--b\r\n\r\n",
            b"preamble\r\n--b\r\n\r\n{}\r\n--b\r\n\r\n",
            b"--b\r\nContent-Type: text/plain\r\n\r\n{}\r\n--b\r\n\r\n",
            b"--b\r\n\r\n{}\r\n--b--\r\n",
            b"--b\r\n\r\n[]\r\n--b\r\n\r\n",
        ];
        for head in heads {
            assert!(
                Head::parse(head, "b").is_err(),
                "{}",
                String::from_utf8_lossy(head)
            );
        }
        let boundary = |text: &str| boundary(text, "multipart/related");
        assert!(boundary("multipart/form-data; boundary=b").is_err());
        assert!(boundary("multipart/related").is_err());
        assert!(boundary("multipart/related; boundary=''").is_err());
        for quoted in ["\"==b==\"", "'==b=='", "==b=="] {
            let text = format!("Multipart/Related; boundary={quoted}; type=x");
            assert_eq!(boundary(&text).unwrap(), "==b==");
        }
    }
}
