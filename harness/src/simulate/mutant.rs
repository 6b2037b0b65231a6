//! What the code would do if it were wrong: each breaks what the port, the stores' requests or the
//! runtime's glue do in the way in which a mistake in the product would. The simulation is worth
//! something only as long as it finds each of them.

use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::Bytes;
use causeway_shared::port::Sink;
use http::{Method, Request, Response, StatusCode, Uri};
use serde_json::Value;

use super::port::Open;
use super::world::World;
use crate::gcs::Api;

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutant {
    /// Writes say nothing of what they replace.
    NoPrecondition,
    /// A message is acknowledged before its object is committed.
    AcknowledgedBefore,
    /// A body that ends early is sent as if it were whole.
    ShortBodySucceeds,
    /// What stands at the destination is remembered and not asked.
    StaleGeneration,
    /// A piece of whatever stands at the source now is taken for one of what stood there.
    AnyVersionWillDo,
    /// Uploads name no checksum.
    NoChecksum,
    /// The source is read before the destination is looked at.
    SourceBeforeDestination,
    /// After something was made of nothing, or nothing of it, the source is not asked once more.
    NothingIsAVersion,
    /// Parts are not deleted.
    NothingSwept,
    /// What a dead consumer held does not come again.
    NoRedelivery,
    /// A hint is acknowledged though nobody took over what follows from it.
    NobodyTakesOver,
    /// What a share that gives no answer was given is acknowledged.
    ShareForgotten,
    /// A session is not handed on.
    SessionForgotten,
    /// One transfer answers for all keys of a batch.
    FoldsAcrossKeys,
    /// What the coordinator stores is lost.
    StorageLost,
    /// The coordinator's alarm is not set.
    AlarmForgotten,
    /// Parts are composed in another order.
    PartsReversed,
    /// Parts of an earlier run are taken for those of this one.
    CopiesOfAnyRun,
    /// What is given up is kept nowhere.
    DeadLetterLost,
    /// The sender is answered before the queue has the hint.
    AnsweredBefore,
    /// A page of a reconcile counts as walked before the queue has its hints.
    WalkedBefore,
    /// What is to come again is not given back to the queue.
    RetryForgotten,
    /// The brake lets everything through.
    BrakeNotAsked,
    /// As many large objects are copied at once as there are.
    RunsUnlimited,
    /// What the ledger counts is lost.
    LedgerLost,
    /// An entry of the quarantine is.
    EntryLost,
    /// An isolate keeps the configuration that it saw first.
    RoutesRemembered,
    /// What is replayed goes nowhere.
    ReplayLost,
    /// Whatever is replayed is released.
    ReplayReleases,
    /// How far a walk is, is.
    WalkLost,
    /// A store that asks for patience is taken for one that refuses for good.
    PatienceIsRefusal,
    /// An invocation has the CPU time that the platform gives where nothing is said.
    LittleCpu,
    /// An invocation may make as few requests as on the platform's free plan.
    FewRequests,
    /// Queues keep messages for an hour.
    ShortRetention,
    /// What waits for the configuration comes again every minute, as the same message.
    WaitsInPlace,
    /// Deliveries in which nothing was begun count.
    WaitingCounts,
    /// What a newer version wrote is not read.
    NothingNewer,
    /// Nobody sees some entries of the quarantine.
    EntryHidden,
    /// A session is carried on wherever it leads.
    PlaceNotCompared,
    /// Parts are deleted as objects of somebody's are, and kept as versions.
    PartsKept,
    /// Each insertion of a load job has an id of its own.
    JobIdRandom,
    /// A table's loader is told after the hint is acknowledged.
    ToldAfter,
    /// A table appends what has the name, and not the copy that was made of one version.
    CopyNotLoaded,
    /// A table is replaced with what its landing place held when it was listed first.
    MirrorRemembered,
    /// One partition replaces the whole table.
    DecoratorForgotten,
}

/// What a port remembers that should not.
#[derive(Default)]
pub(super) struct Memory {
    sources: BTreeMap<String, (Response<Bytes>, Open)>,
    /// What a HEAD would have said when the source was read last.
    head: Option<Response<Bytes>>,
}

