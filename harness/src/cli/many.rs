//! The same work on many objects, several at a time; one failure stops none of the others.

use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use super::Report;
use super::failure::{Code, Failure};
use super::output::{Output, objects, shown};

/// What was done and what was not.
#[derive(Debug, Default)]
pub(super) struct Tally {
    done: Vec<Value>,
    bytes: u64,
    failed: Vec<(String, Failure)>,
}

/// One object's work that succeeded.
pub(super) struct Done {
    /// A line for people
    pub(super) line: String,
    /// For programs
    pub(super) json: Value,
    /// Bytes moved
    pub(super) bytes: u64,
}

impl Tally {
    /// Notes that `name` failed.
    pub(super) fn fail(&mut self, name: &str, failure: Failure) {
        eprintln!("error: {}: {}", shown(name), shown(&failure.what));
        self.failed.push((name.to_owned(), failure));
    }

    /// Runs all of `work` (a name and what to do), `at_once` at a time.
    pub(super) async fn run<F>(
        mut self,
        output: Output,
        bar: &indicatif::ProgressBar,
        at_once: usize,
        work: impl Iterator<Item = (String, F)>,
    ) -> Self
    where
        F: Future<Output = Result<Done, Failure>>,
    {
        let mut outcomes = stream::iter(work)
            .map(|(name, work)| async move { (name, work.await) })
            .buffer_unordered(at_once.max(1));
        while let Some((name, outcome)) = outcomes.next().await {
            bar.suspend(|| match outcome {
                Ok(done) => {
                    output.line(&done.line);
                    self.done.push(done.json);
                    self.bytes += done.bytes;
                }
                Err(failure) => self.fail(&name, failure),
            });
            bar.set_message(objects(self.done.len()));
        }
        bar.finish_and_clear();
        self
    }

    /// The whole: `{"objects", "count", "bytes", "failed"}`. `verb` is for people: "uploaded".
    pub(super) fn report(self, output: Output, verb: &str, with_bytes: bool) -> Report {
        let bytes = if with_bytes {
            format!(", {} bytes", self.bytes)
        } else {
            String::new()
        };
        output.line(&format!("{verb} {}{bytes}", objects(self.done.len())));
        let failure = self.failed.first().map(|(_, first)| {
            let same = self
                .failed
                .iter()
                .all(|(_, failure)| failure.code == first.code);
            Failure::new(
                if same { first.code } else { Code::Failed },
                format!(
                    "{} of {} failed",
                    self.failed.len(),
                    self.failed.len() + self.done.len()
                ),
                first.advice.clone(),
            )
        });
        let failed: Vec<_> = self
            .failed
            .iter()
            .map(|(name, failure)| json!({ "name": name, "error": failure.json() }))
            .collect();
        let json = json!({
            "count": self.done.len(),
            "bytes": self.bytes,
            "objects": self.done,
            "failed": failed,
        });
        Report { json, failure }
    }
}
