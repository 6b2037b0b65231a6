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
