//! Which source bucket and key goes to which destination bucket and name.
//!
//! A route is one table of configuration, `ROUTE_<NAME>` among the worker's variables. How the
//! tables reach this code is the runtime's matter.

use std::sync::Arc;

use serde::Deserialize;

use crate::brake::Brake;
use crate::error::ConfigError;

/// Above this many bytes an object is copied in parts, unless its route says otherwise. From a
/// source of 50 MB/s a connection parts save a second there (docs/performance.md), for some thirty
/// requests more.
pub const PARTS_ABOVE: u64 = 64 << 20;

/// The longest time, and the usual one, after which an upload in one stream goes on with another
/// message, in seconds. Its next request, and whatever follows a break, then still fits into the 15
/// minutes of a queue's consumer.
const CARRY_AFTER: u32 = 300;

/// What a route's brake lets through within [`BRAKE_WINDOW`], unless the route says otherwise.
const BRAKE_DELETES: u32 = 1000;

/// The same as a share of the bucket's objects, in percent.
const BRAKE_PERCENT: u32 = 20;

/// In seconds: an hour.
const BRAKE_WINDOW: u32 = 3600;

/// In seconds: a week.
const LONGEST_BRAKE_WINDOW: u32 = 7 * 24 * 3600;

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
    /// Whether objects' tags are asked for and carried over.
    pub tags: bool,
    /// Whether `customTime` says when the source was last modified.
    pub custom_time: bool,
    /// The storage class of what is written, where it is not the bucket's own.
    pub storage_class: Option<String>,
    /// The Cloud KMS key that encrypts what is written, where it is not the bucket's own.
    pub kms_key: Option<String>,
    /// What happens to a copy whose source is gone.
    pub deletes: Deletes,
    /// What happens to an object that is not a copy of the key in question.
    pub on_conflict: OnConflict,
    /// How many deletes go before a person is asked.
    pub brake: Brake,
}

/// What happens to a copy whose source is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    /// It stays: who loses an object at the source still has the copy.
    Ignore,
    /// It is deleted.
    Propagate,
}

/// What happens where an object stands at the destination that is not a copy of the key in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// It stays.
    Keep,
    /// It is replaced by what the source has. It is never deleted.
    Overwrite,
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
    #[serde(default)]
    tags: bool,
    #[serde(default = "yes")]
    custom_time: bool,
    storage_class: Option<String>,
    kms_key: Option<String>,
    deletes: Option<String>,
    on_conflict: Option<String>,
    brake_deletes: Option<u32>,
    brake_percent: Option<u32>,
    brake_window_s: Option<u32>,
}

impl Table {
    fn deletes(&self) -> Result<Deletes, String> {
        let words = [
            ("ignore", Deletes::Ignore),
            ("propagate", Deletes::Propagate),
        ];
        choice("deletes", self.deletes.as_deref(), words)
    }

    fn on_conflict(&self) -> Result<OnConflict, String> {
        let words = [
            ("keep", OnConflict::Keep),
            ("overwrite", OnConflict::Overwrite),
        ];
        choice("on_conflict", self.on_conflict.as_deref(), words)
    }

    fn brake(&self) -> Result<Brake, String> {
        let options = [
            ("brake_deletes", self.brake_deletes.is_some()),
            ("brake_percent", self.brake_percent.is_some()),
            ("brake_window_s", self.brake_window_s.is_some()),
        ];
        if let Some((option, _)) = options.into_iter().find(|(_, is_set)| *is_set)
            && self.deletes()? == Deletes::Ignore
        {
            return Err(format!(
                "{option} says when deletes are held back, and this route carries none over: say deletes = \"propagate\", or take it out."
            ));
        }
        let percent = self.brake_percent.unwrap_or(BRAKE_PERCENT);
        if !(1..=100).contains(&percent) {
            return Err(format!("brake_percent is {percent}; expected 1 to 100."));
        }
        let window = self.brake_window_s.unwrap_or(BRAKE_WINDOW);
        if !(1..=LONGEST_BRAKE_WINDOW).contains(&window) {
            return Err(format!(
                "brake_window_s is {window}; expected 1 to {LONGEST_BRAKE_WINDOW} seconds."
            ));
        }
        Ok(Brake {
            deletes: self.brake_deletes.unwrap_or(BRAKE_DELETES),
            percent,
            window,
        })
    }

    fn carry_after(&self) -> Result<u32, String> {
        match self.carry_after_s {
            None => Ok(CARRY_AFTER),
            Some(seconds @ 1..=CARRY_AFTER) => Ok(seconds),
            Some(other) => Err(format!(
                "carry_after_s is {other}; expected 1 to {CARRY_AFTER} seconds."
            )),
        }
    }

    /// Whether what is written is billed for a minimum duration.
    fn has_minimum_duration(&self) -> bool {
        self.storage_class
            .as_deref()
            .is_some_and(|class| class != "STANDARD")
    }

