//! What holds for every input: parsers that read what strangers send, and the arithmetic of sizes.
#![cfg(not(target_family = "wasm"))]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use causeway_shared::brake::{Brake, BrakeState, DeletePermit};
use causeway_shared::credentials::{ExternalAccount, GoogleCredential, Role};
use causeway_shared::event::Sequencer;
use causeway_shared::event::s3::decode_key;
use causeway_shared::event::{Notification, parse};
use causeway_shared::gcs::{
    CUSTOM_METADATA_LIMIT, CUSTOM_NAME_LIMIT, CUSTOM_VALUE_LIMIT, Object, Provenance,
    ResumableUploadStatus, SCOPE, refusal as gcs_refusal,
};
use causeway_shared::integrity::{
    Algorithm, Checksum, Crc64Nvme, Digests, PartCrc, PartSums, Proof, SourceChecksum,
    combine_crc32c,
};
use causeway_shared::mapping::{OMITTED, custom_metadata, describes, provenance};
use causeway_shared::plan::{CHUNK_UNIT, LARGEST_OBJECT, Plan, plan};
use causeway_shared::route::{PARTS_ABOVE, Route};
use causeway_shared::s3::{
    SourceObject, StoredChecksums, add_parts, decode_words, read_tags, refusal as s3_refusal,
};
use causeway_shared::sigv4::Credentials;
use causeway_shared::time::{http, rfc3339};
use crc_fast::{CrcAlgorithm, checksum, checksum_combine};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

fn reply(status: u16, body: Vec<u8>) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .body(Bytes::from(body))
        .unwrap()
}

/// `bytes` as encoded words of `length` bytes each, `B` and `Q` by turns.
fn encoded_words(bytes: &[u8], length: usize) -> String {
    let words = bytes.chunks(length).enumerate().map(|(index, piece)| {
        if index % 2 == 0 {
            format!("=?UTF-8?B?{}?=", BASE64_STANDARD.encode(piece))
        } else {
            let hex: String = piece.iter().map(|byte| format!("={byte:02X}")).collect();
            format!("=?utf-8?q?{hex}?=")
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The text that S3 takes a header's bytes for.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
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

fn role() -> Role {
    let arn = "arn:aws:iam::123456789012:role/r";
    let table = json!({"source": "s3://src", "destination": "gs://dst", "role_arn": arn});
    let route = Route::parse("ROUTE_R", table).unwrap();
    let keys = Credentials::new("AKID", "secret", None).unwrap();
    let url = "http://sts/".parse().unwrap();
    Role::of(&route, &keys, "us-east-1", url).unwrap().unwrap()
}

fn external_account() -> ExternalAccount {
    let file = json!({
        "type": "external_account", "audience": "a", "token_url": "http://h/",
        "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
        "service_account_impersonation_url": "http://h/",
        "credential_source": {"environment_id": "aws1", "regional_cred_verification_url": "http://h/"},
    });
    match GoogleCredential::parse("G", &file.to_string(), true) {
        Ok((GoogleCredential::External(external), None)) => external,
        other => panic!("{other:?}"),
    }
}

/// Text that has something of an answer in it.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let word = prop::sample::select(vec![
        "<AssumeRoleResponse>",
        "<AssumeRoleResult>",
        "<Credentials>",
        "</Credentials>",
        "<AccessKeyId>",
        "<Expiration>",
        "2026-01-01T00:00:00Z",
        "<ErrorResponse>",
        "<Error>",
        "<Code>",
        "</Code>",
        "&#0;",
        "{",
        "}",
        "\"access_token\":",
        "\"expires_in\":",
        "-9223372036854775808",
        "1e400",
        "\"error\":",
        "\"accessToken\":",
        "\"expireTime\":",
        "\"-009999-01-01T00:00:00Z\"",
        "\"\\u0000\"",
        ",",
        "[",
        "]",
        "x",
        "é",
    ]);
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(word, 0..20).prop_map(|words| words.concat().into_bytes()),
    ]
}

