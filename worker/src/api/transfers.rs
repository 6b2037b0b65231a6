//! What became of keys, as far as it is remembered.

use super::query::{LONGEST, Query};
use super::{Call, silent};
use crate::reply::Reply;

impl Call<'_> {
    pub(super) async fn transfers(self, name: &str, query: &Query) -> Result<Reply, Reply> {
        let after = query.after.as_ref().map(|after| after.parse()).transpose();
        let after = after.map_err(|_| Reply::problem(400, "after is a page's next, a number."))?;
        let page = self.ledger(name)?.transfers(query.limit, after).await;
        page.map(|page| Reply::text(200, page)).map_err(silent)
    }

    pub(super) async fn transfer(self, name: &str, id: &str) -> Result<Reply, Reply> {
        let transfer = match id.chars().count() {
            0..=LONGEST => self.ledger(name)?.transfer(id).await.map_err(silent)?,
            _ => None,
        };
        match transfer {
            Some(transfer) => Ok(Reply::text(200, transfer)),
            None => Err(Reply::problem(
                404,
                format!(
                    "Nothing is remembered of {id:?}: it is under way, longer ago than the ledger keeps, or was never asked for."
                ),
            )),
        }
    }
}