    /// The size above which there are parts, in bytes.
    fn parts_above(&self) -> Result<Option<u64>, String> {
        match (self.parts, self.parts_above_mib) {
            (Some(false), None) => Ok(None),
            (Some(false), Some(_)) => {
                Err("parts = false and parts_above_mib exclude each other.".into())
            }
            // The parts are deleted within minutes, and each would be billed for the whole minimum.
            (None, None) if self.has_minimum_duration() => Ok(None),
            (_, None) => Ok(Some(PARTS_ABOVE)),
            (_, Some(mebibytes @ 1..=MOST_MEBIBYTES)) => Ok(Some(mebibytes << 20)),
            (_, Some(other)) => Err(format!(
                "parts_above_mib is {other}; expected 1 to {MOST_MEBIBYTES}, in mebibytes."
            )),
        }
    }
}

fn yes() -> bool {
    true
}

/// What `word` says among `words`; the first where nothing is said.
fn choice<T: Copy>(option: &str, word: Option<&str>, words: [(&str, T); 2]) -> Result<T, String> {
    let Some(word) = word else {
        return Ok(words[0].1);
    };
    let found = words.iter().find(|(name, _)| *name == word);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let [(first, _), (second, _)] = words;
        format!("{option} is {word:?}; expected {first:?} or {second:?}.")
    })
}

/// The classes that an object may be written in
/// ([Storage classes](https://cloud.google.com/storage/docs/storage-classes)).
const STORAGE_CLASSES: [&str; 4] = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];

impl Route {
    /// Reads the table of the variable `variable` (`ROUTE_PHOTOS` makes the route `photos`).
    ///
    /// # Errors
    /// [`ConfigError`], with what was expected, for a missing or unknown field, a place that is not
    /// `s3://bucket[/prefix]` or `gs://bucket[/prefix]`, and an option with a value that is none.
    pub fn parse(variable: &str, table: serde_json::Value) -> Result<Self, ConfigError> {
        let wrong = |message: String| ConfigError::new(variable, message);
        let name = variable.strip_prefix("ROUTE_").unwrap_or_default();
        if name.is_empty() {
            return Err(wrong("a route's variable is called ROUTE_<NAME>.".into()));
        }
        let table: Table = serde_json::from_value(table).map_err(|error| {
            wrong(format!(
                "{error}. A route is a table with `source = \"s3://bucket/prefix\"`, `destination = \"gs://bucket/prefix\"` and, if need be, options."
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
            brake: table.brake().map_err(wrong)?,
            deletes: table.deletes().map_err(wrong)?,
            on_conflict: table.on_conflict().map_err(wrong)?,
            region: table.region,
            tags: table.tags,
            custom_time: table.custom_time,
            storage_class: table
                .storage_class
                .map(storage_class)
                .transpose()
                .map_err(|message| wrong(format!("storage_class {message}")))?,
            kms_key: table
                .kms_key
                .map(kms_key)
                .transpose()
                .map_err(|message| wrong(format!("kms_key {message}")))?,
        })
    }

    /// The variable that this route was read from.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("ROUTE_{}", self.name.to_ascii_uppercase())
    }

    /// Whether a copy goes when its source is gone.
    #[must_use]
    pub fn propagates_deletes(&self) -> bool {
        self.deletes == Deletes::Propagate
    }

    /// The destination's name for `key`, if the key is this route's.
    #[must_use]
    pub fn destination_name(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.source.prefix)?;
        Some(format!("{}{rest}", self.destination.prefix))
    }
}

fn storage_class(class: String) -> Result<String, String> {
    if STORAGE_CLASSES.contains(&class.as_str()) {
        return Ok(class);
    }
    Err(format!(
        "is {class:?}; expected one of {}.",
        STORAGE_CLASSES.join(", ")
    ))
}

