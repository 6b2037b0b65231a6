//! What a ListObjectsV2 reply says: a page of keys.
//!
//! See [ListObjectsV2](https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html). Asked
//! for with `encoding-type=url`, because a key may hold what XML cannot. Stores differ in what they
//! encode, and one key that cannot be read is no reason to lose the others.

use std::borrow::Cow;
use std::string::FromUtf8Error;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use quick_xml::Reader;
use quick_xml::escape::unescape;
use quick_xml::events::{BytesText, Event};
use serde::{Deserialize, Serialize};

use super::disguised::disguised;
use super::refusal::{Refusal, refusal, root};
use crate::error::{ErrorKind, TransferError};
use crate::time::any as any_time;

/// A page of a listing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The objects, in the order of the page.
    pub objects: Vec<Listed>,
    /// What cannot be read as a key.
    pub unreadable: Vec<Unreadable>,
    /// Whether there are more behind the last.
    pub more: bool,
    /// What asks for them (`NextContinuationToken`).
    pub token: Option<String>,
    /// What this page shows of how the store encodes, if it shows that.
    pub plus: Option<Plus>,
    /// A key whose `+` may stand for itself or for a space: nothing says which.
    pub doubtful: Option<Doubtful>,
}

/// An object as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its ETag, with its quotes.
    pub etag: Option<String>,
    /// When it was last written; `None` where that cannot be read.
    pub last_modified: Option<Timestamp>,
}

/// An object whose key is no UTF-8, or no XML: it cannot be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its key, as the page has it.
    pub name: String,
    /// The key's bytes, as far as they are known.
    pub bytes: Vec<u8>,
    /// Its size in bytes.
    pub size: u64,
}

/// What a `+` in an encoded key stands for. AWS writes a space so, and a plus as `%2B`; others write a
/// space as `%20` and leave a plus as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Plus {
    /// A plus.
    Itself,
    /// A space.
    Space,
}

/// A key that can be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubtful {
    /// With [`Plus::Itself`].
    pub plus: String,
    /// With [`Plus::Space`].
    pub space: String,
}

/// A page as it stands.
#[derive(Default)]
struct Page {
    contents: Vec<Contents>,
    is_truncated: Option<bool>,
    is_encoded: bool,
    token: Option<String>,
}

#[derive(Default)]
struct Contents {
    /// Without XML's escapes, or as it is where those make no text.
    key: Option<Result<String, String>>,
    size: Option<u64>,
    etag: Option<String>,
    last_modified: Option<Timestamp>,
}

impl Listing {
    /// Reads the reply to a ListObjectsV2 of `bucket`. `known` is what a `+` stands for where this page
    /// does not show it; without it, what AWS means.
    ///
    /// # Errors
    /// [`ErrorKind::SourceDenied`] with the permission that is missing,
    /// [`ErrorKind::SourceBucketMissing`], [`ErrorKind::SourceUnavailable`] for what is no listing, and
    /// what else [`refusal`] gives.
    pub fn read(
        reply: &Response<Bytes>,
        bucket: &str,
        known: Option<Plus>,
    ) -> Result<Self, TransferError> {
        if reply.status() != StatusCode::OK {
            return Err(refused(reply, bucket));
        }
        let text = String::from_utf8_lossy(reply.body());
        let is_utf8 = matches!(text, Cow::Borrowed(_));
        let is_listing = root(&text).as_deref() == Some(ROOT);
        let page = is_listing.then(|| Page::read(&text)).flatten();
        let Some(page) = page else {
            return Err(with_permission(
                disguised(reply, "a listing", bucket),
                bucket,
            ));
        };
        let spelling = page.is_encoded.then(|| Spelling::of(&page.contents));
        let plus = spelling.as_ref().and_then(|spelling| spelling.plus);
        let mut listing = Self {
            more: page.is_truncated.unwrap_or(page.token.is_some()),
            token: page.token,
            plus,
            ..Self::default()
        };
        let meant = plus.or(known);
        for contents in page.contents {
            let size = contents.size.unwrap_or_default();
            let (raw, read) = match contents.key {
                Some(Ok(key)) if is_utf8 || !key.contains('\u{fffd}') => match &spelling {
                    Some(spelling) if spelling.is_encoded => {
                        let read = decoded(&key, meant.unwrap_or(Plus::Space));
                        (key, read)
                    }
                    _ => (key.clone(), Ok(key)),
                },
                Some(Ok(key) | Err(key)) => {
                    let bytes = key.clone().into_bytes();
                    (key, Err(bytes))
                }
                None => return Err(disguised(reply, "a listing", bucket)),
            };
            match read {
                Ok(key) => {
                    if raw.contains('+')
                        && meant.is_none()
                        && spelling.is_some()
                        && listing.doubtful.is_none()
                    {
                        let plus = decoded(&raw, Plus::Itself).unwrap_or_default();
                        let space = key.clone();
                        listing.doubtful = Some(Doubtful { plus, space });
                    }
                    listing.objects.push(Listed {
                        key,
                        size,
                        etag: contents.etag,
                        last_modified: contents.last_modified,
                    });
                }
                Err(bytes) => listing.unreadable.push(Unreadable {
                    name: raw,
                    bytes,
                    size,
                }),
            }
        }
        let is_empty = listing.objects.is_empty() && listing.unreadable.is_empty();
        if listing.more && is_empty && listing.token.is_none() {
            return Err(TransferError::new(
                ErrorKind::SourceUnavailable,
                format!(
                    "S3 lists no keys of {bucket}, and more behind them without saying where (no NextContinuationToken)."
                ),
                "It is tried again; if it stays so, check the S3 endpoint.",
            ));
        }
        Ok(listing)
    }
}