impl Memory {
    pub(super) fn keep_source(&mut self, uri: &Uri, head: &Response<Bytes>, open: &Open) {
        let kept = (head.clone(), open.clone());
        self.sources.entry(uri.to_string()).or_insert(kept);
    }

    pub(super) fn saw(&mut self, reply: &Response<Bytes>) {
        let mut head = Response::new(Bytes::new());
        match reply.headers().get("etag") {
            Some(etag) => drop(head.headers_mut().insert("etag", etag.clone())),
            None => *head.status_mut() = StatusCode::NOT_FOUND,
        }
        self.head = Some(head);
    }

    /// What a HEAD would say if the source had not changed since it was read.
    pub(super) fn unchanged(
        &self,
        world: &World,
        request: &Request<Bytes>,
    ) -> Option<Response<Bytes>> {
        let is_asked = world.is(Mutant::NothingIsAVersion) && request.method() == Method::HEAD;
        self.head.clone().filter(|_| is_asked)
    }

    /// The whole object as it was read first.
    pub(super) fn source_read_before(
        &self,
        request: &Request<Bytes>,
    ) -> Option<(Response<Bytes>, Open)> {
        let is_whole = !request.headers().contains_key("range");
        self.sources
            .get(&request.uri().to_string())
            .filter(|_| is_whole)
            .cloned()
    }

    /// A listing of parts without any, as a sweep that finds nothing has it.
    pub(super) fn emptied(world: &World, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let query = request.uri().query().unwrap_or_default();
        let is_sweep = request.method() == Method::GET && query.contains(".causeway-parts");
        let is_asked = world.is(Mutant::NothingSwept) && is_sweep;
        is_asked.then(|| Response::new(Bytes::from_static(b"{\"kind\":\"storage#objects\"}")))
    }

    /// The destination's resource as it was when somebody looked last.
    pub(super) fn replayed(world: &World, request: &Request<Bytes>) -> Option<Response<Bytes>> {
        let is_stale = world.is(Mutant::StaleGeneration) || world.is(Mutant::MirrorRemembered);
        if !is_stale || request.method() != Method::GET {
            return None;
        }
        let looks = world.looks.borrow();
        looks.get(&request.uri().to_string()).cloned()
    }

    pub(super) fn note(world: &World, uri: &Uri, reply: &Response<Bytes>) {
        let is_listing = uri.path().ends_with("/o");
        let is_kept = match world.mutant {
            Some(Mutant::StaleGeneration) => uri.path().starts_with("/storage/") && !is_listing,
            // A reconcile begins behind a name.
            Some(Mutant::MirrorRemembered) => {
                let query = uri.query().unwrap_or_default();
                let is_other = ["startOffset", ".causeway-parts"]
                    .iter()
                    .any(|word| query.contains(word));
                is_listing && query.contains("prefix=") && !is_other
            }
            _ => false,
        };
        if is_kept && reply.status() == 200 {
            world
                .looks
                .borrow_mut()
                .insert(uri.to_string(), reply.clone());
        }
    }
}

/// Breaks a request to BigQuery.
fn spoil_job(world: &World, request: &mut Request<Bytes>) {
    let uri = request.uri().to_string();
    let mut warehouse = world.warehouse.borrow_mut();
    let Some(warehouse) = warehouse.as_mut().filter(|_| uri.contains("/jobs")) else {
        return;
    };
    if request.method() != Method::POST {
        let renamed = warehouse.renamed.iter();
        let renamed = renamed.fold(uri, |uri, (known, name)| uri.replace(known, name));
        *request.uri_mut() = renamed.parse().unwrap_or_default();
        return;
    }
    let mut job: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let (id, load) = match &mut job {
        Value::Object(job) => (
            job["jobReference"]["jobId"].take(),
            &mut job["configuration"]["load"],
        ),
        _ => return,
    };
    let known = id.as_str().unwrap_or_default().to_owned();
    let mut name = known.clone();
    match world.mutant {
        Some(Mutant::JobIdRandom) => {
            name = format!("{:032x}", world.random());
            warehouse.renamed.insert(known, name.clone());
        }
        Some(Mutant::CopyNotLoaded) => {
            for uri in load["sourceUris"].as_array_mut().into_iter().flatten() {
                let copy = uri.as_str().unwrap_or_default();
                let original = warehouse.original(&world.gcs.borrow(), copy);
                *uri = original.map_or_else(|| uri.take(), Value::from);
            }
        }
        Some(Mutant::DecoratorForgotten) => {
            let table = &mut load["destinationTable"]["tableId"];
            let whole = table.as_str().and_then(|name| name.split('$').next());
            *table = whole.unwrap_or_default().into();
        }
        _ => return,
    }
    job["jobReference"]["jobId"] = name.into();
    *request.body_mut() = job.to_string().into();
}

