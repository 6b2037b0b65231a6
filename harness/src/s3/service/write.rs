//! PutObject, and what a browser's form sends.
//!
//! See <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>.

use s3s::dto::{ETagCondition, PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response, S3Result};

use super::convert::{
    attributes_of, condition_value, encryption, etag, given_checksum, show_checksum, version_id,
};
use super::errors::{self, refuse};
use super::upload::Promise;
use super::{Reply, Service};
use crate::s3::store::{Algorithm, ChangeKind, NewObject, Sink, WriteCondition, hex};

pub(super) async fn put_object(
    service: &Service,
    mut request: S3Request<PutObjectInput>,
) -> Reply<PutObjectOutput> {
    let body = request.input.body.take();
    let input = &request.input;
    let (bucket, owner) = (&input.bucket, input.expected_bucket_owner.as_deref());
    let settings = service.admit(&request, bucket, Some(&input.key), owner)?;
    let condition = write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
    let attributes = attributes_of!(input);
    let promise = Promise::new(
        &request,
        input.content_length,
        input.content_md5.as_deref(),
        given_checksum!(input)?,
    )?;
    let algorithm = promise.algorithm().unwrap_or(Algorithm::Crc64Nvme);
    let sink = Sink::for_object(promise.length()).map_err(errors::io)?;
    let received = promise.receive(body, algorithm, sink).await?;
    let new = NewObject {
        key: input.key.clone(),
        etag: hex(&received.digests.md5),
        checksum: Some(received.digests.checksums[0].full_object()),
        body: received.body,
        attributes,
        parts: Vec::new(),
        kind: if request.method == http::Method::POST {
            ChangeKind::Post
        } else {
            ChangeKind::Put
        },
    };
    let object = service
        .store
        .commit(bucket, new, &condition)
        .map_err(refuse)?;
    let (server_side_encryption, ssekms_key_id) = encryption(object.kms);
    let mut output = PutObjectOutput {
        e_tag: Some(etag(&object.etag)),
        version_id: version_id(&object, &settings),
        server_side_encryption,
        ssekms_key_id,
        ..PutObjectOutput::default()
    };
    show_checksum!(output, object.checksum);
    Ok(S3Response::new(output))
}

/// `If-Match` and `If-None-Match` of a write; S3 knows the latter only as `*`.
pub(super) fn write_condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<WriteCondition> {
    match if_none_match {
        Some(ETagCondition::ETag(_)) => Err(s3s::s3_error!(
            NotImplemented,
            "If-None-Match of a write must be *"
        )),
        other => Ok(WriteCondition {
            absent: other.is_some(),
            etag: if_match.map(|condition| condition_value(condition).to_owned()),
        }),
    }
}
