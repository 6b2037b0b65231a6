//! A stand-in for the worker. No test stands here.

use serde_json::{Value, json};

/// Answers events as the worker does: one route, for `bucket`, and the token `t0k3n`.
pub(crate) struct Worker {
    address: std::net::SocketAddr,
    server: tokio::task::JoinHandle<()>,
}

impl Worker {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = axum::Router::new().route("/events", axum::routing::post(answer));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, server }
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

async fn answer(
    headers: http::HeaderMap,
    body: axum::Json<Value>,
) -> (http::StatusCode, axum::Json<Value>) {
    use http::StatusCode;
    let refuse = |status, code, message| {
        (
            status,
            axum::Json(json!({ "error": { "code": code, "message": message } })),
        )
    };
    if headers
        .get("authorization")
        .is_none_or(|value| value != "Bearer t0k3n")
    {
        return refuse(StatusCode::UNAUTHORIZED, "unauthorized", "wrong token");
    }
    let Some(records) = body["Records"].as_array() else {
        return refuse(StatusCode::BAD_REQUEST, "not_an_event", "no Records");
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
            accepted.push(json!({ "bucket": bucket, "key": key, "route": "r" }));
        } else {
            ignored.push(json!({ "bucket": bucket, "key": key, "reason": "no route" }));
        }
    }
    let answer = json!({ "accepted": accepted, "ignored": ignored });
    (StatusCode::ACCEPTED, axum::Json(answer))
}
