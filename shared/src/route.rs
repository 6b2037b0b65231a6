//! Which source bucket and key goes to which destination bucket and name.
//!
//! A route is one table of configuration, `ROUTE_<NAME>` among the worker's variables. How the
//! tables reach this code is the runtime's matter.

use std::sync::Arc;

use serde::Deserialize;

use crate::error::ConfigError;

/// Above this many bytes an object is copied in parts, unless its route says otherwise.
/// docs/performance.md has the measurement.
pub const PARTS_ABOVE: u64 = 256 << 20;

/// The longest time, and the usual one, after which an upload in one stream goes on with another
/// message, in seconds. Its next request, and whatever follows a break, then still fits into the 15
/// minutes of a queue's consumer.
const CARRY_AFTER: u32 = 300;

/// 5 TiB, the largest object: as good as no parts.
const MOST_MEBIBYTES: u64 = 5 << 20;

/// Where the keys of one source bucket (and prefix) go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The route's name: what follows `ROUTE_`, in lower case.
    pub name: String,
    /// Source bucket and prefix.
    pub source: Place,
    /// Destination bucket and prefix.
    pub destination: Place,
    /// The source bucket's region, where it is not the default one.
    pub region: Option<String>,
    /// The size above which objects are copied in parts, in bytes; `None` where parts are not
    /// allowed.
    pub parts_above: Option<u64>,
    /// An upload in one stream goes on with another message after this many seconds.
    pub carry_after: u32,
}

/// A bucket, and the prefix that the names in question begin with (possibly empty).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket's name.
    pub bucket: String,
    /// The prefix, as it stands: no slash is added.
    pub prefix: String,
}

/// All routes, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Routes(Vec<Arc<Route>>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    source: String,
    destination: String,
    region: Option<String>,
    parts: Option<bool>,
    parts_above_mib: Option<u64>,
    carry_after_s: Option<u32>,
}

impl Table {
    fn carry_after(&self) -> Result<u32, String> {
        match self.carry_after_s {
            None => Ok(CARRY_AFTER),
            Some(seconds @ 1..=CARRY_AFTER) => Ok(seconds),
            Some(other) => Err(format!(
                "carry_after_s is {other}; expected 1 to {CARRY_AFTER} seconds."
            )),
        }
    }

    /// The size above which there are parts, in bytes.
    fn parts_above(&self) -> Result<Option<u64>, String> {
        match (self.parts, self.parts_above_mib) {
            (Some(false), None) => Ok(None),
            (Some(false), Some(_)) => {
                Err("parts = false and parts_above_mib exclude each other.".into())
            }
            (_, None) => Ok(Some(PARTS_ABOVE)),
            (_, Some(mebibytes @ 1..=MOST_MEBIBYTES)) => Ok(Some(mebibytes << 20)),
            (_, Some(other)) => Err(format!(
                "parts_above_mib is {other}; expected 1 to {MOST_MEBIBYTES}, in mebibytes."
            )),
        }
    }
}

impl Route {
    /// Reads the table of the variable `variable` (`ROUTE_PHOTOS` makes the route `photos`).
    ///
    /// # Errors
    /// [`ConfigError`], with what was expected, for a missing or unknown field, or a place that is
    /// not `s3://bucket[/prefix]` or `gs://bucket[/prefix]`.
    pub fn parse(variable: &str, table: serde_json::Value) -> Result<Self, ConfigError> {
        let wrong = |message: String| ConfigError::new(variable, message);
        let name = variable.strip_prefix("ROUTE_").unwrap_or_default();
        if name.is_empty() {
            return Err(wrong("a route's variable is called ROUTE_<NAME>.".into()));
        }
        let table: Table = serde_json::from_value(table).map_err(|error| {
            wrong(format!(
                "{error}. A route is a table with `source = \"s3://bucket/prefix\"`, `destination = \"gs://bucket/prefix\"` and, if need be, `region`."
            ))
        })?;
        Ok(Self {
            name: name.to_ascii_lowercase(),
            source: Place::parse("s3", &table.source)
                .map_err(|message| wrong(format!("source {message}")))?,
            destination: Place::parse("gs", &table.destination)
                .map_err(|message| wrong(format!("destination {message}")))?,
            parts_above: table.parts_above().map_err(wrong)?,
            carry_after: table.carry_after().map_err(wrong)?,
            region: table.region,
        })
    }

    /// The variable that this route was read from.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ROUTE_{}", self.name.to_ascii_uppercase())
    }

    /// The destination's name for `key`, if the key is this route's.
    #[must_use]
    pub fn destination_name(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.source.prefix)?;
        Some(format!("{}{rest}", self.destination.prefix))
    }
}

