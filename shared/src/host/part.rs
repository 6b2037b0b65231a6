//! A message of the queue of parts: one part copied, and its coordinator told.

use super::coordinator::Handle;
use super::settle::Delivery;
use super::{Platform, RouteAccess, log, route_of, seed, whole_seconds};
use crate::error::{ErrorKind, TransferError};
use crate::gcs::Component;
use crate::message::PartMessage;
use crate::parts::{self, PartCopy, copy_part};
use crate::retry::{Disposition, after_delivery};

/// How long a message waits when its coordinator cannot be told, in seconds.
const COORDINATOR_DELAY: u32 = 10;

/// Copies `part`, tells its coordinator, and settles `delivery`: it is acknowledged once the
/// coordinator knows what came of it.
pub(super) async fn carry_out<P: Platform>(platform: &P, part: &PartMessage, delivery: &Delivery) {
    let told: Result<Option<u32>, String> = async {
        let coordinator = Handle::new(platform, &part.coordinator);
        if !coordinator.wants(part).await? {
            return Ok(None);
        }
        match copy(platform, part).await {
            Ok(copy) => {
                let component = copy.component.clone();
                if !coordinator.copied(part, copy).await? {
                    discard(platform, part, &component).await;
                }
            }
            Err(error) => match disposition(platform, &error, delivery) {
                Disposition::RetryAfter(wait) => {
                    let delay = whole_seconds(wait);
                    log::part(platform, part, &error, delay);
                    return Ok(Some(delay));
                }
                Disposition::Quarantine => coordinator.failed(part, error).await?,
            },
        }
        Ok(None)
    }
    .await;
    match told {
        Ok(None) => delivery.acknowledge(),
        Ok(Some(delay)) => delivery.again_after(delay),
        Err(reason) => {
            log::untold(platform, part, &reason);
            delivery.again_after(COORDINATOR_DELAY);
        }
    }
}

/// A source that changed concerns the whole object, at once; anything else this part alone.
fn disposition(
    platform: &impl Platform,
    error: &TransferError,
    delivery: &Delivery,
) -> Disposition {
    if error.kind == ErrorKind::SourceChanged {
        return Disposition::Quarantine;
    }
    after_delivery(error, delivery.count(), seed(platform))
}

/// Deletes what came too late or twice. Where that fails, the coordinator's last sweep finds it.
async fn discard<P: Platform>(platform: &P, part: &PartMessage, copy: &Component) {
    if let Ok((route, RouteAccess { access, mut port })) = route_of(platform, &part.route) {
        let known = Some(&part.bucket).filter(|bucket| !bucket.is_empty());
        let bucket = known.unwrap_or(&route.destination.bucket);
        let gone = parts::discard(&mut port, &access, bucket, copy, platform.random()).await;
        if let Err(error) = gone {
            log::parts_left(platform, bucket, &copy.name, &error);
        }
    }
}

async fn copy<P: Platform>(platform: &P, part: &PartMessage) -> Result<PartCopy, TransferError> {
    let (route, RouteAccess { access, mut port }) = route_of(platform, &part.route)?;
    copy_part(&mut port, &access, &route, part, platform.random()).await
}
