//! What load jobs read: files by name, and the rows in them. The embedded GCS is one such place; a
//! simulation has its own, whose objects have no bytes.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::formats::{self, Reading};
use super::types::{Row, Schema};
use crate::gcs;

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its name in the bucket.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a bucket does not give what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// There is no such bucket or object.
    NotFound,
    /// The permission that is missing.
    Denied(String),
}

/// A row of a file, or what is wrong with it and where it is.
pub type ReadRow = Result<Row, String>;

/// Why nothing of a file can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFile(pub String);

/// Where files are. A name means whatever has it at the moment of the call.
pub trait Files: Send + Sync {
    /// The files of a bucket whose names start with `prefix`, by name.
    ///
    /// # Errors
    /// [`Refused`].
    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Found>, Refused>;

    /// The file of that name.
    ///
    /// # Errors
    /// [`Refused`].
    fn find(&self, bucket: &str, name: &str) -> Result<Found, Refused>;

    /// The schema that the file has by itself, or that is guessed from its first rows.
    ///
    /// # Errors
    /// [`BadFile`].
    fn schema(&self, bucket: &str, name: &str, how: &Reading) -> Result<Schema, BadFile>;

    /// The rows of the file, as rows of `schema`.
    ///
    /// # Errors
    /// [`BadFile`].
    fn rows(
        &self,
        bucket: &str,
        name: &str,
        how: &Reading,
        schema: &Schema,
    ) -> Result<Vec<ReadRow>, BadFile>;
}

/// The objects of an embedded GCS.
pub struct GcsFiles(pub Arc<gcs::State>);

impl GcsFiles {
    fn require(&self, bucket: &str, permission: gcs::Permission) -> Result<(), Refused> {
        let denied = self.0.require(bucket, permission);
        denied.map_err(|_| Refused::Denied(permission.to_string()))
    }

    fn bytes(&self, bucket: &str, name: &str) -> Result<Bytes, BadFile> {
        let gone =
            |error: &dyn std::fmt::Display| BadFile(format!("Failed to read the file: {error}"));
        let object = self
            .0
            .object(bucket, name, None)
            .map_err(|error| gone(&error))?;
        let body = &object.content.body;
        let mut all = BytesMut::new();
        loop {
            let piece = body
                .read_at(all.len() as u64, 1 << 20)
                .map_err(|error| gone(&error))?;
            if piece.is_empty() {
                return Ok(all.freeze());
            }
            all.extend_from_slice(&piece);
        }
    }
}

impl Files for GcsFiles {
    fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<Found>, Refused> {
        self.require(bucket, gcs::Permission::List)?;
        let query = gcs::state::ListQuery {
            prefix: prefix.to_owned(),
            limit: usize::MAX,
            ..gcs::state::ListQuery::default()
        };
        let listing = self.0.list(bucket, &query).map_err(|_| Refused::NotFound)?;
        let found = listing.items.iter().map(|object| Found {
            name: object.name.clone(),
            size: object.size(),
        });
        Ok(found.collect())
    }

    fn find(&self, bucket: &str, name: &str) -> Result<Found, Refused> {
        self.require(bucket, gcs::Permission::Get)?;
        let object = self
            .0
            .object(bucket, name, None)
            .map_err(|refusal| match refusal {
                gcs::state::Refusal::Denied(permission) => Refused::Denied(permission.to_string()),
                _ => Refused::NotFound,
            })?;
        Ok(Found {
            name: name.to_owned(),
            size: object.size(),
        })
    }

    fn schema(&self, bucket: &str, name: &str, how: &Reading) -> Result<Schema, BadFile> {
        formats::schema(&self.bytes(bucket, name)?, how)
    }

    fn rows(
        &self,
        bucket: &str,
        name: &str,
        how: &Reading,
        schema: &Schema,
    ) -> Result<Vec<ReadRow>, BadFile> {
        formats::rows(&self.bytes(bucket, name)?, how, schema)
    }
}
