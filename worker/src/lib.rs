//! A stand-in until the real worker lands: answers hello and logs what the queue brings.
use wasm_bindgen::JsValue;
use worker::{Context, Env, MessageBatch, MessageExt, Request, Response, Result, event};

/// Answers `hello`; `/echo` fetches the URL in the body; `/queue` puts the body on the queue.
///
/// # Errors
/// Whatever the runtime answers.
#[event(fetch)]
pub async fn fetch(mut request: Request, env: Env, _context: Context) -> Result<Response> {
    match request.path().as_str() {
        "/var" => Response::ok(
            env.var("GREETING")
                .map_or_else(|_| "none".into(), |value| value.to_string()),
        ),
        "/echo" => {
            let url = request.text().await?;
            worker::Fetch::Url(url.parse()?).send().await
        }
        "/queue" => {
            let body = request.text().await?;
            env.queue("HINTS")?.send(body).await?;
            Response::ok("queued")
        }
        "/dead" => {
            let body = request.text().await?;
            env.queue("DEAD_LETTERS")?
                .send(serde_json::json!({ "text": body }))
                .await?;
            Response::ok("buried")
        }
        _ => Response::ok("hello"),
    }
}

/// Logs each message; retries those that say "poison".
///
/// # Errors
/// Whatever the runtime answers.
#[event(queue)]
pub async fn queue(batch: MessageBatch<String>, _env: Env, _context: Context) -> Result<()> {
    for message in batch.messages()? {
        let body = message.body().clone();
        worker::console_log!("{}", serde_json::json!({ "got": body }));
        if body == "poison" {
            message.retry();
        } else {
            message.ack();
        }
    }
    let _ = JsValue::NULL;
    Ok(())
}
