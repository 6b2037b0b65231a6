//! What a landing place holds: the files that a table, or a partition of it, is replaced with.

use sha2::{Digest as _, Sha256};

use super::FILES_AT_MOST;
use super::job::hex;
use super::reason::too_many_files;
use crate::access::Access;
use crate::client::Client;
use crate::composite::is_part;
use crate::error::TransferError;
use crate::gcs::{Generation, ListQuery, Page, Provenance, goes_in_circles};
use crate::port::Port;

/// Objects a page.
const PAGE: u32 = 500;

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
        hex(&hash.finalize()[..16])
    }
}

/// Lists the copies in `bucket` whose names begin with `prefix`. What Causeway did not write there is left out, and so
/// are folders.
///
/// # Errors
/// What trying again did not help against, and more than [`FILES_AT_MOST`] of them.
pub async fn mirror<P: Port>(
    port: &mut P,
    access: &Access,
    bucket: &str,
    prefix: &str,
    seed: u128,
) -> Result<Mirror, TransferError> {
    let mut client = Client { port, access, seed };
    let folder = access.gcs.address(bucket, prefix);
    let (mut mirror, mut next) = (Mirror::default(), None::<String>);
    loop {
        let list = folder.list(ListQuery {
            from: None,
            page: next.as_deref(),
            limit: PAGE,
        })?;
        let page = Page::read(&client.send(&list, bucket).await?.reply, bucket)?;
        let ours = page.objects.into_iter().filter(|object| {
            Provenance::read(&object.metadata).is_some()
                && !is_part(object)
                && !object.name.ends_with('/')
        });
        let files = ours.map(|object| (object.name.clone(), object.generation()));
        mirror.files.extend(files);
        if mirror.files.len() > FILES_AT_MOST {
            return Err(too_many_files(bucket, prefix));
        }
        if page.next.is_none() {
            return Ok(mirror);
        }
        if page.next == next {
            return Err(goes_in_circles(bucket));
        }
        next = page.next;
    }
}
