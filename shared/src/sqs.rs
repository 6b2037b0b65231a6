//! The queues of Amazon SQS that a bucket notifies: messages are received, hidden for longer, and
//! deleted. Nothing is ever sent to one.
//!
//! Follows the [JSON protocol](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html),
//! which is `awsJson1_0`. What a message says is [`crate::event`]'s.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, Uri};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::aws;
use crate::error::ConfigError;
use crate::sigv4::{Credentials, PayloadHash, Signer};
use crate::time::Clock;

/// The most messages of one request.
pub const BATCH: usize = 10;

/// The longest that a request may wait for a message, in seconds.
pub const WAIT: u32 = 20;

/// A queue, and the right to receive from it.
#[derive(Debug)]
pub struct Queue {
    url: String,
    endpoint: Uri,
    signer: Signer,
    clock: Clock,
}

/// A message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The same at each delivery.
    pub message_id: String,
    /// What this delivery is deleted by.
    pub receipt_handle: String,
    /// What the message says; nothing where SQS gives no text.
    pub body: String,
}

/// Why SQS did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SQS answered {status} {code}: {message}")]
pub struct Refusal {
    /// The status of HTTP.
    pub status: u16,
    /// SQS's own word, such as `QueueDoesNotExist`.
    pub code: String,
    /// SQS's sentence.
    pub message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    id: String,
    receipt_handle: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility_timeout: Option<u32>,
}

