//! The rows: every kind of request that the worker sends, and what makes it send it.

use reqwest::Method;

/// A store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    S3,
    Gcs,
}

/// What happens at the source, and along which route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    /// A small object.
    Small,
    /// A small object without a checksum that GCS has, which is computed before it is sent.
    Held,
    /// One that is streamed in one request.
    Streamed,
    /// One that goes in a session.
    Session,
    /// The same, over an older one that was copied.
    Overwritten,
    /// One that goes in a session and whose checksum goes with the last piece.
    Computed,
    /// One that is copied in parts.
    Parts,
    /// One whose checksum is put together from those of its parts.
    Composite,
    /// A small object with its tags.
    Tags,
    /// A small object along a route that propagates deletes.
    Created,
    /// The delete of one that was copied.
    Deleted,
}

/// A request that comes before the row's own and has to be let through, or has to fail first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Before {
    /// The row's own request, once: it is the next one that is meant.
    TheSame,
    /// A session's first slice breaks off after 1 MiB.
    BrokenSlice,
    /// The source's bytes are damaged on their way.
    DamagedSource,
}

/// One kind of request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) name: &'static str,
    pub(crate) at: At,
    pub(crate) method: Method,
    /// What its target contains; `{source}`, `{destination}` and `{size}` are the cell's own.
    pub(crate) target: &'static str,
    pub(crate) scene: Scene,
    pub(crate) before: Option<Before>,
    /// Where in its own body (GCS) or its reply's (S3) a fault strikes; `None`: it has none.
    pub(crate) within: Option<u64>,
    /// Whether its reply is JSON or XML, in which a fault can strike.
    pub(crate) tells: bool,
}

const MULTIPART: &str = "/b/{destination}/o?uploadType=multipart";
const STARTS: &str = "/b/{destination}/o?uploadType=resumable";
const PARTS: &str = "/b/{destination}/o/.causeway-parts";
/// Within a body of some MiB.
const MIDST: Option<u64> = Some(600_000);

impl Request {
    fn s3(name: &'static str, method: Method, target: &'static str, scene: Scene) -> Self {
        Self {
            name,
            at: At::S3,
            method,
            target,
            scene,
            before: None,
            within: None,
            tells: false,
        }
    }

    fn gcs(name: &'static str, method: Method, target: &'static str, scene: Scene) -> Self {
        Self {
            at: At::Gcs,
            tells: true,
            ..Self::s3(name, method, target, scene)
        }
    }

    fn after(self, before: Before) -> Self {
        Self {
            before: Some(before),
            ..self
        }
    }

    fn within(self, within: Option<u64>) -> Self {
        Self { within, ..self }
    }

    fn tells(self, tells: bool) -> Self {
        Self { tells, ..self }
    }

    /// All of them.
    pub(crate) fn all() -> Vec<Self> {
        [Self::all_at_s3(), Self::all_at_gcs()].concat()
    }

    fn all_at_s3() -> Vec<Self> {
        let (get, key) = (Method::GET, "/{source}/key");
        vec![
            Self::s3("s3-get-small", get.clone(), key, Scene::Small).within(Some(100)),
            Self::s3("s3-get-held", get.clone(), key, Scene::Held).within(MIDST),
            Self::s3("s3-get-large", get.clone(), key, Scene::Session).within(MIDST),
            Self::s3(
                "s3-get-rest",
                get.clone(),
                "/{source}/key bytes=",
                Scene::Session,
            )
            .after(Before::BrokenSlice)
            .within(MIDST),
            Self::s3(
                "s3-get-part",
                get.clone(),
                "/{source}/key bytes=0-",
                Scene::Parts,
            )
            .within(MIDST),
            Self::s3("s3-head", Method::HEAD, key, Scene::Created),
            Self::s3("s3-head-after-delete", Method::HEAD, key, Scene::Deleted),
            Self::s3(
                "s3-get-attributes",
                get.clone(),
                "/{source}/key?attributes",
                Scene::Composite,
            )
            .within(Some(10))
            .tells(true),
            Self::s3("s3-get-tags", get, "/{source}/key?tagging", Scene::Tags)
                .within(Some(10))
                .tells(true),
        ]
    }

    fn all_at_gcs() -> Vec<Self> {
        let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
        let key = "/b/{destination}/o/key";
        vec![
            Self::gcs("gcs-look", get.clone(), key, Scene::Session)
                // There is nothing to tell of.
                .tells(false),
            Self::gcs("gcs-look-at-older", get.clone(), key, Scene::Overwritten),
            Self::gcs("gcs-upload-small", post.clone(), MULTIPART, Scene::Small).within(Some(100)),
            Self::gcs("gcs-upload-held", post.clone(), MULTIPART, Scene::Held).within(MIDST),
            Self::gcs(
                "gcs-upload-streamed",
                post.clone(),
                MULTIPART,
                Scene::Streamed,
            )
            .within(MIDST),
            Self::gcs("gcs-session-start", post.clone(), STARTS, Scene::Session)
                .within(Some(10))
                .tells(false),
            Self::gcs(
                "gcs-session-slice",
                put.clone(),
                "-{last}/{size}",
                Scene::Session,
            )
            .within(MIDST),
            Self::gcs(
                "gcs-session-first",
                put.clone(),
                " bytes 0-2097151/{size}",
                Scene::Computed,
            )
            .within(MIDST)
            .tells(false),
            Self::gcs(
                "gcs-session-last",
                put.clone(),
                "-{last}/{size}",
                Scene::Computed,
            )
            .within(Some(3)),
            Self::gcs("gcs-session-status", put, " bytes */{size}", Scene::Session)
                .after(Before::BrokenSlice)
                .tells(false),
            Self::gcs(
                "gcs-session-cancel",
                delete.clone(),
                STARTS,
                Scene::Computed,
            )
            .after(Before::DamagedSource)
            .tells(false),
            Self::gcs("gcs-probe-write", post.clone(), MULTIPART, Scene::Parts).within(Some(100)),
            Self::gcs("gcs-probe-look", get.clone(), PARTS, Scene::Parts),
            Self::gcs("gcs-probe-delete", delete.clone(), PARTS, Scene::Parts).tells(false),
            Self::gcs("gcs-part-upload", post.clone(), MULTIPART, Scene::Parts)
                .after(Before::TheSame)
                .within(MIDST),
            Self::gcs(
                "gcs-compose",
                post,
                "/b/{destination}/o/key/compose",
                Scene::Parts,
            )
            .within(Some(10)),
            Self::gcs("gcs-list", get, "/b/{destination}/o?prefix=", Scene::Parts),
            Self::gcs("gcs-part-delete", delete.clone(), PARTS, Scene::Parts)
                .after(Before::TheSame)
                .tells(false),
            Self::gcs("gcs-delete", delete, key, Scene::Deleted).tells(false),
        ]
    }
}
