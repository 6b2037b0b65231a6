//! What the two sides have behind the last key: a page of each, asked for and checked.
//!
//! What is wrong about a page is found here, before anything is concluded from it: an order that is
//! none would make copies look as if their sources were gone.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::lookup::{self, LOOKED_UP};
use super::merge::{Sides, merged};
use super::{Kind, PAGE, Page, SMALL_PAGE, StoreSide, Walk};
use crate::access::Access;
use crate::client::Client;
use crate::error::{ErrorKind, TransferError};
use crate::gcs::{self, ListQuery, goes_in_circles, refusal};
use crate::port::{Port, REPLY_LIMIT};
use crate::route::Route;
use crate::s3::{Doubtful, Listed, Listing, Plus};

/// How many pages of a destination may be empty, one after the other, before it is left for later.
const EMPTY_PAGES: usize = 100;

/// Asks both sides for what comes after `walk.last_key`. `seed` is random, and new for each call. A
/// reconcile that finds one of them in another order than that of its names begins once more, and asks for
/// its keys one by one.
///
/// # Errors
/// What [`Listing::read`] gives, [`ErrorKind::SourceUnavailable`] when no answer came, what
/// [`refusal`] makes of GCS's, and [`ErrorKind::SourceUnexpected`] or
/// [`ErrorKind::DestinationUnexpected`] for names that were not asked for.
pub async fn next_page<P: Port>(
    port: &mut P,
    access: &Access,
    route: &Route,
    walk: &mut Walk,
    seed: u128,
) -> Result<Page, TransferError> {
    let mut client = Client { port, access, seed };
    if walk.kind == Kind::Reconcile && walk.unordered.is_some() {
        return lookup::next_page(&mut client, route, walk).await;
    }
    // The destination first: what is written between the two looks is then seen at the source, and a
    // hint too many is sent rather than one too few.
    let copies = match walk.kind {
        Kind::Backfill => Copies::default(),
        Kind::Reconcile => destination(&mut client, route, walk, None).await?,
    };
    let source = source(&mut client, route, walk).await?;
    let last = walk.last_key.as_deref();
    let keys = source.objects.iter().map(|Listed { key, .. }| &**key);
    let names = copies.objects.iter().map(|object| &*object.name);
    let last_name = last.and_then(|key| route.destination_name(key));
    let unordered = if !are_in_order(keys, last) {
        Some(StoreSide::Source)
    } else if !are_in_order(names, last_name.as_deref()) {
        Some(StoreSide::Destination)
    } else {
        None
    };
    match (walk.kind, unordered) {
        (Kind::Reconcile, Some(side)) => {
            walk.look_up(side);
            return Ok(Page {
                more: true,
                ..Page::default()
            });
        }
        (Kind::Backfill, Some(side)) => walk.unordered = Some(side),
        (_, None) => {}
    }
    Ok(merged(walk, route, Sides { source, copies }))
}

/// A page of the source, without what was had already.
pub(super) async fn source<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    walk: &mut Walk,
) -> Result<Listing, TransferError> {
    let bucket = &route.source.bucket;
    let prefix = format!("{}{}", route.source.prefix, walk.request.prefix);
    loop {
        let token = walk.resume.token.clone();
        let last = walk.last_key.as_deref();
        // The rest of a first page is on the first page.
        let last = last.filter(|_| !walk.resume.is_begun);
        let limit = walk.limit();
        let s3 = &client.access.s3;
        let request = s3.list_objects(bucket, &prefix, token.as_deref(), last, limit)?;
        let reply = client.read(&request).await?;
        // A token may have an end, too; where there is an order, the last key does as well.
        let may_begin_there = walk.unordered.is_none() && walk.last_key.is_some();
        if token.is_some() && reply.status() == StatusCode::BAD_REQUEST && may_begin_there {
            walk.resume.token = None;
            continue;
        }
        if walk.was_cut(&reply) {
            continue;
        }
        let mut listing = Listing::read(&reply, bucket, walk.resume.plus)?;
        if let Some(doubtful) = &listing.doubtful {
            listing.plus = spelling(client, route, doubtful).await?;
            if listing.plus.is_some() {
                listing = Listing {
                    plus: listing.plus,
                    ..Listing::read(&reply, bucket, listing.plus)?
                };
            }
        }
        walk.resume.plus = listing.plus.or(walk.resume.plus);
        if listing.more && token.is_some() && listing.token == token {
            return Err(goes_round(bucket));
        }
        // Some stores begin with the key that they were to begin behind, or say one twice.
        let last = walk.last_key.as_deref();
        let is_last = |listed: &Listed| Some(&*listed.key) == last;
        let objects = &mut listing.objects;
        if walk.resume.is_begun
            && let Some(had) = objects.iter().position(is_last)
        {
            objects.drain(..had);
        }
        objects.dedup_by(|next, first| next.key == first.key);
        objects.retain(|listed| !is_last(listed));
        if listing.more && listing.objects.is_empty() && listing.token.is_none() {
            return Err(goes_round(bucket));
        }
        if let Some(listed) = listing
            .objects
            .iter()
            .find(|found| !found.key.starts_with(&prefix))
        {
            return Err(TransferError::new(
                ErrorKind::SourceUnexpected,
                format!(
                    "S3 lists {:?} among the keys of {bucket} that begin with {prefix:?}.",
                    listed.key
                ),
                "Check the S3 endpoint.",
            ));
        }
        return Ok(listing);
    }
}

