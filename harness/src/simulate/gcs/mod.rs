//! GCS as a model: one bucket, with generations, preconditions, checksums, composing and resumable
//! sessions. This file is its state; `http` speaks the JSON API, `session` keeps the sessions.
//!
//! It is an independent judge: what a request says is read from the request alone, and preconditions
//! and checksums are looked at in the moment of the commit.

mod http;
mod session;

use std::collections::BTreeMap;
use std::rc::Rc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::body::Body;
pub(super) use http::{Wire, asked, decoded, error, parameter, signature};
use session::Session;

/// The least time between two writes of a name, in milliseconds.
const WRITE_INTERVAL: u64 = 1000;
/// The bucket's name.
pub(super) const BUCKET: &str = "copies";

/// What a writer says of an object.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Said {
    pub(super) name: String,
    pub(super) content_type: Option<String>,
    pub(super) crc32c: Option<String>,
    pub(super) md5_hash: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// An object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) body: Body,
    crc32c: u32,
    is_composite: bool,
    pub(super) content_type: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// An object came to stand under its name.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) object: Rc<Object>,
    pub(super) before: Option<Rc<Object>>,
}

/// Why something is not done: status, reason, words.
#[derive(Debug)]
pub(super) struct Refusal(u16, &'static str, &'static str);

const fn invalid(words: &'static str) -> Refusal {
    Refusal(400, "invalid", words)
}

const NOT_MET: Refusal = Refusal(
    412,
    "conditionNotMet",
    "At least one of the pre-conditions you specified did not hold.",
);
const NO_OBJECT: Refusal = Refusal(404, "notFound", "No such object.");
const TOO_OFTEN: Refusal = Refusal(
    429,
    "rateLimitExceeded",
    "The object exceeded the rate limit for object mutation operations (create, update, and delete).",
);
const NO_DELETE: Refusal = Refusal(
    403,
    "forbidden",
    "The account does not have storage.objects.delete access to the object.",
);

#[derive(Debug, Default)]
pub(super) struct Gcs {
    pub(super) objects: BTreeMap<String, Rc<Object>>,
    pub(super) sessions: BTreeMap<u64, Session>,
    pub(super) commits: Vec<Commit>,
    pub(super) deleted: Vec<Rc<Object>>,
    /// What is deleted without its generation is kept, and charged for.
    is_versioned: bool,
    /// The names of what was kept so.
    pub(super) noncurrent: Vec<String>,
    /// Bytes of what was deleted or replaced: the bucket keeps them for a week, and charges for them.
    pub(super) soft_deleted: u64,
    /// When each name was written last.
    written: BTreeMap<String, u64>,
    pub(super) now: u64,
    /// Requests that this model does not know.
    pub(super) unknown: Vec<String>,
    revoked: Vec<String>,
    tokens: BTreeMap<String, (u64, u64)>,
    generation: u64,
    /// Whether objects may be deleted, and so replaced.
    pub(super) lets_delete: bool,
    /// Whether a session's precondition is looked at when it begins, too.
    pub(super) is_strict_at_start: bool,
}

impl Gcs {
    pub(super) fn new(lets_delete: bool, is_strict_at_start: bool, is_versioned: bool) -> Self {
        Self {
            generation: 1_000,
            lets_delete,
            is_strict_at_start,
            is_versioned,
            ..Self::default()
        }
    }

    /// An object that somebody else writes.
    pub(super) fn write_foreign(&mut self, name: &str, body: Body) {
        let said = Said {
            name: name.to_owned(),
            ..Said::default()
        };
        // Whether it was written does not matter to anybody.
        let _ = self.commit(&said, body, None, false);
        self.commits.pop();
    }

    fn check(&self, name: &str, if_generation: Option<u64>) -> Result<(), Refusal> {
        let found = self.objects.get(name).map_or(0, |object| object.generation);
        if if_generation.is_some_and(|wanted| wanted != found) {
            return Err(NOT_MET);
        }
        if found != 0 && !self.lets_delete {
            return Err(NO_DELETE);
        }
        Ok(())
    }