proptest! {
    #[test]
    fn no_key_leaves_the_destinations_prefix(
        key in ".*", source in "[a-z/.]{0,6}", destination in "[a-z/.]{0,6}",
    ) {
        let table = json!({"source": format!("s3://src/{source}"),
            "destination": format!("gs://dst/{destination}")});
        let route = Route::parse("ROUTE_X", table).unwrap();
        let name = route.destination_name(&key);
        prop_assert_eq!(name.is_some(), key.starts_with(&source));
        if let Some(name) = name {
            prop_assert!(name.starts_with(&destination));
            prop_assert_eq!(route.source_key(&name), Some(key));
        }
    }
}

proptest! {
    #[test]
    fn no_answer_of_a_token_service_panics_or_is_taken_for_a_token(
        status in 200_u16..600,
        body in answers(),
    ) {
        let now = Timestamp::UNIX_EPOCH;
        let reply = reply(status, body);
        let _ = role().read(&reply);
        let external = external_account();
        for token in [external.federated(&reply, now), external.impersonated(&reply)] {
            prop_assert!(token.is_err() || status == 200);
        }
    }

    #[test]
    fn times_are_read_as_jiff_reads_them(
        second in -62_135_596_800_i64..253_402_207_200,
        nanosecond in 0_i32..1_000_000_000,
        hours in -23_i8..=23,
    ) {
        let time = Timestamp::new(second, nanosecond).unwrap();
        prop_assert_eq!(rfc3339(&time.to_string()), Some(time));
        let offset = jiff::tz::Offset::from_hours(hours).unwrap();
        let local = time.display_with_offset(offset).to_string();
        prop_assert_eq!(rfc3339(&local), local.parse().ok(), "{}", local);
        let date = time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let whole = Timestamp::from_second(time.as_second() - i64::from(time.subsec_nanosecond() < 0));
        prop_assert_eq!(http(&date), whole.ok(), "{}", date);
    }

    #[test]
    fn no_text_panics_as_a_time(text in "[0-9TZ:.,+ GM-]{0,40}", any in ".{0,30}") {
        for text in [text, any] {
            let ours = rfc3339(&text);
            let _ = http(&text);
            // What is taken for a time is one.
            if let Some(time) = ours {
                prop_assert_eq!(text.parse().ok(), Some(time));
            }
        }
    }

    #[test]
    fn no_credential_file_panics(text in ".{0,80}", url in "(https?://)?[a-z.@:/{}-]{0,40}") {
        let _ = GoogleCredential::parse("G", &text, false);
        let file = json!({
            "type": "external_account", "audience": text, "token_url": url,
            "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
            "credential_source": {"environment_id": "aws1", "regional_cred_verification_url": url},
        });
        for anywhere in [false, true] {
            let parsed = GoogleCredential::parse("G", &file.to_string(), anywhere);
            let keys = Credentials::new("AKID", "secret", None).unwrap();
            if let Ok((GoogleCredential::External(external), _)) = parsed {
                let _ = external.exchange(&keys, "us-east-1", SCOPE, Timestamp::UNIX_EPOCH);
            }
        }
    }

    /// However deletes fall: within no window are there more than the limit, what is refused would
    /// have been one too many of a window and a slot, and what is kept does not grow.
    #[test]
    fn no_window_has_more_deletes_than_the_brake_allows(
        deletes in 0_u32..40,
        window in 1_u32..5_000,
        pauses in prop::collection::vec(0_i64..400, 1..400),
        objects in prop::option::of(0_u64..400),
    ) {
        let brake = Brake { deletes, percent: 10, window };
        let (limit, reach) = (brake.limit(objects), i64::from(window));
        let slot = i64::from(window.div_ceil(60));
        let (mut state, mut now, mut granted) = (BrakeState::default(), 0, Vec::<i64>::new());
        for pause in pauses {
            now += pause;
            let within = |reach: i64| {
                granted.iter().filter(|&&second| second > now - reach).count() as u64
            };
            let now_at = Timestamp::from_second(now).unwrap();
            match state.ask(&brake, objects, now_at, 1).1 {
                DeletePermit::Granted => {
                    prop_assert!(within(reach) < limit);
                    granted.push(now);
                }
                DeletePermit::Braked { deletes, limit: said } => {
                    prop_assert!(said == limit && deletes >= limit);
                    prop_assert!(within(reach + slot) >= limit, "{} at {}", within(reach + slot), now);
                }
            }
            let text = serde_json::to_string(&state).unwrap();
            prop_assert!(text.matches(':').count() <= 62, "{}", text);
        }
    }

    #[test]
    fn a_value_without_encoded_words_is_unchanged(value in ".{0,60}") {
        prop_assume!(!value.contains("=?"));
        prop_assert_eq!(decode_words(&value), value.as_str());
    }

    #[test]
    fn no_value_panics_and_what_is_no_word_is_unchanged(
        value in "[a =?_]{0,12}(=\\?(UTF-8|x)\\?[BQbq]\\?[A-Za-z0-9+/=?_ ]{0,20}\\?=[ ,a]?){0,3}"
    ) {
        let decoded = decode_words(&value);
        prop_assert!(decoded == value || value.contains("=?UTF-8?"), "{} became {}", value, decoded);
    }

    #[test]
    fn text_survives_the_way_s3_writes_it(text in "[^\\p{Cc}]{1,40}", length in 1_usize..50) {
        prop_assume!(!text.is_ascii());
        let as_s3_writes_it = encoded_words(latin1(text.as_bytes()).as_bytes(), length);
        prop_assert_eq!(decode_words(&as_s3_writes_it), text.as_str());
    }

    #[test]
    fn text_survives_encoded_words(text in "[^\\p{Cc}]{1,40}", length in 1_usize..50) {
        let is_latin1 = text.chars().all(|char| u8::try_from(char).is_ok());
        prop_assume!(text.is_ascii() || !is_latin1);
        let encoded = encoded_words(text.as_bytes(), length);
        prop_assert_eq!(decode_words(&encoded), text.as_str());
    }

    #[test]
    fn custom_metadata_fits_and_says_what_is_missing(
        user in prop::collection::btree_map("[a-z-]{0,40}|[a-z]{1000,1050}", ".{0,1300}", 0..14),
        tags in prop::collection::btree_map(".{1,128}", ".{0,256}", 0..14),
        missing in 0_u32..3,
    ) {
        let source = SourceObject {
            metadata: user, tags, missing_metadata: missing, etag: "\"e\"".into(),
            ..SourceObject::default()
        };
        let origin = provenance(&source, "src", "k");
        let metadata = custom_metadata(&source, &origin, Proof::ComputedCrc32c);
        let size: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
        prop_assert!(size <= CUSTOM_METADATA_LIMIT, "{}", size);
        for (name, value) in &metadata {
            prop_assert!(name.len() <= CUSTOM_NAME_LIMIT && value.len() <= CUSTOM_VALUE_LIMIT);
        }
        let copy = Object { metadata: metadata.clone(), ..Object::default() };
        prop_assert!(describes(&copy, &source, &origin, true));
        prop_assert_eq!(Provenance::read(&metadata), Some(origin));
        let kept = metadata.len() - usize::from(metadata.contains_key(OMITTED)) - 5;
        let wanted = source.metadata.len() + source.tags.len();
        prop_assert_eq!(metadata.contains_key(OMITTED), kept < wanted || missing > 0);
    }

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
        for piece in &pieces {
            ours.update(piece);
        }
        prop_assert_eq!(ours.finish(), checksum(CrcAlgorithm::Crc64Nvme, &pieces.concat()));
    }

    #[test]
    fn a_crc_is_combined_at_any_length(first in any::<u32>(), second in any::<u32>(), length in any::<u64>()) {
        let ours = combine_crc32c(first, second, length);
        let theirs = checksum_combine(CrcAlgorithm::Crc32Iscsi, first.into(), second.into(), length);
        prop_assert_eq!(u64::from(ours), theirs);
    }

    #[test]
    fn the_parts_of_a_composite_make_the_whole(parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..20)) {
        for (crc, algorithm) in [
            (PartCrc::Crc32c, CrcAlgorithm::Crc32Iscsi),
            (PartCrc::Crc32, CrcAlgorithm::Crc32IsoHdlc),
        ] {
            let of = |bytes: &[u8]| u32::try_from(checksum(algorithm, bytes)).unwrap();
            let mut sums = PartSums::new(crc);
            let mut of_parts = Vec::new();
            for part in &parts {
                sums.add(of(part), part.len() as u64);
                of_parts.extend(of(part).to_be_bytes());
            }
            let whole = parts.concat();
            prop_assert_eq!((sums.whole, sums.length), (of(&whole), whole.len() as u64));
            prop_assert_eq!(sums.composite(), of(&of_parts));
        }
    }

    #[test]
    fn no_reply_about_parts_panics(status in prop::sample::select(vec![200, 403, 404, 501]), body in prop::collection::vec(any::<u8>(), 0..200), parts in ".{0,60}") {
        let xml = format!("<GetObjectAttributesOutput><ObjectParts><Part>{parts}<Size>{parts}</Size></Part></ObjectParts></GetObjectAttributesOutput>");
        for body in [body, xml.into_bytes()] {
            let mut sums = PartSums::new(PartCrc::Crc32);
            let _ = add_parts(&reply(status, body), "e", &mut sums);
        }
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
    fn no_event_of_eventbridge_panics_and_its_key_is_taken_as_it_stands(
        kind in ".{0,20}", source in prop::sample::select(vec!["aws.s3", ""]), time in ".{0,20}",
        key in ".{1,60}", object in prop::sample::select(vec![json!(null), json!(7), json!({"key": [1]})])
    ) {
        let event = |object: serde_json::Value| json!({
            "detail-type": kind, "source": source, "time": time,
            "detail": {"bucket": {"name": "b"}, "object": object},
        }).to_string();
        drop(parse(event(object).as_bytes()));
        let Ok(Notification::Records(records)) = parse(event(json!({"key": key})).as_bytes()) else {
            panic!("not records: {key:?}")
        };
        let hints: Vec<_> = records.into_iter().flatten().map(|hint| hint.key).collect();
        prop_assert!(hints.is_empty() && source.is_empty() || hints == [key]);
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
    fn every_size_is_planned_whole(size in 0..=LARGEST_OBJECT, shared in any::<bool>(), parts in any::<bool>()) {
        let stored = StoredChecksums {
            shared: shared.then_some(Checksum::Crc32c(1)),
            ..StoredChecksums::default()
        };
        let mut start = 0;
        match plan(size, &stored, parts.then_some(PARTS_ABOVE)).unwrap() {
            Plan::Parts(parts) => {
                for number in 0..parts.count() {
                    let (first, length) = parts.span(number);
                    prop_assert_eq!(first, start);
                    start += length;
                }
            }
            Plan::Session(session) => while start < size {
                let (length, last) = session.slice_at(start, size);
                prop_assert!(length + last > 0);
                prop_assert!(length % CHUNK_UNIT == 0 || start + length == size);
                prop_assert!(last <= CHUNK_UNIT);
                start += length + last;
            },
            Plan::Single | Plan::Buffered(_) => start = size,
        }
        prop_assert_eq!(start, size);
    }

    #[test]
    fn no_reply_of_a_store_panics(
        status in 100_u16..600, body in prop::collection::vec(any::<u8>(), 0..200), range in ".{0,30}"
    ) {
        let mut reply = reply(status, body);
        drop(s3_refusal(&reply, "b"));
        drop(gcs_refusal(&reply, "b"));
        drop(read_tags(&reply, "b"));
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
