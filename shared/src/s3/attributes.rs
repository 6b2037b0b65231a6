//! What a GetObjectAttributes reply says of an object's parts: their sizes and their checksums.
//!
//! See [GetObjectAttributes](https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html). S3 says
//! the ETag there without its quotes. Nothing here is an error: what S3 does not tell is computed.

use bytes::Bytes;
use http::{Response, StatusCode};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::checksum::crc_of;
use super::refusal::{refuses_version, root};
use super::validator::is_same;
use crate::integrity::{PartCrc, PartSums};

/// How many parts are asked for at once: the most that S3 gives.
pub const PARTS_PAGE: u32 = 1000;

/// What a reply told of an object's parts.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// The last of them.
    All,
    /// There are more behind the part of this number.
    More(u32),
    /// Nothing that could be used for this object.
    Nothing,
    /// The store does not tell of any object's.
    Refused,
}

/// Adds the parts that `reply` tells of, of the object with the ETag `etag`, to `sums`.
#[must_use]
pub fn add_parts(reply: &Response<Bytes>, etag: &str, sums: &mut PartSums) -> Told {
    let status = reply.status();
    if status != StatusCode::OK {
        let is_refused = refuses_version(reply, "") || status == StatusCode::NOT_IMPLEMENTED;
        return if is_refused {
            Told::Refused
        } else {
            Told::Nothing
        };
    }
    let text = String::from_utf8_lossy(reply.body());
    // A store that does not know the question sends the object itself.
    if !root(&text).is_some_and(|root| root.starts_with("GetObjectAttributes")) {
        return Told::Refused;
    }
    read(&text, etag, sums).unwrap_or(Told::Nothing)
}

/// None for what is cut. Some stores tell of parts without their checksums, or of no parts.
fn read(xml: &str, etag: &str, sums: &mut PartSums) -> Option<Told> {
    let checksum = match sums.crc {
        PartCrc::Crc32c => "ChecksumCRC32C",
        PartCrc::Crc32 => "ChecksumCRC32",
    };
    let mut reader = Reader::from_str(xml);
    while !matches!(reader.read_event().ok()?, Event::Start(_)) {}
    let (mut depth, mut is_same_object, mut is_bare) = (1, false, false);
    let (mut more, mut next, mut size, mut value) = (false, 0, None, None);
    while depth > 0 {
        match reader.read_event().ok()? {
            Event::Start(start)
                if matches!(start.local_name().as_ref(), "ObjectParts" | "Part") =>
            {
                depth += 1;
            }
            Event::Start(start) => {
                let text = reader.read_text(start.name()).ok()?;
                let text = text.trim();
                match start.local_name().as_ref() {
                    "ETag" => is_same_object = is_same(&text.replace("&quot;", "\""), etag),
                    "IsTruncated" => more = text == "true",
                    "NextPartNumberMarker" => next = text.parse().ok()?,
                    "Size" => size = text.parse().ok(),
                    name if name == checksum => value = crc_of(text.as_bytes()),
                    _ => {}
                }
            }
            Event::End(end) => {
                depth -= 1;
                if end.local_name().as_ref() == "Part" {
                    match (value.take(), size.take()) {
                        (Some(value), Some(size)) => sums.add(value, size),
                        _ => is_bare = true,
                    }
                }
            }
            Event::Eof => return None,
            _ => {}
        }
    }
    Some(match more {
        _ if !is_same_object => Told::Nothing,
        _ if is_bare || sums.count == 0 => Told::Refused,
        true => Told::More(next),
        false => Told::All,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PART: &str = "<Part><PartNumber>1</PartNumber><Size>7</Size><ChecksumCRC32C>AAAAAQ==</ChecksumCRC32C></Part>";

    fn told(status: u16, body: &str) -> (Told, PartSums) {
        let reply = Response::builder().status(status);
        let reply = reply.body(Bytes::from(body.to_owned())).unwrap();
        let mut sums = PartSums::new(PartCrc::Crc32c);
        let told = add_parts(&reply, "\"e-2\"", &mut sums);
        (told, sums)
    }

    fn page(etag: &str, parts: &str) -> (Told, PartSums) {
        told(
            200,
            &format!(
                "<?xml version=\"1.0\"?>\n<GetObjectAttributesResponse xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ETag>{etag}</ETag><Checksum><ChecksumCRC32C>AAAACQ==</ChecksumCRC32C></Checksum><ObjectParts>{parts}<PartsCount>2</PartsCount></ObjectParts></GetObjectAttributesResponse>"
            ),
        )
    }

    #[test]
    fn parts_are_added_from_each_page() {
        for etag in ["e-2", "\"e-2\"", "&quot;e-2&quot;"] {
            let (told, sums) = page(etag, &PART.repeat(2));
            assert_eq!((told, sums.count, sums.length), (Told::All, 2, 14));
        }
        let more = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>5</NextPartNumberMarker>";
        let (told, sums) = page("e-2", &format!("{more}{PART}"));
        assert_eq!((told, sums.count), (Told::More(5), 1));
    }

    #[test]
    fn what_is_of_another_object_or_cut_is_as_good_as_nothing() {
        for parts in [PART, ""] {
            assert_eq!(page("e-3", parts).0, Told::Nothing);
        }
        let cut = "<GetObjectAttributesResponse><ETag>e-2</ETag><ObjectParts>";
        assert_eq!(told(200, cut).0, Told::Nothing);
    }

    #[test]
    fn a_store_that_tells_of_parts_without_their_checksums_does_not_tell() {
        assert_eq!(page("e-2", "").0, Told::Refused);
        for (from, to) in [
            ("<Size>7</Size>", ""),
            (">7<", ">-7<"),
            ("AAAAAQ==", "AAAAAQ"),
            ("CRC32C", "SHA256"),
        ] {
            let parts = format!("{PART}{}", PART.replace(from, to));
            assert_eq!(page("e-2", &parts).0, Told::Refused, "{to}");
        }
    }

    #[test]
    fn a_store_that_does_not_tell_is_not_asked_again_and_one_that_cannot_now_is() {
        let code = |code: &str| format!("<Error><Code>{code}</Code></Error>");
        for (status, body) in [
            (200, "the object".to_owned()),
            (200, code("InternalError")),
            (403, code("AccessDenied")),
            (400, code("InvalidArgument")),
            (405, code("MethodNotAllowed")),
            (501, code("NotImplemented")),
            (501, String::new()),
        ] {
            assert_eq!(told(status, &body).0, Told::Refused, "{status} {body}");
        }
        for (status, body) in [
            (404, "NoSuchKey"),
            (404, "NoSuchVersion"),
            (503, "SlowDown"),
            (500, "InternalError"),
            (400, "ExpiredToken"),
        ] {
            assert_eq!(
                told(status, &code(body)).0,
                Told::Nothing,
                "{status} {body}"
            );
        }
    }
}
