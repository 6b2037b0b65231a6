//! Backfills and reconciles.

use causeway_shared::host::walk::{self, Answer, Report};
use causeway_shared::route::Route;
use causeway_shared::walk::{Kind, Request};
use serde_json::{Map, Value};

use super::events::KEY_BYTES;
use super::{Call, parsed, silent, unrouted};
use crate::host::Workerd;
use crate::reply::Reply;

/// What is wanted of a walk, as the path and the method say.
pub(super) enum Wanted<'a> {
    /// How far it is.
    Look,
    /// That it ends.
    Cancel,
    /// That one begins, with this body.
    Begin(&'a [u8]),
}

impl Call<'_> {
    pub(super) async fn walk(
        self,
        route: Option<&Route>,
        kind: Kind,
        wanted: Wanted<'_>,
    ) -> Result<Reply, Reply> {
        let name = &route.ok_or_else(unrouted)?.name;
        let (status, report) = match wanted {
            Wanted::Look => (200, Report::Look),
            Wanted::Cancel => (200, Report::Cancel),
            Wanted::Begin(body) => (202, begin(kind, name, body)?),
        };
        let seen = walk::tell(&Workerd::new(self.env), kind, name, &report).await;
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
        Ok(Reply::text(status, walk.get().to_owned()))
    }
}

fn begin(kind: Kind, route: &str, body: &[u8]) -> Result<Report, Reply> {
    let expected = r#"{"prefix": "2026/", "rate": 100, "dry_run": true}, or {}"#;
    // What is stored is read with options that a newer version may have; what is asked for is not.
    let fields: Value = parsed(body, expected)?;
    let known = ["prefix", "rate", "dry_run", "deep"];
    let mut names = fields.as_object().into_iter().flat_map(Map::keys);
    if let Some(unknown) = names.find(|name| !known.contains(&name.as_str())) {
        let reason = format!("Send {expected}: there is no {unknown:?}.");
        return Err(Reply::problem(400, reason));
    }
    let wish: Request = parsed(body, expected)?;
    if wish.deep && (kind == Kind::Backfill || wish.dry_run) {
        let reason = "deep has a reconcile send equal keys as well: a backfill does that by itself, and a dry run sends nothing.";
        return Err(Reply::problem(400, reason));
    }
    if wish.prefix.chars().count() > KEY_BYTES {
        return Err(Reply::problem(400, "No key is as long as the prefix."));
    }
    let route = route.to_owned();
    Ok(Report::Start { kind, route, wish })
}
