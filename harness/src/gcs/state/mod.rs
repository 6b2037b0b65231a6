//! The store behind the embedded GCS: buckets, live objects, generations and upload sessions.
//! Knows nothing of HTTP, and keeps one live generation a name: no versioning, no soft delete.

mod body;
mod bucket;
mod change;
mod compose;
mod error;
mod expected;
mod list;
mod object;
mod precondition;
mod session;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::broadcast;

pub use body::{Body, BodyWriter, Chunk, HashedBody};
pub use bucket::{Bucket, BucketSettings, RETENTION_LIMIT};
pub use change::NewObject;
pub use compose::{COMPOSE_LIMIT, Source};
pub use error::Refusal;
pub use expected::Expected;
pub use list::{ListQuery, Listing};
pub use object::{
    CUSTOM_METADATA_LIMIT, NAME_LIMIT, Object, ObjectMetadata, SIZE_LIMIT, validate_bucket_name,
    validate_name,
};
pub use precondition::Preconditions;
pub use session::{Append, Begun, Piece, QUANTUM, Session, Status};

/// How many commits a slow receiver may fall behind before it misses some.
const COMMIT_BACKLOG: usize = 4096;

/// How the store behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// Make a bucket when something is first written to it.
    pub create_buckets: bool,
    /// Hash bodies with CRC32C and drop them; believe a declared MD5.
    pub discard_bodies: bool,
    /// Look at a session's preconditions when it begins, too.
    pub strict_sessions: bool,
    /// The least time between two writes of a name. The service wants a second, and is seldom exact.
    pub write_interval: Option<SignedDuration>,
    /// How many commits a slow receiver may fall behind; 4,096 if not said.
    pub commit_backlog: Option<usize>,
}

/// A write or delete that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The bucket's name.
    pub bucket: String,
    /// The object's name.
    pub name: String,
    /// The generation written or deleted.
    pub generation: u64,
    /// Its size in bytes.
    pub size: u64,
    /// When.
    pub at: Timestamp,
    /// Whether it was deleted rather than written.
    pub deleted: bool,
    /// Generation and size in bytes of what it replaced, if anything.
    pub replaced: Option<(u64, u64)>,
}

/// What a caller can be denied in a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// `storage.objects.create`
    Create,
    /// `storage.objects.get`
    Get,
    /// `storage.objects.list`
    List,
    /// `storage.objects.update`
    Update,
    /// `storage.objects.delete`, which replacing an object needs as well.
    Delete,
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "storage.objects.create",
            Self::Get => "storage.objects.get",
            Self::List => "storage.objects.list",
            Self::Update => "storage.objects.update",
            Self::Delete => "storage.objects.delete",
        })
    }
}

/// The whole store.
pub struct State {
    settings: Settings,
    inner: Mutex<Inner>,
    sessions: Mutex<HashMap<String, Arc<Session>>>,
    commits: broadcast::Sender<Commit>,
}

#[derive(Default)]
struct Inner {
    buckets: BTreeMap<String, Bucket>,
    generation: u64,
    /// What time it is, where that is not the machine's to say.
    now: Option<Timestamp>,
    denied: HashSet<(String, Permission)>,
}