/// Breaks a request without an object's bytes.
pub(super) fn spoil_request(world: &Rc<World>, request: &mut Request<Bytes>) {
    if world.mutant.is_some() {
        spoil_job(world, request);
    }
    if world.is(Mutant::PartsReversed) && request.uri().path().ends_with("/compose") {
        let mut order: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        if let Some(sources) = order["sourceObjects"].as_array_mut() {
            sources.reverse();
        }
        *request.body_mut() = order.to_string().into();
    }
    if world.is(Mutant::NoPrecondition) && request.method() == Method::POST {
        *request.uri_mut() = without_precondition(request.uri());
    }
    if world.is(Mutant::PartsKept) && request.method() == Method::DELETE {
        let uri = request.uri().to_string();
        let kept = uri.replace("?generation=", "?ifGenerationMatch=").parse();
        *request.uri_mut() = kept.unwrap_or_default();
    }
    let is_start = request
        .uri()
        .query()
        .is_some_and(|query| query.contains("uploadType=resumable"));
    if world.is(Mutant::NoChecksum) && is_start && request.method() == Method::POST {
        let body = without_checksums(std::str::from_utf8(request.body()).unwrap_or_default());
        *request.body_mut() = body.into();
    }
}

/// Breaks what is made of a reply.
pub(super) fn spoil_reply(world: &World, reply: &mut Response<Bytes>) {
    if world.is(Mutant::PatienceIsRefusal) && reply.status() == StatusCode::TOO_MANY_REQUESTS {
        *reply = Api::refusal(400, "invalid", "No.");
    }
}

/// Breaks a request with an object's bytes.
pub(super) fn spoil_sink(world: &Rc<World>, sink: &mut Sink) {
    if world.is(Mutant::NoPrecondition) && sink.request.method() == Method::POST {
        *sink.request.uri_mut() = without_precondition(sink.request.uri());
    }
    if world.is(Mutant::NoChecksum) {
        sink.request.headers_mut().remove("x-goog-hash");
        let text = std::str::from_utf8(&sink.prefix)
            .unwrap_or_default()
            .to_owned();
        if let Some(resource) = text.split("\r\n").find(|line| line.starts_with('{')) {
            sink.prefix = text.replace(resource, &without_checksums(resource)).into();
        }
    }
}

/// The address of the current version.
pub(super) fn without_version(uri: &Uri) -> Uri {
    let text = uri.to_string();
    let current = text.split_once("?versionId=").map(|(path, _)| path);
    current
        .and_then(|path| path.parse().ok())
        .unwrap_or_else(|| uri.clone())
}

fn without_precondition(uri: &Uri) -> Uri {
    let text = uri.to_string();
    let (path, query) = text.split_once('?').unwrap_or((&text, ""));
    let pairs = query.split('&');
    let kept: Vec<_> = pairs
        .filter(|pair| !pair.starts_with("ifGeneration"))
        .collect();
    let text = format!("{path}?{}", kept.join("&"));
    text.parse().unwrap_or_else(|_| uri.clone())
}

fn without_checksums(resource: &str) -> String {
    let mut value: Value = serde_json::from_str(resource).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("crc32c");
        fields.remove("md5Hash");
    }
    value.to_string()
}
