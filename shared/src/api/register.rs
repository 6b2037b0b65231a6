//! The register of what streams between two clouds: sources, destinations, and the routes between
//! them. S3 and GCS are its first two bindings; whoever reads it tells them by `kind`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::route::{Deletes, OnConflict, Place, Route, Routes};

/// Where objects are read, and where its events come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Source {
    /// The binding: `s3`.
    pub kind: String,
    /// Its name: `s3://bucket/prefix`.
    pub uri: String,
    /// The bucket.
    pub bucket: String,
    /// What its keys begin with; possibly nothing.
    pub prefix: String,
    /// The bucket's region; none where it is the worker's own (`AWS_REGION`).
    pub region: Option<String>,
    /// The routes that read from it; said in lists of sources only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
}

/// Where copies are written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Destination {
    /// The binding: `gcs` or `bigquery`.
    pub kind: String,
    /// Its name: `gs://bucket/prefix` or `bigquery://project/dataset/table`.
    pub uri: String,
    /// The bucket; of a table the one that files land in before they are loaded.
    pub bucket: String,
    /// What the names of copies begin with; possibly nothing.
    pub prefix: String,
    /// Where files land before they are loaded into a table: `gs://bucket/prefix`; none of a bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub landing: Option<String>,
    /// The class that copies are written in; none where it is the bucket's own.
    pub storage_class: Option<String>,
    /// The key that encrypts copies; none where it is the bucket's own.
    pub kms_key: Option<String>,
    /// The routes that write to it; said in lists of destinations only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<String>,
}

/// What a route does beyond copying.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// `ignore` or `propagate`.
    pub deletes: String,
    /// `keep` or `overwrite`.
    pub on_conflict: String,
    /// The size above which objects are copied in parts, in bytes; none where they never are.
    pub parts_above_bytes: Option<u64>,
    /// After how many seconds an upload in one stream goes on with another message.
    pub carry_after_s: u32,
    /// Whether tags are carried over.
    pub tags: bool,
    /// Whether a copy's `customTime` is the source's last change.
    pub custom_time: bool,
    /// Whether an ETag of 32 hexadecimal digits is an MD5; none: until one is refused.
    pub etag_md5: Option<bool>,
    /// How files are loaded into a table, by the names that a route has for it; none of a bucket.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub load: Map<String, Value>,
}

fn uri(scheme: &str, place: &Place) -> String {
    format!("{scheme}://{}/{}", place.bucket, place.prefix)
}

/// What `of` makes of `routes`, each once by its name, with its routes.
fn each_once<T>(
    routes: &Routes,
    of: fn(&Route) -> T,
    parts: fn(&mut T) -> (&String, &mut Vec<String>),
) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    for route in routes.iter() {
        let mut new = of(route);
        let uri = parts(&mut new).0.clone();
        let known = all.iter_mut().position(|known| *parts(known).0 == uri);
        let at = known.unwrap_or(all.len());
        if known.is_none() {
            all.push(new);
        }
        parts(&mut all[at]).1.push(route.name.clone());
    }
    all
}

impl Source {
    /// That of `route`.
    #[must_use]
    pub fn of(route: &Route) -> Self {
        Self {
            kind: "s3".to_owned(),
            uri: uri("s3", &route.source),
            bucket: route.source.bucket.clone(),
            prefix: route.source.prefix.clone(),
            region: route.region.clone(),
            routes: Vec::new(),
        }
    }

    /// Those of all `routes`, each once, in the order of the routes.
    #[must_use]
    pub fn all(routes: &Routes) -> Vec<Self> {
        each_once(routes, Self::of, |place| (&place.uri, &mut place.routes))
    }
}

impl Destination {
    /// That of `route`.
    #[must_use]
    pub fn of(route: &Route) -> Self {
        let place = uri("gs", &route.destination);
        let (kind, uri, landing) = match &route.table {
            None => ("gcs", place, None),
            Some(table) => ("bigquery", table.id.uri(), Some(place)),
        };
        Self {
            kind: kind.to_owned(),
            uri,
            landing,
            bucket: route.destination.bucket.clone(),
            prefix: route.destination.prefix.clone(),
            storage_class: route.storage_class.clone(),
            kms_key: route.kms_key.clone(),
            routes: Vec::new(),
        }
    }

    /// Those of all `routes`, each once, in the order of the routes. Two routes may write to one place
    /// in different ways; it is shown as the first does.
    #[must_use]
    pub fn all(routes: &Routes) -> Vec<Self> {
        each_once(routes, Self::of, |place| (&place.uri, &mut place.routes))
    }
}

impl Options {
    /// Those of `route`.
    #[must_use]
    pub fn of(route: &Route) -> Self {
        let deletes = match route.deletes {
            Deletes::Ignore => "ignore",
            Deletes::Propagate => "propagate",
        };
        let on_conflict = match route.on_conflict {
            OnConflict::Keep => "keep",
            OnConflict::Overwrite => "overwrite",
        };
        Self {
            deletes: deletes.to_owned(),
            on_conflict: on_conflict.to_owned(),
            parts_above_bytes: route.parts_above,
            carry_after_s: route.carry_after,
            tags: route.tags,
            etag_md5: route.etag_md5,
            custom_time: route.custom_time,
            load: (route.table.as_ref()).map_or_else(Map::new, |table| table.options()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_place_that_several_routes_share_is_listed_once() {
        let route = |name: &str, source: &str, destination: &str| {
            let table = json!({"source": source, "destination": destination});
            Route::parse(name, table).unwrap()
        };
        let routes = Routes::new([
            route("ROUTE_A", "s3://one/in/", "gs://copy"),
            route("ROUTE_B", "s3://two", "gs://copy"),
            route("ROUTE_C", "s3://one/in/", "gs://other/x"),
        ])
        .unwrap();
        let sources = Source::all(&routes);
        let sources: Vec<_> = sources.iter().map(|s| (&*s.uri, &s.routes[..])).collect();
        assert_eq!(
            sources,
            [
                ("s3://one/in/", &["a".to_owned(), "c".to_owned()][..]),
                ("s3://two/", &["b".to_owned()][..])
            ]
        );
        let destinations = Destination::all(&routes);
        let uris: Vec<_> = destinations.iter().map(|place| &*place.uri).collect();
        assert_eq!(uris, ["gs://copy/", "gs://other/x"]);
        assert_eq!(destinations[0].routes, ["a", "b"]);
    }

    #[test]
    fn a_table_is_shown_with_where_its_files_land() {
        let table = json!({"source": "s3://one", "destination": "bigquery://my-project/logs/events",
            "landing": "gs://copy/in/", "location": "EU", "skip_leading_rows": 1});
        let route = Route::parse("ROUTE_A", table).unwrap();
        let shown = Destination::of(&route);
        assert_eq!(shown.kind, "bigquery");
        assert_eq!(shown.uri, "bigquery://my-project/logs/events");
        assert_eq!(shown.landing.as_deref(), Some("gs://copy/in/"));
        assert_eq!((&*shown.bucket, &*shown.prefix), ("copy", "in/"));
        let options = json!(Options::of(&route).load);
        let expected = json!({"location": "EU", "on_overwrite": "refuse", "load_every": 60,
            "loads_per_day": 1300, "skip_leading_rows": 1});
        assert_eq!(options, expected);
    }
}
