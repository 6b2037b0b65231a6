//! A route's table of configuration: its options, their defaults, and what is said about one that is
//! wrong.

use serde::Deserialize;

use super::load::with_options;
use super::{Deletes, OnConflict, Place, Route, TableRoute, UNROUTED};
use crate::brake::Brake;
use crate::error::ConfigError;
use crate::sender::Topic;

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

/// The classes that an object may be written in
/// ([Storage classes](https://cloud.google.com/storage/docs/storage-classes)).
const STORAGE_CLASSES: [&str; 4] = ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    source: String,
    destination: String,
    region: Option<String>,
    expected_bucket_owner: Option<String>,
    role_arn: Option<String>,
    external_id: Option<String>,
    parts: Option<bool>,
    parts_above_mib: Option<u64>,
    carry_after_s: Option<u32>,
    etag_md5: Option<bool>,
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
    #[serde(default)]
    sns_topics: Vec<String>,
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
            return Err("brake_percent is not 1 to 100.".into());
        }
        let window = self.brake_window_s.unwrap_or(BRAKE_WINDOW);
        if !(1..=LONGEST_BRAKE_WINDOW).contains(&window) {
            return Err(format!(
                "brake_window_s is not 1 to {LONGEST_BRAKE_WINDOW} seconds."
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
            Some(_) => Err(format!("carry_after_s is not 1 to {CARRY_AFTER} seconds.")),
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
            (_, Some(_)) => Err(format!(
                "parts_above_mib is not 1 to {MOST_MEBIBYTES}, in mebibytes."
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
        format!("{option} is neither {first:?} nor {second:?}.")
    })
}

impl Route {
    /// Reads the table of the variable `variable` (`ROUTE_PHOTOS` makes the route `photos`).
    ///
    /// # Errors
    /// [`ConfigError`], with what was expected, for a missing or unknown field, a place that is not
    /// `s3://bucket[/prefix]`, `gs://bucket[/prefix]` or `bigquery://project/dataset/table`, and an option
    /// with a value that is none.
    pub fn parse(variable: &str, mut table: serde_json::Value) -> Result<Self, ConfigError> {
        let wrong = |message: String| ConfigError::new(variable, message);
        let name = variable.strip_prefix("ROUTE_").unwrap_or_default();
        if name.is_empty() {
            return Err(wrong("a route's variable is called ROUTE_<NAME>.".into()));
        }
        if name.eq_ignore_ascii_case(UNROUTED) {
            return Err(wrong(
                "is what the quarantine of messages without a route is called: call the route something else.".into(),
            ));
        }
        let load = TableRoute::take(&mut table).map_err(wrong)?;
        let table: Table = serde_json::from_value(table).map_err(|error| {
            let mut error = kind_of(&error.to_string());
            if load.is_some() && error.starts_with("unknown field") {
                error = with_options(&error);
            }
            wrong(format!(
                "{error}. A route is a table with `source = \"s3://bucket/prefix\"`, `destination = \"gs://bucket/prefix\"` and, if need be, options."
            ))
        })?;
        Ok(Self {
            name: name.to_ascii_lowercase(),
            source: Place::parse("s3", &table.source)
                .map_err(|message| wrong(format!("source {message}")))?,
            destination: Place::parse("gs", &table.destination).map_err(|message| {
                let name = if load.is_some() {
                    "landing"
                } else {
                    "destination"
                };
                wrong(format!("{name} {message}"))
            })?,
            table: load,
            parts_above: table.parts_above().map_err(wrong)?,
            carry_after: table.carry_after().map_err(wrong)?,
            brake: table.brake().map_err(wrong)?,
            deletes: table.deletes().map_err(wrong)?,
            on_conflict: table.on_conflict().map_err(wrong)?,
            external_id: external_id(&table).map_err(wrong)?,
            expected_bucket_owner: table
                .expected_bucket_owner
                .map(owner)
                .transpose()
                .map_err(|message| wrong(format!("expected_bucket_owner {message}")))?,
            role_arn: table
                .role_arn
                .map(role_arn)
                .transpose()
                .map_err(|message| wrong(format!("role_arn {message}")))?,
            region: table.region,
            etag_md5: table.etag_md5,
            tags: table.tags,
            custom_time: table.custom_time,
            storage_class: table
                .storage_class
                .map(storage_class)
                .transpose()
                .map_err(|message| wrong(format!("storage_class {message}")))?,
            topics: table
                .sns_topics
                .iter()
                .map(|arn| topic(arn))
                .collect::<Result<_, _>>()
                .map_err(wrong)?,
            kms_key: table
                .kms_key
                .map(kms_key)
                .transpose()
                .map_err(|message| wrong(format!("kms_key {message}")))?,
        })
    }
}

/// What `error` says without what it found: that may be a secret in the wrong place, and everybody is told.
/// An option that looks like one, and is none, is named.
fn kind_of(error: &str) -> String {
    let Some((found, expected)) = error.rsplit_once(", expected ") else {
        return error.to_owned();
    };
    let name = found.strip_prefix("unknown field `");
    let name = name.and_then(|name| name.strip_suffix('`'));
    let is_option = |name: &str| {
        let mut letters = name.bytes();
        name.len() <= 24 && letters.all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    let kind = if name.is_some_and(is_option) {
        found
    } else {
        let kind = found.split([':', '`']).next();
        kind.unwrap_or_default().trim_end()
    };
    format!("{kind}, expected {expected}")
}

fn topic(arn: &str) -> Result<Topic, String> {
    Topic::parse(arn).ok_or_else(|| {
        "sns_topics are not all ARNs as \"arn:aws:sns:<region>:<account>:<name>\".".into()
    })
}

/// An AWS account's id.
fn owner(account: String) -> Result<String, String> {
    if account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(account);
    }
    Err("is not an AWS account's id, 12 digits.".into())
}

/// A role's [ARN](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html).
fn role_arn(arn: String) -> Result<String, String> {
    let rest = arn.split_once(":iam::").and_then(|(partition, rest)| {
        let (account, name) = rest.split_once(":role/")?;
        owner(account.to_owned()).ok()?;
        (partition.starts_with("arn:aws") && !name.is_empty()).then_some(name)
    });
    match rest {
        Some(name) if name.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(arn),
        _ => Err("is not \"arn:aws:iam::<account>:role/<name>\".".into()),
    }
}

/// What [AssumeRole](https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html) takes.
fn external_id(table: &Table) -> Result<Option<String>, String> {
    let Some(id) = &table.external_id else {
        return Ok(None);
    };
    if table.role_arn.is_none() {
        return Err("external_id goes with a role_arn, and this route has none.".into());
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    if (2..=1224).contains(&id.len()) && id.bytes().all(fits) {
        return Ok(Some(id.clone()));
    }
    Err("external_id is not 2 to 1,224 letters, digits and +=,.@:/-_.".into())
}

fn storage_class(class: String) -> Result<String, String> {
    if STORAGE_CLASSES.contains(&class.as_str()) {
        return Ok(class);
    }
    Err(format!("is not one of {}.", STORAGE_CLASSES.join(", ")))
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
        _ => Err("is not \"projects/<project>/locations/<location>/keyRings/<ring>/cryptoKeys/<key>\", without a version.".into()),
    }
}

impl Place {
    fn parse(scheme: &str, place: &str) -> Result<Self, String> {
        let expected = || format!("is not \"{scheme}://bucket\" or \"{scheme}://bucket/prefix\".");
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
