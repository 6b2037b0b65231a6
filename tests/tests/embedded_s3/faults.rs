//! Faults that a test asks for: what each does to an answer, seen without any client's help.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use causeway_harness::s3::store::{Algorithm, SparseSpec};
use causeway_harness::s3::{Fault, FaultSpec};
use http::{Method, StatusCode};
use reqwest::Response;

use crate::fixture::{BUCKET, Fixture, fixture, refusal, refused, signed_at};

const SIZE: u64 = 3_000_000;

struct Case {
    f: Fixture,
    bytes: Bytes,
    etag: String,
}

async fn case() -> Case {
    let f = fixture().await;
    let spec = SparseSpec::new(SIZE, 1).with(Algorithm::Crc64Nvme);
    let object = f.store().put_sparse(BUCKET, "a key", spec).unwrap();
    let bytes = object.body.bytes().await.unwrap();
    let etag = format!("\"{}\"", object.etag);
    Case { f, bytes, etag }
}

impl Case {
    async fn request(&self) -> reqwest::Result<Response> {
        let url = format!("{}/{BUCKET}/a%20key", self.f.s3.endpoint());
        let get = signed_at("GET", &url, SystemTime::now());
        get.header("x-amz-checksum-mode", "ENABLED").send().await
    }

    /// The answer to a GET that meets `fault`.
    async fn met(&self, fault: Fault) -> reqwest::Result<Response> {
        self.f.s3.faults().fail_next(FaultSpec {
            method: Some(Method::GET),
            path_contains: format!("/{BUCKET}/a%20key"),
            fault,
        });
        let response = self.request().await;
        self.f.s3.faults().assert_consumed();
        response
    }

    /// What arrives of a body, and whether it ended as it should.
    async fn body(&self, fault: Fault) -> (Vec<u8>, bool) {
        let mut response = self.met(fault).await.unwrap();
        let mut all = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(piece)) => all.extend_from_slice(&piece),
                Ok(None) => return (all, true),
                Err(_) => return (all, false),
            }
        }
    }

    fn upto(&self, end: usize) -> Vec<u8> {
        self.bytes[..end].to_vec()
    }
}

#[tokio::test]
async fn refusals_and_resets() {
    let case = case().await;
    let slow_down = Fault::Return {
        status: StatusCode::SERVICE_UNAVAILABLE,
        retry_after: Some(3),
    };
    let response = case.met(slow_down).await.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "3");
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("<Code>SlowDown</Code>")
    );
    assert!(case.met(Fault::ResetConnection).await.is_err());
    let after = case.request().await.unwrap();
    assert!(after.bytes().await.unwrap() == case.bytes);

    case.f.s3.faults().fail_next(FaultSpec {
        method: Some(Method::DELETE),
        path_contains: String::new(),
        fault: Fault::ResetAfterCommit,
    });
    let url = format!("{}/{BUCKET}/a%20key", case.f.s3.endpoint());
    assert!(
        signed_at("DELETE", &url, SystemTime::now())
            .send()
            .await
            .is_err()
    );
    assert!(
        case.f.store().get(BUCKET, "a key", None).is_err(),
        "the lost answer deleted"
    );
    assert_eq!(case.f.s3.faults().consumed(), 3);
}

#[tokio::test]
async fn bodies_that_break_off_or_are_not_what_they_should_be() {
    let case = case().await;
    let (got, whole) = case.body(Fault::Break { after: 1_500_000 }).await;
    assert!(!whole && got == case.upto(1_500_000), "{} bytes", got.len());

    let truncated = case.met(Fault::Truncate { after: 1_500_000 }).await;
    let truncated = truncated.unwrap();
    assert_eq!(truncated.content_length(), Some(1_500_000));
    assert!(truncated.bytes().await.unwrap() == case.upto(1_500_000));

    let longer = case.met(Fault::Lengthen { by: 7 }).await.unwrap();
    assert_eq!(longer.content_length(), Some(SIZE + 7));
    let more = [&case.bytes[..], &[0; 7]].concat();
    assert!(longer.bytes().await.unwrap() == more);

    let hidden = case.met(Fault::HideLength).await.unwrap();
    assert_eq!(hidden.headers().get("content-length"), None);
    assert!(hidden.bytes().await.unwrap() == case.bytes);

    let (mut got, whole) = case.body(Fault::Corrupt { at: 2_000_000 }).await;
    assert_eq!(got[2_000_000], case.bytes[2_000_000] ^ 1);
    got[2_000_000] ^= 1;
    assert!(whole && got == case.bytes);

    let begin = Instant::now();
    let pause = Duration::from_millis(100);
    let (got, whole) = case.body(Fault::Stall { pause, after: 1 }).await;
    assert!(whole && got == case.bytes && begin.elapsed() >= pause);
}

#[tokio::test]
async fn a_wrong_checksum_is_in_the_headers_only() {
    let case = case().await;
    let header = Algorithm::Crc64Nvme.header();
    let right = case.request().await.unwrap().headers()[header].clone();
    let wrong = case.met(Fault::WrongChecksum).await.unwrap();
    assert_ne!(wrong.headers()[header], right);
    assert_eq!(wrong.headers()[header].len(), right.len());
    assert_eq!(wrong.headers()["etag"], &case.etag);
    assert!(wrong.bytes().await.unwrap() == case.bytes);
    assert_eq!(case.request().await.unwrap().headers()[header], right);
}

#[tokio::test]
async fn an_object_that_changes_while_it_is_read_cannot_be_read_on() {
    let case = case().await;
    let with = Bytes::from_static(b"another");
    let overwrite = Fault::Overwrite {
        after: 1_000_000,
        with: with.clone(),
    };
    let (got, whole) = case.body(overwrite).await;
    assert!(whole && got == case.bytes, "S3 goes on with what it began");
    let get = case.f.client.get_object().bucket(BUCKET).key("a key");
    let rest = get
        .if_match(&case.etag)
        .range("bytes=1000000-")
        .send()
        .await;
    assert_eq!(refusal(rest), refused(412, "PreconditionFailed"));
    let now = case.request().await.unwrap();
    assert_eq!(now.bytes().await.unwrap(), with);
}

#[tokio::test]
async fn a_fault_can_be_meant_for_one_part_of_an_object() {
    let case = case().await;
    case.f.s3.faults().fail_next(FaultSpec {
        method: None,
        path_contains: "bytes=1000000-".into(),
        fault: Fault::Corrupt { at: 0 },
    });
    for start in [0, 1_000_000, 2_000_000] {
        let get = case.f.client.get_object().bucket(BUCKET).key("a key");
        let get = get.range(format!("bytes={start}-{}", start + 999_999));
        let got = get.send().await.unwrap().body.collect().await.unwrap();
        let same = got.into_bytes() == case.bytes[start..start + 1_000_000];
        assert_eq!(same, start != 1_000_000);
    }
    case.f.s3.faults().assert_consumed();
}
