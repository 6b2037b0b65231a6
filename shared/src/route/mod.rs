//! Which source bucket and key goes to which destination bucket and name.
//!
//! A route is one table of configuration, `ROUTE_<NAME>` among the worker's variables, read in
//! `table`. How the tables reach this code is the runtime's matter.

mod load;
mod table;

use std::sync::Arc;

use crate::brake::Brake;
use crate::error::{ConfigError, ErrorKind, TransferError};
use crate::event::ObjectHint;
use crate::sender::Topic;

pub use load::{OnOverwrite, TableRoute};
pub use table::PARTS_ABOVE;

/// What the ledger of messages without a route is called; no route is.
pub const UNROUTED: &str = "unrouted";

/// Where the keys of one source bucket (and prefix) go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The route's name: what follows `ROUTE_`, in lower case.
    pub name: String,
    /// Source bucket and prefix.
    pub source: Place,
    /// Destination bucket and prefix; those of the landing place where the route ends in a table.
    pub destination: Place,
    /// The table that the copies are loaded into, where the route ends in one.
    pub table: Option<Arc<TableRoute>>,
    /// The source bucket's region, where it is not the default one.
    pub region: Option<String>,
    /// The account that the source bucket has to belong to, as 12 digits, where that is to be asked.
    pub expected_bucket_owner: Option<String>,
    /// The role that the source is read with, where it is not the identity of the keys.
    pub role_arn: Option<String>,
    /// What the role's trust policy asks for, beside who asks.
    pub external_id: Option<String>,
    /// The size above which objects are copied in parts, in bytes; `None` where parts are not
    /// allowed.
    pub parts_above: Option<u64>,
    /// An upload in one stream goes on with another message after this many seconds.
    pub carry_after: u32,
    /// Whether an ETag that looks like an MD5 is one; none said: until GCS refuses the bytes.
    pub etag_md5: Option<bool>,
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
    /// The topics of SNS whose messages this route takes, by their signature alone.
    pub topics: Vec<Topic>,
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

impl Route {
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

    /// Whether this route takes what the topic with this ARN says.
    #[must_use]
    pub fn hears(&self, topic: &str) -> bool {
        self.topics.iter().any(|known| known.arn() == topic)
    }

    /// The destination's name for `key`, if the key is this route's.
    #[must_use]
    pub fn destination_name(&self, key: &str) -> Option<String> {
        let rest = key.strip_prefix(&self.source.prefix)?;
        Some(format!("{}{rest}", self.destination.prefix))
    }

    /// Whether `key` is a folder's marker, as consoles make one, that has no name left behind the route's
    /// prefix.
    #[must_use]
    pub fn is_own_folder(&self, key: &str) -> bool {
        key.ends_with('/')
            && self
                .destination_name(key)
                .is_some_and(|name| name.is_empty())
    }

    /// The key that `name` at the destination would be a copy of, if the name is this route's.
    #[must_use]
    pub fn source_key(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&self.destination.prefix)?;
        Some(format!("{}{rest}", self.source.prefix))
    }
}

impl Route {
    /// Whether `key` of `bucket` takes this route.
    #[must_use]
    pub fn takes(&self, bucket: &str, key: &str) -> bool {
        self.source.bucket == bucket && key.starts_with(&self.source.prefix)
    }
}

impl Routes {
    /// Collects routes.
    ///
    /// # Errors
    /// [`ConfigError`] when there is none, two send the same source to the same destination, or two that
    /// lead into tables get in each other's way.
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
            load::check_beside(route, &routes[..index])?;
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

    /// The route called `name` for what `hint` is of.
    ///
    /// # Errors
    /// [`ErrorKind::RouteMissing`] where there is none of that name, or where it reads from elsewhere now:
    /// another object may be called so there.
    pub fn of(&self, name: &str, hint: &ObjectHint) -> Result<&Arc<Route>, TransferError> {
        let route = self.named(name)?;
        if route.takes(&hint.bucket, &hint.key) {
            return Ok(route);
        }
        let source = &route.source;
        Err(TransferError::new(
            ErrorKind::RouteMissing,
            format!(
                "The route {name:?} reads from s3://{}/{} now, and s3://{}/{} is not there.",
                source.bucket, source.prefix, hint.bucket, hint.key
            ),
            "Add a route for that bucket and replay the message, or drop it.",
        ))
    }

    /// The route called `name`, as a message of a queue has it.
    ///
    /// # Errors
    /// [`ErrorKind::RouteMissing`].
    pub fn named(&self, name: &str) -> Result<&Arc<Route>, TransferError> {
        self.get(name).ok_or_else(|| {
            TransferError::new(
                ErrorKind::RouteMissing,
                format!("There is no route {name:?} any more."),
                "Add the route again and replay the message, or drop it.",
            )
        })
    }

    /// Every route that `key` of `bucket` takes.
    pub fn matching(&self, bucket: &str, key: &str) -> impl Iterator<Item = &Arc<Route>> {
        self.0.iter().filter(move |route| route.takes(bucket, key))
    }

    /// The topic with this ARN, if a route names it.
    #[must_use]
    pub fn topic(&self, arn: &str) -> Option<&Topic> {
        let mut topics = self.0.iter().flat_map(|route| &route.topics);
        topics.find(|topic| topic.arn() == arn)
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
mod tests;
