//! `causeway get`: objects out of a bucket, as they are stored.

use std::io::IsTerminal as _;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::failure::{Code, Failure};
use super::many::{Done, Tally};
use super::name::ObjectName;
use super::output::{Output, progress, shown};
use super::store::Store;
use super::{Report, described, environment};
use crate::client::{ObjectInfo, Progress};

const AFTER_HELP: &str = "\
Examples:
  causeway get gs://copy/2026/notes.txt              as ./notes.txt
  causeway get gs://copy/2026/notes.txt /tmp/n.txt   under another name
  causeway get s3://inbox/src.tar - | tar x          to standard output
  causeway get -r gs://copy/site site                a folder, 16 objects at a time

What arrives are the stored bytes: objects with a Content-Encoding stay encoded. A file appears
under its name only once it is whole and matches the store's checksum.

With --json: {\"name\", \"file\", \"key\", \"size\", \"checksums\", ...}; with --recursive {\"count\",
\"bytes\", \"objects\": [those], \"failed\": [{\"name\", \"error\"}]}.";

/// Download an object, or all below a prefix
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Get {
    /// What: s3://bucket/key or gs://bucket/key
    name: ObjectName,
    /// A file, a folder, or - for standard output; the working folder where it is left out
    #[arg(value_name = "FILE")]
    target: Option<PathBuf>,
    /// Download everything in the folder NAME, into the folder FILE
    #[arg(short, long)]
    recursive: bool,
    /// Downloads at a time with --recursive
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
}

impl Get {
    pub(super) async fn run(self, output: Output) -> Result<Report, Failure> {
        if self.recursive {
            return self.folder(output).await;
        }
        if self.name.key.is_empty() {
            return Err(Failure::usage(
                format!("{} names no object", self.name),
                "name an object, or give --recursive for the whole bucket",
            ));
        }
        if self
            .target
            .as_deref()
            .is_some_and(|target| target.as_os_str() == "-")
        {
            return self.to_stdout(output).await;
        }
        let target = self.file()?;
        let store = environment::open(self.name.scheme)?;
        // What is not a file (a pipe, a device) is written to, not replaced.
        let bar = output.bar(None);
        let outcome = download(&store, &self.name, &target, &progress(&bar)).await;
        bar.finish_and_clear();
        let info = outcome?;
        output.line(&line(&self.name, &target, &info));
        Ok(Report::done(with_file(&self.name, &target, &info)))
    }

    async fn to_stdout(&self, output: Output) -> Result<Report, Failure> {
        if output.is_json() {
            return Err(Failure::usage(
                "standard output cannot hold both the object and --json",
                "download to a file, or leave --json out",
            ));
        }
        let store = environment::open(self.name.scheme)?;
        // A bar would be mixed with what is shown.
        let bar = if std::io::stdout().is_terminal() {
            ProgressBar::hidden()
        } else {
            output.bar(None)
        };
        let mut stdout = tokio::io::stdout();
        let (bucket, key) = (&self.name.bucket, &self.name.key);
        let outcome = store.get(bucket, key, &mut stdout, &progress(&bar)).await;
        bar.finish_and_clear();
        let info = outcome?;
        Ok(Report::done(described(&self.name, &info)))
    }

    /// The file to write one object to.
    fn file(&self) -> Result<PathBuf, Failure> {
        let target = match &self.target {
            Some(target) if !target.is_dir() => return Ok(target.clone()),
            Some(folder) => folder.clone(),
            None => PathBuf::new(),
        };
        let name = self.name.key.rsplit('/').next().unwrap_or_default();
        Ok(target.join(relative_path(name)?))
    }

    async fn folder(self, output: Output) -> Result<Report, Failure> {
        let folder = self.name.folder();
        let target = self.target.clone().unwrap_or_else(|| PathBuf::from("."));
        let store = environment::open(folder.scheme)?;
        let objects = store.list_all(&folder.bucket, &folder.key).await?;
        if objects.is_empty() {
            return Err(Failure::new(
                Code::NotFound,
                format!("there is nothing in {folder}"),
                "check the name; `causeway ls` shows what is there",
            ));
        }
        let bar = output.bar(Some(objects.iter().map(|object| object.size).sum()));
        let progress = progress(&bar);
        let work = objects.into_iter().map(|object| {
            let name = folder.with_key(object.key);
            let (store, progress, target) = (&store, &progress, &target);
            let prefix = folder.key.len();
            (name.to_string(), async move {
                let relative = &name.key[prefix..];
                if object.size == 0 && (relative.is_empty() || relative.ends_with('/')) {
                    return marker(
                        &name,
                        &target.join(relative_path(relative.trim_end_matches('/'))?),
                    );
                }
                let file = target.join(relative_path(relative)?);
                let info = download(store, &name, &file, progress).await?;
                let (line, json) = (line(&name, &file, &info), with_file(&name, &file, &info));
                Ok(Done {
                    line,
                    json,
                    bytes: info.size,
                })
            })
        });
        let tally = Tally::default()
            .run(output, &bar, self.jobs.into(), work)
            .await;
        Ok(tally.report(output, "downloaded", true))
    }
}

/// An empty object whose key ends in `/` stands for a folder.
fn marker(name: &ObjectName, folder: &Path) -> Result<Done, Failure> {
    create_folder(folder)?;
    let info = ObjectInfo {
        key: name.key.clone(),
        ..ObjectInfo::default()
    };
    Ok(Done {
        line: line(name, folder, &info),
        json: with_file(name, folder, &info),
        bytes: 0,
    })
}

/// A key as a path below a folder. Refuses what would leave the folder, and what two keys could
/// share.
fn relative_path(key: &str) -> Result<PathBuf, Failure> {
    let path = PathBuf::from(key);
    let plain = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    let whole = key
        .split('/')
        .all(|segment| !matches!(segment, "" | "." | ".."));
    if plain && (whole || key.is_empty()) && !key.contains('\0') {
        return Ok(path);
    }
    Err(Failure::new(
        Code::Failed,
        format!("{key:?} cannot be a file's name here"),
        "download it by itself, to a file that you name",
    ))
}

fn create_folder(folder: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Code::Failed,
        format!("cannot write {}: {error}", path.display()),
        "",
    )
}