const ROOT: &str = "ListBucketResult";

impl Page {
    /// None for what is no listing, or is cut.
    fn read(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        while !matches!(reader.read_event().ok()?, Event::Start(_)) {}
        let mut page = Self::default();
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) if start.local_name().as_ref() == "Contents" => {
                    page.contents.push(Contents::read(&mut reader)?);
                }
                Event::Start(start) => {
                    let text = reader.read_text(start.name()).ok()?;
                    let value = || value(&text).unwrap_or_default();
                    match start.local_name().as_ref() {
                        "IsTruncated" => page.is_truncated = Some(value().trim() == "true"),
                        "EncodingType" => page.is_encoded = value().trim() == "url",
                        "NextContinuationToken" => {
                            page.token = Some(value()).filter(|token| !token.is_empty());
                        }
                        _ => {}
                    }
                }
                Event::End(_) => return Some(page),
                Event::Eof => return None,
                _ => {}
            }
        }
    }
}

impl Contents {
    fn read(reader: &mut Reader<&[u8]>) -> Option<Self> {
        let mut contents = Self::default();
        loop {
            match reader.read_event().ok()? {
                Event::Start(start) => {
                    let text = reader.read_text(start.name()).ok()?;
                    match start.local_name().as_ref() {
                        "Key" => contents.key = Some(value(&text)),
                        "Size" => contents.size = text.trim().parse().ok(),
                        "ETag" => contents.etag = value(&text).ok(),
                        "LastModified" => {
                            contents.last_modified =
                                value(&text).ok().and_then(|time| any_time(time.trim()));
                        }
                        _ => {}
                    }
                }
                Event::End(_) => return Some(contents),
                Event::Eof => return None,
                _ => {}
            }
        }
    }
}

/// An element's text without XML's escapes; the text itself where these mean no character.
fn value(text: &BytesText<'_>) -> Result<String, String> {
    let text = text.xml10_content();
    let data = text.strip_prefix("<![CDATA[");
    if let Some(data) = data.and_then(|data| data.strip_suffix("]]>")) {
        return Ok(data.to_owned());
    }
    let plain = unescape(&text).ok().map(Cow::into_owned);
    plain.ok_or_else(|| text.into_owned())
}

/// How the keys of a page that says that it is encoded are written, as far as they show it.
struct Spelling {
    /// It is encoded indeed.
    is_encoded: bool,
    plus: Option<Plus>,
}

impl Spelling {
    fn of(contents: &[Contents]) -> Self {
        let keys = || {
            let keys = contents.iter().filter_map(|contents| contents.key.as_ref());
            keys.filter_map(|key| key.as_deref().ok())
        };
        let any = |signs: &[&str]| keys().any(|key| signs.iter().any(|sign| key.contains(sign)));
        let has_space = any(&["%20", " "]);
        Self {
            is_encoded: !any(&[" "]),
            plus: match (has_space, any(&["%2B", "%2b"])) {
                (true, false) => Some(Plus::Itself),
                (false, true) => Some(Plus::Space),
                _ => None,
            },
        }
    }
}

/// The key that is encoded so, or its bytes where they are no UTF-8.
fn decoded(key: &str, plus: Plus) -> Result<String, Vec<u8>> {
    let key = match plus {
        Plus::Space => Cow::Owned(key.replace('+', " ")),
        Plus::Itself => Cow::Borrowed(key),
    };
    let bytes: Vec<u8> = percent_decode_str(&key).collect();
    String::from_utf8(bytes).map_err(FromUtf8Error::into_bytes)
}

fn refused(reply: &Response<Bytes>, bucket: &str) -> TransferError {
    let error = match refusal(reply, bucket) {
        Refusal::Failed(error) => error,
        Refusal::Gone => disguised(reply, "a listing", bucket),
    };
    with_permission(error, bucket)
}

fn with_permission(mut error: TransferError, bucket: &str) -> TransferError {
    if error.kind == ErrorKind::SourceDenied && !error.is_final {
        error.advice = format!("Allow s3:ListBucket on arn:aws:s3:::{bucket}.");
    }
    error
}

#[cfg(test)]
mod tests;