    /// Writes an object, if its precondition holds and its bytes are those that `said` names.
    fn commit(
        &mut self,
        said: &Said,
        body: Body,
        if_generation: Option<u64>,
        is_composite: bool,
    ) -> Result<Rc<Object>, Refusal> {
        self.check(&said.name, if_generation)?;
        let last = self.written.get(&said.name);
        if last.is_some_and(|last| self.now < last + WRITE_INTERVAL) {
            return Err(TOO_OFTEN);
        }
        let crc32c = body.crc32c();
        // The service promises nothing of the checksums in a request to compose.
        if !is_composite {
            let is = |said: &Option<String>, found: &[u8]| {
                let said = said.as_ref().map(|said| BASE64_STANDARD.decode(said));
                said.is_none_or(|said| said.is_ok_and(|said| said == found))
            };
            if !is(&said.crc32c, &crc32c.to_be_bytes()) {
                return Err(invalid("Provided CRC32C doesn't match calculated CRC32C."));
            }
            if !is(&said.md5_hash, &body.md5()) {
                return Err(invalid(
                    "Provided MD5 hash doesn't match calculated MD5 hash.",
                ));
            }
        }
        self.generation += 1;
        self.written.insert(said.name.clone(), self.now);
        let object = Rc::new(Object {
            name: said.name.clone(),
            generation: self.generation,
            body,
            crc32c,
            is_composite,
            content_type: said.content_type.clone(),
            metadata: said.metadata.clone(),
        });
        let before = self.objects.insert(said.name.clone(), Rc::clone(&object));
        self.soft_deleted += before.as_ref().map_or(0, |before| before.body.length());
        self.commits.push(Commit {
            object: Rc::clone(&object),
            before,
        });
        Ok(object)
    }

    fn delete(
        &mut self,
        name: &str,
        generation: Option<u64>,
        if_generation: Option<u64>,
    ) -> Result<(), Refusal> {
        let found = self.objects.get(name).ok_or(NO_OBJECT)?;
        if generation.is_some_and(|wanted| wanted != found.generation) {
            return Err(NO_OBJECT);
        }
        self.check(name, if_generation)?;
        self.soft_deleted += found.body.length();
        if self.is_versioned && generation.is_none() {
            self.noncurrent.push(name.to_owned());
        }
        self.deleted.extend(self.objects.remove(name));
        Ok(())
    }

    fn compose(
        &mut self,
        said: &Said,
        sources: &[http::ComposeSource],
        if_generation: Option<u64>,
    ) -> Result<Rc<Object>, Refusal> {
        if !(1..=32).contains(&sources.len()) {
            return Err(invalid("The number of source components must be 1 to 32."));
        }
        let mut body = Body::default();
        for source in sources {
            let found = self.objects.get(&source.name).ok_or(NO_OBJECT)?;
            if source
                .generation
                .is_some_and(|wanted| wanted != found.generation)
            {
                return Err(NO_OBJECT);
            }
            body.append(&found.body);
        }
        self.commit(said, body, if_generation, true)
    }

    /// No longer takes the token that `authorization` shows.
    pub(super) fn revoke(&mut self, authorization: &str) {
        self.revoked.push(authorization.to_owned());
    }
}

/// The name in its bucket of what is called `name` among all.
pub(super) fn in_any_bucket(name: &str) -> &str {
    name.split_once("//").map_or(name, |(_, name)| name)
}

/// A resource as a reply shows it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    name: &'a str,
    generation: String,
    size: String,
    crc32c: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_hash: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    metadata: &'a BTreeMap<String, String>,
}

impl Object {
    fn shown(&self) -> Shown<'_> {
        Shown {
            name: in_any_bucket(&self.name),
            generation: self.generation.to_string(),
            size: self.body.length().to_string(),
            crc32c: BASE64_STANDARD.encode(self.crc32c.to_be_bytes()),
            md5_hash: (!self.is_composite).then(|| BASE64_STANDARD.encode(self.body.md5())),
            content_type: self.content_type.as_deref(),
            metadata: &self.metadata,
        }
    }
}
