//! What a landing place holds: the files that a table, or a partition of it, is replaced with.

use sha2::{Digest as _, Sha256};

use super::job::digest;
use super::reason::too_many_files;
use crate::access::Access;
use crate::bigquery::URIS_LIMIT;
use crate::client::Client;
use crate::composite::is_part;
use crate::error::TransferError;
use crate::gcs::{Generation, Provenance};
use crate::port::Port;

/// The copies that stand under a prefix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Their names and generations, in the order of the names.
    pub files: Vec<(String, Generation)>,
}

impl Mirror {
    /// A word for what it holds: another if any name or generation is.
    #[must_use]
    pub fn content(&self) -> String {
        let mut hash = Sha256::new();
        for (name, generation) in &self.files {
            hash.update(name);
            hash.update("\n");
            hash.update(generation.0.to_string());
            hash.update("\n");
        }
        digest(hash)
    }
}

/// Lists the copies in `bucket` whose names begin with `prefix`. What Causeway did not write there is left out, and so
/// are folders.
///
/// # Errors
/// What trying again did not help against, and more than [`URIS_LIMIT`] of them.
pub async fn mirror<P: Port>(
    port: &mut P,
    access: &Access,
    bucket: &str,
    prefix: &str,
    seed: u128,
) -> Result<Mirror, TransferError> {
    let mut client = Client { port, access, seed };
    let (mut mirror, mut next) = (Mirror::default(), None);
    loop {
        let objects = client.page(bucket, prefix, &mut next).await?;
        let ours = objects.into_iter().filter(|object| {
            Provenance::read(&object.metadata).is_some()
                && !is_part(object)
                && !object.name.ends_with('/')
        });
        let files = ours.map(|object| (object.name.clone(), object.generation()));
        mirror.files.extend(files);
        if mirror.files.len() > URIS_LIMIT {
            return Err(too_many_files(bucket, prefix));
        }
        if next.is_none() {
            return Ok(mirror);
        }
    }
}
