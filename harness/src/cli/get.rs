//! `causeway get`: objects out of a bucket, as they are stored.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Component, Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;

use super::environment::Stores;
use super::failure::{Code, Failure};
use super::many::{Done, Tally};
use super::name::ObjectName;
use super::output::{Output, progress, shown};
use super::store::Store;
use super::target::{Effect, TargetArgs};
use super::{Report, described, environment};
use crate::client::{ObjectInfo, Progress};

const AFTER_HELP: &str = "\
Examples:
  causeway get gs://copy/2026/notes.txt              as ./notes.txt
  causeway get gs://copy/2026/notes.txt /tmp/n.txt   under another name
  causeway get gs://copy/notes.txt new/              into a folder, which is made
  causeway get gs://copy/a gs://copy/b /tmp/         several
  causeway get s3://inbox/src.tar - | tar x          to standard output
  causeway get -r gs://copy/site site                a folder, 16 objects at a time

What arrives are the stored bytes: objects with a Content-Encoding stay encoded. A file appears
under its name only once it is whole and matches the store's checksum.

With --json: {\"name\", \"file\", \"key\", \"size\", \"checksums\", ...}; of several or with
--recursive {\"count\", \"bytes\", \"objects\": [those], \"failed\": [{\"name\", \"error\"}]}.";

/// Download objects, or all below a prefix
#[derive(Debug, Args)]
#[command(
    after_help = AFTER_HELP,
    override_usage = "causeway get [OPTIONS] <NAME>... [FILE]"
)]
pub(super) struct Get {
    /// What: s3://bucket/key or gs://bucket/key, one or more. Then where to: a file, a folder (it is
    /// there, or ends in /), or - for standard output; the working folder where it is left out
    #[arg(required = true, value_name = "NAME")]
    arguments: Vec<OsString>,
    /// Download everything in the folder NAME, into the folder FILE
    #[arg(short, long)]
    recursive: bool,
    /// Downloads at a time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: u16,
    #[command(flatten)]
    place: TargetArgs,
}

/// What the arguments of a download mean.
struct Wanted {
    names: Vec<ObjectName>,
    target: Target,
}

/// Where objects go.
enum Target {
    Stdout,
    /// A folder that is there, or is made
    Folder(PathBuf),
    /// A file, or a folder with --recursive
    Path(PathBuf),
}

impl Wanted {
    /// The last argument is the target, unless it is an object's name.
    fn of(mut arguments: Vec<OsString>) -> Result<Self, Failure> {
        if let [only] = arguments.as_slice() {
            parsed(only)?;
        }
        let last = arguments.pop_if(|last| !is_name(last)).map(PathBuf::from);
        let target = match last {
            None => Target::Folder(PathBuf::from(".")),
            Some(path) if path.as_os_str() == "-" => Target::Stdout,
            Some(path) if path.is_dir() => Target::Folder(path),
            Some(path) if ends_in_slash(&path) => Target::Folder(unless_a_file(path)?),
            Some(path) => Target::Path(path),
        };
        let names: Result<Vec<_>, _> = arguments.iter().map(parsed).collect();
        let names = names?;
        Ok(Self { names, target })
    }
}

fn is_name(argument: &OsString) -> bool {
    let argument = argument.as_encoded_bytes();
    argument.starts_with(b"s3://") || argument.starts_with(b"gs://")
}

fn parsed(name: &OsString) -> Result<ObjectName, Failure> {
    let text = name.to_str();
    let parsed = text.map_or_else(
        || Err("it is not UTF-8, as keys are".to_owned()),
        str::parse,
    );
    parsed.map_err(|why| {
        let name = name.display();
        Failure::usage(format!("{name} is no object's name: {why}"), "")
    })
}

/// A folder to be made, unless a file has its name.
fn unless_a_file(folder: PathBuf) -> Result<PathBuf, Failure> {
    let bare: PathBuf = folder.components().collect();
    if bare.exists() {
        let what = format!(
            "{} is a file, and {} a folder",
            bare.display(),
            folder.display()
        );
        return Err(Failure::usage(
            what,
            "leave the / out, or name another folder",
        ));
    }
    Ok(folder)
}

