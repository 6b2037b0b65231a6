//! The quarantine of a ledger: one entry of its storage each.

use super::{LEDGER, LONGEST, PAGE, Query, RouteLedger};
use crate::api::{Entries, Entry, Taken};
use crate::error::cut;
use crate::host::{Platform, Queue, Storage, from_json, put, to_json};
use crate::ledger::{Quarantined, Record, Selector};
use crate::message::{DeadLetter, HintMessage};
use crate::route::Routes;

/// The most entries: an object's storage takes 10 GB, and one has some two kilobytes. Of more keys only their
/// number is kept.
const MOST: u64 = 1_000_000;

/// What the names of quarantine's entries begin with.
pub const QUARANTINE: &str = "quarantine/";

impl<P: Platform, S: Storage> RouteLedger<P, S> {
    /// Takes out of quarantine what has been mended by another way than a replay.
    pub(super) async fn mend(&self, records: &[Record]) -> Result<(), String> {
        if self.ledger.with(|ledger| ledger.quarantined)? == 0 {
            return Ok(());
        }
        let mut mended = Vec::new();
        for record in records.iter().filter(|record| record.settles()) {
            let id = format!("{}/{}", record.bucket, record.key);
            // What began before the failure may have seen what was there before.
            let entry = self.entry(&id).await?;
            let is_mended = |entry: Quarantined| {
                record.mends(entry.error.kind) && record.began() > entry.last_failed_at
            };
            if entry.is_some_and(is_mended) {
                mended.push(id);
            }
        }
        self.remove(mended).await.map(drop)
    }

    /// Puts `letters` into quarantine; they are there when this returns.
    pub(super) async fn quarantine(&self, letters: Vec<DeadLetter>) -> Result<(), String> {
        for letter in letters {
            let id = letter.id();
            let before = self.entry(&id).await?;
            // A reconcile finds a hint's key again. Other messages are few, and always kept.
            let is_hint = letter.message["hint"].is_object();
            if before.is_none() && is_hint && self.ledger.with(|ledger| ledger.quarantined)? >= MOST
            {
                self.ledger.with(|ledger| ledger.overflowed += 1)?;
                self.store().await?;
                continue;
            }
            let entry = Quarantined::new(letter, before.as_ref());
            let counted = self.ledger.with(|ledger| {
                ledger.quarantined += u64::from(before.is_none());
                to_json(ledger)
            });
            // One write to storage: the entry and the count of entries belong together.
            let both = vec![
                (format!("{QUARANTINE}{id}"), to_json(&entry)),
                (LEDGER.to_owned(), counted?),
            ];
            self.storage.put(both).await?;
        }
        Ok(())
    }

    /// Entries after `after`, at least one more than a page where there are as many.
    async fn read(&self, after: Option<&str>) -> Result<Vec<(String, Quarantined)>, String> {
        let start = after.map(|after| format!("{QUARANTINE}{after}"));
        // One for `after` itself, if it is still there.
        let limit = Some(PAGE + 2);
        let stored = self.storage.list(QUARANTINE, start.as_deref(), limit);
        let mut entries = Vec::new();
        for (name, text) in stored.await? {
            let id = name.strip_prefix(QUARANTINE).unwrap_or_default().to_owned();
            if after != Some(id.as_str()) {
                entries.push((id, from_json(&text)?));
            }
        }
        Ok(entries)
    }

    /// A page of what `query` means. It may be short, or empty, and still not be the last.
    pub(super) async fn list(&self, query: &Query) -> Result<Entries, String> {
        let mut entries = self.read(query.after.as_deref()).await?;
        let more = entries.len() > query.limit;
        entries.truncate(query.limit);
        let next = entries.last().filter(|_| more).map(|(id, _)| behind(id));
        entries.retain(|(_, entry)| {
            let key = entry.object().map_or("", |(_, key)| key);
            query.kind.is_none_or(|kind| entry.error.kind == kind)
                && query
                    .key
                    .as_ref()
                    .is_none_or(|prefix| key.starts_with(prefix))
        });
        let entries = entries.into_iter().map(|(id, entry)| Entry::new(id, entry));
        Ok(Entries {
            entries: entries.collect(),
            next,
        })
    }

