//! The events of SeaweedFS's filer, which sends every change below `/buckets/` to a webhook.
//!
//! Follows [Filer Notification Webhook](https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook)
//! and what version 4.48 sends. It speaks of entries, not of objects: folders, the parts of an upload,
//! and the versions of an object, each an entry of its own in the folder `<key>.versions`. The key is not
//! encoded. A rename is two keys.

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::{Ignored, ObjectHint, Records};
use crate::json::{members_of, size, text};

const BUCKETS: &str = "/buckets/";
/// Where the parts of unfinished uploads lie, in each bucket.
const UPLOADS: &str = ".uploads/";
/// How the folder of an object's versions ends.
const VERSIONS: &str = ".versions";

/// What an event says of an entry.
#[derive(Default)]
struct Entry {
    name: Option<String>,
    is_directory: bool,
    size: Option<u64>,
    time: Option<Timestamp>,
}

impl Entry {
    fn read(entry: &RawValue) -> Self {
        let names = ["name", "is_directory", "attributes"];
        let [name, is_directory, attributes] = members_of(Some(entry), names);
        // The time is in seconds since 1970.
        let [file_size, mtime] = members_of(attributes, ["file_size", "mtime"]);
        let time = mtime.and_then(|mtime| mtime.get().parse().ok());
        Self {
            name: text(name),
            is_directory: is_directory.is_some_and(|flag| flag.get() == "true"),
            size: size(file_size),
            time: time.and_then(|time| Timestamp::from_second(time).ok()),
        }
    }
}

/// Reads an event of this `kind` about the entry at `path`: one verdict a key.
pub(super) fn read(kind: &str, path: &str, change: Option<&RawValue>, records: &mut Records) {
    let names = ["old_entry", "new_entry", "new_parent_path"];
    let [old, new, parent] = members_of(change, names);
    let entry = new.or(old).map(Entry::read).unwrap_or_default();
    records.push(hint(kind, path, &entry));
    if let (Some(_), Some(_), Some(name), Some(parent)) = (old, new, &entry.name, text(parent)) {
        let moved = format!("{parent}/{name}");
        if moved != path {
            records.push(hint(kind, &moved, &entry));
        }
    }
}

fn hint(kind: &str, path: &str, entry: &Entry) -> Result<ObjectHint, Ignored> {
    let place = path
        .strip_prefix(BUCKETS)
        .and_then(|path| path.split_once('/'));
    let ignored = |reason: &str| Ignored {
        bucket: place.map(|(bucket, _)| bucket.to_owned()),
        key: place.map(|(_, key)| key.to_owned()),
        reason: format!("{path:?} {reason}."),
    };
    let Some((bucket, name)) =
        place.filter(|(bucket, name)| !bucket.is_empty() && !name.is_empty())
    else {
        return Err(ignored("is no object of a bucket"));
    };
    if name.starts_with(UPLOADS) {
        return Err(ignored("is a part of an unfinished upload"));
    }
    let key = match (entry.is_directory, name.rsplit_once('/')) {
        (true, _) => name.strip_suffix(VERSIONS),
        (false, Some((folder, version))) if version.starts_with("v_") => {
            Some(folder.strip_suffix(VERSIONS).unwrap_or(name))
        }
        (false, _) => Some(name),
    };
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(ignored("is a folder"));
    };
    Ok(ObjectHint {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        event: kind.to_owned(),
        time: entry.time,
        version_id: None,
        size: entry.size,
        sequencer: None,
    })
}
