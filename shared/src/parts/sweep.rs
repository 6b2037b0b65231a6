//! What is left behind: the parts of a run that has ended are deleted, and whether a bucket lets
//! them be deleted is tried before there are any.

use crate::access::Access;
use crate::client::Client;
use crate::composite::{PROBE, is_part};
use crate::error::{ErrorKind, TransferError};
use crate::gcs::{Component, Generation, Object, Precondition, buffered_upload};
use crate::port::Port;

/// Deletes every part in `bucket` whose name begins with `prefix`; gives how many there were. What is not
/// called as parts are stays, whoever wrote it there.
///
/// # Errors
/// The first refusal that trying again did not help against.
pub async fn sweep<P: Port>(
    port: &mut P,
    access: &Access,
    bucket: &str,
    prefix: &str,
    seed: u128,
) -> Result<u64, TransferError> {
    let mut client = Client { port, access, seed };
    let (mut deleted, mut next) = (0, None);
    loop {
        let objects = client.page(bucket, prefix, &mut next).await?;
        for object in objects.iter().filter(|object| is_part(object)) {
            delete(&mut client, bucket, &object.name, object.generation()).await?;
            deleted += 1;
        }
        if next.is_none() {
            return Ok(deleted);
        }
    }
}

/// Deletes the part `copy`, which came too late or twice. Where that fails, it is for the next sweep.
///
/// # Errors
/// The refusal that trying again did not help against.
pub async fn discard<P: Port>(
    port: &mut P,
    access: &Access,
    bucket: &str,
    copy: &Component,
    seed: u128,
) -> Result<(), TransferError> {
    let mut client = Client { port, access, seed };
    delete(&mut client, bucket, &copy.name, copy.generation).await
}

/// Deletes one object, if it is still there in this generation.
async fn delete<P: Port>(
    client: &mut Client<'_, P>,
    bucket: &str,
    name: &str,
    generation: Generation,
) -> Result<(), TransferError> {
    let address = client.access.gcs.address(bucket, name);
    let request = address.delete_for_good(generation)?;
    client.send(&request, bucket).await.map(drop)
}

/// The name of what deleting is tried with.
pub(super) fn probe(folder: &str) -> String {
    format!("{folder}{PROBE}")
}

/// Whether `bucket` lets what was written under `prefix` be deleted: tried with an empty object.
/// Where it does not (a retention policy, a hold, a permission that is missing), that one object is
/// all that stays behind, however often this is asked.
///
/// # Errors
/// When neither a yes nor a no was to be had.
pub async fn may_delete<P: Port>(
    port: &mut P,
    access: &Access,
    bucket: &str,
    prefix: &str,
    seed: u128,
) -> Result<bool, TransferError> {
    let mut client = Client { port, access, seed };
    let address = access.gcs.address(bucket, &probe(prefix));
    let object = Object {
        name: address.name.clone(),
        ..Object::default()
    };
    let write = buffered_upload(&address, &object, Precondition::DoesNotExist, seed, b"")?;
    client.send(&write, bucket).await?;
    let found = client.send(&address.get()?, bucket).await?.reply;
    if !found.status().is_success() {
        // Somebody else, who asked the same, has deleted it.
        return Ok(true);
    }
    let found = Object::read(&found)?;
    if !is_part(&found) {
        // The source has a key that is called so, and this is its copy: it says nothing.
        return Ok(true);
    }
    let generation = found.generation();
    match delete(&mut client, bucket, &address.name, generation).await {
        Ok(()) => Ok(true),
        Err(error) if error.kind == ErrorKind::DestinationDenied => Ok(false),
        Err(error) => Err(error),
    }
}
