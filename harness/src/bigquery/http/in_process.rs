//! The API without connections: a request whose body is there already is answered at once. Nothing of it
//! waits, and nothing depends on anything but the requests and the time that the warehouse is told.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use super::{answer, routes};
use crate::bigquery::state::{ApiError, JobFault, State};
use crate::gcs::Caller;

/// The API of a warehouse, for everybody.
pub struct Api(Arc<State>);

impl Api {
    /// The API of `state`.
    #[must_use]
    pub fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The warehouse.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.0
    }

    /// Answers a request, whatever its authority and its token; `fault` happens to the job that it asks for.
    pub fn serve(
        &self,
        head: &Request<()>,
        body: &[u8],
        fault: Option<JobFault>,
    ) -> Response<Bytes> {
        let (parts, ()) = head.clone().into_parts();
        answer(
            routes::serve(&self.0, &Caller::anonymous(), &parts, body, fault),
            None,
        )
    }

    #[must_use]
    /// A refusal in the API's own words.
    pub fn refusal(status: u16, reason: &'static str, message: &str) -> Response<Bytes> {
        answer(Err(ApiError::new(status, reason, message)), None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::bigquery::formats::Reading;
    use crate::bigquery::types::{Cell, Schema};
    use crate::bigquery::{BadFile, Files, Found, ReadRow, Refused, Settings};

    /// Objects without bytes: each is one row, with its name.
    struct Names;

    impl Files for Names {
        fn list(&self, _: &str, _: &str) -> Result<Vec<Found>, Refused> {
            Ok(Vec::new())
        }

        fn find(&self, _: &str, name: &str) -> Result<Found, Refused> {
            Ok(Found {
                name: name.to_owned(),
                size: 1,
            })
        }

        fn schema(&self, _: &str, _: &str, _: &Reading) -> Result<Schema, BadFile> {
            Ok(Schema::default())
        }

        fn rows(
            &self,
            _: &str,
            name: &str,
            _: &Reading,
            _: &Schema,
        ) -> Result<Vec<ReadRow>, BadFile> {
            Ok(vec![Ok(vec![Cell::text(name)])])
        }
    }

    #[test]
    fn a_load_is_served_without_sockets_bytes_and_clocks() {
        let state = Arc::new(State::new(Settings::default(), Box::new(Names)));
        let api = Api::new(Arc::clone(&state));
        api.state().set_time(Timestamp::UNIX_EPOCH);
        let serve = |method: &str, path: &str, body: Value| {
            let uri = format!("http://bigquery/bigquery/v2/projects/p/{path}");
            let head = Request::builder().method(method).uri(uri).body(()).unwrap();
            let answer = api.serve(&head, body.to_string().as_bytes(), None);
            let shown = serde_json::from_slice::<Value>(answer.body()).unwrap_or_default();
            (answer.status().as_u16(), shown)
        };
        let dataset = json!({ "datasetReference": { "datasetId": "d" } });
        assert_eq!(serve("POST", "datasets", dataset).0, 200);
        let job = json!({
            "jobReference": { "jobId": "j" },
            "configuration": { "load": {
                "sourceUris": ["gs://bucket/a", "gs://bucket/b"],
                "destinationTable": { "datasetId": "d", "tableId": "t" },
                "schema": { "fields": [{ "name": "name", "type": "STRING" }] },
            } },
        });
        assert_eq!(serve("POST", "jobs", job).1["status"]["state"], "PENDING");
        let due = api.state().next_due().unwrap();
        api.state().set_time(due);
        assert_eq!(
            serve("GET", "jobs/j", Value::Null).1["status"]["state"],
            "RUNNING"
        );
        api.state().set_time(api.state().next_due().unwrap());
        let rows = serve("GET", "datasets/d/tables/t/data", Value::Null).1;
        assert_eq!(
            rows["rows"],
            json!([{ "f": [{ "v": "a" }] }, { "f": [{ "v": "b" }] }])
        );
        assert_eq!(
            serve("DELETE", "datasets/d/tables/t", Value::Null),
            (204, Value::Null)
        );
        assert_eq!(serve("GET", "datasets/d/tables/t", Value::Null).0, 404);
        let refusal = Api::refusal(503, "backendError", "Try again.");
        assert_eq!(refusal.status(), 503);
    }
}
