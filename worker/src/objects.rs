//! The Durable Objects, as the platform sees them: what each does is `causeway_shared::host`'s.

use causeway_shared::host::{coordinator, ledger, puller, share, tables, walk};
use worker::durable::State;
use worker::{DurableObject, Env, Request, Response, durable_object};

use crate::host::{DurableStorage, Workerd};

/// That of a large object. Its name at the platform is this type's; so for all that follow.
#[durable_object(alarm)]
pub struct PartsCoordinator(coordinator::PartsCoordinator<Workerd, DurableStorage>);

/// That of a route's ledger.
#[durable_object(alarm)]
pub struct RouteLedger(ledger::RouteLedger<Workerd, DurableStorage>);

/// That of a walk.
#[durable_object(alarm)]
pub struct RouteWalk(walk::RouteWalk<Workerd, DurableStorage>);

/// That of a queue that is pulled.
#[durable_object(alarm)]
pub struct QueuePuller(puller::QueuePuller<Workerd, DurableStorage>);

/// That of a table.
#[durable_object(alarm)]
pub struct TableLoader(tables::TableLoader<Workerd, DurableStorage>);

/// That of a share of a batch.
#[durable_object]
pub struct BatchShare(share::BatchShare<Workerd>);

impl DurableObject for PartsCoordinator {
    fn new(state: State, env: Env) -> Self {
        let (platform, storage) = (Workerd::new(&env), DurableStorage(state));
        Self(coordinator::PartsCoordinator::new(platform, storage))
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Response::ok(self.0.answer(&request.text().await?).await?)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.0.alarm().await?;
        Response::empty()
    }
}

impl DurableObject for RouteLedger {
    fn new(state: State, env: Env) -> Self {
        let (platform, storage) = (Workerd::new(&env), DurableStorage(state));
        Self(ledger::RouteLedger::new(platform, storage))
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Response::ok(self.0.answer(&request.text().await?).await?)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.0.alarm().await?;
        Response::empty()
    }
}

impl DurableObject for RouteWalk {
    fn new(state: State, env: Env) -> Self {
        let (platform, storage) = (Workerd::new(&env), DurableStorage(state));
        Self(walk::RouteWalk::new(platform, storage))
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Response::ok(self.0.answer(&request.text().await?).await?)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.0.alarm().await?;
        Response::empty()
    }
}

impl DurableObject for QueuePuller {
    fn new(state: State, env: Env) -> Self {
        let (platform, storage) = (Workerd::new(&env), DurableStorage(state));
        Self(puller::QueuePuller::new(platform, storage))
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Response::ok(self.0.answer(&request.text().await?).await?)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.0.alarm().await?;
        Response::empty()
    }
}

impl DurableObject for TableLoader {
    fn new(state: State, env: Env) -> Self {
        let (platform, storage) = (Workerd::new(&env), DurableStorage(state));
        Self(tables::TableLoader::new(platform, storage))
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Response::ok(self.0.answer(&request.text().await?).await?)
    }

    async fn alarm(&self) -> worker::Result<Response> {
        self.0.alarm().await?;
        Response::empty()
    }
}

impl DurableObject for BatchShare {
    fn new(_state: State, env: Env) -> Self {
        Self(share::BatchShare::new(Workerd::new(&env)))
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        Response::ok(self.0.answer(&request.text().await?).await?)
    }
}
