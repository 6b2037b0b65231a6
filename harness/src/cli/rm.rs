//! `causeway rm`: objects out of the way.

use std::collections::HashSet;

use clap::Args;
use serde_json::json;

use super::Report;
use super::environment::Stores;
use super::failure::{Code, Failure};
use super::many::{Done, Tally};
use super::name::ObjectName;
use super::output::{Output, shown};
use super::store::Store;
use super::target::{Effect, TargetArgs};

const AFTER_HELP: &str = "\
Examples:
  causeway rm s3://inbox/2026/notes.txt
  causeway rm -r --dry-run s3://inbox/2026    what would go: all below s3://inbox/2026/
  causeway rm -r s3://inbox/2026
  causeway rm -r --all gs://copy/             everything in the bucket

In a versioned bucket older versions stay. Where a local stack is found and credentials for another
store are, too, nothing is deleted before --local or --no-local says which is meant.

With --json: {\"name\"} for one object; for several, or with --recursive,
{\"count\", \"bytes\": 0, \"objects\": [{\"name\"}], \"failed\": [{\"name\", \"error\"}]}.";

/// Delete objects
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Rm {
    /// s3://bucket/key or gs://bucket/key, one or more
    #[arg(required = true, value_name = "NAME")]
    names: Vec<ObjectName>,
    /// Delete everything in the folder NAME
    #[arg(short, long)]
    recursive: bool,
    /// Allow --recursive on a whole bucket
    #[arg(long, requires = "recursive")]
    all: bool,
    /// Only say what would be deleted
    #[arg(long)]
    dry_run: bool,
    /// Deletions at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    #[command(flatten)]
    target: TargetArgs,
}

impl Rm {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        for name in &self.names {
            self.check(name)?;
        }
        let effect = if self.dry_run {
            Effect::Other
        } else {
            Effect::Deletes
        };
        let stores = Stores::open(&self.names, &self.target, effect)?;
        let mut doomed = Vec::new();
        let mut seen = HashSet::new();
        for name in &self.names {
            let found = self.doomed(stores.of(name), name).await?;
            // Names may be given twice, and folders may lie in one another.
            doomed.extend(found.into_iter().filter(|name| seen.insert(name.clone())));
        }
        if let ([name], false) = (self.names.as_slice(), self.recursive) {
            let done = self.remove(stores.of(name), name.clone()).await?;
            output.line(&format!("{} {}", self.verb(), done.line));
            return Ok(Report::done(done.json));
        }
        let work = doomed
            .into_iter()
            .map(|name| (name.to_string(), self.remove(stores.of(&name), name)));
        let bar = indicatif::ProgressBar::hidden();
        let tally = Tally::default()
            .run(output, &bar, self.jobs.into(), work)
            .await;
        Ok(tally.report(output, self.verb(), false))
    }

    fn verb(&self) -> &'static str {
        if self.dry_run {
            "would delete"
        } else {
            "deleted"
        }
    }

    /// Refuses a whole bucket that was not asked for, before anything is opened.
    fn check(&self, name: &ObjectName) -> Result<(), Failure> {
        if !name.key.is_empty() || self.all {
            return Ok(());
        }
        Err(if self.recursive {
            let advice = "add --all to delete everything in it";
            Failure::usage(format!("{name} is a whole bucket"), advice)
        } else {
            let advice = "name an object, or give --recursive --all for the whole bucket";
            Failure::usage(format!("{name} names no object"), advice)
        })
    }

    /// The objects that a name stands for.
    async fn doomed(&self, store: &Store, name: &ObjectName) -> Result<Vec<ObjectName>, Failure> {
        if !self.recursive {
            return Ok(vec![name.clone()]);
        }
        let folder = name.folder();
        let listed = store.list_all(&folder.bucket, &folder.key).await?;
        if listed.is_empty() {
            return Err(Failure::new(
                Code::NotFound,
                format!("there is nothing in {folder}"),
                "check the name; `causeway ls` shows what is there",
            ));
        }
        Ok(listed
            .into_iter()
            .map(|object| folder.with_key(object.key))
            .collect())
    }

    async fn remove(&self, store: &Store, name: ObjectName) -> Result<Done, Failure> {
        // S3 answers the same whether there was an object or not.
        let unseen = !self.recursive && (self.dry_run || matches!(store, Store::S3(_)));
        if unseen {
            store.head(&name.bucket, &name.key).await?;
        }
        if !self.dry_run {
            store.delete(&name.bucket, &name.key).await?;
        }
        let name = name.to_string();
        Ok(Done {
            line: shown(&name),
            json: json!({ "name": name }),
            bytes: 0,
        })
    }
}
