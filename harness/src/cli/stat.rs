//! `causeway stat`: all that a store says about one object.

use clap::Args;

use super::failure::Failure;
use super::name::ObjectName;
use super::output::{Output, shown};
use super::target::{Effect, TargetArgs};
use super::{Report, described, environment};
use crate::client::ObjectInfo;

const AFTER_HELP: &str = "\
Examples:
  causeway stat s3://inbox/2026/notes.txt
  causeway stat --json gs://copy/2026/notes.txt | jq .checksums

Checksums are base64 of the big-endian value, as both stores write them; S3's ending in -N are of
N parts' checksums, not of the bytes.

With --json: {\"name\", \"key\", \"size\", \"last_modified\", \"etag\", \"version_id\" or \"generation\" and
\"metageneration\", \"storage_class\", \"checksums\": {\"crc32c\", ...}, \"content_type\",
\"cache_control\", \"content_encoding\", \"content_disposition\", \"content_language\", \"metadata\"};
what an object does not have is left out.";

/// Show an object's headers, checksums and metadata
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Stat {
    /// s3://bucket/key or gs://bucket/key
    name: ObjectName,
    #[command(flatten)]
    target: TargetArgs,
}

impl Stat {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        if self.name.key.is_empty() {
            return Err(Failure::usage(
                format!("{} names no object", self.name),
                "name an object; `causeway ls` shows what is there",
            ));
        }
        let store = environment::open(self.name.scheme, &self.target, Effect::Other)?;
        let info = store.head(&self.name.bucket, &self.name.key).await?;
        output.line(&shown(&self.name.to_string()));
        for (label, value) in facts(&info) {
            output.line(&format!("  {label:20} {}", shown(&value)));
        }
        Ok(Report::done(described(&self.name, &info)))
    }
}

fn facts(info: &ObjectInfo) -> Vec<(String, String)> {
    let mut facts = vec![("size".to_owned(), format!("{} bytes", info.size))];
    let mut add = |label: &str, value: Option<String>| {
        facts.extend(value.map(|value| (label.to_owned(), value)));
    };
    add(
        "last modified",
        info.last_modified.map(|time| time.to_string()),
    );
    add("etag", info.etag.clone());
    add("version id", info.version_id.clone());
    add(
        "generation",
        info.generation.map(|number| number.to_string()),
    );
    add(
        "metageneration",
        info.metageneration.map(|number| number.to_string()),
    );
    add("storage class", info.storage_class.clone());
    for (name, value) in info.attributes.headers() {
        add(name, Some(value.to_owned()));
    }
    for (name, value) in &info.checksums {
        add(name, Some(value.clone()));
    }
    for (name, value) in &info.attributes.metadata {
        add(&format!("metadata {name}"), Some(value.clone()));
    }
    facts
}
