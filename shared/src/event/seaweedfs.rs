//! The events of SeaweedFS's filer, which sends every change below `/buckets/` to a webhook.
//!
//! Follows [Filer Notification Webhook](https://github.com/seaweedfs/seaweedfs/wiki/Filer-Notification-Webhook)
//! and what version 4.48 sends. It speaks of entries, not of objects: folders, the parts of an upload,
//! and the versions of an object, each an entry of its own in the folder `<key>.versions`. The key is not
//! encoded. A rename is two keys.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Ignored, ObjectHint};

const BUCKETS: &str = "/buckets/";
/// Where the parts of unfinished uploads lie, in each bucket.
const UPLOADS: &str = ".uploads/";
/// How the folder of an object's versions ends.
const VERSIONS: &str = ".versions";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    old_entry: Option<Entry>,
    new_entry: Option<Entry>,
    new_parent_path: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    name: String,
    is_directory: bool,
    attributes: Attributes,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Attributes {
    file_size: Option<u64>,
    /// In seconds since 1970.
    mtime: Option<i64>,
}

/// Reads an event of this `kind` about the entry at `path`; one verdict a key.
pub(super) fn read(
    kind: &str,
    path: &str,
    change: Option<&RawValue>,
) -> Vec<Result<ObjectHint, Ignored>> {
    let change = change.map_or("{}", RawValue::get);
    let change: Change = serde_json::from_slice(change.as_bytes()).unwrap_or_default();
    let entry = change.new_entry.as_ref().or(change.old_entry.as_ref());
    let is_directory = entry.is_some_and(|entry| entry.is_directory);
    let mut hints = vec![hint(kind, path, is_directory, entry)];
    if let (Some(_), Some(new)) = (&change.old_entry, &change.new_entry) {
        let moved = format!("{}/{}", change.new_parent_path, new.name);
        if moved != path {
            hints.push(hint(kind, &moved, new.is_directory, Some(new)));
        }
    }
    hints
}

fn hint(
    kind: &str,
    path: &str,
    is_directory: bool,
    entry: Option<&Entry>,
) -> Result<ObjectHint, Ignored> {
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
    let key = match (is_directory, name.rsplit_once('/')) {
        (true, _) => name.strip_suffix(VERSIONS),
        (false, Some((folder, version))) if version.starts_with("v_") => {
            Some(folder.strip_suffix(VERSIONS).unwrap_or(name))
        }
        (false, _) => Some(name),
    };
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(ignored("is a folder"));
    };
    let attributes = entry.map(|entry| &entry.attributes);
    Ok(ObjectHint {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        event: kind.to_owned(),
        time: attributes.and_then(|attributes| Timestamp::from_second(attributes.mtime?).ok()),
        version_id: None,
        size: attributes.and_then(|attributes| attributes.file_size),
        sequencer: None,
    })
}
