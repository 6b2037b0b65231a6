//! How others tell a loader something.

use serde::{Deserialize, Serialize};

use super::Report;
use crate::host::settle::Delivery;
use crate::host::{Class, Platform, by_name, from_json, log, to_json};
use crate::message::HintMessage;
use crate::tables::{GONE, Landed};
use crate::transfer::Outcome;

/// Tells the loader of `table` something; gives its answer as it is.
///
/// # Errors
/// The platform's words.
pub async fn tell(
    platform: &impl Platform,
    table: &str,
    report: &Report,
) -> Result<String, String> {
    platform
        .call(Class::TableLoader, table, to_json(report))
        .await
}

/// Which loader is to hear what of the `outcome` of `message`: nothing where its route ends in no table, or where it
/// changes nothing that a table has.
pub(in crate::host) fn landed_of(
    platform: &impl Platform,
    message: &HintMessage,
    outcome: &Outcome,
) -> Option<(String, Landed)> {
    let routes = platform.routes().ok()?;
    let route = routes.get(&message.route)?;
    let table = route.table.as_ref()?;
    let generation = match outcome {
        Outcome::Copied { generation, .. } | Outcome::Identical { generation } => *generation,
        // Also what somebody else deleted, or an earlier delivery before it died.
        Outcome::Deleted { .. } | Outcome::SourceGone | Outcome::ListedGone
            if route.propagates_deletes() =>
        {
            GONE
        }
        _ => return None,
    };
    let name = route.destination_name(&message.hint.key)?;
    let message = HintMessage {
        session: None,
        ..message.clone()
    };
    let landed = Landed::new(name, generation, message);
    Some((table.id.to_string(), landed))
}

/// What landed for a table.
#[derive(Serialize, Deserialize)]
pub(in crate::host) struct ForTable {
    /// Which, as its loader is called.
    pub(in crate::host) table: String,
    pub(in crate::host) landed: Landed,
    /// The messages that it answers, as the queue calls them.
    pub(in crate::host) deliveries: Vec<String>,
}

/// Tells each loader what has landed for it. The deliveries whose loader did not take it come again.
pub(in crate::host) async fn tell_all(
    platform: &impl Platform,
    all: Vec<ForTable>,
    deliveries: &[Delivery],
) {
    let all = all.into_iter();
    let all = by_name(all.map(|told| (told.table, (told.landed, told.deliveries))));
    for (table, told) in all {
        let (landed, answered): (Vec<_>, Vec<_>) = told.into_iter().unzip();
        let report = Report::Landed(table.clone(), landed);
        let Err(reason) = tell(platform, &table, &report).await else {
            continue;
        };
        log::loader_silent(platform, &table, &reason);
        let is_answered =
            |delivery: &&Delivery| answered.iter().flatten().any(|id| *id == delivery.id);
        deliveries
            .iter()
            .filter(is_answered)
            .for_each(Delivery::take_back);
    }
}

/// Has the loader of `table` look which of `landed` it has not loaded, and load them unless `is_dry`. Gives their places.
///
/// # Errors
/// The platform's words.
pub(in crate::host) async fn compare(
    platform: &impl Platform,
    table: &str,
    landed: Vec<Landed>,
    is_dry: bool,
) -> Result<Vec<usize>, String> {
    let report = Report::Compare(table.to_owned(), landed, is_dry);
    from_json(&tell(platform, table, &report).await?)
}

/// Tells the loader what has landed as the `outcome` of `message`, if any loader is to hear of it.
///
/// # Errors
/// The platform's words.
pub(in crate::host) async fn tell_one(
    platform: &impl Platform,
    message: &HintMessage,
    outcome: &Outcome,
) -> Result<(), String> {
    match landed_of(platform, message, outcome) {
        Some((table, landed)) => {
            let report = Report::Landed(table.clone(), vec![landed]);
            tell(platform, &table, &report).await.map(drop)
        }
        None => Ok(()),
    }
}
