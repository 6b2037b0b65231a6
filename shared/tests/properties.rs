//! What holds for every input: parsers that read what strangers send, and the arithmetic of sizes.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use bytes::Bytes;
use causeway_shared::event::Sequencer;
use causeway_shared::event::s3::{Notification, decode_key, parse};
use causeway_shared::gcs::{Provenance, ResumableUploadStatus, refusal as gcs_refusal};
use causeway_shared::integrity::{Algorithm, Crc64Nvme, Digests, SourceChecksum, combine_crc32c};
use causeway_shared::plan::{CHUNK_UNIT, LARGEST_OBJECT, Plan, plan};
use causeway_shared::route::Route;
use causeway_shared::s3::{SourceObject, refusal as s3_refusal};
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

fn reply(status: u16, body: Vec<u8>) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(Bytes::from(body))
        .unwrap()
}

/// The digests of `bytes`, by code that is not ours.
fn digests(bytes: &[u8], algorithm: Algorithm) -> Digests {
    let value = match algorithm {
        Algorithm::Crc32 => checksum(CrcAlgorithm::Crc32IsoHdlc, bytes).to_be_bytes()[4..].to_vec(),
        _ => checksum(CrcAlgorithm::Crc64Nvme, bytes)
            .to_be_bytes()
            .to_vec(),
    };
    Digests {
        crc32c: u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, bytes)).unwrap(),
        other: Some(SourceChecksum { algorithm, value }),
    }
}

proptest! {
    #[test]
    fn the_digests_of_parts_make_those_of_the_whole(
        bytes in prop::collection::vec(any::<u8>(), 0..600), at in any::<prop::sample::Index>()
    ) {
        let (first, second) = bytes.split_at(at.index(bytes.len() + 1));
        for algorithm in [Algorithm::Crc32, Algorithm::Crc64Nvme] {
            prop_assert!(algorithm.is_combinable());
            let whole = digests(first, algorithm)
                .followed_by(&digests(second, algorithm), second.len() as u64);
            prop_assert_eq!(whole, digests(&bytes, algorithm));
        }
    }

    #[test]
    fn crc64nvme_is_that_of_code_that_is_not_ours(
        pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70), 0..8)
    ) {
        let mut ours = Crc64Nvme::default();
        pieces.iter().for_each(|piece| ours.update(piece));
        prop_assert_eq!(ours.finish(), checksum(CrcAlgorithm::Crc64Nvme, &pieces.concat()));
    }

    #[test]
    fn a_crc_is_combined_at_any_length(first in any::<u32>(), second in any::<u32>(), length in any::<u64>()) {
        let ours = combine_crc32c(first, second, length);
        let theirs = checksum_combine(CrcAlgorithm::Crc32Iscsi, first.into(), second.into(), length);
        prop_assert_eq!(u64::from(ours), theirs);
    }

    #[test]
    fn no_body_of_an_event_panics(body in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(parse(&body));
    }

    #[test]
    fn no_json_of_an_event_panics_and_every_record_gets_its_verdict(
        name in ".{0,20}", version in ".{0,6}", key in ".{0,20}", size in any::<i128>()
    ) {
        let record = json!({
            "eventVersion": version, "eventSource": "aws:s3", "eventName": name, "eventTime": key,
            "s3": {"bucket": {"name": "b"}, "object": {"key": key, "size": size.to_string(), "x": [null]}}
        });
        let body = json!({"Records": [record, key, null]}).to_string();
        let Ok(Notification::Records(records)) = parse(body.as_bytes()) else {
            panic!("not records: {body}")
        };
        prop_assert_eq!(records.len(), 3);
    }

    #[test]
    fn a_key_survives_the_way_s3_writes_it(key in ".{1,60}") {
        let encoded = utf8_percent_encode(&key, NON_ALPHANUMERIC).to_string();
        prop_assert_eq!(decode_key(&encoded), Some(key.clone()));
        prop_assert_eq!(decode_key(&encoded.replace("%20", "+")), Some(key));
    }

    #[test]
    fn sequencers_are_ordered_as_numbers_whatever_their_padding(
        a in any::<u64>(), b in any::<u64>(), pad in 0_usize..20
    ) {
        let (left, right) = (format!("{a:016X}"), format!("{b:x}"));
        let right = format!("{}{right}", "0".repeat(pad));
        prop_assert_eq!(Sequencer(left).cmp(&Sequencer(right)), a.cmp(&b));
    }

    #[test]
    fn every_size_is_planned_whole(size in 0..=LARGEST_OBJECT, shared in any::<bool>()) {
        if let Plan::ResumableComputed { first, last } = plan(size, shared).unwrap() {
            prop_assert!(!shared);
            prop_assert_eq!(first + last, size);
            prop_assert_eq!(first % CHUNK_UNIT, 0);
            prop_assert!((1..=CHUNK_UNIT).contains(&last));
        }
    }

    #[test]
    fn no_reply_of_a_store_panics(
        status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200), range in ".{0,30}"
    ) {
        let mut reply = reply(status, body);
        drop(s3_refusal(&reply, "b"));
        drop(gcs_refusal(&reply, "b"));
        if let Ok(range) = HeaderValue::from_str(&range) {
            reply.headers_mut().insert("range", range);
        }
        drop(ResumableUploadStatus::read(&reply, "b"));
    }

    #[test]
    fn no_headers_of_an_object_panic(
        values in prop::collection::vec(prop::collection::vec(32_u8..=255, 0..40), 7)
    ) {
        let names = ["content-length", "etag", "x-amz-checksum-crc32c", "x-amz-checksum-sha256",
            "x-amz-checksum-type", "x-amz-meta-a", "last-modified"];
        let headers: HeaderMap = names
            .iter()
            .zip(values)
            .filter_map(|(name, value)| {
                Some((HeaderName::from_static(name), HeaderValue::from_bytes(&value).ok()?))
            })
            .collect();
        drop(SourceObject::read(&headers));
    }

    #[test]
    fn a_destination_never_leaves_its_prefix(key in ".{0,40}", prefix in "[a-z/]{0,8}") {
        let table = json!({"source": "s3://src/in/", "destination": format!("gs://dst/{prefix}")});
        let route = Route::parse("ROUTE_R", table).unwrap();
        prop_assert_eq!(route.destination_name(&format!("in/{key}")), Some(format!("{prefix}{key}")));
        if !key.starts_with("in/") {
            prop_assert_eq!(route.destination_name(&key), None);
        }
    }

    #[test]
    fn provenance_is_read_as_it_was_written(
        key in ".{1,40}", etag in ".{1,40}", version in prop::option::of(".{1,20}"), size in any::<u64>()
    ) {
        let provenance = Provenance {
            bucket: "src".into(), key, etag, version_id: version, last_modified: None, size,
        };
        let mut metadata = BTreeMap::new();
        provenance.write(&mut metadata);
        prop_assert_eq!(Provenance::read(&metadata), Some(provenance));
    }
}
