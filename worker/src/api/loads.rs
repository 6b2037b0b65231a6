//! Loads into a table. What its loader answers is passed on as it is.

use causeway_shared::host::Class;
use causeway_shared::host::tables::{self, Report};
use causeway_shared::route::Route;

use super::query::Query;
use super::{Call, silent, unrouted};
use crate::host::{self, Workerd};
use crate::reply::Reply;

impl Call<'_> {
    /// A page of the loads of the table that `route` ends in, or the one called `id`.
    pub(super) async fn loads(
        self,
        route: Option<&Route>,
        id: Option<&str>,
        query: &Query,
    ) -> Result<Reply, Reply> {
        let route = route.ok_or_else(unrouted)?;
        let Some(table) = &route.table else {
            let reason = format!(
                "The route {:?} ends in no table: it loads nothing.",
                route.name
            );
            return Err(Reply::problem(404, reason));
        };
        let report = match id {
            Some(id) if is_id(id) => Report::Load(id.to_owned()),
            Some(id) => return Err(forgotten(id)),
            None => Report::Loads(before(query)?),
        };
        let answer = self.of_loader(&table.id.to_string(), &report).await?;
        match report {
            Report::Load(id) if answer == "null" => Err(forgotten(&id)),
            _ => Ok(Reply::text(200, answer)),
        }
    }

    /// What the loader of `table` answers to `report`.
    pub(super) async fn of_loader(self, table: &str, report: &Report) -> Result<String, Reply> {
        host::object(self.env, Class::TableLoader, table)
            .map_err(|reason| Reply::problem(500, reason))?;
        let answer = tables::tell(&Workerd::new(self.env), table, report).await;
        answer.map_err(silent)
    }
}

fn is_id(id: &str) -> bool {
    id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn before(query: &Query) -> Result<Option<u64>, Reply> {
    let before = query.after.as_ref().map(|before| before.parse());
    before
        .transpose()
        .map_err(|_| Reply::problem(400, "before is a page's before, a number."))
}

fn forgotten(id: &str) -> Reply {
    let reason = format!("There is no load {id:?} under way, or among the last thousand.");
    Reply::problem(404, reason)
}