/// A key's [resource name](https://cloud.google.com/kms/docs/getting-resource-ids); GCS chooses
/// the version itself.
fn kms_key(key: String) -> Result<String, String> {
    let is_id_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    let is_id = |id: &str| !id.is_empty() && id.bytes().all(is_id_byte);
    match key.split('/').collect::<Vec<_>>()[..] {
        [
            "projects",
            project,
            "locations",
            location,
            "keyRings",
            ring,
            "cryptoKeys",
            name,
        ] if [project, location, ring, name].into_iter().all(is_id) => Ok(key),
        _ => Err(format!(
            "is {key:?}; expected \"projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>\", without a version."
        )),
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
    fn a_class_with_a_minimum_duration_has_parts_only_if_they_are_asked_for() {
        let parts_above = |options: serde_json::Value| {
            let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
            let options = options.as_object().unwrap().clone();
            table.as_object_mut().unwrap().extend(options);
            Route::parse("ROUTE_X", table).unwrap().parts_above
        };
        let nearline = "NEARLINE";
        assert_eq!(parts_above(json!({"storage_class": nearline})), None);
        assert_eq!(
            parts_above(json!({"storage_class": "STANDARD"})),
            Some(PARTS_ABOVE)
        );
        assert_eq!(
            parts_above(json!({"storage_class": nearline, "parts": true})),
            Some(PARTS_ABOVE)
        );
        assert_eq!(
            parts_above(json!({"storage_class": nearline, "parts_above_mib": 1})),
            Some(1 << 20)
        );
    }

    #[test]
    fn options_are_read_and_have_their_defaults() {
        let plain = route("ROUTE_X", "s3://src", "gs://dst");
        assert!(!plain.tags && plain.custom_time);
        assert_eq!((plain.storage_class, plain.kms_key), (None, None));
        let key = "projects/example.com:p-1/locations/eu/keyRings/r_1/cryptoKeys/k";
        let table = json!({"source": "s3://src", "destination": "gs://dst", "tags": true,
            "custom_time": false, "storage_class": "NEARLINE", "kms_key": key});
        let full = Route::parse("ROUTE_X", table).unwrap();
        assert!(full.tags && !full.custom_time);
        assert_eq!(full.storage_class.as_deref(), Some("NEARLINE"));
        assert_eq!(full.kms_key.as_deref(), Some(key));
    }

    #[test]
    fn nothing_is_deleted_or_replaced_that_a_route_does_not_ask_for() {
        let plain = route("ROUTE_X", "s3://src", "gs://dst");
        assert_eq!(plain.deletes, Deletes::Ignore);
        assert_eq!(plain.on_conflict, OnConflict::Keep);
        let table = json!({"source": "s3://src", "destination": "gs://dst", "deletes": "propagate",
            "on_conflict": "overwrite", "brake_deletes": 0, "brake_percent": 5, "brake_window_s": 60});
        let full = Route::parse("ROUTE_X", table).unwrap();
        assert!(full.propagates_deletes());
        assert_eq!(full.on_conflict, OnConflict::Overwrite);
        let brake = (full.brake.deletes, full.brake.percent, full.brake.window);
        assert_eq!(brake, (0, 5, 60));
        let table =
            json!({"source": "s3://src", "destination": "gs://dst", "deletes": "propagate"});
        let brake = Route::parse("ROUTE_X", table).unwrap().brake;
        assert_eq!(
            (brake.deletes, brake.percent, brake.window),
            (1000, 20, 3600)
        );
    }

    #[test]
    fn a_brake_is_refused_where_it_brakes_nothing_or_makes_no_sense() {
        for (options, says) in [
            (json!({"brake_deletes": 5}), "brake_deletes says"),
            (json!({"deletes": "propagate", "brake_deletes": -1}), "u32"),
            (
                json!({"deletes": "propagate", "brake_percent": 0}),
                "1 to 100",
            ),
            (
                json!({"deletes": "propagate", "brake_percent": 101}),
                "1 to 100",
            ),
            (
                json!({"deletes": "propagate", "brake_window_s": 0}),
                "1 to 604800",
            ),
            (
                json!({"deletes": "propagate", "brake_window_s": 604_801}),
                "1 to 604800",
            ),
        ] {
            let mut table = json!({"source": "s3://src", "destination": "gs://dst"});
            let options = options.as_object().unwrap().clone();
            table.as_object_mut().unwrap().extend(options);
            let error = Route::parse("ROUTE_X", table).unwrap_err();
            assert_eq!(error.variable, "ROUTE_X");
            assert!(error.message.contains(says), "{error}");
        }
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
            ("tags", json!("yes"), "boolean"),
            ("storage_class", json!("nearline"), "NEARLINE, COLDLINE"),
            (
                "storage_class",
                json!("GLACIER"),
                "storage_class is \"GLACIER\"",
            ),
            ("kms_key", json!("k"), "kms_key is \"k\""),
            (
                "kms_key",
                json!("projects/p/locations/eu/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"),
                "without a version",
            ),
            (
                "kms_key",
                json!("projects//locations/eu/keyRings/r/cryptoKeys/k"),
                "cryptoKeys/<key>",
            ),
            (
                "kms_key",
                json!("projects/p&x=y/locations/eu/keyRings/r/cryptoKeys/k"),
                "cryptoKeys/<key>",
            ),
            ("parts", json!("no"), "boolean"),
            ("deletes", json!(true), "string"),
            (
                "deletes",
                json!("carry"),
                "deletes is \"carry\"; expected \"ignore\" or \"propagate\"",
            ),
            (
                "on_conflict",
                json!("Keep"),
                "on_conflict is \"Keep\"; expected \"keep\" or \"overwrite\"",
            ),
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
