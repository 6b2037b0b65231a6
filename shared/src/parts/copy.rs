//! One part: its bytes are read under the ETag of the whole, by its version id where the source has versions, and
//! written under a name of their own.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::Timestamp;

use super::PartCopy;
use super::reason::moved;
use crate::access::{Access, Read};
use crate::client::{Client, destination_lost, source_lost};
use crate::composite::parts_folder;
use crate::error::{ErrorKind, TransferError};
use crate::exchange::Authority;
use crate::gcs::{Component, Object, Precondition, multipart_upload, refusal};
use crate::integrity::{Checksum, Digests};
use crate::message::PartMessage;
use crate::port::{Port, Side, TransportError};
use crate::renew::ask_aws;
use crate::retry::{self, Attempts};
use crate::route::Route;
use crate::s3::{Span, if_match, refuses_version};

/// Copies `part` along `route`. Each attempt writes an object of its own, so that two deliveries of
/// one message, or a reply that was lost, cannot disturb each other; whatever is not used in the end
/// is swept. `seed` is random, and new for each call.
///
/// # Errors
/// [`ErrorKind::SourceChanged`] when the source no longer has the ETag: the whole is to start over.
/// Any other as its kind says.
pub async fn copy_part<P: Port>(
    port: &mut P,
    access: &Access,
    route: &Route,
    part: &PartMessage,
    seed: u128,
) -> Result<PartCopy, TransferError> {
    let until = port
        .now()
        .checked_add(retry::AGAIN_WITHIN)
        .unwrap_or(Timestamp::MAX);
    let mut client = Client { port, access, seed };
    let (mut attempts, mut attempt, mut renewed) = (Attempts::default(), 1, false);
    loop {
        match copy_once(&mut client, route, part, attempt).await {
            Err(error) if access.forget_refused(&error, &mut renewed) => {}
            Err(error) if client.port.now() < until => {
                client.wait_or_end(error, &mut attempts).await?;
            }
            ended => return ended,
        }
        attempt += 1;
    }
}

/// Whether `route` still leads from where the object was seen to where `part` is to stand.
pub(super) fn is_of(part: &PartMessage, route: &Route) -> bool {
    part.is_of(route) && part.prefix.starts_with(&parts_folder(&route.destination))
}

async fn copy_once<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    part: &PartMessage,
    attempt: u32,
) -> Result<PartCopy, TransferError> {
    if !is_of(part, route) {
        return Err(moved(route));
    }
    open(client, route, part).await?;
    let name = format!("{}{:04}-{}", part.prefix, part.part, client.nonce(attempt));
    let bucket = &route.destination.bucket;
    let object = Object {
        name: name.clone(),
        storage_class: route.storage_class.clone(),
        kms_key_name: route.kms_key.clone(),
        ..Object::default()
    };
    let address = client.access.gcs.address(bucket, &name);
    let mut sink = multipart_upload(&address, &object, Precondition::DoesNotExist, client.seed)?;
    client
        .authorize(Authority::Google, &mut sink.request)
        .await?;
    let piped = client.port.pipe(sink, part.length, part.digest).await;
    let reply = piped.map_err(|lost| broken(&lost))?;
    let now = client.port.now();
    client.access.note_time(Authority::Google, &reply, now);
    if !reply.status().is_success() {
        return Err(refusal(&reply, bucket));
    }
    let stored = Object::read(&reply)?;
    let digests = match part.digest {
        Some(digest) => {
            let held = client.port.hold(0, digest).await;
            held.map_err(|lost| broken(&lost))?
        }
        None => Digests {
            crc32c: stored.stored_crc32c()?,
            other: None,
        },
    };
    stored.verify(part.length, Checksum::Crc32c(digests.crc32c))?;
    Ok(PartCopy {
        component: Component {
            name,
            generation: stored.generation(),
        },
        digests,
    })
}

/// Opens the part's bytes at the source, of the very object that was planned: by its version, where S3 lets it be read
/// so, because a newer one may stand there by now.
async fn open<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    part: &PartMessage,
) -> Result<(), TransferError> {
    let bucket = &route.source.bucket;
    let mut read = Read {
        span: Some((part.first, part.length)),
        if_match: if_match(&part.etag),
        version: client.access.s3.version(part.version.as_deref()),
    };
    let mut reply = open_as(client, bucket, part, &read).await?;
    if read.version.is_some() && refuses_version(&reply, bucket) {
        client.access.s3.refuses_versions();
        read.version = None;
        reply = open_as(client, bucket, part, &read).await?;
    }
    if reply.status() == StatusCode::PRECONDITION_FAILED {
        // Some stores refuse their own ETags: the reply's tells.
        read.if_match = None;
        reply = open_as(client, bucket, part, &read).await?;
    }
    let span = Span {
        start: part.first,
        length: part.length,
        total: part.total,
        etag: &part.etag,
    };
    span.check(&reply, bucket)
}

async fn open_as<P: Port>(
    client: &mut Client<'_, P>,
    bucket: &str,
    part: &PartMessage,
    read: &Read,
) -> Result<Response<Bytes>, TransferError> {
    let request = client.access.s3.get_object(bucket, &part.key, read)?;
    let now = client.port.now();
    let reply = ask_aws(client.port, client.access, &request, now, true).await?;
    reply.map_err(|lost| source_lost(&lost))
}

fn broken(lost: &TransportError) -> TransferError {
    match lost.side {
        Side::Sink => destination_lost(lost),
        Side::Source => TransferError::new(
            ErrorKind::SourceBroken,
            format!(
                "Reading from S3 broke off: {}.",
                lost.detail.trim_end_matches('.')
            ),
            "Nothing to do: it is tried again.",
        ),
    }
}
