//! What was there before the notifications were: a source's keys are listed, page by page, and each
//! goes down the road of an event.
//!
//! Pure but for [`list`]: whoever holds a [`Backfill`] stores it after each page. A page that is sent
//! twice does no harm, because hints do none.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::error::{ErrorKind, TransferError};
use crate::event::ObjectHint;
use crate::message::HintMessage;
use crate::port::{Port, REPLY_LIMIT};
use crate::retry::{self, Disposition};
use crate::route::Route;
use crate::s3::{Listed, Listing};

/// Keys a page at first; fewer where they are so long that a page does not fit into a reply.
const PAGE: u32 = 150;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// Only keys that begin with this, behind the route's own prefix.
    pub prefix: String,
    /// At most so many keys a second; 0: as fast as they can be listed.
    pub rate: u32,
    /// Only list and count.
    pub dry_run: bool,
}

/// A backfill, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// The route's name.
    pub route: String,
    /// What was asked for.
    pub request: Request,
    /// When it began.
    pub started_at: Timestamp,
    /// Keys so far.
    pub keys: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The last key.
    pub last_key: Option<String>,
    /// How many keys to ask for.
    page: u32,
    /// Failures in a row.
    failures: u32,
    /// How it ended, once it has.
    pub end: Option<End>,
}

/// How a backfill ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome", content = "error")]
pub enum End {
    /// Every key was listed.
    Done(Timestamp),
    /// A person ended it.
    Cancelled(Timestamp),
    /// It cannot go on.
    Failed(TransferError),
}

impl Backfill {
    /// A new one.
    #[must_use]
    pub fn new(route: &str, request: Request, now: Timestamp) -> Self {
        Self {
            route: route.to_owned(),
            request,
            started_at: now,
            keys: 0,
            bytes: 0,
            last_key: None,
            page: PAGE,
            failures: 0,
            end: None,
        }
    }

    /// The hints of `listing`; none in a dry run.
    #[must_use]
    pub fn hints(&self, listing: &Listing, bucket: &str, now: Timestamp) -> Vec<HintMessage> {
        if self.request.dry_run {
            return Vec::new();
        }
        let hint = |object: &Listed| ObjectHint {
            bucket: bucket.to_owned(),
            key: object.key.clone(),
            event: "Backfill".to_owned(),
            time: None,
            version_id: None,
            size: Some(object.size),
            sequencer: None,
        };
        let hints = listing.objects.iter().map(hint);
        hints
            .map(|hint| HintMessage::new(&self.route, hint, now))
            .collect()
    }

    /// Takes a page whose hints are in the queue. Gives the wait before the next; none at the end.
    pub fn took(&mut self, listing: &Listing, now: Timestamp) -> Option<Duration> {
        self.failures = 0;
        let keys = listing.objects.len() as u64;
        self.keys += keys;
        self.bytes += listing
            .objects
            .iter()
            .map(|object| object.size)
            .sum::<u64>();
        if let Some(last) = listing.objects.last() {
            self.last_key = Some(last.key.clone());
        }
        if !listing.more {
            self.end.get_or_insert(End::Done(now));
        }
        if self.end.is_some() {
            return None;
        }
        let rate = u64::from(self.request.rate);
        Some(Duration::from_millis(
            (keys * 1000).checked_div(rate).unwrap_or_default(),
        ))
    }

    /// Takes a page that could not be had. Gives the wait before it is asked for again; none if it is
    /// given up.
    pub fn failed(&mut self, error: TransferError, seed: u64) -> Option<Duration> {
        self.failures += 1;
        match retry::after_delivery(&error, self.failures, seed) {
            Disposition::RetryAfter(wait) if self.end.is_none() => Some(wait),
            _ => {
                self.end.get_or_insert(End::Failed(error));
                None
            }
        }
    }

    /// Ends it, if it has not ended.
    pub fn cancel(&mut self, now: Timestamp) {
        self.end.get_or_insert(End::Cancelled(now));
    }
}

