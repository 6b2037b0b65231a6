//! What the two sides have behind the last key: a page of each, asked for and checked.
//!
//! What is wrong about a page is found here, before anything is concluded from it: an order that is
//! none would make copies look as if their sources were gone.

use bytes::Bytes;
use http::Response;

use super::merge::{Sides, merged};
use super::{Kind, PAGE, Page, SMALL_PAGE, Walk};
use crate::access::Access;
use crate::client::Client;
use crate::error::{ErrorKind, TransferError};
use crate::gcs::{self, ListQuery, refusal};
use crate::port::{Port, REPLY_LIMIT};
use crate::route::Route;
use crate::s3::{Listed, Listing};

/// Asks both sides for what comes after `walk.last_key`. `seed` is random, and new for each call.
///
/// # Errors
/// What [`Listing::read`] gives, [`ErrorKind::SourceUnavailable`] when no answer came, what
/// [`refusal`] makes of GCS's, and [`ErrorKind::SourceUnexpected`] or
/// [`ErrorKind::DestinationUnexpected`] for a page that is not in the order of its names.
pub async fn next_page<P: Port>(
    port: &mut P,
    access: &Access,
    route: &Route,
    walk: &mut Walk,
    seed: u128,
) -> Result<Page, TransferError> {
    let mut client = Client { port, access, seed };
    // The destination first: what is written between the two looks is then seen at the source, and a
    // hint too many is sent rather than one too few.
    let (copies, more_copies) = match walk.kind {
        Kind::Backfill => (Vec::new(), false),
        Kind::Reconcile => destination(&mut client, route, walk).await?,
    };
    let Listing { objects, more } = source(&mut client, route, walk).await?;
    Ok(merged(
        walk,
        route,
        Sides {
            source: objects,
            more_source: more,
            copies,
            more_copies,
        },
    ))
}

async fn source<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    walk: &mut Walk,
) -> Result<Listing, TransferError> {
    let bucket = &route.source.bucket;
    let prefix = format!("{}{}", route.source.prefix, walk.request.prefix);
    loop {
        let request = client.access.s3.list_objects(
            bucket,
            &prefix,
            walk.last_key.as_deref(),
            walk.limit(),
        )?;
        let reply = client.read(&request).await?;
        if walk.was_cut(&reply) {
            continue;
        }
        let listing = Listing::read(&reply, bucket)?;
        let keys = listing.objects.iter().map(|Listed { key, .. }| &**key);
        if !are_in_order(keys, &prefix, walk.last_key.as_deref()) {
            return Err(TransferError::new(
                ErrorKind::SourceUnexpected,
                format!("S3 lists {bucket} in another order than that of its keys' bytes."),
                "A store or a kind of bucket that does so can be copied by its events alone.",
            ));
        }
        return Ok(listing);
    }
}

async fn destination<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    walk: &mut Walk,
) -> Result<(Vec<gcs::Object>, bool), TransferError> {
    let bucket = &route.destination.bucket;
    let prefix = format!("{}{}", route.destination.prefix, walk.request.prefix);
    let last = walk.last_key.as_deref();
    let last = last.and_then(|key| route.destination_name(key));
    let folder = client.access.gcs.address(bucket, &prefix);
    let (mut objects, mut page) = (Vec::new(), None);
    loop {
        let request = folder.list(ListQuery {
            from: last.as_deref(),
            page: page.as_deref(),
            // The last name comes once more.
            limit: walk.limit() + 1,
        })?;
        let reply = client.send(&request, bucket).await?.reply;
        if !reply.status().is_success() {
            return Err(refusal(&reply, bucket));
        }
        if walk.was_cut(&reply) {
            continue;
        }
        let listed = gcs::Page::read(&reply)?;
        objects.extend(listed.objects);
        objects.retain(|object: &gcs::Object| Some(&object.name) != last.as_ref());
        page = listed.next;
        // A page may be empty and have others behind it.
        if !objects.is_empty() || page.is_none() {
            break;
        }
    }
    let names = objects.iter().map(|object| &*object.name);
    if !are_in_order(names, &prefix, last.as_deref()) {
        return Err(TransferError::new(
            ErrorKind::DestinationUnexpected,
            format!("GCS lists {bucket} in another order than that of its names' bytes."),
            "Check the GCS endpoint.",
        ));
    }
    Ok((objects, page.is_some()))
}

impl Walk {
    /// How many keys to ask for.
    fn limit(&self) -> u32 {
        match self.request.rate {
            0 => self.page,
            rate => self.page.min(rate.clamp(SMALL_PAGE, PAGE)),
        }
    }

    /// Whether a reply was longer than a port reads: these objects have much to say, and fewer of
    /// them are asked for from now on.
    fn was_cut(&mut self, reply: &Response<Bytes>) -> bool {
        let was_cut = reply.body().len() >= REPLY_LIMIT && self.page > 1;
        if was_cut {
            self.page = (self.limit() / 4).max(1);
        }
        was_cut
    }
}

/// Whether all `names` begin with `prefix`, and each comes after the one before it, the first after
/// `last`.
fn are_in_order<'a>(
    names: impl Iterator<Item = &'a str>,
    prefix: &str,
    mut last: Option<&'a str>,
) -> bool {
    for name in names {
        if !name.starts_with(prefix) || last.is_some_and(|last| name <= last) {
            return false;
        }
        last = Some(name);
    }
    true
}