impl Queue {
    /// The queue at `url`, in the region that its host names, or in `region` where it names none.
    ///
    /// # Errors
    /// [`ConfigError`] about `SQS_QUEUES`.
    pub fn new(credentials: &Credentials, region: &str, url: &str) -> Result<Self, ConfigError> {
        let wrong = || {
            let message = "are not all URLs as https://sqs.<region>.amazonaws.com/<account>/<name>, without a user.";
            ConfigError::new("SQS_QUEUES", message)
        };
        let uri: Option<Uri> = url.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
        let scheme = uri.as_ref().and_then(Uri::scheme_str).unwrap_or_default();
        let authority = uri.as_ref().and_then(Uri::authority);
        let authority = authority.filter(|authority| !authority.as_str().contains('@'));
        let (Some(authority), "http" | "https") = (authority, scheme) else {
            return Err(wrong());
        };
        let its_own = aws::region_of("sqs", host);
        let region = its_own.as_deref().unwrap_or(region);
        let signer = Signer::service(credentials.clone(), region, "sqs");
        let endpoint = format!("{scheme}://{authority}/").parse();
        Ok(Self {
            url: url.to_owned(),
            endpoint: endpoint.map_err(|_| wrong())?,
            signer: signer.map_err(|_| wrong())?,
            clock: Clock::default(),
        })
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request for messages, which waits up to `wait` seconds for one
    /// ([ReceiveMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html)).
    ///
    /// # Errors
    /// Why it cannot be signed.
    pub fn receive(&self, wait: u32, now: Timestamp) -> Result<Request<Bytes>, String> {
        let body = json!({"MaxNumberOfMessages": BATCH, "WaitTimeSeconds": wait});
        self.request("ReceiveMessage", body, now)
    }

    /// Deletes `messages`, at most [`BATCH`]
    /// ([DeleteMessageBatch](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessageBatch.html)).
    ///
    /// # Errors
    /// Why it cannot be signed.
    pub fn delete(&self, messages: &[Received], now: Timestamp) -> Result<Request<Bytes>, String> {
        let body = json!({"Entries": entries(messages, None)});
        self.request("DeleteMessageBatch", body, now)
    }

    /// Has `messages`, at most [`BATCH`], come again no sooner than `seconds` from now
    /// ([ChangeMessageVisibilityBatch](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibilityBatch.html)).
    ///
    /// # Errors
    /// Why it cannot be signed.
    pub fn hide(
        &self,
        messages: &[Received],
        seconds: u32,
        now: Timestamp,
    ) -> Result<Request<Bytes>, String> {
        let body = json!({"Entries": entries(messages, Some(seconds))});
        self.request("ChangeMessageVisibilityBatch", body, now)
    }

    fn request(
        &self,
        action: &str,
        mut body: Value,
        now: Timestamp,
    ) -> Result<Request<Bytes>, String> {
        body["QueueUrl"] = self.url.clone().into();
        let mut request = Request::new(Bytes::from(body.to_string()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.clone();
        let json = HeaderValue::from_static("application/x-amz-json-1.0");
        request.headers_mut().insert(CONTENT_TYPE, json);
        let target = HeaderValue::try_from(format!("AmazonSQS.{action}"));
        let target = target.map_err(|error| error.to_string())?;
        request.headers_mut().insert("x-amz-target", target);
        self.sign(request, now)
    }

    fn sign(&self, mut request: Request<Bytes>, now: Timestamp) -> Result<Request<Bytes>, String> {
        let payload = PayloadHash::of(request.body());
        let time = self.clock.time(now);
        let signed = self.signer.sign(&mut request, &payload, time);
        signed.map_err(|error| error.to_string())?;
        Ok(request)
    }

    /// `request` once more, where `reply`, which came at `now`, refused it because SQS's clock is another
    /// than the one that it was signed by; `offset` is what [`Self::offset`] was then.
    ///
    /// # Errors
    /// Why it cannot be signed.
    pub fn again(
        &self,
        request: Request<Bytes>,
        reply: &Response<Bytes>,
        now: Timestamp,
        offset: i64,
    ) -> Option<Result<Request<Bytes>, String>> {
        let is_skewed = self.clock.explains(reply, now, offset);
        is_skewed.then(|| self.sign(request, now))
    }

    /// How far SQS's clock is before ours, in seconds.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.clock.offset()
    }
}

fn entries(messages: &[Received], visibility_timeout: Option<u32>) -> Value {
    let entries = messages.iter().enumerate().map(|(index, message)| Entry {
        id: index.to_string(),
        receipt_handle: &message.receipt_handle,
        visibility_timeout,
    });
    json!(entries.collect::<Vec<_>>())
}

/// What SQS answered: the messages received, if it was asked for some. One without a receipt cannot be
/// deleted, and is left out.
///
/// # Errors
/// Its refusal; of a batch, the first entry's, and the others were done.
pub fn read(reply: &Response<Bytes>) -> Result<Vec<Received>, Refusal> {
    let said: Option<Value> = serde_json::from_slice(reply.body()).ok();
    let is_answer = reply.status().is_success()
        && (said.as_ref()).is_some_and(|said| said.is_object() && said["__type"].is_null());
    let said = said.unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let refusal = |code: &str, message| Refusal {
        status: reply.status().as_u16(),
        code: code.to_owned(),
        message,
    };
    if !is_answer {
        let code = text(&said["__type"]);
        let code = code.rsplit('#').next().unwrap_or_default();
        return Err(refusal(code, text(&said["message"])));
    }
    if let Some(failed) = said["Failed"].get(0) {
        return Err(refusal(
            &text(&failed["Code"]),
            "one message of a batch".into(),
        ));
    }
    let messages = said["Messages"].as_array().map(Vec::as_slice);
    let messages = messages.unwrap_or_default().iter().map(|message| Received {
        message_id: text(&message["MessageId"]),
        receipt_handle: text(&message["ReceiptHandle"]),
        body: text(&message["Body"]),
    });
    Ok(messages
        .filter(|message| !message.receipt_handle.is_empty())
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn queue(url: &str) -> Result<Queue, ConfigError> {
        let credentials = Credentials::new("AKID", "secret", None).unwrap();
        Queue::new(&credentials, "us-east-1", url)
    }

    fn reply(status: u16, body: &Value) -> Response<Bytes> {
        let reply = Response::builder().status(status);
        reply.body(Bytes::from(body.to_string())).unwrap()
    }

    fn message() -> Received {
        Received {
            message_id: "m".into(),
            receipt_handle: "r".into(),
            body: "{}".into(),
        }
    }

    #[test]
    fn a_request_goes_to_the_queues_host_signed_for_its_region() {
        let url = "https://sqs.eu-west-1.amazonaws.com/123456789012/inbox";
        let request = queue(url)
            .unwrap()
            .receive(WAIT, Timestamp::UNIX_EPOCH)
            .unwrap();
        assert_eq!(
            request.uri().to_string(),
            "https://sqs.eu-west-1.amazonaws.com/"
        );
        assert_eq!(
            request.headers()["x-amz-target"],
            "AmazonSQS.ReceiveMessage"
        );
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(
            authorization.contains("/eu-west-1/sqs/aws4_request"),
            "{authorization}"
        );
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let expected = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20});
        assert_eq!(body, expected);
    }

    #[test]
    fn a_queue_is_signed_for_the_region_that_its_host_names_in_any_form() {
        for (host, region) in [
            ("eu-west-1.queue.amazonaws.com", "eu-west-1"),
            ("sqs-fips.us-west-2.amazonaws.com", "us-west-2"),
            ("sqs.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1"),
            ("sqs.us-iso-east-1.c2s.ic.gov", "us-iso-east-1"),
            (
                "vpce-1a2b-3c4d.sqs.eu-west-1.vpce.amazonaws.com",
                "eu-west-1",
            ),
            ("sqs.eu-west-1.api.aws", "eu-west-1"),
            ("sqs.eu-west-1.localhost.localstack.cloud:4566", "us-east-1"),
        ] {
            let queue = queue(&format!("https://{host}/1/q")).unwrap();
            let request = queue.receive(WAIT, Timestamp::UNIX_EPOCH).unwrap();
            assert_eq!(request.uri().to_string(), format!("https://{host}/"));
            let authorization = request.headers()["authorization"].to_str().unwrap();
            let scope = format!("/{region}/sqs/aws4_request");
            assert!(authorization.contains(&scope), "{host}: {authorization}");
        }
    }

    #[test]
    fn an_odd_message_spoils_no_other() {
        let received = json!({"Messages": [{"MessageId": "n", "ReceiptHandle": "r"}, 7,
            {"MessageId": null, "ReceiptHandle": "r", "Body": "{}"},
            {"MessageId": "m", "ReceiptHandle": "r", "Body": "{}"}]});
        let read = read(&reply(200, &received)).unwrap();
        let bodies: Vec<_> = read.iter().map(|message| message.body.as_str()).collect();
        assert_eq!(bodies, ["", "{}", "{}"]);
        assert_eq!(read[2], message());
        assert!(super::read(&reply(200, &json!([]))).is_err());
        assert_eq!(
            super::read(&reply(200, &json!({"Messages": null}))),
            Ok(vec![])
        );
    }

    #[test]
    fn another_host_is_signed_for_the_workers_region_and_what_is_no_url_is_refused() {
        let request = queue("http://127.0.0.1:9/1/q")
            .unwrap()
            .receive(WAIT, Timestamp::UNIX_EPOCH);
        let request = request.unwrap();
        assert_eq!(request.uri().to_string(), "http://127.0.0.1:9/");
        let authorization = request.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("/us-east-1/sqs/"));
        for wrong in [
            "inbox",
            "arn:aws:sqs:eu-west-1:1:inbox",
            "ftp://host/q",
            "https://",
        ] {
            assert_eq!(queue(wrong).unwrap_err().variable, "SQS_QUEUES", "{wrong}");
        }
    }

