//! A stand-in for the worker. No test stands here.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::admin_double::{self, Ledger};

/// Answers events as the worker does: one route, for `bucket`, and the token `t0k3n`; and administrators,
/// from its ledger.
pub(crate) struct Worker {
    pub(crate) ledger: Arc<Mutex<Ledger>>,
    address: std::net::SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Worker {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ledger = Arc::new(Mutex::new(Ledger::default()));
        let app = axum::Router::new()
            .route("/events", axum::routing::post(answer))
            .merge(admin_double::router(&ledger));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            ledger,
            address,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub(crate) type Answer = (http::StatusCode, axum::Json<Value>);

/// Problem details, as of RFC 9457.
pub(crate) fn problem(status: http::StatusCode, detail: impl Into<String>) -> Answer {
    let document = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail.into(),
    });
    (status, axum::Json(document))
}

async fn answer(headers: http::HeaderMap, body: axum::Json<Value>) -> Answer {
    use http::StatusCode;
    if headers
        .get("authorization")
        .is_none_or(|value| value != "Bearer t0k3n")
    {
        return problem(StatusCode::UNAUTHORIZED, "wrong token");
    }
    let Some(records) = body["Records"].as_array() else {
        return problem(StatusCode::BAD_REQUEST, "no Records");
    };
    let (mut accepted, mut ignored) = (Vec::new(), Vec::new());
    for record in records {
        let bucket = record["s3"]["bucket"]["name"].as_str().unwrap();
        let key = record["s3"]["object"]["key"]
            .as_str()
            .unwrap()
            .replace('+', " ");
        let key = percent_encoding::percent_decode_str(&key)
            .decode_utf8()
            .unwrap();
        if bucket == "bucket" {
            let id = format!("{bucket}/{key}");
            accepted.push(json!({ "id": id, "bucket": bucket, "key": key, "route": "r" }));
        } else {
            ignored.push(json!({ "bucket": bucket, "key": key, "reason": "no route" }));
        }
    }
    let answer = json!({ "accepted": accepted, "ignored": ignored });
    (StatusCode::ACCEPTED, axum::Json(answer))
}
