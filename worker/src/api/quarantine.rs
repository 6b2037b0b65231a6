//! What is in quarantine, and what is to become of it.

use causeway_shared::ledger::Selector;

use super::query::{LONGEST, Query};
use super::{Call, silent};
use crate::reply::Reply;

impl Call<'_> {
    pub(super) async fn quarantine(self, name: &str, query: Query) -> Result<Reply, Reply> {
        let page = self.ledger(name)?.list(query).await;
        page.map(|page| Reply::text(200, page)).map_err(silent)
    }

    /// Replays or drops.
    pub(super) async fn release(self, name: &str, verb: &str) -> Result<Reply, Reply> {
        let expected = r#"{"id": "bucket/key"}, {"kind": "source-denied"} or {"all": true}"#;
        let selector: Selector = self.body(expected).await?;
        if matches!(&selector, Selector::Id(id) if id.chars().count() > LONGEST) {
            return Err(Reply::problem(400, "No id is as long."));
        }
        let ledger = self.ledger(name)?;
        let taken = match verb {
            "replay" => ledger.replay(selector).await,
            _ => ledger.forget(selector).await,
        };
        taken.map(|taken| Reply::text(200, taken)).map_err(silent)
    }
}
