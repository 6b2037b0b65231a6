//! `causeway send`: an event of one's own making to a worker's `/events`.
//!
//! An event is a hint that something may have changed, so sending one is never wrong: it makes the
//! worker look at the object again.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::failure::{Code, Failure};
use super::name::{ObjectName, Scheme};
use super::output::{Output, shown};
use super::worker::EventsWorker;
use super::{Report, environment};
use crate::client::events::{Accepted, TakenIn};
use crate::client::{ClientError, ErrorKind};

const AFTER_HELP: &str = "\
Examples:
  causeway send s3://inbox/2026/notes.txt
  causeway send --event ObjectRemoved:Delete s3://inbox/a s3://inbox/b
  causeway send --file event.json
  aws s3api ... | causeway send --file -

An event that no route takes is ignored. Exits with 1 if every one was. Whether an accepted event
led to a copy is not known here: ask `causeway transfer ROUTE KEY`, or `causeway stat` of the copy.

The worker is CAUSEWAY_URL or --url, its token CAUSEWAY_EVENTS_TOKEN or --token; where neither is
set, the local stack's.

With --json: what the worker answered, {\"accepted\": [{\"id\", \"bucket\", \"key\", \"route\"}],
\"ignored\": [{\"bucket\", \"key\", \"reason\"}]}.";

/// Send the worker an S3 event
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Send {
    /// s3://bucket/key, one or more: one record each
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        value_name = "NAME"
    )]
    names: Vec<ObjectName>,
    /// The event's name
    #[arg(
        long,
        default_value = "ObjectCreated:Put",
        conflicts_with = "file",
        value_name = "EVENT"
    )]
    event: String,
    /// The version that it is about
    #[arg(long, conflicts_with = "file", value_name = "ID")]
    version_id: Option<String>,
    /// The object's size in bytes
    #[arg(long, conflicts_with = "file", value_name = "BYTES")]
    size: Option<u64>,
    /// A JSON file to send as it is, - for standard input
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    worker: EventsWorker,
}

impl Send {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let body = match &self.file {
            Some(file) => read(file)?,
            None => self.body()?,
        };
        let worker = self.worker.connect()?;
        let answer: TakenIn = worker.post("/events", body).await.map_err(advised)?;
        say(&answer, output);
        Ok(report(&answer))
    }

    fn body(&self) -> Result<String, Failure> {
        if let Some(name) = self.names.iter().find(|name| name.scheme == Scheme::Gs) {
            return Err(Failure::usage(
                format!("{name} is a copy; events are about sources"),
                "name the object in S3",
            ));
        }
        if let Some(name) = self.names.iter().find(|name| name.key.is_empty()) {
            return Err(Failure::usage(
                format!("{name} names no object"),
                "name an object",
            ));
        }
        let region = environment::variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned());
        let now = Timestamp::now();
        let records: Vec<_> = self
            .names
            .iter()
            .map(|name| self.record(name, &region, now))
            .collect();
        Ok(json!({ "Records": records }).to_string())
    }

    /// One record, as in
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
    fn record(&self, name: &ObjectName, region: &str, now: Timestamp) -> Value {
        // The events of one key are compared by this; later is greater.
        let sequencer = format!("{:016X}", now.as_nanosecond());
        let mut object = json!({ "key": form_encoded(&name.key), "sequencer": sequencer });
        if let Some(size) = self.size {
            object["size"] = size.into();
        }
        if let Some(version) = &self.version_id {
            object["versionId"] = version.as_str().into();
        }
        json!({
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": region,
            "eventTime": format!("{now:.3}"),
            // In notification settings names begin with `s3:`, in events they do not.
            "eventName": self.event.strip_prefix("s3:").unwrap_or(&self.event),
            "userIdentity": { "principalId": "causeway-send" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": sequencer },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "causeway-send",
                "bucket": {
                    "name": name.bucket,
                    "ownerIdentity": { "principalId": "causeway-send" },
                    "arn": format!("arn:aws:s3:::{}", name.bucket),
                },
                "object": object,
            },
        })
    }
}