    #[test]
    fn a_batch_names_each_delivery_and_hiding_says_how_long() {
        let queue = queue("http://127.0.0.1:9/1/q").unwrap();
        let message = message();
        let body =
            |request: Request<Bytes>| -> Value { serde_json::from_slice(request.body()).unwrap() };
        let deleted = body(
            queue
                .delete(std::slice::from_ref(&message), Timestamp::UNIX_EPOCH)
                .unwrap(),
        );
        assert_eq!(
            deleted["Entries"],
            json!([{"Id": "0", "ReceiptHandle": "r"}])
        );
        let hidden = body(
            queue
                .hide(std::slice::from_ref(&message), 60, Timestamp::UNIX_EPOCH)
                .unwrap(),
        );
        assert_eq!(hidden["Entries"][0]["VisibilityTimeout"], 60);
    }

    #[test]
    fn what_sqs_refuses_because_of_the_time_is_signed_again_by_its_clock() {
        let (queue, now) = (
            queue("http://127.0.0.1:9/1/q").unwrap(),
            Timestamp::UNIX_EPOCH,
        );
        let request = queue.receive(WAIT, now).unwrap();
        let mut refused = reply(400, &json!({"__type": "InvalidSignatureException"}));
        assert!(queue.again(request.clone(), &refused, now, 0).is_none());
        let date = "Thu, 01 Jan 1970 02:00:00 GMT".parse().unwrap();
        refused.headers_mut().insert("date", date);
        let again = queue.again(request, &refused, now, 0).unwrap().unwrap();
        assert_eq!(again.headers()["x-amz-date"], "19700101T020000Z");
        let next = queue.receive(WAIT, now).unwrap();
        assert_eq!(next.headers()["x-amz-date"], "19700101T020000Z");
    }

    #[test]
    fn a_200_that_is_none_of_sqs_s_is_no_empty_queue() {
        let error = json!({"__type": "com.amazonaws.sqs#InternalError", "message": "no"});
        assert_eq!(read(&reply(200, &error)).unwrap_err().code, "InternalError");
        for body in ["", "<html></html>", "[]", "null", "<ErrorResponse/>"] {
            let reply = Response::new(Bytes::from(body));
            assert_eq!(read(&reply).unwrap_err().status, 200, "{body}");
        }
    }

    #[test]
    fn answers_are_messages_or_say_what_was_refused() {
        let received = json!({"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": "{}",
            "MD5OfBody": "x"}]});
        assert_eq!(read(&reply(200, &received)), Ok(vec![message()]));
        assert_eq!(read(&reply(200, &json!({}))), Ok(Vec::new()));
        let gone = json!({"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"});
        let refusal = read(&reply(400, &gone)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "SQS answered 400 QueueDoesNotExist: gone"
        );
        let failed = json!({"Failed": [{"Id": "0", "Code": "ReceiptHandleIsInvalid"}]});
        assert_eq!(
            read(&reply(200, &failed)).unwrap_err().code,
            "ReceiptHandleIsInvalid"
        );
        let html = Response::builder().status(502).body(Bytes::from("<html>"));
        assert_eq!(read(&html.unwrap()).unwrap_err().status, 502);
    }
}