    /// A page of the entries behind `after` that `selector` means, and where the next one begins.
    pub(super) async fn select(
        &self,
        selector: &Selector,
        after: Option<&str>,
    ) -> Result<(Vec<(String, Quarantined)>, Option<String>), String> {
        if let Selector::Id(id) = selector {
            let entry = self.entry(id).await?;
            return Ok((
                entry.map(|entry| (id.clone(), entry)).into_iter().collect(),
                None,
            ));
        }
        let mut entries = self.read(after).await?;
        let is_more = entries.len() > PAGE;
        entries.truncate(PAGE);
        let last = entries.last().filter(|_| is_more);
        let next = last.map(|(id, _)| behind(id));
        entries.retain(|(id, entry)| selector.takes(id, entry));
        Ok((entries, next))
    }

    /// Sends messages back to their queue and forgets them once it has them. Of what is no hint goes what came;
    /// where only its beginning is here, it stays.
    pub(super) async fn replay(
        &self,
        selector: &Selector,
        release: bool,
        after: Option<&str>,
    ) -> Result<Taken, String> {
        let (entries, next) = self.select(selector, after).await?;
        let routes = self.platform.routes().map_err(|error| error.to_string())?;
        let (mut replayed, mut messages) = (Vec::new(), Vec::new());
        for (id, entry) in entries {
            let is_released = release || selector.releases(&entry);
            let again = match entry.replayed(is_released) {
                Some(message) => rerouted(&message, &routes),
                None => entry.as_it_came().into_iter().collect(),
            };
            if !again.is_empty() {
                messages.extend(again);
                replayed.push((id, entry));
            }
        }
        put(&self.platform, Queue::Hints, &messages).await?;
        let count = replayed.len() as u64;
        // Meanwhile a key may have failed once more: that stays.
        let mut unchanged = Vec::new();
        for (id, entry) in replayed {
            if self.entry(&id).await? == Some(entry) {
                unchanged.push(id);
            }
        }
        self.remove(unchanged).await?;
        Ok(Taken::new(count, next))
    }

    pub(super) async fn entry(&self, id: &str) -> Result<Option<Quarantined>, String> {
        let text = self.storage.get(&format!("{QUARANTINE}{id}")).await?;
        text.map(|text| from_json(&text)).transpose()
    }

    /// Deletes those of the entries `ids` that are there, and their count with them; gives how many.
    pub(super) async fn remove(&self, ids: Vec<String>) -> Result<u64, String> {
        let mut removed = 0;
        for ids in ids.chunks(PAGE) {
            let mut names: Vec<String> = Vec::new();
            for id in ids {
                let name = format!("{QUARANTINE}{id}");
                if !names.contains(&name) && self.storage.get(&name).await?.is_some() {
                    names.push(name);
                }
            }
            if names.is_empty() {
                continue;
            }
            let count = names.len() as u64;
            let counted = self.ledger.with(|ledger| {
                ledger.quarantined = ledger.quarantined.saturating_sub(count);
                to_json(ledger)
            })?;
            let entries = vec![(LEDGER.to_owned(), counted)];
            self.storage.replace(names, entries).await?;
            removed += count;
        }
        Ok(removed)
    }
}

/// What to give for the page behind the entry `id`. An older version kept longer ones than can be asked for.
fn behind(id: &str) -> String {
    let mut after = id.to_owned();
    if id.len() > LONGEST {
        cut(&mut after, LONGEST - 4);
        after.push(char::MAX);
    }
    after
}

/// A replayed message as it goes into the queue: where its route is gone or reads from elsewhere now, for each that takes the key now.
fn rerouted(message: &HintMessage, routes: &Routes) -> Vec<String> {
    let others = || routes.matching(&message.hint.bucket, &message.hint.key);
    if routes.of(&message.route, &message.hint).is_ok() || others().next().is_none() {
        return vec![to_json(message)];
    }
    let others = others().map(|other| HintMessage {
        route: other.name.clone(),
        ..message.clone()
    });
    others.map(|message| to_json(&message)).collect()
}
