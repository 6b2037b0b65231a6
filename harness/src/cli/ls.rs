//! `causeway ls`: what is in a bucket.

use clap::Args;
use serde_json::json;

use super::failure::{Code, Failure};
use super::name::ObjectName;
use super::output::{Output, human, objects, shown, time};
use super::target::{Effect, TargetArgs};
use super::{Report, described, environment};
use crate::client::{ListOptions, ObjectInfo};

const AFTER_HELP: &str = "\
Examples:
  causeway ls s3://inbox/                  the bucket's top level
  causeway ls s3://inbox/2026/             a folder
  causeway ls -r gs://copy/2026/img-       every key that begins so
  causeway ls -r --summary --human gs://copy/

The columns are size in bytes, time of the last change (UTC) and name. Names that end in / stand for
all keys that begin so; --recursive shows each of them. Control characters in names are escaped.

With --json: {\"prefix\", \"count\", \"bytes\", \"objects\": [{\"name\", \"key\", \"size\",
\"last_modified\", \"etag\", ...}], \"prefixes\": [names]}; gs:// tells all about each object.";

/// List objects
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Ls {
    /// s3://bucket/prefix or gs://bucket/prefix; the prefix is text, with or without a / at its end
    name: ObjectName,
    /// Show every object below, not only up to the next /
    #[arg(short, long)]
    recursive: bool,
    /// End with how many objects and bytes there are
    #[arg(long)]
    summary: bool,
    /// Sizes as KiB, MiB, GiB
    #[arg(long)]
    human: bool,
    #[command(flatten)]
    target: TargetArgs,
}

impl Ls {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        let store = environment::open(self.name.scheme, &self.target, Effect::Other)?;
        let mut what = ListOptions {
            prefix: self.name.key.clone(),
            folded: !self.recursive,
            ..ListOptions::default()
        };
        let (mut listed, mut prefixes) = (Vec::new(), Vec::new());
        let (mut count, mut bytes) = (0, 0);
        loop {
            let page = store.list(&self.name.bucket, &what).await?;
            for prefix in page.prefixes {
                let name = self.name.with_key(prefix).to_string();
                if !output.line(&columns("", "", &name)) {
                    return Ok(Report::done(json!({})));
                }
                prefixes.push(name);
            }
            for object in page.objects {
                count += 1;
                bytes += object.size;
                let name = self.name.with_key(&object.key);
                if output.is_json() {
                    listed.push(described(&name, &object));
                } else if !output.line(&self.line(&name, &object)) {
                    return Ok(Report::done(json!({})));
                }
            }
            what.page_token = page.next;
            if what.page_token.is_none() {
                break;
            }
        }
        if count == 0 && prefixes.is_empty() && !self.name.key.is_empty() {
            return Err(Failure::new(
                Code::NotFound,
                format!("there is nothing in {}", self.name),
                "list the bucket itself to see what is there",
            ));
        }
        if self.summary {
            output.line(&format!(
                "{}, {} bytes ({})",
                objects(count),
                bytes,
                human(bytes)
            ));
        }
        Ok(Report::done(json!({
            "prefix": self.name.to_string(),
            "count": count,
            "bytes": bytes,
            "objects": listed,
            "prefixes": prefixes,
        })))
    }

    fn line(&self, name: &ObjectName, object: &ObjectInfo) -> String {
        let size = if self.human {
            human(object.size)
        } else {
            object.size.to_string()
        };
        let time = object.last_modified.map(time);
        columns(&size, &time.unwrap_or_default(), &name.to_string())
    }
}

fn columns(size: &str, time: &str, name: &str) -> String {
    format!("{size:>13}  {time:20}  {}", shown(name))
}
