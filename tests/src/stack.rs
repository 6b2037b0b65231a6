//! The whole of Causeway with a witness: embedded stores and the built worker between them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use causeway_harness::client::AdminClient;
use causeway_harness::stack::{LocalStack, StackOptions};
use serde_json::{Map, Value};
use tokio::sync::OnceCell;

use crate::{Lane, Witness, toolchain};

/// How many tests can take a [`Lane`] of the [`shared`] stack.
pub const SHARED_LANES: usize = 48;

/// The longest wait of a message, in seconds: the worker then gives up within a minute what it would try for hours.
pub const LONGEST_WAIT: u32 = 1;

/// A running stack.
pub struct Stack {
    /// The three servers.
    pub local: LocalStack,
    /// What happened.
    pub witness: Witness,
    /// For requests to the worker.
    pub http: reqwest::Client,
    lanes: usize,
    taken: AtomicUsize,
}

/// The stack that the tests of this binary share.
///
/// # Panics
/// When it cannot be started.
pub async fn shared() -> &'static Stack {
    static SHARED: OnceCell<Stack> = OnceCell::const_new();
    SHARED
        .get_or_init(|| Stack::start(SHARED_LANES, Map::new()))
        .await
}

impl Stack {
    /// Starts a stack with as many lanes, and with `bindings` over those that it makes itself;
    /// `null` takes one away.
    ///
    /// # Panics
    /// When a part of it cannot be started; the message says why.
    pub async fn start(lanes: usize, bindings: Map<String, Value>) -> Self {
        let options = StackOptions {
            bindings,
            ..StackOptions::default()
        };
        Self::start_with(lanes, options).await
    }

    /// Starts a stack with as many lanes, which are its routes, and with `options`.
    ///
    /// # Panics
    /// When a part of it cannot be started; the message says why.
    pub async fn start_with(lanes: usize, mut options: StackOptions) -> Self {
        // Tests ask more often than anybody else; `null` keeps the limiter that wrangler.toml declares.
        for limit in ["API_LIMIT", "EVENTS_LIMIT"] {
            let limit = options.bindings.entry(limit);
            limit.or_insert_with(|| "off".into());
        }
        options.longest_wait.get_or_insert(LONGEST_WAIT);
        let witness = Witness::default();
        let routes: BTreeMap<_, _> = (0..lanes)
            .map(|n| {
                (
                    Lane::route_of(n),
                    (Lane::source_of(n), Lane::destination_of(n)),
                )
            })
            .collect();
        let toolchain = tokio::task::spawn_blocking(toolchain).await;
        let started = LocalStack::start(
            toolchain.expect("the set-up does not panic without a message"),
            StackOptions {
                routes,
                log: witness.log(),
                ..options
            },
        );
        let local = match started.await {
            Ok(local) => local,
            Err(error) => panic!("the stack did not start: {error:#}"),
        };
        witness.watch(local.gcs.commits(), local.dead_letters());
        Self {
            local,
            witness,
            http: reqwest::Client::new(),
            lanes,
            taken: AtomicUsize::new(0),
        }
    }

    /// A lane that nobody has taken.
    ///
    /// # Panics
    /// When all are taken.
    pub fn lane(&self) -> Lane<'_> {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        assert!(number < self.lanes, "all {} lanes are taken", self.lanes);
        Lane::new(self, number)
    }

    /// The lane of that number, for tests that share out a stack's lanes themselves.
    ///
    /// # Panics
    /// When there are not so many.
    #[must_use]
    pub fn lane_number(&self, number: usize) -> Lane<'_> {
        assert!(number < self.lanes, "there are {} lanes", self.lanes);
        Lane::new(self, number)
    }

    /// Where events are sent.
    #[must_use]
    pub fn events_url(&self) -> String {
        format!("{}/events", self.local.runtime.url())
    }

    /// The worker's API, as a client of it sees it.
    ///
    /// # Panics
    /// Never: the stack has an address and a token.
    #[must_use]
    pub fn admin(&self) -> AdminClient {
        let file = self.local.file();
        let client = AdminClient::new(&file.worker_url, &file.admin_token);
        client.expect("the stack has an address and a token")
    }

    /// Sends an event as its authenticated sender and gives the answer's body.
    ///
    /// # Panics
    /// When the worker does not accept it.
    pub async fn send(&self, event: &Value) -> Value {
        let request = self.http.post(self.events_url());
        let request = request
            .bearer_auth(self.local.file().events_token)
            .json(event);
        let answer = request.send().await.expect("the worker answers");
        let status = answer.status();
        let body = answer.text().await.expect("the answer has a body");
        assert_eq!(status, 202, "{body}");
        serde_json::from_str(&body).expect("the answer is JSON")
    }
}
