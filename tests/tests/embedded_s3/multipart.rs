//! Objects that arrive in parts.

use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::complete_multipart_upload::{
    CompleteMultipartUploadError, CompleteMultipartUploadOutput,
};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
    ObjectAttributes,
};

use causeway_harness::s3::store::{Algorithm, SparseSpec};

use crate::fixture::{BUCKET, Fixture, fixture, noise, refusal, refused};

/// Begins an upload to `k` and gives its id.
async fn begin(f: &Fixture) -> String {
    let upload = f.client.create_multipart_upload().bucket(BUCKET).key("k");
    upload.send().await.unwrap().upload_id.unwrap()
}

fn part(number: i32, etag: &str) -> CompletedPart {
    let part = CompletedPart::builder().part_number(number).e_tag(etag);
    part.build()
}

/// Completes the upload to `k` with `parts`, in the order given.
async fn complete(
    f: &Fixture,
    id: &str,
    parts: Vec<CompletedPart>,
) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>> {
    let completed = CompletedMultipartUpload::builder().set_parts(Some(parts));
    let complete = f.client.complete_multipart_upload().bucket(BUCKET).key("k");
    let complete = complete.upload_id(id).multipart_upload(completed.build());
    complete.send().await
}

#[tokio::test]
async fn an_upload_in_parts_combines_its_checksums() {
    let f = fixture().await;
    let parts = [noise(5 << 20, 1), noise(5 << 20, 2), noise(12_345, 3)];
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc32, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc32C, ChecksumType::Composite),
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
    ] {
        let create = f.client.create_multipart_upload().bucket(BUCKET).key("k");
        let create = create.checksum_algorithm(algorithm.clone());
        let upload = create.checksum_type(kind.clone()).send().await.unwrap();
        let id = upload.upload_id().unwrap();
        let mut completed = Vec::new();
        for (number, part) in (1..).zip(&parts) {
            let sent = f.client.upload_part().bucket(BUCKET).key("k").upload_id(id);
            let sent = sent.checksum_algorithm(algorithm.clone());
            let sent = sent.part_number(number).body(part.clone().into());
            let sent = sent.send().await.unwrap();
            completed.push(
                CompletedPart::builder()
                    .part_number(number)
                    .set_e_tag(sent.e_tag)
                    .set_checksum_crc32(sent.checksum_crc32)
                    .set_checksum_crc32_c(sent.checksum_crc32_c)
                    .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
                    .set_checksum_sha256(sent.checksum_sha256)
                    .build(),
            );
        }
        let listed = f.client.list_parts().bucket(BUCKET).key("k").upload_id(id);
        assert_eq!(listed.send().await.unwrap().parts().len(), 3);
        let done = complete(&f, id, completed).await.unwrap();
        assert!(done.e_tag().unwrap().ends_with("-3\""), "{done:?}");
        assert_eq!(done.checksum_type(), Some(&kind));
        // The client checks the full-object ones while it reads.
        let got = f.client.get_object().bucket(BUCKET).key("k");
        let got = got.checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.unwrap();
        assert!(got.body.collect().await.unwrap().to_vec() == parts.concat());
        let attributes = f.client.get_object_attributes().bucket(BUCKET).key("k");
        let attributes = attributes
            .object_attributes(ObjectAttributes::ObjectSize)
            .object_attributes(ObjectAttributes::Checksum)
            .object_attributes(ObjectAttributes::ObjectParts);
        let attributes = attributes.send().await.unwrap();
        assert_eq!(attributes.object_size(), Some((10 << 20) + 12_345));
        let shown = attributes.object_parts().unwrap();
        assert_eq!(shown.total_parts_count(), Some(3));
        assert!(attributes.checksum().is_some());
        let told = shown.parts().len();
        assert_eq!(
            told,
            if kind == ChecksumType::Composite {
                3
            } else {
                0
            }
        );
    }
}

