//! A message of the queue of parts: one part copied, and its coordinator told.

use causeway_shared::error::{ErrorKind, TransferError};
use causeway_shared::gcs::Component;
use causeway_shared::message::PartMessage;
use causeway_shared::parts::{self, PartCopy, copy_part};
use causeway_shared::retry::{Disposition, after_delivery};
use worker::Env;

use crate::config::Config;
use crate::coordinator::Handle;
use crate::outcome;
use crate::platform::{self, whole_seconds};
use crate::settle::Delivery;

/// How long a message waits when its coordinator cannot be told, in seconds.
const COORDINATOR_DELAY: u32 = 10;

/// Copies `part`, tells its coordinator, and settles `delivery`: it is acknowledged once the
/// coordinator knows what came of it.
pub(crate) async fn carry_out(part: &PartMessage, delivery: &Delivery, config: &Config, env: &Env) {
    let told: Result<Option<u32>, String> = async {
        let coordinator = Handle::new(env, &part.coordinator)?;
        if !coordinator.wants(part).await? {
            return Ok(None);
        }
        match copy(part, config, env).await {
            Ok(copy) => {
                let component = copy.component.clone();
                if !coordinator.copied(part, copy).await? {
                    discard(part, &component, config, env).await;
                }
            }
            Err(error) => match disposition(&error, delivery) {
                Disposition::RetryAfter(wait) => {
                    let delay = whole_seconds(wait);
                    outcome::log_part(part, &error, delay);
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
            outcome::log_untold(part, &reason);
            delivery.again_after(COORDINATOR_DELAY);
        }
    }
}

/// A source that changed concerns the whole object, at once; anything else this part alone.
fn disposition(error: &TransferError, delivery: &Delivery) -> Disposition {
    if error.kind == ErrorKind::SourceChanged {
        return Disposition::Quarantine;
    }
    after_delivery(error, delivery.count(), platform::seed())
}

/// Deletes what came too late or twice. Where that fails, the coordinator's last sweep finds it.
async fn discard(part: &PartMessage, copy: &Component, config: &Config, env: &Env) {
    if let Ok(route) = config.route(&part.route) {
        let reach = config.reach(&route.name);
        let mut port = reach.port(env);
        let (bucket, random) = (&route.destination.bucket, platform::random());
        let gone = parts::discard(&mut port, &reach.access, bucket, copy, random).await;
        if let Err(error) = gone {
            outcome::log_parts_left(bucket, &copy.name, &error);
        }
    }
}

async fn copy(part: &PartMessage, config: &Config, env: &Env) -> Result<PartCopy, TransferError> {
    let route = config.route(&part.route)?;
    let reach = config.reach(&route.name);
    let mut port = reach.port(env);
    copy_part(&mut port, &reach.access, route, part, platform::random()).await
}