/// Says what the worker took in, and what not.
pub(super) fn say(answer: &TakenIn, output: Output) {
    for taken in &answer.accepted {
        let Accepted {
            bucket, key, route, ..
        } = taken;
        output.line(&shown(&format!(
            "accepted s3://{bucket}/{key} (route {route})"
        )));
    }
    for ignored in &answer.ignored {
        let name = match (&ignored.bucket, &ignored.key) {
            (Some(bucket), Some(key)) => format!("s3://{bucket}/{key}: "),
            _ => String::new(),
        };
        output.line(&shown(&format!("ignored  {name}{}", ignored.reason)));
    }
    if answer.accepted.is_empty() && answer.ignored.is_empty() {
        output.line("taken; it held no record of an object");
    }
}

/// The whole, for programs. It failed when there was something and all of it was ignored.
pub(super) fn report(answer: &TakenIn) -> Report {
    let nothing = answer.accepted.is_empty() && !answer.ignored.is_empty();
    Report {
        json: json!(answer),
        failure: nothing.then(|| {
            Failure::new(
                Code::Failed,
                format!("nothing was accepted: {} ignored", answer.ignored.len()),
                "`causeway status ROUTE` shows which source a route has",
            )
        }),
    }
}

/// Keys in events are encoded like a form's fields, with `/` kept.
fn form_encoded(key: &str) -> String {
    const RESERVED: AsciiSet = NON_ALPHANUMERIC
        .remove(b'-')
        .remove(b'_')
        .remove(b'.')
        .remove(b'*')
        .remove(b'/')
        .remove(b' ');
    utf8_percent_encode(key, &RESERVED)
        .to_string()
        .replace(' ', "+")
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::usage(
            format!("cannot read {}: {error}", file.display()),
            "give a JSON file",
        )
    })?;
    Ok(text)
}

/// With what to do about it.
fn advised(mut error: ClientError) -> ClientError {
    let advice = match error.status {
        Some(401 | 403) => "check CAUSEWAY_EVENTS_TOKEN",
        Some(404 | 405) => "check CAUSEWAY_URL: nothing there takes events",
        Some(413) => "send fewer records at a time",
        Some(400..500) => "send an S3 event: {\"Records\": [...]}",
        Some(_) => "look at the worker's log: `npx wrangler tail`",
        None => return error,
    };
    advice.clone_into(&mut error.advice);
    if error.status == Some(400) {
        error.kind = ErrorKind::Input;
    }
    error
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        send: Send,
    }

    fn send(arguments: &[&str]) -> Send {
        Line::try_parse_from(std::iter::once(&"send").chain(arguments))
            .unwrap()
            .send
    }

    #[test]
    fn keys_are_form_encoded() {
        assert_eq!(
            form_encoded("a b+c/ü%?=&~"),
            "a+b%2Bc/%C3%BC%25%3F%3D%26%7E"
        );
        assert_eq!(form_encoded("/x//y"), "/x//y");
    }

    #[test]
    fn a_record_is_true_to_form() {
        let send = send(&[
            "s3://b/a b",
            "s3://b/c",
            "--event",
            "s3:ObjectCreated:Copy",
            "--size",
            "7",
        ]);
        let body: Value = serde_json::from_str(&send.body().unwrap()).unwrap();
        let records = body["Records"].as_array().unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0]["eventName"], "ObjectCreated:Copy");
        assert_eq!(records[0]["s3"]["object"]["key"], "a+b");
        assert_eq!(records[0]["s3"]["object"]["size"], 7);
        assert_eq!(records[0]["s3"]["bucket"]["arn"], "arn:aws:s3:::b");
        let time = records[0]["eventTime"].as_str().unwrap();
        assert!(
            time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000Z".len(),
            "{time}"
        );
        assert!(records[0]["s3"]["object"].get("versionId").is_none());
    }

    #[test]
    fn the_token_is_not_shown() {
        let shown = format!("{:?}", send(&["s3://b/k", "--token", "hunter2"]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