/// As AWS was seen to answer: the ETag without quotes, a composite without its number of parts, and the checksums of
/// parts only under a composite.
#[tokio::test]
async fn the_parts_of_a_composite_are_told_page_by_page_and_read_with_their_checksums() {
    let f = fixture().await;
    let spec = SparseSpec::new(20 << 20, 1).in_parts(Algorithm::Crc32c);
    f.store().put_sparse(BUCKET, "k", spec.clone()).unwrap();
    let ask = || {
        let ask = f.client.get_object_attributes().bucket(BUCKET).key("k");
        ask.object_attributes(ObjectAttributes::Etag)
            .object_attributes(ObjectAttributes::Checksum)
            .object_attributes(ObjectAttributes::ObjectParts)
    };
    let shown = ask().max_parts(2).send().await.unwrap();
    assert_eq!(shown.e_tag(), Some(&*spec.etag));
    let composite = spec.checksum.clone().unwrap().value;
    let told = shown.checksum().unwrap();
    let with_count = format!("{}-3", told.checksum_crc32_c().unwrap());
    assert_eq!(with_count, composite);
    assert_eq!(told.checksum_type(), Some(&ChecksumType::Composite));
    let page = shown.object_parts().unwrap();
    assert_eq!(page.total_parts_count(), Some(3));
    assert_eq!(
        (page.is_truncated(), page.max_parts()),
        (Some(true), Some(2))
    );
    let next = page.next_part_number_marker().unwrap();
    let last = ask().part_number_marker(next).send().await.unwrap();
    let last = last.object_parts().unwrap();
    assert_eq!(last.is_truncated(), Some(false));
    let parts: Vec<_> = page.parts().iter().chain(last.parts()).collect();
    let sizes: Vec<_> = parts.iter().filter_map(|part| part.size()).collect();
    assert_eq!((sizes.len(), sizes.iter().sum::<i64>()), (3, 20 << 20));
    for (number, part) in (1..).zip(parts) {
        assert_eq!(part.part_number(), Some(number));
        let got = f.client.get_object().bucket(BUCKET).key("k");
        let got = got.part_number(number).checksum_mode(ChecksumMode::Enabled);
        let got = got.send().await.unwrap();
        assert_eq!(got.checksum_crc32_c(), part.checksum_crc32_c());
        assert_eq!(got.parts_count(), Some(3));
        // The client compares the checksum with what it reads.
        let read = got.body.collect().await.unwrap().into_bytes();
        assert_eq!(i64::try_from(read.len()).ok(), part.size());
    }
    f.store()
        .configure(BUCKET, |settings| settings.attributes_denied = true)
        .unwrap();
    assert_eq!(refusal(ask().send().await), refused(403, "AccessDenied"));
}

#[tokio::test]
async fn small_and_unknown_parts_are_refused() {
    let f = fixture().await;
    let id = &begin(&f).await;
    let mut parts = Vec::new();
    for number in 1..=2 {
        let sent = f.client.upload_part().bucket(BUCKET).key("k").upload_id(id);
        let sent = sent.part_number(number).body(ByteStream::from_static(b"x"));
        parts.push(part(number, &sent.send().await.unwrap().e_tag.unwrap()));
    }
    let complete = |parts| complete(&f, id, parts);
    assert_eq!(refusal(complete(parts.clone()).await).1, "EntityTooSmall");
    let reversed = parts.iter().rev().cloned().collect();
    assert_eq!(refusal(complete(reversed).await).1, "InvalidPartOrder");
    let unknown = vec![part(3, parts[0].e_tag().unwrap())];
    assert_eq!(refusal(complete(unknown).await).1, "InvalidPart");
    let abort = f.client.abort_multipart_upload().bucket(BUCKET).key("k");
    abort.upload_id(id).send().await.unwrap();
    assert_eq!(refusal(complete(parts).await).1, "NoSuchUpload");
}

#[tokio::test]
async fn parts_are_copied_from_ranges() {
    let f = fixture().await;
    let whole = noise(12 << 20, 4);
    f.put("from", whole.clone()).await;
    let id = &begin(&f).await;
    let mut completed = Vec::new();
    for (number, range) in [(1, "bytes=0-6291455"), (2, "bytes=6291456-12582911")] {
        let copy = f.client.upload_part_copy().bucket(BUCKET).key("k");
        let copy = copy.upload_id(id).part_number(number);
        let copy = copy.copy_source(format!("{BUCKET}/from"));
        let copy = copy.copy_source_range(range).send().await.unwrap();
        let etag = copy.copy_part_result().unwrap().e_tag().unwrap();
        completed.push(part(number, etag));
    }
    complete(&f, id, completed).await.unwrap();
    assert!(f.get("k").await == whole);
}
