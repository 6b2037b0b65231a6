//! Copies that nobody else writes: a job reads whatever has a name when it runs, so what is to be loaded as this very
//! version gets a name of its own first.

use crate::access::Access;
use crate::client::Client;
use crate::error::TransferError;
use crate::gcs::{Component, Object, Precondition, Rewrite, buffered_upload};
use crate::port::Port;

/// Requests that one copy takes at most: each moves a gigabyte or more, and within one bucket the first is the last.
const REQUESTS: u32 = 1000;

/// Copies `version` of `bucket` to `name`, at the store. `false` if there is no such version any more.
///
/// # Errors
/// What trying again did not help against.
pub async fn copy_version<P: Port>(
    port: &mut P,
    access: &Access,
    bucket: &str,
    version: &Component,
    name: &str,
    seed: u128,
) -> Result<bool, TransferError> {
    let mut client = Client { port, access, seed };
    let address = access.gcs.address(bucket, name);
    let object = Object {
        name: name.to_owned(),
        ..Object::default()
    };
    let (nothing, mut token) = (Precondition::DoesNotExist, None);
    for _ in 0..REQUESTS {
        let request = address.rewrite_from(bucket, version, &object, nothing, token.as_deref())?;
        let reply = client.send(&request, bucket).await?.reply;
        if !reply.status().is_success() {
            // The version is gone, or an earlier request got no answer and made the copy all the same.
            let found = client.send(&address.get()?, bucket).await?.reply;
            return Ok(found.status().is_success());
        }
        match Rewrite::read(&reply)? {
            Rewrite::Done(_) => return Ok(true),
            Rewrite::GoesOn(next) => token = Some(next),
        }
    }
    Ok(false)
}

/// Writes an empty object called `name`, which nobody else writes.
///
/// # Errors
/// What trying again did not help against.
pub async fn write_nothing<P: Port>(
    port: &mut P,
    access: &Access,
    bucket: &str,
    name: &str,
    seed: u128,
) -> Result<(), TransferError> {
    let mut client = Client { port, access, seed };
    let address = access.gcs.address(bucket, name);
    let object = Object {
        name: name.to_owned(),
        ..Object::default()
    };
    let write = buffered_upload(&address, &object, Precondition::DoesNotExist, seed, b"")?;
    // One that is there already is ours.
    client.send(&write, bucket).await.map(drop)
}
