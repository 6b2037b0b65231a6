//! A Durable Object of ours, as whoever tells it something sees it: a report goes in as JSON, an
//! answer comes out as JSON. No request from outside reaches one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::Env;

use crate::platform::{Stub, from_json, to_json};

/// A class of Durable Objects, and the binding that wrangler.toml gives it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Class {
    pub(crate) binding: &'static str,
    pub(crate) class: &'static str,
}

/// One object.
pub(crate) struct Handle(Stub);

impl Class {
    /// The object called `name`.
    ///
    /// # Errors
    /// What is missing in wrangler.toml, if there is no such class.
    pub(crate) fn named(self, env: &Env, name: &str) -> Result<Handle, String> {
        let Self { binding, class } = self;
        let stub = Stub::named(env, binding, name);
        stub.map(Handle).map_err(|error| {
            format!("{binding} is not bound to the class {class} ({error}). Add its [[durable_objects.bindings]] and [[migrations]] to wrangler.toml.")
        })
    }
}

impl Handle {
    /// Tells it `report`; gives its answer.
    ///
    /// # Errors
    /// The platform's words, or the object's.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        report: &impl Serialize,
    ) -> Result<T, String> {
        let answer = self.tell(report).await?;
        from_json(&answer).map_err(|error| error.to_string())
    }

    /// The same, with the answer as it is.
    ///
    /// # Errors
    /// The platform's words, or the object's.
    pub(crate) async fn tell(&self, report: &impl Serialize) -> Result<String, String> {
        self.0.post(&to_json(report)).await
    }
}
