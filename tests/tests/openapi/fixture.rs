//! A worker that is asked for what its document has. No test stands here.

use causeway_harness::stack::StackOptions;
use causeway_tests::{Answer, Contract, Stack};
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

/// A worker, and the document that it serves.
pub(crate) struct Served {
    pub(crate) stack: Stack,
    pub(crate) contract: Contract,
}

/// Variables over those of a stack.
pub(crate) fn bindings(bindings: &Value) -> Map<String, Value> {
    bindings.as_object().cloned().unwrap_or_default()
}

impl Served {
    /// A stack of so many lanes to which S3 tells nothing.
    pub(crate) async fn start(lanes: usize, more: &Value) -> Self {
        let options = StackOptions {
            bindings: bindings(more),
            silent: true,
            ..StackOptions::default()
        };
        let stack = Stack::start_with(lanes, options).await;
        let contract = Contract::of(&stack).await;
        Self { stack, contract }
    }

    /// A request for `path` without a token.
    pub(crate) fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.stack.local.runtime.url());
        self.stack.http.request(method.clone(), url)
    }

    /// The same with the token that the path asks for.
    pub(crate) fn allowed(&self, method: &Method, path: &str) -> RequestBuilder {
        let file = self.stack.local.file();
        let token = if matches!(path.split('?').next(), Some("/events" | "/oauth/token")) {
            file.events_token
        } else {
            file.admin_token
        };
        self.request(method, path).bearer_auth(token)
    }

    /// Sends `request` and holds the answer against the document.
    pub(crate) async fn held(&self, request: RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let answered = self.answered(&self.stack.http, request).await;
        answered.unwrap()
    }

    /// The same with a body that is longer than the worker reads. It answers and closes the connection,
    /// which may break it before the answer was read: then it is asked again. Each time over a connection
    /// of its own.
    pub(crate) async fn held_too_long(&self, request: RequestBuilder) -> Answer {
        for _ in 0..20 {
            let request = request.try_clone().unwrap().build().unwrap();
            let alone = reqwest::Client::new();
            if let Ok(answer) = self.answered(&alone, request).await {
                return answer;
            }
        }
        panic!("twenty connections broke");
    }

    async fn answered(
        &self,
        client: &reqwest::Client,
        request: reqwest::Request,
    ) -> reqwest::Result<Answer> {
        let method = request.method().clone();
        let url = request.url();
        let query = url
            .query()
            .map_or_else(String::new, |query| format!("?{query}"));
        let path = format!("{}{query}", url.path());
        let answer = Answer::read(client.execute(request).await?).await;
        self.contract.hold(&method, &path, &answer);
        Ok(answer)
    }

    /// Asks for `path` as an administrator, with `body` if it is not null; the answer must have `status`.
    pub(crate) async fn ask(&self, method: Method, path: &str, body: &Value, status: u16) -> Value {
        let mut request = self.allowed(&method, path);
        if !body.is_null() {
            request = request.json(body);
        }
        let answer = self.held(request).await;
        assert_eq!(
            answer.status, status,
            "{method} {path} {body}: {}",
            answer.body
        );
        answer.json()
    }

    /// As [`Self::ask`], until `look` likes the answer: a ledger is written a moment after a commit.
    pub(crate) async fn until(&self, path: &str, look: impl Fn(&Answer) -> bool) -> Value {
        for _ in 0..1200 {
            let answer = self.held(self.allowed(&Method::GET, path)).await;
            if look(&answer) {
                return answer.json();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("waited in vain for {path}");
    }
}

/// `path` with the route, and with a key of it.
pub(crate) fn filled(path: &str, route: &str) -> String {
    let path = path.replace("{route}", route);
    path.replace("{id}", "source-00%2Fa%20key")
}

/// A body that `method` `path` takes.
pub(crate) fn body(path: &str) -> Value {
    match path.rsplit('/').next().unwrap() {
        "events" if path.starts_with("/v1") => json!({"keys": ["a key"]}),
        "events" => json!({"Records": []}),
        "replay" | "drop" => json!({"all": true}),
        _ => json!({"dry_run": true}),
    }
}
