//! A reconcile of two sides that cannot be merged, because one of them lists in another order than that of
//! its names: each key of the source is asked for at the destination, and then each copy's key at the
//! source.
//!
//! It remembers no more than a merge does, and takes a request for each object of either side.

use http::StatusCode;

use super::list::{destination, source};
use super::merge::{bytes_of, is_copy, sort_out};
use super::{Page, StoreSide, Tally, Walk};
use crate::client::Client;
use crate::composite::is_part;
use crate::error::TransferError;
use crate::event::unusable;
use crate::gcs::Object;
use crate::port::Port;
use crate::route::{OnConflict, Route};
use crate::s3::{Refusal, refusal};

/// Keys a page: an alarm takes twenty pages, and may make 1,000 requests.
pub(super) const LOOKED_UP: u32 = 40;

pub(super) async fn next_page<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    walk: &mut Walk,
) -> Result<Page, TransferError> {
    match walk.resume.side {
        StoreSide::Source => source_page(client, route, walk).await,
        StoreSide::Destination => destination_page(client, route, walk).await,
    }
}

/// The first half: which keys are missing, which differ. What stands at the destination is counted in the
/// other.
async fn source_page<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    walk: &mut Walk,
) -> Result<Page, TransferError> {
    let mut listing = source(client, route, walk).await?;
    let is_cut = cut(&mut listing.objects);
    if is_cut {
        // They are counted with the rest.
        listing.unreadable.clear();
    }
    let next = listing.token.clone().filter(|_| listing.more);
    let mut page = Page {
        last_key: listing.objects.last().map(|listed| listed.key.clone()),
        more: true,
        is_cut,
        is_last_of_source: !listing.more && !is_cut,
        token: if is_cut {
            walk.resume.token.clone()
        } else {
            next
        },
        ..Page::default()
    };
    page.began = page.begins_at(&listing);
    for listed in &sort_out(&mut page, route, listing, |_| true) {
        let copy = look(client, route, &listed.key).await?;
        page.source(walk, route, listed, copy.as_ref());
    }
    page.parity.destination = Tally::default();
    page.parity.foreign = Tally::default();
    Ok(page)
}

/// The other half: what stands at the destination, and which of it has no source.
async fn destination_page<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    walk: &mut Walk,
) -> Result<Page, TransferError> {
    let token = walk.resume.token.clone();
    let mut copies = destination(client, route, walk, token.clone()).await?;
    let is_cut = cut(&mut copies.objects);
    let keys = |object: &Object| route.source_key(&object.name);
    let mut page = Page {
        began: copies.objects.first().map(|object| object.name.clone()),
        last_key: copies.objects.last().and_then(keys),
        more: is_cut || copies.next.is_some(),
        is_cut,
        token: if is_cut { token } else { copies.next },
        ..Page::default()
    };
    for object in copies.objects.iter().filter(|object| !is_part(object)) {
        let Some(key) = route.source_key(&object.name) else {
            continue;
        };
        let stays = route.on_conflict == OnConflict::Keep && !is_copy(route, &key, object);
        if stays || is_gone(client, route, &key).await? {
            page.alone(route, &key, object);
        } else {
            page.parity.destination.add(bytes_of(object));
        }
    }
    Ok(page)
}

/// Takes what is too much for a page, of a store that gives more than it was asked for; whether it did.
fn cut<T>(page: &mut Vec<T>) -> bool {
    let is_cut = page.len() > LOOKED_UP as usize;
    page.truncate(LOOKED_UP as usize);
    is_cut
}

/// What stands at the destination for `key`.
async fn look<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    key: &str,
) -> Result<Option<Object>, TransferError> {
    let bucket = &route.destination.bucket;
    let name = route.destination_name(key).unwrap_or_default();
    let request = client.access.gcs.address(bucket, &name).get()?;
    let reply = client.send(&request, bucket).await?.reply;
    if reply.status() == StatusCode::NOT_FOUND {
        return Ok(None);
    }
    let found = Object::read(&reply)?;
    Ok(Some(found).filter(|object| !is_part(object)))
}

/// Whether the source has no such key now, as far as a look tells that may not delete for it.
pub(super) async fn is_gone<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    key: &str,
) -> Result<bool, TransferError> {
    let bucket = &route.source.bucket;
    if unusable(key).is_some() {
        return Ok(true);
    }
    let request = client.access.s3.head_object(bucket, key)?;
    let reply = client.read(&request).await?;
    match reply.status() {
        StatusCode::NOT_FOUND => Ok(true),
        status if status.is_success() => Ok(false),
        _ => match refusal(&reply, bucket) {
            Refusal::Gone => Ok(true),
            Refusal::Failed(error) => Err(error),
        },
    }
}
