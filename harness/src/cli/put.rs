//! `causeway put`: files, folders and standard input into a bucket.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::{Code, Failure};
use super::many::{Done, Tally};
use super::name::ObjectName;
use super::output::{Output, progress, shown};
use super::store::Store;
use super::target::{Effect, TargetArgs};
use super::{Report, described, environment};
use crate::client::{Attributes, ErrorKind, ObjectInfo, Progress, Source};

const AFTER_HELP: &str = "\
Examples:
  causeway put notes.txt s3://inbox/                       as s3://inbox/notes.txt
  causeway put a.bin gs://copy/b.bin                       under another name
  causeway put docs/*.md s3://inbox/docs/                  several, each under its own name
  tar c src | causeway put - s3://inbox/src.tar            from standard input
  causeway put -r site s3://inbox/site                     a folder, 16 files at a time
  causeway put app.js.gz s3://inbox/app.js --content-type text/javascript \\
    --content-encoding gzip --cache-control max-age=60 --metadata owner=web

The content type is guessed from the name where it is not given. Objects above 64 MiB go in pieces
of 16 MiB. The store checks a CRC32C of the whole object before it shows it. An interrupted upload
in pieces leaves those on S3, unseen, until a lifecycle rule (AbortIncompleteMultipartUpload) takes
them away; on GCS they go by themselves.

With --json: {\"name\", \"key\", \"size\", \"etag\", \"version_id\" or \"generation\", \"checksums\",
\"content_type\", ...}; of several files or with --recursive {\"count\", \"bytes\",
\"objects\": [those], \"failed\": [{\"name\", \"error\"}]}.";

/// Upload files, a folder or standard input
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Put {
    /// Files, with --recursive a folder, or - for standard input
    #[arg(required = true, num_args = 1.., value_name = "FILE")]
    sources: Vec<PathBuf>,
    /// Where to: s3://bucket/key or gs://bucket/key; the file's name is added where the key is
    /// empty or ends in /
    #[arg(value_name = "NAME")]
    target: ObjectName,
    /// Upload everything in a folder, under the target as a folder
    #[arg(short, long)]
    recursive: bool,
    /// Uploads at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    #[command(flatten)]
    attributes: AttributeArgs,
    #[command(flatten)]
    place: TargetArgs,
}

#[derive(Debug, Args)]
struct AttributeArgs {
    /// Content-Type, instead of a guess
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Cache-Control
    #[arg(long, value_name = "VALUE")]
    cache_control: Option<String>,
    /// Content-Encoding that the bytes already have; nothing is encoded
    #[arg(long, value_name = "VALUE")]
    content_encoding: Option<String>,
    /// Content-Disposition
    #[arg(long, value_name = "VALUE")]
    content_disposition: Option<String>,
    /// Content-Language
    #[arg(long, value_name = "VALUE")]
    content_language: Option<String>,
    /// User metadata; give it again for more
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    metadata: Vec<(String, String)>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_lowercase(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

impl AttributeArgs {
    /// The attributes of an object whose content comes from a file of this name.
    fn of(&self, name: &Path) -> Attributes {
        let guess = || {
            mime_guess::from_path(name)
                .first_or_octet_stream()
                .to_string()
        };
        Attributes {
            content_type: Some(self.content_type.clone().unwrap_or_else(guess)),
            cache_control: self.cache_control.clone(),
            content_encoding: self.content_encoding.clone(),
            content_disposition: self.content_disposition.clone(),
            content_language: self.content_language.clone(),
            metadata: self.metadata.iter().cloned().collect(),
        }
    }
}

impl Put {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        if self.recursive {
            return self.folder(output).await;
        }
        match self.sources.as_slice() {
            [source] if source.as_os_str() == "-" => self.stdin(output).await,
            [source] => {
                let (target, length) = self.one_file(source)?;
                let named = source.as_path();
                let source = Source::File(source.clone());
                self.one(output, &target, source, length, named).await
            }
            sources => self.several(output, sources).await,
        }
    }

    async fn stdin(&self, output: Output) -> Result<Report, Failure> {
        let target = &self.target;
        if target.key.is_empty() || target.key.ends_with('/') {
            return Err(Failure::usage(
                "standard input has no name of its own",
                format!("give a whole name, such as {}name", target.folder()),
            ));
        }
        let source = Source::Reader(Box::new(tokio::io::stdin()));
        let named = Path::new(&target.key);
        self.one(output, target, source, None, named).await
    }

    /// Where one file goes, and its length.
    fn one_file(&self, source: &Path) -> Result<(ObjectName, Option<u64>), Failure> {
        let length = length(source)?;
        let target = &self.target;
        if target.key.is_empty() || target.key.ends_with('/') {
            let key = format!("{}{}", target.key, file_name(source)?);
            return Ok((target.with_key(key), length));
        }
        Ok((target.clone(), length))
    }

    async fn one(
        &self,
        output: Output,
        target: &ObjectName,
        source: Source,
        length: Option<u64>,
        named: &Path,
    ) -> Result<Report, Failure> {
        let store = environment::open(target.scheme, &self.place, Effect::Other)?;
        let bar = output.bar(length);
        let attributes = self.attributes.of(named);
        let info = upload(&store, target, source, &attributes, &progress(&bar)).await;
        bar.finish_and_clear();
        let info = info?;
        output.line(&line(target, &info));
        Ok(Report::done(described(target, &info)))
    }

    /// Several files, each under its own name. All are looked at before any is sent.
    async fn several(&self, output: Output, sources: &[PathBuf]) -> Result<Report, Failure> {
        let target = &self.target;
        if !(target.key.is_empty() || target.key.ends_with('/')) {
            return Err(Failure::usage(
                format!("{} files cannot all become {target}", sources.len()),
                format!("end the target in /: {}", target.folder()),
            ));
        }
        let mut files: Vec<Found> = Vec::new();
        for source in sources {
            if source.as_os_str() == "-" {
                return Err(Failure::usage(
                    "standard input has no name of its own",
                    "upload it by itself, under a whole name",
                ));
            }
            let length = length(source)?;
            let relative = file_name(source)?.to_owned();
            if let Some(other) = files.iter().find(|file| file.relative == relative) {
                if other.path == *source {
                    continue;
                }
                let (one, other) = (source.display(), other.path.display());
                return Err(Failure::usage(
                    format!("{other} and {one} would both become {target}{relative}"),
                    "upload one of them under another name",
                ));
            }
            files.push(Found {
                path: source.clone(),
                relative,
                length: length.unwrap_or_default(),
            });
        }
        self.upload_all(output, target, files, Tally::default())
            .await
    }

    async fn folder(&self, output: Output) -> Result<Report, Failure> {
        let [source] = self.sources.as_slice() else {
            return Err(Failure::usage(
                format!(
                    "--recursive takes one folder, and {} are given",
                    self.sources.len()
                ),
                "upload the folder that they are in, or each by itself",
            ));
        };
        if !source.is_dir() {
            let what = if source.as_os_str() == "-" {
                "standard input is no folder".to_owned()
            } else {
                format!("{} is no folder", source.display())
            };
            return Err(Failure::usage(
                what,
                "leave --recursive out, or name a folder",
            ));
        }
        let mut tally = Tally::default();
        let files = walk(source, &mut tally)?;
        self.upload_all(output, &self.target.folder(), files, tally)
            .await
    }

    async fn upload_all(
        &self,
        output: Output,
        folder: &ObjectName,
        files: Vec<Found>,
        tally: Tally,
    ) -> Result<Report, Failure> {
        let store = environment::open(folder.scheme, &self.place, Effect::Other)?;
        let bar = output.bar(Some(files.iter().map(|file| file.length).sum()));
        let progress = progress(&bar);
        let work = files.into_iter().map(|file| {
            let target = folder.with_key(format!("{}{}", folder.key, file.relative));
            let (store, progress, attributes) = (&store, &progress, self.attributes.of(&file.path));
            (target.to_string(), async move {
                let source = Source::File(file.path);
                let info = upload(store, &target, source, &attributes, progress).await?;
                let (line, json) = (line(&target, &info), described(&target, &info));
                Ok(Done {
                    line,
                    json,
                    bytes: info.size,
                })
            })
        });
        let tally = tally.run(output, &bar, self.jobs.into(), work).await;
        Ok(tally.report(output, "uploaded", true))
    }
}

async fn upload(
    store: &Store,
    target: &ObjectName,
    source: Source,
    attributes: &Attributes,
    progress: &Progress,
) -> Result<ObjectInfo, Failure> {
    let put = store
        .put(&target.bucket, &target.key, source, attributes, progress)
        .await;
    put.map_err(|error| match error.kind {
        // An upload finds nothing missing but its bucket.
        ErrorKind::NotFound => Failure::new(
            Code::NotFound,
            format!("there is no bucket for {target}"),
            "create the bucket first, or check its name",
        ),
        _ => error.into(),
    })
}

fn line(target: &ObjectName, info: &ObjectInfo) -> String {
    let content_type = info.attributes.content_type.as_deref().unwrap_or("no type");
    format!(
        "{} ({} bytes, {})",
        shown(&target.to_string()),
        info.size,
        shown(content_type)
    )
}

/// The length of a file that can be uploaded; a pipe's is not known before it ends.
fn length(source: &Path) -> Result<Option<u64>, Failure> {
    let metadata = std::fs::metadata(source).map_err(|error| {
        let what = format!("cannot read {}: {error}", source.display());
        Failure::usage(what, "name a file that is there")
    })?;
    if metadata.is_dir() {
        return Err(Failure::usage(
            format!("{} is a folder", source.display()),
            "add --recursive to upload everything in it, or leave it out",
        ));
    }
    Ok(metadata.is_file().then_some(metadata.len()))
}

fn file_name(path: &Path) -> Result<&str, Failure> {
    path.file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| {
            Failure::usage(
                format!("{} has no name that could be a key", path.display()),
                "give the whole name of the object",
            )
        })
}

/// A file to upload.
struct Found {
    path: PathBuf,
    /// Its place in the folder, with `/` between the segments
    relative: String,
    length: u64,
}

/// Every file in a folder and the folders in it, in the order of their names. Links to files are
/// followed, links to folders are not: they could lead in a circle.
fn walk(folder: &Path, tally: &mut Tally) -> Result<Vec<Found>, Failure> {
    let unreadable = |path: &Path, error: &std::io::Error| {
        Failure::usage(format!("cannot read {}: {error}", path.display()), "")
    };
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = folders.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(&folder, &error))?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                let what = "its name is not UTF-8, as keys are";
                tally.fail(
                    &path.display().to_string(),
                    Failure::usage(what, "rename it"),
                );
                continue;
            };
            let relative = format!("{prefix}{name}");
            if path.is_dir() {
                if !path.is_symlink() {
                    folders.push((path, format!("{relative}/")));
                }
                continue;
            }
            match path.metadata() {
                Ok(metadata) if metadata.is_file() => {
                    found.push(Found {
                        relative,
                        length: metadata.len(),
                        path,
                    });
                }
                Ok(_) => eprintln!("left out, not a file: {}", path.display()),
                Err(error) => tally.fail(&path.display().to_string(), unreadable(&path, &error)),
            }
        }
    }
    found.sort_unstable_by(|a, b| a.relative.cmp(&b.relative));
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_split_at_the_first_equals_sign() {
        assert_eq!(
            pair("Owner=a=b").unwrap(),
            ("owner".to_owned(), "a=b".to_owned())
        );
        assert_eq!(pair("empty=").unwrap().1, "");
        assert!(pair("=x").is_err() && pair("x").is_err());
    }

    #[test]
    fn a_folder_is_walked_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a/z", "a/y y", "a+"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, name).unwrap();
        }
        let found = walk(folder.path(), &mut Tally::default()).unwrap();
        let names: Vec<_> = found.iter().map(|file| file.relative.as_str()).collect();
        assert_eq!(names, ["a+", "a/y y", "a/z", "b"]);
    }
}