fn ends_in_slash(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

impl Get {
    pub(super) async fn run(mut self, output: Output) -> Result<Report, Failure> {
        let Wanted { names, target } = Wanted::of(std::mem::take(&mut self.arguments))?;
        if self.recursive {
            return self.folder(output, &names, target).await;
        }
        for name in &names {
            check(name, matches!(target, Target::Folder(_)))?;
        }
        match (names.as_slice(), target) {
            ([name], Target::Stdout) => self.to_stdout(name, output).await,
            (_, Target::Stdout) => Err(Failure::usage(
                format!(
                    "standard output takes one object, and {} are named",
                    names.len()
                ),
                "download them to a folder, or one after the other",
            )),
            ([name], Target::Path(file)) => self.one(output, name, &file).await,
            ([name], Target::Folder(folder)) => {
                self.one(output, name, &own_file(name, &folder)?).await
            }
            (_, Target::Path(path)) => Err(Failure::usage(
                format!(
                    "{} is no folder, and {} objects are named",
                    path.display(),
                    names.len()
                ),
                format!("end it in / to have it made: {}/", path.display()),
            )),
            (_, Target::Folder(folder)) => self.several(output, names, &folder).await,
        }
    }

    async fn one(&self, output: Output, name: &ObjectName, file: &Path) -> Result<Report, Failure> {
        let store = environment::open(name.scheme, &self.place, Effect::Other)?;
        let bar = output.bar(None);
        let outcome = download(&store, name, file, &progress(&bar)).await;
        bar.finish_and_clear();
        let info = outcome?;
        output.line(&line(name, file, &info));
        Ok(Report::done(with_file(name, file, &info)))
    }

    /// Several objects, each under its own name.
    async fn several(
        &self,
        output: Output,
        names: Vec<ObjectName>,
        folder: &Path,
    ) -> Result<Report, Failure> {
        let mut files: BTreeMap<PathBuf, ObjectName> = BTreeMap::new();
        for name in names {
            let file = own_file(&name, folder)?;
            if let Some(other) = files.get(&file).filter(|other| **other != name) {
                let file = file.display();
                return Err(Failure::usage(
                    format!("{other} and {name} would both become {file}"),
                    "download one of them to a file that you name",
                ));
            }
            files.insert(file, name);
        }
        let names: Vec<_> = files.values().cloned().collect();
        let stores = Stores::open(&names, &self.place, Effect::Other)?;
        let bar = output.bar(None);
        let progress = progress(&bar);
        let work = files.into_iter().map(|(file, name)| {
            let (store, progress) = (stores.of(&name), &progress);
            let shown = name.to_string();
            (shown, async move {
                fetched(store, &name, &file, progress).await
            })
        });
        let tally = Tally::default();
        let tally = tally.run(output, &bar, self.jobs.into(), work).await;
        Ok(tally.report(output, "downloaded", true))
    }

    async fn to_stdout(&self, name: &ObjectName, output: Output) -> Result<Report, Failure> {
        if output.is_json() {
            return Err(Failure::usage(
                "standard output cannot hold both the object and --json",
                "download to a file, or leave --json out",
            ));
        }
        let store = environment::open(name.scheme, &self.place, Effect::Other)?;
        // A bar would be mixed with what is shown.
        let bar = if std::io::stdout().is_terminal() {
            ProgressBar::hidden()
        } else {
            output.bar(None)
        };
        let mut stdout = tokio::io::stdout();
        let (bucket, key) = (&name.bucket, &name.key);
        let outcome = store.get(bucket, key, &mut stdout, &progress(&bar)).await;
        bar.finish_and_clear();
        let info = outcome?;
        Ok(Report::done(described(name, &info)))
    }

    async fn folder(
        &self,
        output: Output,
        names: &[ObjectName],
        target: Target,
    ) -> Result<Report, Failure> {
        let [name] = names else {
            return Err(Failure::usage(
                format!(
                    "--recursive takes one folder, and {} are named",
                    names.len()
                ),
                "download each by itself",
            ));
        };
        let target = match target {
            Target::Folder(path) | Target::Path(path) if !path.exists() || path.is_dir() => path,
            Target::Folder(path) | Target::Path(path) => {
                let what = format!(
                    "{} is a file, and --recursive wants a folder",
                    path.display()
                );
                return Err(Failure::usage(
                    what,
                    "name a folder; it is made where there is none",
                ));
            }
            Target::Stdout => {
                return Err(Failure::usage(
                    "standard output cannot hold a folder",
                    "name a folder, or leave --recursive out for one object; ./- is a folder named -",
                ));
            }
        };
        let folder = name.folder();
        let store = environment::open(folder.scheme, &self.place, Effect::Other)?;
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
                fetched(store, &name, &file, progress).await
            })
        });
        let tally = Tally::default()
            .run(output, &bar, self.jobs.into(), work)
            .await;
        Ok(tally.report(output, "downloaded", true))
    }
}

/// Refuses what names no single object. One whose key ends in `/` has no name for a file.
fn check(name: &ObjectName, to_folder: bool) -> Result<(), Failure> {
    if name.key.is_empty() {
        return Err(Failure::usage(
            format!("{name} names no object"),
            "name an object, or give --recursive for the whole bucket",
        ));
    }
    if to_folder && name.key.ends_with('/') {
        return Err(Failure::usage(
            format!("{name} ends in /, which no file can"),
            "give --recursive for everything in the folder, or name a file to write it to",
        ));
    }
    Ok(())
}

/// The file in `folder` that has the object's own name.
fn own_file(name: &ObjectName, folder: &Path) -> Result<PathBuf, Failure> {
    let last = name.key.rsplit('/').next().unwrap_or_default();
    let file = relative_path(last).map_err(|failure| Failure {
        code: Code::Usage,
        ..failure
    })?;
    // `./notes.txt` is shown as it is named: notes.txt
    Ok(if folder.as_os_str() == "." {
        file
    } else {
        folder.join(file)
    })
}

/// Downloads one of several.
async fn fetched(
    store: &Store,
    name: &ObjectName,
    file: &Path,
    progress: &Progress,
) -> Result<Done, Failure> {
    let info = download(store, name, file, progress).await?;
    Ok(Done {
        line: line(name, file, &info),
        json: with_file(name, file, &info),
        bytes: info.size,
    })
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