/// Downloads to a temporary file beside `file` and gives it its name when it is whole. What is there
/// and is no regular file (a pipe, a device) is written to instead.
async fn download(
    store: &Store,
    name: &ObjectName,
    file: &Path,
    progress: &Progress,
) -> Result<ObjectInfo, Failure> {
    let special = std::fs::metadata(file).is_ok_and(|metadata| !metadata.is_file());
    if special {
        let opened = tokio::fs::OpenOptions::new().write(true).open(file).await;
        let mut sink = opened.map_err(|error| unwritable(file, &error))?;
        return Ok(store
            .get(&name.bucket, &name.key, &mut sink, progress)
            .await?);
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    create_folder(folder)?;
    let partial = partial_in(folder).map_err(|error| unwritable(folder, &error))?;
    let handle = partial.reopen().map_err(|error| unwritable(file, &error))?;
    let mut sink = tokio::io::BufWriter::with_capacity(1 << 20, tokio::fs::File::from_std(handle));
    let info = store
        .get(&name.bucket, &name.key, &mut sink, progress)
        .await?;
    drop(sink);
    partial
        .persist(file)
        .map_err(|error| unwritable(file, &error.error))?;
    Ok(info)
}

/// A temporary file with the permissions that a new file would have.
fn partial_in(folder: &Path) -> std::io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".causeway-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

fn line(name: &ObjectName, file: &Path, info: &ObjectInfo) -> String {
    let (name, file) = (name.to_string(), file.display().to_string());
    format!("{} -> {} ({} bytes)", shown(&name), shown(&file), info.size)
}

fn with_file(name: &ObjectName, file: &Path, info: &ObjectInfo) -> serde_json::Value {
    let mut json = described(name, info);
    json["file"] = file.to_string_lossy().into();
    json
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_key_leaves_the_folder_or_meets_another() {
        for key in ["/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", "a\0"] {
            assert!(relative_path(key).is_err(), "{key}");
        }
        for key in ["a", "a/b c", "...", "ü+%2F"] {
            assert_eq!(relative_path(key).unwrap(), Path::new(key));
        }
    }
}