impl Place {
    fn parse(scheme: &str, place: &str) -> Result<Self, String> {
        let expected = || {
            format!("is {place:?}; expected \"{scheme}://bucket\" or \"{scheme}://bucket/prefix\".")
        };
        let rest = place
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .ok_or_else(expected)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_bucket_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if bucket.len() < 3 || !bucket.bytes().all(is_bucket_byte) {
            return Err(expected());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl Routes {
    /// Collects routes.
    ///
    /// # Errors
    /// [`ConfigError`] when there is none, or two send the same source to the same destination.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Result<Self, ConfigError> {
        let mut routes: Vec<Arc<Route>> = routes.into_iter().map(Arc::new).collect();
        routes.sort_by(|a, b| a.name.cmp(&b.name));
        if routes.is_empty() {
            return Err(ConfigError::new(
                "ROUTE_<NAME>",
                "no route is configured. Add a table [vars.ROUTE_<NAME>] with source and destination to wrangler.toml.",
            ));
        }
        for (index, route) in routes.iter().enumerate() {
            if let Some(twin) = routes[..index].iter().find(|other| {
                other.name == route.name
                    || other.destination == route.destination && other.source == route.source
            }) {
                return Err(ConfigError::new(
                    route.variable(),
                    format!("is the same as {}.", twin.variable()),
                ));
            }
        }
        Ok(Self(routes))
    }

    /// The route called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Route>> {
        self.0.iter().find(|route| route.name == name)
    }

    /// Every route that `key` of `bucket` takes.
    pub fn matching(&self, bucket: &str, key: &str) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter().filter(move |route| {
            route.source.bucket == bucket && key.starts_with(&route.source.prefix)
        })
    }

    /// Whether any route reads from `bucket`, under whatever prefix.
    #[must_use]
    pub fn has_source(&self, bucket: &str) -> bool {
        self.0.iter().any(|route| route.source.bucket == bucket)
    }

    /// All routes.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn route(variable: &str, source: &str, destination: &str) -> Route {
        Route::parse(
            variable,
            json!({"source": source, "destination": destination}),
        )
        .unwrap()
    }

    #[test]
    fn a_prefix_is_taken_off_and_another_put_on() {
        let route = route("ROUTE_PHOTOS", "s3://src/in/", "gs://dst/out/");
        assert_eq!(route.name, "photos");
        assert_eq!(route.destination_name("in/a/b"), Some("out/a/b".into()));
        assert_eq!(route.destination_name("in/"), Some("out/".into()));
        assert_eq!(route.destination_name("other"), None);
    }

    #[test]
    fn a_key_takes_every_route_that_matches() {
        let routes = Routes::new([
            route("ROUTE_B", "s3://src", "gs://all"),
            route("ROUTE_A", "s3://src/in/", "gs://some"),
            route("ROUTE_C", "s3://other", "gs://all"),
        ])
        .unwrap();
        let names = |bucket: &str, key: &str| -> Vec<String> {
            routes
                .matching(bucket, key)
                .map(|r| r.name.clone())
                .collect()
        };
        assert_eq!(names("src", "in/x"), ["a", "b"]);
        assert_eq!(names("src", "x"), ["b"]);
        assert!(names("none", "x").is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_variables_name() {
        let good = json!({"source": "s3://src", "destination": "gs://dst"});
        for (field, value, says) in [
            ("source", json!("gs://src"), "s3://bucket"),
            ("source", json!("s3://"), "s3://bucket"),
            ("destination", json!("dst"), "gs://bucket"),
            ("destination", json!(7), "string"),
            ("destnation", json!("x"), "destnation"),
            ("parts", json!("no"), "boolean"),
            ("parts_above_mib", json!(0), "1 to"),
            ("carry_after_s", json!(0), "1 to 300"),
            ("carry_after_s", json!(301), "1 to 300"),
            ("parts_above_mib", json!(6 << 20), "1 to"),
        ] {
            let mut table = good.clone();
            table[field] = value;
            let error = Route::parse("ROUTE_X", table).unwrap_err();
            assert_eq!(error.variable, "ROUTE_X");
            assert!(error.message.contains(says), "{error}");
        }
        assert!(Route::parse("ROUTE_X", json!("text")).is_err());
        assert!(Route::parse("ROUTE_", good).is_err());
    }

    #[test]
    fn a_route_says_from_which_size_on_there_are_parts() {
        let above = |options: serde_json::Value| {
            let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
            table
                .as_object_mut()
                .unwrap()
                .extend(options.as_object().unwrap().clone());
            Route::parse("ROUTE_X", table).map(|route| route.parts_above)
        };
        assert_eq!(above(json!({})).unwrap(), Some(PARTS_ABOVE));
        assert_eq!(above(json!({"parts": true})).unwrap(), Some(PARTS_ABOVE));
        assert_eq!(above(json!({"parts": false})).unwrap(), None);
        assert_eq!(above(json!({"parts_above_mib": 1})).unwrap(), Some(1 << 20));
        assert!(above(json!({"parts": false, "parts_above_mib": 1})).is_err());
    }

    #[test]
    fn no_route_and_a_route_said_twice_are_refused() {
        assert!(Routes::new([]).is_err());
        let twice = [
            route("ROUTE_A", "s3://src", "gs://dst"),
            route("ROUTE_B", "s3://src", "gs://dst"),
        ];
        assert_eq!(Routes::new(twice).unwrap_err().variable, "ROUTE_B");
    }
}
