//! Objects that nobody holds, and answers that come slowly, as AWS's own client sees them.

use std::time::{Duration, Instant};

use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use causeway_harness::s3::store::{Algorithm, Checksum, Kind, SparseSpec};

use crate::fixture::{BUCKET, Fixture, fixture, refusal, refused};

const MIB: u64 = 1 << 20;

fn get(f: &Fixture) -> GetObjectFluentBuilder {
    f.client.get_object().bucket(BUCKET).key("sparse")
}

fn put(f: &Fixture, spec: &SparseSpec) {
    f.store()
        .put_sparse(BUCKET, "sparse", spec.clone())
        .unwrap();
}

/// The client itself checks the checksums that are stored with an object.
#[tokio::test]
async fn a_sparse_object_is_like_any_other() {
    let f = fixture().await;
    let spec = SparseSpec::new(9 * MIB + 5, 1);
    for algorithm in [Algorithm::Crc32, Algorithm::Crc32c, Algorithm::Crc64Nvme] {
        put(&f, &spec.clone().with(algorithm));
        let got = get(&f).checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.unwrap();
        assert_eq!(got.checksum_type(), Some(&ChecksumType::FullObject));
        let shown = [
            got.checksum_crc32(),
            got.checksum_crc32_c(),
            got.checksum_crc64_nvme(),
        ];
        let value = spec.full_object(algorithm).unwrap().value;
        assert_eq!(shown.iter().flatten().collect::<Vec<_>>(), [&value]);
        let bytes = got.body.collect().await.unwrap().into_bytes();
        assert!(bytes == spec.body().bytes().await.unwrap());
    }
    let md5 = spec.clone().with_md5().await.unwrap();
    put(&f, &md5);
    let got = get(&f).checksum_mode(ChecksumMode::Enabled).send().await;
    let got = got.unwrap();
    assert_eq!(got.e_tag(), Some(&*format!("\"{}\"", md5.etag)));
    assert_eq!((md5.etag.len(), got.checksum_type()), (32, None));
    assert_eq!(got.checksum_crc64_nvme(), None);
}

#[tokio::test]
async fn a_part_of_the_largest_object_is_read_on_condition() {
    let f = fixture().await;
    let size = 5 << 40;
    let mut spec = SparseSpec::new(size, 1);
    spec.checksum = Some(Checksum {
        algorithm: Algorithm::Sha256,
        kind: Kind::Composite,
        value: "composite-655360".into(),
    });
    put(&f, &spec);
    let etag = format!("\"{}\"", spec.etag);
    let at = 3 << 40;
    let range = format!("bytes={at}-{}", at + MIB - 1);
    let got = get(&f).range(&range).if_match(&etag).send().await.unwrap();
    let whole = format!("bytes {at}-{}/{size}", at + MIB - 1);
    assert_eq!(got.content_range(), Some(&*whole));
    let bytes = got.body.collect().await.unwrap().into_bytes();
    assert_eq!(
        bytes,
        spec.body().slice(at..at + MIB).bytes().await.unwrap()
    );

    let beyond = get(&f).range(format!("bytes={size}-")).if_match(&etag);
    assert_eq!(refusal(beyond.send().await), refused(416, "InvalidRange"));
    put(&f, &SparseSpec::new(size, 2));
    let changed = get(&f).range(&range).if_match(&etag).send().await;
    assert_eq!(refusal(changed), refused(412, "PreconditionFailed"));
    let head = f.client.head_object().bucket(BUCKET).key("sparse");
    assert_eq!(
        head.send().await.unwrap().content_length(),
        Some(size.cast_signed())
    );
}

#[tokio::test]
async fn a_throttled_answer_takes_its_time() {
    let f = fixture().await;
    let spec = SparseSpec::new(MIB, 1);
    put(&f, &spec);
    let timed = async || {
        let begin = Instant::now();
        let bytes = get(&f).send().await.unwrap().body.collect().await.unwrap();
        assert!(bytes.into_bytes() == spec.body().bytes().await.unwrap());
        begin.elapsed()
    };
    f.s3.throttle().set(Some(4 * MIB));
    let slow = timed().await;
    assert!(slow >= Duration::from_millis(250), "{slow:?}");
    // Connections do not share the limit.
    let begin = Instant::now();
    let all = futures::future::join_all((0..8).map(|_| timed())).await;
    assert!(
        all.iter().all(|time| *time >= Duration::from_millis(250)),
        "{all:?}"
    );
    let together = begin.elapsed();
    assert!(together < Duration::from_secs(1), "{together:?}");
    f.s3.throttle().set(None);
    let fast = timed().await;
    assert!(fast < slow, "{fast:?} {slow:?}");
}
