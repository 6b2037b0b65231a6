//! The end of a large object: what its parts are together is checked, they are composed as a tree,
//! and the root is committed under the precondition.

use bytes::Bytes;
use http::StatusCode;

use super::PartCopy;
use super::reason::moved;
use crate::access::Access;
use crate::client::{Answer, Client};
use crate::composite::CompositeCopy;
use crate::error::{ErrorKind, TransferError};
use crate::gcs::{COMPOSE_LIMIT, Component, Object, ObjectAddress, Precondition};
use crate::integrity::{Checksum, Digests, Proof, combine_crc32c};
use crate::mapping::{self, Less};
use crate::port::Port;
use crate::retry::Attempts;
use crate::route::{OnConflict, Route};
use crate::s3::{may_be_same, read_head};
use crate::transfer::Outcome;

/// A piece of the object: a part, or several composed.
#[derive(Debug, Clone)]
struct Piece {
    component: Component,
    length: u64,
    crc32c: u32,
}

/// Makes `order`'s object of `parts`, all of them and in their order. Intermediate objects get names
/// under `prefix`. `seed` is random, and new for each call. Where `route` propagates deletes, a commit
/// over nothing is followed by another look at the source.
///
/// # Errors
/// [`ErrorKind::ChecksumRefused`] or [`ErrorKind::SourceChecksumMismatch`] when the parts are not the
/// object that S3 has a checksum of: nothing is committed then.
/// [`ErrorKind::PreconditionLost`] when the destination was written meanwhile, or a part is gone.
/// [`ErrorKind::SourceChanged`] when the object is committed, and its source is another by now; or when
/// `route` does not lead there any more, and nothing was committed.
pub async fn assemble<P: Port>(
    port: &mut P,
    access: &Access,
    route: &Route,
    order: &CompositeCopy,
    parts: &[PartCopy],
    prefix: &str,
    seed: u128,
) -> Result<Outcome, TransferError> {
    if !order.is_of(route) {
        return Err(moved(route));
    }
    let (digests, proof) = prove(order, parts)?;
    let mut client = Client { port, access, seed };
    let mut pieces = pieces(order, parts);
    let mut made = 0;
    while pieces.len() > COMPOSE_LIMIT {
        let mut level = Vec::with_capacity(pieces.len().div_ceil(COMPOSE_LIMIT));
        for group in pieces.chunks(COMPOSE_LIMIT) {
            level.push(match group {
                [single] => single.clone(),
                group => {
                    made += 1;
                    let name = format!("{prefix}c{made:03}-{}", client.nonce(made));
                    compose_group(&mut client, order, group, name).await?
                }
            });
        }
        pieces = level;
    }
    let mut object = order.object.clone();
    mapping::note_crc32c(&mut object, digests.crc32c);
    let committed = commit(&mut client, order, &object, &pieces, digests.crc32c).await?;
    // Over somebody else's object it is as over nothing, and the order does not say whose it was.
    let is_over_nothing = order.precondition == Precondition::DoesNotExist
        || route.on_conflict == OnConflict::Overwrite;
    if route.propagates_deletes() && is_over_nothing {
        recheck(&mut client, order).await?;
    }
    Ok(Outcome::Copied {
        generation: committed.generation(),
        size: order.parts.total,
        proof,
        omitted: mapping::omitted(&committed),
    })
}

/// The whole's checksums, put together from those of the parts, checked against what S3 has.
fn prove(order: &CompositeCopy, parts: &[PartCopy]) -> Result<(Digests, Proof), TransferError> {
    let whole = (0..)
        .zip(parts)
        .fold(Digests::default(), |whole, (number, part)| {
            match order.parts.span(number) {
                (0, _) => part.digests.clone(),
                (_, length) => whole.followed_by(&part.digests, length),
            }
        });
    let proof = order.stored.check(&whole)?;
    Ok((whole, proof))
}

fn pieces(order: &CompositeCopy, parts: &[PartCopy]) -> Vec<Piece> {
    (0..)
        .zip(parts)
        .map(|(number, part)| Piece {
            component: part.component.clone(),
            length: order.parts.span(number).1,
            crc32c: part.digests.crc32c,
        })
        .collect()
}