/// Asks the store which of two keys it has, where a `+` may mean either.
async fn spelling<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    doubtful: &Doubtful,
) -> Result<Option<Plus>, TransferError> {
    for (key, plus) in [
        (&doubtful.plus, Plus::Itself),
        (&doubtful.space, Plus::Space),
    ] {
        if !lookup::is_gone(client, route, key).await? {
            return Ok(Some(plus));
        }
    }
    Ok(None)
}

pub(super) fn goes_round(bucket: &str) -> TransferError {
    TransferError::new(
        ErrorKind::SourceUnexpected,
        format!("S3 lists {bucket} in circles: a page leads back to one that there was."),
        "Check the S3 endpoint.",
    )
}

/// Objects of the destination, and what asks for more.
#[derive(Default)]
pub(super) struct Copies {
    pub(super) objects: Vec<gcs::Object>,
    pub(super) next: Option<String>,
}

/// A page of the destination: from where `token` leads, or behind the last key.
pub(super) async fn destination<P: Port>(
    client: &mut Client<'_, P>,
    route: &Route,
    walk: &mut Walk,
    token: Option<String>,
) -> Result<Copies, TransferError> {
    let bucket = &route.destination.bucket;
    let prefix = format!("{}{}", route.destination.prefix, walk.request.prefix);
    let last = walk.last_key.as_deref();
    let last = last.and_then(|key| route.destination_name(key));
    let from = last.as_deref().filter(|_| walk.unordered.is_none());
    let folder = client.access.gcs.address(bucket, &prefix);
    let (mut objects, mut page, mut pages) = (Vec::<gcs::Object>::new(), token, 0);
    loop {
        let request = folder.list(ListQuery {
            from,
            page: page.as_deref(),
            // The last name comes once more.
            limit: walk.limit() + u32::from(from.is_some()),
        })?;
        let reply = client.send(&request, bucket).await?.reply;
        if !reply.status().is_success() {
            return Err(refusal(&reply, bucket));
        }
        if walk.was_cut(&reply) {
            continue;
        }
        let listed = gcs::Page::read(&reply, bucket)?;
        objects.extend(listed.objects);
        let is_last = |object: &gcs::Object| Some(&object.name) == last.as_ref();
        if walk.resume.is_begun
            && let Some(had) = objects.iter().position(is_last)
        {
            objects.drain(..had);
        }
        objects.retain(|object| !is_last(object));
        pages += 1;
        if listed.next.is_some() && (listed.next == page || pages > EMPTY_PAGES) {
            return Err(goes_in_circles(bucket));
        }
        page = listed.next;
        // A page may be empty and have others behind it.
        if !objects.is_empty() || page.is_none() {
            break;
        }
    }
    if let Some(object) = objects
        .iter()
        .find(|object| !object.name.starts_with(&prefix))
    {
        return Err(TransferError::new(
            ErrorKind::DestinationUnexpected,
            format!(
                "GCS lists {:?} among the names in {bucket} that begin with {prefix:?}.",
                object.name
            ),
            "Check the GCS endpoint.",
        ));
    }
    Ok(Copies {
        objects,
        next: page,
    })
}

impl Walk {
    /// How many keys to ask for.
    fn limit(&self) -> u32 {
        let page = match self.request.rate {
            0 => self.page,
            rate => self.page.min(rate.clamp(SMALL_PAGE, PAGE)),
        };
        match self.unordered {
            Some(_) if self.kind == Kind::Reconcile => page.min(LOOKED_UP),
            _ => page,
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

/// Whether each of `names` comes after the one before it, the first after `last`.
fn are_in_order<'a>(names: impl Iterator<Item = &'a str>, mut last: Option<&'a str>) -> bool {
    for name in names {
        if last.is_some_and(|last| name <= last) {
            return false;
        }
        last = Some(name);
    }
    true
}
