//! Load jobs into BigQuery tables: requests to its REST API, and what its replies say.
//!
//! Nothing is sent here, and no request carries its credential yet: [`crate::access`] adds it. Follows
//! [BigQuery API v2](https://cloud.google.com/bigquery/docs/reference/rest/v2), its
//! [error messages](https://cloud.google.com/bigquery/docs/error-messages) and
//! [quotas](https://cloud.google.com/bigquery/quotas#load_jobs). Not here: queries, streaming inserts, and
//! when a job is due (the loader decides that).

mod format;
mod id;
mod job;
mod options;
mod partition;
mod refusal;
mod rows;
mod state;
mod table;
// Judged by proptest, which is native.
#[cfg(all(test, not(target_family = "wasm")))]
mod tests;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

pub use format::Format;
pub use id::{JobId, TableId};
pub use job::{LoadJob, URIS_LIMIT, Write, source_uri};
pub use options::LoadOptions;
pub(crate) use options::names as option_names;
pub use partition::{Partition, PartitionTemplate};
pub use refusal::{Asked, Refused, Remedy, refusal};
pub use rows::RowError;
pub use state::{JobFailure, JobState, Loaded};
pub use table::{Partitioning, TableInfo};

use crate::error::{ErrorKind, TransferError};

/// What a token needs to load into tables, beside Cloud Storage's own scope: the job reads the files with
/// the same identity ([Scopes](https://developers.google.com/identity/protocols/oauth2/scopes#bigquery)).
pub const SCOPE: &str = "https://www.googleapis.com/auth/bigquery";

/// Google's own endpoint.
pub const ENDPOINT: &str = "https://bigquery.googleapis.com";

/// Everything but the unreserved characters of
/// [RFC 3986, section 2.3](https://www.rfc-editor.org/rfc/rfc3986#section-2.3) is encoded in names.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

fn request(method: Method, url: &str, body: Bytes) -> Result<Request<Bytes>, TransferError> {
    let uri: Uri = url.parse().map_err(|_| {
        TransferError::new(
            ErrorKind::ConfigurationInvalid,
            format!("{url:?} is no URL."),
            "Check the route's destination and location, and BIGQUERY_EMULATOR_HOST.",
        )
    })?;
    let has_body = !body.is_empty();
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    if has_body {
        let json = HeaderValue::from_static("application/json; charset=UTF-8");
        request.headers_mut().insert(CONTENT_TYPE, json);
    }
    Ok(request)
}