impl State {
    /// An empty store.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            inner: Mutex::default(),
            sessions: Mutex::default(),
            commits: broadcast::Sender::new(settings.commit_backlog.unwrap_or(COMMIT_BACKLOG)),
        }
    }

    /// It is `now` from now on, whatever the machine's clock says.
    pub fn set_time(&self, now: Timestamp) {
        lock(&self.inner).now = Some(now);
    }

    /// Tells of every commit from now on. A receiver that is too many commits behind is told
    /// that it lagged.
    #[must_use]
    pub fn commits(&self) -> broadcast::Receiver<Commit> {
        self.commits.subscribe()
    }

    /// A writer for a body on its way into this store.
    #[must_use]
    pub fn body_writer(&self) -> BodyWriter {
        BodyWriter::new(self.settings.discard_bodies)
    }

    /// Denies `permission` in `bucket` to everybody, until [`Self::allow`].
    pub fn deny(&self, bucket: &str, permission: Permission) {
        lock(&self.inner)
            .denied
            .insert((bucket.to_owned(), permission));
    }

    /// Takes a [`Self::deny`] back.
    pub fn allow(&self, bucket: &str, permission: Permission) {
        lock(&self.inner)
            .denied
            .remove(&(bucket.to_owned(), permission));
    }

    /// Checks a permission.
    ///
    /// # Errors
    ///
    /// [`Refusal::Denied`].
    pub fn require(&self, bucket: &str, permission: Permission) -> Result<(), Refusal> {
        lock(&self.inner).require(bucket, permission)
    }

    /// The live object, if `generation` is it or is not asked for.
    ///
    /// # Errors
    ///
    /// [`Refusal::BucketNotFound`], [`Refusal::ObjectNotFound`], and [`Refusal::Denied`] for the
    /// latter to whoever may not list.
    pub fn object(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<u64>,
    ) -> Result<Arc<Object>, Refusal> {
        lock(&self.inner).object(bucket, name, generation)
    }

    /// Lists a bucket.
    ///
    /// # Errors
    ///
    /// [`Refusal::BucketNotFound`].
    pub fn list(&self, bucket: &str, query: &ListQuery) -> Result<Listing, Refusal> {
        Ok(list::list(
            &lock(&self.inner).bucket(bucket)?.objects,
            query,
        ))
    }

    /// Opens a resumable session under the unguessable `id`, for `total` bytes if known.
    ///
    /// # Errors
    ///
    /// What [`NewObject::validate`] refuses, [`Refusal::Invalid`] for more than 5 TiB, and
    /// [`Refusal::BucketNotFound`]. Preconditions, retention and holds are looked at when the upload
    /// completes, here only with [`Settings::strict_sessions`].
    pub fn open_session(
        &self,
        id: String,
        target: NewObject,
        total: Option<u64>,
    ) -> Result<(), Refusal> {
        target.validate()?;
        total.map_or(Ok(()), object::validate_size)?;
        let mut inner = lock(&self.inner);
        inner.ensure_bucket(&target.bucket, self.settings.create_buckets)?;
        if self.settings.strict_sessions {
            inner.may_put(&target, inner.now())?;
        }
        drop(inner);
        let session = Session::new(target, total, self.settings.discard_bodies);
        lock(&self.sessions).insert(id, Arc::new(session));
        Ok(())
    }

    /// Finds a session, whatever became of it.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionNotFound`].
    pub fn session(&self, id: &str) -> Result<Arc<Session>, Refusal> {
        lock(&self.sessions)
            .get(id)
            .cloned()
            .ok_or(Refusal::SessionNotFound)
    }

    /// Cancels a session and forgets it. An object that came of it stays.
    ///
    /// # Errors
    ///
    /// [`Refusal::SessionNotFound`].
    pub fn cancel_session(&self, id: &str) -> Result<(), Refusal> {
        let session = lock(&self.sessions)
            .remove(id)
            .ok_or(Refusal::SessionNotFound)?;
        session.kill();
        Ok(())
    }

    /// How many sessions into `bucket` await bytes.
    #[must_use]
    pub fn open_sessions(&self, bucket: &str) -> usize {
        let sessions = lock(&self.sessions);
        let ours = sessions
            .values()
            .filter(|session| session.target().bucket == bucket);
        ours.filter(|session| matches!(session.status(), Ok(Status::Incomplete { .. })))
            .count()
    }

    /// Lets every session expire, as a week without a completion would.
    pub fn expire_sessions(&self) {
        for session in lock(&self.sessions).values() {
            session.expire();
        }
    }
}

impl Inner {
    fn require(&self, bucket: &str, permission: Permission) -> Result<(), Refusal> {
        if !self.denied.is_empty() && self.denied.contains(&(bucket.to_owned(), permission)) {
            return Err(Refusal::Denied(permission));
        }
        Ok(())
    }

    fn object(
        &self,
        bucket: &str,
        name: &str,
        generation: Option<u64>,
    ) -> Result<Arc<Object>, Refusal> {
        let found = self.bucket(bucket)?.objects.get(name);
        if let Some(object) =
            found.filter(|object| generation.is_none_or(|wanted| wanted == object.generation))
        {
            return Ok(Arc::clone(object));
        }
        self.require(bucket, Permission::List)?;
        Err(Refusal::ObjectNotFound(format!("{bucket}/{name}")))
    }

    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(Timestamp::now)
    }

    /// A generation larger than every one before.
    fn next_generation(&mut self, now: Timestamp) -> u64 {
        let clock = u64::try_from(now.as_microsecond()).unwrap_or_default();
        self.generation = clock.max(self.generation + 1);
        self.generation
    }
}

/// Locks; a panic elsewhere does not make the data unusable, as every change is made in one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
