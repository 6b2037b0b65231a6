//! Which entries of a route's quarantine a command is about, and doing something with all of them.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::de::value::Error as ValueError;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Deserialize as _, forward_to_deserialize_any};
use serde_json::json;

use super::Report;
use super::failure::{Code, Failure};
use super::output::{Output, entries, shown};
use causeway_shared::api::Entry;
use causeway_shared::error::ErrorKind;

use crate::client::admin::{Action, Filter, Selection};
use crate::client::{AdminClient, ClientError};

/// One entry, those of a kind, or every one.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// A key in the route's source bucket, s3://bucket/key, or an entry's id
    #[arg(value_name = "KEY")]
    key: Option<String>,
    /// Every entry of this kind
    #[arg(long, value_parser = kinds())]
    kind: Option<String>,
    /// Every entry of the route
    #[arg(long)]
    all: bool,
}

/// The kinds that `--kind` takes: those of the worker's errors.
pub(super) fn kinds() -> PossibleValuesParser {
    let mut names: &[&str] = &[];
    // Fails always: it has no value to read.
    let _ = ErrorKind::deserialize(Variants(&mut names));
    PossibleValuesParser::new(names.iter().copied())
}

/// Reads no value, but the names that an enum's variants have in JSON.
struct Variants<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Variants<'_> {
    type Error = ValueError;

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, ValueError> {
        *self.0 = variants;
        Err(ValueError::custom("no value"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("no enum"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// What was selected, looked up.
#[derive(Debug)]
pub(super) struct Chosen {
    selection: Selection,
    /// For people: `s3://b/k`, `all 12 entries`
    pub(super) name: String,
    /// Entries that stand there, or more
    most: u64,
    /// Whether `most` is the very number
    exact: bool,
}

impl Which {
    /// Looks it up at the worker.
    pub(super) async fn choose(self, worker: &AdminClient, route: &str) -> Result<Chosen, Failure> {
        if let Some(name) = self.key {
            let entry = find(worker, route, &name).await?;
            return Ok(Chosen {
                name: format!("s3://{}/{} ({})", entry.bucket, entry.key, entry.kind),
                selection: Selection::Id(entry.id),
                most: 1,
                exact: true,
            });
        }
        let most = worker.route(route).await?.quarantined;
        Ok(match self.kind {
            Some(kind) => Chosen {
                name: format!("all entries of the kind {kind}"),
                selection: Selection::Kind(kind),
                most,
                exact: false,
            },
            None => Chosen {
                name: format!("all {}", entries(most)),
                selection: Selection::All(true),
                most,
                exact: true,
            },
        })
    }
}

/// The entry that a person's name for it means.
pub(super) async fn find(worker: &AdminClient, route: &str, name: &str) -> Result<Entry, Failure> {
    for id in ids(worker, route, name).await? {
        let key = id.split_once('/').map(|(_, key)| key.to_owned());
        let filter = Filter { kind: None, key };
        let mut after = None;
        loop {
            let page = worker.quarantine(route, &filter, after.as_deref()).await?;
            if let Some(entry) = page.entries.into_iter().find(|entry| entry.id == id) {
                return Ok(entry);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Err(Failure::new(
        Code::NotFound,
        format!("{name} is not in the quarantine of {route}"),
        format!("`causeway quarantine list {route}` shows what is"),
    ))
}

/// The ids that `name` may mean: a key of the source bucket before an id.
pub(super) async fn ids(
    worker: &AdminClient,
    route: &str,
    name: &str,
) -> Result<Vec<String>, Failure> {
    refuse_other_names(name)?;
    if let Some(id) = name.strip_prefix("s3://") {
        return Ok(vec![id.to_owned()]);
    }
    let Some(source) = worker.route(route).await?.source else {
        return ids_left(worker, route, name).await;
    };
    let id = name.contains('/').then(|| name.to_owned());
    let of_key = format!("{}/{name}", source.bucket);
    Ok(std::iter::once(of_key).chain(id).collect())
}

/// The ids that `name` may mean where the route is gone: what it has left says of which bucket it is.
async fn ids_left(worker: &AdminClient, route: &str, name: &str) -> Result<Vec<String>, Failure> {
    let (mut ids, mut after) = (Vec::new(), None);
    let filter = Filter {
        key: Some(name.to_owned()),
        kind: None,
    };
    loop {
        let page = worker.quarantine(route, &filter, after.as_deref()).await?;
        let of_key = page.entries.into_iter().filter(|entry| entry.key == name);
        ids.extend(of_key.map(|entry| entry.id));
        after = page.next;
        if after.is_none() {
            ids.push(name.to_owned());
            return Ok(ids);
        }
    }
}

/// Refuses names where a key of the source is wanted that mean something else: a copy's, or nothing.
pub(super) fn refuse_other_names(name: &str) -> Result<(), Failure> {
    let what = if name.starts_with("gs://") {
        format!("{name} is a copy, and routes know objects by their source")
    } else if name.is_empty() || name.strip_prefix("s3://").is_some_and(names_no_key) {
        format!("{name:?} names no object")
    } else {
        return Ok(());
    };
    let advice = "give a key in the route's source bucket, or s3://bucket/key";
    Err(Failure::usage(what, advice))
}

fn names_no_key(rest: &str) -> bool {
    rest.split_once('/')
        .is_none_or(|(bucket, key)| bucket.is_empty() || key.is_empty())
}

/// Refuses an object's name where the beginning of a key is wanted.
pub(super) fn refuse_a_name(option: &str, prefix: &str) -> Result<(), Failure> {
    if !(prefix.starts_with("s3://") || prefix.starts_with("gs://")) {
        return Ok(());
    }
    let key = prefix.splitn(4, '/').nth(3).unwrap_or_default();
    Err(Failure::usage(
        format!("{option} takes the beginning of a key, and {prefix} names a bucket"),
        format!("leave the bucket out: {option} {key:?}"),
    ))
}

/// Has the worker look at each entry once, and says what was done.
pub(super) async fn act(
    worker: &AdminClient,
    action: Action,
    route: &str,
    chosen: Chosen,
    output: Output,
) -> Result<Report, Failure> {
    let verb = match action {
        Action::Replay { .. } => "replayed",
        Action::Drop => "dropped",
    };
    let bar = output.counter(chosen.exact.then_some(chosen.most));
    let (mut done, mut next) = (0, None);
    let outcome: Result<(), ClientError> = loop {
        let after = next.take();
        let page = worker.act(action, route, &chosen.selection, after.as_deref());
        let page = match page.await {
            Ok(page) => page,
            Err(error) => break Err(error),
        };
        done += page.count;
        bar.set_position(done);
        next = page.next;
        if next.is_none() {
            break Ok(());
        }
    };
    bar.finish_and_clear();
    let failure = outcome.err().map(Failure::from);
    match (failure, &chosen.selection) {
        (Some(failure), _) if done == 0 => Err(failure),
        (None, Selection::Id(_)) if done == 0 => Err(Failure::new(
            Code::NotFound,
            format!(
                "{} has left the quarantine of {route} meanwhile",
                chosen.name
            ),
            "",
        )),
        (failure, selection) => {
            let what = match selection {
                Selection::Id(_) => chosen.name,
                _ => entries(done),
            };
            output.line(&shown(&format!("{verb} {what}")));
            let mut json = json!({ "route": route, verb: done });
            if let Some(failure) = &failure {
                json["error"] = failure.json();
            }
            Ok(Report { json, failure })
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::builder::TypedValueParser as _;

    use super::*;

    #[test]
    fn every_kind_of_error_is_offered() {
        let kinds = kinds();
        let names: Vec<_> = kinds.possible_values().unwrap().collect();
        assert!(names.len() > 20, "{names:?}");
        for name in ["source-denied", "deletes-braked", "out-of-turn"] {
            assert!(names.iter().any(|kind| kind.get_name() == name), "{name}");
        }
    }

    #[test]
    fn what_is_no_key_of_the_source_is_refused() {
        for name in ["gs://b/k", "", "s3://", "s3://b", "s3://b/", "s3:///k"] {
            assert!(refuse_other_names(name).is_err(), "{name}");
        }
        for name in ["k", "s3://b/k", "s3:/k", "b/k", "s3://b//"] {
            assert!(refuse_other_names(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_prefix_is_not_a_name() {
        let error = refuse_a_name("--prefix", "s3://b/2026/07/").unwrap_err();
        assert!(error.advice.ends_with("--prefix \"2026/07/\""), "{error:?}");
        assert!(refuse_a_name("--prefix", "2026/").is_ok());
    }
}
