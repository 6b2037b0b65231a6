//! Backfills and reconciles.

use causeway_shared::route::Route;
use causeway_shared::walk::{Kind, Request};

use super::events::KEY_BYTES;
use super::{Call, silent, unrouted};
use crate::reply::Reply;
use crate::walk::{Answer, Handle};

impl Call<'_> {
    /// Begins a walk (POST), says how far the last one is (GET), or ends it.
    pub(super) async fn walk(
        self,
        route: Option<&Route>,
        kind: Kind,
        cancel: bool,
    ) -> Result<Reply, Reply> {
        let name = &route.ok_or_else(unrouted)?.name;
        let handle = Handle::new(self.env, kind, name);
        let handle = handle.map_err(|reason| Reply::problem(500, reason))?;
        let begin = !cancel && self.request.method() == "POST";
        let seen = match (cancel, begin) {
            (true, _) => handle.cancel().await,
            (_, true) => {
                let expected = r#"{"prefix": "2026/", "rate": 100, "dry_run": true}, or {}"#;
                let wish: Request = self.body(expected).await?;
                if wish.prefix.chars().count() > KEY_BYTES {
                    return Err(Reply::problem(400, "No key is as long as the prefix."));
                }
                handle.start(wish).await
            }
            _ => handle.look().await,
        };
        let (answer, walk) = seen.map_err(silent)?;
        let kind = kind.name();
        let Some(walk) = walk else {
            let reason = format!("There was no {kind} of {name:?} yet.");
            return Err(Reply::problem(404, reason));
        };
        if answer == Answer::Underway {
            return Err(Reply::problem(
                409,
                format!("A {kind} of {name:?} is under way: wait for its end, or cancel it first."),
            ));
        }
        let status = if begin { 202 } else { 200 };
        Ok(Reply::text(status, walk.get().to_owned()))
    }
}