/// Composes `group` into an object called `name`, which nobody else writes.
async fn compose_group<P: Port>(
    client: &mut Client<'_, P>,
    order: &CompositeCopy,
    group: &[Piece],
    name: String,
) -> Result<Piece, TransferError> {
    let address = client.access.gcs.address(&order.bucket, &name);
    let object = Object {
        name: name.clone(),
        storage_class: order.object.storage_class.clone(),
        kms_key_name: order.object.kms_key_name.clone(),
        ..Object::default()
    };
    let components = group.iter().map(|piece| &piece.component);
    let request = address.compose(components, &object, Precondition::DoesNotExist)?;
    let answer = client.send(&request, &order.bucket).await?;
    let Answer { reply, ambiguous } = answer;
    let made = match reply.status() {
        // What cannot be read is looked into. It is ours: nobody else knows the name.
        status if status.is_success() => match Object::read(&reply) {
            Ok(made) => made,
            Err(error) => look(client, &address).await?.ok_or(error)?,
        },
        StatusCode::PRECONDITION_FAILED if ambiguous => {
            look(client, &address).await?.ok_or_else(part_gone)?
        }
        _ => return Err(part_gone()),
    };
    let crc32c = group.iter().fold(0, |crc32c, piece| {
        combine_crc32c(crc32c, piece.crc32c, piece.length)
    });
    let length = group.iter().map(|piece| piece.length).sum();
    made.verify(length, Checksum::Crc32c(crc32c))?;
    Ok(Piece {
        component: Component {
            name,
            generation: made.generation(),
        },
        length,
        crc32c,
    })
}

/// Composes the whole at its destination. After a reply that was lost, or that cannot be read, our own
/// object may stand there already.
async fn commit<P: Port>(
    client: &mut Client<'_, P>,
    order: &CompositeCopy,
    whole_object: &Object,
    pieces: &[Piece],
    crc32c: u32,
) -> Result<Object, TransferError> {
    let whole = Checksum::Crc32c(crc32c);
    let address = client.access.gcs.address(&order.bucket, &order.object.name);
    let components = || pieces.iter().map(|piece| &piece.component);
    let mut less = Less::default();
    let (object, Answer { reply, ambiguous }) = loop {
        let object = less.of_object(whole_object);
        let request = address.compose(components(), &object, order.precondition)?;
        match client.send(&request, &order.bucket).await {
            Ok(answer) => break (object, answer),
            Err(error) => match less.next(whole_object).filter(|_| error.is_of_metadata()) {
                Some(next) => less = next,
                None => return Err(error),
            },
        }
    };
    let mut unread = None;
    if reply.status().is_success() {
        match Object::read(&reply) {
            Ok(committed) => {
                committed.verify(order.parts.total, whole)?;
                return Ok(committed);
            }
            Err(error) => unread = Some(error),
        }
    }
    if (ambiguous || unread.is_some())
        && let Some(found) = look(client, &address).await?
        && found.verify(order.parts.total, whole).is_ok()
        // Another of the same bytes may say something else.
        && found.metadata == object.metadata
    {
        return Ok(found);
    }
    if let Some(error) = unread {
        return Err(error);
    }
    if reply.status() == StatusCode::NOT_FOUND {
        return Err(part_gone());
    }
    Err(TransferError::new(
        ErrorKind::PreconditionLost,
        format!(
            "gs://{}/{} was written while the parts of the new object were copied.",
            order.bucket, order.object.name
        ),
        "Nothing to do: both sides are looked at again.",
    ))
}

/// Whether the source is still what was copied: "nothing" cannot tell that it was deleted meanwhile.
async fn recheck<P: Port>(
    client: &mut Client<'_, P>,
    order: &CompositeCopy,
) -> Result<(), TransferError> {
    let hint = &order.message.hint;
    let request = client.access.s3.head_object(&hint.bucket, &hint.key)?;
    let mut attempts = Attempts::default();
    loop {
        let reply = client.read(&request).await;
        let head = reply.and_then(|reply| read_head(&reply, &hint.bucket));
        match head {
            Ok(Some(found)) if may_be_same(&found, &order.etag) => return Ok(()),
            Ok(_) => {
                return Err(TransferError::new(
                    ErrorKind::SourceChanged,
                    format!(
                        "The source of gs://{}/{} changed or was deleted while the copy was committed.",
                        order.bucket, order.object.name
                    ),
                    "Nothing to do: both sides are looked at again.",
                ));
            }
            Err(error) => client.wait_or_end(error, &mut attempts).await?,
        }
    }
}

async fn look<P: Port>(
    client: &mut Client<'_, P>,
    address: &ObjectAddress,
) -> Result<Option<Object>, TransferError> {
    let request: http::Request<Bytes> = address.get()?;
    let reply = client.send(&request, &address.bucket).await?.reply;
    if !reply.status().is_success() {
        return Ok(None);
    }
    Object::read(&reply).map(Some)
}

fn part_gone() -> TransferError {
    TransferError::new(
        ErrorKind::PreconditionLost,
        "A part is no longer at the destination, or is another than was written.",
        "The copy starts over; find out who deletes or writes names that begin with .causeway-parts/.",
    )
}