/// Asks for the next page of `backfill`.
///
/// # Errors
/// What [`Listing::read`] gives, and [`ErrorKind::SourceUnavailable`] when no answer came.
pub async fn list<P: Port>(
    port: &mut P,
    access: &Access,
    route: &Route,
    backfill: &mut Backfill,
) -> Result<Listing, TransferError> {
    let prefix = format!("{}{}", route.source.prefix, backfill.request.prefix);
    loop {
        let request = access.s3.list_objects(
            route.region.as_deref(),
            &route.source.bucket,
            &prefix,
            backfill.last_key.as_deref(),
            backfill.page,
            port.now(),
        )?;
        let reply = port.send(request).await.map_err(|lost| {
            TransferError::new(
                ErrorKind::SourceUnavailable,
                format!("S3 gave no answer: {}.", lost.detail.trim_end_matches('.')),
                "Nothing to do: it is tried again.",
            )
        })?;
        // It was cut: these keys are long ones.
        if reply.body().len() >= REPLY_LIMIT && backfill.page > 1 {
            backfill.page = (backfill.page / 4).max(1);
            continue;
        }
        return Listing::read(&reply, &route.source.bucket);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn page(keys: &[&str], more: bool) -> Listing {
        let listed = |key: &&str| Listed {
            key: (*key).to_owned(),
            size: 10,
        };
        Listing {
            objects: keys.iter().map(listed).collect(),
            more,
        }
    }

    fn begun(request: Request) -> Backfill {
        Backfill::new("r", request, Timestamp::UNIX_EPOCH)
    }

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn it_goes_on_behind_the_last_key_at_its_rate_until_there_are_no_more() {
        let mut backfill = begun(Request {
            rate: 10,
            ..Request::default()
        });
        let first = page(&["a", "b"], true);
        let hints = backfill.hints(&first, "bucket", NOW);
        assert_eq!(
            (hints.len(), &*hints[1].hint.key, hints[1].hint.size),
            (2, "b", Some(10))
        );
        assert_eq!(backfill.took(&first, NOW), Some(Duration::from_millis(200)));
        assert_eq!(backfill.last_key.as_deref(), Some("b"));
        assert_eq!(backfill.took(&page(&["c"], false), NOW), None);
        assert_eq!((backfill.keys, backfill.bytes), (3, 30));
        assert_eq!(backfill.end, Some(End::Done(NOW)));
        let text = serde_json::to_string(&backfill).unwrap();
        assert_eq!(serde_json::from_str::<Backfill>(&text).unwrap(), backfill);
    }

    #[test]
    fn a_dry_run_counts_and_sends_nothing() {
        let mut backfill = begun(Request {
            dry_run: true,
            ..Request::default()
        });
        let all = page(&["a"], false);
        assert!(backfill.hints(&all, "bucket", NOW).is_empty());
        assert_eq!(backfill.took(&all, NOW), None);
        assert_eq!(backfill.keys, 1);
    }

    #[test]
    fn a_failure_that_passes_is_waited_for_and_one_that_does_not_ends_it() {
        let mut backfill = begun(Request::default());
        let busy = || TransferError::new(ErrorKind::SourceUnavailable, "busy", "");
        assert!(backfill.failed(busy(), 1).is_some());
        assert_eq!(
            backfill.took(&page(&["a"], true), NOW),
            Some(Duration::ZERO)
        );
        let denied = TransferError::new(ErrorKind::SourceDenied, "no", "");
        assert_eq!(backfill.failed(denied.clone(), 1), None);
        assert_eq!(backfill.end, Some(End::Failed(denied)));
    }

    #[test]
    fn what_a_person_ended_stays_ended() {
        let mut backfill = begun(Request::default());
        backfill.cancel(NOW);
        assert_eq!(backfill.took(&page(&["a"], true), NOW), None);
        assert_eq!(backfill.end, Some(End::Cancelled(NOW)));
    }
}
